"""FreeRADIUS as our RADIUS server: tagged tunnels, salted secrets, accounting, a restart. tshark
reads all of it."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import captures
import freeradius
import pytest
import tshark
from freeradius import FreeRadius
from radius_wire import Wire

from control.radius import accounting
from control.radius.accounting import SessionFacts, Status, TunnelFacts, Usage
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import (
    Denied,
    DialoutGranted,
    FramedRoute,
    SessionGranted,
    TimedOut,
    TunnelCandidate,
)
from control.radius.requests import DialoutRequest, SessionRequest
from control.sim.host import udp_packet

TRIGGER = "0.0.0.0:65000/10.10.1.1@domain"
USERS = f"""
"{TRIGGER}"  Auth-Type := Accept
	Tunnel-Type:1 = L2TP,
	Tunnel-Medium-Type:1 = IPv4,
	Tunnel-Server-Endpoint:1 = "10.88.0.2",
	Tunnel-Client-Endpoint:1 = "10.88.0.1",
	Tunnel-Password:1 = "tunnel secret of more than one block",
	Tunnel-Assignment-Id:1 = "lac-one",
	Tunnel-Client-Auth-Id:1 = "lns.lab",
	Tunnel-Server-Auth-Id:1 = "lac.lab",
	Tunnel-Preference:1 = 10,
	Tunnel-Type:2 = L2TP,
	Tunnel-Medium-Type:2 = IPv4,
	Tunnel-Server-Endpoint:2 = "10.88.0.3",
	Tunnel-Password:2 = "second",
	Tunnel-Preference:2 = 20,
	ERX-Virtual-Router-Name = "vr-two",
	ERX-Dial-Out-Number = "5551234",
	ERX-PPP-Username = "lns",
	ERX-PPP-Password = "lnspw",
	ERX-PPP-Auth-Protocol = CHAP,
	ERX-Minimum-BPS = 64000,
	ERX-Maximum-BPS = 128000,
	ERX-Bearer-Type = Analog

site Cleartext-Password := "site-secret"
	Framed-IP-Address = 10.10.1.1,
	Framed-Route = "10.10.1.0/24 0.0.0.0 7",
	Session-Timeout = 3600,
	Idle-Timeout = 60,
	Acct-Interim-Interval = 600,
	Class = 0x676f6c64
"""
LOCAL = "127.0.0.1"


@contextmanager
def wire(server: FreeRadius, **more: object) -> Iterator[Wire]:
    secret = str(more.pop("secret", server.secret)).encode()
    config = ClientConfig(
        (ServerConfig(server.address, server.port, secret, server.accounting_port),),
        nas_identifier="lns.lab",
        nas_address=LOCAL,
        **more,  # type: ignore[arg-type]
    )
    made = Wire(Client(config, random.Random()))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[FreeRadius]:
    with freeradius.running(USERS) as made:
        yield made


def pap(password: bytes = b"site-secret") -> SessionRequest:
    return SessionRequest("site", "A1", password)


def chap(password: bytes = b"site-secret") -> SessionRequest:
    challenge = bytes(range(16))
    response = hashlib.md5(b"\7" + password + challenge).digest()
    return SessionRequest("site", "A1", None, 7, challenge, response)


def assert_tshark_reads(w: Wire, secret: str, folder: Path) -> None:
    """Nothing is malformed, and every authenticator of a reply is right."""
    path = folder / "radius.pcap"
    packets = [udp_packet(*source, *destination, data) for source, destination, data in w.packets]
    captures.write(path, captures.RAW, ((10**18 + i, packet) for i, packet in enumerate(packets)))
    ports = {port for pair in w.packets for _, port in pair[:2]}
    assert ports
    preferences = {"radius.shared_secret": secret, "radius.validate_authenticator": "TRUE"}
    decode = tuple(f"udp.port=={port},radius" for port in sorted(ports))
    frames = list(tshark.frames(path, preferences=preferences, decode_as=decode))
    assert len(frames) == len(packets)
    for frame in frames:
        assert tshark.remarks(frame.layers) == []
        assert frame.layer("radius").show("radius.authenticator.valid") in (None, "1")


def test_dial_out_user_with_two_tagged_tunnels_and_salted_secrets(
    server: FreeRadius, tmp_path: Path
) -> None:
    with wire(server) as w:
        for mode in ("empty", "none", "configured"):
            w.client.request_dialout(DialoutRequest(TRIGGER, "A1", mode, b"secret"), w.now)
            event = w.event()
            assert isinstance(event, DialoutGranted), event
        grant = event.grant
        assert grant.candidates == (
            TunnelCandidate(
                tag=1,
                server_endpoint="10.88.0.2",
                client_endpoint="10.88.0.1",
                password=b"tunnel secret of more than one block",
                assignment_id="lac-one",
                preference=10,
                client_auth_id="lns.lab",
                server_auth_id="lac.lab",
            ),
            TunnelCandidate(tag=2, server_endpoint="10.88.0.3", password=b"second", preference=20),
        )
        assert (grant.number, grant.ppp_username, grant.ppp_password) == (
            "5551234",
            "lns",
            b"lnspw",
        )
        assert (grant.minimum_bps, grant.maximum_bps, grant.bearer_type) == (64000, 128000, 2)
        assert_tshark_reads(w, server.secret, tmp_path)


@pytest.mark.parametrize("request_", [pap(), chap()], ids=["PAP", "CHAP"])
def test_site_is_authenticated_and_gets_what_is_configured(
    server: FreeRadius, request_: SessionRequest, tmp_path: Path
) -> None:
    with wire(server) as w:
        w.client.request_session(request_, w.now)
        event = w.event()
        assert isinstance(event, SessionGranted), event
        grant = event.grant
        assert (grant.framed_address, grant.session_timeout, grant.idle_timeout) == (
            "10.10.1.1",
            3600,
            60,
        )
        assert grant.framed_routes == (FramedRoute("10.10.1.0/24", 7),)
        assert (grant.acct_interim_interval, grant.state_class) == (600, (b"gold",))
        assert_tshark_reads(w, server.secret, tmp_path)


@pytest.mark.parametrize("request_", [pap(b"wrong"), chap(b"wrong")], ids=["PAP", "CHAP"])
def test_wrong_password_is_rejected(server: FreeRadius, request_: SessionRequest) -> None:
    with wire(server) as w:
        w.client.request_session(request_, w.now)
        assert isinstance(w.event(), Denied)


def test_wrong_secret_gets_no_answer_and_accounting_stays_queued(server: FreeRadius) -> None:
    with wire(server, secret="another", retries=1, timeout=0.3) as w:
        w.client.request_session(pap(), w.now)
        w.client.account(accounting.on_off(Status.ON, "B", int(time.time())), w.now)
        assert isinstance(w.event(), TimedOut)
        w.until(lambda: w.client.accounting.counters.given_up)
        assert (len(w.client.accounting), w.client.accounting.counters.accepted) == (1, 0)
        assert w.client.counters.accepted == 0


def test_server_without_message_authenticator_is_refused_unless_that_is_configured() -> None:
    with freeradius.running(USERS, signed=False) as plain:
        with wire(plain, retries=1, timeout=1.0) as w:
            w.client.request_session(pap(), w.now)
            if isinstance(w.event(), SessionGranted):  # some builds sign every reply
                assert any(b"\x50\x12" in data[20:22] for _, _, data in w.packets[1:])
                return
            assert w.client.counters.unsigned == 1
        with wire(plain, require_message_authenticator=False) as w:
            w.client.request_session(pap(), w.now)
            assert isinstance(w.event(), SessionGranted)


def test_accounting_arrives_whole(server: FreeRadius, tmp_path: Path) -> None:
    facts = SessionFacts(
        "A77",
        "site",
        multi_session_id="M1",
        framed_address="10.10.1.1",
        framed_routes=("10.10.1.0/24 0.0.0.0 7",),
        state_class=(b"gold",),
        called_number="5551234",
        nas_port=7,
        nas_port_id="l2tp 11.100",
        tx_speed=64000,
        rx_speed=64000,
        tunnel=TunnelFacts("10.88.0.1", "10.88.0.2", "lns.lab", "lac.lab", "lac-one", "11.100"),
    )
    stamp, none = int(time.time()), ("", "")
    usage = Usage(3600, 5 * 2**32 + 7, 9, 2**33 + 1, 4)
    before = len(server.records())
    with wire(server) as w:
        for record in (
            accounting.on_off(Status.ON, "B", stamp),
            accounting.start(facts, stamp, none),
            accounting.interim(facts, Usage(600), stamp, none),
            accounting.stop(facts, usage, 4, stamp, none),
            accounting.on_off(Status.OFF, "B", stamp),
        ):
            w.client.account(record, w.now)
        w.until(lambda: len(w.client.accounting) == 0)
        found = server.records()[before:]
        kinds = [record["Acct-Status-Type"][0] for record in found]
        assert (kinds[0], sorted(kinds[1:-1]), kinds[-1]) == (
            "Accounting-On",
            ["Interim-Update", "Start", "Stop"],
            "Accounting-Off",
        )
        (stop,) = [record for record in found if record["Acct-Status-Type"] == ["Stop"]]
        assert {name: values[0] for name, values in stop.items()}.items() >= {
            "Acct-Session-Id": "A77",
            "Acct-Multi-Session-Id": "M1",
            "User-Name": "site",
            "NAS-Identifier": "lns.lab",
            "Framed-IP-Address": "10.10.1.1",
            "Called-Station-Id": "5551234",
            "Class": "0x676f6c64",
            "Acct-Session-Time": "3600",
            "Acct-Input-Octets": "7",
            "Acct-Input-Gigawords": "5",
            "Acct-Output-Octets": "9",
            "Acct-Input-Packets": "1",
            "ERX-Input-Gigapkts": "2",
            "Acct-Terminate-Cause": "Idle-Timeout",
            "Tunnel-Type:0": "L2TP",
            "Tunnel-Server-Endpoint:0": "10.88.0.2",
            "Acct-Tunnel-Connection": "11.100",
            "Acct-Delay-Time": "0",
        }.items()
        assert_tshark_reads(w, server.secret, tmp_path)


def test_restart_in_the_middle_loses_nothing_and_is_noticed_by_status_server() -> None:
    with (
        freeradius.running(USERS) as own,
        wire(own, retries=1, timeout=0.3) as w,
    ):
        w.client.request_session(pap(), w.now)
        assert isinstance(w.event(), SessionGranted)
        own.stop()
        w.client.request_session(pap(), w.now)
        stamp = int(time.time())
        for number in range(20):
            facts = SessionFacts(f"R{number}", "site")
            w.client.account(accounting.start(facts, stamp, ("", "")), w.now)
        assert isinstance(w.event(), TimedOut)
        w.until(lambda: w.client.accounting.counters.given_up >= 2)
        own.start()
        w.until(lambda: len(w.client.accounting) == 0)
        assert {r["Acct-Session-Id"][0] for r in own.records()} == {f"R{n}" for n in range(20)}
        w.until(lambda: w.client.counters.revived)
        assert w.client.counters.probes >= 3
        w.client.request_session(chap(), w.now)
        assert isinstance(w.event(), SessionGranted)
