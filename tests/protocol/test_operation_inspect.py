"""`capture` and `trace` over the control socket of a running router."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path

from json_schema import problems
from live import PATIENCE, SITE, datagram
from operated import Client, Operator, operated

from control.operation.schema import schema
from fastpath.ports.pcap import PcapPort


def play(folder: Path, story: Callable[[Operator, Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with operated(folder) as operator:
            await story(operator, await operator.connect())

    asyncio.run(run())


class Watching:
    """A capture that has begun."""

    def __init__(self, client: Client, **arguments: object):
        self.client = client
        self.octets = b""
        self.last: dict[str, int] = {}
        told = {"id": 7, "command": "capture", "arguments": arguments}
        client.send(json.dumps(told).encode() + b"\n")

    async def until(self, packets: int) -> None:
        async with asyncio.timeout(PATIENCE):
            found = 0
            while found < packets:
                found += await self.part()

    async def part(self) -> int:
        line = await self.client.line()
        assert line["ok"], line
        part = line["result"]
        assert problems(schema("capture"), part) == []
        self.octets += b64decode(part["header"]) + b64decode(part["blocks"])
        self.last = part
        return int(part["packets"])

    def packets(self, folder: Path) -> list[bytes]:
        (folder / "c.pcapng").write_bytes(self.octets)
        return [row[3] for row in PcapPort(folder / "c.pcapng").read()]


def test_a_capture_has_what_passes_both_sides_with_its_verdict(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        watching = Watching(client)
        await watching.part()
        before = watching.last["seen"]
        operator.live.process.receive("home", datagram(), datagram())
        await watching.until(2)
        packets = watching.packets(tmp_path)
        assert sum(p.endswith(datagram()[28:]) for p in packets) >= 2
        assert b"FORWARD" in watching.octets
        assert b"home" in watching.octets
        assert watching.last["missed"] == 0
        assert watching.last["seen"] >= before + 2

    play(tmp_path, story)


def test_a_capture_ends_after_the_wanted_packets(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        watching = Watching(client, count=3)
        await watching.part()
        operator.live.process.receive("home", *[datagram()] * 5)
        await watching.until(3)
        line = await client.line()
        assert (line["result"], line.get("more")) == (None, None)
        assert len(watching.packets(tmp_path)) == 3
        # The connection goes on, and another capture may begin.
        assert await Watching(client).part() == 0

    play(tmp_path, story)


def test_there_is_one_capture_at_a_time_and_it_ends_with_its_client(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        watching = Watching(client)
        await watching.part()
        other = await operator.connect()
        error = await other.ask("capture")
        assert error["message"] == "another capture is under way, and there is one at a time"
        client.writer.close()
        async with asyncio.timeout(PATIENCE):
            while True:
                other.send(b'{"id": 1, "command": "capture"}\n')
                if (await other.line())["ok"]:
                    break
                await asyncio.sleep(0.01)

    play(tmp_path, story)


def test_a_port_or_a_filter_that_is_none_is_told_and_leaves_nothing_behind(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        error = await client.ask("capture", port="nowhere")
        assert error["code"] == "not-found"
        assert error["message"].startswith("there is no port 'nowhere'; there are home, ")
        assert (await client.ask("capture", snaplen=0))["code"] == "bad-argument"
        assert (await client.ask("trace", count=0))["code"] == "bad-argument"
        assert await Watching(client, port="home", snaplen=60).part() == 0

    play(tmp_path, story)


def test_a_trace_tells_each_step_of_the_next_packets_and_the_ways_they_went(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        await operator.live.dial()
        asked = asyncio.create_task(client.ask("trace", count=2, patience=30.0))
        while "trace" not in operator.server._router.looking.under_way:
            await asyncio.sleep(0.005)
        operator.live.process.receive("home", datagram(), datagram(site="203.0.113.9"))
        found = await asked
        assert problems(schema("trace"), found) == []
        forwarded, dropped = found["packets"]
        assert (forwarded["verdict"], forwarded["port"]) == ("FORWARD", "home")
        assert any(SITE in step for step in forwarded["steps"])
        assert any("L2TP to" in step for step in forwarded["steps"])
        assert (dropped["verdict"], dropped["reason"]) == ("DROP", "no-route")
        assert sorted(way["packets"] for way in found["paths"]) == [1, 1]

    play(tmp_path, story)


def test_a_trace_without_packets_is_empty_when_its_patience_is_over(tmp_path):
    async def story(operator: Operator, client: Client) -> None:
        assert await client.ask("trace", patience=0.1) == {"packets": [], "paths": []}
        assert operator.server._router.looking.under_way == set()

    play(tmp_path, story)
