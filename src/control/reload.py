"""Loads another configuration into an LNS that runs: what differs, and nothing else.

All or nothing as far as it can be known before: what needs a restart, rules that cannot be compiled
and tables that do not fit are refused before anything changes. Specification 1.12 and difference.py
say what each change does to sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from control.config import Config
from control.difference import Difference, Kind, difference
from control.errors import ConfigurationError

if TYPE_CHECKING:
    from control.lns import Lns

_COMES = (Kind.ADDED, Kind.CHANGED)


def plan(lns: Lns, config: Config) -> Difference:
    """What loading would do. Raises ConfigurationError, a line for each, if something cannot be
    done without a restart."""
    found = difference(lns.config, config)
    problems = [str(change) for change in found.refused]
    problems += [
        f"+ virtual_router {change.name}: {address}: needs a restart; no tunnel port has it"
        for change in found.of("virtual_router", Kind.ADDED)
        for address in change.new.local_addresses
        if address not in lns.endpoints
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return found


def apply(lns: Lns, config: Config, found: Difference, now: float) -> None:
    """Carries out a plan. Raises RuleError or ResourceError before it has changed anything."""
    _prepare(lns, config, found)
    manager = lns.manager
    if _has(found, "chassis"):
        manager.set_chassis(config.chassis, now)
    if _has(found, "budget"):
        manager.set_budget(config.budget, now)
    if _has(found, "pool"):
        manager.services.pools.configure(config.pool)
    if _has(found, "lac"):
        manager.set_lacs(config.lac)
    for kind in _COMES:
        for change in found.of("radius", kind):
            lns.set_radius(config, change.new, now)
        for change in found.of("profile", kind):
            manager.replace_profile(change.new)
    for change in found.of("virtual_router", Kind.ADDED):
        manager.add_router(change.new, now)
    for change in found.of("virtual_router", Kind.CHANGED):
        manager.replace_router(change.new, now)
    _targets(lns, found, now)
    for change in found.of("virtual_router", Kind.REMOVED):
        manager.remove_router(change.name, now)
    for change in found.of("profile", Kind.REMOVED):
        manager.remove_profile(change.name)
    for change in found.of("radius", Kind.REMOVED):
        lns.remove_radius(change.name, now)
    if _has(found, "radius"):
        manager.radius_changed(now)


def _prepare(lns: Lns, config: Config, found: Difference) -> None:
    """The data plane first: it may have no room. What it has too much does no harm."""
    for kind in _COMES:
        for change in found.of("virtual_router", kind):
            lns.dataplane.set_table(change.new)
    if _has(found, "classifier"):
        lns.dataplane.set_classifiers(config.classifier)


def _targets(lns: Lns, found: Difference, now: float) -> None:
    # Routes that go make room for those that come.
    lns.manager.remove_targets([change.old for change in found.of("target", Kind.REMOVED)], now)
    for change in found.of("target", Kind.CHANGED):
        lns.manager.replace_target(change.new, now)
    lns.manager.add_targets([change.new for change in found.of("target", Kind.ADDED)], now)


def _has(found: Difference, section: str) -> bool:
    return any(change.section == section for change in found.changes)
