"""What is buffered is the IP packet, whatever frame it came in."""

import pytest

from fastpath import Engine, MemPort

PACKET = bytes.fromhex("4500001c0001000040118e88c000020ac633640a0035003500080000")
FRAMES = {
    "raw": PACKET,
    "ethernet": bytes(12) + b"\x08\x00" + PACKET + bytes(18),
    "ppp": b"\xff\x03\x00\x21" + PACKET,
    "null": b"\x02\x00\x00\x00" + PACKET,
}


@pytest.mark.parametrize("link", FRAMES)
def test_flushed_packet_is_the_ip_packet_of_its_frame(link):
    engine = Engine(adjacencies=8, sessions=2, trigger_keys=8)
    table = engine.add_table("t")
    home, tunnel = MemPort("home", link), MemPort("tunnel")
    index = engine.attach(home, table)
    out = engine.attach(tunnel, table)
    with engine.transaction() as t:
        t.add_route(table, "198.51.100.0/24", t.add_adjacency("glean", table=table))
        session = t.add_session(
            table=table,
            port=out,
            local=("10.0.0.1", 1701),
            peer=("10.0.0.2", 1701),
            tunnel=1,
            session=2,
            peer_tunnel=3,
            peer_session=4,
        )
    home.push(FRAMES[link])
    engine.poll(index)
    (event,) = engine.triggers.events()
    assert engine.flush_trigger(event.key, session) == 1
    ((_, sent),) = tunnel.pop_all()
    inner = sent[40:]
    assert len(inner) == len(PACKET)
    assert inner[8] == PACKET[8] - 1
    assert inner[12:] == PACKET[12:]
