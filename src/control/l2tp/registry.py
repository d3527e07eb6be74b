"""Where an endpoint finds its tunnels: by our id, by what they were opened with, by the peer's id,
by the SCCRQ that made them, and those whose SCCRQ is still unanswered. Every look-up is a
dictionary's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from control.l2tp.events import SocketAddress, TunnelParameters

if TYPE_CHECKING:
    from control.l2tp.tunnel import Tunnel


class Registry:
    def __init__(self) -> None:
        self._by_id: dict[int, Tunnel] = {}
        self._by_parameters: dict[TunnelParameters, Tunnel] = {}
        self._by_peer: dict[tuple[SocketAddress, int], Tunnel] = {}
        self._by_sccrq: dict[tuple[SocketAddress, bytes], Tunnel] = {}
        self._outstanding: dict[str, dict[Tunnel, None]] = {}
        """Tunnels in wait-ctl-reply by the address their SCCRQ went to."""
        self._challenges: set[bytes] = set()
        """Challenges we sent in SCCRQ that are not answered yet."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Tunnel]:
        return iter(list(self._by_id.values()))

    def get(self, tunnel_id: int) -> Tunnel | None:
        return self._by_id.get(tunnel_id)

    def with_parameters(self, parameters: TunnelParameters) -> Tunnel | None:
        """The live tunnel that was opened with equal parameters."""
        return self._by_parameters.get(parameters)

    def of_peer(self, peer: SocketAddress, peer_id: int) -> Tunnel | None:
        """The accepted tunnel to which the peer gave this id."""
        return self._by_peer.get((peer, peer_id))

    def of_sccrq(self, peer: SocketAddress, body: bytes) -> Tunnel | None:
        """The tunnel made by an earlier copy of this SCCRQ."""
        return self._by_sccrq.get((peer, body))

    def outstanding(self, address: str) -> list[Tunnel]:
        """Our tunnels to this address that wait for SCCRP, oldest first."""
        return list(self._outstanding.get(address, ()))

    def has_outstanding(self, address: str) -> bool:
        return address in self._outstanding

    def is_our_challenge(self, challenge: bytes) -> bool:
        """Whether a challenge is one of ours come back (a reflection)."""
        return challenge in self._challenges

    def add(self, tunnel: Tunnel) -> None:
        self._by_id[tunnel.id] = tunnel

    def share(self, tunnel: Tunnel) -> None:
        """New calls with the tunnel's parameters join it."""
        self._by_parameters[tunnel.parameters] = tunnel

    def add_accepted(self, tunnel: Tunnel, body: bytes) -> None:
        self._by_peer[tunnel.peer, tunnel.peer_id] = tunnel
        self._by_sccrq[tunnel.peer, body] = tunnel

    def add_outstanding(self, tunnel: Tunnel, challenge: bytes | None) -> None:
        self._outstanding.setdefault(tunnel.peer[0], {})[tunnel] = None
        if challenge is not None:
            self._challenges.add(challenge)

    def settle(self, tunnel: Tunnel, challenge: bytes | None) -> None:
        """The tunnel's SCCRQ was answered or given up."""
        address = tunnel.peer[0]
        waiting = self._outstanding.get(address)
        if waiting is not None and waiting.pop(tunnel, True) is None and not waiting:
            del self._outstanding[address]
        if challenge is not None:
            self._challenges.discard(challenge)

    def close(self, tunnel: Tunnel) -> None:
        """No new call joins the tunnel."""
        if self._by_parameters.get(tunnel.parameters) is tunnel:
            del self._by_parameters[tunnel.parameters]

    def remove(self, tunnel: Tunnel, body: bytes | None) -> None:
        """The tunnel is gone; messages for it are unknown from now on."""
        self.close(tunnel)
        self._by_id.pop(tunnel.id, None)
        if self._by_peer.get((tunnel.peer, tunnel.peer_id)) is tunnel:
            del self._by_peer[tunnel.peer, tunnel.peer_id]
        if body is not None and self._by_sccrq.get((tunnel.peer, body)) is tunnel:
            del self._by_sccrq[tunnel.peer, body]
