"""`dialout bench`: the rows it tells, in each form, and what it refuses. No time is asserted."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest
from replay_run import dialout, ping, write_pcap

from control import arguments
from control.bench import peers
from control.bench.command import GROUPS
from control.errors import ResourceError

KEYS = ["name", "unit", "value", "peer", "peer_value", "ratio", "spread", "runs"]


@pytest.fixture
def capture(tmp_path):
    return write_pcap(tmp_path / "in.pcap", ((n / 10, ping(n)) for n in range(20)))


def test_every_group_can_be_named_on_the_command_line():
    assert tuple(GROUPS) == arguments.BENCHMARKS


@pytest.mark.parametrize("group", GROUPS)
def test_json_is_a_list_of_rows_of_one_form(capsys, group):
    result = dialout(capsys, "bench", "--quick", "--json", group)
    assert (result.code, result.err) == (0, "")
    rows = json.loads(result.out)
    assert rows or group == "beside", "which needs two processors"
    for row in rows:
        assert list(row) == KEYS
        assert row["value"] > 0
        assert row["spread"] >= 0
        assert row["runs"] >= 10 or "memory" in row["name"]
        assert (row["peer"] is None) == (row["peer_value"] is None) == (row["ratio"] is None)
        if row["ratio"] is not None:
            assert row["ratio"] > 0
    assert len({(row["name"], row["peer"]) for row in rows}) == len(rows)


def test_a_table_is_printed_below_a_description_of_the_machine(capsys):
    result = dialout(capsys, "bench", "--quick", "load")
    assert result.code == 0
    head, rows = result.out.split("\n\n")
    assert "Linux" in head
    assert rows.splitlines()[0].split() == ["ours", "peer", "ratio", "spread"]
    assert rows.splitlines()[1].startswith("load ipv4 bgp")


def test_a_picture_is_drawn(capsys, tmp_path):
    path = tmp_path / "bench.svg"
    result = dialout(capsys, "bench", "--quick", "load", "--plot", str(path))
    assert result.code == 0
    text = ElementTree.parse(path).getroot().itertext()
    assert {"load ipv4", "load ipv6", "memory ipv4"} <= set(text)


def test_the_table_and_trace_of_the_user_are_taken(capsys, tmp_path, capture):
    table = tmp_path / "routes.txt"
    table.write_text("10.0.0.0/8 1\n192.0.2.0/24 2\n0.0.0.0/0 3\n")
    result = dialout(capsys, "bench", "--quick", "--json", "ipv4", "replay",
                     "--table", str(table), "--trace", str(capture))  # fmt: skip
    assert (result.code, result.err) == (0, "")
    names = [row["name"] for row in json.loads(result.out)]
    assert "ipv4 lookup table trace" in names
    assert "replay trace walk" in names
    assert not [name for name in names if "bgp" in name]


@pytest.mark.parametrize(
    ("option", "content", "told"),
    [
        ("--table", b"10.0.0.1/8 1\n", "line 1: '10.0.0.1/8 1' has host bits set"),
        ("--table", b"\x00\x00\x00\x00\x00\x10", "the data ends 6 octets after its beginning"),
        ("--rules", b"permit everything\n", "bad"),
        ("--trace", b"no capture at all, whatever", "neither pcap, pcapng nor Network Monitor"),
    ],
)
def test_bad_files_are_refused_before_anything_is_measured(capsys, tmp_path, option, content, told):
    path = tmp_path / "bad"
    path.write_bytes(content)
    result = dialout(capsys, "bench", "--quick", option, str(path))
    assert (result.code, result.out) == (1, "")
    assert str(path) in result.err
    assert told in result.err


def test_files_that_are_not_there_are_told(capsys, tmp_path):
    for option in ("--table", "--trace", "--rules"):
        result = dialout(capsys, "bench", "--quick", option, str(tmp_path / "none"))
        assert (result.code, result.out) == (1, "")
        assert "none: No such file" in result.err


def test_a_group_that_does_not_exist_is_refused(capsys):
    result = dialout(capsys, "bench", "ipv5")
    assert result.code == 2
    assert "GROUP: 'ipv5' is none of ipv4, ipv6" in result.err


def test_a_picture_may_not_overwrite_an_input(capsys, tmp_path):
    path = tmp_path / "routes.txt"
    path.write_text("10.0.0.0/8 1\n")
    result = dialout(capsys, "bench", "--table", str(path), "--plot", str(path))
    assert result.code == 2
    assert "--plot" in result.err
    assert path.read_text() == "10.0.0.0/8 1\n"


def test_what_peers_need_is_told(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "_opened", {})
    monkeypatch.setattr(peers, "HEADERS", tmp_path)
    result = dialout(capsys, "bench", "--quick", "--peers", "load")
    assert (result.code, result.out) == (5, "")
    assert "apt-get install libdpdk-dev" in result.err


def test_peers_without_a_source_tree_or_a_compiler_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "_opened", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(ResourceError, match="no gcc"):
        peers.packet_program()
    monkeypatch.setattr(peers, "SOURCES", tmp_path)
    with pytest.raises(ResourceError, match="run it from a checkout"):
        peers.packet_program()


def test_what_operators_wait_for_is_measured_with_real_routers_and_clients(capsys):
    result = dialout(capsys, "bench", "--quick", "--json", "operation")
    assert (result.code, result.err) == (0, "")
    values = {row["name"]: row["value"] for row in json.loads(result.out)}
    assert values["operation 40 sessions: in service"] >= 40
    assert values["operation 20 targets: sessions lost by that"] == 0
    for what in ("1 targets: start to ready", "40 sessions: show sessions detail, JSON"):
        assert values[f"operation {what}"] > 0
