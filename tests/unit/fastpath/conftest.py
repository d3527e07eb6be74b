"""Fixtures of the data plane's tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def save(tmp_path):
    def to_file(content: bytes, name="in.pcap") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to_file
