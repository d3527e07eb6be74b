"""Virtual time: an hour passes in a moment, and every timer in it rings where it should."""

from __future__ import annotations

from itertools import pairwise

import pytest
from replay_run import DEMO, SITE, demo_config, happened, packets_of, ping, replayed, write_pcap

HOUR = 3600
YEAR = 365 * 24 * HOUR
UP, FLUSHED = 1.725, 1.825
"""When the demonstration's call is in service, and when its buffer is flushed."""
IDLE, DORMANT, SPARE_TUNNEL = 300, 300, 60


def states(told):
    changes = happened(told, "SessionStateChanged", destination=SITE)
    return [(row["new"], pytest.approx(row["time"], abs=0.001), row["why"]) for row in changes]


def test_an_idle_call_is_closed_and_its_session_forgotten(capsys, tmp_path):
    capture = write_pcap(tmp_path / "in.pcap", [(0, ping(0)), (HOUR, ping(1))])
    told = replayed(capsys, DEMO, capture)
    idle = FLUSHED + IDLE
    # The last packet of the first call is the CPE's answer to the trigger.
    first = states(told)[:5]
    assert first[3][:1] + first[3][2:] == ("DORMANT", "idle")
    assert first[4][:1] + first[4][2:] == ("NONE", "dormant timer")
    times = {row["new"]: row["time"] for row in happened(told, "SessionStateChanged")[:5]}
    assert idle <= times["DORMANT"] <= idle + 1
    assert times["NONE"] == pytest.approx(times["DORMANT"] + DORMANT)
    down = happened(told, "TunnelDown")[0]["time"]
    assert down == pytest.approx(times["DORMANT"] + SPARE_TUNNEL)
    assert len(happened(told, "AccessRouteRemoved")) == 2
    # The packet an hour later is a trigger again, and the call it places comes up.
    assert [row["time"] for row in happened(told, "TriggerReceived")] == [0, HOUR]
    assert [row["new"] for row in happened(told, "SessionStateChanged")[5:8]] == [
        "AUTHENTICATING",
        "CONNECTING",
        "IN_SERVICE",
    ]
    assert told["virtual_seconds"] > HOUR


def test_a_packet_now_and_then_keeps_a_call_for_an_hour(capsys, tmp_path):
    """With keepalives of tunnel and link, all of which are answered."""
    capture = write_pcap(tmp_path / "in.pcap", ((60 * n, ping(n)) for n in range(61)))
    told = replayed(capsys, DEMO, capture)
    assert len(happened(told, "CallPlaced")) == 1
    assert happened(told, "CallFailed") == []
    assert told["verdicts"]["FORWARD"] == 60
    assert told["verdicts"]["DELIVER"] == 61
    assert told["simulated"]["lac"][0]["control"]["hello_sent"] > 20
    assert told["verdicts"]["PUNT_PPP"] > 2 * HOUR / 30 - 10, "Echo-Requests and -Replies"


def test_a_call_ends_with_its_session_time(capsys, tmp_path):
    config = demo_config(
        tmp_path, ('authentication = ["chap"]\n\n', 'authentication = ["chap"]\n' + LIMITED)
    )
    capture = write_pcap(tmp_path / "in.pcap", ((n, ping(n)) for n in range(140)))
    told = replayed(capsys, config, capture)
    ended = [row for row in happened(told, "SessionStateChanged") if row["old"] == "IN_SERVICE"]
    assert ended[0]["time"] == pytest.approx(UP + 100, abs=0.2)
    assert ended[0]["why"] == "session time is over"


LIMITED = "session_timeout = 100\n\n"


def test_thirty_years_without_a_packet_are_no_work(capsys, tmp_path):
    """A capture with one wrong time stamp must not run for ever."""
    capture = write_pcap(tmp_path / "in.pcap", [(0, ping(0)), (30 * YEAR, ping(1))])
    out = tmp_path / "out.pcapng"
    told = replayed(capsys, DEMO, capture, "--write", out)
    assert told["virtual_seconds"] > 30 * YEAR
    assert len(happened(told, "CallPlaced")) == 2
    # Of each call: nothing between its farewell and the next one.
    times = [packet.time for packet in packets_of(out)]
    gaps = [(b - a) / 10**9 for a, b in pairwise(times)]
    assert sum(gap > YEAR for gap in gaps) == 1
    assert len(times) < 200


def test_packets_whose_time_goes_back_stay_in_their_order(capsys, tmp_path):
    capture = write_pcap(tmp_path / "in.pcap", [(10, ping(0)), (5, ping(1)), (20, ping(2))])
    told = replayed(capsys, DEMO, capture)
    assert told["verdicts"]["TRIGGER"] + told["verdicts"]["FORWARD"] == 3
    assert told["virtual_seconds"] == pytest.approx(10 + 10 + 31, abs=11)
