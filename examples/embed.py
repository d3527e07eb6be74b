"""The data plane by hand: tables, a session, packets in, verdicts and packets out.

No control plane and no configuration: `python examples/embed.py`.
"""

from fastpath import Engine, MemPort

# One virtual router with two ports in memory: the home site, and the tunnel toward the LAC.
engine = Engine()
table = engine.add_table("default", "10.88.0.1")  # our address: where ICMP answers come from
home, tunnel = MemPort("home"), MemPort("tunnel")
home_port, tunnel_port = engine.attach(home, table), engine.attach(tunnel, table)

# Everything in one transaction becomes visible at once, or nothing of it.
with engine.transaction() as t:
    # A dial-out route: packets to it are triggers. Somebody has to place the call.
    t.add_route(table, "198.51.100.0/24", t.add_adjacency("glean", table=table))
    # A plain route: packets to it leave by a port as they are.
    t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=home_port))

# An IPv4 packet, 192.0.2.10 to 198.51.100.10, UDP. It finds the glean: an event for control.
packet = bytes.fromhex("4500001c0001000040118e88c000020ac633640a0035003500080000")
home.push(packet)
engine.step()
trigger = engine.triggers.events()[0]
print(f"trigger: {trigger.source} wants {trigger.destination}")

# The call is up (imagine it): a session to the LAC and a more specific route into it. The ids are
# those of both ends; what they are for is signalling's business.
with engine.transaction() as t:
    session = t.add_session(
        table=table,
        port=tunnel_port,
        local=("10.88.0.1", 1701),
        peer=("10.88.0.2", 1701),
        tunnel=1,
        session=2,
        peer_tunnel=3,
        peer_session=4,
    )
    t.add_route(table, "198.51.100.10/32", session)

# What waited for the call goes first, then whatever comes.
print(f"flushed: {engine.flush_trigger(trigger.key, session)} packet")
home.push(packet)
engine.step()

for _, datagram in tunnel.pop_all():
    print(f"sent: {len(packet)} octets in {len(datagram)}: {datagram[28:40].hex()} | PPP | IP")
verdicts = engine.counters()["verdict"]
print({name: int(verdicts[name]) for name in verdicts.dtype.names if verdicts[name]})
