"""MS-CHAPv2's arithmetic: the claimant's proof and the authenticator's (RFC 2759 8).

MD4 and DES come from pycryptodomex, the extra `dialout[mschap]`: OpenSSL 3 has neither. It is
imported on first use, and `available` tells beforehand whether it can be.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from typing import Final

CHALLENGE_OCTETS: Final = 16
VALUE_OCTETS: Final = 49
"""Peer-Challenge (16), Reserved (8), NT-Response (24), Flags (1) (RFC 2759 4)."""
_NT_RESPONSE: Final = slice(24, 48)
_MAGIC_1: Final = b"Magic server to client signing constant"
_MAGIC_2: Final = b"Pad to make it do more than one iteration"


def available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("Cryptodome") is not None


def response_value(username: bytes, password: bytes, theirs: bytes, ours: bytes) -> bytes:
    """Value of a Response to the Challenge `theirs`, with the random Peer-Challenge `ours`."""
    proof = nt_response(theirs, ours, username, password)
    return ours + bytes(8) + proof + b"\x00"


def verify(username: bytes, password: bytes, challenge: bytes, value: bytes) -> str:
    """The Success message for a Response's value; empty if it does not prove the password, and an
    empty password proves nothing."""
    peer, proof = value[:CHALLENGE_OCTETS], value[_NT_RESPONSE]
    if not password or len(value) != VALUE_OCTETS:
        return ""
    if not hmac.compare_digest(nt_response(challenge, peer, username, password), proof):
        return ""
    return authenticator_response(password, proof, peer, challenge, username)


def proves_itself(
    message: bytes, username: bytes, password: bytes, challenge: bytes, value: bytes
) -> bool:
    """Whether a Success message shows that the authenticator knows the password as well."""
    peer, proof = value[:CHALLENGE_OCTETS], value[_NT_RESPONSE]
    expected = authenticator_response(password, proof, peer, challenge, username).encode()
    return hmac.compare_digest(expected, message[: len(expected)].upper())


def nt_response(theirs: bytes, ours: bytes, username: bytes, password: bytes) -> bytes:
    """GenerateNTResponse (RFC 2759 8.1), 24 octets."""
    from Cryptodome.Cipher import DES

    challenge = challenge_hash(ours, theirs, username)
    keys = password_hash(password).ljust(21, b"\x00")
    return b"".join(
        DES.new(_with_parity(keys[at : at + 7]), DES.MODE_ECB).encrypt(challenge)
        for at in (0, 7, 14)
    )


def challenge_hash(peer: bytes, authenticator: bytes, username: bytes) -> bytes:
    """ChallengeHash (8.2), 8 octets. A domain before the name, `DOMAIN\\name`, does not count."""
    name = username.rpartition(b"\\")[2]
    return hashlib.sha1(peer + authenticator + name, usedforsecurity=False).digest()[:8]


def password_hash(password: bytes) -> bytes:
    """NtPasswordHash (8.3), 16 octets. The password is UTF-8, or else each octet a character."""
    try:
        text = password.decode("utf-8")
    except UnicodeDecodeError:
        text = password.decode("latin-1")
    return _md4(text.encode("utf-16-le"))


def authenticator_response(
    password: bytes, proof: bytes, peer: bytes, authenticator: bytes, username: bytes
) -> str:
    """GenerateAuthenticatorResponse (8.7): `S=` and 40 hexadecimal digits."""
    hashed = _md4(password_hash(password))
    first = hashlib.sha1(hashed + proof + _MAGIC_1, usedforsecurity=False).digest()
    challenge = challenge_hash(peer, authenticator, username)
    last = hashlib.sha1(first + challenge + _MAGIC_2, usedforsecurity=False)
    return f"S={last.hexdigest().upper()}"


def _md4(data: bytes) -> bytes:
    from Cryptodome.Hash import MD4

    return MD4.new(data).digest()


def _with_parity(key: bytes) -> bytes:
    """56 bits as the 64 of a DES key; DES does not look at the eighth bit of an octet."""
    bits = int.from_bytes(key, "big")
    return bytes((bits >> shift & 0x7F) << 1 for shift in range(49, -1, -7))
