"""LACs over the whole signalling: drain, shutdown, and the test after a lockout."""

from dialout_network import Network, tunnels

from control.dialout.events import CallPlaced, LacStateChanged
from control.dialout.session_table import SessionState as S

LAC1, LAC2 = "10.9.0.1", "10.9.0.2"


def two_lacs(**more):
    network = Network(tunnels(LAC1, LAC2), **more)
    return network, network.add_lac(LAC1), network.add_lac(LAC2)


def called(network):
    return [fact.lac for fact in network.timeline if isinstance(fact, CallPlaced)]


def test_a_drained_lac_keeps_its_call_and_the_next_one_goes_elsewhere():
    network, _, _ = two_lacs()
    network.packet()
    network.run(8)
    assert network.state() is S.IN_SERVICE
    network.lns.drain(LAC1, network.now)
    network.settle()
    network.packet("10.1.2.4")
    network.run(8)
    assert called(network) == [LAC1, LAC2]
    assert network.state() is S.IN_SERVICE
    network.lns.drain(LAC1, network.now, on=False)
    views = {view.address: view for view in network.lns.lacs(network.now)}
    assert (views[LAC1].calls, views[LAC1].drained) == (1, False)


def test_shutting_a_lac_down_ends_its_call_and_the_site_comes_back_through_another():
    network, first, _ = two_lacs()
    network.packet()
    network.run(100)
    assert network.state() is S.IN_SERVICE
    network.lns.shutdown_lac(LAC1, network.now)
    network.settle()
    network.run(1)
    assert network.state() is S.DORMANT
    assert not first.endpoint.calls()
    network.packet()
    network.run(8)
    assert called(network) == [LAC1, LAC2]
    assert network.state() is S.IN_SERVICE


def test_a_silent_lac_is_tested_by_one_call_after_its_lockout():
    network, first, _ = two_lacs()
    first.silent = True
    network.packet()
    network.run(20)
    assert called(network) == [LAC1, LAC2]
    network.packet("10.1.2.4")
    network.run(20)
    assert called(network)[2:] == [LAC2], "locked out"
    network.run(60)
    first.silent = False
    network.packet("10.1.2.5")
    network.run(8)
    assert called(network)[3:] == [LAC1]
    states = [f.state for f in network.timeline if isinstance(f, LacStateChanged)]
    assert states == ["locked out", "to be tested", "being tested", "in service"]
