"""Tunnel authentication (RFC 2661 4.4.3 Challenge Response, 5.1.1). Computes and compares; which
message carries what is tunnel.py."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from control.l2tp.avp_table import MessageType

CHALLENGE_OCTETS: Final = 16


def response(carrier: MessageType, secret: bytes, challenge: bytes) -> bytes:
    """MD5(id | secret | challenge); the id is the type of the message that carries the response,
    2 in SCCRP and 3 in SCCCN."""
    octets = bytes((carrier,)) + secret + challenge
    return hashlib.md5(octets, usedforsecurity=False).digest()


def verify(carrier: MessageType, secret: bytes, challenge: bytes, answer: bytes) -> bool:
    """Whether `answer` is the response to our challenge, in constant time."""
    return hmac.compare_digest(response(carrier, secret, challenge), answer)
