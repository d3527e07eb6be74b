"""What the owner of a PPP link decides beforehand."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from control.errors import LocalProtocolError
from control.ppp import mschap_proof
from control.ppp.options import AUTHENTICATION
from control.unlocked import unlocked

DEFAULT_MRU: Final = 1500
"""Octets of information that every peer takes when nothing else was negotiated (RFC 1661 6.1)."""

DEFAULT_ACCM: Final = 0xFFFFFFFF
"""Control characters escaped when nothing else was negotiated: all (RFC 1662 7.1)."""

MINIMUM_MRU: Final = 128
"""Smallest MRU we accept from a peer, and the smallest we may be configured with."""

MAXIMUM_NAME: Final = 253
"""Octets of a user name or password: what fits a RADIUS attribute, and the one-octet lengths of
PAP."""


@unlocked
@dataclass(frozen=True, slots=True)
class LinkConfig:
    """One end of a PPP link. Raises LocalProtocolError for values that cannot work."""

    mru: int = 1460
    """Our Maximum-Receive-Unit, octets; 1500 is the default of the protocol and is not sent."""
    want_acfc: bool = False
    """Ask for, and agree to, Address-and-Control-Field-Compression; else it is rejected."""
    want_pfc: bool = False
    """The same for Protocol-Field-Compression."""
    authenticate_peer: tuple[str, ...] = ()
    """Methods the peer may prove itself with, of `chap`, `pap` and `mschapv2`, in order; empty: no
    demand."""
    answer_protocols: tuple[str, ...] = ()
    """Methods we prove ourselves with when the peer demands it, in order; empty: never."""
    username: str = ""
    """Our name toward the peer."""
    password: bytes = field(default=b"", repr=False)
    """Our secret toward the peer."""
    local_name: str = "lns"
    """Name in the Challenges we send."""
    rechallenge_interval: float = 0.0
    """Seconds after which a peer that answered a Challenge well gets another; 0: never."""
    identification: str = ""
    """Text of the Identification that we send when LCP opens (RFC 1570 2.1); empty: none."""
    ipv4: bool = True
    """Negotiate IPCP."""
    ipv6: bool = False
    """Negotiate IPV6CP; `authentication_result` may still ask for it."""
    required: tuple[str, ...] = ()
    """Networks the link is useless without, of `ipv4` and `ipv6`; empty: any one of them."""
    interface_identifier: str = ""
    """Ours, as four groups of hexadecimal digits; empty: a random one (RFC 5072 4.1)."""
    peer_interface_identifier: str = ""
    """What the peer has to use, unless `authentication_result` names another; empty: its choice."""
    local_address: str = ""
    """Our IPv4 address; empty: the peer gives us one."""
    peer_address: str = ""
    """The peer's IPv4 address, unless `authentication_result` names another; empty: none is
    assigned."""
    accept_peer_address: bool = True
    """Take the address the peer names itself when none is assigned."""
    dns: tuple[str, ...] = ()
    """Up to two DNS servers the peer may ask for (RFC 1877)."""
    nbns: tuple[str, ...] = ()
    """Up to two NBNS servers the peer may ask for (RFC 1877)."""
    echo_interval: float = 30.0
    """Seconds between two Echo-Requests; 0: none."""
    echo_failures: int = 3
    """Unanswered Echo-Requests after which the link is dead."""
    negotiation_deadline: float = 30.0
    """Seconds from `open`, or from the loss of an open network, until the network is open."""
    authentication_deadline: float = 20.0
    """Seconds both authentications may take together, the owner's answer included."""
    restart: float = 3.0
    """Seconds of the restart timer (RFC 1661 4.6); also between Challenges and PAP requests."""
    max_configure: int = 10
    """Transmissions of a Configure-Request, Challenge, Response or PAP request."""
    max_terminate: int = 2
    """Transmissions of a Terminate-Request."""
    max_failure: int = 5
    """Configure-Naks without a Configure-Ack before they become Configure-Rejects."""

    def __post_init__(self) -> None:
        unknown = {*self.authenticate_peer, *self.answer_protocols} - AUTHENTICATION.keys()
        if unknown:
            raise LocalProtocolError(f"no authentication method {sorted(unknown)}")
        if not MINIMUM_MRU <= self.mru <= 0xFFFF:
            raise LocalProtocolError(f"mru {self.mru}")
        if "mschapv2" in (*self.authenticate_peer, *self.answer_protocols):
            check_mschap()
        if max(len(self.dns), len(self.nbns)) > 2:
            raise LocalProtocolError("more than two DNS or NBNS servers")
        if not (self.ipv4 or self.ipv6):
            raise LocalProtocolError("no network protocol")
        if {*self.required} - {name for name in ("ipv4", "ipv6") if getattr(self, name)}:
            raise LocalProtocolError(f"required but not negotiated: {self.required}")
        names = (
            self.username.encode(),
            self.local_name.encode(),
            self.password,
            self.identification.encode(),
        )
        if max(map(len, names)) > MAXIMUM_NAME:
            raise LocalProtocolError(f"name or secret longer than {MAXIMUM_NAME} octets")
        if self.rechallenge_interval < 0:
            raise LocalProtocolError("rechallenge interval below 0")
        if min(self.negotiation_deadline, self.authentication_deadline) <= 0:
            raise LocalProtocolError("deadline below its minimum")
        if self.restart <= 0 or min(self.max_configure, self.max_terminate, self.max_failure) < 1:
            raise LocalProtocolError("timer or counter below its minimum")
        if self.echo_interval < 0 or self.echo_failures < 1:
            raise LocalProtocolError("echo interval or failures below their minimum")
        for address in filter(None, (self.local_address, self.peer_address, *self.dns, *self.nbns)):
            check_address(address)
        for text in filter(None, (self.interface_identifier, self.peer_interface_identifier)):
            read_identifier(text)


_GROUPS: Final = re.compile(r"[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){3}", re.ASCII)


def read_identifier(text: str) -> int:
    """An interface identifier of four groups of hexadecimal digits. Raises LocalProtocolError, also
    for zero, which is none (RFC 5072 4.1)."""
    if _GROUPS.fullmatch(text):
        groups = [int(group, 16) for group in text.split(":")]
        number = groups[0] << 48 | groups[1] << 32 | groups[2] << 16 | groups[3]
        if number:
            return number
    raise LocalProtocolError(f"no interface identifier: {text!r}")


def write_identifier(number: int) -> str:
    """The identifier as read_identifier takes it: lower case, without leading zeros."""
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in (48, 32, 16, 0))


def check_mschap() -> None:
    """Raises LocalProtocolError if MS-CHAPv2 cannot be computed here."""
    if not mschap_proof.available():
        raise LocalProtocolError("mschapv2 needs the extra: pip install dialout[mschap]")


@lru_cache(4096)
def check_address(address: str) -> None:
    """Raises LocalProtocolError if the text is no IPv4 address."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise LocalProtocolError(f"no IPv4 address: {address!r}") from error
