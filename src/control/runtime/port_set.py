"""The ports of a router that runs: opened, given to the workers, reached by routes, and changed by
a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from control.config import Config, Port
from control.difference import Difference, Kind
from control.errors import ConfigurationError
from control.runtime.ports import OpenPort, local_addresses, open_port, tunnel_ports
from control.runtime.workers import Workers
from fastpath.engine import Engine


@dataclass(slots=True)
class _Reached:
    """What leads to a port."""

    nh: int
    routes: list[tuple[int, str]] = field(default_factory=list)
    """Table and prefix."""


class PortSet:
    """`tables`: the engine's table by the virtual router's table number; it may grow. `base_ns`:
    the monotonic clock at the engine's time 0."""

    def __init__(
        self, engine: Engine, workers: Workers, tables: Mapping[int, int], base_ns: int
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._tables = tables
        self._base_ns = base_ns
        self._reached: dict[str, _Reached] = {}
        self.ports: list[OpenPort] = []
        """In the order of the configuration, the home side's first; what a reload added behind."""
        self.tunnel_nh: dict[str, int] = {}
        """Next hop to LACs, by our own address."""
        self.tunnel_index: dict[str, int] = {}
        """The port of tunnels, by our own address."""

    def open(self, config: Config) -> None:
        """All of a configuration. Raises ConfigurationError for one that cannot be, ResourceError
        for one that is not to be had; what is open then is in `ports`."""
        homes = (port for port in config.port if port.side == "home")
        for item in (*homes, *tunnel_ports(config)):
            self._add(self._open(item), config)
        for address in local_addresses(config):
            if address not in self.tunnel_nh:
                raise ConfigurationError(f"no port of the tunnel side has the address {address}")

    def prepare(self, found: Difference) -> list[OpenPort]:
        """Opens what a reload adds, before it changes anything. Raises as open()."""
        opened: list[OpenPort] = []
        try:
            for change in found.of("port", Kind.ADDED):
                opened.append(self._open(change.new))
            for change in found.of("port", Kind.CHANGED):
                if change.old.url != change.new.url:
                    opened.append(self._open(change.new))
        except BaseException:
            for port in opened:
                port.close()
            raise
        return opened

    def change(self, found: Difference, opened: list[OpenPort], config: Config) -> list[OpenPort]:
        """Puts ports in force that prepare() opened, and closes those that are gone. The others
        go on, with their counters. Returns those that came."""
        for change in found.of("port", Kind.REMOVED):
            self._remove(self._named(change.old.name))
        for change in found.of("port", Kind.CHANGED):
            old = self._named(change.old.name)
            if change.old.url != change.new.url:
                self._remove(old)
                continue
            self._unreach(old)
            old.port.set_mtu(change.new.mtu)
            new = replace(old, config=change.new)
            self.ports[self.ports.index(old)] = new
            self._reach(new, config)
        return [self._add(port, config) for port in opened]

    def close(self) -> None:
        """No worker may run any more."""
        for port in self.ports:
            port.close()

    def _open(self, item: Port) -> OpenPort:
        return open_port(item, self._base_ns, self._workers.count)

    def _named(self, name: str) -> OpenPort:
        return next(port for port in self.ports if port.config.name == name)

    def _table(self, port: OpenPort, config: Config) -> int:
        name = port.config.virtual_router
        return next(self._tables[r.table] for r in config.virtual_router if r.name == name)

    def _add(self, port: OpenPort, config: Config) -> OpenPort:
        self.ports.append(port)
        table = self._table(port, config)
        port = replace(port, index=self._engine.attach(port.port, table))
        self.ports[-1] = port
        self._reach(port, config)
        self._workers.attach(port.index, port.parts)
        return port

    def _remove(self, port: OpenPort) -> None:
        self._unreach(port)
        self._engine.detach(port.index)
        self._workers.woken()
        self.ports.remove(port)
        port.close()

    def _reach(self, port: OpenPort, config: Config) -> None:
        """Routes to a port: networks of the home side, and our own addresses where tunnels
        arrive."""
        table = self._table(port, config)
        with self._engine.transaction() as t:
            nh = t.add_adjacency("ip", port=port.index, mtu=port.config.mtu)
            reached = self._reached[port.config.name] = _Reached(nh)
            if port.config.side == "home":
                for prefix in port.config.networks:
                    t.add_route(table, prefix, nh)
                    reached.routes.append((table, prefix))
                return
            local = t.add_adjacency("local", tunnel=True)
            for address in self._ends_at(port, config):
                t.add_route(table, address, local)
                self.tunnel_index.setdefault(address, port.index)
                if not hasattr(port.port, "steering"):
                    # A port on an interface has no socket for control messages.
                    self.tunnel_nh.setdefault(address, nh)

    def _unreach(self, port: OpenPort) -> None:
        reached = self._reached.pop(port.config.name)
        with self._engine.transaction() as t:
            for table, prefix in reached.routes:
                t.delete_route(table, prefix)
            t.delete_adjacency(reached.nh)

    def _ends_at(self, port: OpenPort, config: Config) -> list[str]:
        """Local addresses whose tunnels end at a port: a socket's own, or all."""
        address: Any = port.port.ends_at
        if address is None:
            return local_addresses(config)
        if address not in local_addresses(config):
            allowed = "must be the local_address of a virtual router"
            raise ConfigurationError(f"port {port.config.name}: {address} {allowed}")
        return [address]
