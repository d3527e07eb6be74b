"""A router with a few targets, and what metrics and health read of it."""

from __future__ import annotations

import random

from control.config import Config, Lac, Metrics, Radius, RadiusServer, Target, VirtualRouter
from control.config import Profile as ProfileConfig
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.lns import Lns
from control.metrics.facts import Facts, LogFacts, PortFacts, ProcessFacts
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort


def config(targets: int = 3, entries: int = 100) -> Config:
    return Config(
        virtual_router=(VirtualRouter("main", 1, radius="isp", local_address="192.0.2.1"),),
        target=tuple(
            Target(f"198.51.{n >> 8}.{n & 255}/32", "main", "example.net", "p")
            for n in range(targets)
        ),
        profile=(ProfileConfig("p"),),
        lac=(Lac("192.0.2.50"),),
        radius=(Radius("isp", (RadiusServer("192.0.2.60", secret=b"x"),)),),
        metrics=Metrics(entries=entries),
    )


def facts(settings: Config) -> Facts:
    engine = Engine(adjacencies=1024, sessions=64, trigger_keys=64)
    tables = build_tables(engine, settings)
    engine.attach(MemPort("home"), tables[1])
    dataplane = FastpathDataplane(engine, 0, tables, lambda: 0.0)
    lns = Lns(settings, dataplane, random.Random(1), lambda: 0.0)
    lns.start(0.0)
    return Facts(
        lns=lns,
        engine=engine,
        now=1.0,
        wall=1001.0,
        ports=(PortFacts("home", "home", 0, {"drops": 3}),),
        process=ProcessFacts(1.5, 1000.0, 4096, 8192, 7, 1024),
        log=LogFacts(2, 1),
        entries=settings.metrics.entries,
    )
