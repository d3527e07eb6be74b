"""What every section and key of a configuration file may hold: one row a key (specification 1.12).

Meanings and defaults are those of config.py; a key without a default there is required. Rows judge
one value each: references between sections are config_checks.py, files are config_file.py.
"""

from __future__ import annotations

from typing import Final

from control import config
from control.config_addresses import (
    address,
    address_ipv6,
    addresses,
    host,
    interface_identifier,
    pool_addresses,
    prefix,
    prefixes,
)
from control.config_control import people, socket_path
from control.config_ports import port_url
from control.config_rules import rule_file, rules
from control.config_section import Section
from control.config_sim_keys import SIM
from control.config_values import (
    boolean,
    integer,
    interval,
    number,
    number_prefixes,
    one_of,
    processors,
    route_distinguisher,
    some_of,
    tcp_listen,
    text,
)

_NAME: Final = 63
_DAY: Final = 86400
_YEAR: Final = 365 * _DAY
_COUNT: Final = 2**31 - 1
_SESSIONS: Final = 2**20


_UDP_PORT: Final = integer(1, 65535)
_AUTHENTICATION: Final = some_of("chap", "pap", "mschapv2")

ROOT: Final = Section(
    config.Config,
    array=False,
    children={
        "chassis": Section(
            config.Chassis,
            array=False,
            keys={
                "name": text(1, _NAME),
                "max_sessions": integer(1, _SESSIONS),
                "max_connecting": integer(1, _SESSIONS),
                "max_pending": integer(0, _SESSIONS),
                "connecting_timer": integer(30, 3600),
                "dormant_timer": integer(0, 3600),
                "fail_fast": boolean(),
                "lac_selection": one_of("round-robin", "weighted"),
                "flush_delay": integer(0, 1000),
                "tunnel_idle": number(1, _DAY),
                "destruct_timeout": integer(10, 3600),
                "kernel_protocol": integer(64, 255),
            },
        ),
        "virtual_router": Section(
            config.VirtualRouter,
            keys={
                "name": text(1, _NAME),
                "table": integer(0, 4095),
                "rd": route_distinguisher(),
                "max_buffered_triggers": integer(0, 4096),
                "max_targets": integer(1, _SESSIONS),
                "radius": text(0, _NAME),
                "local_address": address(empty=True),
                "local_address_ipv6": address_ipv6(),
                "kernel_table": integer(0, 2**32 - 1),
                "kernel_import": boolean(),
            },
        ),
        "target": Section(
            config.Target,
            keys={
                "prefix": prefix(),
                "virtual_router": text(1, _NAME),
                "domain": text(1, 63),
                "profile": text(1, _NAME),
                "max_sessions": integer(1, _SESSIONS),
                "classifier": text(0, _NAME),
            },
        ),
        "profile": Section(
            config.Profile,
            keys={
                "name": text(1, _NAME),
                "authentication": _AUTHENTICATION,
                "rechallenge_interval": integer(0, _DAY),
                "mru": integer(128, 1500),
                "acfc": boolean(),
                "pfc": boolean(),
                "echo_interval": number(0, 3600),
                "echo_failures": integer(1, 100),
                "identification": text(0, _NAME),
                "ipv4": boolean(),
                "ipv6": boolean(),
                "interface_identifier": interface_identifier(),
                "ip_address": address(empty=True),
                "peer_address": address(empty=True),
                "accept_peer_address": boolean(),
                "dns": addresses(2),
                "nbns": addresses(2),
                "idle_timeout": integer(0, _YEAR),
                "session_timeout": integer(0, _YEAR),
                "classifier": text(0, _NAME),
                "mss_clamp": boolean(),
                "sequencing": boolean(),
                "out_of_order": one_of("keep", "drop"),
                "udp_checksum": boolean(),
                "minimum_bps": integer(1, 2**32 - 1),
                "maximum_bps": integer(1, 2**32 - 1),
            },
        ),
        "classifier": Section(
            config.Classifier,
            keys={"name": text(1, _NAME), "rules": rules(), "file": rule_file()},
        ),
        "lac": Section(
            config.Lac,
            secrets={"secret": 255, "incoming_password": 253},
            keys={
                "address": host(),
                "host_name": text(0, 255),
                "require_tunnel_auth": boolean(),
                "ignore_bearer_caps": boolean(),
                "hide_avps": boolean(),
                "hello_interval": number(1, 3600),
                "max_sessions": integer(1, 65535),
                "receive_window": integer(1, 1024),
                "incoming_calls": boolean(),
                "incoming_router": text(0, _NAME),
                "incoming_profile": text(0, _NAME),
                "incoming_username": text(0, 253),
                "lockout": number(0, 3600),
                "lockout_test": boolean(),
            },
        ),
        "radius": Section(
            config.Radius,
            secrets={"password": 128},
            keys={
                "name": text(1, _NAME),
                "retries": integer(1, 10),
                "timeout": number(0.1, 60),
                "status_server": boolean(),
                "dead_time": number(0, 3600),
                "require_message_authenticator": boolean(),
                "password_mode": one_of("empty", "none", "configured"),
                "accounting": boolean(),
                "interim_interval": interval(60, _DAY),
                "accounting_queue": integer(1, 2**20),
                "dynamic_authorization": boolean(),
                "dynamic_authorization_port": _UDP_PORT,
                "require_event_timestamp": boolean(),
            },
            children={
                "servers": Section(
                    config.RadiusServer,
                    secrets={"secret": 255},
                    keys={
                        "address": host(),
                        "port": _UDP_PORT,
                        "accounting_port": _UDP_PORT,
                    },
                ),
                "clients": Section(
                    config.RadiusClient,
                    secrets={"secret": 255},
                    required_secrets=("secret",),
                    keys={"address": host()},
                ),
            },
        ),
        "pool": Section(
            config.Pool,
            keys={
                "name": text(1, 253),
                "addresses": pool_addresses(),
                "prefix_length": integer(32, 128),
            },
        ),
        "port": Section(
            config.Port,
            keys={
                "name": text(1, _NAME),
                "url": port_url(),
                "side": one_of("home", "tunnel"),
                "virtual_router": text(1, _NAME),
                "networks": prefixes(),
                "mtu": integer(576, 9216),
            },
        ),
        "budget": Section(
            config.Budget,
            array=False,
            keys={
                "calls_per_day": integer(0, _COUNT),
                "target_calls_per_day": integer(0, _COUNT),
                "target_minutes_per_day": integer(0, _COUNT),
                "minutes_per_day": integer(0, _COUNT),
                "dial_rate": number(0.01, 10000),
                "dial_burst": integer(1, 100000),
                "lac_dial_rate": number(0.01, 10000),
                "allow_numbers": number_prefixes(),
                "deny_numbers": number_prefixes(),
                "dial_prefixes": number_prefixes(),
            },
        ),
        "metrics": Section(
            config.Metrics,
            array=False,
            keys={
                "listen": tcp_listen(),
                "anywhere": boolean(),
                "entries": integer(0, 10000),
            },
        ),
        "control": Section(
            config.Control,
            array=False,
            keys={
                "socket": socket_path(),
                "group": text(0, 32),
                "read": people(),
                "operate": people(),
                "admin": people(),
            },
        ),
        "workers": Section(
            config.Workers,
            array=False,
            keys={
                "count": integer(1, 32),
                "cpus": processors(),
                "polling": one_of("adaptive", "busy"),
            },
        ),
        "sim": SIM,
    },
)
"""The whole file."""
