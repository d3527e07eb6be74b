"""The FreeRADIUS that a benchmark starts, where there is none."""

from __future__ import annotations

import pytest

from control.bench.freeradius import FreeRadius
from control.errors import ResourceError


def test_it_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.bench.freeradius.PROGRAM", "no-such-freeradius")
    with pytest.raises(ResourceError, match="apt-get install freeradius"):
        FreeRadius("127.77", 1, 0)
