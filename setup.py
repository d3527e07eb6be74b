"""Build of the Cython data plane. Directives for every module stand here and nowhere else.

Environment:
  DIALOUT_BUILD=release   (default) optimised, no bounds checks in the data plane, no debug data
  DIALOUT_BUILD=checked   bounds checks and assertions on, same code, debug data
  DIALOUT_BUILD=sanitize  checked, and compiled with the address and undefined-behaviour sanitizers
  DIALOUT_BUILD=thread    as release, but slower, and compiled with the thread sanitizer
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
SOURCE = Path("src/fastpath")
MODE = os.environ.get("DIALOUT_BUILD", "release")
MODES = ("release", "checked", "sanitize", "thread")
if MODE not in MODES:
    raise SystemExit(f"DIALOUT_BUILD={MODE!r} is not one of {', '.join(MODES)}")
CHECKED = MODE in ("checked", "sanitize")
DEBUGGED = MODE != "release"

COMPILE = [
    "-O3" if MODE == "release" else "-O1",
    # Python's own flags ask for -g, which makes the modules five times as large as their code.
    "-g" if DEBUGGED else "-g0",
    "-std=gnu11",
    "-fno-strict-aliasing",
    "-fstack-protector-strong",
    "-fcf-protection",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]
LINK = ["-Wl,-z,relro,-z,now"]
if MODE == "sanitize":
    sanitizers = "-fsanitize=address,undefined"
    COMPILE += [sanitizers, "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    LINK += [sanitizers]
elif MODE == "thread":
    COMPILE += ["-fsanitize=thread"]
    LINK += ["-fsanitize=thread"]
else:
    COMPILE += ["-D_FORTIFY_SOURCE=2"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    "cdivision": True,
    "nonecheck": False,
    "embedsignature": True,
    "freethreading_compatible": False,
}


def extension(name: str, source: str) -> Extension:
    return Extension(
        name,
        [source],
        include_dirs=[str(SOURCE), numpy.get_include()],
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    )


def extensions() -> list[Extension]:
    os.chdir(ROOT)
    modules = []
    for path in sorted(SOURCE.rglob("*.pyx")):
        name = ".".join(path.relative_to("src").with_suffix("").parts)
        modules.append(extension(name, str(path)))
    shared = "fastpath._cyutility"
    modules.append(extension(shared, str(SOURCE / "_cyutility.c")))
    return cythonize(
        modules,
        compiler_directives=DIRECTIVES,
        include_path=["src"],
        annotate=bool(os.environ.get("DIALOUT_ANNOTATE")),
        nthreads=os.cpu_count() or 1,
        shared_utility_qualified_name=shared,
        build_dir=f"build/cython-{MODE}",
    )


if __name__ == "__main__":
    # One compiler for each processor: by itself setuptools runs one after the other.
    setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count()}})
