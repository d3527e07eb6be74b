"""IP Control Protocol: which options we ask for, and which values of the peer's we take.

RFC 1332 3, RFC 1877 1. The automaton and packets are negotiation.py. No header compression.
"""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError
from control.ppp.config import LinkConfig
from control.ppp.events import LinkClosed
from control.ppp.options import (
    ADDRESS,
    IPCP_OPTIONS,
    PRIMARY_DNS,
    PRIMARY_NBNS,
    SECONDARY_DNS,
    SECONDARY_NBNS,
    Option,
    OptionRow,
)
from control.ppp.outbox import Outbox
from control.ppp.policy import Answer, Opinion, first_of_each, judge_each

UNKNOWN: Final = "0.0.0.0"
"""In a Configure-Request: tell me my address. In a Configure-Nak: name yours."""

NO_ADDRESS: Final = LinkClosed("ipcp", "the peer gives us no address", "address")


class IpcpPolicy:
    """Addresses of both ends of one link."""

    __slots__ = (
        "_address_refused",
        "_ask_address",
        "_box",
        "_config",
        "assigned",
        "dns",
        "failure",
        "local_address",
        "peer_address",
    )

    def __init__(self, config: LinkConfig, box: Outbox) -> None:
        self.failure: LinkClosed | None = None
        self.local_address = config.local_address or UNKNOWN
        self.peer_address = ""
        """What the peer uses, as agreed; empty: it named none and none is assigned."""
        self.assigned = config.peer_address
        """What the peer has to use; empty: nothing in particular."""
        self.dns = config.dns
        """Name servers for the peer."""
        self._config = config
        self._box = box
        self._ask_address = True
        self._address_refused = False

    def reset(self) -> None:
        self.local_address = self._config.local_address or UNKNOWN
        self._ask_address = True
        self._address_refused = False

    def request(self) -> tuple[Option, ...]:
        return (ADDRESS.option(self.local_address),) if self._ask_address else ()

    def judge(self, options: tuple[Option, ...]) -> Answer:
        answer = judge_each(options, IPCP_OPTIONS, self._opinion, self._box.counters)
        if self._is_missing(options):
            # RFC 1332 3.3: an address we have to know is asked for by an appended Nak.
            wanted = ADDRESS.option(self.assigned or UNKNOWN)
            return Answer((*answer.naks, (None, wanted)), answer.rejects)
        return answer

    def agree(self, options: tuple[Option, ...]) -> None:
        named = first_of_each(options).get(ADDRESS.kind)
        address = self.assigned if named is None else ADDRESS.value(named)
        # Equal texts are one object: of 65,535 links each keeps one.
        self.peer_address = self.assigned if address == self.assigned else address

    def take_nak(self, options: tuple[Option, ...]) -> None:
        wanted = first_of_each(options).get(ADDRESS.kind)
        if wanted is None or self._config.local_address:
            return
        try:
            address = ADDRESS.value(wanted)
        except DecodeError:
            return
        if is_host(address):
            self.local_address = address

    def take_reject(self, options: tuple[Option, ...]) -> None:
        if ADDRESS.kind in first_of_each(options):
            self._ask_address = False
            if not self._config.local_address:
                self.failure = NO_ADDRESS

    def check(self) -> None:
        """IPCP is open: set `failure` if we have ended up without an address."""
        if self.local_address == UNKNOWN:
            self.failure = NO_ADDRESS

    def _opinion(self, option: Option) -> Opinion | Option:
        row: OptionRow[str] = IPCP_OPTIONS[option.kind]
        try:
            value = row.value(option)
        except DecodeError:
            value = ""
        wanted = self.assigned
        if option.kind != ADDRESS.kind:
            wanted = self._server(option.kind)
        elif not wanted and self._is_welcome(value):
            return Opinion.ACCEPT
        if not wanted:
            self._address_refused |= option.kind == ADDRESS.kind
            return Opinion.REJECT
        return Opinion.ACCEPT if value == wanted else row.option(wanted)

    def _server(self, kind: int) -> str:
        """The name server of this option; empty: there is none."""
        config = self._config
        servers, index = {
            PRIMARY_DNS.kind: (self.dns, 0),
            SECONDARY_DNS.kind: (self.dns, 1),
            PRIMARY_NBNS.kind: (config.nbns, 0),
            SECONDARY_NBNS.kind: (config.nbns, 1),
        }[kind]
        return servers[index] if index < len(servers) else ""

    def _is_welcome(self, address: str) -> bool:
        """Whether a peer without an assigned address may use this one."""
        return (
            self._config.accept_peer_address and is_host(address) and address != self.local_address
        )

    def _is_missing(self, options: tuple[Option, ...]) -> bool:
        return (
            ADDRESS.kind not in first_of_each(options)
            and not self._address_refused
            and bool(self.assigned or self._config.accept_peer_address)
        )


def is_host(address: str) -> bool:
    """Whether a host may have this IPv4 address, written as an option's row reads it: not 0/8,
    loopback, multicast or reserved."""
    if not address:
        return False
    first = int(address.partition(".")[0])
    return 0 < first < 224 and first != 127
