"""Rules of the source that no other test would notice being broken.

Imports go one way only, files and functions stay short, wire structs have the sizes of the wire,
linters are content.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastpath.dissect import SIZES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
CODE = ("*.py", "*.pyx", "*.pxd", "*.h")

FILE_LINES = 400
FUNCTION_LINES = 60
COLUMNS = 100


def files(*patterns: str, under: Path = SOURCE) -> list[Path]:
    """The files that match, in a stable order."""
    return sorted(path for pattern in patterns for path in under.rglob(pattern))


def module_of(path: Path) -> str:
    """Dotted name of a source file: control/l2tp/avp.py is control.l2tp.avp."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# --- imports --------------------------------------------------------------------------------------

# What a module may import of the project: the names, and all below them. The longest matching key
# counts; a module of control that has no row here is part of the shell around these parts and may
# import all of control, but none of these parts may import it.
EDGES = {
    "fastpath": ("fastpath",),
    "control": ("control",),
    "control.version": (),
    "control.errors": (),
    "control.fsm": ("control.errors",),
    "control.deadlines": (),
    "control.unlocked": (),
    "control.ipv4_prefix": (),
    "control.config": (
        "control.config_operation",
        "control.config_router",
        "control.config_sim",
        "control.errors",
    ),
    "control.config_operation": (),
    "control.config_router": (),
    "control.config_sim": (),
    "control.l2tp": (
        "control.deadlines",
        "control.errors",
        "control.fsm",
        "control.l2tp",
        "control.unlocked",
    ),
    "control.ppp": (
        "control.deadlines",
        "control.errors",
        "control.fsm",
        "control.ppp",
        "control.unlocked",
    ),
    "control.radius": (
        "control.deadlines",
        "control.errors",
        "control.fsm",
        "control.radius",
        "control.unlocked",
    ),
    "control.dataplane": (
        "control.config",
        "control.errors",
        "control.l2tp.events",
        "control.unlocked",
    ),
    "control.address_text": (),
    "control.rib": (
        "control.address_text",
        "control.dataplane",
        "control.errors",
        "control.ipv4_prefix",
        "control.unlocked",
    ),
    "control.dialout": (
        "control.config",
        "control.dataplane",
        "control.deadlines",
        "control.dialout",
        "control.errors",
        "control.fsm",
        "control.ipv4_prefix",
        "control.l2tp",
        "control.ppp",
        "control.radius",
        "control.rib",
        "control.unlocked",
    ),
    "control.sim": (
        "control.config",
        "control.errors",
        "control.fsm",
        "control.l2tp",
        "control.ppp",
        "control.radius",
        "control.sim",
    ),
    "control.sim.traffic": ("control.config", "control.errors", "control.sim", "fastpath"),
    "control.config_ports": ("control.config_values", "fastpath.ports.host_port"),
    "control.config_rules": ("control.config_values", "control.errors", "fastpath.rule_text"),
    "control.fastpath_filters": (
        "control.config",
        "control.dataplane",
        "control.errors",
        "fastpath",
    ),
    "control.fastpath_dataplane": (
        "control.config",
        "control.dataplane",
        "control.errors",
        "control.fastpath_filters",
        "control.fib_observers",
        "control.l2tp.events",
        "control.peer_slots",
        "fastpath",
    ),
    "control.fib_observers": ("control.dataplane",),
    "control.peer_slots": ("control.dataplane",),
    "control.kernel": (
        "control.address_text",
        "control.errors",
        "control.fib_observers",
        "control.kernel",
        "control.rib",
        "control.unlocked",
    ),
    "control.operation": (
        "control.config",
        "control.config_keys",
        "control.config_values",
        "control.config_warnings",
        "control.dataplane",
        "control.dialout",
        "control.difference",
        "control.errors",
        "control.fsm",
        "control.health",
        "control.lns",
        "control.metrics",
        "control.operation",
        "control.rib",
        "control.version",
    ),
    "control.show": (
        "control.arguments",
        "control.console",
        "control.errors",
        "control.exit_codes",
        "control.operation",
        "control.show",
        "control.top",
    ),
    "control.routes": (),
    "control.route_file": ("control.errors", "control.routes", "fastpath"),
    "control.capture_filter": ("control.errors", "fastpath.packet_filter"),
    "control.inspection": ("control.capture_filter", "control.errors", "fastpath"),
    "control.bench": ("control", "fastpath"),
    "control.cli": ("control", "fastpath"),
    "control.health": ("control.dialout", "control.metrics"),
    "control.metrics": (
        "control.dialout",
        "control.lns",
        "control.metrics",
        "control.radius",
        "control.version",
        "fastpath",
    ),
    "control.top": ("control.console", "control.errors", "control.exit_codes", "control.top"),
    "control.series": (),
    "control.html_report": (
        "control.console",
        "control.dialout",
        "control.html_report",
        "control.log",
        "control.report",
        "control.series",
    ),
    "control.html_report.bench_page": ("control.bench", "control.html_report", "control.version"),
    "control.replay": ("control", "fastpath"),
    "control.replay_to": ("control", "fastpath"),
    "control.runtime": ("control", "fastpath"),
}

# Modules of the standard library and of others that a part must not import when it runs.
FORBIDDEN = {
    part: {"asyncio", "random", "select", "selectors", "socket", "threading", "time"}
    for part in (
        *("control.l2tp", "control.ppp", "control.radius", "control.dialout", "control.kernel"),
        "control.deadlines",
        "control.health",
        "control.html_report",
        "control.metrics",
        "control.series",
        "control.operation",
    )
}

# Third-party modules and the only parts that may import them.
THIRD_PARTY = {
    "cffi": ("fastpath",),
    "numpy": (
        "fastpath",
        "control.bench",
        "control.fastpath_dataplane",
        "control.replay",
        "control.route_file",
        "control.routes",
        "control.sim.batch",
        "control.sim.quiet",
        "control.sim.traffic",
    ),
    "Cryptodome": ("control.ppp.mschap_proof",),
    "pyrad": ("control.radius", "control.sim"),
    "pytricia": ("control.bench", "control.rib"),
}


def part_of(module: str, table: dict) -> str | None:
    """The longest key of a table that is the module or a package around it."""
    names = module.split(".")
    keys = (".".join(names[:size]) for size in range(len(names), 0, -1))
    return next((key for key in keys if key in table), None)


def is_under(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether it is imported for type checks only) of all imports of a .py file."""
    tree = ast.parse(path.read_text())
    unused = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, node in unused
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if is_module(name) else base, node.lineno, node in unused


def is_module(name: str) -> bool:
    at = SOURCE.joinpath(*name.split("."))
    return at.is_dir() or any(at.with_suffix(end).exists() for end in (".py", ".pyx", ".pxd"))


def cython_imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """The same of a .pyx or .pxd file."""
    statement = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))\b")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := statement.match(line):
            yield match[1] or match[2], number, False


def all_imports() -> Iterator[tuple[str, str, str, bool]]:
    """(importing module, imported module, place, for type checks only) of the whole source."""
    for path in files("*.py", "*.pyx", "*.pxd"):
        for name, line, unused in (imports if path.suffix == ".py" else cython_imports)(path):
            yield module_of(path), name, f"{path.relative_to(ROOT)}:{line}", unused


def test_imports_follow_the_edges():
    wrong = []
    for module, name, place, _ in all_imports():
        allowed = EDGES[part_of(module, EDGES)]
        ours = is_under(name, "fastpath") or is_under(name, "control")
        if name == "control" and is_under(module, "control"):
            ours = False  # the package itself, which is empty
        if ours and not any(is_under(name, edge) for edge in allowed):
            wrong.append(f"{place} {module} imports {name}")
    assert not wrong


def test_protocols_do_no_input_or_output():
    wrong = [
        f"{place} {module} imports {name}"
        for module, name, place, unused in all_imports()
        if name.partition(".")[0] in FORBIDDEN.get(part_of(module, FORBIDDEN) or "", ())
        and not unused
    ]
    assert not wrong


def test_third_party_modules_stay_where_they_belong():
    wrong = []
    for module, name, place, _ in all_imports():
        users = THIRD_PARTY.get(name.partition(".")[0], ("",))
        if users != ("",) and not any(is_under(module, user) for user in users):
            wrong.append(f"{place} {module} imports {name}")
    assert not wrong


# --- sizes ----------------------------------------------------------------------------------------


def test_structs_have_the_sizes_of_the_wire():
    assert SIZES == {
        "packet_t": 64,
        "eth_h": 14,
        "vlan_h": 4,
        "sll_h": 16,
        "sll2_h": 20,
        "ipv4_h": 20,
        "ipv6_h": 40,
        "udp_h": 8,
        "tcp_h": 20,
        "icmp_h": 8,
    }


def test_files_are_short_and_narrow():
    wrong = []
    for path in files(*CODE) + files("*.py", under=ROOT / "tests"):
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES:
            wrong.append(f"{path.relative_to(ROOT)} has {len(lines)} lines")
        wrong += [
            f"{path.relative_to(ROOT)}:{number} has {len(line)} columns"
            for number, line in enumerate(lines, 1)
            if len(line) > COLUMNS and not line.endswith("# noqa: E501")
        ]
    assert not wrong


def test_functions_are_short():
    wrong = []
    for path in files("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = node.end_lineno - node.lineno + 1
                if size > FUNCTION_LINES:
                    wrong.append(f"{path.relative_to(ROOT)} {node.name} has {size} lines")
    assert not wrong


# --- linters --------------------------------------------------------------------------------------


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "."], id="ruff-check"),
        pytest.param(["ruff", "format", "--check", "."], id="ruff-format"),
        pytest.param(["mypy", "src/control"], id="mypy"),
    ],
)
def test_linter_is_content(command):
    if not has(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
