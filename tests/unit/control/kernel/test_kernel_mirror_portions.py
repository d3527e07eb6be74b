"""The mirror looks at many routes in many turns, for signalling waits meanwhile."""

from __future__ import annotations

from fake_kernel import FakeKernel, carry

from control.kernel.mirror import BATCH, Mirror


def test_routes_that_are_there_already_are_looked_at_in_portions():
    changes = [(7, f"10.{i >> 8}.{i & 255}.0/24", "access") for i in range(3 * BATCH)]
    mirror, kernel = Mirror({7: 1000}), FakeKernel()
    mirror.change(changes)
    carry(mirror, kernel)
    mirror.resync()
    while (request := mirror.next_request(0.0)) is not None:
        for answer in kernel.send(request):
            mirror.receive(answer, 0.0)
    looks = 0
    while mirror.behind:
        assert not mirror.settled
        assert mirror.next_request(0.0) is None
        looks += 1
    assert mirror.settled
    assert looks >= 2 * 3
    assert mirror.counts["added"] == len(changes)
