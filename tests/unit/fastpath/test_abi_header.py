"""fp_abi.h against what it stands for: numbers, layouts, languages, versions."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from abi_rig import FOLDER, FP, HEADERS, NUMBERS, declarations, ffi

import fastpath.abi.abi
from fastpath.adjacency import AdjacencyKind
from fastpath.batch import PACKET
from fastpath.counters import COUNTERS
from fastpath.ports.linktype import LINKS
from fastpath.verdict import REASONS, VERDICTS


@pytest.mark.parametrize(
    ("kind", "names"), [("verdict", VERDICTS), ("reason", REASONS), ("counter", COUNTERS)]
)
def test_numbers_and_names_are_those_of_the_data_plane(kind, names):
    name_of = getattr(FP, f"{kind}_name")
    for number, name in enumerate(names):
        constant = f"FP_{kind}_{name}".upper().replace("-", "_")
        assert getattr(NUMBERS, constant) == number
        assert ffi.string(name_of(number)).decode() == name
    assert getattr(NUMBERS, f"FP_{kind.upper()}_COUNT") == len(names)
    assert getattr(NUMBERS, f"FP_{kind.upper()}_ROOM") >= len(names)
    for number in (-1, len(names), 1 << 30):
        assert ffi.string(name_of(number)) == b"?"


def test_kinds_and_links_are_those_of_the_data_plane():
    for kind in ("DROP", "LOCAL", "GLEAN", "IP", "SESSION"):
        assert getattr(NUMBERS, f"FP_ADJACENCY_{kind}") == AdjacencyKind[f"ADJ_{kind}"]
    for name in re.findall(r"FP_LINK_(\w+)", declarations("fp_types.h")):
        assert LINKS[getattr(NUMBERS, f"FP_LINK_{name}")] == name.lower()


def test_packet_is_the_descriptor_of_the_engine():
    fields = dict(ffi.typeof("fp_packet_t").fields)
    assert ffi.sizeof("fp_packet_t") == PACKET.itemsize == NUMBERS.FP_PACKET_OCTETS == 64
    assert {name: f.offset for name, f in fields.items()} == {
        name: PACKET.fields[name][1] for name in PACKET.names
    }


def test_constants_are_those_that_the_structures_use():
    assert len(ffi.new("fp_error_t *").text) == NUMBERS.FP_ERROR_TEXT
    assert len(ffi.new("fp_trace_t *").text) == NUMBERS.FP_TRACE_TEXT
    assert len(ffi.new("fp_counters_t *").verdict) == NUMBERS.FP_VERDICT_ROOM
    assert FP.version == NUMBERS.FP_ABI_VERSION
    assert FP.size == ffi.sizeof("fp_abi_t")


def test_every_call_is_filled_in():
    calls = [name for name, _ in ffi.typeof("fp_abi_t").fields if name not in ("version", "size")]
    assert len(calls) > 40
    assert not [name for name in calls if getattr(FP, name) == ffi.NULL]


def test_every_call_is_tested():
    folder = Path(__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*abi*.py"))
    calls = [name for name, _ in ffi.typeof("fp_abi_t").fields if name not in ("version", "size")]
    missing = [c for c in calls if f'"{c}"' not in text and not c.endswith("_name")]
    assert not missing


# --- versions -------------------------------------------------------------------------------------


@pytest.fixture
def get_table():
    """The exported C function of the module, called as a program without Python.h would."""
    ffi_of_library = type(ffi)()
    ffi_of_library.include(ffi)
    ffi_of_library.cdef(
        "const fp_abi_t *fp_abi_table(uint32_t version, size_t size, fp_error_t *error);"
    )
    library = ffi_of_library.dlopen(fastpath.abi.abi.__file__)
    return library.fp_abi_table


def test_a_program_gets_the_table_of_its_own_version(get_table):
    error = ffi.new("fp_error_t *")
    assert get_table(NUMBERS.FP_ABI_VERSION, ffi.sizeof("fp_abi_t"), error) == FP
    # An older header of the same version knows fewer calls.
    assert get_table(NUMBERS.FP_ABI_VERSION, ffi.sizeof("fp_abi_t") - 8, error) == FP


@pytest.mark.parametrize(("newer", "more"), [(1, 0), (-1, 0), (0, 8)])
def test_a_program_of_another_version_gets_an_error_that_names_both(get_table, newer, more):
    error = ffi.new("fp_error_t *")
    version, size = NUMBERS.FP_ABI_VERSION + newer, ffi.sizeof("fp_abi_t") + more
    assert get_table(version, size, error) == ffi.NULL
    assert get_table(version, size, ffi.NULL) == ffi.NULL
    assert error.code == NUMBERS.FP_ERROR_VERSION
    assert error.item == NUMBERS.FP_ABI_VERSION
    text = ffi.string(error.text).decode()
    assert f"version {version} of fp_abi.h with {size} octets" in text
    assert f"version {FP.version} with {FP.size}" in text


def test_capsule_has_the_name_that_the_header_looks_for():
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
    looked_for = re.search(r'#define FP_ABI_CAPSULE "(.*)"', (FOLDER / "fp_abi.h").read_text())
    assert name(fastpath.abi._C_API).decode() == looked_for[1]


# --- languages ------------------------------------------------------------------------------------

LANGUAGES = [
    pytest.param(["gcc", "-std=c11"], "c", id="C11"),
    pytest.param(["gcc", "-std=c17"], "c", id="C17"),
    pytest.param(["g++", "-std=c++11"], "cc", id="C++11"),
    pytest.param(["g++", "-std=c++20"], "cc", id="C++20"),
]
PROGRAM = """
#include "fp_abi.h"
int main(void)
{
    fp_packet_t p;
    uint8_t octets[64] = {0};
    fp_prefix_t prefix = fp_prefix4(192, 0, 2, 0, 24);
    fp_packet_set(&p, octets, 20, 8, FP_LINK_IPV4, 1);
    return fp_abi_check(0, FP_ABI_VERSION, sizeof(fp_abi_t), 0) + prefix.length;
}
""".replace("fp_abi_check(0", "fp_abi_check((const fp_abi_t *)octets")


@pytest.mark.parametrize(("compiler", "suffix"), LANGUAGES)
def test_header_is_clean_in_each_language(tmp_path, compiler, suffix):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    source = tmp_path / f"program.{suffix}"
    source.write_text(PROGRAM)
    flags = ["-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror", f"-I{FOLDER}", "-c"]
    done = subprocess.run(
        [*compiler, *flags, str(source), "-o", str(tmp_path / "program.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", HEADERS)
def test_every_field_and_call_has_its_words(name):
    """Each structure and each call stands behind a comment or before one."""
    text = declarations(name)
    for match in re.finditer(r"^(typedef struct|enum) (\w+) \{", text, re.MULTILINE):
        before = text[: match.start()].rstrip()
        body = text[match.end() : text.index("}", match.end())]
        assert before.endswith("*/") or "/*" in body, match[2]
