"""A PPP site on standard input and output, in async HDLC: what test_sim_serial.py runs on a pty."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from sim_lns import GOOD_CPE

from control.sim.clock import VirtualClock
from control.sim.cpe import SimCpe
from control.sim.hdlc import Decoder, encode


def main() -> None:
    if "--end" in sys.argv:
        return
    if "--deaf" in sys.argv:
        time.sleep(60)
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    clock = VirtualClock()
    site = SimCpe(GOOD_CPE, clock, random.Random(1))
    line = site.answer(send=lambda f: os.write(1, encode(f)), hang_up=lambda reason: None)
    line.start()
    clock.run_until(clock.now + 1.0)
    decoder = Decoder()
    while True:
        try:
            octets = os.read(0, 4096)
        except OSError:
            octets = b""
        if not octets and "--stubborn" in sys.argv:
            time.sleep(60)
        elif not octets:
            return
        for frame in decoder.feed(octets):
            line.receive_frame(frame)
            clock.run_until(clock.now + 0.1)


main()
