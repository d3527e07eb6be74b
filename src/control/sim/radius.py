"""RADIUS server of the simulated other side: RFC 2865 authentication from a user table, accounting
(RFC 2866), Status-Server (RFC 5997), and a client of CoA and Disconnect (RFC 5176), sans-IO.

It checks what proves each request, PAP, CHAP and MS-CHAPv2, answers with the attributes of the
matching user, and keeps what accounting tells. It can be made to fail by turns. No proxying, no
EAP. For demo, replay and tests of RADIUS clients: it is no place for real users.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Final

from control.config import SimRadius, SimUser
from control.errors import DecodeError, LocalProtocolError
from control.ppp import mschap_proof
from control.radius import codec, signed
from control.radius.codec import RandomSource, Value
from control.radius.packet import ACCESS_REQUEST, MESSAGE_AUTHENTICATOR, Packet

SocketAddress = tuple[str, int]

SLOW: Final = 5.0
"""Seconds that a `slow` answer takes longer."""
_REMEMBER: Final = 5.0
"""Seconds for which a retransmitted request gets the same answer (RFC 5080 2.2.2)."""
_RECORDS: Final = 65536
"""Accounting records kept."""
_MSCHAP_CHALLENGE: Final = (311, 11)
_MSCHAP2_RESPONSE: Final = (311, 25)
_MSCHAP2_SUCCESS: Final = (311, 26)
"""Vendor and type (RFC 2548)."""
_ZERO: Final = bytes(16)
_TRIGGER_ADDRESS: Final = re.compile(r"(?:[^@]*/)?([^@/]*)@")
"""The address in `[RD/]address@domain`."""
_AUTHORIZATION_ANSWERS: Final = (
    signed.DISCONNECT_ACK,
    signed.DISCONNECT_NAK,
    signed.COA_ACK,
    signed.COA_NAK,
)


@dataclass(frozen=True, slots=True)
class SimDatagram:
    """One UDP payload to send to a client."""

    data: bytes
    destination: SocketAddress


@dataclass(slots=True)
class Counters:
    accepted: int = 0
    rejected: int = 0
    accounted: int = 0
    probed: int = 0
    """Status-Server requests."""
    duplicate: int = 0
    faults: int = 0
    """Answers spoiled as configured."""
    dropped: int = 0
    """Malformed, of another code, or not proved to be the client's."""


@dataclass(slots=True)
class _Answer:
    due: float
    datagram: SimDatagram | None
    """None: nothing is said."""


@dataclass(frozen=True, slots=True)
class AccountingRecord:
    """One Accounting-Request."""

    status: int
    """Acct-Status-Type."""
    session_id: str
    values: dict[str, Value] = field(repr=False)
    """By name; of several the last."""


class SimRadiusServer:
    """Answers each genuine request `config.delay` seconds after it came."""

    def __init__(self, config: SimRadius, rng: RandomSource) -> None:
        self.counters = Counters()
        self.records: deque[AccountingRecord] = deque(maxlen=_RECORDS)
        """What accounting told, each once."""
        self.authorization_answers: list[tuple[int, int]] = []
        """Code and Error-Cause (0: none) of what CoA and Disconnect met."""
        self._config = config
        self._rng = rng
        self._faults = cycle(config.faults or ("answer",))
        self._queue: list[tuple[float, int, SimDatagram]] = []
        self._order = count()
        self._output: list[SimDatagram] = []
        self._answers: dict[tuple[SocketAddress, bytes], _Answer] = {}
        self._asked: dict[int, bytes] = {}
        self._identifier = 0

    def for_accounting(self) -> SimRadiusServer:
        """The same server on its other port: what it counts and keeps is kept here too."""
        other = SimRadiusServer(self._config, self._rng)
        other.counters, other.records = self.counters, self.records
        return other

    def receive_datagram(self, data: bytes, source: SocketAddress, now: float) -> None:
        """A UDP payload. Never raises; what is no genuine request is counted and not answered."""
        try:
            request = codec.parse_packet(data, self._config.secret)
        except DecodeError:
            self.counters.dropped += 1
            return
        if request.code in _AUTHORIZATION_ANSWERS:
            self._take_authorization_answer(request)
            return
        if not self._is_genuine(request):
            self.counters.dropped += 1
            return
        self._forget(now)
        key = (source, bytes(data[:20]))
        answer = self._answers.pop(key, None)
        due = now + self._config.delay
        if answer is not None:
            self.counters.duplicate += 1
            due = max(answer.due, due)
            if answer.due > now:  # the first answer is still on its way
                self._answers[key] = answer
                return
        else:
            answer = self._answer(request, source, due)
        self._answers[key] = answer = _Answer(max(answer.due, due), answer.datagram)
        if answer.datagram is not None:
            heapq.heappush(self._queue, (answer.due, next(self._order), answer.datagram))

    def handle_timer(self, now: float) -> None:
        """Puts out the answers that are due."""
        while self._queue and self._queue[0][0] <= now:
            self._output.append(heapq.heappop(self._queue)[2])

    def get_timer(self) -> float | None:
        """Absolute time of the next answer, None if there is none."""
        return self._queue[0][0] if self._queue else None

    def datagrams_to_send(self) -> list[SimDatagram]:
        output, self._output = self._output, []
        return output

    def request_authorization(
        self, code: int, rows: Iterable[signed.Row], client: SocketAddress
    ) -> bytes:
        """Sends a Disconnect- or CoA-Request (RFC 5176) to the LNS and returns its octets."""
        self._identifier = self._identifier + 1 & 0xFF
        attributes = signed.encode_attributes(rows)
        secret = self._config.secret
        data = signed.seal_request(code, self._identifier, secret, attributes, signed=True)
        self._asked[self._identifier] = data[4:20]
        self._output.append(SimDatagram(data, client))
        return data

    def _take_authorization_answer(self, packet: Packet) -> None:
        asked = self._asked.get(packet.id)
        secret = self._config.secret
        if asked is None or not signed.reply_is_genuine(packet.octets, packet.id, asked, secret):
            self.counters.dropped += 1
            return
        cause = _first(packet, 101)
        self.authorization_answers.append((packet.code, int.from_bytes(cause, "big")))

    def _is_genuine(self, request: Packet) -> bool:
        if request.code in (ACCESS_REQUEST, signed.STATUS_SERVER):
            # What is signed must be signed well, whether it has to be or not.
            lax = not self._config.require_message_authenticator
            unsigned = lax and not signed.is_signed(request.octets)
            return unsigned or request.is_signed_by_client()
        if request.code == signed.ACCOUNTING_REQUEST:
            return signed.request_is_genuine(request.octets, self._config.secret)
        return False

    def _answer(self, request: Packet, source: SocketAddress, due: float) -> _Answer:
        """The answer to a new request, spoiled if it is a fault's turn."""
        fault = next(self._faults)
        self.counters.faults += fault != "answer"
        if fault == "drop":
            return _Answer(due, None)
        data = self._refuse(request) if fault == "reject" else self._good_answer(request)
        if fault == "wrong-secret":
            data = data[:4] + self._rng.randbytes(16) + data[20:]
        elif fault == "unsigned":
            data = _unsigned(data, request, self._config.secret)
        elif fault == "malformed":
            data = data[: self._rng.randrange(len(data))]
        return _Answer(due + SLOW if fault == "slow" else due, SimDatagram(data, source))

    def _good_answer(self, request: Packet) -> bytes:
        if request.code == signed.STATUS_SERVER:
            self.counters.probed += 1
            return request.reply(codec.ACCESS_ACCEPT).encode_reply()
        if request.code == signed.ACCOUNTING_REQUEST:
            return self._account(request)
        return self._reply(request)

    def _refuse(self, request: Packet) -> bytes:
        if request.code == ACCESS_REQUEST:
            return self._reject(request, "rejected by turns")
        return self._good_answer(request)

    def _account(self, request: Packet) -> bytes:
        values = codec.decode_reply(request, _ZERO, self._config.secret).attributes
        told = {attribute.name: attribute.value for attribute in values}
        status = told.get("Acct-Status-Type", 0)
        session = str(told.get("Acct-Session-Id", ""))
        self.records.append(AccountingRecord(int(status), session, told))
        self.counters.accounted += 1
        return signed.seal_reply(
            signed.ACCOUNTING_RESPONSE,
            request.id,
            request.authenticator,
            self._config.secret,
            b"",
            signed=False,
        )

    def _forget(self, now: float) -> None:
        # Insertion order is order of time: the delay is the same for all.
        # But for slow ones, which are forgotten a little late.
        while self._answers:
            key = next(iter(self._answers))
            if self._answers[key].due + _REMEMBER > now:
                return
            del self._answers[key]

    def _reply(self, request: Packet) -> bytes:
        name = _first(request, 1).decode("utf-8", "replace")
        user = next((u for u in self._config.users if _matches(u.name, name)), None)
        if user is None:
            return self._reject(request, "no such user")
        if user.reject:
            return self._reject(request, "rejected")
        proof = _mschap_proof(request, user.password)
        if user.password and not (proof or _password_is_right(request, user.password)):
            return self._reject(request, "wrong password")
        try:
            return self._accept(request, user, _trigger_address(name), proof)
        except LocalProtocolError as error:
            return self._reject(request, str(error))

    def _accept(self, request: Packet, user: SimUser, address: str, proof: bytes) -> bytes:
        reply = request.reply(codec.ACCESS_ACCEPT)
        if proof:
            reply.add(_MSCHAP2_SUCCESS, proof)
        salts: set[bytes] = set()
        for key, text in user.reply:
            definition, tag = codec.find_attribute(key)
            octets = codec.encode_value(definition, text.replace("{address}", address))
            if definition.encrypt == 2:
                salt = self._salt(salts)
                octets = codec.encrypt_salted(
                    octets, salt, request.authenticator, self._config.secret
                )
            reply.add(codec.packet_key(definition), codec.encode_tagged(definition, tag, octets))
        data = codec.encode_reply(reply)
        self.counters.accepted += 1
        return data

    def _reject(self, request: Packet, message: str) -> bytes:
        reply = request.reply(codec.ACCESS_REJECT)
        reply.add(18, message.encode())
        self.counters.rejected += 1
        return reply.encode_reply()

    def _salt(self, used: set[bytes]) -> bytes:
        # RFC 2868 3.5: high bit set, unique within a packet.
        while True:
            salt = (0x8000 | self._rng.randrange(0x8000)).to_bytes(2, "big")
            if salt not in used:
                used.add(salt)
                return salt


def _matches(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name == pattern


def _trigger_address(name: str) -> str:
    match = _TRIGGER_ADDRESS.match(name)
    return match.group(1) if match else ""


def _mschap_proof(request: Packet, password: bytes) -> bytes:
    """MS-CHAP2-Success (RFC 2548 2.3.3) for an MS-CHAP2-Response that proves the password; empty
    for one that does not, and if there is none."""
    response = _first(request, _MSCHAP2_RESPONSE)
    if len(response) != 50 or not mschap_proof.available():
        return b""
    # Identifier and flags come before what a Response has without the flags.
    value = response[2:] + response[1:2]
    challenge = _first(request, _MSCHAP_CHALLENGE)
    message = mschap_proof.verify(_first(request, 1), password, challenge, value)
    return response[:1] + message.encode() if message else b""


def _password_is_right(request: Packet, password: bytes) -> bool:
    hidden = _first(request, 2)
    if hidden and len(hidden) % 16 == 0:
        return hmac.compare_digest(
            _reveal(hidden, request.authenticator, request.secret), password.rstrip(b"\0")
        )
    chap = _first(request, 3)
    if len(chap) != 17:
        return False
    challenge = _first(request, 60, request.authenticator)
    digest = hashlib.md5(chap[:1] + password + challenge, usedforsecurity=False).digest()
    return hmac.compare_digest(chap[1:], digest)


def _reveal(hidden: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """User-Password of RFC 2865 5.2 in clear, as octets (pyrad drops those that are not UTF-8)."""
    clear = bytearray()
    previous = authenticator
    for at in range(0, len(hidden), 16):
        key = hashlib.md5(secret + previous, usedforsecurity=False).digest()
        previous = hidden[at : at + 16]
        clear += bytes(a ^ b for a, b in zip(previous, key, strict=True))
    return bytes(clear.rstrip(b"\0"))


def _first(request: Packet, kind: int | tuple[int, int], default: bytes = b"") -> bytes:
    values = request.get(kind)
    return values[0] if values else default


def _unsigned(data: bytes, request: Packet, secret: bytes) -> bytes:
    """A reply without the Message-Authenticator that it begins with."""
    attributes = data[38:] if data[20] == MESSAGE_AUTHENTICATOR else data[20:]
    return signed.seal_reply(
        data[0], data[1], request.authenticator, secret, attributes, signed=False
    )
