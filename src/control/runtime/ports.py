"""The [[port]] tables of a configuration, opened: each by the class that its URL's scheme names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from control.config import Config, Port
from control.errors import ConfigurationError, ResourceError
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort
from fastpath.ports.packet import PacketPort
from fastpath.ports.pcap import PcapError, PcapPort
from fastpath.ports.port import Port as FastpathPort
from fastpath.ports.tun import TunPort
from fastpath.ports.udp import UdpPort

SCHEMES: Final[dict[str, type[FastpathPort]]] = {
    "mem": MemPort,
    "packet": PacketPort,
    "pcap": PcapPort,
    "tun": TunPort,
    "udp": UdpPort,
}
"""One row for each backend; control/config_ports.py says what their URLs look like."""


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port of the engine."""

    config: Port
    port: FastpathPort
    index: int

    @property
    def descriptor(self) -> int | None:
        """What to wait for; None: nothing tells when packets come, or their time stamps do."""
        descriptor: int = self.port.fileno()
        return None if descriptor < 0 else descriptor


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
        sender, parts = _open(item, base_ns)
        port = sender
        if parts and sender.live:
            port = parts[0]
            sender.close()
        yield OpenPort(item, port, engine.attach(port, tables[item.virtual_router]))


def _open(item: Port, base_ns: int, queues: int = 1) -> tuple[FastpathPort, list[FastpathPort]]:
    scheme, _, rest = item.url.partition(":")
    try:
        made: tuple[FastpathPort, list[FastpathPort]] = SCHEMES[scheme].open(
            rest, name=item.name, base_ns=base_ns, queues=queues
        )
        made[0].set_mtu(item.mtu)
    except OSError as error:
        raise ResourceError(f"port {item.name}: {item.url}: {error.strerror or error}") from error
    except (PcapError, ValueError) as error:
        raise ConfigurationError(f"port {item.name}: {error}") from error
    return made
