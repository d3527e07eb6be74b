"""The data-plane session of a call that is still being dialed, from OCRQ on.

PPP begins at the LAC's end with OCCN, and its first frames may come in one burst of datagrams with
OCCN, and with OCRP where nothing has to be dialed, or overtake them. Without a session they would
be dropped, and the peer's first request comes again only after its restart timer, three seconds
later. They wait here for the link.
"""

from __future__ import annotations

from typing import Final

from control.dataplane import NextHop, SessionSpec
from control.dialout.link_owner import LinkOwner
from control.dialout.services import Services
from control.l2tp.events import CallConnected

MOST_FRAMES: Final = 4
"""Frames kept; an honest peer sends one, perhaps twice."""
_NOBODY: Final = 1
"""The peer's session id before OCRP tells it: nothing is sent until then."""
_LARGEST: Final = 1460
"""Octets that fit a 1500-octet path in the longest header form we send (specification 2.1)."""


class EarlySession:
    """Raises DialoutError from its constructor if the data plane has no room. Its owner calls
    `drop` unless a link took it over."""

    __slots__ = ("_frames", "_owner", "_services", "nh", "spec")

    def __init__(self, services: Services, owner: LinkOwner, call: CallConnected) -> None:
        self._services = services
        self._owner = owner
        self._frames: list[bytes] = []
        self.spec = session_spec(owner, call)
        with services.dataplane.transaction() as transaction:
            self.nh: NextHop = transaction.add_session(self.spec)
        services.adjacencies.add(self.nh, owner)

    def receive_frame(self, frame: bytes) -> None:
        if len(self._frames) < MOST_FRAMES:
            self._frames.append(frame)

    def connect(self, call: CallConnected) -> list[bytes]:
        """OCCN is here: the session is as OCRP and OCCN say. Returns the frames that came before.
        Raises DialoutError."""
        spec = session_spec(self._owner, call)
        if spec != self.spec:
            with self._services.dataplane.transaction() as transaction:
                transaction.update_session(self.nh, spec)
            self.spec = spec
        return self._frames

    def drop(self) -> None:
        """The call came to nothing."""
        with self._services.dataplane.transaction() as transaction:
            transaction.delete_adjacency(self.nh)
        self._services.adjacencies.remove(self.nh)


def session_spec(owner: LinkOwner, call: CallConnected) -> SessionSpec:
    """What the data plane is told of a call."""
    profile = owner.profile
    return SessionSpec(
        table=owner.router.config.table,
        local=call.local,
        peer=call.peer,
        tunnel=call.tunnel,
        session=call.session,
        peer_tunnel=call.peer_tunnel,
        peer_session=call.peer_session or _NOBODY,
        mtu=min(profile.mru, largest_inner_packet(call)),
        clamp_mss=profile.mss_clamp,
        sequencing=profile.sequencing or call.sequencing_required,
        udp_checksum=profile.udp_checksum,
        drop_old=profile.out_of_order == "drop",
    )


def largest_inner_packet(call: CallConnected) -> int:
    """Octets: an outer IPv6 header has 20 more than an IPv4 header."""
    return _LARGEST - (20 if ":" in call.peer[0] else 0)
