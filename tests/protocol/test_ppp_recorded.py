"""Recorded PPP drives our links: the dial-out of a foreign LNS to a real pppd, from either end.

The other end's frames come as they were recorded, at their times. What answers a request has to be
put right first, because identifier, Magic-Number and order of options of a request are its maker's
own choice: an acknowledgement gets those of our request, as the recorded end would have sent it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from l2tp_captures import needs_data, packets

from control.ppp import pap
from control.ppp.automaton import State
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, Event
from control.ppp.frame import Packet, decode_frame, decode_packet, encode_frame
from control.ppp.link import Link
from control.ppp.options import decode_options, encode_options
from control.ppp.phase import Phase
from control.sim.data_header import decode

CAPTURE = "l2tp-dialout-openl2tp-pap.pcap"
LNS_PORT = 1701
LCP, IPCP, PAP = 0xC021, 0x8021, 0xC023
REQUEST, ACK, NAK, TERMINATE_REQUEST, TERMINATE_ACK = 1, 2, 3, 5, 6
ACCM, MAGIC = 2, 5
RESTART = 2.0
"""Seconds after which the recorded LNS repeated its first Configure-Request."""

REQ_SENT, ACK_SENT, OPENED = State.REQ_SENT, State.ACK_SENT, State.OPENED
STARTING, STOPPING = State.STARTING, State.STOPPING
Step = tuple[str, State, State, Phase]
"""What arrives, and LCP, IPCP and the link's phase after it."""


@dataclass(frozen=True)
class Recorded:
    """A control packet of the recording."""

    time: float
    from_lns: bool
    protocol: int
    packet: Packet

    @property
    def name(self) -> str:
        protocol = {LCP: "LCP", IPCP: "IPCP", PAP: "PAP"}[self.protocol]
        codes = {
            REQUEST: "request",
            ACK: "ack",
            NAK: "nak",
            TERMINATE_REQUEST: "terminate",
            TERMINATE_ACK: "terminate ack",
        }
        return f"{protocol} {codes[self.packet.code]}"


def recording(name: str = CAPTURE) -> list[Recorded]:
    """The control packets of PPP, in order."""
    found = []
    for packet in packets(name):
        if packet.payload[0] & 0x80:
            continue
        frame = decode_frame(decode(packet.payload)[1])
        if frame.protocol in (LCP, IPCP, PAP):
            found.append(
                Recorded(
                    packet.time,
                    packet.source_port == LNS_PORT,
                    frame.protocol,
                    decode_packet(frame.information),
                )
            )
    return found


@dataclass
class Player:
    """One end of the recording played by our link; the recorded other end is its peer."""

    link: Link
    steps: list[Step] = field(default_factory=list)
    sent: list[Recorded] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    requests: dict[int, Packet] = field(default_factory=dict)
    """Our last request of each protocol."""
    from_lns: bool = True
    accepted: pap.Credentials | None = None
    """The peer's name and password."""

    def run_until(self, now: float) -> None:
        while (due := self.link.get_timer()) is not None and due <= now:
            self.link.handle_timer(due)
            self.collect(due)

    def receive(self, recorded: Recorded) -> None:
        self.run_until(recorded.time)
        packet = recorded.packet
        mine = self.requests.get(recorded.protocol)
        if packet.code in (ACK, TERMINATE_ACK) and mine is not None:
            configure = recorded.protocol != PAP and packet.code == ACK
            data = mine.data if configure else packet.data
            packet = Packet(packet.code, mine.identifier, data)
        frame = encode_frame(recorded.protocol, packet.encode())
        self.link.receive_frame(frame, recorded.time)
        self.collect(recorded.time)
        self.steps.append(
            (recorded.name, self.link.lcp_state, self.link.network_state("ipv4"), self.link.phase)
        )

    def collect(self, now: float) -> None:
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, AuthenticationRequested):
                claim = pap.Credentials(event.username.encode(), event.password)
                self.link.authentication_result(event.request, claim == self.accepted, now)
        for octets in self.link.frames_to_send():
            frame = decode_frame(octets)
            packet = decode_packet(frame.information)
            if packet.code in (REQUEST, TERMINATE_REQUEST):
                self.requests[frame.protocol] = packet
            self.sent.append(Recorded(now, self.from_lns, frame.protocol, packet))


def credentials(recorded: list[Recorded], *, of_lns: bool) -> pap.Credentials:
    """What one end proved itself with."""
    return next(
        pap.decode_request(r.packet.data)
        for r in recorded
        if (r.protocol, r.packet.code, r.from_lns) == (PAP, REQUEST, of_lns)
    )


def play(recorded: list[Recorded], *, as_lns: bool) -> Player:
    own, other = (credentials(recorded, of_lns=end) for end in (as_lns, not as_lns))
    config = LinkConfig(
        mru=1460 if as_lns else 1500,
        authenticate_peer=("pap",),
        answer_protocols=("pap",),
        username=own.peer_id.decode(),
        password=own.password,
        local_address="172.31.0.1" if as_lns else "172.31.0.2",
        restart=RESTART,
    )
    player = Player(Link(config, Random(1)), from_lns=as_lns, accepted=other)
    starts = next(r.time for r in recorded if r.from_lns is as_lns)
    player.link.open(starts)
    player.collect(starts)
    for entry in recorded:
        if entry.from_lns is as_lns:
            if entry.packet.code == TERMINATE_REQUEST:
                player.link.close(entry.time)
                player.collect(entry.time)
        elif entry.time >= starts:
            player.receive(entry)
    return player


AS_LNS: list[Step] = [
    ("LCP request", ACK_SENT, STARTING, Phase.ESTABLISH),
    ("LCP ack", OPENED, STARTING, Phase.AUTHENTICATE),
    ("PAP request", OPENED, STARTING, Phase.AUTHENTICATE),
    ("PAP ack", OPENED, REQ_SENT, Phase.NETWORK),
    ("IPCP request", OPENED, ACK_SENT, Phase.NETWORK),
    ("IPCP ack", OPENED, OPENED, Phase.NETWORK),
    ("LCP terminate", STOPPING, STARTING, Phase.TERMINATE),
]
AS_CPE: list[Step] = [
    ("LCP ack", State.ACK_RCVD, STARTING, Phase.ESTABLISH),
    ("LCP request", OPENED, STARTING, Phase.AUTHENTICATE),
    ("PAP request", OPENED, STARTING, Phase.AUTHENTICATE),
    ("PAP ack", OPENED, REQ_SENT, Phase.NETWORK),
    ("IPCP request", OPENED, ACK_SENT, Phase.NETWORK),
    ("IPCP ack", OPENED, OPENED, Phase.NETWORK),
    ("LCP terminate ack", State.CLOSED, STARTING, Phase.DEAD),
]


@needs_data
@pytest.mark.parametrize(
    ("as_lns", "steps"), [(True, AS_LNS), (False, AS_CPE)], ids=["as the LNS", "as the CPE"]
)
def test_recorded_end_takes_our_link_through_the_same_states(
    as_lns: bool, steps: list[Step]
) -> None:
    recorded = recording()
    player = play(recorded, as_lns=as_lns)
    assert player.steps == steps
    theirs = [r for r in recorded if r.from_lns is as_lns]
    assert [r.name for r in player.sent] == [r.name for r in theirs]
    assert [type(event).__name__ for event in player.events][:5] == [
        "LcpOpened",
        "AuthenticationRequested",
        "PeerAuthenticated",
        "AuthenticatedToPeer",
        "NetworkOpened",
    ]


@needs_data
@pytest.mark.parametrize("as_lns", [True, False], ids=["as the LNS", "as the CPE"])
def test_our_link_says_what_the_recorded_end_said(as_lns: bool) -> None:
    """The same options but for Magic-Numbers; pppd also asks for an ACCM, which L2TP has no use
    for. Names, passwords, addresses and what is acknowledged are equal octet by octet."""
    recorded = recording()
    player = play(recorded, as_lns=as_lns)
    theirs = [r for r in recorded if r.from_lns is as_lns]
    for mine, other in zip(player.sent, theirs, strict=True):
        assert meaning(mine) == meaning(other)


def meaning(entry: Recorded) -> object:
    """What is not the maker's own choice."""
    data = entry.packet.data
    if entry.packet.code == REQUEST and entry.protocol in (LCP, IPCP):
        options = decode_options(data)
        return sorted((o.kind, o.value) for o in options if o.kind not in (ACCM, MAGIC))
    if entry.name in ("PAP ack", "LCP terminate"):
        return entry.name  # with a text for people
    if entry.name == "PAP request":
        return hash(data)  # a failure must not print it
    return data


RECORDINGS = {
    "l2tp-dialout-openl2tp-pap.pcap": 15,
    "l2tp-huawei-pc-dial-pap.pcap": 33,
}


@needs_data
@pytest.mark.parametrize("name", RECORDINGS)
def test_control_packets_inside_l2tp_encode_to_the_octets_they_came_from(name: str) -> None:
    count = 0
    for packet in packets(name):
        if packet.payload[0] & 0x80:
            continue
        frame = decode_frame(decode(packet.payload)[1])
        if frame.protocol not in (LCP, IPCP, PAP):
            continue
        count += 1
        control = decode_packet(frame.information)
        assert frame.information == control.encode()
        if frame.protocol == PAP and control.code == REQUEST:
            same = pap.encode_request(pap.decode_request(control.data)) == control.data
            assert same
        elif frame.protocol != PAP and control.code in (REQUEST, ACK, NAK, 4):
            assert encode_options(decode_options(control.data)) == control.data
    assert count == RECORDINGS[name]
