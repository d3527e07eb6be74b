"""The command `dialout`: arguments in, exit codes out.

What a command does stands in commands.py, which is imported only when it is wanted, so that --help
answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from control.version import __version__

OK, FAILED, USAGE, CONFIGURATION, PEER, RESOURCE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = """\
exit codes:
  0 ok   1 failed (a damaged input too)   2 usage   3 configuration
  4 peer or authentication   5 resource or permission   130 interrupted"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"dialout: {message}\n")


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


_count.__name__ = "number (0 or more)"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="dialout",
        description="L2TP dial-out LNS: places a call when a packet needs one.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dialout {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    replay = commands.add_parser(
        "replay",
        help="run captures through the whole system in virtual time",
        description="Runs captures through data plane, control plane and simulated peers in "
        "virtual time. Several inputs are merged by time. Without a configuration there are no "
        "targets and no local addresses.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument("captures", nargs="+", metavar="IN.pcap", help="pcap or pcapng file")
    replay.add_argument("--config", metavar="FILE", help="TOML configuration")
    replay.add_argument("--write", metavar="OUT.pcapng", help="capture of what left the router")
    replay.add_argument("--report", metavar="REPORT.json", help="machine-readable report")
    replay.add_argument("--limit", type=_count, metavar="N", help="stop after N packets")
    replay.add_argument("--seed", type=_count, metavar="N", help="instead of the one in [sim]")
    replay.add_argument("--json", action="store_true", help="print the report on standard output")
    _add_verbosity(replay)

    demo = commands.add_parser(
        "demo",
        help="place a dial-out call with the built-in LAC, CPE and RADIUS server",
        description="Reads a generated capture of a home site; its first packet to the remote "
        "site places a call through the simulated LAC; everything else follows it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument(
        "--output", metavar="DIR", default="dialout-demo", help="default: %(default)s"
    )
    demo.add_argument("--json", action="store_true", help="print the report, not the timeline")
    _add_verbosity(demo)

    check = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Validates a configuration and prints every error with file, line, key, value "
        "and what is allowed.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("--config", metavar="FILE", required=True)
    check.add_argument("--json", action="store_true", help="print the errors as JSON")
    return top


def _add_verbosity(command: argparse.ArgumentParser) -> None:
    loudness = command.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="every state change")
    loudness.add_argument("-q", "--quiet", action="store_true", help="errors only")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. No traceback reaches a user."""
    arguments = parser().parse_args(argv)
    from control import commands
    from control.config_file import ConfigError
    from control.errors import DialoutError

    try:
        return commands.COMMANDS[arguments.command](arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return CONFIGURATION
    except KeyboardInterrupt:
        print("dialout: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: there is nobody left to tell.
        sys.stderr.close()
        return FAILED
    except PermissionError as error:
        print(f"dialout: {error.filename}: {error.strerror}", file=sys.stderr)
        return RESOURCE
    except MemoryError as error:
        print(f"dialout: out of memory: {error}", file=sys.stderr)
        return RESOURCE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"dialout: {where}{error.strerror or error}", file=sys.stderr)
        return FAILED
    except DialoutError as error:
        print(f"dialout: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
