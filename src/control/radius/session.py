"""The second Access-Accept's meaning: what the session of an authenticated peer gets (RFC 2865 5.8,
5.9, 5.12, 5.22, 5.25, 5.27, 5.28; specification 1.10, 1.14). session_ipv6.py has IPv6.

It installs nothing: which routes become access routes is decided by their user.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from control.errors import RemoteProtocolError
from control.radius import refused, session_ipv6
from control.radius.codec import Reply, Value
from control.radius.events import FramedRoute, SessionGrant

_FRAMED: Final = 2
_OUTBOUND: Final = 5
_PPP: Final = 1
_PEER_CHOOSES: Final = "255.255.255.255"
_WE_CHOOSE: Final = "255.255.255.254"
"""RFC 2865 5.8."""
_MTU: Final = range(64, 65536)
"""RFC 2865 5.12."""
_METRIC: Final = range(2**31)
_CLASSES: Final = ((0x80, 8), (0xC0, 16), (0xE0, 24))
"""First octet below this, and the prefix length of that address class (RFC 2865 5.22)."""


def refusal(reply: Reply) -> str:
    """Why an Access-Accept counts as a reject (RFC 2865 5.6, 5.7): a service that we do not
    provide. Empty if it does not."""
    for attribute in reply.attributes:
        if attribute.name == "Service-Type" and attribute.value not in (_FRAMED, _OUTBOUND):
            return f"Service-Type {attribute.value!r} is not provided"
        if attribute.name == "Framed-Protocol" and attribute.value != _PPP:
            return f"Framed-Protocol {attribute.value!r} is not provided"
    return ""


def parse_session_grant(reply: Reply) -> SessionGrant:
    """Meaning of an Access-Accept for the peer's PPP authentication.

    What cannot be used is left out and named in `ignored`; it does not undo the authentication.
    """
    ignored = [str(fault) for fault in reply.faults] + refused.sentences(reply.attributes)
    values: dict[str, list[Value]] = {}
    for attribute in reply.attributes:
        values.setdefault(attribute.name, []).append(attribute.value)
    return SessionGrant(
        framed_address=_address(values, ignored),
        framed_netmask=_netmask(values, ignored),
        framed_routes=_routes(values, ignored),
        framed_mtu=_mtu(values, ignored),
        dns=_dns(values, ignored),
        filter_id=_first_text(values, "Filter-Id"),
        ingress_policy=_first_text(values, "ERX-Ingress-Policy-Name"),
        egress_policy=_first_text(values, "ERX-Egress-Policy-Name"),
        idle_timeout=_integer(values, "Idle-Timeout"),
        session_timeout=_integer(values, "Session-Timeout"),
        reply_message=reply_message(reply),
        acct_interim_interval=_integer(values, "Acct-Interim-Interval"),
        framed_pool=_first_text(values, "Framed-Pool")
        or _first_text(values, "ERX-Address-Pool-Name"),
        state_class=tuple(v for v in values.get("Class", ()) if isinstance(v, bytes)),
        framed_ipv6_prefixes=session_ipv6.prefixes(values, "Framed-IPv6-Prefix", ignored),
        framed_ipv6_addresses=session_ipv6.addresses(values, "Framed-IPv6-Address", ignored),
        framed_ipv6_routes=session_ipv6.routes(values, ignored),
        delegated_ipv6_prefixes=session_ipv6.prefixes(values, "Delegated-IPv6-Prefix", ignored),
        framed_interface_id=session_ipv6.interface_id(values, ignored),
        ipv6_dns=session_ipv6.addresses(values, "DNS-Server-IPv6-Address", ignored),
        framed_ipv6_pool=_first_text(values, "Framed-IPv6-Pool"),
        delegated_ipv6_pool=_first_text(values, "Delegated-IPv6-Prefix-Pool"),
        mschap_success=next(
            (v for v in values.get("MS-CHAP2-Success", ()) if isinstance(v, bytes)), b""
        ),
        ignored=tuple(ignored),
    )


def _first_text(values: dict[str, list[Value]], name: str) -> str:
    if name not in values:
        return ""
    return next((value for value in values[name] if isinstance(value, str)), "")


def reply_message(reply: Reply) -> str:
    """All Reply-Messages, in order, as one line."""
    texts = [str(a.value) for a in reply.attributes if a.name == "Reply-Message"]
    return " ".join(" ".join(texts).split()) if texts else ""


def parse_framed_route(text: str) -> FramedRoute:
    """One Framed-Route, `prefix[/length] [gateway [metric ...]]` (RFC 2865 5.22).

    Without a length the address class decides. The gateway is checked and not used: a PPP link has
    one other end. The first metric counts, 1 if there is none. Raises RemoteProtocolError.
    """
    prefix, *rest = text.split() or [""]
    address, slash, length = prefix.partition("/")
    if not slash:
        length = _class_length(address)
    if not (length.isascii() and length.isdecimal() and len(length) <= 2):
        raise RemoteProtocolError("the prefix is not an IPv4 prefix")
    try:
        network = ipaddress.IPv4Network(f"{address}/{length}")
    except ValueError:
        raise RemoteProtocolError("the prefix is not an IPv4 prefix without host bits") from None
    if network.is_multicast:
        raise RemoteProtocolError("the prefix is multicast")
    if rest:
        _check_gateway(rest[0])
    return FramedRoute(str(network), _metric(rest[1:]))


def _class_length(address: str) -> str:
    first = address.split(".")[0]
    if first.isascii() and first.isdecimal() and len(first) <= 3:
        for below, length in _CLASSES:
            if int(first) < below:
                return str(length)
    return ""


def _check_gateway(text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise RemoteProtocolError("the gateway is not an IPv4 address") from None


def _metric(texts: list[str]) -> int:
    for text in texts:
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) in _METRIC):
            raise RemoteProtocolError("a metric is not a number from 0 to 2147483647")
    return int(texts[0]) if texts else 1


def _routes(values: dict[str, list[Value]], ignored: list[str]) -> tuple[FramedRoute, ...]:
    routes: list[FramedRoute] = []
    for text in values.get("Framed-Route", ()):
        try:
            routes.append(parse_framed_route(str(text)))
        except RemoteProtocolError as error:
            ignored.append(f"Framed-Route {str(text)[:64]!r}: {error}")
    return tuple(dict.fromkeys(routes))


def _address(values: dict[str, list[Value]], ignored: list[str]) -> str:
    text = str(values.get("Framed-IP-Address", [""])[0])
    if text in ("", _PEER_CHOOSES, _WE_CHOOSE):
        return ""
    first = int(text.partition(".")[0])
    # Unspecified, loopback; multicast and reserved.
    if text == "0.0.0.0" or first == 127 or first >= 224:
        ignored.append(f"Framed-IP-Address {text} is not the address of a host")
        return ""
    return text


def _dns(values: dict[str, list[Value]], ignored: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in ("ERX-Primary-Dns", "ERX-Secondary-Dns"):
        for value in values.get(name, ())[:1]:
            address = ipaddress.IPv4Address(str(value))
            if address.is_unspecified or address.is_multicast or address.is_loopback:
                ignored.append(f"{name} {address} is not the address of a host")
            else:
                found.append(str(address))
    return tuple(found)


def _netmask(values: dict[str, list[Value]], ignored: list[str]) -> str:
    text = str(values.get("Framed-IP-Netmask", [""])[0])
    if not text:
        return ""
    inverse = ~int(ipaddress.IPv4Address(text)) & 0xFFFFFFFF
    if inverse & (inverse + 1):  # ones of the inverse must be one run at the right end
        ignored.append(f"Framed-IP-Netmask {text} has a gap")
        return ""
    return text


def _mtu(values: dict[str, list[Value]], ignored: list[str]) -> int | None:
    mtu = _integer(values, "Framed-MTU")
    if mtu is not None and mtu not in _MTU:
        ignored.append(f"Framed-MTU {mtu} is not within 64 to 65535")
        return None
    return mtu


def _integer(values: dict[str, list[Value]], name: str) -> int | None:
    value = values.get(name, [None])[0]
    return value if isinstance(value, int) else None
