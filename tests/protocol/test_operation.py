"""The control socket of a running router: each command, its reply, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from json_schema import problems
from live import SITE, datagram
from operated import Client, Operator, operated

from control.dialout.call_record import CallRecord
from control.operation.roles import Role
from control.operation.schema import schema
from control.operation.table import COMMANDS

OTHER = "203.0.113.7"


def play(folder: Path, story: Callable[[Operator, Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with operated(folder) as operator:
            await story(operator, await operator.connect())

    asyncio.run(run())


async def checked(client: Client, command: str, **arguments):
    """A reply that fits its schema."""
    row, found = COMMANDS[command], await client.ask(command, **arguments)
    for one in found if row.rows else [found]:
        assert problems(schema(row.result), one) == []
    return found


def test_the_checker_of_schemas_sees_what_does_not_fit():
    of_lac = schema("lac")
    good = {
        "address": "192.0.2.1", "state": "in service", "drained": False, "calls": 0,
        "max_sessions": 3, "locked_out": 1,
    }  # fmt: skip
    assert problems(of_lac, good) == []
    assert problems(of_lac, good | {"calls": "0"})
    assert problems(of_lac, good | {"calls": True})
    assert problems(of_lac, good | {"new": 1})
    assert problems(of_lac, {"address": "192.0.2.1"})
    assert problems(of_lac, [])
    with pytest.raises(KeyError):
        problems({"minimum": 3}, 3)


def test_each_view_shows_a_call_as_its_schema_says(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        for name, row in COMMANDS.items():
            if not name.startswith("show "):
                continue
            for told in ({}, {"detail": True}):
                if set(told) <= {argument.name for argument in row.arguments}:
                    found = await checked(client, name, **told)
                    assert found or name in ("show triggers", "show records"), name
        (session,) = await client.ask("show sessions")
        assert (session["destination"], session["state"]) == (SITE, "inService")
        (session,) = await client.ask("show sessions", detail=True)
        assert session["counters"]["calls_placed"] == 1
        (call,) = await client.ask("show calls")
        assert call["number"] == "5551234"
        kinds = [route["kind"] for route in await client.ask("show routes", backup=True)]
        assert sorted(kinds) == ["access", "access", "dial-out"]
        assert (await client.ask("show counters"))["dial_out"]["dialouts_established"] == 1
        assert (await client.ask("show ports"))[0]["rx_packets"] == 1

    play(tmp_path, story)


def test_what_waits_for_a_call_is_shown_with_its_packet(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        process = operator.live.process
        await process.freeze(True)
        process.receive("home", datagram(site=SITE))
        (trigger,) = await checked(client, "show triggers")
        assert trigger["destination"] == SITE
        assert trigger["state"] == "authenticating"
        assert (trigger["source"], trigger["protocol"], trigger["buffered"]) == (
            "192.0.2.10",
            17,
            1,
        )

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"state": "inService"}, True),
        ({"state": "failed"}, False),
        ({"destination": SITE}, True),
        ({"destination": "198.51.0.0/16"}, True),
        ({"destination": "198.51.100.8"}, False),
        ({"destination": "2001:db8::/32"}, False),
        ({"target": "198.51.100.0/24"}, True),
        ({"target": "198.51.100.0/25"}, False),
        ({"lac": "192.0.2.99"}, False),
        ({"virtual_router": "default"}, True),
    ],
)
def test_a_list_is_filtered(tmp_path, told, seen):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        assert len(await client.ask("show sessions", **told)) == seen

    play(tmp_path, story)


def test_numbers_are_only_for_who_may_operate(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        for role in ("read", "operate", "admin"):
            operator.become(role)
            one = await operator.connect()
            (call,) = await checked(one, "show calls")
            assert call["number"] == (None if role == "read" else "5551234")
            for name in COMMANDS:
                if name.startswith("show ") and name not in ("show calls", "show records"):
                    assert "5551234" not in str(await one.ask(name)), name

    play(tmp_path, story)


def test_a_call_that_ended_tells_why_it_was_made_and_its_number_to_who_may_operate(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        live = operator.live
        await live.dial()
        assert await client.ask("show records") == [], "it has not ended"
        await client.ask("session reset", destination=SITE)
        await live.until(lambda: not live.process.lns.calls())
        (record,) = await checked(client, "show records")
        assert record["source"] == "192.0.2.10"
        assert (record["destination"], record["target"]) == (SITE, "198.51.100.0/24")
        assert record["radius_result"].startswith("granted")
        assert record["placed"] <= record["answered"] <= record["closed"]
        assert record["number"] == "5551234"
        operator.become("read")
        reader = await operator.connect()
        (shown,) = await checked(reader, "show records")
        assert shown == record | {"number": None}

    play(tmp_path, story)


def test_records_are_filtered_and_the_newest_is_first(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        records = operator.live.process.lns.manager.services.records
        for number, lac in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.1")):
            target = f"10.{number}.0.0/16"
            records.add(
                CallRecord(
                    "default", target, f"10.{number}.0.7", "192.0.2.9", 17, 1, 2, "r", "granted",
                    0.5, lac, "55", 100.0 + number, ended=200.0 + number, result="cdn",
                )
            )  # fmt: skip

        async def targets(**told: Any) -> list[str]:
            return [one["target"][3] for one in await checked(client, "show records", **told)]

        assert await targets() == ["2", "1", "0"]
        assert await targets(limit=2) == ["2", "1"]
        assert await targets(target="10.1.0.0/16") == ["1"]
        assert await targets(lac="192.0.2.1") == ["2", "0"]
        assert await targets(destination="10.0.0.0/16") == ["0"]
        assert await targets(virtual_router="default", limit=1) == ["2"]

    play(tmp_path, story)


def test_each_role_is_told_what_it_may_ask_and_refused_the_rest(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        for role in Role:
            operator.become(role.name.lower())
            one = await operator.connect()
            hello = await checked(one, "hello")
            assert hello["role"] == role.name.lower()
            assert hello["commands"] == [n for n, row in COMMANDS.items() if row.role <= role]
            for name in set(COMMANDS) - set(hello["commands"]):
                assert (await one.ask(name))["code"] == "forbidden"
        assert operator.notes == []

    play(tmp_path, story)


def test_sessions_are_reset_and_deleted_and_the_log_says_by_whom(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        live = operator.live
        await live.dial()
        assert (await checked(client, "session reset", destination=SITE))["changed"] == 1
        assert live.states() == ["dormant"]
        await live.until(lambda: not live.process.lns.calls())
        assert (await checked(client, "session delete", destination=SITE))["changed"] == 1
        assert live.states() == []
        error = await client.ask("session delete", destination=SITE)
        assert error == {"code": "not-found", "message": f"default has no session to {SITE}"}
        assert operator.notes[0].startswith(f"session reset destination={SITE} (user ")

    play(tmp_path, story)


def test_freezes_stop_calls_and_say_so_everywhere(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        closed = await checked(client, "freeze", hangup=True)
        assert closed == {"changed": 1, "text": "the whole router: no new calls, 1 call closed"}
        names = [one["name"] for one in (await checked(client, "show health"))["findings"]]
        assert "frozen" in names
        why = await checked(client, "explain", destination="198.51.100.9")
        assert why["verdict"] == "discard"
        assert "dialling is frozen" in why["text"]
        await checked(client, "unfreeze")
        assert (await client.ask("explain", destination="198.51.100.9"))["verdict"] == "dial"
        for order, frozen in (("target freeze", True), ("target unfreeze", False)):
            await checked(client, order, prefix="198.51.100.0/24")
            (target,) = await client.ask("show targets")
            assert target["frozen"] is frozen
        for order, frozen in (("freeze", True), ("unfreeze", False)):
            await checked(client, order, virtual_router="default")
            (router,) = await client.ask("show virtual-routers")
            assert router["frozen"] is frozen

    play(tmp_path, story)


def test_a_target_comes_and_goes_and_a_reload_undoes_it(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        told = {"prefix": "203.0.113.0/24", "domain": "x.example", "profile": "modem"}
        added = await checked(client, "target add", **told)
        assert "not in the configuration file" in added["text"]
        assert (await client.ask("explain", destination=OTHER))["verdict"] == "dial"
        assert (await client.ask("target add", **told))["code"] == "refused"
        tried = await checked(client, "reload", dry_run=True)
        assert tried["lines"] == ["- target default 203.0.113.0/24: its sessions are closed"]
        assert not tried["applied"]
        assert len(await client.ask("show targets")) == 2
        assert (await checked(client, "reload"))["applied"]
        assert len(await client.ask("show targets")) == 1
        await client.ask("target add", **told)
        assert (await checked(client, "target remove", prefix="203.0.113.0/24"))["changed"] == 1
        assert (await client.ask("explain", destination=OTHER))["verdict"] == "drop"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("command", "told", "code", "message"),
    [
        ("target add", {"profile": "none"}, "not-found", "no profile 'none'"),
        ("target add", {"classifier": "none"}, "not-found", "no classifier 'none'"),
        ("target add", {"virtual_router": "none"}, "not-found", "no virtual router 'none'"),
        ("target add", {"domain": "x" * 64}, "bad-argument", "domain = 'xxx"),
        ("target remove", {"prefix": "203.0.113.0/25"}, "not-found", "has no target"),
        ("target freeze", {"prefix": "203.0.113.0/25"}, "not-found", "has no target"),
        ("lac drain", {"address": "192.0.2.99"}, "not-found", "no LAC 192.0.2.99"),
        ("show sessions", {"virtual_router": "none"}, "not-found", "no virtual router"),
        ("show targets", {"virtual_router": "none"}, "not-found", "no virtual router"),
        ("explain", {"destination": OTHER, "virtual_router": "none"}, "not-found", "no virtual"),
    ],
)
def test_what_is_not_there_is_told_and_nothing_changes(tmp_path, command, told, code, message):
    good = {"prefix": "203.0.113.0/24", "domain": "x.example", "profile": "modem"}
    if command == "target add":
        told = good | told

    async def story(operator: Operator, client: Client) -> None:
        before = operator.live.process.lns.config
        error = await client.ask(command, **told)
        assert error["code"] == code
        assert message in error["message"]
        assert operator.live.process.lns.config is before

    play(tmp_path, story)


def test_a_wrong_file_is_not_loaded_and_the_client_hears_what_is_wrong(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        operator.file.write_text(operator.file.read_text() + "\n[chassis]\n")
        for told in ({}, {"dry_run": True}):
            error = await client.ask("reload", **told)
            assert error["code"] == "configuration"
            assert "live.toml:" in error["message"]

    play(tmp_path, story)


def test_a_lac_is_drained_and_shut_down(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        live = operator.live
        await live.dial()
        (lac,) = await client.ask("show lacs")
        address = lac["address"]
        assert (await checked(client, "lac drain", address=address))["changed"] == 1
        (lac,) = await client.ask("show lacs")
        assert lac["drained"]
        assert live.states() == ["inService"]
        await checked(client, "lac shutdown", address=address)
        await live.until(lambda: not live.process.lns.calls())
        await checked(client, "lac undrain", address=address)
        (lac,) = await client.ask("show lacs")
        assert not lac["drained"]
        ended = await checked(client, "show tunnels", ended=True)
        assert [tunnel["ended"] is None for tunnel in ended].count(False) == 1

    play(tmp_path, story)


def test_explain_names_session_headers_and_what_a_call_depends_on(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        why = await checked(client, "explain", destination=SITE)
        assert why["verdict"] == "dial"
        assert why["target"] == "198.51.100.0/24"
        assert [guard["what"] for guard in why["guards"]] == [
            "virtual router", "target sessions", "sessions", "slots", "pending queue", "freeze",
            "budget",
        ]  # fmt: skip
        assert all(guard["passes"] for guard in why["guards"])
        before = operator.live.process.engine.counters().copy()
        assert operator.live.process.lns.sessions(0.0) == []
        await operator.live.dial()
        why = await checked(client, "explain", destination=SITE)
        assert why["verdict"] == "forward"
        assert why["session"]["destination"] == SITE
        assert [(one["layer"], one["octets"]) for one in why["headers"]] == [
            ("IPv4", 20), ("UDP", 8), ("L2TP", 8), ("PPP", 4),
        ]  # fmt: skip
        sent = operator.live.process.engine.counters()["sent_octets"] - before["sent_octets"]
        assert sent > 0
        assert (await checked(client, "explain", destination="192.0.2.1"))["verdict"] == "deliver"
        assert (await checked(client, "explain", destination=OTHER))["verdict"] == "drop"

    play(tmp_path, story)


def test_counters_are_repeated_until_the_client_says_something_else(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        client.send(b'{"id":5,"command":"counters","arguments":{"watch":0.1}}\n')
        times = []
        for _ in range(3):
            line = await client.line()
            assert (line["id"], line["more"]) == (5, True)
            assert problems(schema("counters"), line["result"]) == []
            times.append(line["result"]["time"])
        assert times == sorted(times)
        client.send(b'{"id":6,"command":"hello"}\n')
        while (line := await client.line())["id"] == 5:
            last = line
        assert last == {"id": 5, "ok": True, "result": None}
        assert line["result"]["role"] == "admin"

    play(tmp_path, story)
