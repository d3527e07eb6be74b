"""Attributes that other LNSs know and this one does not carry out, and why: one row each.

Whoever reads an Access-Accept names them in `ignored`, so that an operator hears of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from control.radius.codec import Attribute

REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ERX-Virtual-Router-Name": "calls stay in the virtual router of their target",
        "ERX-Local-Loopback-Interface": "our address of a link is the profile's `ip_address`",
        "ERX-Tunnel-Virtual-Router": "tunnels leave from the virtual router of the target",
        "ERX-Ingress-Statistics": "packets and octets are always counted",
        "ERX-Egress-Statistics": "packets and octets are always counted",
        "ERX-Tunnel-Nas-Port-Method": "NAS-Port is our tunnel and session id",
        "ERX-Framed-Ip-Route-Tag": "nobody to whom routes are told takes tags: the kernel has none",
        "ERX-Tunnel-Interface-Id": "a tunnel has no interface of its own",
        "ERX-Tunnel-Group": "the tags of the answer are all there is",
        "ERX-DF-Bit": "what a link does not hold is cut before the tunnel, or answered by ICMP",
        "ERX-L2TP-Resynch-Method": "tunnels do not fail over",
        "ERX-Tunnel-Switch-Profile": "tunnels are not switched",
        "ERX-Tunnel-Tx-Speed-Method": "speeds are those that the LAC tells",
    }
)
_CARRIED_OUT: Final = frozenset(
    {
        ("ERX-Ingress-Statistics", 1),
        ("ERX-Egress-Statistics", 1),
        ("ERX-DF-Bit", 0),
        ("ERX-L2TP-Resynch-Method", 0),
        ("ERX-Tunnel-Tx-Speed-Method", 4),  # actual
    }
)
"""Values that ask for what is done anyway."""


def sentences(attributes: Iterable[Attribute]) -> list[str]:
    """One for each attribute that is refused."""
    names = dict.fromkeys(
        each.name
        for each in attributes
        if each.name in REFUSED and (each.name, each.value) not in _CARRIED_OUT
    )
    return [f"{name}: {REFUSED[name]}" for name in names]
