"""DPDK's longest-prefix-match tables answer as ours do, so that their speed may be compared.

Each runs in a process of its own: DPDK starts once in a process and keeps what it takes.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from control.bench.peers import HEADERS

pytestmark = pytest.mark.interop

PROGRAM = """
import numpy as np
from control.bench.peers import groups_needed, open_peers
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked
from fastpath.measure import lookup_all, time_lookups

rng = np.random.default_rng(7)
library = open_peers(1024)
for peer in library.peers:
    width = 4 if peer.family == 4 else 16
    for default in (False, True):
        lengths = np.sort(rng.integers(1, 8 * width + 1, 3000))
        lengths[0] = 0 if default else 1
        masks = np.packbits(np.arange(8 * width) < lengths[:, None], axis=1)
        base = rng.integers(0, 256, (60, width), dtype=np.uint8)
        noise = rng.integers(0, 256, (3000, width), dtype=np.uint8)
        noise[:, : width // 4] = 0
        addresses = (base[rng.integers(0, 60, 3000)] ^ noise) & masks
        both = np.concatenate([addresses, lengths[:, None].astype(np.uint8)], axis=1)
        kept = np.sort(np.unique(both, axis=0, return_index=True)[1])
        addresses, lengths = addresses[kept], lengths[kept]
        nhs = rng.integers(1, 200, len(kept))
        ours = (Chunked if peer.family == 4 else BurstTrie)(peer.family)
        ours.load(addresses, lengths, nhs)
        keys = addresses[rng.integers(0, len(kept), 20000)]
        keys = keys ^ rng.integers(0, 256, keys.shape, dtype=np.uint8) % 2
        keys[::3] = rng.integers(0, 256, keys[::3].shape, dtype=np.uint8)
        table = peer.open(len(kept) + 2, groups_needed(addresses, lengths) + 500)
        assert table.load(addresses, lengths, nhs) > 0
        read = peer.keys(keys)
        found = lookup_all(*table.lookup_address(), read, peer.answer)
        wrong = np.flatnonzero(peer.next_hops(found) != ours.lookup_array(keys))
        assert not len(wrong), (peer.name, default, keys[wrong[0]], found[wrong[0]])
        assert time_lookups(*table.lookup_address(), read, 256) > 0
        assert table.memory > 1 << 20
        if peer.name != "rte_lpm bulk":  # its tables were written, not loaded
            gone = lengths == 8 * width  # what the benchmarks remove
            assert table.remove(addresses[gone], lengths[gone]) > 0
            for prefix, length in zip(addresses[gone], lengths[gone]):
                ours.delete_prefix((bytes(prefix), int(length)))
            found = lookup_all(*table.lookup_address(), read, peer.answer)
            assert (peer.next_hops(found) == ours.lookup_array(keys)).all(), peer.name
        table.close()
print("equal", *(peer.name for peer in library.peers), sep=",")
"""


def test_peers_answer_as_our_table_does():
    if not (HEADERS / "rte_fib.h").exists():
        pytest.fail("libdpdk-dev is not installed: make deps")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "equal,rte_fib 2-byte,rte_fib 4-byte,rte_lpm bulk,rte_fib6 4-byte,rte_lpm6 bulk"
    )
