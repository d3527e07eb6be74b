"""The [[port]] tables of a configuration, opened: `mem:`, `pcap:FILE` and `udp:ADDRESS[:PORT]`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from control.config import Config, Port
from control.config_values import udp_address
from control.errors import ConfigurationError, ResourceError
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort
from fastpath.ports.pcap import PcapError, PcapPort
from fastpath.ports.udp import UdpPort


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port of the engine."""

    config: Port
    port: MemPort | PcapPort | UdpPort
    index: int

    @property
    def descriptor(self) -> int | None:
        """What to wait for; None: nothing tells when packets come, or their time stamps do."""
        return self.port.fileno() if isinstance(self.port, UdpPort) else None


def tunnel_ports(config: Config) -> tuple[Port, ...]:
    """The ports of the tunnel side; without any, one UDP port for each local address."""
    given = tuple(port for port in config.port if port.side == "tunnel")
    if given:
        return given
    routers: dict[str, str] = {}
    for router in config.virtual_router:
        for address in filter(None, local_addresses(config, router.name)):
            routers.setdefault(address, router.name)
    return tuple(
        Port(f"tunnel {address}", f"udp:{address}", "tunnel", name)
        for address, name in routers.items()
    )


def local_addresses(config: Config, router: str = "") -> list[str]:
    """Where tunnels end: of one virtual router, or of all, each once."""
    found: dict[str, None] = {}
    for item in config.virtual_router:
        if router in ("", item.name):
            found |= dict.fromkeys(item.local_addresses)
    return list(found)


def open_ports(
    config: Config, engine: Engine, tables: dict[str, int], base_ns: int
) -> Iterator[OpenPort]:
    """Opens home and tunnel ports and attaches them; `tables`: the engine's by virtual router.

    Raises ConfigurationError for one that cannot be, ResourceError for one that is not to be had.
    """
    for item in (*(p for p in config.port if p.side == "home"), *tunnel_ports(config)):
        port = _open(item, base_ns)
        yield OpenPort(item, port, engine.attach(port, tables[item.virtual_router]))


def _open(item: Port, base_ns: int) -> MemPort | PcapPort | UdpPort:
    scheme, _, rest = item.url.partition(":")
    try:
        if scheme == "mem":
            return MemPort(item.name)
        if scheme == "pcap":
            if not rest:
                raise ConfigurationError(f"port {item.name}: pcap: needs the name of a file here")
            return PcapPort(rest, rebase=True)
        address, number = udp_address(rest)
        return UdpPort(address, number, name=item.name, base_ns=base_ns)
    except OSError as error:
        raise ResourceError(f"port {item.name}: {item.url}: {error.strerror or error}") from error
    except PcapError as error:
        raise ConfigurationError(f"port {item.name}: {error}") from error
