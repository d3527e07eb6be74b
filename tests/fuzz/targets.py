"""Fuzz targets: each takes octets, hands them to one decoder and asserts what must hold beyond "no
crash". `run.py` drives them with coverage guidance, test_fuzz_targets.py with their kept seeds.

A decoder returns a value or raises its documented error; anything else that is raised is a defect.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import random
import struct
import tempfile
from collections.abc import Callable

from control import config_file
from control.dialout import router_advertisement
from control.errors import ConfigurationError, DecodeError, DialoutError, RemoteProtocolError
from control.l2tp import hiding, message
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import OutgoingCall, TunnelParameters
from control.ppp.config import LinkConfig
from control.ppp.frame import decode_frame, decode_packet, encode_frame
from control.ppp.link import Link
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import RadiusDatagram
from control.radius.requests import DialoutRequest, SessionRequest

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    TARGETS[function.__name__] = function
    return function


SECRET = b"secret"


@target
def avp(data: bytes) -> None:
    """A control message: what is decoded encodes to the same octets."""
    try:
        one = message.decode(data, SECRET)
    except DecodeError:
        return
    encoded = message.encode(one)
    assert encoded[2:] == data[2 : len(encoded)]
    with contextlib.suppress(RemoteProtocolError):
        message.verify(one)


@target
def hidden_avp(data: bytes) -> None:
    """A hidden value whose plain form, inner length among it, is the input."""
    attribute, vector = 21, b"vector"
    first = hashlib.md5(struct.pack("!H", attribute) + SECRET + vector).digest()
    cipher, stream = b"", first
    for start in range(0, len(data), 16):
        block = bytes(a ^ b for a, b in zip(data[start : start + 16], stream, strict=False))
        cipher += block
        stream = hashlib.md5(SECRET + block).digest()
    try:
        value = hiding.reveal(attribute, cipher, SECRET, vector)
    except DecodeError:
        return
    assert value == data[2 : 2 + len(value)]
    assert len(value) == int.from_bytes(data[:2], "big") <= len(data) - 2


LNS, LAC = ("192.0.2.1", 1701), ("192.0.2.2", 1701)
TUNNEL = TunnelParameters(LNS, LAC, "lns", secret=b"s", require_tunnel_auth=False)


@target
def endpoint(data: bytes) -> None:
    """Datagrams, each with its length before it, for an endpoint that waits for its LAC."""
    one = Endpoint(EndpointConfig("lns"), random.Random(1))
    one.place_call(TUNNEL, OutgoingCall("123"), 0.0)
    sent = received = 0
    now = 0.0
    while data:
        size, data = data[0], data[1:]
        datagram, data = data[:size], data[size:]
        received += len(datagram)
        one.receive_datagram(datagram, LNS, LAC, now)
        now += 0.1
        one.handle_timer(now)
        sent += sum(len(d.data) for d in one.datagrams_to_send())
        while one.next_event() is not None:
            pass
    assert len(one.tunnels()) <= 1
    assert sent <= 8 * received + 4000


RADIUS = ServerConfig("192.0.2.9", 1812, SECRET)


CLIENT = Client(ClientConfig((RADIUS,)), random.Random(1))
WAITING = Client(ClientConfig((RADIUS,)), random.Random(2))
WAITING.request_dialout(DialoutRequest("10.1.2.3@example.org", "1"), 0.0)
(QUESTION,) = WAITING.datagrams_to_send()


def _reply(data: bytes, asked: int) -> None:
    """A genuine Access-Accept with these attributes."""
    (question,) = CLIENT.datagrams_to_send()
    body = b"\x50\x12" + bytes(16) + data[:4000]
    head = struct.pack("!BBH", 2, question.data[1], 20 + len(body))
    vector = question.data[4:20]
    body = body[:2] + hmac.digest(SECRET, head + vector + body, "md5") + body[18:]
    authenticator = hashlib.md5(head + vector + body + SECRET).digest()
    octets = head + authenticator + body
    CLIENT.receive_datagram(RadiusDatagram(octets, question.server, question.socket), 0.0)
    while CLIENT.next_event() is not None:
        pass
    CLIENT.cancel(asked)
    assert CLIENT.pending == 0


@target
def dialout_accept(data: bytes) -> None:
    """Attributes of a genuine answer to the first request."""
    _reply(data, CLIENT.request_dialout(DialoutRequest("10.1.2.3@example.org", "1"), 0.0))


@target
def session_accept(data: bytes) -> None:
    """Attributes of a genuine answer to the peer's authentication."""
    _reply(data, CLIENT.request_session(SessionRequest("site", "1", password=b"pw"), 0.0))


@target
def radius_datagram(data: bytes) -> None:
    """Any octets from the server's address."""
    WAITING.receive_datagram(RadiusDatagram(data, QUESTION.server, QUESTION.socket), 0.0)
    assert WAITING.next_event() is None, "a forged answer counts"
    assert WAITING.pending == 1


LINK = LinkConfig(
    authenticate_peer=("chap", "pap"),
    answer_protocols=("chap", "pap"),
    username="us",
    password=SECRET,
    local_address="10.0.0.1",
    dns=("192.0.2.53",),
    ipv6=True,
    required=("ipv4",),
    rechallenge_interval=30.0,
    identification="us",
)


def _conversation(link: Link, frames: bytes) -> None:
    now = 0.0
    while frames:
        size, frames = frames[0], frames[1:]
        frame, frames = frames[:size], frames[size:]
        link.receive_frame(frame, now)
        now += 0.05
        link.handle_timer(now)
        for out in link.frames_to_send():
            decode_packet(decode_frame(out).information)
        while (event := link.next_event()) is not None:
            request = getattr(event, "request", None)
            if request is not None:
                link.authentication_result(request, True, now, peer_address="10.1.2.3")


@target
def ppp_frames(data: bytes) -> None:
    """Frames, each with its length before it, from the beginning of a link."""
    link = Link(LINK, random.Random(1))
    link.open(0.0)
    _conversation(link, data)


@target
def ppp_network(data: bytes) -> None:
    """The same, on a link that is up."""
    ends = [Link(LINK, random.Random(1)), Link(LINK, random.Random(2))]
    for end in ends:
        end.open(0.0)
    for _ in range(30):
        for one, other in (ends, ends[::-1]):
            for frame in one.frames_to_send():
                other.receive_frame(frame, 0.0)
            while (event := one.next_event()) is not None:
                request = getattr(event, "request", None)
                if request is not None:
                    one.authentication_result(request, True, 0.0, peer_address="10.0.0.2")
    assert ends[0].peer_address, "the links do not come up any more"
    _conversation(ends[0], data)


@target
def ppp_options(data: bytes) -> None:
    """One packet of any control protocol: protocol by the first octet, then code, body."""
    if len(data) < 2:
        return
    protocols = (0xC021, 0xC023, 0xC223, 0x8021, 0x8057, 0x80FD, 0x003D, 0xC025)
    body = data[2:1400]
    packet = bytes((data[1], 1)) + (len(body) + 4).to_bytes(2, "big") + body
    frame = encode_frame(protocols[data[0] % 8], packet)
    link = Link(LINK, random.Random(1))
    link.open(0.0)
    link.frames_to_send()
    link.receive_frame(frame, 0.0)
    assert sum(len(out) for out in link.frames_to_send()) <= 4 * len(frame) + 200


_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


@target
def router_solicitation(data: bytes) -> None:
    """A PPP frame of a site that may ask for a Router Advertisement."""
    if router_advertisement.is_solicitation(data):
        assert b"\x57" in data[:4]
        assert len(data) >= 49


def _file(data: bytes, suffix: str) -> str:
    path = f"{_MEMORY}/dialout-fuzz-{os.getpid()}{suffix}"
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o600)
    return path


@target
def config(data: bytes) -> None:
    """A configuration file."""
    path = _file(data, ".toml")
    with contextlib.suppress(ConfigurationError):
        config_file.read_config(path)


@target
def rules(data: bytes) -> None:
    """Lines of a classifier."""
    from fastpath.rules import RuleSet

    with contextlib.suppress(ValueError):
        RuleSet.parse(data.decode("utf-8", "replace").split("\n"), name="fuzz")


@target
def capture(data: bytes) -> None:
    """A capture file of any kind: packets, then an end or an error."""
    from fastpath.ports.pcap import PcapError, PcapPort

    engine = _engine()
    try:
        port = PcapPort(_file(data, ".pcap"))
    except (PcapError, OSError):
        return
    index = engine.attach(port, 0)
    engine.run(index)
    counts = engine.counters()
    assert sum(int(n) for n in counts["verdict"]) == int(counts["received"])


@target
def routes(data: bytes) -> None:
    """A file of routes: text, MRT, or a saved table."""
    from control.route_file import read_routes

    with contextlib.suppress(DialoutError, ValueError):
        read_routes(_file(data, ".routes"))


def _engine():
    from fastpath import Engine

    engine = Engine(adjacencies=8, sessions=2, trigger_keys=4)
    engine.add_table("fuzz", LNS[0])
    return engine


class ByteRandom(random.Random):
    """Random numbers that are the input, octet by octet; at its end all of them are 0."""

    def __new__(cls, data: bytes) -> ByteRandom:
        return super().__new__(cls)

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def random(self) -> float:
        return self.getrandbits(8) / 256

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        found = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(found.ljust(size, b"\0"), "big") >> (size * 8 - k)


@target
def serial_line(data: bytes) -> None:
    """Octets of a serial line (RFC 1662): cut in two they are the same frames as at once, memory is
    bounded, and a frame that is stuffed anew is read as it was."""
    from control.sim.hdlc import Decoder, encode

    cut = data[0] if data else 0
    whole, pieces = Decoder(longest=64), Decoder(longest=64)
    frames = whole.feed(data[1:])
    both = pieces.feed(data[1 : 1 + cut]) + pieces.feed(data[1 + cut :])
    if not whole.counters.too_long + pieces.counters.too_long:
        assert frames == both
    assert len(pieces._rest) <= 64
    assert [Decoder().feed(encode(frame)) for frame in frames] == [[frame] for frame in frames]


@target
def fast_site(data: bytes) -> None:
    """A lean site: frames of the input, each behind its length. Its answers are whole frames."""
    from control.sim.fast_link import FastLink

    methods = ((), ("chap",), ("pap",))[data[0] % 3 if data else 0]
    link = FastLink(LinkConfig(authenticate_peer=methods), random.Random(1))
    link.open(0.0)
    at = 1
    while at < len(data):
        link.receive_frame(data[at + 1 : at + 1 + data[at]], 1.0)
        at += 1 + data[at]
        for answer in link.frames_to_send():
            assert int.from_bytes(answer[6:8], "big") == len(answer) - 4
        while link.next_event() is not None:
            pass


@target
def control_socket(data: bytes) -> None:
    """Octets of a client of the control socket, its role by the first of them: each line is a
    request that it may make, or refused with what a client understands."""
    from control.operation import dispatch, protocol
    from control.operation.roles import Role

    role, lines = Role(data[0] % 4 if data else 0), protocol.Lines(longest=400)
    for at in range(1, len(data), 7):
        try:
            whole = lines.feed(data[at : at + 7])
        except protocol.BadRequest:
            return
        assert len(lines) <= 400
        for line in whole:
            try:
                request, command = dispatch.read(line, role)
            except protocol.BadRequest as error:
                protocol.refusal(error)
                continue
            assert command.role <= role
            assert set(request.arguments) == {row.name for row in command.arguments}


@target
def superpackets(data: bytes) -> None:
    """A virtio-net header and a packet; then packets, each behind an octet with its length, joined
    and cut again."""
    from fastpath.ports.tun_merge import merge
    from fastpath.ports.tun_split import split

    assert all(len(cut) <= len(data) for cut in split(data[:10].ljust(10), data[10:]) or ())
    packets, at = [], 0
    while at < len(data) and len(packets) < 256:
        packets.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    cut = [piece for written in merge(packets) for piece in split(*written) or ()]
    # All that a round trip may change is an identification that means nothing.
    assert sorted(map(len, cut)) == sorted(map(len, packets))


@target
def network(data: bytes) -> None:
    """Everything at once, in virtual time: triggers, LACs that cheat, a RADIUS path that repeats
    and swaps, sites that spoil frames. The octets decide what happens next."""
    from hostile import HostileNetwork

    world = HostileNetwork(1)
    choices = ByteRandom(data[:4000])
    world.rng = choices
    for lac in world.lacs.values():
        if hasattr(lac.endpoint, "misbehave"):
            lac.endpoint._rng = choices  # type: ignore[union-attr]
    while choices.left > 0:
        world.step(6)
    world.drain()
