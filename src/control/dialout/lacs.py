"""LACs: which candidate is tried when, what to open the tunnel with, lockout and occupancy.

Specification 1.9. Order: those not locked out, preference, then round robin among equals; a
locked-out LAC is tried last, for it is better than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from control import config
from control.l2tp.events import TunnelParameters
from control.radius.events import TunnelCandidate

L2TP_PORT = 1701
_LOCKOUTS = 4096
"""Lockouts kept before those that are over are dropped (RADIUS names the LACs)."""


class Lacs:
    def __init__(self, known: Iterable[config.Lac], our_host_name: str) -> None:
        self._known = {lac.address: lac for lac in known}
        self._our_host_name = our_host_name
        self._locked_until: dict[str, float] = {}
        self._calls: dict[str, int] = {}
        self._turn = 0

    def configure(self, known: Iterable[config.Lac]) -> None:
        """Another list of LACs; their calls and lockouts stay."""
        self._known = {lac.address: lac for lac in known}

    def known(self, address: str) -> config.Lac:
        """What configuration says of a LAC; the defaults if nothing."""
        return self._known.get(address) or config.Lac(address)

    def has_secret(self, address: str) -> bool:
        """A tag without Tunnel-Password may name this LAC."""
        lac = self.known(address)
        return bool(lac.secret) or not lac.require_tunnel_auth

    def order(self, candidates: Sequence[TunnelCandidate], now: float) -> list[TunnelCandidate]:
        """In which order to try them. Advances the round robin."""
        turn, self._turn = self._turn, self._turn + 1
        found: list[TunnelCandidate] = []
        by_preference = sorted(candidates, key=lambda candidate: candidate.preference)
        for _, group in groupby(by_preference, key=lambda candidate: candidate.preference):
            equals = list(group)
            first = turn % len(equals)
            found += equals[first:] + equals[:first]
        return sorted(found, key=lambda candidate: self.locked(candidate.server_endpoint, now))

    def parameters(self, candidate: TunnelCandidate, local: str) -> TunnelParameters | str:
        """The tunnel to a candidate, or why there can be none. `local`: our address unless the
        candidate names one."""
        lac = self.known(candidate.server_endpoint)
        secret = candidate.password or lac.secret
        if not secret and (lac.require_tunnel_auth or lac.hide_avps):
            return "no tunnel secret"
        if not (candidate.client_endpoint or local):
            return "no local address"
        return TunnelParameters(
            local=(candidate.client_endpoint or local, L2TP_PORT),
            peer=(candidate.server_endpoint, L2TP_PORT),
            host_name=candidate.client_auth_id or self._our_host_name,
            peer_host_name=candidate.server_auth_id or lac.host_name,
            secret=secret,
            require_tunnel_auth=lac.require_tunnel_auth,
            hide_avps=lac.hide_avps,
            assignment_id=candidate.assignment_id,
            hello_interval=lac.hello_interval,
            receive_window=candidate.receive_window or lac.receive_window,
        )

    def lock_out(self, address: str, now: float) -> None:
        """The LAC did not answer."""
        until = now + self.known(address).lockout
        if len(self._locked_until) >= _LOCKOUTS:
            locked = self._locked_until.items()
            self._locked_until = {lac: when for lac, when in locked if when > now}
        self._locked_until[address] = max(until, self._locked_until.get(address, until))

    def locked(self, address: str, now: float) -> bool:
        return self._locked_until.get(address, now) > now

    def locked_out(self, now: float) -> dict[str, float]:
        """Seconds each locked-out LAC has left."""
        return {lac: when - now for lac, when in self._locked_until.items() if when > now}

    def acquire(self, candidate: TunnelCandidate, now: float) -> str:
        """Takes a place for one more call, or tells why there is none."""
        address = candidate.server_endpoint
        limit = self.known(address).max_sessions
        if candidate.maximum_sessions:
            limit = min(limit, candidate.maximum_sessions)
        if self.calls(address) >= limit:
            return "the LAC has as many calls as it may"
        self._calls[address] = self.calls(address) + 1
        return ""

    def release(self, address: str, now: float) -> None:
        left = self.calls(address) - 1
        if left > 0:
            self._calls[address] = left
        else:
            self._calls.pop(address, None)

    def calls(self, address: str) -> int:
        """Calls at once over this LAC, being placed or in service."""
        return self._calls.get(address, 0)
