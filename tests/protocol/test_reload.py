"""Another configuration for an LNS that runs: what is not concerned goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dialout_network import LNS, Network, tunnels

from control import config as settings
from control.config import Config
from control.dialout.session_table import SessionState as S
from control.errors import ConfigurationError

OTHER = "10.1.9.9"
SECOND = settings.Target("10.2.0.0/16", "home", "example.org", "p")


@pytest.fixture
def network() -> Network:
    """One call in service."""
    made = Network(tunnels("10.9.0.1"))
    made.add_lac("10.9.0.1")
    made.packet()
    made.run(5.0)
    assert made.state() is S.IN_SERVICE
    return made


def load(network: Network, **sections: object) -> list[str]:
    found = network.lns.reload(replace(network.lns.config, **sections), network.now)
    network.settle()
    return [str(change) for change in found.changes]


def test_the_same_configuration_changes_nothing(network):
    before = dict(network.plane.routes[1])
    assert load(network) == []
    assert network.plane.routes[1] == before
    assert network.state() is S.IN_SERVICE


def test_a_dry_run_tells_the_difference_and_does_nothing(network):
    new = replace(network.lns.config, target=())
    found = network.lns.reload(new, network.now, dry_run=True)
    assert list(found.lines()) == ["- target home 10.1.0.0/16: its sessions are closed"]
    assert network.state() is S.IN_SERVICE
    assert network.lns.config.target


def test_a_target_that_comes_dials_and_the_call_that_is_up_stays(network):
    load(network, target=(*network.config.target, SECOND))
    network.site_address = "10.2.0.1"
    network.packet("10.2.0.1")
    assert network.state("10.2.0.1") is S.AUTHENTICATING
    assert network.state() is S.IN_SERVICE


def test_a_target_that_goes_takes_its_call_along_and_no_other(network):
    load(network, target=(*network.config.target, SECOND))
    load(network, target=(SECOND,))
    network.run(1.0)
    assert network.state() is S.NONE
    assert network.plane.sessions == {}
    assert list(network.plane.routes[1]) == ["10.2.0.0/16"]


def test_a_limit_of_a_target_changes_under_its_call(network):
    load(network, target=(replace(network.config.target[0], max_sessions=1),))
    network.packet(OTHER)
    assert network.state(OTHER) is S.NONE
    assert network.state() is S.IN_SERVICE


def test_another_profile_counts_for_the_next_call(network):
    load(network, profile=(settings.Profile("p", session_timeout=30),))
    network.run(60.0)
    assert network.state() is S.IN_SERVICE, "the call began under another profile"
    network.lns.reset("home", "10.1.2.3", network.now)
    network.packet()
    network.run(5.0)
    assert network.state() is S.IN_SERVICE
    network.run(60.0)
    assert network.state() is not S.IN_SERVICE


def test_another_lac_secret_counts_for_the_next_tunnel(network):
    load(network, lac=(settings.Lac("10.9.0.1", secret=b"another"),))
    assert network.state() is S.IN_SERVICE
    assert [info.state for info in network.lns.tunnels()] == ["ESTABLISHED"]


def test_requests_under_way_end_with_the_servers_they_began_with(network):
    network.packet(OTHER)
    assert network.state(OTHER) is S.AUTHENTICATING
    server = settings.RadiusServer("10.8.0.77", secret=b"new-secret")
    load(network, radius=(replace(network.config.radius[0], servers=(server,)),))
    assert len(network.lns.clients) == 2
    network.run(0.5)
    assert network.state(OTHER) is S.CONNECTING
    network.run(10.0)
    assert len(network.lns.clients) == 1, "the client that had finished is gone"


def test_requests_after_the_change_go_to_the_new_servers(network):
    server = settings.RadiusServer("10.8.0.77", secret=b"new-secret")
    load(network, radius=(replace(network.config.radius[0], servers=(server,)),))
    network.lns.on_trigger(network.plane.packet(1, OTHER, "p"), network.now)
    asked = [datagram.server for _, datagram in network.lns.radius_to_send()]
    assert asked == [("10.8.0.77", 1812)]


def test_a_virtual_router_comes_and_goes(network):
    group = replace(network.config.radius[0], name="other")
    router = settings.VirtualRouter("new", 2, radius="other", local_address=LNS)
    target = settings.Target("10.3.0.0/16", "new", "example.org", "p")
    load(
        network,
        virtual_router=(*network.config.virtual_router, router),
        radius=(*network.config.radius, group),
        target=(*network.config.target, target),
    )
    assert list(network.plane.routes[2]) == ["10.3.0.0/16"]
    network.lns.on_trigger(network.plane.packet(2, "10.3.0.1", "p"), network.now)
    assert network.lns.manager.targets.sessions_to("new", "10.3.0.1")
    load(
        network,
        virtual_router=network.config.virtual_router,
        radius=network.config.radius,
        target=network.config.target,
    )
    assert not network.plane.routes[2]
    assert network.state() is S.IN_SERVICE
    assert [view.name for view in network.lns.virtual_routers(network.now)] == ["home"]


def test_what_needs_a_restart_is_refused_with_a_line_for_each_and_nothing_changes(network):
    far = settings.VirtualRouter("far", 3, local_address="192.0.2.77")
    new = replace(
        network.lns.config,
        chassis=replace(network.config.chassis, name="other", max_connecting=1),
        virtual_router=(*network.config.virtual_router, far),
        target=(),
    )
    with pytest.raises(ConfigurationError) as error:
        network.lns.reload(new, network.now)
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "~ chassis",
        "+ virtual_router far",
    ]
    assert network.state() is S.IN_SERVICE
    assert network.lns.config.target


def test_budget_and_limits_count_at_once(network):
    load(
        network,
        budget=replace(network.config.budget, calls_per_day=1),
        chassis=replace(network.config.chassis, dormant_timer=0),
    )
    network.packet(OTHER)
    network.run(1.0)
    assert network.state(OTHER) is S.INHIBITED
    assert network.lns.budget.as_dict(network.now)["calls_today"] == 1


def test_a_thousand_reloads_under_a_call_lose_neither_it_nor_memory(network):
    one = network.lns.config
    two: Config = replace(
        one,
        target=(*one.target, SECOND),
        profile=(*one.profile, settings.Profile("q")),
        lac=(settings.Lac("10.9.0.77"),),
        radius=(replace(one.radius[0], retries=5),),
    )
    for turn in range(1000):
        network.lns.reload((two, one)[turn % 2], network.now)
        network.run(0.2)
        assert network.state() is S.IN_SERVICE
    network.run(1.0)
    assert len(network.lns.clients) == 1
    assert sorted(network.plane.routes[1]) == ["10.1.0.0/16", "10.1.2.3/32"]
