"""What is asked of a RADIUS server, and as which attributes (specification 1.7, 1.10; RFC 2865).

Hiding, authenticators and identifiers belong to codec.py and client.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from control.errors import LocalProtocolError
from control.radius.codec import Value
from control.unlocked import unlocked

_FRAMED: Final = 2
_OUTBOUND: Final = 5
_PPP: Final = 1
_VIRTUAL: Final = 5
_MSCHAP_VALUE: Final = 49
PASSWORD_MODES: Final = ("empty", "none", "configured")


@unlocked
@dataclass(frozen=True, slots=True)
class DialoutRequest:
    """The first Access-Request: whom to call for a trigger."""

    user_name: str
    """From dialout.dialout_user_name."""
    session_id: str
    """Acct-Session-Id."""
    password_mode: str = "empty"
    """`empty`: a User-Password of 16 hidden octets, as RFC 2865 4.1 wants one; `none`: no
    User-Password at all, as JUNOSe; `configured`: `password`."""
    password: bytes = field(default=b"", repr=False)
    sources: tuple[str, str] = ("", "")
    """Our addresses toward IPv4 and IPv6 servers; empty: the client's."""


@unlocked
@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The second Access-Request: is the PPP peer who it says it is. PAP if `password` is given,
    MS-CHAPv2 if the response has 49 octets, else CHAP."""

    user_name: str
    session_id: str
    password: bytes | None = field(default=None, repr=False)
    chap_identifier: int = 0
    chap_challenge: bytes = field(default=b"", repr=False)
    chap_response: bytes = field(default=b"", repr=False)
    """16 octets, or the whole value of an MS-CHAPv2 Response (RFC 2759 4)."""
    called_station_id: str = ""
    calling_station_id: str = ""
    sources: tuple[str, str] = ("", "")
    """As in DialoutRequest."""


Row = tuple[str, Value]


def dialout_rows(request: DialoutRequest, nas: list[Row]) -> list[Row]:
    """Attributes of the first request. Raises LocalProtocolError for an unknown password mode."""
    rows: list[Row] = [("User-Name", request.user_name)]
    if request.password_mode == "configured":
        rows.append(("User-Password", request.password))
    elif request.password_mode == "empty":
        rows.append(("User-Password", b""))
    elif request.password_mode not in PASSWORD_MODES:
        raise LocalProtocolError(f"password mode {request.password_mode!r} does not exist")
    rows.append(("Service-Type", _OUTBOUND))
    return [*rows, *_common(request.session_id, nas)]


def session_rows(request: SessionRequest, nas: list[Row]) -> list[Row]:
    """Attributes of the second request. Raises LocalProtocolError for an impossible CHAP value."""
    rows: list[Row] = [("User-Name", request.user_name)]
    if request.password is not None:
        rows.append(("User-Password", request.password))
    elif len(request.chap_response) == _MSCHAP_VALUE:
        rows += _mschap_rows(request)
    elif len(request.chap_response) != 16 or not 0 <= request.chap_identifier <= 255:
        raise LocalProtocolError("CHAP-Password needs an identifier and 16 octets (RFC 2865 5.3)")
    else:
        chap = bytes((request.chap_identifier,)) + request.chap_response
        rows += [("CHAP-Password", chap), ("CHAP-Challenge", request.chap_challenge)]
    rows.append(("Service-Type", _FRAMED))
    if request.called_station_id:
        rows.append(("Called-Station-Id", request.called_station_id))
    if request.calling_station_id:
        rows.append(("Calling-Station-Id", request.calling_station_id))
    return [*rows, *_common(request.session_id, nas)]


def _mschap_rows(request: SessionRequest) -> list[Row]:
    """RFC 2548 2.1.2 and 2.3.2: the attribute's fields are those of the Response, but the flags
    come first."""
    value = request.chap_response
    response = bytes((request.chap_identifier, value[-1])) + value[:-1]
    return [("MS-CHAP-Challenge", request.chap_challenge), ("MS-CHAP2-Response", response)]


def nas_rows(identifier: str, address: str, address_ipv6: str = "") -> list[Row]:
    """Who asks (RFC 2865 5.4, 5.32; RFC 3162 2.1): at least one of them."""
    rows: list[Row] = []
    if identifier:
        rows.append(("NAS-Identifier", identifier))
    if address:
        rows.append(("NAS-IP-Address", address))
    if address_ipv6:
        rows.append(("NAS-IPv6-Address", address_ipv6))
    return rows


def _common(session_id: str, nas: list[Row]) -> list[Row]:
    return [
        ("Framed-Protocol", _PPP),
        *nas,
        ("NAS-Port-Type", _VIRTUAL),
        ("Acct-Session-Id", session_id),
    ]
