"""Classifiers that change while adjacencies use them."""

from __future__ import annotations

import pytest

from control.config import Classifier, Config, VirtualRouter
from control.dataplane import SessionSpec
from control.errors import ResourceError
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.fastpath_filters import Filters
from fastpath import Engine, MemPort
from fastpath.dissect import checksum

WEB = Classifier("web", ("permit tcp any any port 80",))
MAIL = Classifier("mail", ("permit tcp any any port 25",))
OURS, SITE = "192.0.2.1", "10.1.2.3"


class Rig:
    """One session with a filter; packets to its site by destination port."""

    def __init__(self, *classifiers: Classifier) -> None:
        self.engine = Engine(adjacencies=32, sessions=4, trigger_keys=8)
        router = VirtualRouter(name="home", table=7, local_address=OURS)
        tables = build_tables(self.engine, Config(virtual_router=(router,)))
        self.tunnel = MemPort("tunnel")
        self.port = self.engine.attach(self.tunnel, tables[7])
        self.filters = Filters(self.engine, classifiers)
        self.dataplane = FastpathDataplane(
            self.engine, self.port, tables, lambda: 1.0, self.filters
        )

    def session(self, classifier: str, number: int = 1, inbound: str | None = None) -> int:
        with self.dataplane.transaction() as t:
            ids = {"tunnel": 1, "session": number, "peer_tunnel": 2, "peer_session": number}
            spec = SessionSpec(table=7, local=(OURS, 1701), peer=("192.0.2.9", 1701), **ids)
            nh = t.add_session(spec)
            t.add_route(7, f"10.{number}.0.0/16", nh)
            t.set_filter(nh, classifier, inbound=classifier if inbound is None else inbound)
        return nh

    def passes(self, port: int) -> bool:
        head = bytes.fromhex("45000028000000004006") + b"\0\0" + bytes((192, 0, 2, 7, 10, 1, 2, 3))
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
        self.tunnel.push(head + bytes((4, 0)) + port.to_bytes(2, "big") + bytes(16))
        self.engine.poll(self.port)
        return bool(self.tunnel.pop_all())

    def numbers(self) -> int:
        """Filters that are given out."""
        found = 0
        for number in range(1, 64):
            try:
                self.engine.filters.counts(number)
            except KeyError:
                continue
            found += 1
        return found


def test_packets_of_a_session_meet_the_new_rules_as_soon_as_they_are_loaded():
    rig = Rig(WEB, MAIL)
    rig.session("web")
    assert (rig.passes(80), rig.passes(8080)) == (True, False)
    rig.dataplane.set_classifiers((Classifier("web", ("permit tcp any any port 8080",)), MAIL))
    assert (rig.passes(80), rig.passes(8080)) == (False, True)
    assert rig.numbers() == 2


def test_each_way_of_a_session_has_rules_of_its_own():
    rig = Rig(WEB, MAIL)
    nh = rig.session("", inbound="web")
    assert (rig.passes(80), rig.passes(8080)) == (True, True)
    with rig.dataplane.transaction() as t:
        t.set_filter(nh, "web", inbound="mail")
    assert (rig.passes(80), rig.passes(8080)) == (True, False)
    rig.dataplane.set_classifiers(())  # both are gone, and still used
    assert rig.numbers() == 2
    with rig.dataplane.transaction() as t:
        t.set_filter(nh, "")
    assert (rig.passes(8080), rig.numbers()) == (True, 0)


def test_loading_the_same_rules_changes_no_number():
    rig = Rig(WEB, MAIL)
    before = rig.filters.number("web")
    rig.dataplane.set_classifiers((MAIL, WEB))
    assert rig.filters.number("web") == before


def test_a_session_keeps_the_rules_of_a_classifier_that_is_gone_until_it_ends():
    rig = Rig(WEB)
    nh = rig.session("web")
    rig.dataplane.set_classifiers(())
    assert (rig.passes(80), rig.passes(25)) == (True, False)
    with pytest.raises(ResourceError, match=r"there is no \[\[classifier\]\] 'web'"):
        rig.session("web", 2)
    with rig.dataplane.transaction() as t:
        t.delete_route(7, "10.1.0.0/16")
        t.delete_adjacency(nh)
    assert rig.numbers() == 0


def test_a_classifier_that_comes_back_takes_its_sessions_along():
    rig = Rig(WEB)
    rig.session("web")
    rig.dataplane.set_classifiers(())
    rig.dataplane.set_classifiers((Classifier("web", ("permit tcp any any port 25",)),))
    assert (rig.passes(80), rig.passes(25)) == (False, True)
    assert rig.numbers() == 1


def test_rules_that_cannot_be_compiled_change_nothing():
    rig = Rig(WEB)
    rig.session("web")
    with pytest.raises(ValueError):  # noqa: PT011
        rig.dataplane.set_classifiers((Classifier("web", ("permit all",)), MAIL))
    assert (rig.passes(80), rig.numbers()) == (True, 1)


def test_a_transaction_that_fails_leaves_no_user_behind():
    rig = Rig(WEB)

    def change() -> None:
        with rig.dataplane.transaction() as t:
            t.set_filter(t.add_glean(7, "10.9.0.0/16"), "web")
            t.set_filter(t.add_glean(7, "10.8.0.0/16"), "gold")

    with pytest.raises(ResourceError):
        change()
    rig.dataplane.set_classifiers(())
    assert rig.numbers() == 0


def test_a_virtual_router_can_come_while_packets_flow():
    rig = Rig()
    router = VirtualRouter(name="new", table=9, local_address="192.0.2.99")
    rig.dataplane.set_table(router)
    assert rig.dataplane.resolve(9, "192.0.2.99") != 0
    rig.dataplane.set_table(router)  # twice is once
    with rig.dataplane.transaction() as t:
        t.add_route(9, "10.0.0.0/8", t.add_glean(9, "10.0.0.0/8"))
    assert rig.dataplane.resolve(9, SITE) != 0
    assert rig.dataplane.resolve(7, SITE) == 0
