"""The documents say what the code says: generated blocks are up to date, every row has its text,
and what prose names exists."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.errors import DialoutError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = sorted(DOCS.glob("*.md")) + sorted(ROOT.glob("*.md"))


def load_generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


@pytest.mark.parametrize("path", generate.DOCUMENTS, ids=lambda path: path.name)
def test_generated_blocks_are_up_to_date(path):
    text = path.read_text()
    assert text == generate.filled(text), "run `make docs`"


def test_numbers_of_the_c_header_are_up_to_date():
    assert generate.HEADER.read_text() == generate.header(), "run `make docs`"


def test_every_block_stands_in_a_document():
    used = [
        name
        for path in generate.DOCUMENTS
        for name in re.findall(r"<!-- generated: (\S+) -->", path.read_text())
    ]
    assert sorted(used) == sorted(generate.blocks())


def test_a_stale_block_would_be_noticed():
    text = "<!-- generated: verdicts -->\nFORWARD\n<!-- end -->\n"
    filled = generate.filled(text)
    assert "encapsulated over a session" in filled
    assert generate.filled(filled) == filled != text


@pytest.mark.parametrize("name", generate.blocks())
def test_every_row_of_a_generated_table_says_something(name):
    rows = [line for line in generate.blocks()[name]().splitlines() if line.startswith("| ")]
    if name.startswith("states-"):
        return
    assert len(rows) > 2
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row.strip("|"))
        assert all(cell.strip() for cell in cells), row


def test_every_source_file_is_in_a_table_of_files():
    told = "".join(generate.files(folder) for folder in generate.PACKAGES.values())
    paths = [
        path
        for pattern in ("*.py", "*.pyx", "*.pxd", "*.h")
        for path in generate.SOURCE.rglob(pattern)
        if path.stem != "__init__"
    ]
    assert len(paths) > 100
    assert not [path.name for path in paths if f"`{path.name}`" not in told]


def test_every_state_machine_has_a_diagram():
    """A Table that docs/generate.py does not know would have none."""
    built = 0
    for path in (generate.SOURCE / "control").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            called = called.value if isinstance(called, ast.Subscript) else called
            built += isinstance(called, ast.Name) and called.id == "Table"
    assert built == len(generate.TABLES)


# --- configuration snippets -----------------------------------------------------------------------

SNIPPETS = re.findall(r"```toml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.DOTALL)


def wrong_keys(section, given: dict, where: str = "") -> Iterator[str]:
    """Keys of a snippet that do not exist or have a value that is not allowed."""
    secrets = {key for name in section.secrets for key in (name, f"{name}_file")}
    for name, value in given.items():
        if name in section.children:
            for item in value if isinstance(value, list) else [value]:
                yield from wrong_keys(section.children[name], item, f"{where}.{name}")
        elif name in section.keys:
            try:
                section.keys[name].parse(value)
            except DialoutError:
                yield f"{where}.{name} = {value!r}"
        elif name not in secrets:
            yield f"{where}.{name}"


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet_of_a_configuration_is_allowed(snippet):
    assert not list(wrong_keys(generate.SECTIONS, tomllib.loads(snippet)))


def test_every_section_of_a_router_has_a_snippet():
    shown = set().union(*(tomllib.loads(snippet) for snippet in SNIPPETS))
    assert set(generate.SECTIONS.children) == shown


# --- links and names ------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert not broken


def definitions(path: Path) -> set[str]:
    """`name`, `Class` and `Class.method` of all that a source file defines."""
    if path.suffix == ".py":
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found.add(node.name)
                found |= {
                    f"{node.name}.{item.name}"
                    for item in node.body
                    if isinstance(item, ast.FunctionDef)
                }
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
        return found
    found, owner = set(), ""
    for line in path.read_text().splitlines():
        if name := re.match(r"cdef class (\w+)", line):
            owner = name[1]
            found.add(owner)
        elif name := re.match(r"( *)(?:cdef|def)\b[^(=]*?(\w+)\(", line):
            found |= {name[2], f"{owner}.{name[2]}"}
    return found


def test_functions_that_the_data_flows_name_exist():
    known = set().union(
        *(
            definitions(path)
            for suffix in ("py", "pyx", "pxd")
            for path in generate.SOURCE.rglob(f"*.{suffix}")
        )
    )
    # An engine's packet path is its base class.
    known |= {name.replace("Pipeline.", "Engine.") for name in known}
    known |= {"rx_burst", "rx_consume", "tx_burst"}  # members of a struct
    text = (DOCS / "architecture.md").read_text()
    flows = text[text.index("## Data flows") : text.index("## Threads")]
    named = set(re.findall(r"`(?:t\.)?((?:[A-Z]\w+\.)?_?[a-z]\w+)`", flows))
    named |= set(re.findall(r"`([A-Z]\w+\._?[a-z]\w+)`", flows))
    keys = {"local", "hold", "packet_t", "flush_delay", "rx_burst"}
    assert len(named) > 40
    assert not named - known - keys


# --- threats --------------------------------------------------------------------------------------

TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_proof_in_the_table_of_threats_exists():
    text = (DOCS / "threats.md").read_text()
    missing = []
    for name, test in TEST_ID.findall(text):
        path = ROOT / name
        tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
        tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if test not in tests:
            missing.append(f"{name}::{test}")
    assert not missing


def test_every_threat_names_a_defence_and_a_proof():
    rows = re.findall(r"^\| (T\d+) \|(.*)$", (DOCS / "threats.md").read_text(), re.MULTILINE)
    assert len(rows) >= 11
    for name, row in rows:
        _, defence, proof, _ = re.split(r"(?<!\\)\|", row)
        assert re.search(r"`[\w/.]+`", defence), f"{name} names no file"
        assert TEST_ID.search(proof), f"{name} names no test"


def test_files_that_defend_exist():
    text = (DOCS / "threats.md").read_text()
    named = set(re.findall(r"`((?:control|fastpath)/[\w/]+\.\w+)`", text))
    assert len(named) > 10
    assert not [name for name in named if not (generate.SOURCE / name).exists()]


def test_every_threat_that_the_source_names_is_told():
    named = set()
    for pattern in ("*.py", "*.pyx", "*.pxd"):
        for path in generate.SOURCE.rglob(pattern):
            for place in re.findall(
                r"threats? (T\d+(?:(?:, | and |\n# and )T\d+)*)", path.read_text()
            ):
                named |= set(re.findall(r"T\d+", place))
    told = set(re.findall(r"\bT\d+\b", (DOCS / "threats.md").read_text()))
    assert named
    assert named <= told


def test_command_of_the_benchmarks_finds_them():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "bench_lookup.py" in done.stdout
