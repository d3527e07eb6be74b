"""The first Access-Accept's meaning, one row a rule (specification 1.7, 1.8)."""

from __future__ import annotations

import pytest

from control.errors import RemoteProtocolError
from control.radius.codec import Attribute, Fault, Reply
from control.radius.dialout import dialout_user_name, parse_dialout_grant
from control.radius.events import TunnelCandidate
from control.radius.refused import REFUSED


def tunnel(tag: int = 1, endpoint: str = "10.88.0.2", **more: object) -> list[Attribute]:
    """A usable tag; keyword `Name_with_underscores=None` leaves one out."""
    values: dict[str, object] = {
        "Tunnel_Type": 3,
        "Tunnel_Medium_Type": 1,
        "Tunnel_Server_Endpoint": endpoint,
        "Tunnel_Password": b"pw",
    }
    values.update(more)
    return [
        Attribute(name.replace("_", "-"), tag, value)
        for name, value in values.items()
        if value is not None
    ]


NUMBER = Attribute("ERX-Dial-Out-Number", None, "5551234")


def grant(*attributes, faults=(), require=True, known=lambda address: False):
    reply = Reply(2, tuple(attributes), tuple(faults))
    return parse_dialout_grant(reply, require_tunnel_auth=require, known_secret=known)


@pytest.mark.parametrize(
    ("address", "domain", "rd", "name"),
    [
        (
            "10.10.1.1",
            "L2TP-dial-out.de.dt",
            "0.0.0.0:65000",
            "0.0.0.0:65000/10.10.1.1@L2TP-dial-out.de.dt",
        ),
        ("10.10.1.1", "domain", "", "10.10.1.1@domain"),
    ],
)
def test_user_name_is_that_of_the_manual(address, domain, rd, name):
    assert dialout_user_name(address, domain, rd) == name


def test_one_complete_tag_is_one_candidate():
    tag = tunnel(
        Tunnel_Client_Endpoint="10.88.0.1",
        Tunnel_Assignment_Id="lac-one",
        Tunnel_Client_Auth_Id="lns.lab",
        Tunnel_Server_Auth_Id="lac.lab",
        Tunnel_Preference=10,
    )
    limit = Attribute("ERX-Tunnel-Maximum-Sessions", None, 20)
    window = Attribute("ERX-L2tp-Recv-Window-Size", None, 8)
    assert grant(*tag, NUMBER, limit, window).candidates == (
        TunnelCandidate(
            tag=1,
            server_endpoint="10.88.0.2",
            client_endpoint="10.88.0.1",
            password=b"pw",
            assignment_id="lac-one",
            preference=10,
            client_auth_id="lns.lab",
            server_auth_id="lac.lab",
            maximum_sessions=20,
            receive_window=8,
        ),
    )


def test_candidate_over_ipv6_has_its_addresses_in_one_form():
    ends = {"Tunnel_Client_Endpoint": "2001:DB8:0:0::1", "Tunnel_Medium_Type": 2}
    (found,) = grant(*tunnel(1, "2001:db8::0:2", **ends), NUMBER).candidates
    assert (found.server_endpoint, found.client_endpoint) == ("2001:db8::2", "2001:db8::1")


def test_candidates_come_by_preference_then_tag():
    tags = [
        *tunnel(3, Tunnel_Preference=10),
        *tunnel(1, Tunnel_Preference=20),
        *tunnel(4),
        *tunnel(2, Tunnel_Preference=10),
    ]
    assert [c.tag for c in grant(*tags, NUMBER).candidates] == [4, 2, 3, 1]


def test_attributes_without_a_tag_are_one_more_candidate():
    tags = [*tunnel(0, "10.88.0.9", Tunnel_Preference=5), *tunnel(1)]
    result = grant(*tags, NUMBER)
    assert [(c.tag, c.server_endpoint) for c in result.candidates] == [
        (1, "10.88.0.2"),
        (0, "10.88.0.9"),
    ]


def test_attributes_without_a_tag_do_not_complete_a_tag():
    stray = Attribute("Tunnel-Password", 0, b"not for tag 1")
    result = grant(*tunnel(1, Tunnel_Password=None), *tunnel(2), stray, NUMBER)
    assert [c.tag for c in result.candidates] == [2]
    assert result.unusable == (
        "tag 0: no Tunnel-Type",
        "tag 1: no Tunnel-Password, and tunnel authentication is required",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Tunnel_Type": None}, "no Tunnel-Type"),
        ({"Tunnel_Type": 1}, "Tunnel-Type 1 is not L2TP"),
        ({"Tunnel_Medium_Type": None}, "no Tunnel-Medium-Type"),
        ({"Tunnel_Medium_Type": 6}, "Tunnel-Medium-Type 6 is neither IPv4 nor IPv6"),
        ({"Tunnel_Server_Endpoint": None}, "no Tunnel-Server-Endpoint"),
        (
            {"Tunnel_Server_Endpoint": "lac.example.net"},
            "Tunnel-Server-Endpoint is not an IP address (names are not looked up)",
        ),
        (
            {"Tunnel_Server_Endpoint": "10.88.0.2:1701"},
            "Tunnel-Server-Endpoint is not an IP address (names are not looked up)",
        ),
        (
            {"Tunnel_Server_Endpoint": "2001:db8::1"},
            "Tunnel-Server-Endpoint is an IPv6 address, Tunnel-Medium-Type is IPv4",
        ),
        *(
            (
                {"Tunnel_Server_Endpoint": address, "Tunnel_Medium_Type": 2},
                "Tunnel-Server-Endpoint is not the address of a host",
            )
            for address in ("::", "ff02::1", "fe80::1", "::ffff:10.0.0.1", "400::1")
        ),
        (
            {"Tunnel_Medium_Type": 2},
            "Tunnel-Server-Endpoint is an IPv4 address, Tunnel-Medium-Type is IPv6",
        ),
        (
            {"Tunnel_Server_Endpoint": "0.0.0.0"},
            "Tunnel-Server-Endpoint is not the address of a host",
        ),
        (
            {"Tunnel_Server_Endpoint": "224.0.0.1"},
            "Tunnel-Server-Endpoint is not the address of a host",
        ),
        (
            {"Tunnel_Server_Endpoint": "255.255.255.255"},
            "Tunnel-Server-Endpoint is not the address of a host",
        ),
        (
            {"Tunnel_Client_Endpoint": "us"},
            "Tunnel-Client-Endpoint is not an IP address (names are not looked up)",
        ),
        ({"Tunnel_Password": None}, "no Tunnel-Password, and tunnel authentication is required"),
        ({"Tunnel_Password": b""}, "no Tunnel-Password, and tunnel authentication is required"),
    ],
)
def test_unusable_tag_is_left_out_with_its_reason(change, reason):
    result = grant(*tunnel(1, **change), *tunnel(2), NUMBER)
    assert [c.tag for c in result.candidates] == [2]
    assert result.unusable == (f"tag 1: {reason}",)
    with pytest.raises(RemoteProtocolError, match="no LAC can be called: tag 1: "):
        grant(*tunnel(1, **change), NUMBER)


def test_fault_in_a_tag_makes_the_tag_unusable():
    fault = Fault("Tunnel-Password", "cannot be decrypted: x", 1)
    result = grant(*tunnel(1), *tunnel(2), NUMBER, faults=[fault], require=False)
    assert [c.tag for c in result.candidates] == [2]
    assert result.unusable == ("tag 1: Tunnel-Password cannot be decrypted: x",)


def test_tag_of_which_nothing_is_readable_is_named():
    fault = Fault("Tunnel-Server-Endpoint", "is not UTF-8", 5)
    assert grant(*tunnel(2), NUMBER, faults=[fault]).unusable == (
        "tag 5: Tunnel-Server-Endpoint is not UTF-8",
    )


def test_clear_text_vendor_password_counts_if_there_is_no_other():
    clear = Attribute("ERX-Tunnel-Password", 1, b"clearpw")
    assert grant(*tunnel(Tunnel_Password=None), clear, NUMBER).candidates[0].password == b"clearpw"
    assert grant(clear, *tunnel(), NUMBER).candidates[0].password == b"pw"


def test_tag_without_secret_is_usable_when_configuration_has_one():
    asked = []

    def known(address: str) -> bool:
        asked.append(address)
        return True

    assert grant(*tunnel(Tunnel_Password=None), NUMBER, known=known).candidates
    assert asked == ["10.88.0.2"]


def test_tag_without_secret_is_usable_when_none_is_required():
    assert grant(*tunnel(Tunnel_Password=None), NUMBER, require=False).candidates[0].password == b""


@pytest.mark.parametrize("number", ["5551234", "*21#", "+49301234", "0,12", "ABCD"])
def test_number_is_taken_as_it_is(number):
    assert grant(*tunnel(), Attribute("ERX-Dial-Out-Number", None, number)).number == number


@pytest.mark.parametrize(
    "number", ["555-1234", "555 1234", "E", "a", "1;reboot", "$(x)", "٣", "5551234\n", "1\0"]
)
def test_number_with_other_characters_denies(number):
    with pytest.raises(RemoteProtocolError, match="characters other than"):
        grant(*tunnel(), Attribute("ERX-Dial-Out-Number", None, number))


def test_missing_number_denies():
    with pytest.raises(RemoteProtocolError, match=r"^no ERX-Dial-Out-Number$"):
        grant(*tunnel())
    with pytest.raises(RemoteProtocolError, match=r"no ERX-Dial-Out-Number; .* is not UTF-8"):
        grant(*tunnel(), faults=[Fault("ERX-Dial-Out-Number", "is not UTF-8")])


def test_no_tunnel_attributes_deny():
    with pytest.raises(RemoteProtocolError, match="no LAC can be called: no tunnel attributes"):
        grant(NUMBER)


@pytest.mark.parametrize(
    ("name", "value", "field", "meaning"),
    [
        ("ERX-PPP-Auth-Protocol", 0, "answer_protocols", ()),
        ("ERX-PPP-Auth-Protocol", 1, "answer_protocols", ("pap",)),
        ("ERX-PPP-Auth-Protocol", 2, "answer_protocols", ("chap",)),
        ("ERX-PPP-Auth-Protocol", 3, "answer_protocols", ("pap", "chap")),
        ("ERX-PPP-Auth-Protocol", 4, "answer_protocols", ("chap", "pap")),
        ("ERX-Bearer-Type", 0, "bearer_type", 0),
        ("ERX-Bearer-Type", 1, "bearer_type", 2),
        ("ERX-Bearer-Type", 2, "bearer_type", 1),
        ("ERX-Minimum-BPS", 64000, "minimum_bps", 64000),
        ("ERX-Maximum-BPS", 128000, "maximum_bps", 128000),
        ("ERX-PPP-Username", "lns", "ppp_username", "lns"),
        ("ERX-PPP-Password", b"\xff\0pw", "ppp_password", b"\xff\0pw"),
    ],
)
def test_vendor_attribute_has_its_meaning(name, value, field, meaning):
    assert getattr(grant(*tunnel(), NUMBER, Attribute(name, None, value)), field) == meaning


@pytest.mark.parametrize("field", ["answer_protocols", "bearer_type", "minimum_bps", "maximum_bps"])
def test_absent_vendor_attribute_is_none(field):
    assert getattr(grant(*tunnel(), NUMBER), field) is None


@pytest.mark.parametrize(
    ("name", "field"),
    [("ERX-PPP-Auth-Protocol", "answer_protocols"), ("ERX-Bearer-Type", "bearer_type")],
)
def test_enumeration_value_without_meaning_is_ignored(name, field):
    result = grant(*tunnel(), NUMBER, Attribute(name, None, 5))
    assert getattr(result, field) is None
    assert result.ignored == (f"{name} 5 has no meaning",)


def test_speeds_that_contradict_each_other_are_ignored():
    low, high = Attribute("ERX-Minimum-BPS", None, 2), Attribute("ERX-Maximum-BPS", None, 1)
    result = grant(*tunnel(), NUMBER, low, high)
    assert (result.minimum_bps, result.maximum_bps) == (None, None)
    assert result.ignored == ("ERX-Minimum-BPS is greater than ERX-Maximum-BPS",)


def test_of_repeated_attributes_the_first_counts():
    again = [Attribute("ERX-Dial-Out-Number", None, "999"), *tunnel(1, "10.0.0.9")]
    result = grant(*tunnel(), NUMBER, *again)
    assert (result.number, result.candidates[0].server_endpoint) == ("5551234", "10.88.0.2")
    assert len(result.ignored) == 5
    assert result.ignored[0] == "ERX-Dial-Out-Number comes more than once: the first counts"
    assert result.ignored[1] == "Tunnel-Type comes more than once with tag 1: the first counts"


def test_all_tags_are_read():
    tags = [a for tag in range(32) for a in tunnel(tag)]
    assert [c.tag for c in grant(*tags, NUMBER).candidates] == list(range(32))


def test_secrets_do_not_show_in_repr():
    secret = Attribute("ERX-PPP-Password", None, b"hunter22")
    shown = repr(grant(*tunnel(Tunnel_Password=b"hunter22"), NUMBER, secret))
    assert "hunter22" not in shown


def test_tos_of_the_tunnel_is_taken_if_it_is_one():
    assert grant(*tunnel(), NUMBER, Attribute("ERX-Tunnel-Tos", None, 184)).tunnel_tos == 184
    result = grant(*tunnel(), NUMBER, Attribute("ERX-Tunnel-Tos", None, 256))
    assert (result.tunnel_tos, result.ignored) == (
        None,
        ("ERX-Tunnel-Tos 256 is not within 0 to 255",),
    )


@pytest.mark.parametrize("name", REFUSED)
def test_attribute_that_is_not_carried_out_is_named_with_the_reason(name):
    (reason,) = grant(*tunnel(), NUMBER, Attribute(name, None, 2)).ignored
    assert reason == f"{name}: {REFUSED[name]}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ERX-DF-Bit", 0),
        ("ERX-L2TP-Resynch-Method", 0),
        ("ERX-Ingress-Statistics", 1),
        ("ERX-Egress-Statistics", 1),
        ("ERX-Tunnel-Tx-Speed-Method", 4),
    ],
)
def test_value_that_asks_for_what_is_done_anyway_is_not_refused(name, value):
    assert grant(*tunnel(), NUMBER, Attribute(name, None, value)).ignored == ()
