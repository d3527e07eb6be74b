"""`dialout bench operation`: what operators and monitoring wait for: start, reloads, lists, scrapes
and `top`.
"""

from __future__ import annotations

from collections.abc import Iterator

from control.bench.context import Context
from control.bench.operation_sessions import Sight, seen
from control.bench.operation_start import reloaded, started
from control.bench.rows import Row


def operation(context: Context) -> Iterator[Row]:
    """Raises ResourceError for a router that does not start or answer."""
    sizes, processors = context.sizes, context.processors
    for targets in (1, sizes.targets):
        yield from started(targets, sizes.live_runs, processors)
    yield from reloaded(sizes.targets, processors)
    sight = Sight(
        sizes.standing,
        sizes.standing_rate,
        sizes.tunnels,
        sizes.targets,
        sizes.live_runs,
        sizes.scrapes,
    )
    yield from seen(sight, processors)
