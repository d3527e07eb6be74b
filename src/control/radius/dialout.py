"""The first Access-Request's name and the first Access-Accept's meaning: whom to call, and how
(specification 1.7, 1.8; RFC 2868).

One tag is one LAC. Attributes without a tag (or with tag 0) describe one more LAC of their own, tag
0: RFC 2868 names no way in which they could complete the tagged ones, and guessing could give one
LAC the secret of another. It does not ask anybody and does not place the call.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from control.errors import DialoutError, RemoteProtocolError
from control.radius import refused
from control.radius.codec import Reply, Value
from control.radius.events import DialoutGrant, TunnelCandidate

_L2TP: Final = 3
_MEDIUM_IPV4: Final = 1
_MEDIUM_IPV6: Final = 2
_NUMBER: Final = re.compile(r"[0-9*#+,A-D]+", re.ASCII)
"""What a LAC may be asked to dial: nothing that a modem, or a shell behind it, could obey."""
_ANSWER_PROTOCOLS: Final[dict[int, tuple[str, ...]]] = {
    0: (),
    1: ("pap",),
    2: ("chap",),
    3: ("pap", "chap"),
    4: ("chap", "pap"),
}
"""26-38 to the methods we answer the peer with, in order."""
_LARGEST_WINDOW: Final = 1024
"""Control messages; what is ahead of a missing one is kept."""
_ONCE: Final = ("Tunnel-", "ERX-")
"""Prefixes of the attributes that come once, or once with each tag."""
_BEARERS: Final[dict[int, int]] = {0: 0, 1: 2, 2: 1}
"""26-41 (none, analog, digital) to the bits of AVP 18 (RFC 2661 4.4.3: digital 1, analog 2)."""

_Values = dict[str, Value]
_T = TypeVar("_T")


class _Unusable(DialoutError):
    """Why a tag cannot be used; never leaves this file."""


def dialout_user_name(address: str, domain: str, rd: str = "") -> str:
    """User-Name of the first Access-Request, `[RD/]address@domain` (specification 1.7)."""
    return f"{rd}/{address}@{domain}" if rd else f"{address}@{domain}"


def parse_dialout_grant(
    reply: Reply, *, require_tunnel_auth: bool, known_secret: Callable[[str], bool]
) -> DialoutGrant:
    """Meaning of an Access-Accept for dial-out (specification 1.8).

    `known_secret(address)` says whether configuration has what the tunnel to this LAC needs, so
    that a tag without a secret is usable. Tunnel-Password (69) goes before 26-9. Raises
    RemoteProtocolError with one sentence when nothing can be called.
    """
    tags, values, ignored = _group(reply)
    number = _number(values, ignored)
    limit = _integer(values, "ERX-Tunnel-Maximum-Sessions") or 0
    ignored += refused.sentences(reply.attributes)
    window = min(_integer(values, "ERX-L2tp-Recv-Window-Size") or 0, _LARGEST_WINDOW)
    broken = {f.tag: f for f in reversed(reply.faults) if f.tag is not None}
    candidates: list[TunnelCandidate] = []
    unusable: list[str] = []
    for tag in sorted(tags | set(broken)):
        try:
            if tag in broken:
                raise _Unusable(f"{broken[tag].name} {broken[tag].reason}")
            candidate = _candidate(tag, _of_tag(reply, tag), limit, window)
            if require_tunnel_auth and not candidate.password:
                _require_known(candidate.server_endpoint, known_secret)
            candidates.append(candidate)
        except _Unusable as reason:
            unusable.append(f"tag {tag}: {reason}")
    if not candidates:
        why = "; ".join(unusable) or "no tunnel attributes"
        raise RemoteProtocolError(f"no LAC can be called: {why}")
    candidates.sort(key=lambda c: (c.preference, c.tag))
    return _grant(tuple(candidates), number, values, tuple(unusable), ignored)


def _grant(
    candidates: tuple[TunnelCandidate, ...],
    number: str,
    values: _Values,
    unusable: tuple[str, ...],
    ignored: list[str],
) -> DialoutGrant:
    minimum, maximum = _speeds(values, ignored)
    answers = _enumeration(values, "ERX-PPP-Auth-Protocol", _ANSWER_PROTOCOLS, ignored)
    bearer = _enumeration(values, "ERX-Bearer-Type", _BEARERS, ignored)
    return DialoutGrant(
        candidates=candidates,
        number=number,
        ppp_username=_string(values, "ERX-PPP-Username"),
        ppp_password=_octets(values, "ERX-PPP-Password"),
        answer_protocols=answers,
        minimum_bps=minimum,
        maximum_bps=maximum,
        bearer_type=bearer,
        tunnel_tos=_within(values, "ERX-Tunnel-Tos", range(256), ignored),
        unusable=unusable,
        ignored=tuple(ignored),
    )


def _group(reply: Reply) -> tuple[set[int], _Values, list[str]]:
    """The tags in use, the attributes that take no tag, and sentences on what is not used."""
    tags: set[int] = set()
    values: _Values = {}
    seen: set[tuple[str, int | None]] = set()
    ignored = [str(fault) for fault in reply.faults if fault.tag is None]
    for attribute in reply.attributes:
        if (attribute.name, attribute.tag) in seen and attribute.name.startswith(_ONCE):
            of_tag = "" if attribute.tag is None else f" with tag {attribute.tag}"
            ignored.append(f"{attribute.name} comes more than once{of_tag}: the first counts")
        seen.add((attribute.name, attribute.tag))
        if attribute.tag is None:
            values.setdefault(attribute.name, attribute.value)
        else:
            tags.add(attribute.tag)
    return tags, values, ignored


def _of_tag(reply: Reply, tag: int) -> _Values:
    values: _Values = {}
    for attribute in reply.attributes:
        if attribute.tag == tag:
            values.setdefault(attribute.name, attribute.value)
    return values


def _candidate(tag: int, values: _Values, maximum_sessions: int, window: int) -> TunnelCandidate:
    if (kind := _integer(values, "Tunnel-Type")) != _L2TP:
        raise _Unusable("no Tunnel-Type" if kind is None else f"Tunnel-Type {kind} is not L2TP")
    server = _endpoint(values, "Tunnel-Server-Endpoint")
    if not server:
        raise _Unusable("no Tunnel-Server-Endpoint")
    return TunnelCandidate(
        tag=tag,
        server_endpoint=server,
        client_endpoint=_endpoint(values, "Tunnel-Client-Endpoint"),
        password=_octets(values, "Tunnel-Password") or _octets(values, "ERX-Tunnel-Password"),
        assignment_id=_string(values, "Tunnel-Assignment-Id"),
        preference=_integer(values, "Tunnel-Preference") or 0,
        client_auth_id=_string(values, "Tunnel-Client-Auth-Id"),
        server_auth_id=_string(values, "Tunnel-Server-Auth-Id"),
        maximum_sessions=maximum_sessions,
        receive_window=window,
    )


def _endpoint(values: _Values, name: str) -> str:
    """An address that can be a tunnel's end, of the medium's family; empty if there is none."""
    medium = _integer(values, "Tunnel-Medium-Type")
    if medium is None:
        raise _Unusable("no Tunnel-Medium-Type")
    if medium not in (_MEDIUM_IPV4, _MEDIUM_IPV6):
        raise _Unusable(f"Tunnel-Medium-Type {medium} is neither IPv4 nor IPv6")
    text = _string(values, name)
    return _address(text, medium, name) if text else ""


@lru_cache(1024)
def _address(text: str, medium: int, name: str) -> str:
    """LACs are few, and each is looked at with every call."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _Unusable(f"{name} is not an IP address (names are not looked up)") from None
    wanted = 6 if medium == _MEDIUM_IPV6 else 4
    if address.version != wanted:
        raise _Unusable(
            f"{name} is an IPv{address.version} address, Tunnel-Medium-Type is IPv{wanted}"
        )
    # Link-local addresses say nothing without a link; loopback is for tests on one machine.
    if address.version == 6 and (address.is_link_local or address.ipv4_mapped):
        raise _Unusable(f"{name} is not the address of a host")
    if address.is_unspecified or address.is_multicast or _is_reserved(address):
        raise _Unusable(f"{name} is not the address of a host")
    return str(address)


def _is_reserved(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Of IPv6 that means most of what nobody has been given, ::1 with it."""
    return address.is_reserved and not address.is_loopback


def _require_known(address: str, known_secret: Callable[[str], bool]) -> None:
    if not known_secret(address):
        raise _Unusable("no Tunnel-Password, and tunnel authentication is required")


def _number(values: _Values, ignored: list[str]) -> str:
    number = _string(values, "ERX-Dial-Out-Number")
    if not number:
        raise RemoteProtocolError("; ".join(["no ERX-Dial-Out-Number", *ignored]))
    if not _NUMBER.fullmatch(number):
        raise RemoteProtocolError("ERX-Dial-Out-Number has characters other than 0-9 * # + , A-D")
    return number


def _speeds(values: _Values, ignored: list[str]) -> tuple[int | None, int | None]:
    minimum = _integer(values, "ERX-Minimum-BPS")
    maximum = _integer(values, "ERX-Maximum-BPS")
    if minimum is not None and maximum is not None and minimum > maximum:
        ignored.append("ERX-Minimum-BPS is greater than ERX-Maximum-BPS")
        return None, None
    return minimum, maximum


def _within(values: _Values, name: str, allowed: range, ignored: list[str]) -> int | None:
    value = _integer(values, name)
    if value is not None and value not in allowed:
        ignored.append(f"{name} {value} is not within {allowed.start} to {allowed.stop - 1}")
        return None
    return value


def _enumeration(
    values: _Values, name: str, meanings: dict[int, _T], ignored: list[str]
) -> _T | None:
    value = _integer(values, name)
    if value is not None and value not in meanings:
        ignored.append(f"{name} {value} has no meaning")
    return None if value is None else meanings.get(value)


def _integer(values: _Values, name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None


def _string(values: _Values, name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _octets(values: _Values, name: str) -> bytes:
    value = values.get(name)
    return value if isinstance(value, bytes) else b""
