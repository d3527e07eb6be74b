"""The deadlines of one tunnel, its reliable channel's apart. Numbers only: what is done when one of
them is reached is tunnel.py."""

from __future__ import annotations


class TunnelClock:
    """Absolute seconds; None: not set."""

    __slots__ = ("gone_at", "hello_at", "idle_at", "open_by")

    def __init__(self) -> None:
        self.open_by: float | None = None
        """When an opening that is acknowledged but not answered is given up."""
        self.hello_at: float | None = None
        """When the peer has been silent long enough to be asked."""
        self.idle_at: float | None = None
        """When a tunnel without calls is closed."""
        self.gone_at: float | None = None
        """When a closed tunnel need not acknowledge any more."""

    def next(self, channel: float | None) -> float | None:
        """The earliest of these and the channel's."""
        when = channel
        for own in (self.hello_at, self.idle_at, self.open_by, self.gone_at):
            if own is not None and (when is None or own < when):
                when = own
        return when

    def stop_calls(self) -> None:
        """The tunnel is closed: nothing but acknowledgements is left."""
        self.hello_at = self.idle_at = None
