"""What a simulated LAC's configuration means for its modems and its L2TP endpoint."""

from __future__ import annotations

from control import config as settings
from control.l2tp.config import EndpointConfig
from control.l2tp.events import SocketAddress, TunnelParameters
from control.sim.modem import ModemBank, parse_outcome

SYNCHRONOUS = 1
BOTH = 3
"""Framing and bearer capabilities: synchronous and asynchronous, digital and analog."""


def modem_bank(config: settings.SimLac) -> ModemBank:
    """Raises LocalProtocolError for an outcome that is none."""
    codes = {"result": config.result_code, "error": config.error_code}
    rules = tuple((number, parse_outcome(text, **codes)) for number, text in config.outcomes)
    return ModemBank(config.modems, parse_outcome(config.outcome, **codes), rules)


def tunnel_parameters(
    config: settings.SimLac, port: int, peer: SocketAddress = ("", 0)
) -> TunnelParameters:
    """Of tunnels with an LNS, which has to know our secret if we have one."""
    return TunnelParameters(
        local=(config.address, port),
        peer=peer,
        host_name=config.host_name,
        secret=config.secret,
        require_tunnel_auth=bool(config.secret),
    )


def endpoint_config(config: settings.SimLac) -> EndpointConfig:
    """A LAC that lets every LNS in which knows its secret, or every one if it has none."""
    return EndpointConfig(
        role="lac",
        host_name=config.host_name,
        framing_capabilities=BOTH,
        bearer_capabilities=BOTH,
        accept_tunnels=True,
        incoming={"": tunnel_parameters(config, config.port)},
    )
