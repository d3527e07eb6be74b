"""Tells Ethernet ports which packets are ours: dial-out and access routes as the FIB has them, and
the local addresses of their virtual router."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from control.config import Config
from control.fib_observers import Observer, RouteChange
from control.runtime.ports import OpenPort, local_addresses


class PortSteering:
    """`observe` is FastpathDataplane.observe. What a part of a port offers as `steering` is used;
    other ports have none."""

    def __init__(self, observe: Callable[[Observer], Callable[[], None]]) -> None:
        self._observe = observe
        self._leave: Callable[[], None] | None = None
        self._by_table: dict[int, list[Any]] = {}
        self.refused = 0
        """Prefixes and addresses for which a table of the kernel had no room: their packets are the
        kernel's."""

    def configure(self, config: Config, ports: Sequence[OpenPort]) -> None:
        """There are these ports from now on."""
        self.close()
        self._by_table = {}
        tables = {router.name: router.table for router in config.virtual_router}
        for port in ports:
            steering = getattr(port.port, "steering", None)
            if steering is None:
                continue
            name = port.config.virtual_router
            self._by_table.setdefault(tables[name], []).append(steering)
            for address in filter(None, local_addresses(config, name)):
                self._try(steering.address, address)
        if self._by_table:
            self._leave = self._observe(self._changed)

    def close(self) -> None:
        """Nothing is told any more."""
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _changed(self, changes: list[RouteChange]) -> None:
        for table, steerings in self._by_table.items():
            ours = [prefix for at, prefix, kind in changes if at == table and kind is not None]
            gone = [prefix for at, prefix, kind in changes if at == table and kind is None]
            for steering in steerings:
                if ours:
                    self._try(steering.cover_all, ours, len(ours))
                for prefix in gone:
                    self._try(steering.uncover, prefix)

    def _try(self, call: Callable[[Any], object], argument: Any, count: int = 1) -> None:
        try:
            call(argument)
        except KeyError:
            pass  # it came and went before this port did, or there was no room for it
        except OSError:
            self.refused += count
