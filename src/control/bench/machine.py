"""The machine that numbers were measured on, as far as it says so."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy

from control.version import __version__

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
PAGES = Path("/sys/kernel/mm")


def machine() -> dict[str, Any]:
    """Processor, caches, pages, kernel, compiler and versions."""
    return {
        "cpu": _of_cpuinfo("model name"),
        "cores": len(os.sched_getaffinity(0)),
        "megahertz": _of_cpuinfo("cpu MHz"),
        "caches": _caches(),
        "vectors": _vectors(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "transparent_huge_pages": _chosen(PAGES / "transparent_hugepage" / "enabled"),
        "free_huge_pages": _text(PAGES / "hugepages" / "hugepages-2048kB" / "free_hugepages"),
        "kernel": platform.release(),
        "compiler": _compiler(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "dialout": __version__,
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The same for reading."""
    caches = ", ".join(f"{name} {size}" for name, size in told["caches"].items())
    return [
        f"{told['cpu']}, {told['cores']} cores, {caches}, {told['vectors']}",
        f"Linux {told['kernel']}, {told['compiler']}, Python {told['python']}, "
        f"numpy {told['numpy']}, dialout {told['dialout']}",
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


def _of_cpuinfo(key: str) -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return platform.machine()


def _chosen(path: Path) -> str:
    """The word in brackets."""
    return _text(path).partition("[")[2].partition("]")[0] or "unknown"


def _caches() -> dict[str, str]:
    found = {}
    for folder in sorted(CACHES.glob("index*")):
        if (kind := _text(folder / "type")) != "Instruction":
            name = f"L{_text(folder / 'level')}{'d' if kind == 'Data' else ''}"
            found[name] = _text(folder / "size")
    return found


def _vectors() -> str:
    flags = _of_cpuinfo("flags").split()
    for flag, name in (("avx512vl", "AVX-512"), ("avx2", "AVX2"), ("sse4_2", "SSE4.2")):
        if flag in flags:
            return name
    return "no vectors known"


def _compiler() -> str:
    try:
        done = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return "no gcc here"
    return done.stdout.partition("\n")[0] or "unknown"
