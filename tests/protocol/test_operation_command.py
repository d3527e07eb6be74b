"""`dialout show` and the orders as they are typed: what they print and how they end."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from live import SITE
from live_command import command
from operated import Operator, operated

from control import exit_codes
from control.cli import main
from control.operation.schema import VIEWS
from control.operation.table import COMMANDS
from control.operation.table import VIEWS as SHOWN

Typed = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def play(tmp_path, capsys):
    """Runs a story with a router that has a call, and what types a command at it."""

    def run(story: Callable[[Operator, Typed], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            async with operated(tmp_path) as operator:
                await operator.live.dial()

                async def typed(*words: str) -> tuple[int, str, str]:
                    argv = [*words, "--socket", operator.path]
                    code = await asyncio.to_thread(main, argv)
                    return code, *capsys.readouterr()

                await story(operator, typed)

        asyncio.run(all_of_it())

    return run


def test_each_view_is_a_table_a_block_and_json(play):
    async def story(operator: Operator, typed: Typed) -> None:
        for view in SHOWN:
            for form in ((), ("brief",), ("detail",)):
                code, out, err = await typed("show", view, *form)
                assert (code, err) == (0, "")
                assert out.strip()
                assert all(line == line.rstrip() for line in out.splitlines())
            code, out, err = await typed("show", view, "--json")
            assert (code, err) == (0, "")
            assert isinstance(json.loads(out), list) == COMMANDS[f"show {view}"].rows
        _, out, _ = await typed("show", "sessions")
        head, row = out.splitlines()
        assert head.split()[:3] == ["VIRTUAL", "ROUTER", "DESTINATION"]
        assert row.split()[:4] == ["default", SITE, "198.51.100.0/24", "inService"]
        _, out, _ = await typed("show", "sessions", "--state", "failed")
        assert out == "no sessions\n"
        _, out, _ = await typed("show", "sessions", "--state", "failed", "--json")
        assert json.loads(out) == []
        _, out, _ = await typed("show", "calls", "detail")
        assert re.search(r"^number +5551234$", out, re.MULTILINE)
        _, out, _ = await typed("show", "calls")
        assert "5551234" not in out
        _, out, _ = await typed("show", "sessions", "brief", "--json")
        assert "counters" not in json.loads(out)[0]

    play(story)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (("session", "reset", SITE), 0, "1 session reset", ""),
        (("session", "reset", "192.0.2.99"), 1, "", "no session to 192.0.2.99"),
        (("session", "reset", "nonsense"), 2, "", "must be an IPv4 or IPv6 address"),
        (("session",), 2, "", "ORDER"),
        (("freeze", "--hangup"), 0, "1 call closed", ""),
        (("freeze", "--virtual-router", "x"), 1, "", "no virtual router 'x'"),
        (("lac", "drain", "192.0.2.99"), 1, "", "no LAC"),
        (("target", "add", "203.0.113.0/24"), 2, "", "--domain"),
        (("target", "remove", "203.0.113.0/24"), 1, "", "no target"),
        (("reload", "--dry-run"), 0, "0 differences: not loaded, this was a dry run", ""),
        (("reload",), 0, "0 differences: loaded", ""),
        (("explain", SITE), 0, "forward: the access route of the session", ""),
        (("explain", "203.0.113.1"), 0, "drop: no route covers it", ""),
        (("counters",), 0, "dialouts_established", ""),
        (("show", "sessions", "--state", "asleep"), 2, "", "must be one of dormant"),
        (("show", "sessions", "--limit", "0"), 2, "", "must be a whole number from 1"),
        (("show", "sessions", "all"), 2, "", "brief"),
        (("show", "everything"), 2, "", "chassis"),
    ],
)
def test_how_a_command_ends(play, words, code, out, err):
    async def story(operator: Operator, typed: Typed) -> None:
        ended, said, complained = await typed(*words)
        assert ended == code
        assert out in said
        assert err in complained
        assert "Traceback" not in complained

    play(story)


def test_a_wrong_file_ends_with_the_code_of_the_configuration(play):
    async def story(operator: Operator, typed: Typed) -> None:
        operator.file.write_text(operator.file.read_text() + "\n[nonsense]\n")
        code, _, err = await typed("reload")
        assert code == exit_codes.CONFIGURATION
        assert "live.toml:" in err

    play(story)


def test_who_may_not_is_told_which_role_it_takes(play):
    async def story(operator: Operator, typed: Typed) -> None:
        operator.become("read")
        assert (await typed("show", "chassis"))[0] == 0
        code, _, err = await typed("freeze")
        assert code == exit_codes.RESOURCE
        assert "needs the role operate, yours is read" in err

    play(story)


def test_without_a_router_it_says_where_it_looked(tmp_path, capsys):
    for make in (lambda path: None, Path.touch):
        path = tmp_path / "s"
        make(path)
        assert main(["show", "chassis", "--socket", str(path)]) == exit_codes.RESOURCE
        assert f"no router at {path}: " in capsys.readouterr().err


@pytest.mark.parametrize("name", VIEWS)
def test_schemas_are_printed_without_a_router(name, capsys):
    assert main(["show", "schema", name]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == name


def test_a_router_that_runs_answers_and_a_second_one_finds_its_socket_taken(tmp_path):
    from live import configuration

    async def story() -> None:
        configuration(tmp_path)
        path = tmp_path / "control.sock"
        run = ("run", "--config", tmp_path / "live.toml", "--socket", path)
        async with command(*run) as first:
            await first.says("started")
            async with command("show", "chassis", "--socket", path) as show:
                assert await show.exit() == 0
                assert show.has("inService")
            async with command("reload", "--socket", path) as reload:
                assert await reload.exit() == 0
            await first.says("reload (user ")
            async with command("counters", "--watch", "0.1", "--socket", path) as watch:
                await watch.says("since the look before")
                assert await watch.end(2) == 130
            async with command(*run) as second:
                assert await second.exit() == 5
                assert second.has(f"another dialout answers here (process {first.process.pid})")
            await first.end()
        assert not path.exists()

    asyncio.run(story())
