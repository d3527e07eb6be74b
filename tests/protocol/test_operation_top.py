"""What `dialout top` asks, over the control socket, and what it prints."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from operated import operated

from control.cli import main
from control.operation.top import HOTTEST


def test_the_view_tells_of_a_call_and_is_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        async with operated(tmp_path) as operator:
            await operator.live.dial()
            client = await operator.connect()
            client.send(b'{"id": 1, "command": "top", "arguments": {"watch": 0.1}}\n')
            first, second = (await client.line())["result"], (await client.line())["result"]
            assert second["time"] > first["time"]
            assert first["sessions"]["inService"] == 1
            assert first["dial_out"]["dialouts_established"] == 1
            assert first["ports"][0]["name"] == "home"
            assert len(first["hottest"]) == 1 <= HOTTEST
            assert first["hottest"][0]["established"] == 1
            client.writer.close()

    asyncio.run(story())


def test_once_prints_a_picture_with_rates(tmp_path: Path, capsys: Any) -> None:
    async def story() -> int:
        async with operated(tmp_path) as operator:
            await operator.live.dial()
            given = ["top", "--once", "--watch", "0.1", "--socket", operator.path]
            return await asyncio.to_thread(main, given)

    assert asyncio.run(story()) == 0
    told = capsys.readouterr().out
    assert "inService 1" in told
    assert "TARGET" in told


def test_without_a_router_there_is_nothing_to_draw(tmp_path: Path, capsys: Any) -> None:
    assert main(["top", "--once", "--socket", str(tmp_path / "none")]) == 5
    assert "there is no such socket" in capsys.readouterr().err
