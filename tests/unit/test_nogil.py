"""The data plane's nogil functions touch no Python object: no yellow of `cython -a`."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import multiprocessing
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from test_source import ROOT, SOURCE, files, module_of

SIGNATURE = re.compile(r"^( *)cdef\b[^=]*\(")


def nogil_functions(path: Path) -> Iterator[range]:
    """Line numbers of each `noexcept nogil` function, signature and body."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        if not SIGNATURE.match(line):
            continue
        end, signature = start, ""
        for end in range(start, len(lines)):
            signature += lines[end].partition("#")[0].rstrip()
            if signature.count("(") == signature.count(")"):
                break
        if not signature.endswith("noexcept nogil:"):
            continue
        indent = len(line) - len(line.lstrip())
        body = end + 1
        while body < len(lines) and (
            not lines[body].strip() or len(lines[body]) - len(lines[body].lstrip()) > indent
        ):
            body += 1
        yield range(start + 1, body + 1)


def setup_module_of_the_build() -> object:
    spec = importlib.util.spec_from_file_location("dialout_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_calls(source: str) -> dict[str, dict[int, int]]:
    """Calls of the Python API in the C code of each line of a .pyx and the .pxd files it compiles
    in, by file and line: what `cython -a` shows in yellow, of which it shows the .pyx only."""
    from Cython.Build import cythonize
    from Cython.Compiler import Annotate
    from setuptools import Extension

    found: dict[str, dict[int, int]] = {}

    def count(writer, *_args, **_options):
        for name, code in writer.code.items():
            if name is None:  # code of the compiler itself
                continue
            lines = found.setdefault(str(Path(name).resolve()), {})
            for line, text in code.items():
                calls = [0]

                def seen(match, calls=calls):
                    calls[0] += match.lastgroup in API
                    return ""

                Annotate._parse_code(seen, text)
                lines[line] = lines.get(line, 0) + calls[0]

    Annotate.AnnotationCCodeWriter.save_annotation = count
    os.chdir(ROOT)
    build = setup_module_of_the_build()
    directives = build.DIRECTIVES | {"boundscheck": False, "initializedcheck": False}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        cythonize(
            [Extension(module_of(Path(source)), [str(Path(source).relative_to(ROOT))])],
            compiler_directives=directives,
            include_path=["src"],
            annotate=True,
            force=True,
            quiet=True,
            build_dir=folder,
            shared_utility_qualified_name="fastpath._cyutility",
        )
    return found


API = ("py_c_api", "pyx_c_api", "py_macro_api", "pyx_macro_api")


def test_no_line_of_a_nogil_function_touches_python():
    sources = [str(path) for path in files("*.pyx", under=SOURCE / "fastpath")]
    calls: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    # In processes of their own: the compiler is patched and leaves much memory behind.
    with multiprocessing.get_context("fork").Pool(min(4, os.cpu_count() or 1)) as pool:
        for found in pool.imap_unordered(python_calls, sources):
            for name, lines in found.items():
                for line, count in lines.items():
                    calls[name][line] += count
    guilty, compiled = [], 0
    for path in files("*.pyx", "*.pxd", under=SOURCE / "fastpath"):
        seen = calls[str(path.resolve())]
        for function in nogil_functions(path):
            compiled += any(line in seen for line in function)
            guilty += [f"{path.relative_to(ROOT)}:{line}" for line in function if seen.get(line)]
    assert compiled > 30, "nogil functions are not found any more"
    assert any(any(lines.values()) for lines in calls.values()), "no call is found any more"
    assert not guilty
