"""What the [sim] sections may hold: one row a key, as in config_keys.py."""

from __future__ import annotations

from typing import Final

from control import config_sim
from control.config_addresses import address, addresses, host, interface_identifier, prefix
from control.config_section import Section
from control.config_values import (
    OUTCOMES,
    RADIUS_FAULTS,
    boolean,
    call_outcomes,
    called_number,
    integer,
    interface_name,
    number,
    one_of,
    or_empty,
    radius_reply,
    serial_line,
    some_of,
    text,
    user_pattern,
    words,
)

_DAY: Final = 86400
_SHARE: Final = number(0, 1)
_LINE_DELAY: Final = number(0, 60)
_UDP_PORT: Final = integer(1, 65535)
_AUTHENTICATION: Final = some_of("chap", "pap", "mschapv2")

SIM: Final = Section(
    config_sim.Sim,
    array=False,
    keys={"seed": integer(0, 2**63 - 1), "drain": number(0, _DAY)},
    children={
        "lac": Section(
            config_sim.SimLac,
            secrets={"secret": 255},
            keys={
                "address": host(),
                "host_name": text(1, 255),
                "modems": integer(0, 65535),
                "dial_delay": number(0, 3600),
                "outcome": one_of(*OUTCOMES),
                "outcomes": call_outcomes(),
                "result_code": integer(1, 11),
                "error_code": integer(0, 8),
                "hold": number(0, _DAY),
                "port": _UDP_PORT,
                "early_data": boolean(),
                "wrong_order": boolean(),
                "new_port": boolean(),
                "sequencing": boolean(),
                "delay": _LINE_DELAY,
                "loss": _SHARE,
                "duplicate": _SHARE,
                "reorder": _SHARE,
                "corrupt": _SHARE,
                "jitter": _LINE_DELAY,
            },
        ),
        "cpe": Section(
            config_sim.SimCpe,
            secrets={"password": 255, "peer_password": 255},
            keys={
                "number": called_number(),
                "username": text(1, 255),
                "authentication": _AUTHENTICATION,
                "peer_username": text(0, 255),
                "address": address(empty=True),
                "ipv6": boolean(),
                "interface_identifier": interface_identifier(),
                "line": serial_line(),
                "device": interface_name(),
                "answer": one_of("full", "fast"),
                "echo": boolean(),
                "delay": _LINE_DELAY,
            },
        ),
        "phase": Section(
            config_sim.SimPhase,
            keys={
                "duration": number(0.001, 7 * _DAY),
                "name": text(0, 40),
                "lacs": addresses(64),
                "outcome": one_of(*OUTCOMES),
                "modems": integer(0, 65535),
                "dial_delay": number(0, 3600),
                "hold": number(0, _DAY),
                "delay": _LINE_DELAY,
                "jitter": _LINE_DELAY,
                "loss": _SHARE,
                "duplicate": _SHARE,
                "reorder": _SHARE,
                "corrupt": _SHARE,
                "silent": boolean(),
                "fault": one_of("", "stopccn", "reboot", "carriers"),
                "fault_interval": number(0, _DAY),
                "trigger_rate": number(0, 1_000_000),
                "destinations": or_empty(prefix()),
                "call_rate": number(0, 100_000),
                "lns": or_empty(host()),
                "lns_port": _UDP_PORT,
                "caller": text(0, 64),
                "called": text(0, 64),
            },
        ),
        "radius": Section(
            config_sim.SimRadius,
            secrets={"secret": 255},
            required_secrets=("secret",),
            keys={
                "address": host(),
                "port": _UDP_PORT,
                "accounting_port": _UDP_PORT,
                "delay": _LINE_DELAY,
                "faults": words(*RADIUS_FAULTS),
                "require_message_authenticator": boolean(),
            },
            children={
                "users": Section(
                    config_sim.SimUser,
                    secrets={"password": 255},
                    keys={
                        "name": user_pattern(),
                        "reply": radius_reply(),
                        "reject": boolean(),
                    },
                )
            },
        ),
    },
)
