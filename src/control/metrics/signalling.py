"""Metrics of what is said to others: L2TP endpoints, LACs, RADIUS, PPP, address pools.

One row a counter of the objects that count. LACs have metrics of their own if the configuration
names them: those that RADIUS names are not bounded, and count together as `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from control.dialout.lac_state import LacState, LacUse
from control.metrics.chassis import counter
from control.metrics.exposition import Kind, Metric, Sample
from control.metrics.facts import Facts
from control.radius.client import Client

L2TP: Final = {
    "received": "Datagrams handed to the endpoint.",
    "accepted": "Messages that were in order and understood.",
    "malformed": "Datagrams without a control header, or that could not be decoded.",
    "unknown_tunnel": "Messages for a tunnel id that we did not assign.",
    "unknown_session": "Messages for a session id that we did not assign.",
    "wrong_peer": "Messages for a tunnel of ours from another address than its peer's.",
    "refused_tunnels": "SCCRQ that did not become a tunnel.",
    "refused_calls": "OCRQ and ICRQ answered with CDN at once.",
    "ignored": "Messages of an unknown optional type, or to a closed tunnel.",
    "unmatched_cdn": "CDN for a call that is not there.",
    "ignored_avps": "Unrecognised AVPs without the M bit.",
    "duplicate": "Messages that had come before.",
    "out_of_order": "Messages kept until a missing one arrived.",
    "out_of_window": "Messages outside the receive window.",
    "zlb_received": "Acknowledgements without a message that came.",
    "zlb_sent": "Acknowledgements without a message that were sent.",
    "sent": "Messages transmitted for the first time.",
    "retransmitted": "Messages transmitted again.",
    "hello_sent": "HELLO messages sent.",
    "withheld": "Datagrams not sent to peers that may not be who they say.",
    "wen": "WAN-Error-Notify messages.",
    "sli": "Set-Link-Info messages.",
    "tunnels_opened": "Tunnels that came up.",
    "tunnels_closed": "Tunnels that ended, those that never came up too.",
    "calls_connected": "Calls that were connected.",
    "calls_closed": "Calls that ended, those that were never connected too.",
}
"""Every counter of an endpoint, and what it counts."""

RADIUS: Final = {
    "sent": "First transmissions of requests to a server.",
    "retransmitted": "Requests transmitted again.",
    "accepted": "Replies that ended a request.",
    "late": "Genuine replies to requests that had ended.",
    "malformed": "Replies that could not be decoded.",
    "unknown": "Replies to nothing that is or was pending.",
    "unexpected": "Replies with a code that answers nothing that was asked.",
    "forged": "Replies with a wrong authenticator.",
    "unsigned": "Genuine replies without the required Message-Authenticator.",
    "ignored_attributes": "Attributes of replies that were not usable.",
    "given_up": "Requests that one server did not answer.",
    "no_identifier": "Requests that could not be sent: all identifiers were pending.",
    "probes": "Status-Server requests.",
    "died": "Times that a server became dead.",
    "revived": "Times that a dead server came back.",
}
"""Every counter of a RADIUS client, for authentication and for accounting."""

ACCOUNTING: Final = {
    "queued": "Records that were to be told.",
    "dropped": "Records lost because the queue was full, or too long for a packet.",
    "replaced": "Interim-Updates that a newer one made needless.",
}
"""Those that accounting has besides."""

AUTHORIZATION: Final = {
    "accepted": "CoA and Disconnect requests carried out.",
    "refused": "Requests answered with NAK.",
    "repeated": "Retransmissions, answered as before.",
    "malformed": "Datagrams that could not be decoded.",
    "unknown_client": "Requests of clients that the configuration does not have.",
    "unexpected": "Codes other than Disconnect- and CoA-Request.",
    "forged": "Requests with a wrong authenticator.",
    "unsigned": "Requests without the required Message-Authenticator.",
    "untimed": "Requests without the required Event-Timestamp.",
    "replayed": "Requests with an Event-Timestamp outside the window.",
}

Groups = Iterator[tuple[str, Client]]


def _groups(facts: Facts) -> Groups:
    """The client that a group has now; retired ones only finish what they began."""
    found = facts.lns.radius_clients()
    return islice(found.items(), facts.entries)


def _l2tp(field: str) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: (
        ((address,), getattr(endpoint.counters, field))
        for address, endpoint in facts.lns.endpoints.items()
    )


def _radius(field: str) -> Callable[[Facts], Iterator[Sample]]:
    def read(facts: Facts) -> Iterator[Sample]:
        for name, client in _groups(facts):
            yield (name, "authentication"), getattr(client.counters, field)
            yield (name, "accounting"), getattr(client.accounting.counters, field)

    return read


def _accounting(field: str) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: (
        ((name,), getattr(client.accounting.counters, field)) for name, client in _groups(facts)
    )


def _authorization(field: str) -> Callable[[Facts], int]:
    return lambda facts: int(getattr(facts.lns.authorization.counters, field))


def _servers(facts: Facts) -> Iterator[Sample]:
    for name, client in _groups(facts):
        for purpose, servers in (
            ("authentication", client.servers),
            ("accounting", client.accounting.servers),
        ):
            for (address, port), alive in servers.alive(facts.now):
                server = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                yield (name, server, purpose), int(alive)


def _lacs(value: Callable[[LacUse], float]) -> Callable[[Facts], Iterator[Sample]]:
    def read(facts: Facts) -> Iterator[Sample]:
        named = [lac.address for lac in facts.lns.config.lac[: facts.entries]]
        left = set(named)
        other = 0.0
        for address, use in facts.lns.manager.services.lacs.uses(facts.now):
            if address in left:
                yield (address,), value(use)
            else:
                other += value(use)
        yield ("other",), other

    return read


def _lac_limits(facts: Facts) -> Iterator[Sample]:
    return (((lac.address,), lac.max_sessions) for lac in facts.lns.config.lac[: facts.entries])


def _pools(which: int) -> Callable[[Facts], Iterator[Sample]]:
    def read(facts: Facts) -> Iterator[Sample]:
        pools = facts.lns.manager.services.pools.usage()
        return (((name,), pair[which]) for name, pair in islice(pools.items(), facts.entries))

    return read


LOCAL: Final = ("local_address",)
GROUP: Final = ("group",)

METRICS: Final[tuple[Metric[Facts], ...]] = (
    Metric("dialout_l2tp_tunnels", Kind.GAUGE, "Tunnels, those that come up or end too.", LOCAL,
           lambda f: (((a,), e.tunnel_count) for a, e in f.lns.endpoints.items())),
    *(Metric(f"dialout_l2tp_{field}_total", Kind.COUNTER, text, LOCAL, _l2tp(field))
      for field, text in L2TP.items()),
    counter("dialout_l2tp_not_local_total", "Datagrams for an address that is none of ours.",
            lambda f: f.lns.not_local),
    Metric("dialout_lac_calls", Kind.GAUGE, "Calls at once, being placed or in service.", ("lac",),
           _lacs(lambda use: use.calls)),
    Metric("dialout_lac_calls_limit", Kind.GAUGE, "Calls that it may have, of [[lac]].", ("lac",),
           _lac_limits),
    Metric("dialout_lac_locked_out", Kind.GAUGE, "1 while it is locked out after silence.",
           ("lac",), _lacs(lambda use: use.state is LacState.LOCKED_OUT)),
    Metric("dialout_lac_drained", Kind.GAUGE, "1 while it gets no new calls.", ("lac",),
           _lacs(lambda use: use.drained)),
    Metric("dialout_radius_server_up", Kind.GAUGE, "0 while the server counts as dead.",
           ("group", "server", "purpose"), _servers),
    Metric("dialout_radius_requests_pending", Kind.GAUGE, "Access-Requests without an answer yet.",
           GROUP, lambda f: (((name,), client.pending) for name, client in _groups(f))),
    *(Metric(f"dialout_radius_{field}_total", Kind.COUNTER, text, ("group", "purpose"),
             _radius(field)) for field, text in RADIUS.items()),
    Metric("dialout_radius_accounting_waiting", Kind.GAUGE, "Records that no server has yet.",
           GROUP, lambda f: (((name,), len(c.accounting)) for name, c in _groups(f))),
    *(Metric(f"dialout_radius_accounting_{field}_total", Kind.COUNTER, text, GROUP,
             _accounting(field)) for field, text in ACCOUNTING.items()),
    *(counter(f"dialout_radius_authorization_{field}_total", text, _authorization(field))
      for field, text in AUTHORIZATION.items()),
    Metric("dialout_ppp_frames_total", Kind.COUNTER,
           "Frames of all PPP links, and what became of those that were not taken.", ("what",),
           lambda f: (((what,), n) for what, n in sorted(f.lns.ppp_counters.items()))),
    Metric("dialout_pool_taken", Kind.GAUGE, "Addresses of a pool that are in use.", ("pool",),
           _pools(0)),
    Metric("dialout_pool_size", Kind.GAUGE, "Addresses of a pool.", ("pool",), _pools(1)),
)  # fmt: skip
