"""The torture of versions at full length: swaps of linked things on one thread, readers on others.

    PYTHONPATH=src python tests/torture.py [--swaps N] [--lookups N] [--readers N]

Prints what was done and ends with 1 if a burst saw two things that do not belong to one version.
tests/unit/fastpath/test_versions.py runs the same for a moment.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from fastpath import Engine
from fastpath.torture import Torture


def torture(swaps: int, lookups: int, readers: int = 1, **options: int) -> dict[str, int]:
    """Runs until the writer has made its swaps and each reader its lookups."""
    engine = Engine(adjacencies=4096, sessions=256, **options)
    rack = Torture(engine)
    with ThreadPoolExecutor(readers + 1) as pool:
        reads = [pool.submit(rack.read, lookups // readers) for _ in range(readers)]
        try:
            result = rack.write(swaps)
        finally:
            rack.stop()
        for name in ("lookups", "bursts", "versions", "torn"):
            result[name] = sum(read.result()[name] for read in reads)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=10**6)
    parser.add_argument("--lookups", type=int, default=10**9)
    parser.add_argument("--readers", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    result = torture(arguments.swaps, arguments.lookups, arguments.readers)
    result["seconds"] = round(time.monotonic() - began)
    print(", ".join(f"{value} {name}" for name, value in result.items()))
    return 1 if result["torn"] else 0


if __name__ == "__main__":
    sys.exit(main())
