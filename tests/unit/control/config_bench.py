"""A configuration file with every section, and the errors of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from control.config_file import ConfigError, ConfigProblem, read_config

WHOLE = """\
[chassis]
name = "lns.lab"
max_sessions = 1000
flush_delay = 0

[[virtual_router]]
name = "home"
table = 1
rd = "0.0.0.0:65000"
radius = "main"
local_address = "10.88.0.1"

[[virtual_router]]
name = "core"
table = 2

[[target]]
prefix = "10.10.0.0/16"
virtual_router = "home"
domain = "L2TP-dial-out.de.dt"
profile = "isdn"

[[target]]
prefix = "10.10.0.0/24"
virtual_router = "home"
domain = "d"
profile = "isdn"
max_sessions = 5

[[profile]]
name = "isdn"
authentication = ["chap", "pap"]
echo_interval = 10
dns = ["192.0.2.1", "192.0.2.2"]

[[lac]]
address = "10.88.0.2"
secret_file = "lac.secret"
hello_interval = 30.5

[[radius]]
name = "main"
servers = [
    { address = "192.0.2.10", port = 1812, secret_file = "secrets/radius" },
    { address = "192.0.2.11", secret = "inline" },
]
password_mode = "configured"
password = "pw"

[[port]]
name = "in"
url = "pcap:"
side = "home"
virtual_router = "home"

[budget]
deny_numbers = ["0900", "+4990"]
dial_rate = 0.5

[sim]
seed = 7

[[sim.lac]]
address = "10.88.0.2"
secret = "tunsecret"
loss = 0.1

[[sim.cpe]]
number = "*"
peer_password_file = "lac.secret"

[[sim.radius]]
address = "192.0.2.10"
secret = "s"

[[sim.radius.users]]
name = "*@d"
reply = { "Tunnel-Type:1" = "L2TP", "Tunnel-Preference:1" = 10, Framed-Route = ["a", "b"] }

[[sim.radius.users]]
name = "cpe"
password = "cpepw"

[[sim.radius]]
address = "192.0.2.11"
secret = "s"
[[sim.radius.users]]
name = "bad"
reject = true
"""


def secret(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def errors(path: Path) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    return caught.value.errors


def one(path: Path) -> ConfigProblem:
    found = errors(path)
    assert len(found) == 1, found
    return found[0]
