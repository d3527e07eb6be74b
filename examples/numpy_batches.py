"""Bursts as numpy arrays: frames are changed where they lie, verdicts are a view of the worker's
memory, and a call passes one number.

`python examples/numpy_batches.py`
"""

import numpy as np

from fastpath import VERDICTS, Batches, Engine
from fastpath.ports.port import Port

engine = Engine()
table = engine.add_table("default", "10.88.0.1")
home, tunnel = engine.attach(Port(), table), engine.attach(Port(), table)
ends = {"local": ("10.88.0.1", 1701), "peer": ("10.88.0.2", 1701)}
ids = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}
with engine.transaction() as t:
    session = t.add_session(table=table, port=tunnel, **ends, **ids)
    t.add_route(table, "198.51.100.0/24", session)

# 256 slots for the home port. Each leaves 128 octets before its frame, where outer headers go; a
# stride of 2,048 would make all slots share a few lines of the cache.
HEADROOM = 128
frames = np.zeros((256, 2240), dtype=np.uint8)
batches = Batches(engine.worker)
batch = batches.attach(home, frames, headroom=HEADROOM, link="ipv4")

# The same packet in all rows, but every fourth one to an address without a route.
packet = bytes.fromhex("4500001c0001000040118e88c000020ac633640a0035003500080000")
stray = bytes.fromhex("4500001c0001000040116389c000020af133640a0035003500080000")
stray = stray[:10] + b"\x63\x88" + stray[12:]
for row in range(256):
    wire = stray if row % 4 == 3 else packet
    frames[row, HEADROOM : HEADROOM + len(wire)] = np.frombuffer(wire, dtype=np.uint8)
batch.lengths[:] = len(packet)

handled = batch.process(256)
verdicts, counts = np.unique(batch.packets["verdict"], return_counts=True)
print({VERDICTS[v]: int(n) for v, n in zip(verdicts, counts, strict=True)})

# What leaves by the tunnel port is still in its row, 40 octets longer at the front.
rows = batches.sent(batch, tunnel)
start, length = int(batch.starts()[rows[0]]), int(batch.packets["len"][rows[0]])
print(f"{len(rows)} packets leave, the first from octet {start} of row {rows[0]} on:")
print(frames[rows[0], start : start + length].tobytes().hex())
print("next hops:", np.unique(batch.packets["nh"][rows]) == [session])
