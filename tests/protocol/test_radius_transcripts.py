"""Whole RADIUS exchanges, octet by octet, and those of a capture if it is in DIALOUT_DATA."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from control.config import SimRadius, SimUser
from control.radius import codec
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import (
    DialoutGranted,
    FramedRoute,
    RadiusDatagram,
    SessionGranted,
    TunnelCandidate,
)
from control.radius.packet import ACCESS_REQUEST
from control.radius.requests import DialoutRequest, SessionRequest
from control.sim.radius import SimRadiusServer

CAPTURE = Path(os.environ.get("DIALOUT_DATA", "absent")) / "pcap" / "radius-localhost.pcapng"

ANOTHER_SECRET = (184, 148)
"""Identifiers of the capture's two last exchanges, made with a secret that is not known."""

# A user as operators of FreeRADIUS write it: two LACs by tag, both kinds of tunnel password, the
# dial-out attributes of vendor 4874, and what belongs to the session.
USER = SimUser(
    "0.0.0.0:65000/10.10.1.1@domain",
    reply=(
        ("Tunnel-Type:1", "L2TP"),
        ("Tunnel-Medium-Type:1", "IPv4"),
        ("Tunnel-Server-Endpoint:1", "10.88.0.2"),
        ("Tunnel-Client-Endpoint:1", "10.88.0.1"),
        ("Tunnel-Password:1", "tunsecret"),
        ("Tunnel-Assignment-Id:1", "lac-one"),
        ("Tunnel-Client-Auth-Id:1", "lns.lab"),
        ("Tunnel-Server-Auth-Id:1", "lac.lab"),
        ("Tunnel-Preference:1", "10"),
        ("Tunnel-Type:2", "L2TP"),
        ("Tunnel-Medium-Type:2", "IPv4"),
        ("Tunnel-Server-Endpoint:2", "10.88.0.3"),
        ("Tunnel-Password:2", "second"),
        ("Tunnel-Preference:2", "20"),
        ("ERX-Virtual-Router-Name", "vr-two"),
        ("ERX-Tunnel-Virtual-Router:1", "vr-core"),
        ("ERX-Tunnel-Password:1", "clearpw"),
        ("ERX-Dial-Out-Number", "5551234"),
        ("ERX-PPP-Username", "lns"),
        ("ERX-PPP-Password", "lnspw"),
        ("ERX-PPP-Auth-Protocol", "CHAP"),
        ("ERX-Minimum-BPS", "64000"),
        ("ERX-Maximum-BPS", "128000"),
        ("ERX-Bearer-Type", "Analog"),
        ("Framed-IP-Address", "10.10.1.1"),
        ("Framed-IP-Netmask", "255.255.255.0"),
        ("Framed-Route", "10.10.1.0/24 0.0.0.0 1"),
    ),
)


def ask(request):
    """The answer of the simulated server to one request."""
    client = Client(ClientConfig((ServerConfig("192.0.2.2", 1812, b"s"),)), random.Random(1))
    sim = SimRadiusServer(SimRadius("192.0.2.2", 1812, b"s", users=(USER,)), random.Random(2))
    if isinstance(request, DialoutRequest):
        client.request_dialout(request, 0.0)
    else:
        client.request_session(request, 0.0)
    (datagram,) = client.datagrams_to_send()
    sim.receive_datagram(datagram.data, ("192.0.2.1", 4000), 0.0)
    sim.handle_timer(1.0)
    (reply,) = sim.datagrams_to_send()
    client.receive_datagram(RadiusDatagram(reply.data, datagram.server, 0), 1.0)
    return client.next_event()


def test_freeradius_dial_out_user_is_understood_whole():
    event = ask(DialoutRequest(USER.name, "1", "none"))
    assert isinstance(event, DialoutGranted)
    grant = event.grant
    assert grant.candidates == (
        TunnelCandidate(
            tag=1,
            server_endpoint="10.88.0.2",
            client_endpoint="10.88.0.1",
            password=b"tunsecret",
            assignment_id="lac-one",
            preference=10,
            client_auth_id="lns.lab",
            server_auth_id="lac.lab",
        ),
        TunnelCandidate(tag=2, server_endpoint="10.88.0.3", password=b"second", preference=20),
    )
    assert (grant.number, grant.ppp_username, grant.ppp_password) == ("5551234", "lns", b"lnspw")
    assert grant.answer_protocols == ("chap",)
    assert (grant.minimum_bps, grant.maximum_bps, grant.bearer_type) == (64000, 128000, 2)
    assert grant.unusable == ()
    assert grant.ignored == (
        "ERX-Virtual-Router-Name: calls stay in the virtual router of their target",
        "ERX-Tunnel-Virtual-Router: tunnels leave from the virtual router of the target",
    )


def test_same_user_as_a_session_gets_address_and_route():
    event = ask(SessionRequest(USER.name, "1", password=b"any"))
    assert isinstance(event, SessionGranted)
    assert event.grant.framed_address == "10.10.1.1"
    assert event.grant.framed_netmask == "255.255.255.0"
    assert event.grant.framed_routes == (FramedRoute("10.10.1.0/24", 1),)


def test_first_request_and_its_accept_octet_by_octet():
    client = Client(
        ClientConfig(
            (ServerConfig("192.0.2.2", 1812, b"xyzzy5461"),),
            nas_identifier="lns",
            nas_address="192.0.2.1",
        ),
        random.Random(7),
    )
    name = "0.0.0.0:65000/10.10.1.1@L2TP-dial-out.de.dt"
    client.request_dialout(DialoutRequest(name, "0001"), 0.0)
    (datagram,) = client.datagrams_to_send()
    body = datagram.data[38:]
    assert datagram.data[20:22].hex() == "5012"
    assert body.hex() == (
        "012d302e302e302e303a36353030302f31302e31302e312e31404c3254502d6469616c2d6f75742e64652e6474"
        + "0212"
        + body[47:63].hex()
        + "060600000005"
        + "070600000001"
        + "20056c6e73"
        + "0406c0000201"
        + "3d0600000005"
        + "2c0630303031"
    )


def radius_datagrams() -> list[tuple[int, int, bytes]]:
    """Source port, destination port and payload of a pcapng file of loopback captures."""
    data = CAPTURE.read_bytes()
    at, found = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured = struct.unpack_from("<I", data, at + 20)[0]
            packet = data[at + 28 : at + 28 + captured][4:]  # behind the address family
            udp = packet[(packet[0] & 15) * 4 :]
            source, destination, size = struct.unpack_from("!HHH", udp)
            found.append((source, destination, udp[8:size]))
        at += length
    return found


@pytest.mark.skipif(not CAPTURE.exists(), reason="real data is not in DIALOUT_DATA")
def test_authenticators_of_a_real_capture_are_right():
    requests: dict[tuple[int, int], bytes] = {}
    genuine = []
    for source, destination, data in radius_datagrams():
        packet = codec.parse_packet(data, b"testing123")
        if packet.code == ACCESS_REQUEST:
            assert codec.has_message_authenticator(packet)
            if packet.id not in ANOTHER_SECRET:
                assert packet.is_signed_by_client()
            requests[source, packet.id] = data[4:20]
            continue
        authenticator = requests[destination, packet.id]
        assert not codec.is_genuine(packet, packet.id, authenticator, b"testing124")
        if codec.is_genuine(packet, packet.id, authenticator, b"testing123"):
            assert codec.decode_reply(packet, authenticator, b"testing123").faults == ()
            genuine.append((packet.code, packet.id, codec.has_message_authenticator(packet)))
    assert genuine == [
        (11, 103, True),
        (3, 104, True),
        (11, 113, True),
        (2, 114, True),
        (2, 97, False),
        (2, 168, False),
        (3, 43, False),
    ]
