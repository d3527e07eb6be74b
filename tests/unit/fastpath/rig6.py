"""The rig of engine_rig.py with IPv6 beside IPv4 in its table, and sessions over either."""

from __future__ import annotations

from dataclasses import asdict, replace

from engine_rig import Rig
from packets import US
from packets6 import LAC6, LOCAL6, US6, Outer6


class Rig6(Rig):
    """Beside the rig's: 2001:db8:1::/48 home, :2::/48 `session` (over IPv4), :3::/48 `six` (over
    IPv6, as is 192.168.6.0/24), :4::/48 `glean`, :5::/48 prohibited, :6::/48 home with an MTU of
    1,280, :7::/48 behind a port that is not there, 2001:db8::1 ourselves, LOCAL6 our tunnel
    address, LAC6 the LAC.
    """

    def __init__(self, *, outer6: Outer6 | None = None, **rest):
        self.outer6 = outer6 or Outer6()
        super().__init__(**rest)

    def _add_table(self) -> int:
        return self.engine.add_table("red", US, US6)

    def _fill(self, t, mtu: int) -> None:
        super()._fill(t, mtu)
        small = t.add_adjacency("ip", port=self.index["home"], mtu=1280)
        self.six = t.add_session(
            **asdict(self.outer6), tunnel=1, session=2, table=self.table,
            port=self.index["tunnel"], mtu=mtu - 20,
        )  # fmt: skip
        second = replace(Outer6(), peer_session=7)
        self.seven = t.add_session(
            **asdict(second), tunnel=1, session=7, table=self.table, port=self.index["tunnel"]
        )
        for prefix, nh in (
            ("2001:db8:1::/48", self.lan),
            ("2001:db8:2::/48", self.session),
            ("2001:db8:3::/48", self.six),
            ("192.168.6.0/24", self.six),
            ("2001:db8:4::/48", self.glean),
            ("2001:db8:5::/48", self.prohibited),
            ("2001:db8:6::/48", small),
            ("2001:db8:7::/48", self.gone),
            (f"{US6}/128", self.address),
            (f"{LOCAL6}/128", self.tunnel_address),
            (f"{LAC6}/128", self.lac),
        ):
            t.add_route(self.table, prefix, nh)
