"""The arguments of `dialout replay` that send captures out of a port, and what goes with them."""

from __future__ import annotations

import argparse
from typing import Any, Final, NamedTuple

MAXIMUM_RATE: Final = 1e9
"""Packets a second, and the factor of --speed, at the most."""

MAXIMUM_LOOP: Final = 10**9

SPEEDS: Final = (
    "must be max, a factor of the captures' times such as 1x or 2.5x, or packets a second; "
    "both above 0 and up to 1e+09"
)

SINKS: Final = {
    "udp": "udp:ADDRESS[:PORT]",
    "tun": "tun:NAME",
    "packet": "packet:INTERFACE",
    "pcap": "pcap:FILE",
}
"""What --to takes, by scheme."""


class Speed(NamedTuple):
    """What --speed says; zeros: as fast as it goes."""

    factor: float = 0.0
    """Of the captures' times."""
    rate: float = 0.0
    """Packets a second."""


def add_sending(replay: argparse.ArgumentParser) -> None:
    """Adds --to, --speed and --loop."""
    sending = replay.add_argument_group(
        "sending instead",
        "With --to, packets go out of a real port; there is no router, and no virtual time.",
    )
    sending.add_argument(
        "--to", type=_sink, metavar="URL", help=f"one of {', '.join(SINKS.values())}"
    )
    sending.add_argument(
        "--speed",
        type=_speed,
        metavar="SPEED",
        help="1x, 2.5x: by the captures' times; max; or packets a second. Default: 1x",
    )
    sending.add_argument(
        "--loop", type=_loop, metavar="N", help="send everything N times; default: once"
    )


def refuse_mixture(top: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Sending has no configuration and no report, and what is not sent has no speed."""
    given = vars(arguments)
    if arguments.to is None:
        alone = [name for name in ("speed", "loop") if given[name] is not None]
        if alone:
            top.error(f"--{alone[0]} needs --to")
        return
    other = [
        name for name in ("config", "write", "report", "html", "seed") if given[name] is not None
    ]
    if other:
        top.error(f"--{other[0]} has no meaning with --to")


def file_of(url: str | None) -> str | None:
    """The file that --to writes, if it does."""
    scheme, _, rest = (url or "").partition(":")
    return rest if scheme == "pcap" else None


def _sink(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if scheme not in SINKS or not colon or not rest:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(SINKS.values())}")
    return text


def _speed(text: str) -> Speed:
    if text == "max":
        return Speed()
    factor = text.endswith("x")
    value = _real(text[:-1] if factor else text)
    if not 0 < value <= MAXIMUM_RATE:
        raise argparse.ArgumentTypeError(f"{text!r} {SPEEDS}")
    return Speed(factor=value) if factor else Speed(rate=value)


def _real(text: str) -> float:
    # float() also knows nan, inf, blanks and underlines.
    if not text or not set(text) <= set("0123456789.e+-"):
        return 0.0
    try:
        return float(text)
    except ValueError:
        return 0.0


def _loop(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0
    if not 1 <= value <= MAXIMUM_LOOP:
        allowed = f"must be a whole number from 1 to {MAXIMUM_LOOP}"
        raise argparse.ArgumentTypeError(f"{text!r} {allowed}")
    return value


def sending_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of control.replay_to.send."""
    return {
        "url": arguments.to,
        "speed": arguments.speed or Speed(factor=1.0),
        "laps": arguments.loop or 1,
        "limit": arguments.limit,
    }
