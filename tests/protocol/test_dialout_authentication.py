"""Who proves what to whom in a whole dial-out: MS-CHAPv2 by RADIUS, and Challenges in mid-call."""

from __future__ import annotations

import pytest
from dialout_network import LNS, Network, site_user, tunnels

from control.config import Profile, SimUser
from control.dialout.events import LinkProgress, RadiusAsked
from control.dialout.session_table import SessionState as S

LAC = "10.9.0.1"
MSCHAP = Profile("p", authentication=("mschapv2",))


def network_of(profile: Profile, site: SimUser | None = None, **more: object) -> Network:
    network = Network(tunnels(LAC), site=site, profile=profile, **more)
    network.add_lac(LAC)
    network.authenticate_us = profile.authentication
    network.site_protocols = profile.authentication
    return network


def dial(network: Network) -> Network:
    network.packet()
    network.run(5)
    return network


def failure(network: Network) -> dict[str, object]:
    (view,) = network.lns.sessions(network.now)
    return view.last_failure


def questions(network: Network) -> int:
    asked = [fact for fact in network.timeline if isinstance(fact, RadiusAsked)]
    return [fact.purpose for fact in asked].count("session")


@pytest.mark.parametrize("method", ["pap", "chap", "mschapv2"])
def test_both_sides_prove_themselves(method: str) -> None:
    network = dial(network_of(Profile("p", authentication=(method,))))
    assert network.state() is S.IN_SERVICE
    told = {f.stage: f.detail for f in network.timeline if isinstance(f, LinkProgress)}
    assert told["peer authenticated"] == "site"
    assert told["authenticated to peer"] == method


def test_mschap_with_a_wrong_secret_fails() -> None:
    network = dial(network_of(MSCHAP, SimUser("site", b"another")))
    assert network.state() is S.INHIBITED
    assert failure(network)["stage"] == "authentication"


def test_mschap_is_refused_if_the_server_does_not_prove_itself() -> None:
    network = dial(network_of(MSCHAP, SimUser("site", reply=(("Framed-IP-Address", "10.1.2.3"),))))
    assert network.state() is S.INHIBITED
    assert failure(network)["stage"] == "authentication"


def test_mschap_is_not_talked_down_to_chap() -> None:
    network = network_of(MSCHAP)
    network.site_protocols = ("chap", "pap")
    dial(network)
    assert network.state() is S.INHIBITED
    assert "does not want to prove itself by mschapv2" in failure(network)["reason"]


@pytest.mark.parametrize("method", ["chap", "mschapv2"])
def test_a_site_is_challenged_again_in_mid_call_without_a_change_for_its_traffic(
    method: str,
) -> None:
    network = dial(network_of(Profile("p", authentication=(method,), rechallenge_interval=60)))
    routes = dict(network.plane.routes[1])
    network.run(200)
    assert questions(network) == 4
    assert network.state() is S.IN_SERVICE
    assert network.plane.routes[1] == routes


def test_a_site_that_is_no_longer_known_is_closed_at_the_next_challenge() -> None:
    network = dial(network_of(Profile("p", rechallenge_interval=60)))
    users = network.radius._config.users
    object.__setattr__(network.radius._config, "users", (users[0], SimUser("site", reject=True)))
    network.run(45)
    assert network.state() is S.IN_SERVICE
    network.run(25)
    assert network.state() in (S.DORMANT, S.INHIBITED)
    assert failure(network)["stage"] == "authentication"


def test_what_radius_says_at_a_later_challenge_changes_nothing() -> None:
    network = dial(network_of(Profile("p", rechallenge_interval=60)))
    users = network.radius._config.users
    other = site_user(Framed_IP_Address="10.1.99.99")
    object.__setattr__(network.radius._config, "users", (users[0], other))
    network.run(70)
    assert network.state() is S.IN_SERVICE
    assert "10.1.2.3/32" in network.plane.routes[1]


def test_a_site_that_is_silent_at_a_later_challenge_is_closed() -> None:
    profile = Profile("p", rechallenge_interval=60, echo_interval=0)
    network = dial(network_of(profile))
    network.site().deaf = True
    network.run(100)
    assert network.state() in (S.DORMANT, S.INHIBITED)
    assert failure(network)["reason"].startswith("the peer does not prove itself")


def test_identification_is_told_and_taken_down() -> None:
    network = network_of(Profile("p", identification="a router"))
    network.site_more = {"identification": "site 7\x07"}
    dial(network)
    told = {f.stage: f.detail for f in network.timeline if isinstance(f, LinkProgress)}
    assert told["identified"] == "site 7?"
    assert network.site().link.counters["identification"] == 1
    assert network.plane.routes[1].keys() >= {"10.1.2.3/32"}
    assert LNS not in told["identified"]
