"""The command line of `dialout`: what may be typed, and what is refused before anything is done."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from control.console import say
from control.exit_codes import USAGE
from control.replay_arguments import add_sending, file_of, refuse_mixture
from control.show.arguments import add_operation
from control.version import __version__

EXIT_CODES: Final = """\
exit codes:
  0 ok   1 failed (a damaged input too)   2 usage   3 configuration
  4 peer or authentication   5 resource or permission   130 interrupted"""

BENCHMARKS: Final = (
    "ipv4",
    "ipv6",
    "load",
    "update",
    "beside",
    "classify",
    "packets",
    "calls",
    "replay",
)
"""What `dialout bench` can measure."""

LONG_BENCHMARKS: Final = (
    "soak", "storm", "signalling", "freeradius", "tun", "io", "ethernet", "kernel", "operation",
)  # fmt: skip
"""What it measures only if it is named."""

SIMULATORS: Final = ("lac", "cpe", "radius")
"""What `dialout sim` can run."""

MAXIMUM_SECONDS: Final = 31 * 86400
"""Longest --duration."""

MAXIMUM_DAYS: Final = 3650
"""Longest --days of a soak."""

MAXIMUM: Final = 2**63 - 1
"""Largest number that --limit and --seed take, and `seed` in a configuration."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # Scripts must not break when a flag with the same beginning comes.
            allow_abbrev=False,
            **kwargs,
        )

    def error(self, message: str) -> NoReturn:
        say(f"{self.format_usage()}dialout: {message}")
        self.exit(USAGE)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments. Raises SystemExit after --help, --version and what cannot be meant."""
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command == "replay":
        refuse_mixture(top, arguments)
    if arguments.command in ("replay", "bench", "sim"):
        _refuse_overwriting(top, arguments)
    return arguments


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="dialout", description="L2TP dial-out LNS: places a call when a packet needs one."
    )
    top.add_argument("--version", action="version", version=f"dialout {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    _add_replay(commands)
    demo = commands.add_parser(
        "demo",
        help="place a dial-out call with the built-in LAC, CPE and RADIUS server",
        description="Reads a generated capture of a home site; its first packet to the remote\n"
        "site places a call through the simulated LAC; everything else follows it.",
    )
    demo.add_argument(
        "--output", type=_file, metavar="DIR", default="dialout-demo", help="default: %(default)s"
    )
    demo.add_argument("--json", action="store_true", help="print the report, not the timeline")
    _add_verbosity(demo)

    _add_check(commands)
    _add_run(commands)
    _add_sim(commands)
    _add_bench(commands.add_parser("bench", help="measure the data plane", **_BENCH))
    add_operation(commands)
    return top


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Validates a configuration and prints every error with file, line, key,\n"
        "value and what is allowed.",
    )
    check.add_argument(
        "--config", type=_file, metavar="FILE", required=True, help="the configuration"
    )
    check.add_argument(
        "--against",
        type=_file,
        metavar="RUNNING",
        help="also print what loading it into a router that runs RUNNING would do",
    )
    check.add_argument("--json", action="store_true", help="print the errors as JSON")


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="run captures through the whole system in virtual time",
        description="Runs captures through data plane, control plane and simulated peers in\n"
        "virtual time. Several inputs are merged by time. Without a configuration\n"
        "there are no targets and no local addresses.",
    )
    replay.add_argument(
        "captures", nargs="+", type=_file, metavar="IN.pcap", help="pcap or pcapng file"
    )
    replay.add_argument("--config", type=_file, metavar="FILE", help="TOML configuration")
    replay.add_argument(
        "--write", type=_file, metavar="OUT.pcapng", help="capture of what left the router"
    )
    replay.add_argument(
        "--report", type=_file, metavar="REPORT.json", help="machine-readable report"
    )
    replay.add_argument(
        "--html",
        type=_file,
        metavar="REPORT.html",
        help="report with plots for a browser",
    )
    replay.add_argument("--limit", type=_number, metavar="N", help="stop after N packets")
    replay.add_argument("--seed", type=_number, metavar="N", help="instead of the one in [sim]")
    replay.add_argument("--json", action="store_true", help="print the report on standard output")
    add_sending(replay)
    _add_verbosity(replay)


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="run the router in the foreground",
        description="Runs the router on real sockets until SIGTERM or Ctrl-C, then closes every\n"
        "call and tunnel and waits for what their peers have to say to it; asked\n"
        "twice, it does not wait. The log goes to standard output, a line each.",
    )
    run.add_argument(
        "--config", type=_file, metavar="FILE", required=True, help="the configuration"
    )
    run.add_argument(
        "--state", type=_file, metavar="DIR", help="where budgets and call records outlive it"
    )
    run.add_argument(
        "--grace",
        type=_seconds,
        metavar="SECONDS",
        default=5.0,
        help="how long the end may wait for peers; default: %(default)s",
    )
    run.add_argument(
        "--socket",
        type=_file,
        metavar="PATH",
        help="control socket, or none; default: as the configuration says",
    )
    run.add_argument(
        "--user",
        metavar="NAME",
        default="",
        help="whose rights it has from the beginning, with the capabilities that its ports need",
    )
    run.add_argument(
        "--log",
        choices=("auto", "stdout", "journal"),
        default="auto",
        help="where the log goes; auto: to the systemd journal, with fields, if standard\n"
        "output leads there, else to standard output",
    )
    run.add_argument("--json", action="store_true", help="log lines as JSON, on standard output")
    _add_verbosity(run)


def _add_sim(commands: Any) -> None:
    sim = commands.add_parser(
        "sim",
        help="run simulated LACs, sites and RADIUS servers for an LNS under test",
        description="Runs parts of the [sim] of a configuration on real sockets, until Ctrl-C or\n"
        "the end of the duration. Then it prints calls per second, times to set them up\n"
        "and results.\n\n"
        "  lac     each [[sim.lac]] on its UDP port, with the [[sim.cpe]] behind its modems\n"
        "  radius  each [[sim.radius]] on its UDP port\n"
        "  cpe     each [[sim.cpe]] whose line is a TCP port, there: a connection is a call\n"
        "          of a LAC's modem, PPP in async HDLC (RFC 1662)",
    )
    sim.add_argument(
        "parts",
        nargs="+",
        choices=SIMULATORS,
        metavar="PART",
        help=f"any of {', '.join(SIMULATORS)}",
    )
    sim.add_argument(
        "--config", type=_file, metavar="FILE", required=True, help="the configuration with [sim]"
    )
    sim.add_argument(
        "--duration",
        type=_seconds,
        metavar="SECONDS",
        help="end by itself; default: behind the last [[sim.phase]], if there is one",
    )
    sim.add_argument("--seed", type=_number, metavar="N", help="instead of the one in [sim]")
    sim.add_argument("--report", type=_file, metavar="REPORT.json", help="machine-readable report")
    sim.add_argument("--json", action="store_true", help="print the report on standard output")
    sim.add_argument("-q", "--quiet", action="store_true", help="errors only")


_BENCH: Final[dict[str, Any]] = {
    "description": "Measures lookups, updates, packets and replay on this machine, at least ten\n"
    "times each in turn, and prints medians. A ratio above 1 always means that ours\n"
    "is better; the spread is the distance of the quartiles over the median."
}


def _add_bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument(
        "groups",
        nargs="*",
        type=_benchmark,
        metavar="GROUP",
        help=f"any of {', '.join(BENCHMARKS)}; default: all of these. "
        f"Or of {', '.join(LONG_BENCHMARKS)}, which take minutes",
    )
    bench.add_argument(
        "--days", type=_days, metavar="N", help="simulated days of a soak; default 30"
    )
    bench.add_argument("--calls", type=_number, metavar="N", help="calls of a soak; default 20000")
    bench.add_argument("--seed", type=_number, metavar="N", help="of a soak; default 1")
    bench.add_argument(
        "--peers", action="store_true", help="beside DPDK's tables (needs libdpdk-dev and gcc)"
    )
    bench.add_argument("--json", action="store_true", help="print the rows as JSON")
    bench.add_argument("--plot", type=_file, metavar="FILE.svg", help="draw the rows")
    bench.add_argument(
        "--html", type=_file, metavar="FILE.html", help="the same as a page for a browser"
    )
    bench.add_argument(
        "--table",
        type=_file,
        metavar="FILE",
        help="your routes instead of generated ones: text, MRT or a saved table",
    )
    bench.add_argument(
        "--trace", type=_file, metavar="PCAP", help="your traffic beside generated streams"
    )
    bench.add_argument(
        "--rules",
        type=_file,
        metavar="FILE",
        help="your rules instead of generated ones: ClassBench, or as in a configuration",
    )
    bench.add_argument(
        "--quick", action="store_true", help="tiny sizes: whether it runs, not how fast"
    )


def _add_verbosity(command: argparse.ArgumentParser) -> None:
    loudness = command.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="every state change")
    loudness.add_argument("-q", "--quiet", action="store_true", help="errors only")


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a file, not empty")
    return text


def _benchmark(text: str) -> str:
    if text not in BENCHMARKS + LONG_BENCHMARKS:
        allowed = ", ".join(BENCHMARKS + LONG_BENCHMARKS)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {allowed}")
    return text


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= MAXIMUM_DAYS:
        raise argparse.ArgumentTypeError(f"must be days above 0, up to {MAXIMUM_DAYS}")
    return value


def _number(text: str) -> int:
    allowed = f"must be a whole number from 0 to {MAXIMUM}"
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAXIMUM))):
        raise argparse.ArgumentTypeError(allowed)
    if (value := int(text)) > MAXIMUM:
        raise argparse.ArgumentTypeError(allowed)
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= MAXIMUM_SECONDS:
        raise argparse.ArgumentTypeError(f"must be seconds above 0, up to {MAXIMUM_SECONDS}")
    return value


def _refuse_overwriting(top: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """No output may be a file that is read, or the other output."""
    if arguments.command == "bench":
        inputs = [("the table", arguments.table), ("the trace", arguments.trace)]
        inputs.append(("the rules", arguments.rules))
        outputs = [("--plot", arguments.plot), ("--html", arguments.html)]
    elif arguments.command == "sim":
        inputs = [("the configuration", arguments.config)]
        outputs = [("--report", arguments.report)]
    else:
        inputs = [("an input", path) for path in arguments.captures]
        inputs.append(("the configuration", arguments.config))
        outputs = [("--write", arguments.write), ("--report", arguments.report)]
        outputs.append(("--html", arguments.html))
        outputs.append(("--to", file_of(arguments.to)))
    taken = [(what, path) for what, path in inputs if path is not None]
    for option, path in outputs:
        if path is None:
            continue
        for what, other in taken:
            if _is_same(path, other):
                top.error(f"{option} {path} is {what} as well")
        taken.append((f"what {option} writes", path))


def _is_same(path: str, other: str) -> bool:
    """Whether both name one file, by whatever links; devices and pipes may be named twice."""
    try:
        return os.path.samefile(path, other) and os.path.isfile(path)
    except OSError:
        # One of them is not there (yet).
        return os.path.realpath(path) == os.path.realpath(other)
