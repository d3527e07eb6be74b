"""control.sim.modem: outcomes, rules and the number of modems."""

from __future__ import annotations

import pytest

from control.errors import LocalProtocolError
from control.sim.modem import ModemBank, Outcome, number_matches, parse_outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("answer", Outcome("answer")),
        ("silent", Outcome("silent")),
        ("busy", Outcome("busy", 8)),
        ("no-carrier", Outcome("no-carrier", 7)),
        ("no-dial-tone", Outcome("no-dial-tone", 9)),
        ("no-answer", Outcome("no-answer", 10)),
        ("reject", Outcome("reject", 4, 3)),
        ("reject:6", Outcome("reject", 6, 0)),
        ("reject:2/7", Outcome("reject", 2, 7)),
        ("reject:11/65535", Outcome("reject", 11, 65535)),
    ],
)
def test_outcomes_are_read(text: str, outcome: Outcome) -> None:
    assert parse_outcome(text, result=4, error=3) == outcome


@pytest.mark.parametrize(
    "text",
    [
        "",
        "engaged",
        "busy:8",
        "answer:",
        "reject:",
        "reject:0",
        "reject:12",
        "reject:x",
        "reject:2/",
        "reject:2/65536",
        "reject:2/-1",
        "reject:/3",
        "reject:2/3/4",
    ],
)
def test_other_outcomes_are_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_outcome(text)


def test_a_number_is_matched_whole_or_by_its_beginning() -> None:
    assert number_matches("123", "123")
    assert not number_matches("123", "1234")
    assert number_matches("12*", "1234")
    assert number_matches("*", "")
    assert not number_matches("12*", "21")


def test_the_first_rule_that_matches_decides() -> None:
    busy, answer, silent = (parse_outcome(text) for text in ("busy", "answer", "silent"))
    bank = ModemBank(1, silent, (("12*", busy), ("1*", answer), ("123", silent)))
    assert [bank.outcome(n) for n in ("123", "13", "2")] == [busy, answer, silent]


def test_a_bank_gives_out_as_many_modems_as_it_has() -> None:
    bank = ModemBank(2, parse_outcome("answer"))
    assert [bank.seize() for _ in range(3)] == [True, True, False]
    bank.release()
    assert bank.seize()
    bank.release()
    bank.release()
    with pytest.raises(LocalProtocolError):
        bank.release()
