"""Every call of the C ABI does what its comment says, driven by cffi and nothing else."""

from __future__ import annotations

import ipaddress

import pytest
from abi_rig import NUMBERS, AbiError, Burst, Router, call, ffi, octets, prefix, route, session
from packets import ipv4, udp

import fastpath.abi
from fastpath import Engine, MemPort

SITE = "198.51.100.10"


def to_site(ident: int = 1, **fields) -> bytes:
    return ipv4(udp(b"hello"), src="192.0.2.10", dst=SITE, ident=ident, **fields)


@pytest.fixture
def router():
    made = Router()
    made.nhs = made.configure()
    yield made
    made.close()


def triggers(router) -> list:
    out = ffi.new("fp_trigger_t[8]")
    n = call("poll_triggers", router.engine, out, 8)
    return [ffi.new("fp_trigger_t *", out[i]) for i in range(n)]


# --- bursts ---------------------------------------------------------------------------------------


def test_a_burst_is_changed_where_it_lies(router):
    nh = router.connect()
    burst, out = router.process(router.home, *(to_site(i) for i in range(8)))
    assert burst.verdicts() == ["FORWARD"] * 8
    sent = out[router.tunnel]
    assert sent == [burst.packets + i for i in range(8)], "the caller's own descriptors"
    for i, packet in enumerate(sent):
        slot = burst.octets + i * burst.STRIDE
        assert packet.data == slot + burst.HEADROOM - 40
        assert packet.nh == nh
        outer = octets(packet)
        assert outer[12:20] == bytes([10, 88, 0, 1, 10, 88, 0, 2])
        assert outer[40:] == to_site(i)[:8] + bytes([63]) + outer[49:52] + to_site(i)[12:]


def test_a_packet_without_headroom_is_copied_and_sent_all_the_same(router):
    router.connect()
    burst = Burst([to_site()])
    burst.packets[0].headroom = 63
    before = bytes(ffi.buffer(burst.octets))
    out = ffi.new("const fp_transmit_t **")
    assert call("process", router.worker, router.home, burst.packets, 1, out) == 1
    (sent,) = (out[0][router.tunnel].packets[i] for i in range(out[0][router.tunnel].count))
    assert sent != burst.packets
    assert len(octets(sent)) == 40 + len(to_site())
    assert bytes(ffi.buffer(burst.octets)) == before


def test_readonly_packets_stay_as_they_are(router):
    router.connect()
    burst = Burst([to_site()])
    burst.packets[0].flags = NUMBERS.FP_PACKET_READONLY
    before = bytes(ffi.buffer(burst.octets))
    call("process", router.worker, router.home, burst.packets, 1, ffi.NULL)
    assert bytes(ffi.buffer(burst.octets)) == before


def test_answers_of_the_engine_are_in_its_own_memory(router):
    _, out = router.process(router.home, ipv4(udp(b"x"), src="192.0.2.10", dst="203.0.113.1"))
    (answer,) = out[router.home]
    assert answer.flags & NUMBERS.FP_PACKET_GENERATED
    assert octets(answer)[16:20] == bytes([192, 0, 2, 10])


def test_decapsulated_packets_are_delivered_in_place(router):
    nh = router.connect(tunnel=1, session=2)
    router.process(router.home, to_site())
    inner = ipv4(udp(b"back"), src=SITE, dst="192.0.2.10")
    data = bytes.fromhex("0002 0001 0002 ff03 0021") + inner
    frame = ipv4(udp(data, sport=1701, dport=1701), src="10.88.0.2", dst="10.88.0.1")
    burst, out = router.process(router.tunnel, frame)
    assert burst.verdicts() == ["DELIVER"]
    (packet,) = out[router.home]
    assert packet == burst.packets
    assert packet.flags & NUMBERS.FP_PACKET_DECAPPED
    assert octets(packet)[20:] == inner[20:]
    counters = ffi.new("fp_session_counters_t *")
    call("session_counters", router.engine, nh, counters)
    assert (counters.packets_out, counters.packets_in, counters.refused) == (1, 1, 0)
    assert counters.octets_in == len(inner)


def test_lists_last_until_the_next_burst_only(router):
    router.connect()
    _, first = router.process(router.home, to_site())
    assert len(first[router.tunnel]) == 1
    _, second = router.process(router.home)
    assert second == [[], []]


def test_slots_are_processed_where_they_are(router):
    nh = router.connect()
    memory = ffi.new("uint8_t[]", 4 * 512)
    shape = {"base": memory, "stride": 512, "slots": 4, "headroom": 128, "link": 7}
    packets = ffi.new("fp_packet_t **")
    made = ffi.new("fp_memory_t *", shape)
    call("attach_memory", router.worker, router.home, made, packets)
    frame = to_site()
    for i in range(4):
        ffi.buffer(memory)[i * 512 + 128 : i * 512 + 128 + len(frame)] = frame
    lengths = ffi.new("uint32_t[]", [len(frame)] * 2)
    out = ffi.new("const fp_transmit_t **")
    assert call("process_slots", router.worker, router.home, 2, lengths, 2, 77, out) == 2
    sent = [out[0][router.tunnel].packets[i] for i in range(out[0][router.tunnel].count)]
    assert sent == [packets[0] + 2, packets[0] + 3]
    assert [p.data - memory for p in sent] == [2 * 512 + 88, 3 * 512 + 88]
    assert {(p.ts, p.nh) for p in sent} == {(77, nh)}


def test_a_queue_of_the_embedder_is_polled_and_sent_to(router):
    router.connect()
    frame = to_site()
    memory = ffi.new("uint8_t[]", 128 + len(frame))
    ffi.buffer(memory)[128:] = frame
    told = []

    @ffi.callback("int(void *, fp_packet_t *, int, uint64_t)")
    def rx_burst(state, packets, most, until_ns):
        p = packets[0]
        p.data = p.frame = memory + 128
        p.len = p.frame_len = p.wire_len = len(frame)
        p.headroom, p.link, p.flags, p.ts = 128, NUMBERS.FP_LINK_IPV4, 0, 5
        told.append(("rx", most, until_ns))
        return 1 if until_ns >= 5 else -1

    @ffi.callback("void(void *, int)")
    def rx_consume(state, n):
        told.append(("consume", n))

    @ffi.callback("uint64_t(void *)")
    def next_ns(state):
        return 5

    @ffi.callback("int(void *, fp_packet_t **, int)")
    def tx_burst(state, packets, n):
        told.append(("tx", [octets(packets[i])[40:][-5:] for i in range(n)]))
        return n

    queue = ffi.new("fp_queue_t *", {"rx_burst": rx_burst, "rx_consume": rx_consume})
    queue.next_ns, queue.tx_burst = next_ns, tx_burst
    for port in (router.home, router.tunnel):
        call("attach_queue", router.worker, port, queue)
    assert call("poll", router.worker, router.home, 32, 9, ffi.NULL) == 1
    assert told == [("rx", 32, 9), ("tx", [b"hello"]), ("consume", 1)]
    with pytest.raises(AbiError, match="port 0: its queue is damaged") as refused:
        call("poll", router.worker, router.home, 32, 4, ffi.NULL)
    assert refused.value.code == NUMBERS.FP_ERROR_FAILED


# --- control --------------------------------------------------------------------------------------


def test_a_trigger_is_polled_held_and_flushed(router):
    router.process(router.home, to_site(1), to_site(2), ts=42)
    (trigger,) = triggers(router)
    assert triggers(router) == []
    assert ipaddress.ip_address(bytes(trigger.destination)).ipv4_mapped.compressed == SITE
    assert ipaddress.ip_address(bytes(trigger.source)).ipv4_mapped.compressed == "192.0.2.10"
    assert (trigger.glean, trigger.ts, trigger.proto) == (router.nhs["glean"], 42, 17)
    t = router.begin()
    nh = router.session(t)
    call("add_route", t, router.table, route(f"{SITE}/32", nh))
    call("hold", t, nh, trigger.key)
    call("commit", t)
    router.process(router.home, to_site(3))
    assert call("trigger_flush", router.engine, trigger.key, nh, 50) == 3
    _, out = router.process(router.home, to_site(4))
    assert [octets(p)[44:46] for p in out[router.tunnel]] == [bytes([0, i]) for i in (1, 2, 3, 4)]


def test_a_trigger_may_be_discarded_and_dropped(router):
    router.process(router.home, to_site(1))
    (trigger,) = triggers(router)
    call("trigger_discard", router.engine, trigger.key)
    router.process(router.home, to_site(2))
    call("trigger_hold", router.engine, trigger.key)
    router.process(router.home, to_site(3))
    assert call("trigger_drop", router.engine, trigger.key, 0) == 2
    assert call("trigger_drop", router.engine, trigger.key, 1) == 0
    router.process(router.home, to_site(4))
    assert [t.key != trigger.key for t in triggers(router)] == [True]


def test_punts_are_copied_out(router):
    control = bytes.fromhex("c802 000c 0000 0000 0000 0000")
    frame = ipv4(udp(control, sport=1702, dport=1701), src="10.88.0.2", dst="10.88.0.1")
    router.process(router.tunnel, frame, frame, ts=9)
    punts, room = ffi.new("fp_punt_t[4]"), ffi.new("uint8_t[64]")
    assert call("poll_punts", router.engine, punts, 4, room, 64) == 2
    for punt in punts[0:2]:
        assert bytes(ffi.buffer(room))[punt.offset : punt.offset + punt.len] == control
        assert bytes(punt.source) == ipaddress.ip_address("::ffff:10.88.0.2").packed
        assert (punt.source_port, punt.destination_port, punt.ts) == (1702, 1701, 9)
        assert punt.verdict == NUMBERS.FP_VERDICT_PUNT_L2TP
    assert call("poll_punts", router.engine, punts, 4, room, 64) == 0


def test_a_punt_without_room_waits_and_the_error_tells_how_much_it_needs(router):
    control = bytes.fromhex("c802 000c 0000 0000 0000 0000")
    frame = ipv4(udp(control, sport=1701, dport=1701), src="10.88.0.2", dst="10.88.0.1")
    router.process(router.tunnel, frame)
    punts, room = ffi.new("fp_punt_t[4]"), ffi.new("uint8_t[64]")
    with pytest.raises(AbiError, match="next punt has 12 octets, there is room for 11") as refused:
        call("poll_punts", router.engine, punts, 4, room, 11)
    assert (refused.value.code, refused.value.item) == (NUMBERS.FP_ERROR_FULL, 12)
    assert call("poll_punts", router.engine, punts, 4, room, 12) == 1


def test_injected_frames_leave_with_the_next_burst(router):
    packet = ipv4(udp(b"control"), src="10.88.0.1", dst="10.88.0.2")
    call("inject", router.engine, router.nhs["tunnel"], packet, len(packet), 7)
    _, out = router.process(router.home)
    assert [octets(p) for p in out[router.tunnel]] == [packet]
    nh = router.connect()
    frame = bytes.fromhex("ff03c021010100040000")
    call("inject", router.engine, nh, frame, len(frame), 8)
    _, out = router.process(router.home)
    assert [octets(p)[36:] for p in out[router.tunnel]] == [frame]


# --- transactions ---------------------------------------------------------------------------------


def test_a_transaction_is_seen_as_a_whole_at_its_commit(router):
    t = router.begin()
    nh = router.session(t)
    routes = ffi.new("fp_route_t[3]")
    for i, text in enumerate(("198.51.100.0/25", "198.51.100.128/25", "203.0.113.0/24")):
        routes[i] = route(text, nh)[0]
    call("add_routes", t, router.table, routes, 3)
    call("delete_route", t, router.table, prefix("192.0.2.0/24"))
    out = ffi.new("uint32_t *")
    call("resolve_open", t, router.table, prefix("198.51.100.200"), out)
    assert out[0] == nh
    assert router.next_hop(SITE) == router.nhs["glean"]
    assert router.next_hop("192.0.2.1") == router.nhs["home"]
    call("commit", t)
    assert router.next_hop(SITE) == router.next_hop("203.0.113.9") == nh
    assert router.next_hop("192.0.2.1") == NUMBERS.FP_NH_NONE


def test_a_rollback_leaves_nothing_behind(router):
    t = router.begin()
    nh = router.session(t)
    call("add_route", t, router.table, route("203.0.113.0/24", nh))
    call("rollback", t)
    assert router.next_hop("203.0.113.1") == 0
    t = router.begin()
    assert router.session(t) == nh, "index and ids are free again"
    call("rollback", t)


def test_ipv6_routes(router):
    t = router.begin()
    call("add_route", t, router.table, route("2001:db8::/32", router.nhs["home"]))
    call("add_route", t, router.table, route("2001:db8::1/128", router.nhs["local"]))
    call("commit", t)
    assert router.next_hop("2001:db8::2") == router.nhs["home"]
    assert router.next_hop("2001:db8::1") == router.nhs["local"]


def test_a_session_is_updated_and_deleted(router):
    nh = router.connect("203.0.113.0/24")
    t = router.begin()
    flags = NUMBERS.FP_SESSION_ACFC | NUMBERS.FP_SESSION_PFC
    call("update_session", t, nh, session(flags=flags, peer_session=9))
    call("set_sources", t, nh, prefix("203.0.113.0/25"), 1)
    call("commit", t)
    _, out = router.process(router.home, ipv4(udp(b"x"), src="192.0.2.10", dst="203.0.113.1"))
    outer = octets(out[router.tunnel][0])
    assert outer[34:37] == bytes([0, 9, 0x21])
    t = router.begin()
    call("delete_route", t, router.table, prefix("203.0.113.0/24"))
    call("delete_adjacency", t, nh)
    call("commit", t)
    with pytest.raises(AbiError, match=f"next hop {nh}"):
        call("session_counters", router.engine, nh, ffi.new("fp_session_counters_t *"))


def test_packets_tell_the_neighbour_of_their_adjacency(router):
    nh = router.connect("203.0.113.0/24", neighbour=77)
    frame = ipv4(udp(b"x"), src="192.0.2.10", dst="203.0.113.1")
    _, out = router.process(router.home, frame)
    assert out[router.tunnel][0].neighbour == 77
    t = router.begin()
    call("set_neighbour", t, nh, NUMBERS.FP_NEIGHBOURS - 1)
    with pytest.raises(AbiError, match="neighbour 1024 is not 0"):
        call("set_neighbour", t, nh, NUMBERS.FP_NEIGHBOURS)
    call("commit", t)
    _, out = router.process(router.home, frame)
    assert out[router.tunnel][0].neighbour == 1023


# --- views ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
def test_lookup_equals_resolve(router, family):
    t = router.begin()
    call("add_route", t, router.table, route("2001:db8::/32", router.nhs["home"]))
    call("commit", t)
    texts = ["192.0.2.1", SITE, "10.88.0.1", "8.8.8.8"] if family == 4 else ["2001:db8::5", "::1"]
    keys = b"".join(ipaddress.ip_address(text).packed for text in texts)
    out = ffi.new("uint32_t[]", len(texts))
    call("lookup", router.engine, router.table, family, keys, out, len(texts))
    assert list(out) == [router.next_hop(text) for text in texts]
    assert out[0] == router.nhs["home"]


def test_counters_account_for_every_packet(router):
    router.connect("203.0.113.0/24")
    stray = ipv4(udp(b"x"), src="192.0.2.10", dst="8.8.8.8")
    inner = ipv4(udp(b"x"), src="192.0.2.10", dst="203.0.113.1")
    router.process(router.home, to_site(), stray, inner, b"\x45")
    counters = router.counters()
    assert counters.count[NUMBERS.FP_COUNTER_RECEIVED] == 4 == sum(counters.verdict)
    assert counters.verdict[NUMBERS.FP_VERDICT_DROP] == 2 == sum(counters.reason)
    assert counters.reason[NUMBERS.FP_REASON_NO_ROUTE] == 1
    port = ffi.new("fp_port_counters_t *")
    call("port_counters", router.engine, router.home, port)
    assert (port.rx_packets, port.tx_packets) == (4, 1)
    call("port_counters", router.engine, router.tunnel, port)
    assert (port.tx_packets, port.tx_octets) == (1, len(inner) + 40)


def test_trace_tells_without_doing(router):
    nh = router.connect()
    before = bytes(ffi.buffer(router.counters()))
    trace = ffi.new("fp_trace_t *")
    packet = to_site()
    link = NUMBERS.FP_LINK_IPV4
    call("trace", router.engine, router.home, packet, len(packet), link, trace)
    assert (trace.verdict, trace.reason) == (NUMBERS.FP_VERDICT_FORWARD, 0)
    assert (trace.nh, trace.kind) == (nh, NUMBERS.FP_ADJACENCY_SESSION)
    assert (trace.prefix_length, trace.port, trace.table) == (24, router.tunnel, router.table)
    text = ffi.string(trace.text).decode()
    assert "198.51.100.0/24 leads to next hop" in text
    assert "tunnel 3 session 4" in text
    assert text.endswith("FORWARD\n")
    stray = ipv4(udp(b"x"), src="192.0.2.10", dst="8.8.8.8")
    call("trace", router.engine, router.home, stray, len(stray), link, trace)
    assert ffi.string(trace.text).decode().endswith("DROP no-route\n")
    assert trace.port == NUMBERS.FP_PORT_INVALID
    assert bytes(ffi.buffer(router.counters())) == before


def test_workers_are_listed(router):
    infos = ffi.new("fp_worker_info_t[4]")
    assert call("workers", router.engine, infos, 4) == 1
    assert infos[0].worker == router.worker
    assert infos[0].tid > 0
    call("worker_unregister", router.worker)
    assert call("workers", router.engine, infos, 4) == 0
    router.worker = router.register()


# --- beside Python --------------------------------------------------------------------------------


def test_an_engine_of_python_has_a_handle_and_one_of_c_an_object(router):
    engine = fastpath.abi.engine_with(router.engine)
    assert engine.resolve(router.table, SITE) == router.nhs["glean"]
    assert fastpath.abi.handle_of(engine) == router.engine
    mine = Engine()
    table = mine.add_table("default")
    port = mine.attach(MemPort("home"), table)
    handle = fastpath.abi.handle_of(mine)
    out = ffi.new("fp_worker_t *")
    call("worker_register", handle, out)
    burst = Burst([to_site()])
    assert call("process", out[0], port, burst.packets, 1, ffi.NULL) == 1
    assert burst.reasons() == ["no-route"]
    call("worker_unregister", out[0])
    call("engine_destroy", handle)
    assert mine.counters()["received"] == 1, "it lives on in Python"
