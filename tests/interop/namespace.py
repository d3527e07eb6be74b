"""A network namespace of a test: made empty, and gone with everything in it."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


class Namespace:
    def __init__(self, name: str) -> None:
        self.name = f"{name}-{os.getpid()}-{next(_numbers)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str) -> str:
        """What a program in it prints. Raises CalledProcessError."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def ip(self, *arguments: str) -> Any:
        """What `ip` says, as JSON has it; None: nothing."""
        said = self.run("ip", "-j", *arguments)
        return json.loads(said) if said.strip() else None

    def call(self, function: Callable[[], Any]) -> Any:
        """Runs a function on a thread of its own that is in the namespace, as all threads that it
        starts."""
        results: list[Any] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                with open(f"/run/netns/{self.name}") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                results.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)
