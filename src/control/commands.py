"""What the commands of `dialout` do. Each takes the parsed arguments and returns an exit code."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from control.config import Config
from control.config_file import ConfigError, read_config
from control.config_warnings import warnings
from control.console import Progress, printable, say
from control.difference import difference
from control.errors import ConfigurationError
from control.exit_codes import CONFIGURATION, FAILED, INTERRUPTED, OK, PEER

if TYPE_CHECKING:
    from control.dialout.events import Event
    from control.replay import Replay
    from control.replay_to import Sending

DEMO = Path(__file__).parent / "sim" / "demo.toml"

Report = dict[str, Any]


def replay(arguments: argparse.Namespace) -> int:
    """`dialout replay`."""
    if arguments.to is not None:
        return _send(arguments)
    config = Config() if arguments.config is None else read_config(arguments.config)
    report = _run(
        config,
        arguments.captures,
        arguments,
        write=arguments.write,
        report=arguments.report,
        page=arguments.html,
        limit=arguments.limit,
        seed=arguments.seed,
    )
    return _exit_code(report)


def _send(arguments: argparse.Namespace) -> int:
    """`dialout replay --to`."""
    from control import replay_to
    from control.replay_arguments import sending_of

    sending = replay_to.Sending(arguments.captures, **sending_of(arguments))
    with _stopped_by_ctrl_c(sending):
        sent = sending.run()
    for problem in sent.errors:
        say(f"dialout: {problem}")
    if arguments.json:
        print(json.dumps(sent.as_json(), indent=1))
    elif not arguments.quiet:
        print("\n".join(replay_to.summary(sent)))
    if sent.interrupted:
        say("dialout: interrupted")
        return INTERRUPTED
    return FAILED if sent.errors else OK


def demo(arguments: argparse.Namespace) -> int:
    """`dialout demo`: exit code 4 if no call came up."""
    from control.sim.traffic import home_site_capture

    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("home-site.pcap", "out.pcapng", "report.json", "report.html")
    capture, output, report, page = (folder / name for name in names)
    home_site_capture(capture)
    told = not arguments.quiet and not arguments.json
    data = _run(
        read_config(DEMO),
        [str(capture)],
        arguments,
        write=str(output),
        report=str(report),
        page=str(page),
        timeline=told,
    )
    if told:
        print("\nfiles written")
        print(f"  {capture}  what the home site sent")
        print(f"  {output}  what left the router, each packet with its verdict")
        print(f"  {report}  timeline, sessions, counters")
        print(f"  {page}  the same with plots, for a browser")
    code = _exit_code(data)
    if code == OK and not (data["verdicts"]["FORWARD"] and data["counters"]["decapsulated"]):
        say(f"dialout: no call came up: {_why_no_call(data)}")
        return PEER
    return code


def _why_no_call(report: Report) -> str:
    for session in report["sessions"]:
        if session["last_failure"] is not None:
            return str(session["last_failure"]["reason"])
    states = {session["state"] for session in report["sessions"]}
    return f"still {' and '.join(sorted(states))}" if states else "no packet was a trigger"


def check(arguments: argparse.Namespace) -> int:
    """`dialout check`."""
    try:
        config = read_config(arguments.config)
        running = read_config(arguments.against) if arguments.against is not None else None
    except ConfigError as error:
        if not arguments.json:
            raise
        problems = [
            {"file": p.file, "line": p.line, "key": p.key, "value": p.value, "allowed": p.allowed}
            for p in error.errors
        ]
        print(json.dumps({"ok": False, "errors": problems}, indent=2))
        return CONFIGURATION
    changes = () if running is None else difference(running, config).changes
    if arguments.json:
        told: Report = {"ok": True, "errors": [], "warnings": warnings(config)}
        if running is not None:
            told["changes"] = [change.as_dict() for change in changes]
        print(json.dumps(told, indent=2))
        return OK
    print(
        f"{printable(arguments.config)}: ok: {len(config.virtual_router)} virtual routers, "
        f"{len(config.target)} targets, {len(config.lac)} LACs, "
        f"{len(config.radius)} RADIUS groups"
    )
    for warning in warnings(config):
        say(f"WARNING: {printable(warning)}")
    for change in changes:
        print(printable(str(change)))
    if running is not None and not changes:
        print(f"no difference from {printable(arguments.against)}")
    return OK


def run(arguments: argparse.Namespace) -> int:
    """`dialout run`."""
    # Modules and configuration are a million objects that all stay: nothing to collect before
    # control.runtime.collector says so.
    gc.disable()
    try:
        return _run_router(arguments)
    finally:
        gc.enable()


def _run_router(arguments: argparse.Namespace) -> int:
    from control.log import Level
    from control.runtime import run as running

    level = Level.DEBUG if arguments.verbose else Level.WARNING if arguments.quiet else Level.INFO
    return running.run(
        arguments.config,
        state=arguments.state,
        grace=arguments.grace,
        as_json=arguments.json,
        level=level,
        user=arguments.user,
        to=arguments.log,
        socket=arguments.socket,
    )


def sim(arguments: argparse.Namespace) -> int:
    """`dialout sim`. Ends by a signal are no errors: that is how a server ends."""
    from control.sim import run as simulators

    config = read_config(arguments.config).sim
    for part in arguments.parts:
        if not getattr(config, part) or (part == "cpe" and not any(c.line for c in config.cpe)):
            what = f"[[sim.{part}]]" + (" with a line" if part == "cpe" else "")
            raise ConfigurationError(f"{arguments.config}: there is no {what} to run")
    told = not arguments.quiet and not arguments.json
    with _opened(arguments.report) as file:
        data = simulators.run(
            config,
            arguments.parts,
            duration=arguments.duration,
            seed=arguments.seed,
            tell=lambda line: print(line, flush=True) if told else None,
        )
        text = json.dumps(data, indent=1) + "\n"
        if file is not None:
            file.write(text)
    if arguments.json:
        print(text, end="")
    elif told:
        print("\n".join(simulators.summary(data)))
    return OK


def bench(arguments: argparse.Namespace) -> int:
    """`dialout bench`."""
    from control.bench import command

    with _opened(arguments.plot) as plot, _opened(arguments.html) as page:
        command.bench(
            arguments.groups,
            peers=arguments.peers,
            table=arguments.table,
            trace=arguments.trace,
            rules=arguments.rules,
            quick=arguments.quick,
            as_json=arguments.json,
            plot=plot,
            page=page,
            seed=arguments.seed,
            days=arguments.days,
            placed=arguments.calls,
        )
    return OK


def _exit_code(report: Report) -> int:
    if report["interrupted"]:
        say("dialout: interrupted")
        return INTERRUPTED
    return FAILED if report["errors"] or not report["accounted_for"] else OK


def _run(
    config: Config,
    captures: Sequence[str],
    arguments: argparse.Namespace,
    *,
    write: str | None,
    report: str | None,
    page: str | None = None,
    limit: int | None = None,
    seed: int | None = None,
    timeline: bool = False,
) -> Report:
    """Runs one replay, tells and writes what it came to, and returns its report."""
    from control import report as reporting
    from control.html_report.replay_page import replay_page
    from control.replay import Replay, verdict_series

    told = _Timeline(arguments.json) if timeline or arguments.verbose else None
    happened: list[Event] = []
    series = None if page is None else verdict_series()

    def on_event(event: Event) -> None:
        happened.append(event)
        if told is not None:
            told.line(reporting.timeline_line(event))

    progress = Progress(arguments.quiet or arguments.json or told is not None)
    start = time.monotonic()
    run = Replay(
        config,
        captures,
        write=write,
        limit=limit,
        seed=seed,
        on_event=on_event,
        on_progress=progress,
        series=series,
    )
    # Opened before the run: an hour's work is not done to find that it cannot be told.
    with _opened(report) as file, _opened(page) as html:
        try:
            with _stopped_by_ctrl_c(run):
                run.run()
        finally:
            progress.clear()
        data = reporting.report(run, happened)
        text = json.dumps(data, indent=1) + "\n"
        if file is not None:
            file.write(text)
        if html is not None and series is not None:
            names = [os.path.basename(path) for path in captures]
            html.write(replay_page(data, happened, series, names))
    for problem in run.outcome.errors:
        say(f"dialout: {problem}")
    if arguments.json:
        print(text, end="")
    elif not arguments.quiet:
        _print_summary(data, time.monotonic() - start)
    return data


class _Timeline:
    """Prints events as they come; beside JSON on standard error."""

    def __init__(self, beside_json: bool) -> None:
        self._print: Callable[[str], None] = say if beside_json else print
        self.line(f"{'time':>10}  {'event':<12}particulars")

    def line(self, text: str) -> None:
        self._print(text)


@contextmanager
def _opened(path: str | None) -> Iterator[TextIO | None]:
    """A text file to write; errors of writing name it, as those of opening do."""
    if path is None:
        yield None
        return
    file = open(path, "w", encoding="utf-8")  # noqa: SIM115
    try:
        yield file
    finally:
        try:
            file.close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None


@contextmanager
def _stopped_by_ctrl_c(run: Replay | Sending) -> Iterator[None]:
    """The first Ctrl-C ends the run between two steps, so that all that is written is whole; a
    second one is not waited for."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # a shell has us ignore it, or somebody else cares
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _print_summary(data: Report, seconds: float) -> None:
    from control import report as reporting

    print()
    for line in reporting.summary(data):
        print(line)
    rate = data["packets"] / seconds if seconds else 0.0
    print(f"{'wall time':<28}{seconds:>12.3f} s   {rate:,.0f} packets/s")


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "replay": replay,
    "demo": demo,
    "check": check,
    "run": run,
    "sim": sim,
    "bench": bench,
}
