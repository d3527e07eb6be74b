"""Classifiers in the configuration: rules in the file and beside it, and what is said of wrong ones
(specification 1.12; threat T25)."""

from __future__ import annotations

import pytest
from config_bench import errors

from control.config import Classifier, Config
from control.config_file import read_config
from control.errors import ResourceError
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.fastpath_filters import Filters
from fastpath import Engine, MemPort

LINE = "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0xFF\t0x0000/0x0000\n"


def test_rules_are_kept_as_they_are_written(write):
    path = write('[[classifier]]\nname = "web"\nrules = ["permit tcp any any port 80"]\n')
    assert read_config(path).classifier == (Classifier("web", ("permit tcp any any port 80",)),)


@pytest.mark.parametrize("text", ["# ours\npermit ip any any\n", 2 * LINE])
def test_a_file_gives_the_rules(write, tmp_path, text):
    path = write('[[classifier]]\nname = "web"\nfile = "web.rules"\n')
    (path.parent / "web.rules").write_text(text)
    (read,) = read_config(path).classifier
    assert read.rules == tuple(text.splitlines())
    engine = Engine(adjacencies=16, sessions=2, trigger_keys=8)
    number = Filters(engine, (read,)).number("web")
    assert len(engine.filters.counts(number)) == len([x for x in read.rules if x[0] != "#"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('rules = ["permit tcp any"]', "rule 1: the destination address is missing"),
        ('rules = ["permit ip any any", "let it be"]', "rule 2: action 'let' is not one of"),
        ("rules = [1]", "must be a list of rules such as"),
        ("", "either rules or a file must be given"),
        ('rules = ["permit ip any any"]\nfile = "a"', "either rules or a file must be given"),
        ('file = ""', "either rules or a file must be given"),
        ("file = 1", "must be the name of a file with rules"),
        ('file = "nothing"', "is not a regular file"),
        ('file = "../outside"', "must be inside the directory of the configuration file"),
        ('file = "bad"', "bad:2: action 'allow' is not one of permit"),
        ('file = "damaged"', "is not a ClassBench rule"),
        ('file = "octets"', "is not UTF-8"),
    ],
)
def test_wrong_rules_are_named_by_place(write, keys, message):
    path = write(f'[[classifier]]\nname = "web"\n{keys}\n')
    (path.parent / "bad").write_text("permit ip any any\nallow ip any any\n")
    (path.parent / "damaged").write_text(LINE[:30])
    (path.parent / "octets").write_bytes(b"\xff\xff")
    (problem,) = errors(path)
    assert "classifier" in str(problem)
    assert message in str(problem)


@pytest.mark.parametrize("section", ["target", "profile"])
def test_names_of_classifiers_are_held_against_the_sections(write, section):
    path = write(f'[[{section}]]\nclassifier = "web"\n')
    what = 'classifier = "web": must be the name of a [[classifier]]; there is none'
    assert any(what in str(problem) for problem in errors(path))


def test_a_filter_that_is_not_configured_is_refused_with_all_of_its_transaction():
    engine = Engine(adjacencies=16, sessions=2, trigger_keys=8)
    tables = build_tables(engine, Config())
    port = engine.attach(MemPort("tunnel"), tables[0])
    dataplane = FastpathDataplane(engine, port, tables, lambda: 1.0)

    def change() -> None:
        with dataplane.transaction() as t:
            glean = t.add_glean(0, "10.1.0.0/16")
            t.add_route(0, "10.1.0.0/16", glean)
            t.set_filter(glean, "gold")

    with pytest.raises(ResourceError, match=r"there is no \[\[classifier\]\] 'gold'"):
        change()
    assert dataplane.resolve(0, "10.1.2.3") == 0
