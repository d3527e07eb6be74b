"""The table of commands: who may ask what of a running router, with which arguments, and which
schema the answer has.

What a command does is handlers.py, at its name. A row here, a handler there and a schema in
schemas.py make a command; the client's command line and its completion follow from the row.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from control.operation.arguments import (
    Argument,
    address,
    choice,
    expression,
    flag,
    integer,
    prefix,
    seconds,
    text,
)
from control.operation.roles import Role

SESSION_STATES: Final = (
    "dormant",
    "pending",
    "authenticating",
    "connecting",
    "inService",
    "inhibited",
    "postInhibited",
    "failed",
)
TARGET_STATES: Final = ("down", "inhibited", "inService")
ROUTER_STATES: Final = ("initPending", "initFailed", "down", "inService")
ROUTE_KINDS: Final = ("access", "dial-out", "other")
MOST_ROWS: Final = 2**31 - 1


class Command(NamedTuple):
    name: str
    """As it is asked for, and typed behind `dialout`."""
    role: Role
    """The least that may ask."""
    help: str
    result: str
    """Name of the schema of its result, or of each row."""
    arguments: tuple[Argument, ...] = ()
    rows: bool = False
    """The result is a list, sent in parts."""
    repeats: bool = False
    """The answer goes on until the client leaves."""


_DETAIL: Final = flag("detail", "every field of a row, not only those of a list", private=True)
_LIMIT: Final = integer("limit", "no more than this many rows", 1, MOST_ROWS)
_ROUTER: Final = text("virtual_router", "only of this virtual router")
_WHOSE: Final = text("virtual_router", "may be left out where there is one only")
_PREFIX: Final = prefix("prefix", "of the target", required=True, positional=True)
_LAC: Final = address("address", "of the LAC", required=True, positional=True)
_DESTINATION: Final = address("destination", "of the session", required=True, positional=True)
_WITHIN: Final = prefix("destination", "only to this address or inside this prefix")
_HANGUP: Final = flag("hangup", "close the calls that there are, too")

_SHOW: Final = (
    Command("show chassis", Role.READ, "the whole router", "chassis"),
    Command(
        "show virtual-routers",
        Role.READ,
        "routing tables with targets, states and counters",
        "virtual-router",
        (_DETAIL, _ROUTER, choice("state", "only in this state", ROUTER_STATES), _LIMIT),
        rows=True,
    ),
    Command(
        "show targets",
        Role.READ,
        "dial-out targets",
        "target",
        (
            _DETAIL,
            _ROUTER,
            choice("state", "only in this state", TARGET_STATES),
            prefix("destination", "only those whose prefix covers it"),
            flag("frozen", "only frozen ones"),
            _LIMIT,
        ),
        rows=True,
    ),
    Command(
        "show sessions",
        Role.READ,
        "dial-out sessions",
        "session",
        (
            _DETAIL,
            _ROUTER,
            choice("state", "only in this state", SESSION_STATES),
            _WITHIN,
            prefix("target", "only of this target"),
            address("lac", "only with a call through this LAC"),
            _LIMIT,
        ),
        rows=True,
    ),
    Command(
        "show tunnels",
        Role.READ,
        "L2TP tunnels",
        "tunnel",
        (
            address("lac", "only to this LAC"),
            flag("ended", "those that ended a short time ago, too"),
            _LIMIT,
        ),
        rows=True,
    ),
    Command(
        "show routes",
        Role.READ,
        "dial-out routes and access routes",
        "route",
        (
            _ROUTER,
            choice("kind", "only of this kind", ROUTE_KINDS),
            _WITHIN,
            flag("backup", "those behind the active route of their prefix, too"),
            _LIMIT,
        ),
        rows=True,
    ),
    Command(
        "show triggers",
        Role.READ,
        "destinations whose packets wait for a call",
        "trigger",
        (_ROUTER, _WITHIN, _LIMIT),
        rows=True,
    ),
    Command(
        "show calls",
        Role.READ,
        "calls being placed or connected, placed by us or by LACs",
        "call",
        (_ROUTER, _WITHIN, address("lac", "only through this LAC"), _LIMIT),
        rows=True,
    ),
    Command(
        "show records",
        Role.READ,
        "calls that have ended, the newest first: why each was made and what it cost",
        "record",
        (
            _ROUTER,
            prefix("target", "only of this target"),
            _WITHIN,
            address("lac", "only through this LAC"),
            _LIMIT,
        ),
        rows=True,
    ),
    Command("show counters", Role.READ, "everything that is counted", "counters"),
    Command("show health", Role.READ, "what is not as it should be", "health"),
    Command("show lacs", Role.READ, "LACs and how they are used", "lac", (_LIMIT,), rows=True),
    Command("show radius", Role.READ, "RADIUS servers", "radius", (_LIMIT,), rows=True),
    Command("show ports", Role.READ, "ports with what they carried", "port", (_LIMIT,), rows=True),
)

_CHANGE: Final = (
    Command(
        "session reset",
        Role.OPERATE,
        "close the call to a destination and let it dial again",
        "changed",
        (_DESTINATION, _WHOSE),
    ),
    Command(
        "session delete",
        Role.OPERATE,
        "close the call to a destination and forget the session",
        "changed",
        (_DESTINATION, _WHOSE),
    ),
    Command(
        "target add",
        Role.ADMIN,
        "one more target, until the next reload or restart",
        "changed",
        (
            _PREFIX,
            text("domain", "of User-Name", required=True),
            text("profile", "how PPP is built", required=True),
            _WHOSE,
            integer("max_sessions", "sessions of the target in any state", 1, 2**20),
            text("classifier", "which packets may place a call"),
        ),
    ),
    Command(
        "target remove",
        Role.ADMIN,
        "delete a target and its sessions, until the next reload or restart",
        "changed",
        (_PREFIX, _WHOSE),
    ),
    Command(
        "target freeze",
        Role.OPERATE,
        "no new calls of a target",
        "changed",
        (_PREFIX, _WHOSE, _HANGUP),
    ),
    Command(
        "target unfreeze", Role.OPERATE, "calls of a target again", "changed", (_PREFIX, _WHOSE)
    ),
    Command(
        "freeze",
        Role.OPERATE,
        "no new calls at all, or of one virtual router",
        "changed",
        (_ROUTER, _HANGUP),
    ),
    Command("unfreeze", Role.OPERATE, "calls again", "changed", (_ROUTER,)),
    Command("lac drain", Role.OPERATE, "no new calls through a LAC", "changed", (_LAC,)),
    Command("lac undrain", Role.OPERATE, "calls through a LAC again", "changed", (_LAC,)),
    Command(
        "lac shutdown", Role.OPERATE, "drain a LAC and close its calls now", "changed", (_LAC,)
    ),
    Command(
        "reload",
        Role.ADMIN,
        "put what the configuration file says now in force",
        "reload",
        (flag("dry_run", "only tell what that would do"),),
    ),
)

_ASK: Final = (
    Command(
        "counters",
        Role.READ,
        "everything that is counted, again and again",
        "counters",
        (seconds("watch", "seconds between two looks", 0.1, 3600.0, default=1.0, bare=True),),
        repeats=True,
    ),
    Command(
        "explain",
        Role.READ,
        "what becomes of a packet to a destination, and why",
        "explanation",
        (address("destination", "of the packet", required=True, positional=True), _WHOSE),
    ),
    Command(
        "top",
        Role.READ,
        "sessions, rates, ports, drops and hottest targets, live",
        "top",
        (seconds("watch", "seconds between two looks", 0.1, 60.0, default=1.0),),
        repeats=True,
    ),
    Command(
        "trace",
        Role.ADMIN,
        "what becomes of the next packets, step by step",
        "trace",
        (
            integer("count", "packets", 1, 1000, default=10),
            expression("filter", "only packets that this expression of tcpdump fits, as received"),
            seconds("patience", "seconds to wait for them", 0.1, 60.0, default=5.0),
        ),
    ),
    Command(
        "capture",
        Role.ADMIN,
        "packets as they pass, each once: as it left, or as received if it went no further",
        "capture",
        (
            expression("filter", "only packets that this expression of tcpdump fits"),
            integer("snaplen", "octets of each packet", 1, 65535, default=65535),
            integer("count", "end after so many packets", 1, MOST_ROWS),
            text("port", "only packets of this port"),
        ),
        repeats=True,
    ),
    Command("hello", Role.NONE, "who answers, and what the client may ask", "hello"),
)

COMMANDS: Final[dict[str, Command]] = {row.name: row for row in (*_SHOW, *_CHANGE, *_ASK)}
"""By name."""
VIEWS: Final = tuple(row.name.removeprefix("show ") for row in _SHOW)
"""What `dialout show` shows."""
