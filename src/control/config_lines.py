"""Which line of a TOML file a value stands on. tomllib does not tell.

A light scan for headers and keys at the start of lines, for error messages only: where it cannot
tell (keys inside inline tables, strings over several lines) the line of what is around is given.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]
"""Keys, and the position behind each array of tables: ("target", 3, "prefix")."""

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:\#.*)?$")
_KEY: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_SPLIT: Final = re.compile(_PART)


class LineIndex:
    """Lines of the paths of one file."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        section: Path = ()
        fence = ""
        for number, line in enumerate(text.split("\n"), 1):
            if fence:
                fence = "" if line.count(fence) % 2 else fence
                continue
            if header := _HEADER.match(line):
                section = self._open(_parts(header.group(2)), array=header.group(1) == "[[")
                self._lines.setdefault(section, number)
            elif key := _KEY.match(line):
                self._lines.setdefault(section + _parts(key.group(1)), number)
            fence = next((f for f in ('"""', "'''") if line.count(f) % 2), "")

    def line(self, path: Path) -> int:
        """Line of a path, or of the nearest thing around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _open(self, parts: Path, *, array: bool) -> Path:
        path: Path = ()
        for at, part in enumerate(parts):
            path += (part,)
            if array and at == len(parts) - 1:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path += (self._counts[path] - 1,)
        return path


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _SPLIT.findall(dotted))
