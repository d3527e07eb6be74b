"""The [[port]] tables of a configuration, opened: each by the class that its URL's scheme names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from control.config import Config, Port
from control.config_ports import SCHEMES as SCHEME_ROWS
from control.errors import ConfigurationError, ResourceError
from fastpath.ports.mem import MemPort
from fastpath.ports.packet import PacketPort
from fastpath.ports.pcap import PcapError, PcapPort
from fastpath.ports.port import Port as FastpathPort
from fastpath.ports.tun import TunPort
from fastpath.ports.udp import UdpPort
from fastpath.ports.xdp import XdpPort

SCHEMES: Final[dict[str, type[FastpathPort]]] = {
    "mem": MemPort,
    "packet": PacketPort,
    "pcap": PcapPort,
    "tun": TunPort,
    "udp": UdpPort,
    "xdp": XdpPort,
}
"""One row for each backend; control/config_ports.py says what their URLs look like."""


ETHERNET: Final = ("packet:", "xdp:")


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port of the engine."""

    config: Port
    port: FastpathPort
    """Control's part: what worker 0 has."""
    parts: tuple[FastpathPort, ...]
    """One for each worker thread."""
    index: int = -1
    """The engine's; -1: it is not attached yet."""

    def counts(self) -> dict[str, int]:
        """What the backend counts, all parts together."""
        total: Counter[str] = Counter()
        for part in (self.port, *self.parts):
            total.update(part.counts())
        return dict(total)

    def close(self) -> None:
        for part in (*self.parts, self.port):
            part.close()


def tunnel_ports(config: Config) -> tuple[Port, ...]:
    """The ports of the tunnel side; without any, one UDP port for each local address. An Ethernet
    port leaves control messages to the kernel: beside it there is one for each of its router's."""
    given = tuple(port for port in config.port if port.side == "tunnel")
    ethernet = {port.virtual_router for port in given if port.url.startswith(ETHERNET)}
    if given and not ethernet:
        return given
    taken = {SCHEME_ROWS["udp"].parse(p.url[4:]) for p in given if p.url.startswith("udp:")}
    routers: dict[str, str] = {}
    for router in config.virtual_router:
        if given and router.name not in ethernet:
            continue
        for address in filter(None, local_addresses(config, router.name)):
            routers.setdefault(address, router.name)
    sockets = (
        Port(f"tunnel {address}", f"udp:{address}", "tunnel", name)
        for address, name in routers.items()
        if address not in taken
    )
    return (*given, *sockets)


def local_addresses(config: Config, router: str = "") -> list[str]:
    """Where tunnels end: of one virtual router, or of all, each once."""
    found: dict[str, None] = {}
    for item in config.virtual_router:
        if router in ("", item.name):
            found |= dict.fromkeys(item.local_addresses)
    return list(found)


def open_port(item: Port, base_ns: int, queues: int) -> OpenPort:
    """Raises ConfigurationError for one that cannot be, ResourceError for one that is not to be
    had."""
    scheme, _, rest = item.url.partition(":")
    try:
        sender, parts = SCHEMES[scheme].open(rest, name=item.name, base_ns=base_ns, queues=queues)
        port = OpenPort(item, sender, tuple(parts))
        try:
            sender.set_mtu(item.mtu)
        except BaseException:
            port.close()
            raise
    except OSError as error:
        raise ResourceError(f"port {item.name}: {item.url}: {error.strerror or error}") from error
    except (PcapError, ValueError) as error:
        raise ConfigurationError(f"port {item.name}: {error}") from error
    return port
