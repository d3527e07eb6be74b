"""The socket on which metrics and health are served: bounded in clients, octets and time.

What is answered is control.metrics.http and the pages that its owner gives.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from control.errors import ResourceError
from control.metrics.http import END_OF_HEAD, LONGEST_HEAD, Pages, refusal, respond

CLIENTS: Final = 16
"""Connections at once; more are turned away."""
PATIENCE: Final = 5.0
"""Seconds that a client has for its request, and for taking the answer."""


class MetricsServer:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def open(self, address: str, port: int) -> None:
        """Raises ResourceError if the address is not to be had."""
        try:
            self._server = await asyncio.start_server(
                self._serve, address, port, limit=LONGEST_HEAD, backlog=CLIENTS
            )
        except OSError as error:
            why = error.strerror or error
            raise ResourceError(f"metrics: {address} port {port}: {why}") from None

    @property
    def port(self) -> int:
        """Where it listens; 0 while it does not."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= CLIENTS:
            writer.write(refusal(503))
            writer.close()
            return
        self._clients += 1
        try:
            with suppress(OSError, TimeoutError):
                writer.write(await self._answer(reader))
                async with asyncio.timeout(PATIENCE):
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._clients -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(END_OF_HEAD)
        except TimeoutError:
            return refusal(408)
        except asyncio.LimitOverrunError:
            return refusal(431)
        except asyncio.IncompleteReadError:
            return refusal(400)
        return respond(head, self._pages)
