"""What must agree between the sections of a configuration: names that are referred to, names and
prefixes that may be there once, values that exclude each other (specification 1.12)."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from control.config_lines import Path
from control.config_ports import scheme_of
from control.config_values import tcp_address
from control.ppp import mschap_proof


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the file, with the values that are allowed by themselves and the defaults."""

    path: Path
    values: dict[str, Any]


Report = Callable[[Path, object, str], None]
"""Takes a problem: where, the value, and what is allowed."""
Entries = Mapping[str, list[Entry]]
"""Tables by the name of their section: `virtual_router`, `sim.lac`, ..."""

_UNIQUE: Final = (
    ("virtual_router", ("name",)),
    ("virtual_router", ("table",)),
    ("virtual_router", ("rd",)),
    ("target", ("virtual_router", "prefix")),
    ("profile", ("name",)),
    ("classifier", ("name",)),
    ("lac", ("address",)),
    ("radius", ("name",)),
    ("pool", ("name",)),
    ("port", ("name",)),
    ("sim.lac", ("address",)),
    ("sim.cpe", ("number",)),
    ("sim.radius", ("address", "port")),
)
"""Keys whose values together may occur once in a section."""

_REFERENCES: Final = (
    ("virtual_router", "radius", "radius"),
    ("target", "virtual_router", "virtual_router"),
    ("target", "profile", "profile"),
    ("target", "classifier", "classifier"),
    ("profile", "classifier", "classifier"),
    ("port", "virtual_router", "virtual_router"),
    ("lac", "incoming_router", "virtual_router"),
    ("lac", "incoming_profile", "profile"),
)
"""Section, key, and the section whose `name` it must be. Empty refers to nothing."""

_RATES: Final = (
    ("trigger_rate", ("destinations",)),
    ("call_rate", ("lns", "caller")),
)
"""Rates of a phase, and the keys without which they mean nothing."""


def check_references(entries: Entries, report: Report) -> None:
    """Reports every disagreement."""
    for section, keys in _UNIQUE:
        _check_unique(entries.get(section, []), keys, report)
    for group in _groups(entries.get("radius.servers", [])):
        _check_unique(group, ("address", "port"), report)
        _check_accounting_ports(group, report)
    _check_accounting_ports(entries.get("sim.radius", []), report)
    for section, key, other in _REFERENCES:
        _check_names(entries, section, key, other, report)
    _check_targets_have_radius(entries, report)
    _check_number_of_targets(entries, report)
    _check_kernel_tables(entries.get("virtual_router", []), report)
    for entry in entries.get("profile", []):
        _check_speeds(entry, report)
    for entry in entries.get("port", []):
        _check_url(entry, entries.get("virtual_router", []), report)
    for entry in (*entries.get("profile", []), *entries.get("sim.cpe", [])):
        _check_extra(entry, report)
    for entry in entries.get("pool", []):
        _check_pool(entry, report)
    for entry in entries.get("lac", []):
        _check_incoming(entry, report)
    for entry in entries.get("metrics", []):
        _check_listen(entry, report)
    for entry in entries.get("radius", []):
        _check_password(entry, report)
    for entry in entries.get("sim.cpe", []):
        unknown = set(entry.values.get("authentication") or ()) - {"chap", "pap"}
        if unknown and entry.values.get("answer") == "fast":
            report((*entry.path, "answer"), "fast", f"knows no {min(unknown)}")
    lacs = {entry.values.get("address") for entry in entries.get("sim.lac", [])}
    for entry in entries.get("sim.phase", []):
        _check_phase(entry, lacs, report)
    for entry in entries.get("sim.radius.users", []):
        if entry.values.get("reject") and entry.values.get("reply"):
            report((*entry.path, "reject"), True, "a rejected user has no reply")


def _check_listen(entry: Entry, report: Report) -> None:
    listen = entry.values.get("listen")
    if listen and not entry.values.get("anywhere"):
        address, _ = tcp_address(listen)
        if not ipaddress.ip_address(address).is_loopback:
            allowed = "must be a loopback address, unless anywhere = true"
            report((*entry.path, "listen"), listen, allowed)


def _check_phase(entry: Entry, lacs: set[object], report: Report) -> None:
    for address in entry.values.get("lacs") or ():
        if address not in lacs:
            report((*entry.path, "lacs"), address, "must be the address of a [[sim.lac]]")
    for rate, needed in _RATES:
        if entry.values.get(rate):
            for key in needed:
                if entry.values.get(key) == "":
                    report((*entry.path, key), "", f"must not be empty beside {rate}")


def _check_unique(entries: list[Entry], keys: tuple[str, ...], report: Report) -> None:
    seen: set[tuple[object, ...]] = set()
    for entry in entries:
        values = tuple(entry.values.get(key) for key in keys)
        if None in values or values == ("",):
            continue
        if values in seen:
            what = " and ".join(keys)
            report((*entry.path, keys[-1]), values[-1], f"another table has the same {what}")
        seen.add(values)


def _groups(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The servers of each [[radius]] by themselves: two groups may share a server."""
    groups: dict[Path, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.path[:2], []).append(entry)
    yield from groups.values()


def _check_accounting_ports(group: list[Entry], report: Report) -> None:
    """A reply is told by the server's address and port: no port may have two uses."""
    used = {(e.values.get("address"), e.values.get("port")) for e in group}
    if len(used) < len(group):  # that is told already
        return
    for entry in group:
        at = (entry.values.get("address"), entry.values.get("accounting_port"))
        if None not in at and at in used:
            allowed = "must not be another server's, nor the port for authentication"
            report((*entry.path, "accounting_port"), at[1], allowed)
        used.add(at)


def _check_pool(entry: Entry, report: Report) -> None:
    """Each piece of an IPv6 prefix is within it, and the ranges of a pool do not overlap."""
    length, addresses = entry.values.get("prefix_length"), entry.values.get("addresses")
    if length is None or addresses is None:
        return
    ends: list[tuple[int, int, int]] = []
    for text in addresses:
        first, dash, last = text.partition("-")
        network = ipaddress.ip_network(first if dash else text)
        if network.version == 6 and not 0 <= length - network.prefixlen <= 24:
            allowed = f"must be that of {text}, or at most 24 bits longer"
            report((*entry.path, "prefix_length"), length, allowed)
        end = int(ipaddress.ip_address(last)) if dash else int(network.broadcast_address)
        ends.append((network.version, int(network.network_address), end))
    for (version, _, end), (other, start, _) in pairwise(sorted(ends)):
        if version == other and start <= end:
            report((*entry.path, "addresses"), list(addresses), "must not overlap")


def _check_names(entries: Entries, section: str, key: str, other: str, report: Report) -> None:
    names = {entry.values.get("name") for entry in entries.get(other, [])} - {None}
    known = ", ".join(f'"{name}"' for name in sorted(map(str, names))[:8]) or "none"
    for entry in entries.get(section, []):
        name = entry.values.get(key)
        if name and name not in names:
            allowed = f"must be the name of a [[{other}]]; there is {known}"
            report((*entry.path, key), name, allowed)


def _check_targets_have_radius(entries: Entries, report: Report) -> None:
    used = {entry.values.get("virtual_router") for entry in entries.get("target", [])}
    for entry in entries.get("virtual_router", []):
        if entry.values.get("name") in used and entry.values.get("radius") == "":
            report((*entry.path, "radius"), "", "must be the name of a [[radius]]: it has targets")


def _check_number_of_targets(entries: Entries, report: Report) -> None:
    targets = Counter(entry.values.get("virtual_router") for entry in entries.get("target", []))
    for entry in entries.get("virtual_router", []):
        most, there = entry.values.get("max_targets"), targets[entry.values.get("name")]
        if most is not None and there > most:
            report((*entry.path, "max_targets"), most, f"it has {there} targets")


def _check_kernel_tables(routers: list[Entry], report: Report) -> None:
    """Each has a table of the kernel to itself, and none that of our own addresses."""
    used: set[object] = {255}
    for entry in routers:
        table = entry.values.get("kernel_table")
        if table and table in used:
            allowed = "must be no other virtual router's, nor 255, which is the kernel's `local`"
            report((*entry.path, "kernel_table"), table, allowed)
        used.add(table)


def _check_extra(entry: Entry, report: Report) -> None:
    if "mschapv2" in (entry.values.get("authentication") or ()) and not mschap_proof.available():
        allowed = "mschapv2 needs the extra: pip install dialout[mschap]"
        report((*entry.path, "authentication"), "mschapv2", allowed)


def _check_speeds(entry: Entry, report: Report) -> None:
    minimum, maximum = entry.values.get("minimum_bps"), entry.values.get("maximum_bps")
    if minimum is not None and maximum is not None and minimum > maximum:
        allowed = f"must not be greater than maximum_bps, which is {maximum}"
        report((*entry.path, "minimum_bps"), minimum, allowed)


def _check_url(entry: Entry, routers: list[Entry], report: Report) -> None:
    """Some ports are of one side; a socket speaks L2TP from an address at which LACs know us."""
    url, path = entry.values.get("url"), (*entry.path, "url")
    if url is None:
        return
    scheme, rest = scheme_of(url)
    if entry.values.get("side") not in (None, *scheme.sides):
        name = url.partition(":")[0]
        report(path, url, f"must not be a {name}: port, which is of the {scheme.sides[0]} side")
    address = scheme.parse(rest)
    local = [r.values.get(key) for r in routers for key in ("local_address", "local_address_ipv6")]
    if address is not None and address not in local:
        report(path, url, "must have the local_address of a virtual router")


def _check_incoming(entry: Entry, report: Report) -> None:
    if not entry.values.get("incoming_calls"):
        return
    for key in ("incoming_router", "incoming_profile"):
        if entry.values.get(key) == "":
            report((*entry.path, key), "", "must be set where incoming_calls is true")
    name = entry.values.get("incoming_username")
    if name and not entry.values.get("incoming_password"):
        report((*entry.path, "incoming_username"), name, "needs an incoming_password")


def _check_password(entry: Entry, report: Report) -> None:
    mode, password = entry.values.get("password_mode"), entry.values.get("password")
    if mode is None or password is None:
        return
    if mode == "configured" and not password:
        report((*entry.path, "password_mode"), mode, "needs a password or password_file")
    if mode != "configured" and password:
        report((*entry.path, "password_mode"), mode, 'must be "configured" if there is a password')
