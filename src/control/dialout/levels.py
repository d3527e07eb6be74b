"""States of chassis, virtual routers and targets: three tables without actions.

Specification 1.4.1 to 1.4.3. None of them touches a session that there is: they decide whether new
ones are made. Guards are in the events' names; who tells them is chassis.py and targets.py.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Final

from control.fsm import Row, Table


class ChassisState(Enum):
    """Values of the MIB."""

    INIT_INCOMPLETE = 0
    IN_SERVICE = 1
    RESTRICTED = 2


class ChassisEvent(Enum):
    STARTED = "started"
    LIMIT_REACHED = "max_sessions is reached"
    BELOW_LIMIT = "below max_sessions"
    STOPPED = "stopped"


class VirtualRouterState(Enum):
    """Values of the MIB."""

    INIT_PENDING = 0
    INIT_FAILED = 1
    DOWN = 2
    IN_SERVICE = 3


class VirtualRouterEvent(Enum):
    READY = "triggers are accepted"
    HOOK_FAILED = "the data plane takes no dial-out route of it"
    DISABLED = "administratively down"
    NO_RADIUS = "there is no RADIUS group to ask"
    STOPPED = "stopped"


class TargetState(Enum):
    """Values of the MIB."""

    DOWN = 0
    INHIBITED = 1
    IN_SERVICE = 2


class TargetEvent(Enum):
    INSTALLED = "dial-out route installed"
    NO_ROOM = "the dial-out route found no room"
    LIMIT_REACHED = "max_sessions is reached"
    BELOW_LIMIT = "below max_sessions"
    WITHDRAWN = "dial-out route removed"


C, V, T = ChassisState, VirtualRouterState, TargetState
CE, VE, TE = ChassisEvent, VirtualRouterEvent, TargetEvent

CHASSIS: Final[Table[ChassisState, ChassisEvent, str]] = Table(
    "chassis",
    C,
    CE,
    {
        (state, event): Row(new)
        for event, column in {
            # From: initIncomplete, inService, restricted.
            CE.STARTED: (C.IN_SERVICE, C.IN_SERVICE, C.RESTRICTED),
            CE.LIMIT_REACHED: (C.INIT_INCOMPLETE, C.RESTRICTED, C.RESTRICTED),
            CE.BELOW_LIMIT: (C.INIT_INCOMPLETE, C.IN_SERVICE, C.IN_SERVICE),
            CE.STOPPED: (C.INIT_INCOMPLETE, C.INIT_INCOMPLETE, C.INIT_INCOMPLETE),
        }.items()
        for state, new in zip(C, column, strict=True)
    },
)

VIRTUAL_ROUTER: Final[Table[VirtualRouterState, VirtualRouterEvent, str]] = Table(
    "virtual router",
    V,
    VE,
    {
        # Each event says all there is to know: the state it comes in does not matter.
        (state, event): Row(new)
        for event, new in {
            VE.READY: V.IN_SERVICE,
            VE.HOOK_FAILED: V.INIT_FAILED,
            VE.DISABLED: V.DOWN,
            VE.NO_RADIUS: V.DOWN,
            VE.STOPPED: V.INIT_PENDING,
        }.items()
        for state in V
    },
)

TARGET: Final[Table[TargetState, TargetEvent, str]] = Table(
    "target",
    T,
    TE,
    {
        (state, event): Row(new)
        for event, column in {
            # From: down, inhibited, inService. A target that is down gets no session, so that its
            # limit is not what keeps it from coming back.
            TE.INSTALLED: (T.IN_SERVICE, T.INHIBITED, T.IN_SERVICE),
            TE.NO_ROOM: (T.DOWN, T.DOWN, T.DOWN),
            TE.LIMIT_REACHED: (T.DOWN, T.INHIBITED, T.INHIBITED),
            TE.BELOW_LIMIT: (T.DOWN, T.IN_SERVICE, T.IN_SERVICE),
            TE.WITHDRAWN: (T.DOWN, T.DOWN, T.DOWN),
        }.items()
        for state, new in zip(T, column, strict=True)
    },
)


@cache
def state_name(state: Enum) -> str:
    """As the MIB writes it: `inService`."""
    first, *rest = state.name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)
