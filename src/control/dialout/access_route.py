"""Access routes: which prefixes a session reaches, and putting them into the FIB all or nothing.

Specification 1.11. IPv4: Framed-IP-Address and every Framed-Route of the second Access-Accept;
without either the address the peer names, where the profile allows it. IPv6: Framed-IPv6-Prefix,
Framed-IPv6-Address, Framed-IPv6-Route and Delegated-IPv6-Prefix; a peer names no address itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from control.dataplane import Transaction
from control.errors import DialoutError
from control.ipv4_prefix import OCTETS
from control.radius.events import SessionGrant
from control.rib import Change, ChangeKind

_MARTIANS = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        *("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"),
        *("::/128", "::1/128", "::ffff:0:0/96", "fe80::/10", "ff00::/8"),
    )
)
"""RFC 6890: never the address of a remote site."""


_PUBLIC = frozenset(
    str(first)
    for first in range(256)
    if not any(ipaddress.ip_address(f"{first}.0.0.0") in martian for martian in _MARTIANS)
)
"""First octets of addresses that no martian prefix of IPv4 holds; all of them are /8 or shorter."""


class RouteDoesNotFit(DialoutError):
    """The access routes cannot be used; nothing of them may be committed."""


def access_prefixes(
    grant: SessionGrant | None, peer_address: str, *, accept_peer_address: bool
) -> tuple[str, ...]:
    """The IPv4 prefixes to route, canonical, each once, Framed-IP-Address first.

    `grant` is None if the peer did not have to authenticate. A Framed-IP-Netmask widens the
    Framed-IP-Address to the site's network; absent it is /32. Raises RouteDoesNotFit for a
    malformed or martian prefix, and if there is nothing to route.
    """
    wanted: list[str] = []
    if grant is not None and grant.framed_address:
        wanted.append(f"{grant.framed_address}/{grant.framed_netmask or 32}")
    if grant is not None:
        wanted += [route.prefix for route in grant.framed_routes]
    if not wanted and accept_peer_address and peer_address:
        wanted.append(peer_address)
    if not wanted:
        raise RouteDoesNotFit("RADIUS named no route and the peer's address is not accepted")
    return tuple(dict.fromkeys(_network(prefix, 4) for prefix in wanted))


def access_prefixes_ipv6(grant: SessionGrant | None) -> tuple[str, ...]:
    """The IPv6 prefixes to route, canonical, each once. Raises RouteDoesNotFit likewise."""
    wanted: list[str] = []
    if grant is not None:
        wanted += grant.framed_ipv6_prefixes
        wanted += [f"{address}/128" for address in grant.framed_ipv6_addresses]
        wanted += [route.prefix for route in grant.framed_ipv6_routes]
        wanted += grant.delegated_ipv6_prefixes
    if not wanted:
        raise RouteDoesNotFit("RADIUS named no IPv6 route")
    return tuple(dict.fromkeys(_network(prefix, 6) for prefix in wanted))


def apply(transaction: Transaction, changes: Iterable[Change]) -> None:
    """Carries changes of the RIB into the FIB."""
    for change in changes:
        if change.kind is not ChangeKind.ADD:
            transaction.delete_route(change.table, change.prefix)
        if change.kind is not ChangeKind.DELETE:
            transaction.add_route(change.table, change.prefix, change.nh)


def verify(
    transaction: Transaction, table: int, nh: int, destination: str, foreign: Iterable[str]
) -> None:
    """`destination`, unless it is empty, must resolve to `nh`, and none of `foreign` may.

    `foreign`: addresses of the tunnel itself, which must not lead into it (threat T8). Raises
    RouteDoesNotFit: inside the transaction, so that it is undone.
    """
    if destination and transaction.resolve(table, destination) != nh:
        raise RouteDoesNotFit("the access route does not cover the trigger's destination")
    for address in foreign:
        if transaction.resolve(table, address) == nh:
            raise RouteDoesNotFit("the access route covers an end of its own tunnel")


def _network(prefix: str, version: int) -> str:
    first, *rest = prefix.removesuffix("/32").split(".")
    if version == 4 and len(rest) == 3 and first in _PUBLIC and OCTETS.issuperset(rest):
        return f"{first}.{'.'.join(rest)}/32"  # nearly every site
    try:
        network = ipaddress.ip_network(prefix, strict=False)
    except ValueError as error:
        raise RouteDoesNotFit(f"{prefix!r} is not a prefix") from error
    if network.version != version:
        raise RouteDoesNotFit(f"{prefix!r} is not an IPv{version} prefix")
    for martian in _MARTIANS:
        if network.version == martian.version and _is_within(network, martian):
            raise RouteDoesNotFit(f"{network} is not an address of a remote site")
    return str(network)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _is_within(network: _Network, outer: _Network) -> bool:
    """Whether `outer`, of the same family, holds all of `network`."""
    first, last = int(outer.network_address), int(outer.broadcast_address)
    return network.prefixlen >= outer.prefixlen and first <= int(network.network_address) <= last
