"""What wheels and source distributions hold: everything that runs, nothing that was generated."""

from __future__ import annotations

import fnmatch
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE_DATA = PROJECT["tool"]["setuptools"]["package-data"]
DATA_FILES = PROJECT["tool"]["setuptools"]["data-files"]
COMPILED = ".pyx"


def tracked() -> list[Path]:
    """Files of the repository. Without one, as in an unpacked source distribution, no answer."""
    run = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        pytest.skip("no git repository")
    return [ROOT / name for name in run.stdout.split("\0") if name]


def test_each_file_of_the_packages_is_in_the_wheel():
    missing = []
    for path in tracked():
        if not path.is_relative_to(SOURCE) or path.suffix in (".py", COMPILED):
            continue
        package, *inner = path.relative_to(SOURCE).parts
        patterns = PACKAGE_DATA[package]
        if not any(fnmatch.fnmatchcase("/".join(inner), pattern) for pattern in patterns):
            missing.append(str(path))
    assert missing == []


def test_what_a_host_needs_beside_the_program_is_in_the_wheel():
    """A router that is installed from a wheel has no source tree beside it."""
    patterns = [one for group in DATA_FILES.values() for one in group]
    missing = [
        str(path)
        for path in (path.relative_to(ROOT) for path in tracked())
        if path.parts[0] == "contrib" or path.name in ("lns.toml", "far-side.toml", "frr.conf")
        if not any(fnmatch.fnmatchcase(str(path), pattern) for pattern in patterns)
    ]
    assert missing == []
    assert all(list(ROOT.glob(pattern)) for pattern in patterns)


def test_each_pattern_of_package_data_finds_something():
    for package, patterns in PACKAGE_DATA.items():
        for pattern in patterns:
            assert list((SOURCE / package).glob(pattern)), pattern


def test_each_file_of_the_repository_is_in_a_source_distribution():
    rules = [line.split() for line in (ROOT / "MANIFEST.in").read_text().splitlines()]
    grafted = {name for verb, *names in rules if verb == "graft" for name in names}
    included = {name for verb, *names in rules if verb == "include" for name in names}
    # By themselves: what setuptools adds without being told, and what only git reads.
    included |= {"LICENSE", "README.md", "pyproject.toml", "setup.py", "MANIFEST.in", ".gitignore"}
    missing = [
        name
        for name in (path.relative_to(ROOT) for path in tracked())
        if name.parts[0] not in grafted and str(name) not in included
    ]
    assert missing == []


def test_nothing_generated_is_distributed():
    rules = (ROOT / "MANIFEST.in").read_text()
    assert "global-exclude *.so *.c *.html *.py[co]" in rules
    patterns = [pattern for patterns in PACKAGE_DATA.values() for pattern in patterns]
    assert not any(fnmatch.fnmatchcase(f"x{end}", p) for p in patterns for end in (".c", ".so"))
    assert PROJECT["tool"]["setuptools"]["include-package-data"] is False


def test_what_runs_needs_four_packages_and_each_is_used():
    from test_source import THIRD_PARTY

    needed = {requirement.partition(">")[0] for requirement in PROJECT["project"]["dependencies"]}
    assert needed == {"cffi", "numpy", "pyrad", "pytricia"}
    assert needed <= set(THIRD_PARTY)
    extras = PROJECT["project"]["optional-dependencies"]
    for requirements in (PROJECT["project"]["dependencies"], *extras.values()):
        assert all(">=" in each for each in requirements), "the oldest that is known to be safe"
