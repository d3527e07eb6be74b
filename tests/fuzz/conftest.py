"""The fuzz tests of the engine use the rig and the packets of its unit tests, the one of everything
the simulated network of the protocol tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / part) for part in ("unit/fastpath", "protocol", "protocol/conformance")]
