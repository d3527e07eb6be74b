"""The data plane: packets and tables. It knows no signalling and never imports control."""

from pathlib import Path

from fastpath.batch import PACKET, Batch, Batches
from fastpath.engine import Engine, Punt, SessionCounters
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked
from fastpath.ports.mem import MemPort
from fastpath.ports.pcap import PcapPort
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.ports.pool import PoolPort
from fastpath.ports.tun import TunPort
from fastpath.ports.udp import UdpPort
from fastpath.service import Bell, Service
from fastpath.verdict import REASONS, VERDICTS
from fastpath.worker import Stop, Worker

__all__ = [
    "PACKET",
    "REASONS",
    "VERDICTS",
    "Batch",
    "Batches",
    "Bell",
    "BurstTrie",
    "Chunked",
    "Engine",
    "MemPort",
    "PcapPort",
    "PcapngWriter",
    "PoolPort",
    "Punt",
    "Service",
    "SessionCounters",
    "Stop",
    "TunPort",
    "UdpPort",
    "Worker",
    "get_include",
]


def get_include() -> str:
    """The folder of fp_abi.h, for the include path of a C compiler."""
    return str(Path(__file__).parent / "abi")
