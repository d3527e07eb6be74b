"""The Grafana dashboard: what it asks for is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.metrics.exposition import Kind
from control.metrics.table import METRICS

FILE = Path(__file__).parents[4] / "contrib/grafana/dialout.json"
DASHBOARD = json.loads(FILE.read_text())
SERIES = {metric.name: metric for metric in METRICS}
SELECTOR = re.compile(r"\b((?:dialout|process)_[a-z0-9_]+)\{([^}]*)\}")


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def metric_of(name: str):
    """Of a series: histograms have three."""
    return SERIES.get(name) or SERIES.get(re.sub(r"_(bucket|sum|count)$", "", name))


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_expression_asks_for_metrics_and_labels_that_there_are(expression):
    found = SELECTOR.findall(expression)
    assert found
    assert len(re.findall(r"\b(?:dialout|process)_\w+", expression)) == len(found)
    known = {"instance", "le"}
    for name, selectors in found:
        metric = metric_of(name)
        assert metric is not None, name
        assert (metric.kind is Kind.HISTOGRAM) is (name != metric.name), name
        known.update(metric.labels)
        chosen = set(re.findall(r"(\w+)=~?\"", selectors))
        assert chosen <= {"instance", *metric.labels}
        assert "instance" in chosen
        counts = metric.kind is not Kind.GAUGE
        around = re.search(rf"(\w+)\({name}\{{", expression)
        wrapped = around is not None and around[1] in ("rate", "increase")
        assert counts is wrapped, f"{name} in {expression}"
    for labels in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in labels.split(",")} <= known


def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_panels_have_numbers_of_their_own_and_titles():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert all(panel["title"] for panel in DASHBOARD["panels"])
