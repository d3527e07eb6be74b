"""Whether the data plane of a running router is as it should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from control.runtime.ports import OpenPort
from control.runtime.workers import Workers
from fastpath.engine import Engine


@dataclass(frozen=True, slots=True)
class Health:
    """What somebody has to look after."""

    stalled: tuple[int, ...] = ()
    """Workers, 0 is control's, that have not passed for a second though there is a newer version
    of the tables."""
    ended: tuple[int, ...] = ()
    """Workers whose thread is gone."""
    down: tuple[str, ...] = ()
    """Ports that give no packets because of an error."""

    @property
    def good(self) -> bool:
        return not (self.stalled or self.ended or self.down)


def health_of(engine: Engine, workers: Workers, ports: Iterable[OpenPort]) -> Health:
    """As it is now."""
    return Health(
        stalled=tuple(w.worker for w in engine.workers() if w.stalled_ns),
        ended=workers.ended,
        down=tuple(p.config.name for p in ports if workers.is_down(p.index)),
    )
