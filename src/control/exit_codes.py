"""What the exit codes of `dialout` mean."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""A damaged input too."""
USAGE: Final = 2
CONFIGURATION: Final = 3
PEER: Final = 4
"""Peer or authentication; in a replay a failed call is a result, not an error."""
RESOURCE: Final = 5
"""Resource or permission."""
INTERRUPTED: Final = 130
"""As a shell says it of a command that SIGINT ended."""
