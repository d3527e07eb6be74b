"""Dial-outs that fail in a replay: exit code 0, nothing forwarded, and the report says why."""

from __future__ import annotations

import pytest
from replay_run import demo_config, happened, home_site, ping, replayed, write_pcap

TO_THE_END = ("seed = 1", "seed = 1\ndrain = 100")
"""Time enough for every timer of one attempt."""
REJECT = (
    'name = "*@dialout.example"\n[sim.radius.users.reply]',
    'name = "*@dialout.example"\nreject = true\n\n[[sim.radius.users]]\nname = "nobody"\n'
    "[sim.radius.users.reply]",
)


def outcome(word, more=""):
    return ("dial_delay = 1.5", f'dial_delay = 1.5\noutcome = "{word}"\n{more}')


@pytest.mark.parametrize(
    ("changes", "stage", "reason", "result", "state"),
    [
        pytest.param(
            [('"Tunnel-Password:1" = "tunnel-secret"', '"Tunnel-Password:1" = "other"')],
            "authentication", "wrong challenge response", 4, "INHIBITED",
            id="wrong tunnel secret",
        ),
        pytest.param(
            [('"branch"\npassword = "branch-secret"\nauth', '"branch"\npassword = "other"\nauth')],
            "authentication", "the peer's proof is refused: Access-Reject: wrong password", 0,
            "INHIBITED", id="wrong CHAP password of the peer",
        ),
        pytest.param(
            [('peer_password = "lns-secret"', 'peer_password = "other"')],
            "authentication", "the peer refuses us", 0, "INHIBITED", id="wrong CHAP password of us",
        ),
        pytest.param([outcome("busy")], "cdn", "busy", 8, "INHIBITED", id="busy"),
        pytest.param([outcome("no-answer")], "cdn", "no-answer", 10, "INHIBITED", id="no answer"),
        pytest.param([outcome("no-carrier")], "cdn", "no-carrier", 7, "INHIBITED", id="no carrier"),
        pytest.param(
            [outcome("reject", "result_code = 6")], "cdn", "reject", 6, "INHIBITED", id="reject"
        ),
        pytest.param(
            [REJECT], "aaa", "Access-Reject: rejected", 0, "INHIBITED", id="RADIUS reject"
        ),
        pytest.param(
            [('"Framed-Route" = "198.51.100.0/24 0.0.0.0 1"\n', "")],
            "route", "the access route does not cover the trigger's destination", 0, "FAILED",
            id="route does not cover the trigger",
        ),
        pytest.param(
            [outcome("silent")], "timer", "connecting timer", 0, "INHIBITED", id="OCRQ unanswered"
        ),
        pytest.param(
            [('address = "10.88.0.2"\n', 'address = "10.88.0.3"\n')],
            "timeout", "no acknowledgement", 0, "INHIBITED", id="LAC silent",
        ),
        pytest.param(
            [('servers = [{ address = "10.88.0.9" }]',
              'servers = [{ address = "10.88.0.8", secret = "x" }]')],
            "aaa", "RADIUS does not answer", 0, "INHIBITED", id="RADIUS silent",
        ),
    ],
)  # fmt: skip
def test_a_failed_call_is_a_result(capsys, tmp_path, changes, stage, reason, result, state):
    config = demo_config(tmp_path, TO_THE_END, *changes)
    config.chmod(0o600)
    # One packet: a longer capture would place calls again after the back-off.
    told = replayed(capsys, config, write_pcap(tmp_path / "in.pcap", [(0, ping(0))]))
    assert told["verdicts"]["TRIGGER"] == 1
    assert told["verdicts"]["FORWARD"] == told["verdicts"]["DELIVER"] == 0
    assert told["accounted_for"]
    (session,) = told["sessions"]
    failure = session["last_failure"]
    assert [failure[key] for key in ("stage", "reason", "result")] == [stage, reason, result]
    (entered,) = happened(told, "SessionStateChanged", new=state)
    assert (entered["why"], entered["time"]) == (reason, failure["time"])
    assert happened(told, "AccessRouteInstalled") == []
    assert [e["failure"] for e in happened(told, "CallFailed")] in ([], [failure])


def test_a_line_that_loses_a_tenth_delays_a_call_and_does_not_fail_it(capsys, tmp_path):
    config = demo_config(tmp_path, ("dial_delay = 1.5", "dial_delay = 1.5\nloss = 0.1"))
    told = replayed(capsys, config, home_site(tmp_path, duration=30, rate=10))
    (lac,) = told["simulated"]["lac"]
    assert lac["link"]["to_far"]["lost"] > 0 < lac["link"]["to_near"]["lost"]
    assert happened(told, "CallFailed") == []
    assert {session["state"] for session in told["sessions"]} == {"inService"}
    arrived = told["simulated"]["cpe"][0]["packets"]
    assert 0.5 < arrived / told["counters"]["encapsulated"] < 1
    assert told["accounted_for"]


def test_after_the_back_off_a_trigger_calls_again(capsys, tmp_path):
    """Specification 1.4.5: 60 s inhibited, then as long again twice that, and so on."""
    config = demo_config(tmp_path, ("dial_delay = 1.5", 'dial_delay = 1.5\noutcome = "busy"'))
    capture = write_pcap(tmp_path / "in.pcap", ((n, ping(n)) for n in range(400)))
    told = replayed(capsys, config, capture)
    tried = [row["time"] for row in happened(told, "CallPlaced")]
    failed = [row["time"] for row in happened(told, "CallFailed")]
    waited = [b - a for a, b in zip(failed, tried[1:], strict=False)]
    assert waited == pytest.approx([60, 120, 240][: len(waited)], abs=1.1)
    assert len(tried) == 3
