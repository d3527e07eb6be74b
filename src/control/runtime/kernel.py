"""The sockets and the turns of the kernel's routing: carries what control.kernel says to the kernel
and what that answers back. It decides nothing.

Requests are sent by a thread of their own: the kernel works them off while they are sent, some
milliseconds for a batch and more when others hold its lock, and signalling must not wait for that.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from control.kernel.mirror import Mirror
from control.runtime.netlink_socket import NetlinkSocket

DATAGRAMS = 2
"""Of answers read in a turn: of a dump some 700 routes, 3 ms."""
PAUSE = 1.0
"""Seconds before a request that could not be sent is made anew."""


class Speaker(Protocol):
    """What a conversation is led by: control.kernel.mirror.Mirror or control.kernel.feed.Feed."""

    @property
    def settled(self) -> bool: ...
    @property
    def behind(self) -> bool: ...
    def next_request(self, now: float) -> bytes | None: ...
    def receive(self, data: bytes, now: float) -> None: ...
    def lost(self, now: float) -> None: ...
    def get_timer(self) -> float | None: ...
    def handle_timer(self, now: float) -> None: ...


class Conversation:
    """`now` tells seconds of the clock of all timers; `after` is called behind each turn."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        speaker: Speaker,
        now: Callable[[], float],
        after: Callable[[], None],
        *,
        buffer: int | None = None,
    ) -> None:
        """Raises ResourceError."""
        self._speaker = speaker
        self._loop = loop
        self._now = now
        self._after = after
        self._socket = NetlinkSocket() if buffer is None else NetlinkSocket(buffer=buffer)
        self._thread = ThreadPoolExecutor(1, "netlink")
        self._sending: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._settled = asyncio.Event()
        self._closed = False
        loop.add_reader(self._socket.fileno(), self._readable)
        self.wake()

    @property
    def port(self) -> int:
        """See NetlinkSocket.port."""
        return self._socket.port

    def wake(self) -> None:
        """There may be something to say to the kernel."""
        if self._soon is None and not self._closed:
            self._settled.clear()
            self._soon = self._loop.call_soon(self._turn)

    async def settled(self) -> None:
        """Returns when the kernel has been told and has answered everything."""
        await self._settled.wait()

    def close(self) -> None:
        """Leaves the kernel as it is."""
        if self._closed:
            return
        self._closed = True
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._loop.remove_reader(self._socket.fileno())
        # A request under way ends by itself.
        self._thread.shutdown(wait=True)
        self._socket.close()

    def _turn(self) -> None:
        self._soon = None
        if self._closed:
            return
        speaker = self._speaker
        now = self._now()
        request = speaker.next_request(now)
        if speaker.behind:
            self.wake()
        self._after()
        if request is not None:
            self._sending = self._loop.run_in_executor(self._thread, self._socket.send, request)
            self._sending.add_done_callback(self._sent)
        elif speaker.settled:
            self._settled.set()
        self._arm(now)

    def _sent(self, done: asyncio.Future[None]) -> None:
        self._sending = None
        if self._closed or done.cancelled():
            return
        if done.exception() is not None:
            self._speaker.lost(self._now())
            self._loop.call_later(PAUSE, self.wake)
        else:
            self.wake()

    def _readable(self) -> None:
        now = self._now()
        if not self._socket.receive(lambda data: self._speaker.receive(data, now), DATAGRAMS):
            self._speaker.lost(now)
        self.wake()

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._speaker.get_timer()
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - now), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._speaker.handle_timer(self._now())
        self.wake()


class KernelMirror(Conversation):
    """With the mirror. `tell` takes a line for the log."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        mirror: Mirror,
        now: Callable[[], float],
        tell: Callable[[str], None],
        *,
        buffer: int | None = None,
    ) -> None:
        """Raises ResourceError."""
        self.mirror = mirror
        self._tell = tell
        super().__init__(loop, mirror, now, self._tell_events, buffer=buffer)

    async def stop(self, grace: float) -> None:
        """Takes our routes out of the kernel, for as long as `grace` seconds, and closes."""
        self.mirror.withdraw()
        self.wake()
        try:
            async with asyncio.timeout(grace):
                await self.settled()
        except TimeoutError:
            left = self.mirror.mirrored
            self._tell(f"{left} routes are left to the next start: the kernel is too slow")
        finally:
            self.close()

    def _tell_events(self) -> None:
        while (event := self.mirror.next_event()) is not None:
            self._tell(str(event))


def interface_index(name: str) -> int:
    """0 for one that is not there."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0
