"""The data-plane model is shared with the protocol tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "protocol"))
