"""The state directory: what outlives the process, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from control.errors import ConfigurationError, ResourceError

LOCK = "lock"
BUDGETS = "budgets.sqlite"


class StateDirectory:
    """Made if it is not there, readable by its owner alone. The lock ends with the process, however
    that ends."""

    def __init__(self, path: str) -> None:
        """Raises ConfigurationError for a directory that others may write to, ResourceError while
        another process uses it or if it cannot be made, OSError."""
        self.path = Path(path)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise ResourceError(f"{path}: the state directory is no directory") from None
        except OSError as error:
            why = error.strerror or error
            raise ResourceError(f"{path}: the state directory cannot be made: {why}") from None
        if self.path.stat().st_mode & 0o022:
            raise ConfigurationError(
                f"{path}: others may write to this state directory, its mode should be 0700"
            )
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.path / LOCK, flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            who = f" (process {owner})" if owner.isdecimal() else ""
            raise ResourceError(f"{path}: another dialout uses this state directory{who}") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    @property
    def budgets(self) -> Path:
        """Where budgets and call records are kept."""
        return self.path / BUDGETS

    def close(self) -> None:
        os.close(self._lock)

    def __enter__(self) -> StateDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
