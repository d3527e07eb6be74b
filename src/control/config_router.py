"""Where packets come and go, and the threads that carry them (see config.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """Where packets come from and go to."""

    name: str
    """What error messages call it."""
    url: str
    """`pcap:` (what replay reads; `pcap:FILE` in a running router), `mem:`, on the home side
    `tun:NAME`, on the tunnel side `udp:ADDRESS[:PORT]`, and `packet:INTERFACE` or
    `xdp:INTERFACE` on either."""
    side: str
    """`home` or `tunnel`; a replay takes one port of the home side."""
    virtual_router: str
    """Whose table its packets are looked up in."""
    networks: tuple[str, ...] = ()
    """Prefixes that are behind a home port: packets to them are delivered there."""
    mtu: int = 1500
    """Largest IP packet that it sends, octets; an interface of its own gets this MTU."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The threads that forward packets of live ports, apart from the control plane's."""

    count: int = 1
    """How many; each gets a queue of its own of every port, and the packets of a flow stay with
    one."""
    cpus: tuple[int, ...] = ()
    """Processors that they are pinned to in turn; empty: they run wherever there is room."""
    polling: str = "adaptive"
    """`adaptive`: a worker without packets sleeps until one comes, and one with more than 100,000 a
    second pauses for 50 us so that some gather; `busy`: it asks its ports again and again, which
    takes a processor and saves the time of waking up."""
