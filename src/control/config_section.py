"""One section of a configuration file: what may stand in it (rows of config_keys.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control.config_values import Check


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the file, or each table of an array."""

    make: type
    keys: Mapping[str, Check] = field(default_factory=dict)
    secrets: Mapping[str, int] = field(default_factory=dict)
    """Keys K that may also be given as `K_file`, and their greatest length in octets."""
    required_secrets: tuple[str, ...] = ()
    children: Mapping[str, Section] = field(default_factory=dict)
    array: bool = True
