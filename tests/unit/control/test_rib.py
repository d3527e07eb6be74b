"""RIB: distances, owners, backups, and agreement with a naive one."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import LocalProtocolError
from control.rib import FEW, Change, ChangeKind, Rib, canonical_prefix

ADD, DELETE, REPLACE = ChangeKind.ADD, ChangeKind.DELETE, ChangeKind.REPLACE
NET = "10.1.0.0/16"


def change(kind, nh, prefix=NET, table=3):
    return Change(kind, table, prefix, nh)


def test_the_first_route_is_added_and_the_last_deleted():
    rib = Rib(3)
    assert rib.add("a", NET, 7, 2) == change(ADD, 7)
    assert rib.lookup("10.1.2.3").nh == 7
    assert rib.remove("a", NET) == change(DELETE, 7)
    assert rib.lookup("10.1.2.3") is None
    assert len(rib) == 0


def test_the_lower_distance_wins_whatever_the_order():
    rib = Rib(3)
    rib.add("far", NET, 1, 252)
    assert rib.add("near", NET, 2, 2) == change(REPLACE, 2)
    assert rib.add("between", NET, 3, 100) is None
    assert rib.remove("near", NET) == change(REPLACE, 3)
    assert rib.remove("far", NET) is None


def test_of_equal_distances_the_newest_is_active_and_older_ones_come_back():
    rib = Rib(3)
    for nh, owner in enumerate("abc", 1):
        rib.add(owner, NET, nh, 2)
    assert rib.active(NET).owner == "c"
    assert [route.owner for route in rib.backups(NET)] == ["b", "a"]
    assert rib.remove("b", NET) is None
    assert rib.remove("c", NET) == change(REPLACE, 1)


def test_adding_again_renews():
    rib = Rib(3)
    rib.add("a", NET, 1, 2)
    rib.add("b", NET, 2, 2)
    assert rib.add("a", NET, 1, 2) == change(REPLACE, 1)
    assert rib.add("a", NET, 5, 2) == change(REPLACE, 5)
    assert rib.add("a", NET, 5, 2) is None
    assert len(rib.backups(NET)) == 1


def test_the_same_next_hop_needs_no_change():
    rib = Rib(3)
    rib.add("a", NET, 1, 5)
    assert rib.add("b", NET, 1, 2) is None
    assert rib.remove("b", NET) is None


def test_all_routes_of_an_owner_go_together():
    rib = Rib(3)
    rib.add("other", NET, 9, 100)
    rib.add("a", NET, 1, 2)
    rib.add("a", "10.2.0.0/16", 1, 2)
    assert rib.prefixes("a") == (NET, "10.2.0.0/16")
    assert rib.remove_owner("a") == [change(REPLACE, 9), change(DELETE, 1, "10.2.0.0/16")]
    assert rib.remove_owner("a") == []
    assert rib.prefixes("a") == ()


def test_an_owner_of_many_keeps_their_order_and_loses_them_one_by_one():
    rib = Rib(3)
    many = [f"10.2.{i}.0/24" for i in range(3 * FEW)]
    for nh, prefix in enumerate([*many, many[0]], 1):
        rib.add("a", prefix, nh, 2)
    assert rib.prefixes("a") == tuple(many)
    for prefix in many[::2]:
        assert rib.remove("a", prefix).kind is DELETE
        assert rib.remove("a", prefix) is None
    assert rib.prefixes("a") == tuple(many[1::2])
    assert [made.prefix for made in rib.remove_owner("a")] == many[1::2]
    assert rib.prefixes("a") == ()
    assert len(rib) == 0


def test_what_is_not_there_is_not_removed():
    rib = Rib(3)
    rib.add("a", NET, 1, 2)
    assert rib.remove("b", NET) is None
    assert rib.remove("a", "10.0.0.0/8") is None, "a longer match is another route"
    assert rib.remove("a", "10.1.2.0/24") is None
    assert rib.active("10.1.2.0/24") is None


def test_the_longest_match_wins_against_the_distance():
    rib = Rib(3)
    rib.add("a", "10.0.0.0/8", 1, 1)
    rib.add("b", "10.1.2.3", 2, 252)
    assert [rib.lookup(a).nh for a in ("10.1.2.3", "10.1.2.4")] == [2, 1]
    assert [route.prefix for route in rib] == ["10.0.0.0/8", "10.1.2.3/32"]


@pytest.mark.parametrize(
    "prefix", ["10.0.0.0/33", "10.0.0.0/-1", "x", "", "10.0.0/8", "10.0.0.0/ 8"]
)
def test_malformed_prefixes_are_refused(prefix):
    rib = Rib(3)
    with pytest.raises(LocalProtocolError):
        rib.add("a", prefix, 1, 2)
    assert len(rib) == 0
    assert rib.prefixes("a") == ()


def test_both_address_families_are_in_one_rib_and_kept_apart():
    rib = Rib(3)
    assert rib.add("a", "2001:DB8::1/32", 1, 2).prefix == "2001:db8::/32"
    assert rib.add("a", "0.0.0.0/0", 2, 2).prefix == "0.0.0.0/0"
    assert rib.lookup("2001:db8::5").nh == 1
    assert rib.lookup("10.0.0.1").nh == 2
    assert rib.lookup("2001:db9::") is None
    assert len(rib) == 2
    assert {route.prefix for route in rib} == {"2001:db8::/32", "0.0.0.0/0"}
    assert rib.prefixes("a") == ("2001:db8::/32", "0.0.0.0/0")
    assert [change.kind for change in rib.remove_owner("a")] == [DELETE, DELETE]
    assert len(rib) == 0


def test_prefixes_are_written_in_one_form():
    assert canonical_prefix("10.1.2.3/16") == NET
    assert canonical_prefix("10.1.2.3") == "10.1.2.3/32"


PREFIXES = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.0.128.0/17", "11.0.0.0/8"]
ADDRESSES = ["10.0.0.0", "10.0.0.1", "10.0.200.1", "10.9.9.9", "11.1.1.1", "12.0.0.1"]
ORDERS = st.tuples(
    st.sampled_from(["add", "add", "remove", "remove owner"]),
    st.sampled_from("abc"),
    st.sampled_from(PREFIXES),
    st.integers(1, 4),
    st.sampled_from([2, 2, 252]),
)


class NaiveRib:
    def __init__(self) -> None:
        self.routes = []

    def best(self):
        found = {}
        for prefix in {route[1] for route in self.routes}:
            equal = [route for route in self.routes if route[1] == prefix]
            found[prefix] = min(equal, key=lambda r: (r[3], -self.routes.index(r)))[2]
        return found

    def play(self, kind, owner, prefix, nh, distance):
        gone = {
            "add": lambda r: r[:2] == (owner, prefix),
            "remove": lambda r: r[:2] == (owner, prefix),
            "remove owner": lambda r: r[0] == owner,
        }[kind]
        self.routes = [route for route in self.routes if not gone(route)]
        if kind == "add":
            self.routes.append((owner, prefix, nh, distance))

    def lookup(self, address):
        address = ipaddress.ip_address(address)
        networks = [(ipaddress.ip_network(prefix), nh) for prefix, nh in self.best().items()]
        hits = [(net.prefixlen, nh) for net, nh in networks if address in net]
        return max(hits)[1] if hits else None


@settings(deadline=None, max_examples=150)
@given(st.lists(ORDERS, max_size=40))
def test_rib_and_its_changes_agree_with_a_naive_rib(orders):
    rib, naive, fib = Rib(3), NaiveRib(), {}
    for order in orders:
        kind, owner, prefix, nh, distance = order
        naive.play(*order)
        if kind == "add":
            changes = [rib.add(owner, prefix, nh, distance)]
        elif kind == "remove":
            changes = [rib.remove(owner, prefix)]
        else:
            changes = rib.remove_owner(owner)
        for made in filter(None, changes):
            assert (made.prefix in fib) == (made.kind is not ADD)
            if made.kind is DELETE:
                assert fib.pop(made.prefix) == made.nh
            else:
                fib[made.prefix] = made.nh
        assert fib == naive.best()
        for address in ADDRESSES:
            found = rib.lookup(address)
            assert (found.nh if found else None) == naive.lookup(address)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["", "/32", "/24", "/8"]))
def test_host_prefixes_are_written_as_all_others(number: int, length: str) -> None:
    text = f"{ipaddress.IPv4Address(number)}{length}"
    assert canonical_prefix(text) == str(ipaddress.ip_network(text, strict=False))


@given(
    st.one_of(
        st.integers(0, 2**128 - 1), st.integers(0, 2**34), st.integers(0xFFFF << 32, 1 << 48)
    ),
    st.integers(0, 128),
    st.sampled_from(["", "/{}", "/0{}", "/ {}", "/{}x", "/\u0661"]),
    st.booleans(),
)
def test_ipv6_prefixes_are_written_as_ipaddress_does(number, length, suffix, clear):
    number = number >> 128 - length << 128 - length if clear else number
    text = str(ipaddress.IPv6Address(number)) + suffix.format(length)
    try:
        expected = str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        with pytest.raises(LocalProtocolError):
            canonical_prefix(text)
    else:
        assert canonical_prefix(text) == expected


@pytest.mark.parametrize("text", ["10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1/032", "10.0.0.1/"])
def test_no_prefix_is_taken_for_a_host(text: str) -> None:
    try:
        expected = str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        with pytest.raises(LocalProtocolError):
            canonical_prefix(text)
    else:
        assert canonical_prefix(text) == expected
