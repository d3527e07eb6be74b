"""The fuzz tests of the engine use the rig and the packets of its unit tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit" / "fastpath"))
