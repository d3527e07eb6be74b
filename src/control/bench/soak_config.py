"""What a soak runs with: four targets of 200 sites, three LACs on bad lines, budgets that bind."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from control.config import (
    Budget,
    Chassis,
    Config,
    Lac,
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

OUR: Final = "10.0.0.1"
RADIUS: Final = "10.8.0.1"
LACS: Final = ("10.9.0.1", "10.9.0.2", "10.9.0.3")
TARGETS: Final = tuple(f"10.16.{number}.0/24" for number in range(4))
SITES: Final = 200
"""In each target."""
_TUNNEL: Final = b"tunnel secret"
_SECRET: Final = b"radius secret"
_PASSWORD: Final = b"password"


def destination(target: int, site: int) -> str:
    return f"10.16.{target}.{site + 1}"


def soak_config(days: float, calls: int, *, edition: int = 0) -> Config:
    """Budgets allow a day somewhat more than the mean. Editions differ as reloads may: a target
    more, other limits, another timer."""
    mean = calls / max(days, 1 / 24)
    targets = [
        Target(prefix, "home", "soak.example", "site", max_sessions=150) for prefix in TARGETS
    ]
    if edition & 1:
        targets.append(Target("10.17.0.0/24", "home", "soak.example", "site"))
    if edition & 2:
        targets[0] = replace(targets[0], max_sessions=120)
    return Config(
        chassis=Chassis(max_sessions=600, max_connecting=30, max_pending=20, dormant_timer=120),
        virtual_router=(VirtualRouter("home", 1, radius="all", local_address=OUR),),
        target=tuple(targets),
        profile=(Profile("site", idle_timeout=120, session_timeout=1800 if edition & 2 else 3600),),
        lac=tuple(Lac(address, lockout=30.0) for address in LACS),
        radius=(Radius("all", (RadiusServer(RADIUS, secret=_SECRET),)),),
        budget=Budget(
            calls_per_day=round(mean * 1.15) + 20,
            target_calls_per_day=round(mean * 0.3) + 10,
            target_minutes_per_day=round(mean * 2.5) + 60,
            dial_rate=2.0,
            dial_burst=30,
            lac_dial_rate=1.0,
        ),
        sim=_sim(),
    )


def _sim() -> Sim:
    users: list[SimUser] = []
    sites: list[SimCpe] = []
    for target in range(len(TARGETS)):
        for site in range(SITES):
            address, number = destination(target, site), f"4{target}{site:03d}"
            users.append(SimUser(f"{address}@soak.example", reply=_grant(number, site)))
            name = f"site{number}"
            users.append(SimUser(name, _PASSWORD, (("Framed-IP-Address", address),)))
            sites.append(_site(number, name))
    lacs = tuple(
        SimLac(
            address,
            host_name=f"lac{index}",
            secret=_TUNNEL,
            modems=25,
            outcomes=(("4*7", "busy"), ("4*8", "no-answer")) if index == 0 else (),
            loss=0.01,
            reorder=0.01,
            duplicate=0.005,
            jitter=0.02,
        )
        for index, address in enumerate(LACS)
    )
    return Sim(
        lac=lacs,
        cpe=tuple(sites),
        radius=(SimRadius(RADIUS, secret=_SECRET, users=tuple(users)),),
    )


def _site(number: str, name: str) -> SimCpe:
    return SimCpe(
        number,
        username=name,
        password=_PASSWORD,
        peer_username="lns",
        peer_password=_PASSWORD,
        echo=False,
    )


def _grant(number: str, site: int) -> tuple[tuple[str, str], ...]:
    """Two LACs of the three, in turn the first."""
    rows = [
        ("ERX-Dial-Out-Number", number),
        ("ERX-PPP-Username", "lns"),
        ("ERX-PPP-Password", _PASSWORD.decode()),
    ]
    for tag in (1, 2):
        rows += [
            (f"Tunnel-Type:{tag}", "L2TP"),
            (f"Tunnel-Medium-Type:{tag}", "IPv4"),
            (f"Tunnel-Server-Endpoint:{tag}", LACS[(site + tag) % len(LACS)]),
            (f"Tunnel-Password:{tag}", _TUNNEL.decode()),
            (f"Tunnel-Preference:{tag}", str(tag)),
        ]
    return tuple(rows)
