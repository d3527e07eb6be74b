"""What accounting tells a RADIUS server: RFC 2866 5, 2867 3, 2869 5, and the gigapackets of vendor
4874.

Which session gets which record, and when, is the dial-out side's business; transmission is
accounting_queue.py's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from control.radius.codec import Value

_FRAMED: Final = 2
_PPP: Final = 1
_VIRTUAL: Final = 5
_RADIUS: Final = 1
_L2TP: Final = 3
_WORD: Final = 1 << 32
_MOST: Final = 253
_MOST_OF_VENDOR: Final = 247
"""Octets of a value (RFC 2865 5, 5.26)."""

Row = tuple[str, Value]


class Status(IntEnum):
    """Acct-Status-Type (RFC 2866 5.1)."""

    START = 1
    STOP = 2
    INTERIM_UPDATE = 3
    ON = 7
    OFF = 8


@dataclass(frozen=True, slots=True)
class TunnelFacts:
    """The tunnel of a call (RFC 2867 4)."""

    client_endpoint: str
    """We: the tunnel's initiator."""
    server_endpoint: str
    """The LAC."""
    client_auth_id: str = ""
    server_auth_id: str = ""
    assignment_id: str = ""
    connection: str = ""
    """Acct-Tunnel-Connection: names this call."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is the same in all records of one session."""

    session_id: str
    """Acct-Session-Id."""
    user_name: str = ""
    multi_session_id: str = ""
    """Acct-Multi-Session-Id: the same for all calls of one dial-out session."""
    authenticated: bool = True
    """By RADIUS."""
    framed_address: str = ""
    framed_netmask: str = ""
    framed_routes: tuple[str, ...] = ()
    framed_ipv6_addresses: tuple[str, ...] = ()
    framed_ipv6_prefixes: tuple[str, ...] = ()
    framed_ipv6_routes: tuple[str, ...] = ()
    delegated_ipv6_prefixes: tuple[str, ...] = ()
    framed_interface_id: str = ""
    """The peer's interface identifier, as four groups of hexadecimal digits."""
    filter_id: str = ""
    ingress_policy: str = ""
    egress_policy: str = ""
    """26-10, 26-11, as the Access-Accept or a CoA-Request had them."""
    state_class: tuple[bytes, ...] = ()
    """Class, as the Access-Accept had it (RFC 2865 5.25)."""
    called_number: str = ""
    """Called-Station-Id: the number that was dialed."""
    calling_number: str = ""
    nas_port: int | None = None
    nas_port_id: str = ""
    tx_speed: int = 0
    rx_speed: int = 0
    """Bits a second from the LAC to the site and back, as the LAC told; 0: it did not."""
    tunnel: TunnelFacts | None = None
    multilink: int = field(default=1)
    """Acct-Link-Count."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a session has used until now. Input is what came from the site."""

    seconds: int = 0
    input_octets: int = 0
    output_octets: int = 0
    input_packets: int = 0
    output_packets: int = 0


@dataclass(frozen=True, slots=True)
class AccountingRequest:
    status: Status
    session_id: str
    """Empty: On and Off."""
    rows: tuple[Row, ...] = field(repr=False)
    """All but Acct-Delay-Time and who we are."""
    sources: tuple[str, str] = ("", "")
    """Our addresses toward IPv4 and IPv6 servers; empty: the client's."""


def start(facts: SessionFacts, timestamp: int, sources: tuple[str, str]) -> AccountingRequest:
    """`timestamp`: seconds since 1970, UTC."""
    return _request(Status.START, facts, (), timestamp, sources)


def interim(
    facts: SessionFacts, usage: Usage, timestamp: int, sources: tuple[str, str]
) -> AccountingRequest:
    return _request(Status.INTERIM_UPDATE, facts, usage_rows(usage), timestamp, sources)


def stop(
    facts: SessionFacts,
    usage: Usage,
    cause: int,
    timestamp: int,
    sources: tuple[str, str],
    disconnect: str = "",
) -> AccountingRequest:
    """`cause`: Acct-Terminate-Cause (RFC 2866 5.10); `disconnect`: 26-51, empty: nothing is
    known."""
    rows: tuple[Row, ...] = (*usage_rows(usage), ("Acct-Terminate-Cause", cause))
    if disconnect:
        rows += (("ERX-Disconnect-Cause-Info", fitting(disconnect, _MOST_OF_VENDOR)),)
    return _request(Status.STOP, facts, rows, timestamp, sources)


def on_off(status: Status, boot: str, timestamp: int) -> AccountingRequest:
    """Accounting-On and -Off: no session of before this moment exists any more.

    `boot` is their Acct-Session-Id, which RFC 2866 5.13 wants in every record.
    """
    rows: tuple[Row, ...] = (
        ("Acct-Status-Type", int(status)),
        ("Acct-Session-Id", boot),
        ("Event-Timestamp", timestamp),
    )
    return AccountingRequest(status, "", rows)


def usage_rows(usage: Usage) -> tuple[Row, ...]:
    """Counters of 32 bits, and how often they wrapped if they did (RFC 2869 5.1)."""
    rows: list[Row] = [
        ("Acct-Session-Time", min(usage.seconds, _WORD - 1)),
        ("Acct-Input-Octets", usage.input_octets % _WORD),
        ("Acct-Output-Octets", usage.output_octets % _WORD),
        ("Acct-Input-Packets", usage.input_packets % _WORD),
        ("Acct-Output-Packets", usage.output_packets % _WORD),
    ]
    wraps = (
        ("Acct-Input-Gigawords", usage.input_octets // _WORD),
        ("Acct-Output-Gigawords", usage.output_octets // _WORD),
        ("ERX-Input-Gigapkts", usage.input_packets // _WORD),
        ("ERX-Output-Gigapkts", usage.output_packets // _WORD),
    )
    return (*rows, *((name, count) for name, count in wraps if count))


def _request(
    status: Status,
    facts: SessionFacts,
    usage: tuple[Row, ...],
    timestamp: int,
    sources: tuple[str, str],
) -> AccountingRequest:
    rows: tuple[Row, ...] = (
        ("Acct-Status-Type", int(status)),
        ("Acct-Session-Id", facts.session_id),
        ("Event-Timestamp", timestamp),
        *_fact_rows(facts),
        *usage,
    )
    return AccountingRequest(status, facts.session_id, rows, sources)


def fitting(text: str, most: int = _MOST) -> str:
    """What peers say of themselves, as an attribute can hold it: a record that cannot be encoded
    would not be told at all."""
    if len(text) <= most and text.isascii():
        return text
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _fact_rows(facts: SessionFacts) -> list[Row]:
    texts: list[Row] = [
        ("User-Name", facts.user_name),
        ("Acct-Multi-Session-Id", facts.multi_session_id),
        ("Called-Station-Id", facts.called_number),
        ("Calling-Station-Id", facts.calling_number),
        ("NAS-Port-Id", facts.nas_port_id),
        ("Connect-Info", _connect_info(facts)),
        ("Filter-Id", facts.filter_id),
        ("Framed-IP-Address", facts.framed_address),
        ("Framed-IP-Netmask", facts.framed_netmask),
        ("Framed-Interface-Id", facts.framed_interface_id),
    ]
    policies = (
        ("ERX-Ingress-Policy-Name", facts.ingress_policy),
        ("ERX-Egress-Policy-Name", facts.egress_policy),
    )
    rows: list[Row] = [
        ("Service-Type", _FRAMED),
        ("Framed-Protocol", _PPP),
        ("NAS-Port-Type", _VIRTUAL),
        ("Acct-Link-Count", facts.multilink),
        *((name, fitting(str(text))) for name, text in texts if text),
        *((name, fitting(text, _MOST_OF_VENDOR)) for name, text in policies if text),
        *(("Framed-Route", route) for route in facts.framed_routes),
        *(("Framed-IPv6-Address", address) for address in facts.framed_ipv6_addresses),
        *(("Framed-IPv6-Prefix", prefix) for prefix in facts.framed_ipv6_prefixes),
        *(("Framed-IPv6-Route", route) for route in facts.framed_ipv6_routes),
        *(("Delegated-IPv6-Prefix", prefix) for prefix in facts.delegated_ipv6_prefixes),
        *(("Class", value) for value in facts.state_class),
    ]
    if facts.authenticated:
        rows.append(("Acct-Authentic", _RADIUS))
    if facts.tx_speed:
        rows.append(("ERX-Tx-Connect-Speed", facts.tx_speed))
        rows.append(("ERX-Rx-Connect-Speed", facts.rx_speed))
    if facts.nas_port is not None:
        rows.append(("NAS-Port", facts.nas_port))
    return rows + (_tunnel_rows(facts.tunnel) if facts.tunnel is not None else [])


def _connect_info(facts: SessionFacts) -> str:
    """`64000`, or `56000/33600` (RFC 2869 5.11: both speeds if they differ)."""
    if facts.rx_speed == facts.tx_speed:
        return str(facts.tx_speed) if facts.tx_speed else ""
    return f"{facts.tx_speed}/{facts.rx_speed}"


def _tunnel_rows(tunnel: TunnelFacts) -> list[Row]:
    texts: list[Row] = [
        ("Tunnel-Client-Endpoint", tunnel.client_endpoint),
        ("Tunnel-Server-Endpoint", tunnel.server_endpoint),
        ("Tunnel-Client-Auth-Id", tunnel.client_auth_id),
        ("Tunnel-Server-Auth-Id", tunnel.server_auth_id),
        ("Tunnel-Assignment-Id", tunnel.assignment_id),
        ("Acct-Tunnel-Connection", tunnel.connection),
    ]
    medium = 2 if ":" in tunnel.server_endpoint else 1
    kind: list[Row] = [("Tunnel-Type", _L2TP), ("Tunnel-Medium-Type", medium)]
    return kind + [(name, fitting(str(text))) for name, text in texts if text]
