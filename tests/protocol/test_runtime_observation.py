"""Metrics and health of a running router, asked over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from live import Live, configuration, running

from control.errors import ResourceError
from control.log import Level
from control.metrics.http import LONGEST_HEAD, Answer
from control.runtime import metrics_server
from control.runtime.metrics_server import CLIENTS, MetricsServer
from control.runtime.observation import Observation, interface_is_up, port_facts
from control.runtime.process_facts import process_facts

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def ask(port: int, request: bytes, address: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), body


@asynccontextmanager
async def served() -> AsyncIterator[MetricsServer]:
    server = MetricsServer({"/metrics": lambda: Answer(200, b"a 1\n")})
    await server.open("127.0.0.1", 0)
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def observed(folder: Path) -> AsyncIterator[tuple[Live, Observation, int, list[str]]]:
    port = free_port()
    metrics = f'\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    config = configuration(folder, ("\n[sim]\n", f"{metrics}\n[sim]\n"))
    notes: list[str] = []

    def note(level: Level, what: str, text: str) -> None:
        notes.append(f"{level.name} {what} {text}")

    async with running(config) as (live, _):
        observation = Observation(live.process, note=note)
        await observation.start()
        try:
            yield live, observation, port, notes
        finally:
            observation.stop()


def test_a_scrape_tells_of_the_call_that_came_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with observed(tmp_path) as (live, _, port, _):
            await live.dial()
            status, body = await ask(port, GET % b"metrics")
            text = body.decode()
            assert status == 200
            assert "\ndialout_dialouts_established_total 1\n" in text
            assert "\ndialout_latency_seconds_count 1\n" in text
            assert 'state="inService"} 1\n' in text
            assert 'dialout_packets_total{verdict="TRIGGER"} 1\n' in text
            assert 'dialout_port_receive_packets_total{port="home",side="home"} 1\n' in text
            assert "\nprocess_resident_memory_bytes " in text

    asyncio.run(story())


def test_health_is_503_while_something_is_critical(tmp_path: Path) -> None:
    async def story() -> None:
        async with observed(tmp_path) as (live, observation, port, notes):
            status, body = await ask(port, GET % b"health")
            assert (status, json.loads(body)) == (200, {"status": "ok", "conditions": []})
            live.process.lns.manager.shutdown(live.process.now)
            status, body = await ask(port, GET % b"health")
            assert status == 503
            assert json.loads(body)["status"] == "critical"
            observation._look()
            assert any(line.startswith("ERROR health chassis-not-ready: ") for line in notes)

    asyncio.run(story())


def test_a_condition_is_told_when_it_comes_and_when_it_goes(tmp_path: Path) -> None:
    async def story() -> None:
        async with observed(tmp_path) as (live, observation, _, notes):
            await live.process.freeze(True)
            observation._look()
            observation._look()
            await live.process.freeze(False)
            observation._look()
            assert notes == [
                "WARNING health frozen: an administrator stopped dialling",
                "NOTICE health frozen: over",
            ]

    asyncio.run(story())


def test_an_address_that_is_taken_is_an_error_of_resources() -> None:
    async def story() -> None:
        async with served() as server:
            with pytest.raises(ResourceError, match=r"metrics: 127\.0\.0\.1 port \d+: .*in use"):
                await MetricsServer({}).open("127.0.0.1", server.port)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (GET % b"metrics", 200),
        (GET % b"nowhere", 404),
        (b"PUT /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 2 * LONGEST_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_the_server_answers_and_hangs_up(request_: bytes, expected: int) -> None:
    async def story() -> None:
        async with served() as server:
            assert (await ask(server.port, request_))[0] == expected

    asyncio.run(story())


def test_a_client_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "PATIENCE", 0.05)

    async def story() -> None:
        async with served() as server:
            assert (await ask(server.port, b"GET /metr"))[0] == 408

    asyncio.run(story())


def test_more_clients_than_there_is_room_for_are_turned_away() -> None:
    async def story() -> None:
        async with served() as server:
            silent = [
                await asyncio.open_connection("127.0.0.1", server.port) for _ in range(CLIENTS)
            ]
            assert (await ask(server.port, b""))[0] == 503
            for _, writer in silent:
                writer.close()
                await writer.wait_closed()
            while (await ask(server.port, GET % b"metrics"))[0] == 503:
                await asyncio.sleep(0)

    asyncio.run(story())


def test_the_kernel_tells_of_this_process() -> None:
    told = process_facts()
    assert told.cpu_seconds > 0
    assert told.resident is not None
    assert 0 < told.resident <= (told.virtual or 0)
    assert told.descriptors
    assert process_facts().started == pytest.approx(told.started, abs=1.0)


@pytest.mark.parametrize(
    ("state", "up"), [("up", True), ("unknown", True), ("down", False), ("lowerlayerdown", False)]
)
def test_an_interface_is_up_if_the_kernel_would_send_by_it(
    tmp_path: Path, state: str, up: bool
) -> None:
    (tmp_path / "eth9").mkdir()
    (tmp_path / "eth9/operstate").write_text(state + "\n")
    assert interface_is_up("eth9", str(tmp_path)) is up
    assert not interface_is_up("gone", str(tmp_path))


def test_a_port_is_up_unless_it_gives_no_packets(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(configuration(tmp_path)) as (live, _):
            port = live.process.port("home")
            assert port_facts(port, False).up
            assert not port_facts(port, True).up

    asyncio.run(story())
