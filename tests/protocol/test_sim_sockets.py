"""The simulators on real sockets, called by a small LNS in the same loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sim_lns import GOOD_CPE, HOME, REMOTE, SITE_ADDRESS, Session
from socket_lns import FAST_CPE, SocketLns, fast_lac, loopback, simulators, until

from control import config as settings
from control.l2tp.events import CallClosed, CallConnected
from control.ppp.events import NetworkOpened
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import DialoutGranted, RadiusDatagram
from control.radius.requests import DialoutRequest
from control.sim import host
from control.sim.real_time import RealTime, UdpSocket
from control.sim.serve import Simulators

Scene = Callable[[SocketLns, Simulators], Awaitable[None]]


def play(scene: Scene, lac: settings.SimLac | None = None, cpe: settings.SimCpe = FAST_CPE) -> None:
    """Runs a scene of one LNS and one LAC in a loop of its own."""

    async def run() -> None:
        config = lac or fast_lac()
        sims = simulators(config, cpe=cpe)
        lns = SocketLns((config.address, config.port))
        try:
            await scene(lns, sims)
        finally:
            lns.close()
            sims.close()

    asyncio.run(run())


async def ping(lns: SocketLns, session: Session) -> None:
    before = len(session.packets)
    with lns.time.input():
        lns.send_ip(session, host.ping_packet(HOME, REMOTE, data=b"ping"))
    await until(lambda: len(session.packets) > before)
    assert session.packets[before][16:20] == host.pack_address(HOME)


def test_a_call_over_real_sockets_is_authenticated_both_ways_and_carries_traffic() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        assert session.last(NetworkOpened).peer_address == SITE_ADDRESS
        await ping(lns, session)
        report = sims.report()["lac"][0]
        assert report["results"] == {"answer": 1}
        assert report["set_up_seconds"]["count"] == report["opened_per_second"]["count"] == 1

    play(scene)


@pytest.mark.parametrize(
    ("outcome", "codes"),
    [("busy", (8, 0)), ("no-answer", (10, 0)), ("no-carrier", (7, 0)), ("reject:2/7", (2, 7))],
)
def test_each_outcome_is_a_cdn_with_its_codes(outcome: str, codes: tuple[int, int]) -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: "CallClosed" in session.kinds())
        failure = session.last(CallClosed).failure
        assert (failure.result, failure.error) == codes
        assert sims.meter().ends == {f"our CDN {codes[0]}/{codes[1]}": 1}

    play(scene, fast_lac(outcome=outcome))


def test_a_lac_that_answers_from_another_port_is_followed_there() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        assert session.last(CallConnected).peer == (sims.lacs[0].lac.config.address, port(sims))
        assert port(sims) != 1701
        await ping(lns, session)

    def port(sims: Simulators) -> int:
        return sims.lacs[0].lac.port

    play(scene, fast_lac(new_port=True))


def test_early_data_arrives_before_the_call_is_connected() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: "CallConnected" in session.kinds())
        assert lns.junk > 0

    play(scene, fast_lac(early_data=True))


def test_ocrp_behind_occn_is_put_in_order_by_the_peer() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        assert session.kinds()[:2] == ["CallAccepted", "CallConnected"]
        assert lns.endpoint.counters.out_of_order == 1
        assert lns.endpoint.counters.retransmitted == 0

    play(scene, fast_lac(wrong_order=True, dial_delay=0.1))


def test_required_sequencing_is_kept_over_real_sockets() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        await ping(lns, session)
        counters = sims.lacs[0].lac.counters
        assert (counters.unsequenced, counters.late, counters.missing) == (0, 0, 0)

    play(scene, fast_lac(sequencing=True))


def test_every_call_comes_up_over_a_line_that_reorders_and_doubles() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        sessions = [lns.place(str(number)) for number in range(10)]
        await until(lambda: all(session.is_open for session in sessions), 60.0)
        lanes = [sims.lacs[0].link.to_far, sims.lacs[0].link.to_near]
        for lane in lanes:
            counters = lane.counters
            assert counters.sent > 100
            assert min(counters.reordered, counters.duplicated) > 0

    bad = fast_lac(delay=0.005, jitter=0.005, reorder=0.3, duplicate=0.3)
    play(scene, bad, replace(GOOD_CPE, delay=0.0))


def test_a_flipped_bit_reaches_the_peer_and_harms_no_other_call() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        good = lns.place()
        await until(lambda: good.is_open)
        server = sims.lacs[0]
        server.retune(replace(server.lac.config, corrupt=1.0))
        with lns.time.input():
            lns.send_ip(good, host.ping_packet(HOME, REMOTE))
        await until(lambda: server.link.to_far.counters.corrupted > 0)
        server.retune(replace(server.lac.config, corrupt=0.0))
        await ping(lns, good)

    play(scene)


def test_calls_end_after_the_time_they_are_held() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: "CallClosed" in session.kinds())
        assert session.last(CallClosed).failure.result == 1
        assert sims.lacs[0].lac.bank.in_use == 0

    play(scene, fast_lac(hold=0.3))


def test_stopccn_in_the_middle_of_a_call_ends_it_and_the_next_call_opens_a_new_tunnel() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        with sims.time.input():
            sims.lacs[0].lac.close_tunnels()
        await until(lambda: "CallClosed" in session.kinds())
        assert sims.lacs[0].lac.bank.in_use == 0
        again = lns.place()
        await until(lambda: again.is_open)
        assert sims.lacs[0].lac.tunnels_opened == 2

    play(scene)


def test_a_rebooted_lac_knows_no_call_and_frees_its_modems() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        lac = sims.lacs[0].lac
        with sims.time.input():
            lac.reboot()
        assert (lac.bank.in_use, lac.calls) == (0, 0)
        with lns.time.input():
            lns.send_ip(session, host.ping_packet(HOME, REMOTE))
            lns.endpoint.close_call(session.call, lns.clock.now)
            lns.pump()
        await until(lambda: lac.counters.unknown_session > 0)
        await until(lambda: lac.report()["control"]["unknown_tunnel"] > 0)
        assert "CallClosed" not in session.kinds()
        other = SocketLns(lns.peer)
        try:
            fresh = other.place()
            await until(lambda: fresh.is_open)
        finally:
            other.close()

    play(scene)


def test_a_silent_lac_says_and_hears_nothing_until_it_speaks_again() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        lac = sims.lacs[0].lac
        lac.silent = True
        session = lns.place()
        await until(lambda: lac.counters.muted > 0)
        assert lac.tunnels_opened == 0
        lac.silent = False
        await until(lambda: session.is_open)

    play(scene)


def test_a_radius_server_answers_on_its_socket() -> None:
    reply = (
        ("Tunnel-Type:1", "L2TP"),
        ("Tunnel-Medium-Type:1", "IPv4"),
        ("Tunnel-Server-Endpoint:1", "10.88.0.2"),
        ("Tunnel-Password:1", "tunnel secret"),
        ("ERX-Dial-Out-Number", "5551234"),
    )

    async def run() -> None:
        users = (settings.SimUser("*@example", reply=reply),)
        config = settings.SimRadius(loopback(), secret=b"testing123", users=users)
        sims = Simulators(settings.Sim(radius=(config,)))
        client = Client(
            ClientConfig((ServerConfig(config.address, 1812, config.secret),), nas_identifier="l"),
            random.Random(1),
        )
        time = RealTime(asyncio.get_running_loop())

        def receive(data: bytes, peer: tuple[str, int]) -> None:
            client.receive_datagram(RadiusDatagram(data, peer, asked.socket), time.clock.now)

        own = UdpSocket(time, loopback(), 0, receive)
        try:
            client.request_dialout(DialoutRequest("198.51.100.1@example", "1"), time.clock.now)
            (asked,) = client.datagrams_to_send()
            own.send(asked.data, asked.server)
            answers: list[object] = []
            await until(lambda: (event := client.next_event()) is not None and add(event, answers))
            assert isinstance(answers[0], DialoutGranted)
            assert sims.report()["radius"][0]["accepted"] == 1
        finally:
            time.stop()
            own.close()
            sims.close()

    def add(event: object, answers: list[object]) -> bool:
        answers.append(event)
        return True

    asyncio.run(run())


def test_junk_on_a_socket_is_counted_and_harms_nothing() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        rng = random.Random(1)
        for _ in range(200):
            lns.socket.send(rng.randbytes(rng.randrange(0, 60)), lns.peer)
        session = lns.place()
        await until(lambda: session.is_open)
        counters = sims.lacs[0].lac.counters
        assert counters.control_in + counters.data_in > 200

    play(scene)


def test_an_address_that_is_not_ours_is_an_error_that_names_it() -> None:
    async def run() -> None:
        with pytest.raises(OSError, match=r"192\.0\.2\.77") as error:
            simulators(fast_lac(), replace(fast_lac(), address="192.0.2.77"))
        assert error.value.filename == "192.0.2.77:1701"

    asyncio.run(run())
