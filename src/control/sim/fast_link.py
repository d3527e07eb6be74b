"""The shortest PPP that a caller cannot tell from a site: for load tests, where control.ppp is most
of the simulators' time.

It has the methods of control.ppp.link.Link that a Line uses. It agrees to what it is asked for and
asks for little: LCP (RFC 1661), one method of authentication each way (RFC 1334, RFC 1994), IPCP
(RFC 1332), no IPv6. It does not check Identifiers, magic numbers or options, knows no keepalive of
its own, and rejects all other protocols. Tests hold it against control.ppp.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from struct import pack

from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticationRequested,
    Event,
    LcpOpened,
    LinkClosed,
    NetworkOpened,
)

LCP = b"\xc0\x21"
PAP = b"\xc0\x23"
CHAP = b"\xc2\x23"
IPCP = b"\x80\x21"
REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATE_ACK = range(1, 7)
PROTOCOL_REJECT, ECHO, ECHO_REPLY = 8, 9, 10
CHALLENGE, RESPONSE, SUCCESS, FAILURE = range(1, 5)
OPTION_MRU, OPTION_AUTHENTICATION, OPTION_PFC, OPTION_ACFC = 1, 3, 7, 8
"""LCP options that change what we do (RFC 1661 6)."""
OPTION_ADDRESS = 3
MRU = 1500
_METHODS = {"chap": CHAP + b"\x05", "pap": PAP}


class FastLink:
    """One call's PPP, from the side that was called."""

    __slots__ = (
        "_accepted",
        "_acked",
        "_address",
        "_attempts",
        "_challenge",
        "_challenges",
        "_closed",
        "_config",
        "_demand",
        "_due",
        "_events",
        "_frames",
        "_ipcp",
        "_lcp_open",
        "_opened",
        "_peer_accepted",
        "_peer_address",
        "_peer_demand",
        "_peer_options",
        "_rng",
    )

    def __init__(self, config: LinkConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._events: deque[Event] = deque()
        self._frames: list[bytes] = []
        self._demand = _METHODS.get(next(iter(config.authenticate_peer), ""), b"")
        self._peer_demand = b""
        self._peer_options: dict[int, bytes] = {}
        self._acked = [False, False]
        """Of LCP: our request, and the peer's."""
        self._ipcp = [False, False]
        self._lcp_open = self._opened = self._closed = False
        self._accepted = self._peer_accepted = False
        """The peer took our proof, and we took the peer's."""
        self._challenge = b""
        self._challenges = 0
        """How many there were: the identifier of the last (RFC 1994 4.1 has each differ)."""
        self._address = _octets(config.local_address)
        self._peer_address = bytes(4)
        self._attempts = 0
        self._due: float | None = None

    def open(self, now: float) -> None:
        self._request_lcp()
        self._due = now + self._config.restart

    def close(self, now: float, reason: str = "") -> None:
        if not self._closed:
            self._put(LCP, TERMINATE, 1, b"")
            self._end("local", reason)

    def lower_down(self, now: float) -> None:
        self._closed = True
        self._due = None
        self._frames.clear()

    def receive_frame(self, frame: bytes, now: float) -> None:
        """Never raises; what is cut off or unknown is passed over."""
        if frame[:2] == b"\xff\x03":
            frame = frame[2:]
        code, identifier = (frame[2], frame[3]) if len(frame) >= 6 else (0, 0)
        if self._closed or not code:
            return
        protocol, data = frame[:2], frame[6 : 2 + (frame[4] << 8 | frame[5])]
        if protocol == LCP:
            self._on_lcp(code, identifier, data)
        elif protocol == CHAP:
            self._on_chap(code, identifier, data)
        elif protocol == IPCP:
            self._on_ipcp(code, identifier, data)
        elif protocol == PAP:
            self._on_pap(code, identifier, data)
        elif protocol[0] & 1 == 0:
            self._put(LCP, PROTOCOL_REJECT, identifier, frame[: MRU - 4])

    def authentication_result(
        self, request: int, accepted: bool, now: float, *, message: str = ""
    ) -> None:
        text = message.encode()
        if self._demand == PAP:
            code = ACK if accepted else NAK
            self._put(PAP, code, request, bytes((len(text),)) + text)
        else:
            self._put(CHAP, SUCCESS if accepted else FAILURE, request, text)
        self._peer_accepted = accepted
        if accepted:
            self._advance()
        else:
            self._end("authentication", "the caller's proof is wrong")

    def handle_timer(self, now: float) -> None:
        """Says again what has no answer."""
        if self._due is None or now < self._due:
            return
        self._attempts += 1
        if self._attempts >= self._config.max_configure:
            self._end("lcp", "the caller does not answer")
            return
        self._due = now + self._config.restart
        if not self._acked[0] or not self._acked[1]:
            self._request_lcp()
        elif not self._authenticated():
            self._authenticate()
        elif not self._ipcp[0]:
            self._request_ipcp()

    def get_timer(self) -> float | None:
        return self._due

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def frames_to_send(self) -> list[bytes]:
        frames, self._frames = self._frames, []
        return frames

    # LCP

    def _request_lcp(self) -> None:
        self._put(LCP, REQUEST, 1, _demand(self._demand))

    def _on_lcp(self, code: int, identifier: int, data: bytes) -> None:
        if code == REQUEST:
            if self._lcp_open:
                self._begin_again()
            self._peer_options = _options(data)
            self._peer_demand = self._peer_options.get(OPTION_AUTHENTICATION, b"")
            if self._peer_demand and self._peer_demand not in _METHODS.values():
                self._put(LCP, NAK, identifier, _demand(_METHODS["chap"]))
                return
            self._put(LCP, ACK, identifier, data)
            self._acked[1] = True
        elif code == ACK:
            self._acked[0] = True
        elif code in (NAK, REJECT):
            self._end("lcp", "the caller does not agree to authenticate")
        elif code == TERMINATE:
            self._put(LCP, TERMINATE_ACK, identifier, b"")
            self._end("peer", "the caller has ended the link")
        elif code == ECHO and self._lcp_open:
            self._put(LCP, ECHO_REPLY, identifier, bytes(4) + data[4:])
        if self._acked[0] and self._acked[1] and not self._lcp_open and not self._closed:
            self._lcp_open = True
            mru = self._peer_options.get(OPTION_MRU, b"")
            self._events.append(
                LcpOpened(
                    int.from_bytes(mru, "big") if len(mru) == 2 else MRU,
                    OPTION_ACFC in self._peer_options,
                    OPTION_PFC in self._peer_options,
                )
            )
            self._authenticate()
            self._advance()

    def _begin_again(self) -> None:
        """The caller negotiates anew (RFC 1661 4.3): so do we."""
        self._acked = [False, False]
        self._ipcp = [False, False]
        self._lcp_open = self._accepted = self._peer_accepted = self._opened = False
        self._request_lcp()

    # Authentication

    def _authenticated(self) -> bool:
        return (self._accepted or not self._peer_demand) and (
            self._peer_accepted or not self._demand
        )

    def _authenticate(self) -> None:
        """What has to be said first, or again."""
        if self._demand and self._demand != PAP and not self._peer_accepted:
            self._challenge = self._rng.randbytes(16)
            name = self._config.local_name.encode()
            self._challenges = (self._challenges + 1) & 0xFF
            self._put(CHAP, CHALLENGE, self._challenges, b"\x10" + self._challenge + name)
        if self._peer_demand == PAP and not self._accepted:
            name, secret = self._config.username.encode(), self._config.password
            fields = bytes((len(name),)) + name + bytes((len(secret),)) + secret
            self._put(PAP, REQUEST, 1, fields)

    def _on_chap(self, code: int, identifier: int, data: bytes) -> None:
        size = data[0] if data and code in (CHALLENGE, RESPONSE) else 0
        value, name = data[1 : 1 + size], data[1 + size :]
        if code == CHALLENGE and self._peer_demand:
            secret = bytes((identifier,)) + self._config.password + value
            proof = hashlib.md5(secret, usedforsecurity=False).digest()
            self._put(CHAP, RESPONSE, identifier, b"\x10" + proof + self._config.username.encode())
        elif code == RESPONSE and self._demand and not self._peer_accepted:
            if identifier != self._challenges:
                return  # to a Challenge before the last
            self._events.append(
                AuthenticationRequested(
                    identifier,
                    "chap",
                    name.decode("utf-8", "replace"),
                    chap_identifier=identifier,
                    chap_challenge=self._challenge,
                    chap_response=value,
                )
            )
        elif code == SUCCESS:
            self._accepted = True
            self._advance()
        elif code == FAILURE:
            self._end("authentication", "the caller refuses our proof")

    def _on_pap(self, code: int, identifier: int, data: bytes) -> None:
        if code == REQUEST and self._demand == PAP:
            size = data[0] if data else 0
            name, password = data[1 : 1 + size], data[2 + size :]
            self._events.append(
                AuthenticationRequested(
                    identifier, "pap", name.decode("utf-8", "replace"), password=password
                )
            )
        elif code == ACK:
            self._accepted = True
            self._advance()
        elif code == NAK:
            self._end("authentication", "the caller refuses our proof")

    # IPCP

    def _request_ipcp(self) -> None:
        self._put(IPCP, REQUEST, 1, bytes((OPTION_ADDRESS, 6)) + self._address)

    def _on_ipcp(self, code: int, identifier: int, data: bytes) -> None:
        if not self._lcp_open or not self._authenticated():
            return
        if code == REQUEST:
            self._peer_address = _options(data).get(OPTION_ADDRESS, bytes(4))
            self._put(IPCP, ACK, identifier, data)
            self._ipcp[1] = True
        elif code == ACK:
            self._ipcp[0] = True
        elif code == NAK:
            self._address = _options(data).get(OPTION_ADDRESS, b"")[:4].ljust(4, b"\0")
            self._request_ipcp()
        elif code == REJECT:
            self._put(IPCP, REQUEST, 1, b"")
        if self._ipcp[0] and self._ipcp[1] and not self._opened:
            self._opened = True
            self._due = None
            self._events.append(NetworkOpened(_text(self._address), _text(self._peer_address)))

    def _advance(self) -> None:
        if self._lcp_open and self._authenticated() and not self._ipcp[0]:
            self._request_ipcp()

    def _put(self, protocol: bytes, code: int, identifier: int, data: bytes) -> None:
        self._frames.append(
            b"\xff\x03" + protocol + pack("!BBH", code, identifier, 4 + len(data)) + data
        )

    def _end(self, stage: str, reason: str) -> None:
        self._closed = True
        self._due = None
        self._events.append(LinkClosed(stage, reason))


def _demand(method: bytes) -> bytes:
    """The option that demands a method; none for none."""
    return bytes((OPTION_AUTHENTICATION, 2 + len(method))) + method if method else b""


def _options(data: bytes) -> dict[int, bytes]:
    """By type, up to the first that is impossible."""
    found = {}
    at = 0
    while at + 2 <= len(data) and 2 <= data[at + 1] <= len(data) - at:
        found[data[at]] = data[at + 2 : at + data[at + 1]]
        at += data[at + 1]
    return found


def _octets(address: str) -> bytes:
    return bytes(map(int, address.split("."))) if address else bytes(4)


def _text(address: bytes) -> str:
    return ".".join(map(str, address))
