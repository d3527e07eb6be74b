"""What the commands of `dialout` do. Each takes the parsed arguments and returns an exit code."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control.cli import CONFIGURATION, FAILED, OK, PEER
from control.config import Config
from control.config_file import ConfigError, read_config

if TYPE_CHECKING:
    from control.replay import Replay

DEMO = Path(__file__).parent / "sim" / "demo.toml"
PROGRESS_INTERVAL = 0.5
"""Seconds of wall time between two progress lines; piped, ten times that."""


class Progress:
    """Rate and time left on standard error: a bar on a terminal, now and then a line when piped."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._next = self._start + self._interval
        self._drawn = False

    @property
    def _interval(self) -> float:
        return PROGRESS_INTERVAL if self._terminal else 10 * PROGRESS_INTERVAL

    def __call__(self, replay: Replay) -> None:
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        self._next = now + self._interval
        elapsed = now - self._start
        share = replay.home.position / max(1, replay.home.size)
        rate = replay.home.packets / elapsed
        left = elapsed / share - elapsed if share else 0.0
        text = f"{share:6.1%}  {rate:12,.0f} packets/s  {left:6.0f} s left"
        if self._terminal:
            bar = "#" * int(30 * share)
            print(f"\r[{bar:<30}] {text}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def replay(arguments: argparse.Namespace) -> int:
    """`dialout replay`."""
    config = read_config(arguments.config) if arguments.config else Config()
    data, seconds = _run(
        config,
        arguments.captures,
        write=arguments.write,
        report=arguments.report,
        limit=arguments.limit,
        seed=arguments.seed,
        arguments=arguments,
    )
    _print_result(data, seconds, arguments)
    return FAILED if data["errors"] or not data["accounted_for"] else OK


def demo(arguments: argparse.Namespace) -> int:
    """`dialout demo`: exit code 4 if no call came up."""
    from control.sim.traffic import home_site_capture

    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    capture, output, report = (folder / n for n in ("home-site.pcap", "out.pcapng", "report.json"))
    home_site_capture(capture)
    data, seconds = _run(
        read_config(str(DEMO)),
        [str(capture)],
        write=str(output),
        report=str(report),
        limit=None,
        seed=None,
        arguments=arguments,
        loud=not arguments.quiet and not arguments.json,
    )
    _print_result(data, seconds, arguments)
    if not arguments.quiet and not arguments.json:
        print("\nfiles written")
        print(f"  {capture}  what the home site sent")
        print(f"  {output}  what left the router, each packet with its verdict")
        print(f"  {report}  timeline, sessions, counters")
    if data["errors"] or not data["accounted_for"]:
        return FAILED
    forwarded = data["verdicts"]["FORWARD"] and data["counters"]["decapsulated"]
    return OK if forwarded else PEER


def check(arguments: argparse.Namespace) -> int:
    """`dialout check`."""
    try:
        config = read_config(arguments.config)
    except ConfigError as error:
        if not arguments.json:
            raise
        problems = [
            {"file": p.file, "line": p.line, "key": p.key, "value": p.value, "allowed": p.allowed}
            for p in error.errors
        ]
        print(json.dumps({"ok": False, "errors": problems}, indent=2))
        return CONFIGURATION
    if arguments.json:
        print(json.dumps({"ok": True, "errors": []}, indent=2))
    else:
        print(
            f"{arguments.config}: ok: {len(config.virtual_router)} virtual routers, "
            f"{len(config.target)} targets, {len(config.lac)} LACs, "
            f"{len(config.radius)} RADIUS groups"
        )
    return OK


def _run(
    config: Config,
    captures: list[str],
    *,
    write: str | None,
    report: str | None,
    limit: int | None,
    seed: int | None,
    arguments: argparse.Namespace,
    loud: bool = False,
) -> tuple[dict[str, Any], float]:
    """Runs one replay; returns its report and the wall time it took."""
    from control import report as reporting
    from control.dialout import events
    from control.replay import Replay

    timeline: list[events.Event] = []
    say = loud or arguments.verbose

    def on_event(event: events.Event) -> None:
        timeline.append(event)
        if say:
            print(reporting.timeline_line(event))

    progress = Progress(arguments.quiet or say or arguments.json)
    start = time.monotonic()
    if say:
        print(f"{'time':>10}  {'event':<12}particulars")
    run = Replay(
        config,
        captures,
        write=write,
        limit=limit,
        seed=seed,
        on_event=on_event,
        on_progress=progress,
    )
    try:
        run.run()
    finally:
        progress.clear()
    data = reporting.report(run, timeline)
    if report is not None:
        Path(report).write_text(json.dumps(data, indent=1) + "\n")
    for problem in run.outcome.errors:
        print(f"dialout: {problem}", file=sys.stderr)
    return data, time.monotonic() - start


def _print_result(data: dict[str, Any], seconds: float, arguments: argparse.Namespace) -> None:
    from control import report as reporting

    if arguments.json:
        print(json.dumps(data, indent=1))
    elif not arguments.quiet:
        print()
        for line in reporting.summary(data):
            print(line)
        rate = data["packets"] / seconds if seconds else 0.0
        print(f"{'wall time':<28}{seconds:>12.3f} s   {rate:,.0f} packets/s")


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "replay": replay,
    "demo": demo,
    "check": check,
}
