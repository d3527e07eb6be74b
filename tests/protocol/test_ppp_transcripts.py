"""Whole PPP conversations, octet by octet, between our link and a peer written by hand.

    > octets   the link sends             < octets   the peer sends
    @ seconds  timers run up to then      ! name     the owner hears this event
    = yes/no   the owner answers the last AuthenticationRequested

Text in quotes stands for its octets; the link is opened at second 0.

Rows in between belong together: all that is sent and heard is listed, in order. What stands behind
a # is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest

from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, Event
from control.ppp.link import Link

CONFIG = LinkConfig(
    mru=1460,
    authenticate_peer=("chap",),
    answer_protocols=("chap", "pap"),
    username="lns",
    password=b"lns-secret",
    local_name="lns",
    local_address="10.0.0.1",
    dns=("8.8.8.8",),
    want_acfc=True,
)


class Scripted(Random):
    """Magic-Numbers 11111111, 11111112 ...; Challenges 00 01 ... 0f, 10 11 ... 1f and so on."""

    def __init__(self) -> None:
        super().__init__(0)
        self._magic = 0x11111110
        self._octet = -1

    def randrange(self, *_: object) -> int:  # type: ignore[override]
        self._magic += 1
        return self._magic

    def randbytes(self, n: int) -> bytes:
        return bytes(self._next() for _ in range(n))

    def _next(self) -> int:
        self._octet = (self._octet + 1) & 0xFF
        return self._octet


MUTUAL_CHAP = """
> ff03 c021 01 01 0015 0104 05b4 0305 c22305 0506 11111111 0802   # we demand CHAP
< ff03 c021 01 05 0017 0206 000a0000 0305 c22305 0506 22222222 0702
> ff03 c021 04 05 0006 0702                                       # no PFC
< ff03 c021 02 01 0015 0104 05b4 0305 c22305 0506 11111111 0802
< ff03 c021 01 06 0017 0206 000a0000 0305 c22305 0506 22222222 0802
> ff03 c021 02 06 0017 0206 000a0000 0305 c22305 0506 22222222 0802
! LcpOpened
> c223 01 01 0018 10 000102030405060708090a0b0c0d0e0f 6c6e73      # ACFC holds from here
< ff03 c223 01 07 0018 10 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf 637065
> c223 02 07 0018 10 a773f511ed0020ec1dd1f662c9831394 6c6e73
< 80 21 01 01 000a 0306 00000000                                  # too early: dropped
< c223 02 01 0018 10 c37288184e73c6553490024b8d53919d 637065
! AuthenticationRequested
< c223 02 01 0018 10 c37288184e73c6553490024b8d53919d 637065           # repeated
= yes
> c223 03 01 0006 6869
! PeerAuthenticated
< c223 03 07 0004
! AuthenticatedToPeer
> 8021 01 01 000a 0306 0a000001
@ 2.5
< 8021 01 01 001c 0306 00000000 8106 00000000 8306 00000000 8206 00000000
> 8021 04 01 0010 8306 00000000 8206 00000000
< 8021 01 02 0010 0306 00000000 8106 00000000
> 8021 03 02 0010 0306 0a010101 8106 08080808
< 8021 02 01 000a 0306 0a000001
< 8021 01 03 0010 0306 0a010101 8106 08080808
> 8021 02 03 0010 0306 0a010101 8106 08080808
! NetworkOpened
< 8057 01 01 000e 010a 0000000000000001                           # IPV6CP
> ff03 c021 08 02 0014 8057 01 01 000e 010a 0000000000000001
< ff03 c021 09 33 0008 22222222
> ff03 c021 0a 33 0008 11111111
@ 31
> ff03 c021 09 03 0008 11111111
< ff03 c021 0a 03 0008 22222222
< ff03 c021 05 34 0004
> ff03 c021 06 34 0004
! NetworkClosed
@ 34
! LinkClosed
"""

REFUSED_PEER = """
> ff03 c021 01 01 0015 0104 05b4 0305 c22305 0506 11111111 0802
< ff03 c021 02 01 0015 0104 05b4 0305 c22305 0506 11111111 0802
< ff03 c021 01 01 0004
> ff03 c021 02 01 0004
! LcpOpened
> ff03 c223 01 01 0018 10 000102030405060708090a0b0c0d0e0f 6c6e73
@ 3
> ff03 c223 01 02 0018 10 101112131415161718191a1b1c1d1e1f 6c6e73
< ff03 c223 02 01 0018 10 00000000000000000000000000000000 637065 # of the first Challenge
< ff03 c223 02 02 0018 10 00000000000000000000000000000000 637065
! AuthenticationRequested
= no
> ff03 c223 04 02 0006 6869
> ff03 c021 05 02 001f "the peer's proof is refused"
< ff03 c021 06 02 0004
! LinkClosed
"""

PAP_BOTH_METHODS = """
> ff03 c021 01 01 0015 0104 05b4 0305 c22305 0506 11111111 0802
< ff03 c021 01 01 0009 0305 c22381                                # MS-CHAPv2 is not for us
> ff03 c021 03 01 0009 0305 c22305
< ff03 c021 01 02 0008 0304 c023
> ff03 c021 02 02 0008 0304 c023
< ff03 c021 03 01 0009 0305 c22305                                # wants what was asked
> ff03 c021 05 02 0032 "the peer does not want to prove itself by chap"
@ 3
> ff03 c021 05 03 0032 "the peer does not want to prove itself by chap"
@ 6
! LinkClosed
"""


def rows(transcript: str) -> Iterator[tuple[str, str]]:
    for line in transcript.strip().splitlines():
        kind, _, rest = line.partition("#")[0].strip().partition(" ")
        rest = re.sub('"(.*)"', lambda text: text[1].encode().hex(), rest)
        yield kind, rest.replace(" ", "")


class Player:
    """Plays the peer, the owner and the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.link = Link(CONFIG, Scripted())
        self.frames: list[bytes] = []
        self.events: list[Event] = []
        self.request = 0
        self.link.open(self.now)
        self.drain()

    def drain(self) -> None:
        self.frames += self.link.frames_to_send()
        while (event := self.link.next_event()) is not None:
            self.events.append(event)

    def play(self, kind: str, rest: str) -> None:
        if kind == ">":
            assert self.frames.pop(0).hex() == rest
        elif kind == "!":
            event = self.events.pop(0)
            assert type(event).__name__ == rest
            if isinstance(event, AuthenticationRequested):
                self.request = event.request
        else:
            assert (self.frames, self.events) == ([], [])
            self.act(kind, rest)
            self.drain()

    def act(self, kind: str, rest: str) -> None:
        if kind == "<":
            self.link.receive_frame(bytes.fromhex(rest), self.now)
        elif kind == "=":
            self.link.authentication_result(
                self.request, rest == "yes", self.now, message="hi", peer_address="10.1.1.1"
            )
        else:
            until = float(rest)
            while (timer := self.link.get_timer()) is not None and timer <= until:
                self.now = timer
                self.link.handle_timer(timer)
            self.now = until


@pytest.mark.parametrize(
    "transcript",
    [MUTUAL_CHAP, REFUSED_PEER, PAP_BOTH_METHODS],
    ids=["mutual-chap", "refused-peer", "no-common-method"],
)
def test_conversation_goes_as_written(transcript: str) -> None:
    player = Player()
    for kind, rest in rows(transcript):
        player.play(kind, rest)
    assert (player.frames, player.events) == ([], [])
