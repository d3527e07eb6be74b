"""LACs: which candidate is tried when, what to open the tunnel with, lockout, drain, occupancy.

Specification 1.9. Order: those that answer, preference, then load sharing among equals; a LAC that
is locked out is tried last, for it is better than none, and one that is drained not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from control import config
from control.dialout.events import LacStateChanged
from control.dialout.lac_state import LAC, LacEvent, LacState, LacUse
from control.dialout.load_sharing import LoadSharing
from control.l2tp.events import TunnelParameters
from control.radius.events import TunnelCandidate

L2TP_PORT: Final = 1701
_USED: Final = 4096
"""LACs remembered before those of which there is nothing to say are forgotten (RADIUS names the
LACs)."""


_SEEN = 4096
"""Different candidates kept to be shared."""


def _nobody(fact: LacStateChanged) -> None:
    pass


class Lacs:
    def __init__(
        self, known: Iterable[config.Lac], our_host_name: str, *, weighted: bool = False
    ) -> None:
        self.weighted = weighted
        """Equal preferences share calls by their maximum sessions, not in turn."""
        self.tell: Callable[[LacStateChanged], None] = _nobody
        """Who wants to know: the timeline."""
        self._known = {lac.address: lac for lac in known}
        self._our_host_name = our_host_name
        self._used: dict[str, LacUse] = {}
        self._sharing = LoadSharing()
        self._seen: dict[TunnelCandidate, TunnelCandidate] = {}

    def configure(self, known: Iterable[config.Lac]) -> None:
        """Another list of LACs; their calls, lockouts and drains stay."""
        self._known = {lac.address: lac for lac in known}

    def known(self, address: str) -> config.Lac:
        """What configuration says of a LAC; the defaults if nothing."""
        return self._known.get(address) or config.Lac(address)

    def has_secret(self, address: str) -> bool:
        """A tag without Tunnel-Password may name this LAC."""
        lac = self.known(address)
        return bool(lac.secret) or not lac.require_tunnel_auth

    def limit(self, candidate: TunnelCandidate) -> int:
        """Calls at once that configuration and RADIUS (26-33) allow."""
        most = self.known(candidate.server_endpoint).max_sessions
        return min(most, candidate.maximum_sessions or most)

    def order(self, candidates: Sequence[TunnelCandidate], now: float) -> list[TunnelCandidate]:
        """In which order to try them. Advances the turn of each level of preference."""
        found: list[TunnelCandidate] = []
        candidates = [self._shared(candidate) for candidate in candidates]
        by_preference = sorted(candidates, key=lambda candidate: candidate.preference)
        for _, group in groupby(by_preference, key=lambda candidate: candidate.preference):
            equals = list(group)
            weights = [self.limit(c) if self.weighted else 1 for c in equals]
            names = [c.server_endpoint for c in equals]
            turn = self._sharing.order(list(zip(names, weights, strict=True)))
            found += [equals[place] for place in turn]
        return sorted(found, key=lambda candidate: self.locked(candidate.server_endpoint, now))

    def _shared(self, candidate: TunnelCandidate) -> TunnelCandidate:
        """The same, or one that is equal and was there before: each call keeps its own as long as
        it lasts, and LACs are few."""
        if len(self._seen) > _SEEN:
            self._seen.clear()
        return self._seen.setdefault(candidate, candidate)

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

    # Lockout and drain.

    def lock_out(self, address: str, now: float) -> None:
        """The LAC did not answer."""
        use = self._use(address)
        if use.drained:
            return
        use.until = max(now + self.known(address).lockout, use.until)
        self._step(address, use, LacEvent.NO_ANSWER, now)

    def answered(self, address: str, now: float) -> None:
        """The LAC said something, be it a refusal."""
        use = self._used.get(address)
        if use is not None:
            self._step(address, use, LacEvent.ANSWERED, now)

    def drain(self, address: str, on: bool, now: float) -> None:
        """No new calls through it, or again."""
        use = self._use(address)
        if use.drained is not on:
            use.drained = on
            state = "drained" if on else use.state.value
            self.tell(LacStateChanged(now, address, state, "administrator"))

    def locked(self, address: str, now: float) -> bool:
        """It is tried after all others: locked out, or another call is testing it."""
        return self._state(address, now) in (LacState.LOCKED_OUT, LacState.TESTING)

    def locked_out(self, now: float) -> dict[str, float]:
        """Seconds each locked-out LAC has left."""
        return {
            address: self._used[address].until - now
            for address in list(self._used)
            if self._state(address, now) is LacState.LOCKED_OUT
        }

    def uses(self, now: float) -> Iterator[tuple[str, LacUse]]:
        """Configured LACs and those there is something to say of."""
        for address in dict.fromkeys((*self._known, *self._used)):
            self._state(address, now)
            yield address, self._used.get(address) or LacUse()

    # Occupancy.

    def acquire(self, candidate: TunnelCandidate, now: float) -> str:
        """Takes a place for one more call, or tells why there is none."""
        address = candidate.server_endpoint
        self._state(address, now)
        use = self._use(address)
        if use.drained:
            return "the LAC is being drained"
        if use.calls >= self.limit(candidate):
            return "the LAC has as many calls as it may"
        use.calls += 1
        self._step(address, use, LacEvent.CALL_PLACED, now)
        return ""

    def admit(self, address: str, now: float) -> str:
        """Takes a place for a call that the LAC brings, or tells why there is none."""
        self._state(address, now)
        use = self._use(address)
        if use.drained:
            return "the LAC is being drained"
        if use.calls >= self.known(address).max_sessions:
            return "the LAC has as many calls as it may"
        use.calls += 1
        return ""

    def release(self, address: str, now: float) -> None:
        """The call is over; if it was to test the LAC and did not, another one may."""
        use = self._used.get(address)
        if use is None or not use.calls:
            return
        use.calls -= 1
        if use.state is LacState.TESTING:
            self._step(address, use, LacEvent.CALL_UNDECIDED, now)

    def calls(self, address: str) -> int:
        """Calls at once over this LAC, being placed or in service."""
        use = self._used.get(address)
        return use.calls if use is not None else 0

    def _use(self, address: str) -> LacUse:
        found = self._used.get(address)
        if found is None:
            if len(self._used) >= _USED:
                self._used = {lac: use for lac, use in self._used.items() if not use.idle}
            if len(self._used) >= _USED:
                self._forget_a_lockout()
            found = self._used[address] = LacUse()
        return found

    def _forget_a_lockout(self) -> None:
        locked = (lac for lac, use in self._used.items() if not use.calls and not use.drained)
        oldest = min(locked, key=lambda lac: self._used[lac].until, default=None)
        if oldest is not None:
            del self._used[oldest]

    def _state(self, address: str, now: float) -> LacState:
        """Ends a lockout that is over: nothing happens at that moment itself."""
        use = self._used.get(address)
        if use is None:
            return LacState.IN_SERVICE
        if use.state is LacState.LOCKED_OUT and use.until <= now:
            tested = self.known(address).lockout_test
            over = LacEvent.LOCKOUT_OVER_TEST if tested else LacEvent.LOCKOUT_OVER
            self._step(address, use, over, now)
        return use.state

    def _step(self, address: str, use: LacUse, event: LacEvent, now: float) -> None:
        old, use.state = use.state, LAC.step(use.state, event).next
        if use.state is not old:
            self.tell(LacStateChanged(now, address, use.state.value, event.value))
