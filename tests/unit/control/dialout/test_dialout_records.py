"""Call records: why a call was made, what became of it, what it cost."""

import pytest
from dialout_bench import LAC1, LAC2, SITE, Bench, candidate

from control.dialout import snapshot
from control.dialout.call_record import KEPT, CallRecord, CallRecords
from control.dialout.session_table import SessionState as S


def records(bench, **more):
    return snapshot.call_records(bench.manager, **more)


def test_a_call_tells_who_wanted_what_and_what_it_cost():
    bench = Bench()
    bench.packet()
    bench.pass_time(0.5)
    bench.grant(candidate(LAC1), number="49301234")
    wall = bench.wall
    bench.pass_time(3)
    bench.connected()
    bench.network()
    bench.pass_time(100)
    assert records(bench) == [], "it has not ended yet"
    bench.closed(result=1, q931_cause=16)
    (row,) = records(bench)
    assert row == {
        "virtual_router": "home",
        "target": "10.1.0.0/16",
        "destination": SITE,
        "source": "192.0.2.1",
        "protocol": 17,
        "source_port": 1024,
        "destination_port": 53,
        "radius_group": "r",
        "radius_result": "granted, 1 LACs",
        "radius_seconds": 0.5,
        "lac": LAC1,
        "called_number": "49301234",
        "placed": wall,
        "answered": wall + 3,
        "ended": wall + 103,
        "seconds": pytest.approx(100),
        "result": "cdn",
        "result_code": 1,
        "error_code": 0,
        "q931_cause": 16,
        "disconnect_cause": None,
    }


def test_every_lac_that_was_asked_has_a_record_of_its_own():
    bench = Bench()
    bench.packet()
    bench.grant(candidate(LAC1, 1), candidate(LAC2, 2, preference=1))
    bench.closed(result=2, error=4)
    bench.connected()
    bench.manager.reset_session("home", SITE, bench.now)
    first, second = records(bench)
    assert (first["lac"], first["result_code"], first["error_code"]) == (LAC1, 2, 4)
    assert (first["answered"], first["seconds"]) == (None, 0.0)
    assert (second["lac"], second["result"]) == (LAC2, "administrative reset")


@pytest.mark.parametrize("state", [S.CONNECTING, S.IN_SERVICE])
def test_the_end_is_told_whoever_ended_it(state):
    bench = Bench()
    bench.to(state)
    bench.manager.shutdown(bench.now)
    (row,) = records(bench)
    assert row["ended"] is not None
    assert row["result"]


def test_numbers_can_be_hashed():
    bench = Bench()
    bench.to(S.IN_SERVICE)
    bench.closed()
    (shown,), (hidden,) = records(bench), records(bench, private_key=b"key")
    assert shown["called_number"] == "49301234"
    assert "4930" not in hidden["called_number"]
    assert hidden == records(bench, private_key=b"key")[0]
    assert hidden["called_number"] != records(bench, private_key=b"other")[0]["called_number"]


def test_the_newest_are_kept():
    kept = CallRecords()
    for number in range(KEPT + 10):
        kept.add(CallRecord(*[""] * 4, 0, 0, 0, "", "", 0.0, "", str(number), 0.0))
    assert len(kept) == KEPT
    assert next(iter(kept)).called_number == "10"
