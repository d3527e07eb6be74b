"""The text format, row by row; and read back by the parser of Prometheus's own client library."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.metrics.exposition import Histogram, Kind, Metric, exposition, number


def metric(name: str, kind: Kind, *samples, labels=(), text="Text."):
    return Metric(name, kind, text, labels, lambda facts: samples)


def page(*metrics) -> str:
    return exposition(metrics, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (True, "1"),
        (18446744073709551615, "18446744073709551615"),
        (1.0, "1"),
        (0.25, "0.25"),
        (-3.0, "-3"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_as_the_format_has_them(value, text):
    assert number(value) == text


def test_a_metric_has_its_help_and_type_once_before_its_samples():
    rows = metric("a_total", Kind.COUNTER, (("x",), 1), (("y",), 2), labels=("of",))
    assert page(rows) == (
        "# HELP a_total Text.\n# TYPE a_total counter\n"
        'a_total{of="x"} 1\na_total{of="y"} 2\n'
    )  # fmt: skip


def test_metrics_stand_in_the_order_of_the_table():
    text = page(metric("b", Kind.GAUGE, ((), 1)), metric("a", Kind.GAUGE, ((), 2)))
    assert text.index("\nb 1\n") < text.index("\na 2\n")


def test_a_metric_without_a_sample_is_left_out():
    assert page(metric("a", Kind.GAUGE)) == ""


def test_backslash_quote_and_line_feed_are_escaped():
    rows = metric("a", Kind.GAUGE, (('\\ " \n',), 1), labels=("of",), text='\\ " \n')
    assert page(rows) == (
        '# HELP a \\\\ " \\n\n# TYPE a gauge\n'
        'a{of="\\\\ \\" \\n"} 1\n'
    )  # fmt: skip


def test_a_histogram_counts_what_is_below_each_bound_and_ends_with_infinity():
    rows = metric("s", Kind.HISTOGRAM, ((), Histogram((0.5, 1.0), (2, 0, 3), 9.25)))
    assert page(rows).splitlines()[2:] == [
        's_bucket{le="0.5"} 2',
        's_bucket{le="1"} 2',
        's_bucket{le="+Inf"} 5',
        "s_sum 9.25",
        "s_count 5",
    ]


def test_a_histogram_with_labels_has_them_on_every_line():
    rows = metric("s", Kind.HISTOGRAM, (("x",), Histogram((1.0,), (1, 0), 0.5)), labels=("of",))
    assert page(rows).splitlines()[2:] == [
        's_bucket{of="x",le="1"} 1',
        's_bucket{of="x",le="+Inf"} 1',
        's_sum{of="x"} 0.5',
        's_count{of="x"} 1',
    ]


@given(st.lists(st.tuples(st.text(), st.floats() | st.integers(0, 2**53)), max_size=5))
def test_any_label_and_value_is_read_back_by_prometheus_parser(samples):
    parser = pytest.importorskip("prometheus_client.parser")
    told = [((text,), value) for text, value in samples]
    families = parser.text_string_to_metric_families(
        page(metric("a", Kind.GAUGE, *told, labels=("of",)))
    )
    found = [(s.labels["of"], s.value) for family in families for s in family.samples]
    # Their parser takes line ends of Unicode for ends of lines and strips some spaces.
    if all(text.isprintable() and text == text.strip() for text, _ in samples):
        assert [text for text, _ in found] == [text for text, _ in samples]
        for (_, got), (_, value) in zip(found, samples, strict=True):
            assert got == value or (math.isnan(got) and math.isnan(value))
