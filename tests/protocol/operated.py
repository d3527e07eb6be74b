"""A running router with a control socket, and a client that says anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from live import PATIENCE, Live, configuration, running

from control.config_file import read_config
from control.difference import Difference
from control.operation.roles import Access, Members
from control.runtime.control_listener import ControlListener
from control.runtime.control_socket import ControlSocket
from control.runtime.observation import Observation
from control.runtime.operated import Operated


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> dict[str, Any]:
        """The next line of a reply."""
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.reader.readline())

    async def closed(self) -> bytes:
        """All that still comes."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def ask(self, command: str, id: Any = 1, **arguments: Any) -> Any:
        """The result, its parts put together; or the error."""
        told = {"id": id, "command": command, "arguments": arguments}
        self.send(json.dumps(told).encode() + b"\n")
        found: Any = None
        while True:
            line = await self.line()
            assert line["id"] == id
            if not line["ok"]:
                return line["error"]
            found = line["result"] if found is None else found + line["result"]
            if not line.get("more"):
                return found


class Operator:
    """The router's socket; `notes` are its lines of the log."""

    def __init__(self, live: Live, path: str, file: Path):
        self.live, self.path, self.file = live, path, file
        self.notes: list[str] = []
        observation = Observation(live.process, note=lambda *_: None)
        router = Operated(live.process, observation, self._load)
        listener = ControlListener(path)
        self.server = ControlSocket(listener, router, Access(0), self.notes.append)

    async def _load(self, *, dry_run: bool) -> Difference:
        return await self.live.process.reload(read_config(self.file), dry_run=dry_run)

    def become(self, role: str) -> None:
        """What whoever connects from now on may do: `none`, `read`, `operate` or `admin`."""
        everybody = Members(frozenset(range(100000)))
        self.server.access = _Nobody(-1, **({} if role == "none" else {role: everybody}))

    async def connect(self) -> Client:
        return Client(*await asyncio.open_unix_connection(self.path, limit=2**24))


class _Nobody(Access):
    """Root counts for nothing here: tests may run as root."""

    def role(self, peer):
        return super().role(peer._replace(uid=1))


@asynccontextmanager
async def operated(folder: Path, *changes: tuple[str, str]) -> AsyncIterator[Operator]:
    async with running(configuration(folder, *changes)) as (live, _):
        operator = Operator(live, str(folder / "s"), folder / "live.toml")
        await operator.server.start()
        try:
            yield operator
        finally:
            await operator.server.close()
