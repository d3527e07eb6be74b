"""The simulated network of the folder above serves here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
