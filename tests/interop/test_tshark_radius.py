"""tshark reads our Access-Requests and the simulated server's answers: every attribute has the name
it should have and our value, passwords are hidden as the secret wants it, authenticators are right.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import captures
import pytest
import tshark
from tshark import Frame

from control.config import SimRadius, SimUser
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import Denied, DialoutGranted, Event, RadiusDatagram, SessionGranted
from control.radius.requests import DialoutRequest, SessionRequest
from control.sim.host import udp_packet
from control.sim.radius import SimRadiusServer

LNS, SERVER, SECRET = "192.0.2.1", "192.0.2.9", b"xyzzy5461"
PREFERENCES = {
    "radius.shared_secret": SECRET.decode(),
    "radius.validate_authenticator": "TRUE",
}
TRIGGER = "0.0.0.0:65000/10.10.1.1@domain"

# Attributes of a user table, and how tshark writes them: our key, its name, value, its own value if
# it is another.
REPLY = [
    ("Tunnel-Type:1", "Tunnel-Type:1", "L2TP", "3"),
    ("Tunnel-Medium-Type:1", "Tunnel-Medium-Type:1", "IPv4", "1"),
    ("Tunnel-Client-Endpoint:1", "Tunnel-Client-Endpoint:1", "10.88.0.1", ""),
    ("Tunnel-Server-Endpoint:1", "Tunnel-Server-Endpoint:1", "10.88.0.2", ""),
    ("Tunnel-Assignment-Id:1", "Tunnel-Assignment-Id:1", "lac-one", ""),
    ("Tunnel-Client-Auth-Id:1", "Tunnel-Client-Auth-Id:1", "lns.lab", ""),
    ("Tunnel-Server-Auth-Id:1", "Tunnel-Server-Auth-Id:1", "lac.lab", ""),
    ("Tunnel-Preference:1", "Tunnel-Preference:1", "10", ""),
    ("Tunnel-Password:1", "Tunnel-Password (encrypted):1", "tunnel secret one", "hidden"),
    ("Tunnel-Type:31", "Tunnel-Type:31", "L2TP", "3"),
    ("Tunnel-Medium-Type:31", "Tunnel-Medium-Type:31", "IPv4", "1"),
    ("Tunnel-Server-Endpoint:31", "Tunnel-Server-Endpoint:31", "10.88.0.3", ""),
    ("Tunnel-Password:31", "Tunnel-Password (encrypted):31", "two", "hidden"),
    ("ERX-Virtual-Router-Name", "Unisphere-Virtual-Router", "vr-two", ""),
    ("ERX-Tunnel-Virtual-Router:1", "Unisphere-Tunnel-Virtual-Router:1", "vr-core", ""),
    ("ERX-Tunnel-Password:1", "Unisphere-Tunnel-Password:1", "clear", ""),
    # FreeRADIUS has no tag here, tshark has: its tag is the first octet of our integer.
    ("ERX-Tunnel-Maximum-Sessions", "Unisphere-Tunnel-Max-Sessions:0", "9", ""),
    ("ERX-Dial-Out-Number", "Unisphere-Tunnel-Dialout-Number", "5551234", ""),
    ("ERX-PPP-Username", "Unisphere-PPP-Username", "lns", ""),
    ("ERX-PPP-Password", "Unisphere-PPP-Password", "lns-password", ""),
    ("ERX-PPP-Auth-Protocol", "Unisphere-PPP-Protocol", "CHAP", "2"),
    ("ERX-Minimum-BPS", "Unisphere-Tunnel-Min-Bps", "64000", ""),
    ("ERX-Maximum-BPS", "Unisphere-Tunnel-Max-Bps", "128000", ""),
    ("ERX-Bearer-Type", "Unisphere-Tunnel-Bearer-Type", "Digital", "2"),
    ("Framed-IP-Address", "Framed-IP-Address", "10.10.1.1", ""),
    ("Framed-IP-Netmask", "Framed-IP-Netmask", "255.255.255.0", ""),
    ("Framed-Route", "Framed-Route", "10.10.1.0/24 0.0.0.0 1", ""),
    ("Framed-MTU", "Framed-MTU", "1400", ""),
    ("Idle-Timeout", "Idle-Timeout", "60", ""),
    ("Session-Timeout", "Session-Timeout", "3600", ""),
    ("Reply-Message", "Reply-Message", "welcome", ""),
]
ACCEPT = [(name, other or value) for _, name, value, other in REPLY]
COMMON = [
    ("Framed-Protocol", "1"),
    ("NAS-Identifier", "lns.example"),
    ("NAS-IP-Address", LNS),
    ("NAS-Port-Type", "5"),
    ("Acct-Session-Id", "0000002A"),
]
OUTBOUND = [("User-Name", TRIGGER), ("Service-Type", "5"), *COMMON]
FRAMED = [("Service-Type", "2"), *COMMON]
CHALLENGE, RESPONSE = bytes(range(16)), bytes(range(16, 32))
STATIONS = [("Called-Station-Id", "5551234"), ("Calling-Station-Id", "5554321")]

CASES = [
    (
        "dial-out",
        DialoutRequest(TRIGGER, "0000002A"),
        [*OUTBOUND, ("User-Password", "")],
        (DialoutGranted, 2, ACCEPT),
    ),
    (
        "dial-out without a password",
        DialoutRequest(TRIGGER, "0000002A", "none"),
        OUTBOUND,
        (DialoutGranted, 2, ACCEPT),
    ),
    (
        "dial-out with a password of more than a block",
        DialoutRequest(TRIGGER, "0000002A", "configured", b"seventeen octets!"),
        [*OUTBOUND, ("User-Password", "seventeen octets!")],
        (DialoutGranted, 2, ACCEPT),
    ),
    (
        "session by PAP",
        SessionRequest(TRIGGER, "0000002A", b"pw", called_station_id="5551234",
                       calling_station_id="5554321"),
        [("User-Name", TRIGGER), ("User-Password", "pw"), *STATIONS, *FRAMED],
        (SessionGranted, 2, ACCEPT),
    ),
    (
        "session by CHAP",
        SessionRequest(TRIGGER, "0000002A", chap_identifier=7, chap_challenge=CHALLENGE,
                       chap_response=RESPONSE),
        [
            ("User-Name", TRIGGER),
            ("CHAP-Password", (b"\x07" + RESPONSE).hex(":")),
            ("CHAP-Challenge", CHALLENGE.hex(":")),
            *FRAMED,
        ],
        (SessionGranted, 2, ACCEPT),
    ),
    (
        "unknown user",
        SessionRequest("nobody", "0000002A", b"pw"),
        [("User-Name", "nobody"), ("User-Password", "pw"), *FRAMED],
        (Denied, 3, [("Reply-Message", "no such user")]),
    ),
]  # fmt: skip


def exchange(request: DialoutRequest | SessionRequest) -> tuple[bytes, bytes, Event | None]:
    """Request and answer on the wire, and what the client makes of it."""
    server = ServerConfig(SERVER, 1812, SECRET)
    client = Client(
        ClientConfig((server,), nas_identifier="lns.example", nas_address=LNS), Random(1)
    )
    user = SimUser(TRIGGER, reply=tuple((key, value) for key, _, value, _ in REPLY))
    sim = SimRadiusServer(SimRadius(SERVER, 1812, SECRET, users=(user,)), Random(2))
    if isinstance(request, DialoutRequest):
        client.request_dialout(request, 0.0)
    else:
        client.request_session(request, 0.0)
    (asked,) = client.datagrams_to_send()
    sim.receive_datagram(asked.data, (LNS, 20000), 0.0)
    sim.handle_timer(1.0)
    (answered,) = sim.datagrams_to_send()
    client.receive_datagram(RadiusDatagram(answered.data, asked.server, asked.socket), 1.0)
    return asked.data, answered.data, client.next_event()


def attributes(frame: Frame) -> list[tuple[str, str]]:
    """Names, with tags, and values of a frame's attributes."""
    found = []
    for avp in frame.layer("radius").named("radius.avp"):
        fields = [f for f in avp.iter("field") if is_value(f.get("name", ""))]
        tag = "".join(f":{int(f.get('show', ''), 0)}" for f in fields if is_tag(f))
        value = next(f for f in fields if not is_tag(f))
        name = value.get("showname", "").partition(": ")[0]
        found.append((name + tag, "hidden" if "encrypted" in name else value.get("show", "")))
    return sorted(found)


def is_value(name: str) -> bool:
    return name.startswith("radius.") and not name.startswith("radius.avp")


def is_tag(field: ElementTree.Element) -> bool:
    return field.get("name", "").endswith(".tag")


def message_authenticator(packet: bytes, request: bytes) -> str:
    """What the Message-Authenticator of a packet has to be, as tshark writes it (RFC 3579 3.2). It
    is the first attribute."""
    blank = packet[:4] + request[4:20] + packet[20:22] + bytes(16) + packet[38:]
    return hmac.digest(SECRET, blank, "md5").hex(":")


@pytest.mark.parametrize(("request_", "sent", "answer"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_tshark_reads_our_requests_and_the_servers_answers(
    request_: DialoutRequest | SessionRequest,
    sent: list[tuple[str, str]],
    answer: tuple[type, int, list[tuple[str, str]]],
    tmp_path: Path,
) -> None:
    asked, answered, event = exchange(request_)
    kind, code, received = answer
    assert isinstance(event, kind)
    path = tmp_path / "radius.pcap"
    packets = [
        udp_packet(LNS, 20000, SERVER, 1812, asked),
        udp_packet(SERVER, 1812, LNS, 20000, answered),
    ]
    captures.write(path, captures.RAW, ((10**18 + i, packet) for i, packet in enumerate(packets)))
    seen = []
    frames = tshark.frames(path, preferences=PREFERENCES)
    expected = [*sent], [*received]
    for data, frame, rows in zip((asked, answered), frames, expected, strict=True):
        radius = frame.layer("radius")
        assert tshark.remarks(frame.layers) == []
        valid = radius.show("radius.authenticator.valid")
        seen.append((radius.number("radius.code"), valid, attributes(frame)))
        rows.append(("Message-Authenticator", message_authenticator(data, asked)))
    assert seen == [(1, None, sorted(expected[0])), (code, "1", sorted(expected[1]))]
