"""`show counters`: everything that is counted, in one object.

Of the data plane it is the sum over its workers now; a worker may count meanwhile, so that two of
these numbers can be a burst apart.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from typing import Any

from control.operation.router import Router
from control.operation.views import CountersView


def counters(router: Router) -> CountersView:
    lns = router.lns
    record = router.engine.counters()
    plain = [name for name in record.dtype.names if name not in ("verdict", "reason")]
    clients = list(lns.radius_clients().items())
    log = router.facts().log
    return CountersView(
        time=round(router.now, 3),
        verdicts={name: int(record["verdict"][name]) for name in record["verdict"].dtype.names},
        drops={
            name: int(record["reason"][name])
            for name in record["reason"].dtype.names
            if name != "none"
        },
        data_plane={name: int(record[name]) for name in plain},
        triggers=dict(router.engine.triggers.counters()),
        dial_out=lns.manager.chassis.counters.as_dict(),
        l2tp=_total(endpoint.counters for endpoint in lns.endpoints.values()),
        ppp=dict(lns.ppp_counters),
        radius={name: dataclasses.asdict(client.counters) for name, client in clients},
        accounting={
            name: dataclasses.asdict(client.accounting.counters) for name, client in clients
        },
        control={
            "not_local": lns.not_local,
            "stale_events": lns.manager.chassis.stale_events,
            "timeline_lost": lns.manager.services.timeline.lost,
            "log_suppressed": log.suppressed,
            "log_lost": log.lost,
        },
    )


def _total(counted: Iterable[Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counted:
        total.update(dataclasses.asdict(one))
    return dict(total)
