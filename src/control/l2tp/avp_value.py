"""Values of L2TP AVPs: one codec per shape of value (RFC 2661 4.4, RFC 3145 2).

A codec turns the octets of one Attribute Value into a Python value and back, exactly. It knows
nothing of AVP headers, hiding or which attribute it serves; that is avp_table.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Protocol

from control.errors import DecodeError, LocalProtocolError

MAX_VALUE: Final = 1023 - 6
"""Most octets of one Attribute Value: a 10-bit length less the header (RFC 2661 4.1)."""

ERROR_LENGTH: Final = 2
ERROR_VALUE: Final = 3


@dataclass(frozen=True, slots=True)
class ResultCode:
    """AVP 1 (RFC 2661 4.4.2)."""

    result: int
    error: int | None = None
    """None: the field is absent."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Q931Cause:
    """AVP 12 (RFC 2661 4.4.4)."""

    cause: int
    message: int = 0
    """Q.931 message type the cause came in, e.g. 0x45 DISCONNECT."""
    advisory: str = ""


@dataclass(frozen=True, slots=True)
class CallErrors:
    """AVP 34 (RFC 2661 4.4.6): totals since the call was made."""

    crc: int = 0
    framing: int = 0
    hardware_overruns: int = 0
    buffer_overruns: int = 0
    timeouts: int = 0
    alignment: int = 0


@dataclass(frozen=True, slots=True)
class Accm:
    """AVP 35 (RFC 2661 4.4.6)."""

    send: int = 0xFFFFFFFF
    receive: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DisconnectCause:
    """AVP 46 (RFC 3145 2)."""

    code: int
    protocol: int = 0
    """PPP control protocol the code speaks of, 0: none."""
    direction: int = 0
    """0: neither, 1: at the peer, 2: at the sender (RFC 3145 2)."""
    message: str = ""

    def __str__(self) -> str:
        """`code protocol direction [message]`, the protocol as 0xC021. What of the message is not
        printable ASCII shows as a question mark."""
        text = "".join(c if " " <= c <= "~" else "?" for c in self.message)
        return f"{self.code} 0x{self.protocol:04X} {self.direction} {text}".rstrip()


AvpValue = int | str | bytes | None | ResultCode | Q931Cause | CallErrors | Accm | DisconnectCause


class Codec(Protocol):
    """Decoding raises DecodeError (error 2 length, 3 value), encoding LocalProtocolError."""

    def decode(self, octets: bytes) -> AvpValue: ...
    def encode(self, value: AvpValue) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An unsigned integer of a fixed number of octets, which `highest` fits."""

    octets: int
    lowest: int = 0
    highest: int = 0xFFFFFFFF

    def decode(self, octets: bytes) -> int:
        _exactly(octets, self.octets)
        value = int.from_bytes(octets, "big")
        if not self.lowest <= value <= self.highest:
            raise DecodeError(f"value {value} out of range", 0, error=ERROR_VALUE)
        return value

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, int) or not self.lowest <= value <= self.highest:
            allowed = f"{self.lowest} to {self.highest}"
            raise LocalProtocolError(f"{value!r} is not a number from {allowed}")
        return value.to_bytes(self.octets, "big")


@dataclass(frozen=True, slots=True)
class Octets:
    """An octet string. `most` None: as long as an AVP may be."""

    least: int = 0
    most: int | None = None

    def decode(self, octets: bytes) -> bytes:
        if not self.least <= len(octets) <= (MAX_VALUE if self.most is None else self.most):
            raise DecodeError(f"value of {len(octets)} octets", 0, error=ERROR_LENGTH)
        return octets

    def encode(self, value: AvpValue) -> bytes:
        most = MAX_VALUE if self.most is None else self.most
        if not isinstance(value, bytes) or not self.least <= len(value) <= most:
            raise LocalProtocolError(f"not a value of {self.least} to {most} octets")
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """UTF-8 text. Octets that are not UTF-8 survive as lone surrogates, so encoding gives them
    back."""

    least: int = 0

    def decode(self, octets: bytes) -> str:
        _at_least(octets, self.least)
        return _text(octets)

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, str):
            raise LocalProtocolError(f"{type(value).__name__} is not text")
        octets = _octets(value)
        if len(octets) < self.least:
            raise LocalProtocolError(f"text shorter than {self.least} octets")
        return octets


@dataclass(frozen=True, slots=True)
class Empty:
    """No value: the AVP's presence says it all."""

    def decode(self, octets: bytes) -> None:
        _exactly(octets, 0)

    def encode(self, value: AvpValue) -> bytes:
        if value is not None:
            raise LocalProtocolError("this AVP has no value")
        return b""


@dataclass(frozen=True, slots=True)
class ResultCodeCodec:
    def decode(self, octets: bytes) -> ResultCode:
        if len(octets) == 2:
            return ResultCode(int.from_bytes(octets, "big"))
        _at_least(octets, 4)
        result, error = struct.unpack_from(">HH", octets)
        return ResultCode(result, error, _text(octets[4:]))

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, ResultCode) or (value.error is None and value.message):
            raise LocalProtocolError("a Result Code with a message needs an Error Code")
        if value.error is None:
            return _pack(">H", value.result)
        return _pack(">HH", value.result, value.error) + _octets(value.message)


@dataclass(frozen=True, slots=True)
class Q931CauseCodec:
    def decode(self, octets: bytes) -> Q931Cause:
        _at_least(octets, 3)
        cause, message = struct.unpack_from(">HB", octets)
        return Q931Cause(cause, message, _text(octets[3:]))

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, Q931Cause):
            raise LocalProtocolError("not a Q.931 cause")
        return _pack(">HB", value.cause, value.message) + _octets(value.advisory)


@dataclass(frozen=True, slots=True)
class CallErrorsCodec:
    def decode(self, octets: bytes) -> CallErrors:
        _exactly(octets, 26)
        reserved, *counters = struct.unpack(">H6I", octets)
        _reserved(reserved)
        return CallErrors(*counters)

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, CallErrors):
            raise LocalProtocolError("not Call Errors")
        return _pack(
            ">H6I",
            0,
            value.crc,
            value.framing,
            value.hardware_overruns,
            value.buffer_overruns,
            value.timeouts,
            value.alignment,
        )


@dataclass(frozen=True, slots=True)
class AccmCodec:
    def decode(self, octets: bytes) -> Accm:
        _exactly(octets, 10)
        reserved, send, receive = struct.unpack(">HII", octets)
        _reserved(reserved)
        return Accm(send, receive)

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, Accm):
            raise LocalProtocolError("not an ACCM")
        return _pack(">HII", 0, value.send, value.receive)


@dataclass(frozen=True, slots=True)
class DisconnectCauseCodec:
    def decode(self, octets: bytes) -> DisconnectCause:
        _at_least(octets, 5)
        code, protocol, direction = struct.unpack_from(">HHB", octets)
        return DisconnectCause(code, protocol, direction, _text(octets[5:]))

    def encode(self, value: AvpValue) -> bytes:
        if not isinstance(value, DisconnectCause):
            raise LocalProtocolError("not a disconnect cause")
        head = _pack(">HHB", value.code, value.protocol, value.direction)
        return head + _octets(value.message)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalProtocolError("text that UTF-8 cannot carry") from error


def _pack(layout: str, *numbers: int) -> bytes:
    try:
        return struct.pack(layout, *numbers)
    except struct.error as error:
        raise LocalProtocolError(f"number out of range: {error}") from error


def _exactly(octets: bytes, length: int) -> None:
    if len(octets) != length:
        raise DecodeError(f"{len(octets)} octets of value, not {length}", 0, error=ERROR_LENGTH)


def _at_least(octets: bytes, length: int) -> None:
    if len(octets) < length:
        raise DecodeError(
            f"{len(octets)} octets of value, fewer than {length}", 0, error=ERROR_LENGTH
        )


def _reserved(number: int) -> None:
    if number:
        raise DecodeError("reserved field is not zero", 0, error=ERROR_VALUE)
