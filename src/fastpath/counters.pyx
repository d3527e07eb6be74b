"""The counters' numpy form: one record of uint64 fields, made from the enums."""

import numpy as np

from fastpath.verdict import REASONS, VERDICTS

COUNTERS = tuple(m.name.removeprefix("COUNTER_").lower()
                 for m in sorted(Counter, key=int) if m.name != "COUNTER_COUNT")
"""Names of the counters by number."""

DTYPE = np.dtype([("verdict", [(name, np.uint64) for name in VERDICTS]),
                  ("reason", [(name, np.uint64) for name in REASONS]),
                  *((name, np.uint64) for name in COUNTERS)])
"""Layout of counters_t."""
