"""How PPP is built on a call: the settings of a link, from profile, RADIUS and chassis.

Calls with equal settings share them: they are a good part of what 65,535 links would weigh, and to
check them is a good part of what it costs to make one.
"""

from __future__ import annotations

from functools import lru_cache

from control.config import Profile
from control.dialout.link_owner import OwnName
from control.ppp.config import LinkConfig

KEPT = 256
"""Settings kept to be shared; calls keep their own in any case."""


@lru_cache(KEPT)
def link_config(
    profile: Profile,
    own: OwnName,
    family: int,
    local_name: str,
    local_address: str,
    connecting_timer: int,
) -> LinkConfig:
    """`family`: 4 or 6, of what has to be reached; `local_address`: ours, unless the profile has
    one; `connecting_timer`: seconds. Raises LocalProtocolError for what PPP cannot carry."""
    answer = own.protocols
    if answer is None:
        # 26-38 absent: the methods the profile uses itself. Never a weaker one (threat T18).
        answer = profile.authentication or ("chap",)
    return LinkConfig(
        mru=profile.mru,
        want_acfc=profile.acfc,
        want_pfc=profile.pfc,
        authenticate_peer=profile.authentication,
        answer_protocols=answer if own.username else (),
        username=own.username,
        password=own.password,
        local_name=local_name,
        local_address=profile.ip_address or local_address,
        peer_address=profile.peer_address,
        accept_peer_address=profile.accept_peer_address,
        rechallenge_interval=float(profile.rechallenge_interval),
        identification=profile.identification,
        ipv4=family == 4 or profile.ipv4,
        ipv6=family == 6 or profile.ipv6,
        required=("ipv6",) if family == 6 else ("ipv4",),
        interface_identifier=profile.interface_identifier,
        dns=profile.dns,
        nbns=profile.nbns,
        echo_interval=profile.echo_interval,
        echo_failures=profile.echo_failures,
        negotiation_deadline=float(connecting_timer),
    )
