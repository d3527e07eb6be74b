"""The server of the control socket: connections, their roles, time and room; what a request means
is control.operation.

Everything a client can do is bounded (threat T24): connections, of all and of one user; octets and
seconds of a line; seconds without one; what waits for it to be read. Lists are made a part at a
time, so that packets and calls have their turn between two parts.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from control.errors import DialoutError
from control.operation.answer import Answer, Later, Repeat, Rows, parts
from control.operation.protocol import BadRequest, Code, Id, Lines, Request, refusal, reply
from control.operation.roles import Access, Peer, Role
from control.operation.router import Router
from control.runtime.control_listener import ControlListener
from control.runtime.people import peer

MOST_CLIENTS: Final = 32
FOR_ADMINISTRATORS: Final = 8
"""Of these, kept free for them: nobody else can shut them out."""
MOST_OF_A_USER: Final = 8
IDLE: Final = 300.0
"""Seconds without a request after which a connection is closed."""
PATIENCE: Final = 10.0
"""Seconds for the rest of a line that has begun, and for a client to read what it asked for."""
SLICE: Final = 128
"""Rows made in one turn: some milliseconds, whatever the view."""
_READ: Final = 4096

Note = Callable[[str], None]
"""Takes a line for the log."""


class ControlSocket:
    """Serves a listener until it is closed."""

    def __init__(
        self, listener: ControlListener, router: Router, access: Access, note: Note
    ) -> None:
        self.access = access
        """Who may do what: of connections made from now on."""
        self._listener = listener
        self._router = router
        self._note = note
        self._tasks: set[asyncio.Task[None]] = set()
        self._users: Counter[int] = Counter()
        """Connections by user."""
        self._server: asyncio.Server | None = None

    @staticmethod
    def prepare() -> None:
        """Imports what requests need, which a start does not wait for: it is to be called beside
        the loop."""
        from control.operation import dispatch

        assert dispatch.HANDLERS

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, sock=self._listener.socket)

    async def close(self) -> None:
        """Ends every connection and removes the file."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connected(reader, writer)
        except (OSError, TimeoutError, EOFError):
            pass  # the client went, or would not read
        except asyncio.CancelledError:
            pass  # we end: there is nobody above who would want to hear of it
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = peer(writer.get_extra_info("socket"))
        role = self.access.role(who)
        if not self._has_room(who, role):
            writer.write(refusal(BadRequest(Code.BUSY, "there are too many clients")))
            await asyncio.wait_for(writer.drain(), PATIENCE)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)
            return
        self._users[who.uid] += 1
        try:
            await _Client(self._router, reader, writer, who, role, self._note).serve()
        finally:
            self._users[who.uid] -= 1
            if not self._users[who.uid]:
                del self._users[who.uid]

    def _has_room(self, who: Peer, role: Role) -> bool:
        most = MOST_CLIENTS
        if role is not Role.ADMIN:
            if self._users[who.uid] >= MOST_OF_A_USER:
                return False
            most -= FOR_ADMINISTRATORS
        return self._users.total() < most


class _Client:
    """One connection."""

    def __init__(
        self,
        router: Router,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        who: Peer,
        role: Role,
        note: Note,
    ) -> None:
        self._router = router
        self._reader = reader
        self._writer = writer
        self._who = who
        self._role = role
        self._note = note
        self._lines = Lines()
        self._todo: deque[bytes] = deque()
        """Lines that came with others."""
        self._begun: float | None = None
        """When the line began that is not whole yet."""

    async def serve(self) -> None:
        """Until it leaves, or its time is over."""
        while True:
            while self._todo:
                await self._do(self._todo.popleft())
            data = await asyncio.wait_for(self._reader.read(_READ), self._patience())
            if not data:
                break
            await self._feed(data)
        self._writer.close()
        await asyncio.wait_for(self._writer.wait_closed(), PATIENCE)

    def _patience(self) -> float:
        if self._begun is None:
            return IDLE
        return max(self._begun + PATIENCE - asyncio.get_running_loop().time(), 0.001)

    async def _feed(self, data: bytes) -> None:
        try:
            self._todo.extend(filter(None, self._lines.feed(data)))
        except BadRequest as error:
            await self._send(refusal(error))
            raise EOFError from None
        if not len(self._lines):
            self._begun = None
        elif self._begun is None or self._todo:
            self._begun = asyncio.get_running_loop().time()

    async def _do(self, line: bytes) -> None:
        """Answers a line."""
        from control.operation import dispatch

        request: Request | None = None
        try:
            request, command = dispatch.read(line, self._role)
            if command.role > Role.READ:
                self._tell(request)
            await self._answer(request.id, dispatch.answer(self._router, request, self._role))
        except BadRequest as error:
            await self._send(refusal(error))
        except DialoutError as error:
            assert request is not None
            await self._send(refusal(dispatch.refusal(request, error)))
        except (OSError, EOFError, TimeoutError):
            raise
        except Exception as error:
            # A defect, told as those of the loop are; the connection and the router go on.
            context = {"message": "control socket", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            id = None if request is None else request.id
            what = f"a defect of the router: {type(error).__name__}"
            await self._send(refusal(BadRequest(Code.INTERNAL, what, id)))

    def _tell(self, request: Request) -> None:
        told = {k: v for k, v in request.arguments.items() if v not in (None, False)}
        text = " ".join(f"{key}={value}" for key, value in told.items())
        who = f"user {self._who.uid}, process {self._who.pid}"
        self._note(f"{request.command} {text}".rstrip() + f" ({who})")

    async def _answer(self, id: Id, answer: Answer) -> None:
        match answer:
            case Rows():
                await self._send_rows(id, answer)
            case Repeat():
                await self._repeat(id, answer)
            case Later():
                await self._send(reply(id, await answer.work()))
            case _:
                await self._send(reply(id, answer))

    async def _send_rows(self, id: Id, answer: Rows) -> None:
        waiting: list[dict[str, Any]] | None = None
        for found in parts(answer, SLICE):
            if waiting:
                await self._send(reply(id, waiting, more=True))
            # What is quick to read is not waited for: others must have their turn all the same.
            await asyncio.sleep(0)
            waiting = found
        await self._send(reply(id, waiting or []))

    async def _repeat(self, id: Id, answer: Repeat) -> None:
        """Until the client asks something else, or leaves."""
        try:
            while not self._todo and (made := answer.make()) is not None:
                await self._send(reply(id, made, more=True))
                try:
                    async with asyncio.timeout(answer.seconds):
                        data = await self._reader.read(_READ)
                except TimeoutError:
                    continue
                if not data:
                    raise EOFError
                await self._feed(data)
        finally:
            answer.end()
        await self._send(reply(id, None))

    async def _send(self, line: bytes) -> None:
        """Waits until the client has read nearly all of it."""
        self._writer.write(line)
        await asyncio.wait_for(self._writer.drain(), PATIENCE)
