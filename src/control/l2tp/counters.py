"""What an L2TP endpoint counts. Numbers only; who shows them is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Totals since the endpoint was made."""

    received: int = 0
    """Datagrams handed to the endpoint."""
    accepted: int = 0
    """Messages that were in order and understood."""
    malformed: int = 0
    """Datagrams without a control header, or messages that could not be decoded."""
    unknown_tunnel: int = 0
    """For a tunnel id we did not assign, or none; no answer was given."""
    unknown_session: int = 0
    """For a session id we did not assign."""
    wrong_peer: int = 0
    """For one of our tunnels, from an address or port that is not its peer's."""
    refused_tunnels: int = 0
    """SCCRQ that did not become a tunnel."""
    refused_calls: int = 0
    """OCRQ and ICRQ answered with CDN at once."""
    ignored: int = 0
    """Messages of an unknown optional type, and messages to a closed tunnel."""
    unmatched_cdn: int = 0
    ignored_avps: int = 0
    """Unrecognised AVPs without the M bit."""
    duplicate: int = 0
    out_of_order: int = 0
    """Messages kept until a missing one arrived."""
    out_of_window: int = 0
    zlb_received: int = 0
    zlb_sent: int = 0
    sent: int = 0
    """Messages transmitted for the first time."""
    retransmitted: int = 0
    hello_sent: int = 0
    withheld: int = 0
    """Not sent: datagrams to a peer that is not known to be who it says (amplification), and
    refusals to one that acknowledges none."""
    wen: int = 0
    sli: int = 0
    tunnels_opened: int = 0
    tunnels_closed: int = 0
    calls_connected: int = 0
    calls_closed: int = 0
