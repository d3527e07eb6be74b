"""Fixtures of the tests of the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_bench import secret


@pytest.fixture
def write(tmp_path):
    """Writes the file, with mode 0600, beside two secret files; gives its name."""

    def to_file(text: str | bytes, mode: int = 0o600) -> Path:
        (tmp_path / "secrets").mkdir(exist_ok=True)
        for name in ("lac.secret", "secrets/radius"):
            secret(tmp_path / name, name.encode() + b"\n")
        path = tmp_path / "dialout.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    return to_file
