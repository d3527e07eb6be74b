"""Calls that a LAC hands to a serial line: programs on a pty, TCP ports, sites that wait there."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from socket_lns import FAST_CPE, SocketLns, fast_lac, simulators, until
from test_sim_sockets import ping, play

from control import config as settings
from control.errors import ConfigurationError
from control.l2tp.events import CallClosed
from control.sim.clock import VirtualClock
from control.sim.hdlc import encode
from control.sim.network import SimNetwork
from control.sim.serve import Simulators

PROGRAM = Path(__file__).with_name("serial_echo.py")


async def free_port() -> int:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def test_a_lac_and_a_site_in_two_places_are_joined_by_a_tcp_line() -> None:
    async def run() -> None:
        cpe = replace(FAST_CPE, line=f"tcp:127.0.0.1:{await free_port()}")
        far = Simulators(settings.Sim(cpe=(cpe,)), ("cpe",))
        lac = fast_lac()
        near = simulators(lac, cpe=cpe)
        lns = SocketLns((lac.address, 1701))
        try:
            first, second = lns.place("1"), lns.place("2")
            await until(lambda: first.is_open and second.is_open)
            await ping(lns, first)
            await ping(lns, second)
            assert near.meter().opens.count == 2
            with lns.time.input():
                lns.hang_up(first)
            await until(lambda: near.lacs[0].lac.bank.in_use == 1)
            await ping(lns, second)
            assert far.sites[0].counters.calls == 2
            await until(lambda: len(far.answering[0]._calls) == 1)
            assert near.sites[0].report()["line"]["bad_fcs"] == 0
        finally:
            lns.close()
            near.close()
            far.close()

    asyncio.run(run())


def test_a_line_that_nobody_answers_ends_the_call() -> None:
    async def run() -> None:
        lac = fast_lac()
        cpe = replace(FAST_CPE, line=f"tcp:127.0.0.1:{await free_port()}")
        sims = simulators(lac, cpe=cpe)
        lns = SocketLns((lac.address, 1701))
        try:
            session = lns.place()
            await until(lambda: "CallClosed" in session.kinds())
            assert "no connection" in session.last(CallClosed).failure.message
            assert sims.lacs[0].lac.bank.in_use == 0
            assert sims.sites[0].counters.failures == 1
        finally:
            lns.close()
            sims.close()

    asyncio.run(run())


def program(*arguments: str) -> settings.SimCpe:
    words = " ".join((sys.executable, str(PROGRAM), *arguments))
    return replace(FAST_CPE, line=f"pty:{words}")


def test_a_program_on_a_pty_is_a_site_and_ends_with_its_call() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        await ping(lns, session)
        site = sims.sites[0]
        process = site.wires[0]._process
        assert process.poll() is None
        assert os.getsid(process.pid) == process.pid
        with lns.time.input():
            lns.hang_up(session)
        await until(lambda: process.poll() is not None)
        assert sims.lacs[0].lac.bank.in_use == 0

    play(scene, cpe=program())


def test_a_program_that_ends_is_a_lost_carrier() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: "CallClosed" in session.kinds())
        assert session.last(CallClosed).failure.result == 1

    play(scene, cpe=program("--end"))


def test_a_program_that_ignores_the_hangup_is_ended_with_the_simulators() -> None:
    seen = []

    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: session.is_open)
        seen.append(sims.sites[0].wires[0]._process)

    play(scene, cpe=program("--stubborn"))
    assert seen[0].returncode is not None


def test_a_program_that_is_not_there_ends_the_call_only() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        session = lns.place()
        await until(lambda: "CallClosed" in session.kinds())
        assert "no line" in session.last(CallClosed).failure.message

    play(scene, cpe=replace(FAST_CPE, line="pty:/nowhere/at/all"))


def test_a_program_that_does_not_read_costs_frames_and_no_memory() -> None:
    async def scene(lns: SocketLns, sims: Simulators) -> None:
        lns.place()
        await until(lambda: bool(sims.sites[0].wires))
        (call,) = sims.lacs[0].lac._data.calls.values()
        wire = sims.sites[0].wires[0]
        with sims.time.input():
            for _ in range(1000):
                call.line.receive_frame(bytes(1500))
        assert len(wire._waiting) <= 256 * 1024
        assert wire.overruns > 500

    play(scene, cpe=program("--deaf"))


def test_a_frame_that_no_datagram_can_carry_is_counted_alone() -> None:
    async def run() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        lac = fast_lac()
        cpe = replace(FAST_CPE, line=f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}")
        sims = simulators(lac, cpe=cpe)
        lns = SocketLns((lac.address, 1701))
        try:
            lns.place()
            await until(lambda: sims.sites[0].counters.frames_out == 1)
            assert sims.sites[0].counters.too_long == 1
        finally:
            lns.close()
            sims.close()
            server.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(bytes(65500), 0) + encode(b"\xff\x03\xc0\x21\x01\x01\x00\x04"))
        await reader.read()
        writer.close()

    asyncio.run(run())


def test_noise_on_a_line_is_no_frame() -> None:
    async def run() -> None:
        cpe = replace(FAST_CPE, line=f"tcp:127.0.0.1:{await free_port()}")
        far = Simulators(settings.Sim(cpe=(cpe,)), ("cpe",))
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", far.answering[0].port)
            writer.write(
                b"ATZ\r\r\n" + encode(b"\xff\x03\xc0\x21\x09\x01\x00\x08\0\0\0\0") + b"\x7d"
            )
            assert await reader.readexactly(1) == b"\x7e"
            writer.close()
            await until(lambda: not far.answering[0]._calls)
            assert far.answering[0].line_counters.bad_fcs == 1
        finally:
            far.close()

    asyncio.run(run())


def test_without_a_free_descriptor_calls_wait() -> None:
    async def run() -> None:
        cpe = replace(FAST_CPE, line=f"tcp:127.0.0.1:{await free_port()}")
        far = Simulators(settings.Sim(cpe=(cpe,)), ("cpe",))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            caller = socket.create_connection(("127.0.0.1", far.answering[0].port))
            # The next descriptor would be this one.
            spare = os.dup(0)
            os.close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
            await asyncio.sleep(0.1)
            assert far.sites[0].counters.calls == 0
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await until(lambda: far.sites[0].counters.calls == 1)
            caller.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            far.close()

    asyncio.run(run())


def test_a_real_line_has_no_place_in_virtual_time() -> None:
    cpe = replace(FAST_CPE, line="tcp:127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="virtual time"):
        SimNetwork(settings.Sim(cpe=(cpe,)), VirtualClock(), to_router=lambda packet: None)
