"""`dialout run`: what it says, how it ends, and what a second one or a later one finds."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import pytest
from live import PATIENCE, configuration, datagram, loopback_network
from live_command import command, write_capture

from control.budget_store import SqliteBudgetStore
from control.dialout.budget import ALL
from control.sim.serve import Simulators

ROOT = Path(__file__).parents[2]
SECRETS = ("tunnel-secret", "branch-secret", "lns-secret", "radius-secret")


def playing(folder: Path, *times: float) -> Path:
    """A configuration whose home side sends a packet to the site at each of these seconds."""
    capture = write_capture(folder / "home.pcap", [(when, datagram()) for when in times])
    configuration(folder, ('url = "mem:"', f'url = "pcap:{capture}"'))
    return folder / "live.toml"


def test_the_example_dials_as_the_readme_says(tmp_path: Path) -> None:
    """With addresses of its own: the example's may be in use."""

    async def story() -> None:
        text = (ROOT / "examples/live.toml").read_text()
        network = loopback_network()
        file = tmp_path / "live.toml"
        file.write_text(
            text.replace("127.88.0.", network).replace("examples/", f"{ROOT}/examples/")
        )
        async with command("sim", "lac", "radius", "--config", file) as sim:
            await sim.says("radius")
            async with command("run", "--config", file) as run:
                await run.says("198.51.100.10: CONNECTING -> IN_SERVICE")
                await run.says("198.51.100.77: CONNECTING -> IN_SERVICE")
                assert await run.end() == 0
            assert await sim.end() == 0

    asyncio.run(story())


def simulators(folder: Path) -> Simulators:
    from control.config_file import read_config

    return Simulators(read_config(folder / "live.toml").sim)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_dials_tells_each_step_and_ends_at_a_signal(tmp_path: Path, number: int) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0, 0.1)
        peers = simulators(tmp_path)
        async with command("run", "--config", file, "--state", tmp_path / "state") as run:
            await run.says("started")
            await run.says("198.51.100.7: CONNECTING -> IN_SERVICE")
            assert peers.lacs[0].lac.bank.in_use == 1
            assert await run.end(number) == 0
            assert run.has(f"{signal.Signals(number).name}: closing calls and tunnels")
            assert run.has("every peer has heard of it")
            assert peers.lacs[0].lac.bank.in_use == 0
            assert not run.has("without --state")
        peers.close()

    asyncio.run(story())


def test_log_lines_are_json_if_wanted_and_none_shows_a_secret_at_any_level(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        async with command("run", "--config", file, "--json", "--verbose") as run:
            await run.says("TriggersFlushed")
            assert await run.end() == 0
            rows = [json.loads(line) for line in run.lines]
            assert {"timestamp", "level", "event", "text"} <= set(rows[0])
            assert [row["event"] for row in rows].count("state") == 1
            found = [secret for secret in SECRETS if run.has(secret)]
            assert found == []
        peers.close()

    asyncio.run(story())


def test_without_answers_it_ends_when_its_grace_is_over(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        async with command("run", "--config", file, "--grace", "0.2") as run:
            await run.says("IN_SERVICE")
            peers.close()
            assert await run.end() == 0
            assert run.has("not every peer answered")

    asyncio.run(story())


def test_asked_twice_it_does_not_wait(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        async with command("run", "--config", file, "--grace", "3600") as run:
            await run.says("IN_SERVICE")
            peers.close()
            run.process.send_signal(signal.SIGTERM)
            await run.says("SIGTERM: closing")
            assert await run.end() == 0

    asyncio.run(story())


def test_log_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        arguments = ("run", "--config", str(file), "--socket", "none")
        with open("/dev/full", "w") as full:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "control.cli", *arguments,
                stdout=full, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                assert process.stderr is not None
                told = await process.stderr.readline()
                while not peers.lacs[0].lac.bank.in_use:
                    await asyncio.sleep(0.01)
                process.send_signal(signal.SIGTERM)
                rest = await process.stderr.read()
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert told.decode() == (
            "dialout: the log cannot be written: [Errno 28] No space left on device; "
            "what is lost is counted\n"
        )
        assert rest == b""
        peers.close()

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signal_without_meaning_ends_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async def story() -> None:
        async with command("run", "--config", playing(tmp_path, 3600)) as run:
            await run.says("started")
            run.process.send_signal(number)
            await run.says(f"{number.name}: it has no meaning here")
            assert await run.end() == 0

    asyncio.run(story())


def test_second_instance_is_refused_by_state_and_by_port(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 3600)
        state = tmp_path / "state"
        async with command("run", "--config", file, "--state", state) as first:
            await first.says("started")
            async with command("run", "--config", file, "--state", state) as second:
                assert await second.exit() == 5
                who = f"(process {first.process.pid})"
                assert second.has(f"another dialout uses this state directory {who}")
            async with command("run", "--config", file) as third:
                assert await third.exit() == 5
                assert third.has("Address already in use")
            assert first.process.returncode is None
            assert await first.end() == 0

    asyncio.run(story())


def test_after_a_kill_the_next_start_dials_again(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        state = tmp_path / "state"
        for _ in range(3):
            async with command("run", "--config", file, "--state", state) as run:
                await run.says("CONNECTING -> IN_SERVICE")
                assert await run.end(signal.SIGKILL) == -signal.SIGKILL
        peers.close()
        saved = SqliteBudgetStore(str(state / "budgets.sqlite")).load(0.0)
        assert saved.used[ALL][0] >= 3, "no call is given back"

    asyncio.run(story())


def test_budgets_outlive_a_kill(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        file.write_text(f"[budget]\ntarget_calls_per_day = 2\n{file.read_text()}")
        peers = simulators(tmp_path)
        arguments = ("run", "--config", file, "--state", tmp_path / "state")
        for _ in range(2):
            async with command(*arguments) as run:
                await run.says("CONNECTING -> IN_SERVICE")
                assert await run.end(signal.SIGKILL) == -signal.SIGKILL
        async with command(*arguments) as run:
            await run.says("AUTHENTICATING -> INHIBITED")
            assert not run.has("CONNECTING")
            assert await run.end() == 0
        peers.close()

    asyncio.run(story())


def test_hangup_signal_reloads_and_a_file_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        peers = simulators(tmp_path)
        async with command("run", "--config", file) as run:
            await run.says("CONNECTING -> IN_SERVICE")
            text = file.read_text()
            file.write_text(text.replace("flush_delay = 0", "flush_delay = 7"))
            run.process.send_signal(signal.SIGHUP)
            await run.says("flush_delay 0 -> 7")
            await run.says("1 differences")
            file.write_text(text.replace("flush_delay = 0", "flush_delay = -7"))
            run.process.send_signal(signal.SIGHUP)
            await run.says("the configuration in force stays")
            assert run.has("flush_delay"), run.lines
            file.unlink()
            run.process.send_signal(signal.SIGHUP)
            await run.says("No such file")
            assert peers.lacs[0].lac.bank.in_use == 1
            assert await run.end() == 0
        peers.close()

    asyncio.run(story())


def test_scan_of_thousands_of_sites_is_told_in_fewer_than_a_hundred_lines_a_second(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        sites = [datagram(site=f"198.51.{n >> 8}.{n & 255}") for n in range(256, 5000)]
        capture = write_capture(tmp_path / "home.pcap", [(0, packet) for packet in sites])
        prefix = ('prefix = "198.51.100.0/24"', 'prefix = "198.51.0.0/16"')
        configuration(tmp_path, ('url = "mem:"', f'url = "pcap:{capture}"'), prefix)
        arguments = ("run", "--config", tmp_path / "live.toml", "--verbose", "--grace", "1")
        async with command(*arguments) as run:
            await run.says("lines left out")
            assert await run.end() == 0
            seconds = Counter(line[:19] for line in run.lines)
            assert max(seconds.values()) < 2 * 100, "a second of the log may touch two of the clock"
            assert len(run.lines) < 100 * (len(seconds) + 1)

    asyncio.run(story())


def test_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 3600)
        open_to_all = tmp_path / "open"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        async with command("run", "--config", file, "--state", open_to_all) as run:
            assert await run.exit() == 3
            assert run.has("its mode should be 0700")
        async with command("run", "--config", file, "--state", tmp_path / "a" / "b") as run:
            await run.says("started")
            assert os.stat(tmp_path / "a" / "b").st_mode & 0o777 == 0o700
            assert await run.end() == 0

    asyncio.run(story())


@pytest.mark.parametrize(("change", "code", "text"), [
    (('url = "pcap:', 'url = "udp:[::1'), 3, "udp:ADDRESS"),
    (('side = "home"', 'side = "nowhere"'), 3, '"home", "tunnel"'),
    (("home.pcap", "nothing.pcap"), 5, "nothing.pcap: No such file"),
])  # fmt: skip
def test_what_is_wrong_at_the_start_is_told_in_a_line(
    tmp_path: Path, change: tuple[str, str], code: int, text: str
) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        file.write_text(file.read_text().replace(*change))
        async with command("run", "--config", file) as run:
            assert await run.exit() == code
            assert run.has(text), run.lines
            assert not run.has("Traceback")

    asyncio.run(story())


def test_a_service_manager_hears_of_the_start_its_life_a_reload_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")

    async def hears(text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while text not in (await loop.sock_recv(manager, 4096)).decode().split("\n"):
                pass

    async def story() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        file = playing(tmp_path, 0)
        async with command("run", "--config", file, "--grace", "0.2") as run:
            await hears("READY=1")
            for _ in range(3):
                await hears("WATCHDOG=1")
            run.process.send_signal(signal.SIGHUP)
            await hears("RELOADING=1")
            await hears("READY=1")
            run.process.send_signal(signal.SIGTERM)
            await hears("STOPPING=1")
            assert await run.exit() == 0

    loop = asyncio.new_event_loop()
    asyncio.run(story())
    manager.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_started_by_root_it_runs_as_the_user_that_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        file = playing(tmp_path, 0)
        tmp_path.chmod(0o755)
        for folder in tmp_path.parents:
            if folder.stat().st_uid == 0 and folder != Path("/") and "pytest" in folder.name:
                folder.chmod(0o755)
        for path in tmp_path.iterdir():
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        async with command("run", "--config", file, "--user", "nobody") as run:
            await run.says("started")
            status = Path(f"/proc/{run.process.pid}/status").read_text()
            assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
            assert await run.end() == 0
        async with command("run", "--config", file, "--user", "no-such-user") as run:
            assert await run.exit() == 3
            assert run.has("--user no-such-user: there is no such user")

    asyncio.run(story())
