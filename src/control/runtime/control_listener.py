"""The control socket as a file: made with its mode, the one of a process that is dead replaced, the
one of a live process respected.

A lock beside the socket belongs to the process, however that ends; so two that start at once do not
take each other's socket away.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress

from control.errors import ResourceError

MODE = 0o660
BACKLOG = 32
ADVICE = "give this one a socket of its own ([control] socket, or --socket)"


class ControlListener:
    """Listens from when it is made until it is closed."""

    def __init__(self, path: str, group: int | None = None, *, owner: int | None = None) -> None:
        """`group`: who owns the socket beside its user; `owner`: the user that the process will be.
        Raises ResourceError while another process has the socket, or if there can be none."""
        self.path = path
        self.socket: socket.socket | None = None
        self._lock = -1
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            self._lock = self._locked()
            self._make_room()
            self.socket = self._bound(group, owner)
            status = os.stat(path)
            self._file = (status.st_dev, status.st_ino)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                why = error.strerror or error
                raise ResourceError(f"{path}: no control socket can be here: {why}") from None
            raise

    def _locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(f"{self.path}.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            who = f" (process {pid})" if pid.isdecimal() else ""
            raise ResourceError(
                f"{self.path}: another dialout answers here{who}: {ADVICE}"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def _make_room(self) -> None:
        """Removes what a dead process left."""
        try:
            kind = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise ResourceError(f"{self.path}: there is something else that is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                os.unlink(self.path)
                return
            except OSError:
                pass
        raise ResourceError(f"{self.path}: another program answers here: {ADVICE}")

    def _bound(self, group: int | None, owner: int | None) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # Linux takes the mode of the file from the socket, less the umask: there is no moment
            # in which it is open to others.
            os.fchmod(made.fileno(), MODE)
            made.bind(self.path)
            os.chmod(self.path, MODE)
            if group is not None or owner is not None:
                os.chown(self.path, -1 if owner is None else owner, -1 if group is None else group)
            made.listen(BACKLOG)
        except BaseException:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Takes the file away, unless it is another one by now."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            with suppress(OSError):
                status = os.stat(self.path)
                if (status.st_dev, status.st_ino) == self._file:
                    os.unlink(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
