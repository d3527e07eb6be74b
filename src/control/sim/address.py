"""Which of host.py and host6.py an address belongs to."""

from __future__ import annotations

from types import ModuleType

from control.sim import host, host6


def host_of(address: str) -> ModuleType:
    """The module for packets from or to an address in text form."""
    return host6 if ":" in address else host


def host_for(packet: bytes) -> ModuleType:
    """The module for a packet, by the version of its header."""
    return host6 if packet[:1] and packet[0] >> 4 == 6 else host
