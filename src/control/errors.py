"""Errors that the control plane raises.

LocalProtocolError is our own misuse of a protocol object, RemoteProtocolError what a peer did
wrong, DecodeError bytes that cannot be read. A decoder returns a value or raises DecodeError,
whatever the bytes are.
"""

from __future__ import annotations


class DialoutError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigurationError(DialoutError):
    """The configuration is wrong, or does not suit what it is used for."""


class LocalProtocolError(DialoutError):
    """We asked a protocol object for something that its state does not allow."""


class ResourceError(DialoutError):
    """A table is full: nothing was changed, and later there may be room again."""


class RemoteProtocolError(DialoutError):
    """The peer broke the protocol. `result` and `error` are the RFC 2661 4.4.2 codes to answer
    with."""

    def __init__(self, message: str, *, result: int = 2, error: int = 0) -> None:
        super().__init__(message)
        self.result = result
        self.error = error


class DecodeError(DialoutError):
    """Bytes that do not have the format. `offset` counts octets from the start of what was
    decoded."""

    def __init__(self, reason: str, offset: int, *, error: int = 2) -> None:
        super().__init__(f"{reason} at octet {offset}")
        self.reason = reason
        self.offset = offset
        self.error = error
        """RFC 2661 4.4.2 error code that names the fault (2 = length, 3 = value, 8 = unknown
        mandatory AVP)."""
