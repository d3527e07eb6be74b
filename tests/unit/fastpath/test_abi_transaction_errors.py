"""Transactions of an embedder that are wrong: an error that names the item, and nothing changed."""

from __future__ import annotations

import contextlib

import pytest
from abi_calls import refused
from abi_rig import NUMBERS, AbiError, Router, call, ffi, prefix, route, session

UNKNOWN = NUMBERS.FP_ERROR_UNKNOWN
ARGUMENT = NUMBERS.FP_ERROR_ARGUMENT
CLOSED = NUMBERS.FP_ERROR_CLOSED
FULL = NUMBERS.FP_ERROR_FULL
BUSY = NUMBERS.FP_ERROR_BUSY


@pytest.fixture
def router():
    made = Router(adjacencies=64, sessions=4)
    made.nhs = made.configure()
    yield made
    made.close()


@pytest.fixture
def open_one(router):
    transaction = router.begin()
    yield transaction
    call("rollback", transaction)


def test_one_transaction_at_a_time(router, open_one):
    refused(BUSY, "open already", "begin", router.engine, ffi.new("fp_transaction_t *"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("192.0.2.1/24", "192.0.2.1/24 has host bits"),
        ("2001:db8::1/64", "host bits"),
        ("192.0.2.0/33", "33"),
        ("2001:db8::/129", "129"),
    ],
)
def test_prefixes_are_checked(router, open_one, text, match):
    home = router.nhs["home"]
    refused(ARGUMENT, match, "add_route", open_one, router.table, route(text, home))
    refused(ARGUMENT, match, "delete_route", open_one, router.table, prefix(text))


def test_families_are_checked(router, open_one):
    odd = prefix("192.0.2.0/24")
    odd.family = 5
    refused(ARGUMENT, "family 5", "delete_route", open_one, router.table, odd)
    out = ffi.new("uint32_t *")
    refused(ARGUMENT, "family 5", "resolve_open", open_one, router.table, odd, out)
    refused(ARGUMENT, "family 5", "resolve", router.engine, router.table, odd, out)
    refused(ARGUMENT, "family 7", "lookup", router.engine, router.table, 7, b"1234", out, 1)


def test_unknown_things_are_named(router, open_one):
    good = route("192.0.2.0/24", router.nhs["home"])
    refused(UNKNOWN, "table 9 does not exist", "add_route", open_one, 9, good)
    nowhere = route("203.0.113.0/24", 63)
    refused(UNKNOWN, "next hop 63", "add_route", open_one, router.table, nowhere)
    refused(
        UNKNOWN, "203.0.113.0/24", "delete_route", open_one, router.table, prefix("203.0.113.0/24")
    )
    refused(UNKNOWN, "next hop 63", "delete_adjacency", open_one, 63)
    for name, *rest in [("update_session", session()), ("hold", 1)]:
        refused(UNKNOWN, "next hop 63", name, open_one, 63, *rest)
    out = ffi.new("uint32_t *")
    refused(UNKNOWN, "table 9 does", "resolve", router.engine, 9, prefix("192.0.2.1"), out)


def test_a_bad_row_is_named_and_none_is_added(router, open_one):
    rows = ffi.new("fp_route_t[3]")
    rows[0] = route("203.0.113.0/25", router.nhs["home"])[0]
    rows[1] = route("203.0.113.128/25", router.nhs["home"])[0]
    rows[2] = route("203.0.113.1/24", router.nhs["home"])[0]
    error = refused(ARGUMENT, "host bits", "add_routes", open_one, router.table, rows, 3)
    assert error.item == 2
    out = ffi.new("uint32_t *")
    call("resolve_open", open_one, router.table, prefix("203.0.113.1"), out)
    assert out[0] == 0


def test_routes_do_not_dangle(router):
    t = router.begin()
    call("delete_adjacency", t, router.nhs["home"])
    refused(ARGUMENT, "1 route", "commit", t)
    refused(CLOSED, "has ended", "rollback", t)
    assert router.next_hop("192.0.2.1") == router.nhs["home"]


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"tunnel": 0}, "tunnel id 0 is not 1..65535"),
        ({"peer_session": 0}, "peer session id 0"),
        ({"mtu": 67}, "mtu 67 is not 68..65491"),
        ({"peer_port": 0}, "peer UDP port 0"),
    ],
)
def test_values_of_a_session_are_checked(router, open_one, fields, match):
    out = ffi.new("uint32_t *")
    refused(ARGUMENT, match, "add_session", open_one, session(**fields), out)
    assert out[0] == 0


def test_ids_in_use_are_refused(router, open_one):
    router.session(open_one)
    refused(
        ARGUMENT,
        "tunnel 1 session 2 at 10.88.0.1 is in use",
        "add_session",
        open_one,
        session(),
        ffi.new("uint32_t *"),
    )


def test_sessions_and_adjacencies_run_out(router, open_one):
    out = ffi.new("uint32_t *")
    for number in range(1, 5):
        router.session(open_one, session=number)
    refused(FULL, "all 4 sessions", "add_session", open_one, session(session=5), out)
    made = ffi.new("fp_adjacency_t *", {"kind": NUMBERS.FP_ADJACENCY_DROP})
    free = 0
    with contextlib.suppress(AbiError):
        while call("add_adjacency", open_one, made, out) == 0:
            free += 1
    assert 0 < free < 64
    refused(FULL, "all 64 adjacencies", "add_adjacency", open_one, made, out)


def test_kinds_of_adjacencies_are_checked(router, open_one):
    for kind in (0, NUMBERS.FP_ADJACENCY_SESSION, 99):
        made = ffi.new("fp_adjacency_t *", {"kind": kind})
        refused(ARGUMENT, "kind", "add_adjacency", open_one, made, ffi.new("uint32_t *"))
