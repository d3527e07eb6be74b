"""`dialout replay --to`: captures sent out of a real port, and what is refused."""

from __future__ import annotations

import random
import signal
import socket
import struct
import threading

import pytest
from replay_run import dialout, packets_of, ping, write_pcap

from control.replay_arguments import SINKS
from control.sim import host, traffic

PATIENCE = 30.0


def loopback_host() -> str:
    drawn = random.SystemRandom()
    return f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}"


def udp_frame(to: tuple[str, int], payload: bytes) -> bytes:
    packet = host.udp_packet("192.0.2.1", 1701, *to, payload)
    return bytes(12) + b"\x08\x00" + packet


@pytest.fixture
def lac():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(PATIENCE)
        made.bind((loopback_host(), 0))
        yield made


@pytest.fixture
def capture(tmp_path, lac):
    """Twenty datagrams to the LAC, a millisecond apart, and a ping between."""
    frames = [(n / 1000, udp_frame(lac.getsockname(), bytes([n]))) for n in range(20)]
    return write_pcap(tmp_path / "in.pcap", [*frames[:9], (0.0085, ping(1)), *frames[9:]])


def test_datagrams_leave_by_our_socket_for_where_they_went(capsys, capture, lac):
    ours = loopback_host()
    result = dialout(capsys, "replay", capture, "--to", f"udp:{ours}", "--loop", 2, "--json")
    assert (result.code, result.err) == (0, "")
    assert [lac.recvfrom(10) for _ in range(40)] == [
        (bytes([n]), (ours, 1701)) for n in [*range(20)] * 2
    ]
    told = result.json
    assert (told["packets"], told["failed"], told["laps"], told["refused"]) == (40, 2, 2, 0)
    assert told["port"]["not_datagrams"] == 2
    assert told["seconds"] >= 0.038
    assert told["packets_per_second"] <= 40 / 0.038


def test_whole_frames_are_written_to_a_capture(capsys, tmp_path, capture):
    output = tmp_path / "out.pcapng"
    result = dialout(
        capsys, "replay", capture, "--to", f"pcap:{output}", "--speed", "max", "--limit", 12
    )
    assert (result.code, result.err) == (0, "")
    assert "sent                  12 packets" in result.out
    written = packets_of(output)
    assert len(written) == 12
    assert written[9].ip == ping(1)[14:]
    times = [packet.time for packet in written]
    assert times == sorted(times)


def test_rate_is_packets_a_second(capsys, tmp_path, capture):
    result = dialout(
        capsys, "replay", capture, "--to", f"pcap:{tmp_path / 'o.pcapng'}", "--speed", "100",
        "--json",
    )  # fmt: skip
    assert result.json["packets"] == 21
    assert result.json["packets_per_second"] <= 21 / 0.2


def test_damage_is_told_and_fails(capsys, tmp_path, capture):
    capture.write_bytes(capture.read_bytes()[:-3])
    to = f"pcap:{tmp_path / 'o.pcapng'}"
    result = dialout(capsys, "replay", capture, "--to", to, "--speed", "max", "--loop", 5, "--json")
    assert result.code == 1
    assert (result.json["packets"], result.json["laps"]) == (20, 1)
    assert str(capture) in result.err


def test_quiet_tells_nothing(capsys, tmp_path, capture):
    to = f"pcap:{tmp_path / 'o.pcapng'}"
    assert dialout(capsys, "replay", capture, "--to", to, "-q").out == ""


def test_interrupt_ends_it_and_tells_what_was_sent(capsys, tmp_path):
    # Whoever started the tests may have us ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    capture = write_pcap(tmp_path / "slow.pcap", [(0, ping(0)), (3600, ping(1))])
    timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    to = f"pcap:{tmp_path / 'o.pcapng'}"
    result = dialout(capsys, "replay", capture, "--to", to, "--json")
    timer.join()
    assert result.code == 130
    assert (result.json["packets"], result.json["interrupted"]) == (1, True)


ALLOWED = ", ".join(SINKS.values())


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--to", "mem:"), f"--to: 'mem:' is none of {ALLOWED}"),
        (("--to", "udp:"), f"--to: 'udp:' is none of {ALLOWED}"),
        (("--to", "xdp:eth0"), f"--to: 'xdp:eth0' is none of {ALLOWED}"),
        (("--to", ""), f"--to: '' is none of {ALLOWED}"),
        (("--speed", "1x"), "--speed needs --to"),
        (("--loop", "2"), "--loop needs --to"),
        *(
            (("--to", "udp:127.0.0.1", "--speed", speed), f"--speed: {speed!r} must be max, a")
            for speed in ("0", "0x", "-1", "x", "fast", "nan", "inf", "1e10", "1 ", "1_0", "maxx")
        ),
        *(
            (("--to", "udp:127.0.0.1", "--loop", loop), f"--loop: {loop!r} must be a whole number")
            for loop in ("0", "-1", "1.5", "1000000001", "9" * 50, "\u0662")
        ),
        (("--to", "udp:127.0.0.1", "--config", "x"), "--config has no meaning with --to"),
        (("--to", "udp:127.0.0.1", "--write", "x"), "--write has no meaning with --to"),
        (("--to", "udp:127.0.0.1", "--report", "x"), "--report has no meaning with --to"),
        (("--to", "udp:127.0.0.1", "--seed", "1"), "--seed has no meaning with --to"),
        (("--to", "pcap:in.pcap"), "--to in.pcap is an input as well"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_done(capsys, tmp_path, monkeypatch, argv, told):
    monkeypatch.chdir(tmp_path)
    write_pcap(tmp_path / "in.pcap", [(0, ping(0))])
    result = dialout(capsys, "replay", "in.pcap", *argv)
    assert (result.code, result.out) == (2, "")
    assert told in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("to", "code", "told"),
    [
        ("udp:nowhere", 3, "--to udp:nowhere: "),
        ("udp:192.0.2.77", 5, "--to udp:192.0.2.77: Cannot assign requested address"),
        ("packet:no-such-one", 5, "--to packet:no-such-one: "),
        ("pcap:/no/such/folder/x", 5, "--to pcap:/no/such/folder/x: No such file or directory"),
    ],
)
def test_port_that_cannot_be_is_told(capsys, capture, to, code, told):
    result = dialout(capsys, "replay", capture, "--to", to)
    assert (result.code, result.out) == (code, "")
    assert told in result.err


def test_what_is_no_capture_is_refused_before_anything_is_sent(capsys, tmp_path, capture, lac):
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture")
    result = dialout(capsys, "replay", capture, bad, "--to", f"udp:{loopback_host()}")
    assert (result.code, result.out) == (1, "")
    lac.setblocking(False)
    with pytest.raises(BlockingIOError):
        lac.recv(1)


def test_snapped_frames_are_skipped(capsys, tmp_path, lac):
    frame = udp_frame(lac.getsockname(), b"whole")
    path = tmp_path / "in.pcap"
    record = struct.pack("<IIII", traffic.START, 0, len(frame) - 1, len(frame)) + frame[:-1]
    path.write_bytes(traffic.PCAP_HEADER + record)
    result = dialout(capsys, "replay", path, "--to", f"udp:{loopback_host()}", "--json")
    assert (result.code, result.json["packets"], result.json["skipped"]) == (0, 0, 1)
