"""What the RADIUS parts of an LNS are made of: their settings, taken from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from control import config
from control.radius.client import ClientConfig, ServerConfig
from control.radius.dynauth import AuthorizationClient


def client_config(
    config: config.Config, group: config.Radius, known_secret: Callable[[str], bool]
) -> ClientConfig:
    """Of a group. `known_secret` as in ClientConfig."""
    routers = [router for router in config.virtual_router if router.radius == group.name]
    return ClientConfig(
        servers=tuple(
            ServerConfig(s.address, s.port, s.secret, s.accounting_port) for s in group.servers
        ),
        retries=group.retries,
        timeout=group.timeout,
        dead_time=group.dead_time,
        status_server=group.status_server,
        accounting_queue=group.accounting_queue,
        require_message_authenticator=group.require_message_authenticator,
        nas_identifier=config.chassis.name,
        nas_address=next((r.local_address for r in routers if r.local_address), ""),
        nas_address_ipv6=next((r.local_address_ipv6 for r in routers if r.local_address_ipv6), ""),
        known_secret=known_secret,
    )


def authorization_clients(config: config.Config) -> list[AuthorizationClient]:
    """Who may send CoA and Disconnect requests: a group's `clients`, or its servers."""
    return [
        AuthorizationClient(
            source.address,
            group.name,
            source.secret,
            signed=group.require_message_authenticator,
            timed=group.require_event_timestamp,
        )
        for group in config.radius
        if group.dynamic_authorization
        for source in group.clients or group.servers
    ]


def authorization_addresses(config: config.Config) -> list[tuple[str, int]]:
    """Where such requests are taken: local address and UDP port."""
    groups = {group.name: group for group in config.radius if group.dynamic_authorization}
    found = {
        (address, groups[router.radius].dynamic_authorization_port): None
        for router in config.virtual_router
        if router.radius in groups
        for address in router.local_addresses
    }
    return list(found)


def nas_names(config: config.Config) -> list[tuple[str, str]]:
    """Attributes by which we may be called, and their values."""
    addresses = {address for r in config.virtual_router for address in r.local_addresses}
    named = [
        ("NAS-IPv6-Address" if ":" in address else "NAS-IP-Address", address)
        for address in sorted(addresses)
    ]
    return [("NAS-Identifier", config.chassis.name), *named]
