"""The budget's memory on disk: an SQLite file of what was used today, and of every call.

Implements control.dialout.budget.BudgetStore. A call's charge is committed before the call is
placed (50 us, measured); what may be lost without harm is written together with the next charge.

WAL with synchronous=NORMAL: a commit is in the kernel when it returns, so that kill -9 at any
moment loses nothing. A power failure may lose the charges since the latest heartbeat, 30 s; it
ends the calls, too. synchronous=FULL would wait for the disk at every call (300 us and more).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Final

from control.dialout.budget import ALL, DAY, HEARTBEAT, Saved, StoreError
from control.dialout.call_record import CallRecord, hashed

VERSION: Final = 1
"""Of the file's form."""
KEPT_RECORDS: Final = 1_000_000
KEPT_DAYS: Final = 400
_WAITING: Final = 10_000
"""Records that wait while the file cannot be written; the oldest are lost first."""

_COLUMNS: Final = tuple(f.name for f in fields(CallRecord) if f.name != "answered_at")
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS used (
    day INTEGER, target TEXT, calls INTEGER, seconds REAL, PRIMARY KEY (day, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running (call INTEGER PRIMARY KEY, target TEXT, since REAL);
CREATE TABLE IF NOT EXISTS alive (one INTEGER PRIMARY KEY CHECK (one = 1), wall REAL);
CREATE TABLE IF NOT EXISTS frozen (scope TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
"""
_USE: Final = """
INSERT INTO used VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, seconds = seconds + excluded.seconds
"""
_RECORD: Final = (
    f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
)


class SqliteBudgetStore:
    """`private_key`: numbers are written as keyed hashes (threat T32).

    Raises StoreError if there is no such file to be had, or it is not ours.
    """

    def __init__(self, path: str, *, private_key: bytes | None = None) -> None:
        self._path = path
        self._key = private_key
        self._seconds: dict[tuple[int, str], float] = {}
        self._opened: dict[int, tuple[str, float]] = {}
        self._closed: list[int] = []
        self._records: deque[CallRecord] = deque(maxlen=_WAITING)
        try:
            # Numbers are in it: nobody else's to read.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._file = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._prepare()
        except (OSError, ValueError, sqlite3.Error) as error:
            raise StoreError(f"{path}: {error}") from None

    def load(self, wall: float) -> Saved:
        """The newest day. Calls that a crash has cut off are charged until the process was last
        seen alive, and a heartbeat more."""
        try:
            with self._transaction():
                day = self._newest_day(wall)
                self._settle_running(day, wall)
                self._prune(day)
                rows = self._file.execute(
                    "SELECT target, calls, seconds FROM used WHERE day = ?", (day,)
                ).fetchall()
                frozen = self._file.execute("SELECT scope FROM frozen").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None
        used = {target: (calls, seconds) for target, calls, seconds in rows}
        return Saved(day, used, frozenset(scope for (scope,) in frozen))

    def freeze(self, scope: str, on: bool) -> None:
        statement = "INSERT OR IGNORE INTO frozen VALUES (?)"
        try:
            self._file.execute(statement if on else "DELETE FROM frozen WHERE scope = ?", (scope,))
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    def charge(self, day: int, target: str) -> None:
        try:
            with self._transaction():
                self._file.execute(_USE, (day, target, 1, 0.0))
                self._file.execute(_USE, (day, ALL, 1, 0.0))
                self._write_waiting()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None
        self._forget_waiting()

    def connected(self, meter: int, target: str, wall: float) -> None:
        self._opened[meter] = (target, wall)

    def disconnected(self, meter: int, day: int, target: str, seconds: float) -> None:
        if self._opened.pop(meter, None) is None:
            self._closed.append(meter)
        for scope in (target, ALL):
            self._seconds[day, scope] = self._seconds.get((day, scope), 0.0) + seconds

    def record(self, record: CallRecord) -> None:
        self._records.append(record)

    def heartbeat(self, wall: float) -> bool:
        try:
            with self._transaction():
                self._file.execute("INSERT OR REPLACE INTO alive VALUES (1, ?)", (wall,))
                self._write_waiting()
            # Through to the disk, outside the way of any call.
            self._file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            return False
        self._forget_waiting()
        return True

    def close(self, wall: float) -> None:
        """Writes what waits, if it can."""
        self.heartbeat(wall)
        self._file.close()

    def calls(self, most: int = 100) -> list[dict[str, object]]:
        """The newest call records, newest first."""
        rows = self._file.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM calls ORDER BY number DESC LIMIT ?", (most,)
        )
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]

    def _prepare(self) -> None:
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise ValueError(f"has form {version}, this program writes form {VERSION}")
        self._file.execute("PRAGMA journal_mode = WAL").fetchall()
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.executescript(_SCHEMA)
        self._file.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            # A disk that is full may have ended the transaction already.
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
            raise

    def _newest_day(self, wall: float) -> int:
        (newest,) = self._file.execute("SELECT max(day) FROM used").fetchone()
        return max(newest or 0, int(wall // DAY))

    def _settle_running(self, day: int, wall: float) -> None:
        alive = self._file.execute("SELECT wall FROM alive").fetchone()
        rows = self._file.execute("SELECT target, since FROM running").fetchall()
        for target, since in rows:
            seen = max(alive[0] if alive else since, since) + HEARTBEAT
            until = min(seen, wall) if wall > since else seen
            seconds = max(until - max(since, day * DAY), 0.0)
            for scope in (target, ALL):
                self._file.execute(_USE, (day, scope, 0, seconds))
        self._file.execute("DELETE FROM running")

    def _prune(self, day: int) -> None:
        self._file.execute("DELETE FROM used WHERE day < ?", (day - KEPT_DAYS,))
        self._file.execute(
            "DELETE FROM calls WHERE number <= (SELECT max(number) FROM calls) - ?",
            (KEPT_RECORDS,),
        )

    def _write_waiting(self) -> None:
        write = self._file.executemany
        if self._opened:
            rows = [(call, target, since) for call, (target, since) in self._opened.items()]
            write("INSERT OR REPLACE INTO running VALUES (?, ?, ?)", rows)
        if self._closed:
            write("DELETE FROM running WHERE call = ?", [(call,) for call in self._closed])
        if self._seconds:
            used = [(day, target, 0, s) for (day, target), s in self._seconds.items()]
            write(_USE, used)
        if self._records:
            write(_RECORD, [self._row(record) for record in self._records])

    def _forget_waiting(self) -> None:
        """It is written."""
        self._opened.clear()
        self._closed.clear()
        self._seconds.clear()
        self._records.clear()

    def _row(self, record: CallRecord) -> tuple[object, ...]:
        number = record.called_number
        if self._key is not None:
            number = hashed(number, self._key)
        return tuple(
            number if name == "called_number" else getattr(record, name) for name in _COLUMNS
        )
