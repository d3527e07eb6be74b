"""Which LCP options we ask for, and which values of the peer's we take (RFC 1661 6).

Our own address map, quality protocol, callback and multilink are never asked for.
"""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError
from control.ppp.config import DEFAULT_ACCM, DEFAULT_MRU, MINIMUM_MRU, LinkConfig
from control.ppp.events import LinkClosed
from control.ppp.options import ACCM, ACFC, AUTH, LCP_OPTIONS, MAGIC, MRU, PFC, Option
from control.ppp.outbox import Outbox
from control.ppp.policy import Answer, Opinion, first_of_each, judge_each
from control.ppp.randomness import Randomness

UNPROVED: Final = LinkClosed("authentication", "the peer refuses to prove itself", "method")
LOOPED: Final = LinkClosed("lcp", "the link is looped back", "looped")


class LcpPolicy:
    """Values of both directions of one link's LCP."""

    __slots__ = (
        "_box",
        "_config",
        "_loops",
        "_mru",
        "_rng",
        "_untried",
        "_want_acfc",
        "_want_pfc",
        "claimed",
        "demanded",
        "failure",
        "magic",
        "peer_accm",
        "peer_mru",
        "send_acfc",
        "send_pfc",
    )

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self.failure: LinkClosed | None = None
        self.demanded = ""
        """Method we ask the peer to prove itself with; empty: none."""
        self.magic = 0
        """Our Magic-Number; 0: the peer does not want it negotiated."""
        self.claimed = ""
        """Method we have agreed to prove ourselves with."""
        self.peer_mru = DEFAULT_MRU
        self.peer_accm = DEFAULT_ACCM
        self.send_acfc = False
        self.send_pfc = False
        self._config = config
        self._rng = rng
        self._box = box
        self._loops = 0
        self._mru = DEFAULT_MRU
        self._want_acfc = False
        self._want_pfc = False
        self._untried: tuple[str, ...] = ()

    def reset(self) -> None:
        config = self._config
        self._mru = config.mru
        self._want_acfc, self._want_pfc = config.want_acfc, config.want_pfc
        self.demanded, *untried = config.authenticate_peer or ("",)
        self._untried = tuple(untried)
        self.magic = self._new_magic()

    def request(self) -> tuple[Option, ...]:
        options: list[Option] = []
        if self._mru != DEFAULT_MRU:
            options.append(MRU.option(self._mru))
        if self.demanded:
            options.append(AUTH.option(self.demanded))
        if self.magic:
            options.append(MAGIC.option(self.magic))
        if self._want_pfc:
            options.append(PFC.option(True))
        if self._want_acfc:
            options.append(ACFC.option(True))
        return tuple(options)

    def judge(self, options: tuple[Option, ...]) -> Answer:
        own = MAGIC.option(self.magic) if self.magic else None
        if own in options:
            # It may be our own request: judging its other options would be talking to ourselves.
            self.count_loop()
            return Answer(naks=((own, MAGIC.option(self._new_magic())),))
        self._loops = 0
        return judge_each(options, LCP_OPTIONS, self._opinion, self._box.counters)

    def agree(self, options: tuple[Option, ...]) -> None:
        found = first_of_each(options)
        self.peer_mru = MRU.value(found[MRU.kind]) if MRU.kind in found else DEFAULT_MRU
        self.peer_accm = ACCM.value(found[ACCM.kind]) if ACCM.kind in found else DEFAULT_ACCM
        self.claimed = AUTH.value(found[AUTH.kind]) if AUTH.kind in found else ""
        self.send_acfc = ACFC.kind in found
        self.send_pfc = PFC.kind in found

    def take_nak(self, options: tuple[Option, ...]) -> None:
        for kind, option in first_of_each(options).items():
            if kind == MRU.kind:
                self._take_mru(option)
            elif kind == AUTH.kind and self.demanded:
                self._take_method(option)
            elif kind == MAGIC.kind and self.magic:
                self.magic = self._new_magic()
            else:
                # A flag has no other value (RFC 1661 5.3): this can only mean no.
                self._turn_off(kind)

    def take_reject(self, options: tuple[Option, ...]) -> None:
        for option in options:
            self._turn_off(option.kind)

    def count_loop(self) -> None:
        """Our own Magic-Number came back; after several times the link is given up."""
        self._box.counters["looped"] += 1
        self._loops += 1
        if self._loops >= self._config.max_failure:
            self.failure = LOOPED

    def _opinion(self, option: Option) -> Opinion | Option:
        row = LCP_OPTIONS[option.kind]
        try:
            value = row.value(option)
        except DecodeError:
            value = None
        if option.kind == MRU.kind:
            acceptable = value is not None and value >= MINIMUM_MRU
            return Opinion.ACCEPT if acceptable else MRU.option(DEFAULT_MRU)
        if option.kind == ACCM.kind:
            # L2TP maps no control characters; a LAC that does is told (Set-Link-Info).
            return ACCM.option(0) if value is None else Opinion.ACCEPT
        if option.kind == AUTH.kind:
            return self._opinion_of_method(value)
        if option.kind == MAGIC.kind:
            return Opinion.ACCEPT if value else MAGIC.option(self._new_magic())
        wanted = self._config.want_acfc if option.kind == ACFC.kind else self._config.want_pfc
        return Opinion.ACCEPT if wanted and value is not None else Opinion.REJECT

    def _opinion_of_method(self, value: str | None) -> Opinion | Option:
        answers = self._config.answer_protocols
        if value in answers:
            return Opinion.ACCEPT
        return AUTH.option(answers[0]) if answers else Opinion.REJECT

    def _take_mru(self, option: Option) -> None:
        try:
            value = MRU.value(option)
        except DecodeError:
            return
        # More than ours is no help: what we can receive does not grow by asking.
        if MINIMUM_MRU <= value <= self._config.mru:
            self._mru = value

    def _take_method(self, option: Option) -> None:
        try:
            offered = AUTH.value(option)
        except DecodeError:
            offered = ""
        if offered in self._untried:
            self._untried = tuple(method for method in self._untried if method != offered)
            self.demanded = offered
        else:
            why = f"the peer does not want to prove itself by {self.demanded}"
            self.failure = LinkClosed("authentication", why, "method")

    def _turn_off(self, kind: int) -> None:
        if kind == MRU.kind:
            self._mru = DEFAULT_MRU
        elif kind == AUTH.kind and self.demanded:
            self.failure = UNPROVED
        elif kind == MAGIC.kind:
            self.magic = 0
        elif kind == PFC.kind:
            self._want_pfc = False
        elif kind == ACFC.kind:
            self._want_acfc = False

    def _new_magic(self) -> int:
        return self._rng.randrange(1, 1 << 32)
