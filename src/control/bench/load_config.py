"""The configuration of load figures: every limit raised to what the tables hold, and a far side of
as many sites as wanted, which answer at once."""

from __future__ import annotations

import ipaddress
from typing import Final

from control.config import (
    Budget,
    Chassis,
    Config,
    Port,
    Profile,
    Radius,
    RadiusServer,
    Sim,
    SimCpe,
    SimLac,
    SimRadius,
    SimUser,
    Target,
    VirtualRouter,
)
from control.radius.codec import RandomSource
from control.radius.packet import Packet
from control.sim.radius import SimRadiusServer

LOOPBACK: Final = "127.0"
IN_MEMORY: Final = "10.0"
"""First half of the addresses of all hosts."""
TARGET: Final = "10.16.0.0/12"
FIRST: Final = int(ipaddress.IPv4Address("10.16.0.1"))
DOMAIN: Final = "load.example"
RADIUS_SECRET: Final = b"radius secret"
TUNNEL_SECRET: Final = b"tunnel secret"
PASSWORD: Final = b"password"
BUFFERED: Final = 4096
"""Triggers held at once."""
_UNLIMITED: Final = 10**9
_ACCT_SESSION_ID: Final = 44


def site(number: int) -> str:
    """Address of a site, the destination of its triggers."""
    return str(ipaddress.IPv4Address(FIRST + number))


def our_address(half: str) -> str:
    return f"{half}.0.1"


def radius_address(half: str) -> str:
    return f"{half}.0.2"


def lac_address(half: str, number: int) -> str:
    return f"{half}.{1 + number // 250}.{1 + number % 250}"


def load_config(
    *,
    lacs: int,
    sessions: int,
    delay: float = 0.0,
    loss: float = 0.0,
    reorder: float = 0.0,
    half: str = IN_MEMORY,
    radius_port: int = 1812,
    ports: tuple[Port, ...] = (),
) -> Config:
    """Limits of `sessions`, no budget that binds, `lacs` LACs in turn. The impairments are those of
    every LAC's line; `delay` is also that of the sites."""
    return Config(
        chassis=Chassis(
            max_sessions=sessions, max_connecting=sessions, max_pending=sessions, flush_delay=0
        ),
        virtual_router=(
            VirtualRouter(
                "home",
                1,
                max_buffered_triggers=BUFFERED,
                radius="all",
                local_address=our_address(half),
            ),
        ),
        target=(Target(TARGET, "home", DOMAIN, "site", max_sessions=sessions),),
        profile=(Profile("site", idle_timeout=0, session_timeout=0),),
        radius=(Radius("all", (RadiusServer(radius_address(half), radius_port, RADIUS_SECRET),)),),
        port=ports,
        budget=Budget(
            calls_per_day=_UNLIMITED,
            target_calls_per_day=_UNLIMITED,
            target_minutes_per_day=_UNLIMITED,
            dial_rate=1e6,
            dial_burst=1_000_000,
            lac_dial_rate=1e6,
        ),
        sim=_sim(half, lacs, delay, loss, reorder, radius_port),
    )


class LoadRadius(SimRadiusServer):
    """Names the LACs in turn, one in each answer, and gives the peer of a call the address that the
    call was for: that its Acct-Session-Id tells, which both requests have."""

    def __init__(self, config: SimRadius, rng: RandomSource) -> None:
        super().__init__(config, rng)
        self._grants = [user for user in config.users if user.name.endswith(DOMAIN)]
        self._turn = 0
        self._called: dict[bytes, str] = {}

    def _accept(self, request: Packet, user: SimUser, address: str, proof: bytes) -> bytes:
        session = request.get(_ACCT_SESSION_ID)[0]
        if address:
            self._called[session] = address
            user = self._grants[self._turn % len(self._grants)]
            self._turn += 1
        address = address or self._called.get(session, "")
        return super()._accept(request, user, address, proof)


def _sim(half: str, lacs: int, delay: float, loss: float, reorder: float, radius_port: int) -> Sim:
    grants = (_grant(lac_address(half, number)) for number in range(lacs))
    users = (
        *(SimUser(f"*@{DOMAIN}", reply=rows) for rows in grants),
        SimUser("site", PASSWORD, (("Framed-IP-Address", "{address}"),)),
    )
    far = SimCpe(
        "*",
        username="site",
        password=PASSWORD,
        peer_username="lns",
        peer_password=PASSWORD,
        answer="fast",
        echo=False,
        delay=delay,
    )
    return Sim(
        lac=tuple(
            SimLac(
                lac_address(half, number),
                host_name=f"lac{number}",
                secret=TUNNEL_SECRET,
                modems=1_000_000,
                dial_delay=0.0,
                delay=delay,
                loss=loss,
                reorder=reorder,
            )
            for number in range(lacs)
        ),
        cpe=(far,),
        radius=(
            SimRadius(radius_address(half), radius_port, RADIUS_SECRET, delay=0.0, users=users),
        ),
    )


def _grant(lac: str) -> tuple[tuple[str, str], ...]:
    return (
        ("ERX-Dial-Out-Number", "4930"),
        ("ERX-PPP-Username", "lns"),
        ("ERX-PPP-Password", PASSWORD.decode()),
        ("Tunnel-Type:1", "L2TP"),
        ("Tunnel-Medium-Type:1", "IPv4"),
        ("Tunnel-Server-Endpoint:1", lac),
        ("Tunnel-Password:1", TUNNEL_SECRET.decode()),
    )
