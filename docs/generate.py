"""Writes the generated blocks of the documentation: what the code itself says of files, verdicts,
counters, state machines and configuration keys.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. `make docs` runs this file;
tests/unit/test_docs.py fails if a committed block is not what this file makes. The prose around the
blocks is written by hand.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from control.config_keys import ROOT as SECTIONS
from control.config_section import Section
from control.dialout.counters import ROWS
from control.dialout.failure import RESULT_TEXTS, RESULT_VERDICTS
from control.dialout.lac_state import LAC
from control.dialout.levels import CHASSIS, TARGET, VIRTUAL_ROUTER
from control.dialout.session_table import SESSION_TABLE
from control.fsm import Table
from control.health import GROWING
from control.health import ROWS as ROWS_OF_HEALTH
from control.l2tp.lac_incoming_table import LAC_INCOMING
from control.l2tp.lac_table import LAC_CALL
from control.l2tp.lns_incoming_table import LNS_INCOMING
from control.l2tp.lns_table import LNS_CALL
from control.l2tp.tunnel_table import TUNNEL
from control.metrics.table import METRICS
from control.ppp.authentication_table import AUTHENTICATOR, CLAIMANT
from control.ppp.automaton import TABLE as AUTOMATON
from control.ppp.phase import PHASES
from control.radius.refused import REFUSED
from fastpath.counters import COUNTERS
from fastpath.verdict import REASONS, VERDICTS

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "src"
DOCUMENTS = tuple(DOCS / name for name in ("architecture.md", "configuration.md", "metrics.md"))

TABLES: dict[str, Table] = {
    "chassis": CHASSIS,
    "virtual-router": VIRTUAL_ROUTER,
    "dial-out-target": TARGET,
    "lac": LAC,
    "dial-out-session": SESSION_TABLE,
    "l2tp-tunnel": TUNNEL,
    "lns-call": LNS_CALL,
    "lac-call": LAC_CALL,
    "lns-incoming": LNS_INCOMING,
    "lac-incoming": LAC_INCOMING,
    "ppp-automaton": AUTOMATON,
    "ppp-phase": PHASES,
    "ppp-authenticator": AUTHENTICATOR,
    "ppp-claimant": CLAIMANT,
}
"""Every state machine of the control plane, by the end of its block's name."""

CONFIG_FILES = ("config.py", "config_operation.py", "config_router.py", "config_sim.py")
"""Where the configuration's tree is."""

PACKAGES = {
    "control": "control",
    "control-bench": "control/bench",
    "control-bench-live": "control/bench/live",
    "control-dialout": "control/dialout",
    "control-kernel": "control/kernel",
    "control-html_report": "control/html_report",
    "control-l2tp": "control/l2tp",
    "control-metrics": "control/metrics",
    "control-operation": "control/operation",
    "control-ppp": "control/ppp",
    "control-radius": "control/radius",
    "control-runtime": "control/runtime",
    "control-show": "control/show",
    "control-sim": "control/sim",
    "control-top": "control/top",
    "fastpath": "fastpath",
    "fastpath-abi": "fastpath/abi",
    "fastpath-ports": "fastpath/ports",
    "fastpath-simd": "fastpath/simd",
    "fastpath-ebpf": "fastpath/ebpf",
}

Block = Callable[[], str]


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """A Markdown table. A bar inside a cell would end it, so it is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


# --- files ----------------------------------------------------------------------------------------


def opening(path: Path) -> str:
    """The first paragraph with which a file says what it is, as one line."""
    text = path.read_text()
    if path.suffix in (".py", ".pyx"):
        found = re.match(r'\s*"""(.*?)(?:"""|\n\s*\n)', text, re.DOTALL)
        lines = found[1].splitlines() if found else []
    elif path.suffix == ".h":
        found = re.match(r"/\*(.*?)(?:\*/|\n \*\s*\n)", text, re.DOTALL)
        lines = [line.strip(" *") for line in found[1].splitlines()] if found else []
    else:
        lines = []
        for line in text.splitlines():
            if not line.startswith("#") or line.strip() == "#":
                break
            lines.append(line.strip("# "))
    return " ".join(line.strip() for line in lines).strip()


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence; those inside numbers and names do not."""
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def file_rows(folder: str) -> Iterator[tuple[str, str]]:
    """(names, what it is): a .pyx and its .pxd are one row."""
    base = SOURCE / folder
    wanted = (".py", ".pyx", ".pxd", ".h")
    paths = sorted(p for p in base.iterdir() if p.suffix in wanted or p.name == "dictionary")
    stems: dict[str, list[Path]] = {}
    for path in paths:
        if not path.name.startswith("__init__"):
            stems.setdefault(path.stem, []).append(path)
    for group in stems.values():
        group.sort(key=lambda p: (".py", ".pyx", ".pxd", ".h", "").index(p.suffix))
        names = ", ".join(f"`{p.name}`" for p in group)
        # Where the .pyx only points to its .pxd, the contract there says more.
        texts = [opening(p) for p in group]
        text = next((t for t in texts if t and ".pxd" not in t), next(filter(None, texts), ""))
        yield names, first_sentence(text)


def files(folder: str) -> str:
    return table(("file", "what it is"), file_rows(folder))


# --- enums of the data plane ----------------------------------------------------------------------


def enum_rows(path: Path, enum: str, names: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """(group, name, comment) of the members of a cpdef enum, in order; COUNT is none."""
    body = path.read_text().partition(f"cpdef enum {enum}:\n")[2]
    group, left = "", iter(names)
    for line in body.splitlines():
        if not line.strip() or not line.startswith("    "):
            return
        code, _, comment = (part.strip() for part in line.partition("#"))
        if not code:
            group = comment
        elif not re.match(r"\w+_COUNT\b", code):
            yield group, next(left), comment


def verdicts() -> str:
    rows = enum_rows(SOURCE / "fastpath/verdict.pxd", "Verdict", VERDICTS)
    return table(("verdict", "the packet"), [(f"`{name}`", text) for _, name, text in rows])


def reasons() -> str:
    rows = enum_rows(SOURCE / "fastpath/verdict.pxd", "Reason", REASONS)
    told = [(group, f"`{name}`", text) for group, name, text in rows if name != "none"]
    return table(("where", "drop reason", "meaning"), told)


def engine_counters() -> str:
    rows = enum_rows(SOURCE / "fastpath/counters.pxd", "Counter", COUNTERS)
    return table(("counter", "counts"), [(f"`{name}`", text) for _, name, text in rows])


def session_counters() -> str:
    rows = [(f"`{row.name}`", row.kind.name.lower().replace("_", " "), row.text) for row in ROWS]
    return table(("counter", "kind", "counts"), rows)


# --- state machines -------------------------------------------------------------------------------


def diagram(machine: Table) -> str:
    return f"```mermaid\n{machine.mermaid()}\n```"


def machines() -> str:
    """How large each table is, and how much of it cannot happen."""
    rows = []
    for name, machine in TABLES.items():
        cells = list(machine)
        illegal = sum(row is None for _, _, row in cells)
        moves = sum(row is not None and row.next is not state for state, _, row in cells)
        sizes = (len(machine.states), len(machine.events), len(cells), moves, illegal)
        where = machine.states.__module__.replace(".", "/")
        rows.append((name.replace("-", " "), f"`{where}.py`", *map(str, sizes)))
    head = ("machine", "states and events", "states", "events", "cells", "change the state")
    return table((*head, "cannot happen"), rows)


# --- configuration --------------------------------------------------------------------------------


def field_texts() -> dict[str, dict[str, str]]:
    """Docstrings of the configuration's tree: by class, of each field, and of the class under an
    empty name."""
    found: dict[str, dict[str, str]] = {}
    trees = (ast.parse((SOURCE / "control" / n).read_text()) for n in CONFIG_FILES)
    for node in (node for tree in trees for node in tree.body):
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {"": ast.get_docstring(node) or ""})
        for item, after in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(item, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                texts[item.target.id] = " ".join(str(after.value.value).split())
    return found


def default_of(field: dataclasses.Field) -> str:
    """As TOML has it."""
    if field.default is dataclasses.MISSING:
        return "required"
    value = field.default
    if value is None or isinstance(value, bytes):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`" if value else "empty"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`" if value else "`0`"


def key_rows(section: Section) -> Iterator[tuple[str, str, str, str]]:
    texts = field_texts()[section.make.__name__]
    for field in dataclasses.fields(section.make):
        name = field.name
        default = default_of(field)
        if name in section.keys:
            allowed = section.keys[name].allowed
        elif name in section.secrets:
            allowed = f"a text of up to {section.secrets[name]} octets, or a file with it"
            default = "required" if name in section.required_secrets else default
            name = f"{name}` or `{name}_file"
        else:
            continue
        yield f"`{name}`", allowed, default, texts.get(field.name, "")


def sections(section: Section = SECTIONS, name: str = "") -> Iterator[tuple[str, Section]]:
    """(dotted name, row) of every section, those inside another one behind it."""
    for child_name, child in section.children.items():
        dotted = f"{name}.{child_name}".strip(".")
        yield dotted, child
        yield from sections(child, dotted)


def section_block(name: str, section: Section) -> str:
    title = f"`[[{name}]]`, any number of times" if section.array else f"`[{name}]`, once"
    text = field_texts()[section.make.__name__][""]
    rows = table(("key", "value", "default", "meaning"), key_rows(section))
    return f"{textwrap.fill(f'{title}. {text}', 100)}\n\n{rows}"


def metrics() -> str:
    """The table of metrics."""
    rows = [
        (
            f"`{m.name}`",
            m.kind.value,
            ", ".join(f"`{label}`" for label in m.labels) or "none",
            m.text,
        )
        for m in METRICS
    ]
    return table(("metric", "type", "labels", "what it tells"), rows)


def conditions() -> str:
    """What health tells, the critical first."""
    rows = [(f"`{row.name}`", row.severity.name.lower()) for row in (*ROWS_OF_HEALTH, *GROWING)]
    rows.append(("`clock-jumped`", "warning"))
    return table(("condition", "severity"), rows)


def cdn_results() -> str:
    """What the Result Code of a CDN means for the other LACs of an attempt."""
    rows = [(str(n), RESULT_TEXTS[n], verdict.value) for n, verdict in RESULT_VERDICTS.items()]
    return table(("result", "the LAC says", "what we do"), rows)


def refused_attributes() -> str:
    """What RADIUS may say and nobody here carries out."""
    return table(("attribute", "why it is not carried out"), list(REFUSED.items()))


# --- the C header of the numbers ------------------------------------------------------------------

HEADER = SOURCE / "fastpath/abi/fp_verdict.h"
"""The only generated file that is code: C programs have the numbers from it."""


def c_enum(name: str, rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    """An enum whose members stand in the order of their numbers, each with its comment."""
    yield f"enum fp_{name} {{"
    last = ""
    number = -1
    for number, (group, member, comment) in enumerate(rows):
        if group != last:
            yield f"    /* {group} */"
        last = group
        member = f"FP_{name}_{member}".upper().replace("-", "_")
        code = f"    {member} = {number},"
        line = f"{code:<40}/* {comment} */" if comment else code
        yield from (line,) if len(line) <= 100 else (f"    /* {comment} */", code)
    yield f"    FP_{name.upper()}_COUNT = {number + 1}"
    yield "};"


def header() -> str:
    """fp_verdict.h."""
    enums = (
        ("verdict", SOURCE / "fastpath/verdict.pxd", VERDICTS),
        ("reason", SOURCE / "fastpath/verdict.pxd", REASONS),
        ("counter", SOURCE / "fastpath/counters.pxd", COUNTERS),
    )
    lines = [
        "/* The numbers of verdicts, drop reasons and counters in fp_abi.h.",
        " *",
        " * docs/generate.py writes it from verdict.pxd and counters.pxd: `make docs`.",
        " */",
        "#ifndef FP_VERDICT_H",
        "#define FP_VERDICT_H",
        "",
        "/* declarations: from here to the mark at the end this is plain C99, for cffi too */",
    ]
    for name, path, names in enums:
        lines += ["", *c_enum(name, enum_rows(path, name.capitalize(), names))]
    return "\n".join([*lines, "", "/* end of the declarations */", "", "#endif", ""])


# --- documents ------------------------------------------------------------------------------------


def blocks() -> dict[str, Block]:
    """Everything that can be generated, by name."""
    made: dict[str, Block] = {
        "verdicts": verdicts,
        "drop-reasons": reasons,
        "engine-counters": engine_counters,
        "session-counters": session_counters,
        "state-machines": machines,
        "cdn-results": cdn_results,
        "refused-attributes": refused_attributes,
        "metrics": metrics,
        "health": conditions,
    }
    for name, folder in PACKAGES.items():
        made[f"files-{name}"] = lambda folder=folder: files(folder)
    for name, machine in TABLES.items():
        made[f"states-{name}"] = lambda machine=machine: diagram(machine)
    for name, section in sections():
        made[f"config-{name}"] = lambda name=name, section=section: section_block(name, section)
    return made


MARKED = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with every generated block made anew. KeyError for one that nothing makes."""
    made = blocks()
    return MARKED.sub(lambda match: f"{match[1]}{made[match[2]]()}\n{match[3]}", text)


def contributed() -> dict[Path, str]:
    """Manual pages and completion scripts, by path."""
    manual = load("manpages")
    page = manual.configuration_page(sections(), key_rows, field_texts())
    return {**manual.files(), manual.CONTRIB / "man/dialout.toml.5": page}


def load(name: str) -> ModuleType:
    """A file beside this one."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    for path in DOCUMENTS:
        path.write_text(filled(path.read_text()))
    HEADER.write_text(header())
    for path, text in contributed().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
