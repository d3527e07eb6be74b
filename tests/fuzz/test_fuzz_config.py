"""Any octets as a configuration file: a Config or a ConfigError with lines, nothing else (threat
T25)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import Config
from control.config_file import ConfigError, read_config
from control.config_keys import ROOT
from control.config_section import Section

SECRET = "hunter22"


def keys(section: Section) -> list[str]:
    found = [*section.keys, *section.children, *section.secrets]
    found += [f"{name}_file" for name in section.secrets]
    for child in section.children.values():
        found += keys(child)
    return found


def headers(section: Section, name: str = "") -> list[str]:
    found = []
    for key, child in section.children.items():
        path = f"{name}.{key}".strip(".")
        found += [f"[{path}]", f"[[{path}]]", *headers(child, path)]
    return found


WORDS = sorted(set(keys(ROOT)))
scalars = st.one_of(
    st.integers(-10, 70000).map(str),
    st.floats().map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.sampled_from(
        ['"home"', '"10.0.0.0/8"', '"10.0.0.1"', '""', '"chap"', "[]", "{}", "'''", "="]
    ),
    st.text(max_size=8).map(lambda t: f"'{t}'"),
    st.sampled_from(WORDS).map(lambda w: f"{{ {w} = 1 }}"),
)
rows = st.one_of(
    st.sampled_from(headers(ROOT)),
    st.tuples(st.sampled_from(WORDS), st.one_of(scalars, st.lists(scalars, max_size=3))).map(
        lambda t: f"{t[0]} = {t[1] if isinstance(t[1], str) else '[' + ', '.join(t[1]) + ']'}"
    ),
)
documents = st.lists(rows, max_size=25).map("\n".join)


@pytest.fixture(scope="module")
def path():
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "dialout.toml"


def outcome(path: Path, content: bytes) -> Config | ConfigError:
    path.write_bytes(content)
    os.chmod(path, 0o600)
    try:
        return read_config(path)
    except ConfigError as refused:
        error = refused
    assert error.errors
    for problem in error.errors:
        assert 1 <= problem.line <= content.count(b"\n") + 1
        assert "\n" not in str(problem)
        assert len(problem.value) <= 60
    return error


@settings(deadline=None, max_examples=300)
@given(documents)
def test_any_rows_are_read_or_refused(path, document):
    outcome(path, document.encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(path, content):
    outcome(path, content)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(headers(ROOT)),
    st.sampled_from(["secret", "password", "peer_password"]),
    st.sampled_from(
        ["{k} = '{s}'", "{k} = ['{s}']", "{k} = {{ a = '{s}' }}", "x{k} = '{s}'", "{k}.{s} = 1"]
    ),
)
def test_no_secret_shows_in_an_error(path, header, word, form):
    result = outcome(path, f"{header}\n{form.format(k=word, s=SECRET)}\n".encode())
    assert SECRET not in str(result) + repr(result)
