"""The table of metrics as a whole: names, completeness, bounds, and that all of it can be read."""

from __future__ import annotations

import dataclasses
import re

import pytest
from metrics_bench import config, facts

from control.dialout.counters import ROWS
from control.dialout.levels import TargetState
from control.l2tp.counters import Counters as L2tpCounters
from control.metrics import forwarding, signalling
from control.metrics.exposition import Kind
from control.metrics.table import METRICS, page
from control.radius.accounting_queue import AccountingCounters
from control.radius.dynauth import Counters as AuthorizationCounters
from control.radius.servers import Counters as RadiusCounters
from fastpath.counters import COUNTERS

NAME = re.compile(r"(?:dialout|process)_[a-z0-9]+(?:_[a-z0-9]+)*")
SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? ([-+.0-9eINFinf]+)')


def samples(text: str) -> dict[str, float]:
    """By metric and labels as they are written."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found[line.rpartition(" ")[0]] = float(match[3])
    return found


def test_names_are_distinct_and_end_as_their_kind_says():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert NAME.fullmatch(metric.name), metric.name
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER), metric.name
        assert "octets" not in metric.name
        assert metric.text.endswith("."), metric.name


@pytest.mark.parametrize(
    ("rows", "counters"),
    [
        (signalling.L2TP, L2tpCounters),
        (signalling.RADIUS, RadiusCounters),
        (signalling.RADIUS | signalling.ACCOUNTING, AccountingCounters),
        (signalling.AUTHORIZATION, AuthorizationCounters),
    ],
)
def test_every_counter_of_the_protocols_has_a_row(rows, counters):
    assert list(rows) == [field.name for field in dataclasses.fields(counters)]


def test_every_counter_of_the_engine_has_a_row():
    assert tuple(forwarding.COUNTED) == COUNTERS


def test_session_counters_are_there_at_three_levels():
    names = {metric.name for metric in METRICS}
    for row in ROWS:
        end = "_total" if row.kind == 0 else ""
        for level in ("", "virtual_router_", "target_"):
            assert f"dialout_{level}{row.name}{end}" in names


def test_every_metric_but_those_of_what_is_not_there_has_a_sample():
    text = page(facts(config())).decode()
    missing = {m.name for m in METRICS if f"# TYPE {m.name} {m.kind.value}\n" not in text}
    assert missing == {"dialout_ppp_frames_total", "dialout_pool_taken", "dialout_pool_size"}
    assert "dialout_log_lines_suppressed_total 2\n" in text
    assert 'dialout_port_backend_total{port="home",counter="drops"} 3\n' in text
    assert 'dialout_sessions{virtual_router="main",state="inService"} 0\n' in text
    assert 'dialout_targets{virtual_router="main",state="inService"} 3\n' in text
    assert 'dialout_radius_server_up{group="isp",server="192.0.2.60:1813",' in text


def test_the_page_is_what_prometheus_parser_reads():
    parser = pytest.importorskip("prometheus_client.parser")
    text = page(facts(config())).decode()
    read = {
        f"{s.name}{sorted(s.labels.items())}": s.value
        for family in parser.text_string_to_metric_families(text)
        for s in family.samples
    }
    assert len(read) == len(samples(text))


def test_no_more_targets_than_entries_have_metrics_of_their_own():
    found = samples(page(facts(config(targets=20, entries=4))).decode())
    own = [key for key in found if key.startswith("dialout_target_sessions_created_total")]
    assert len(own) == 4
    assert found['dialout_metrics_omitted{what="target"}'] == 16
    assert found['dialout_targets{virtual_router="main",state="inService"}'] == 20


def test_labels_are_only_what_is_bounded():
    allowed = {
        *("virtual_router", "target", "state", "what", "lac", "group", "server", "purpose"),
        *("local_address", "pool", "verdict", "reason", "port", "side", "counter", "worker"),
        *("version", "python"),
    }
    assert {label for metric in METRICS for label in metric.labels} <= allowed


def test_gauges_of_targets_agree_with_a_look_at_each():
    told = facts(config(targets=5))
    lns = told.lns
    lns.manager.targets.withdraw([next(iter(lns.manager.targets.all()))], 2.0)
    chassis = lns.manager.chassis
    router = chassis.routers["main"]
    slow = dict.fromkeys(TargetState, 0)
    for target in router.targets.values():
        slow[chassis.target_state(target, 2.0)] += 1
    assert chassis.target_counts(router, 2.0) == slow
    assert slow[TargetState.DOWN] == 1
