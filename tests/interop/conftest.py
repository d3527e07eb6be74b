"""What all interoperation tests need. A missing program is an error here, never a skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tshark


@pytest.fixture(autouse=True, scope="session")
def tshark_program() -> str:
    return tshark.program()


@pytest.fixture(scope="session")
def real_captures() -> Path:
    """The folder of real captures; those who have none set no DIALOUT_DATA."""
    if "DIALOUT_DATA" not in os.environ:
        pytest.skip("DIALOUT_DATA names no folder with captures")
    return Path(os.environ["DIALOUT_DATA"]) / "pcap"
