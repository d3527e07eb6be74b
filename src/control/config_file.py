"""Reads a TOML configuration file into control.config.Config, or tells everything that is wrong.

Rows of config_keys.py judge the values, config_checks.py the references between them. Secrets come
from files that nobody else may read, unless they are those of simulated peers; no error shows one,
nor the value of a key that is unknown and so might be one. Nothing outside the directory of the
file is read, and nothing is included.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from control.config import Config
from control.config_checks import Entry, check_references
from control.config_keys import ROOT
from control.config_lines import LineIndex
from control.config_lines import Path as KeyPath
from control.config_rules import read_rule_file
from control.config_section import Section
from control.config_values import Refused
from control.errors import ConfigurationError

MAXIMUM_SIZE: Final = 16 * 1024 * 1024
"""Octets of a configuration file: some 100,000 targets."""
_MAXIMUM_SECRET_FILE: Final = 1024
_MAXIMUM_LINE: Final = 4096
_MAXIMUM_DOTS: Final = 200
"""Characters and dots of a line: tomllib's time grows with the square of the parts of a key, 60 ms
for one of 2,000 parts."""
_SHOWN: Final = 60
"""Characters of a value that an error shows."""
_HIDDEN: Final = "***"
_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong. Printed as `FILE:LINE: KEY = VALUE: what is allowed`."""

    file: str
    line: int
    key: str
    """Section and key, as `target.prefix`; empty if the whole file is meant."""
    value: str
    """As in TOML and cut short; `***` for what is or might be secret; empty if not about one."""
    allowed: str

    def __str__(self) -> str:
        what = f"{self.key} = {self.value}" if self.value else self.key
        parts = [f"{self.file}:{self.line}", what, self.allowed]
        return ": ".join(part for part in parts if part)


class ConfigError(ConfigurationError):
    """The file cannot be used. The text has one line for each problem."""

    def __init__(self, errors: tuple[ConfigProblem, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def read_config(path: str | os.PathLike[str]) -> Config:
    """The configuration in a file. Raises ConfigError with everything that is wrong with it."""
    file = os.fspath(path)
    octets, mode = _read_file(file)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise _whole_file(file, "is not UTF-8", line) from None
    document = _parse(file, text)
    return _Reader(file, mode, text).read(document)


def _whole_file(file: str, what: str, line: int = 1) -> ConfigError:
    return ConfigError((ConfigProblem(file, line, "", "", what),))


def _read_file(file: str) -> tuple[bytes, int]:
    """Content and mode of a regular file that is not too large."""
    try:
        # A FIFO would block the open, a device could do anything.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise _whole_file(file, f"cannot be read: {reason}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _whole_file(file, "is not a regular file")
        octets = _read_to(descriptor, MAXIMUM_SIZE + 1)
    finally:
        os.close(descriptor)
    if len(octets) > MAXIMUM_SIZE:
        raise _whole_file(file, f"is larger than {MAXIMUM_SIZE} octets")
    return octets, stat.S_IMODE(status.st_mode)


def _read_to(descriptor: int, most: int) -> bytes:
    parts = []
    while most and (part := os.read(descriptor, most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _parse(file: str, text: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _MAXIMUM_LINE:
            raise _whole_file(file, f"line is longer than {_MAXIMUM_LINE} characters", number)
        if line.count(".") > _MAXIMUM_DOTS and not line.lstrip().startswith("#"):
            raise _whole_file(file, f"line has more than {_MAXIMUM_DOTS} dots", number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _whole_file(file, "is not valid TOML: nested too deeply") from None
    except ValueError as error:
        # TOMLDecodeError is one, and so is what int() says of too many digits.
        message = str(error)
        place = _PLACE.search(message)
        line_number = int(place.group(1)) if place else text.count("\n") + 1
        message = _PLACE.sub("", message).strip()
        raise _whole_file(file, f"is not valid TOML: {message}", line_number) from None


class _Reader:
    """One reading of one file: collects problems and tables, then builds the configuration."""

    def __init__(self, file: str, mode: int, text: str) -> None:
        self._file = file
        self._private = not mode & 0o077
        self._mode = mode
        self._text = text
        self._lines: LineIndex | None = None
        """Made for the first problem: it takes as long as half of the rest."""
        self._directory = Path(file).resolve().parent
        self._problems: list[ConfigProblem] = []
        self._entries: dict[str, list[Entry]] = {}

    def read(self, document: dict[str, Any]) -> Config:
        built = self._table((), document, ROOT)
        self._borrow_secrets()
        self._read_rules()
        check_references(self._entries, self._report)
        if self._problems:
            raise ConfigError(tuple(sorted(self._problems, key=lambda p: p.line)))
        return cast(Config, built())

    def _borrow_secrets(self) -> None:
        """A simulated RADIUS server tells its secret to who asks it; real ones have to be told."""
        simulated = {
            (e.values.get("address"), e.values.get("port")): e.values.get("secret")
            for e in self._entries.get("sim.radius", [])
        }
        for entry in self._entries.get("radius.servers", []):
            if entry.values.get("secret") != b"":
                continue
            secret = simulated.get((entry.values.get("address"), entry.values.get("port")))
            if secret:
                entry.values["secret"] = secret
            else:
                self._add(
                    (*entry.path, "secret"), "", "is missing; secret or secret_file must be given"
                )

    def _read_rules(self) -> None:
        """Puts the lines of a classifier's file where its rules would stand."""
        for entry in self._entries.get("classifier", []):
            rules, file = entry.values.get("rules"), entry.values.get("file")
            if rules is None or file is None:
                continue  # reported already
            if bool(rules) == bool(file):
                self._add((*entry.path, "rules"), "", "either rules or a file must be given")
            elif file:
                try:
                    entry.values["rules"] = read_rule_file(self._directory, file)
                except Refused as reason:
                    self._add((*entry.path, "file"), _display(file), str(reason))

    def _report(self, path: KeyPath, value: object, allowed: str) -> None:
        self._add(path, _display(value), allowed)

    def _add(self, path: KeyPath, shown: str, allowed: str) -> None:
        if self._lines is None:
            self._lines = LineIndex(self._text)
        line = self._lines.line(path)
        self._problems.append(ConfigProblem(self._file, line, _dotted(path), shown, allowed))

    def _table(self, path: KeyPath, table: dict[str, Any], section: Section) -> _Built:
        fields = {f.name: f for f in dataclasses.fields(section.make)}
        built = _Built(section.make)
        given = dict(table)
        for name, check in section.keys.items():
            if name in given:
                try:
                    built.values[name] = check.parse(given.pop(name))
                except Refused as reason:
                    allowed = str(reason) or f"must be {check.allowed}"
                    shown = _HIDDEN if name == "reply" else _display(table[name])
                    self._add((*path, name), shown, allowed)
            elif _is_required(fields[name]):
                self._add((*path, name), "", f"is missing; must be {check.allowed}")
            else:
                built.values[name] = fields[name].default
        for name, limit in section.secrets.items():
            secret = self._secret(path, name, limit, given, name in section.required_secrets)
            if secret is not None:
                built.values[name] = secret
        for name, child in section.children.items():
            required = _is_required(fields[name])
            value = given.pop(name, None)
            built.children[name] = self._child((*path, name), value, child, required)
        for name in given:
            self._unknown((*path, name), section)
        names = ".".join(part for part in path if isinstance(part, str))
        self._entries.setdefault(names, []).append(Entry(path, built.values))
        return built

    def _child(
        self, path: KeyPath, value: object, section: Section, required: bool
    ) -> list[_Built] | _Built:
        name = _dotted(path)
        if not section.array:
            if value is not None and not isinstance(value, dict):
                self._add(path, _HIDDEN, f"must be a table, [{name}]")
                value = None
            return self._table(path, value or {}, section)
        if value is None or value == []:
            if required:
                self._add(path, "", f"is missing or empty; must be an array of tables, [[{name}]]")
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._add(path, _HIDDEN, f"must be an array of tables, [[{name}]]")
            return []
        return [self._table((*path, at), item, section) for at, item in enumerate(value)]

    def _unknown(self, path: KeyPath, section: Section) -> None:
        known = [*section.keys, *section.children]
        known += [key for name in section.secrets for key in (name, f"{name}_file")]
        name = str(path[-1])
        close = difflib.get_close_matches(name[:_SHOWN], known, 1)
        hint = f"did you mean {close[0]}?" if close else "there are " + ", ".join(sorted(known))
        self._add(path, _HIDDEN, f"no such {'key' if path[:-1] else 'section'}; {hint}")

    def _secret(
        self, path: KeyPath, name: str, limit: int, given: dict[str, Any], required: bool
    ) -> bytes | None:
        """The secret of one key, empty if there is none, None if there was a problem."""
        in_file = f"{name}_file"
        inline, file = given.pop(name, None), given.pop(in_file, None)
        if inline is None and file is None:
            if required:
                self._add((*path, name), "", f"is missing; {name} or {in_file} must be given")
                return None
            return b""
        where = (*path, name if file is None else in_file)
        try:
            if file is None:
                secret = self._inline_secret(path, inline, in_file)
            elif inline is not None:
                raise Refused(f"must not be given beside {name}")
            else:
                secret = _read_secret(self._directory, file)
            # An empty one inline says that there is none, where there may be none.
            least = 0 if file is None and not required else 1
            if not least <= len(secret) <= limit:
                raise Refused(f"must have {least} to {limit} octets")
        except Refused as reason:
            self._add(where, _HIDDEN if file is None else _display(file), str(reason))
            return None
        return secret

    def _inline_secret(self, path: KeyPath, value: object, in_file: str) -> bytes:
        if not isinstance(value, str):
            raise Refused("must be a text")
        # The secrets of simulated peers are nobody's.
        if not (self._private or path[0] == "sim"):
            what = f"stands in a file of mode {self._mode:04o}: others may read it. "
            raise Refused(what + f"Make the file's mode 0600, or use {in_file}")
        return value.encode()


class _Built:
    """Arguments of one dataclass, made when all of the file is known to be right."""

    def __init__(self, make: type) -> None:
        self.make = make
        self.values: dict[str, Any] = {}
        self.children: dict[str, list[_Built] | _Built] = {}

    def __call__(self) -> object:
        for name, child in self.children.items():
            made = tuple(c() for c in child) if isinstance(child, list) else child()
            self.values[name] = made
        return self.make(**self.values)


def _is_required(item: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return item.default is missing and item.default_factory is missing


def _read_secret(directory: Path, name: object) -> bytes:
    """Content of a secret file, without a newline at its end. Raises Refused, which says why."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise Refused("must be the name of a file")
    resolved = Path(os.path.realpath(directory / name))
    if not resolved.is_relative_to(directory):
        raise Refused("must be inside the directory of the configuration file")
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(resolved, flags)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("must be a regular file")
        if status.st_uid not in (0, os.geteuid()):
            raise Refused(f"must belong to root or to us, not to user {status.st_uid}")
        if mode & 0o077:
            raise Refused(f"must have mode 0600 or 0400, has {mode:04o}: others may use it")
        octets = _read_to(descriptor, _MAXIMUM_SECRET_FILE + 1)
    finally:
        os.close(descriptor)
    if len(octets) > _MAXIMUM_SECRET_FILE:
        raise Refused(f"is larger than {_MAXIMUM_SECRET_FILE} octets")
    return octets.removesuffix(b"\n").removesuffix(b"\r")


def _dotted(path: KeyPath) -> str:
    parts = (part for part in path if isinstance(part, str))
    return ".".join(p if _BARE.fullmatch(p) else json.dumps(p[:40]) for p in parts)


def _display(value: object) -> str:
    """A value as TOML writes it, in one line, cut short, with no control character."""
    if isinstance(value, bool):
        shown = "true" if value else "false"
    elif isinstance(value, int) and value.bit_length() > 64:
        shown = "a number of more than 64 bits"
    elif isinstance(value, list | tuple):
        items = ("[...]" if isinstance(item, list) else _display(item) for item in value[:8])
        shown = "[" + ", ".join(items) + "]"
    elif isinstance(value, dict):
        shown = "{...}"
    else:
        shown = json.dumps(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
