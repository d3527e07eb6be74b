"""docs/operations.md, typed as it stands by root into the router of the laboratory, whose other
side is simulated: from nothing to the first call, a reload, a restart and the end.

Whatever the commands write is in a mount namespace of theirs. Not run are making a virtual
environment and pip (the one of this test stands in their place), and systemd: what is asked of
`systemctl` is done by a function that starts the unit's command as the unit's user with the unit's
capabilities.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/operations.md").read_text()
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)).splitlines()
NOT_HERE = ("python3 -m venv", "/opt/dialout/bin/pip")
PRIVATE = r"""
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate /
work=$1 python=$2
mount -t tmpfs tmpfs "$work"
cp -a /etc "$work/etc"
mount --bind "$work/etc" /etc
mkdir "$work/bin"
mount --bind /usr/local/bin "$work/bin"
mount -t tmpfs tmpfs /usr/local/bin
cp -s "$work"/bin/* /usr/local/bin/ || true
for folder in /opt /run /var/lib; do mount -t tmpfs -o mode=0755 tmpfs "$folder"; done
mkdir -p /etc/systemd/system /opt/dialout/bin
ln -s "$(dirname "$python")/dialout" /opt/dialout/bin/dialout
# The tree under test, or its Python, may be in somebody's home that is closed to others.
open_way() {
    local way=$1 one
    [ "$way" = / ] && return
    open_way "$(dirname "$way")"
    case $(stat -c %A "$way") in *[xt]) return ;; esac
    one=$(mktemp -d "$work/closed.XXXX")
    mount --bind "$way" "$one"
    mount -t tmpfs -o mode=0755 tmpfs "$way"
    find "$one" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | while read -r name; do
        mkdir "$way/$name"
        mount --bind "$one/$name" "$way/$name"
    done
}
open_way "$(dirname "$(realpath "$python")")"
open_way "$PWD"
"""
SYSTEMCTL = r"""
unit=/etc/systemd/system/dialout.service
as_dialout() {
    exec setpriv --reuid dialout-lns --regid dialout-lns --init-groups \
        --inh-caps "$1" --ambient-caps "$1" "${@:2}"
}
runuser() {
    (as_dialout -all "${@:4}")
}
begin() {
    install -d -o dialout-lns -g dialout-lns -m 0755 /run/dialout
    install -d -o dialout-lns -g dialout-lns -m 0700 /var/lib/dialout
    local caps
    caps=$(sed -n 's/^AmbientCapabilities=//p' "$unit" | tr A-Z a-z | sed 's/cap_/+/g; s/ /,/g')
    as_dialout "$caps" $(sed -n 's/^ExecStart=//p' "$unit") >> "$work/log" 2>&1 &
    pid=$!
    for _ in $(seq 200); do
        if [ -S /run/dialout/control.sock ] && dialout show health > /dev/null; then return 0; fi
        sleep 0.1
    done
    cat "$work/log" >&2
    return 1
}
end() {
    kill -TERM "$pid"
    wait "$pid"
}
systemctl() {
    case $1 in
        daemon-reload) ;;
        enable) begin ;;
        reload) kill -HUP "$pid" ;;
        restart) end && begin ;;
        stop) end ;;
    esac
}
trap 'kill "$pid" 2> /dev/null || true' EXIT
"""


def lab_module():
    spec = importlib.util.spec_from_file_location("lab", ROOT / "examples/lab/lab.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shared() -> str:
    """What pip puts below the prefix, as lines of shell."""
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    return "".join(
        f"mkdir -p /opt/dialout/{folder}\ncp {' '.join(f'{ROOT}/{p}' for p in patterns)} "
        f"/opt/dialout/{folder}/\n"
        for folder, patterns in files.items()
    )


def script() -> str:
    typed = [f"echo '# {line}'\n{line}" for line in COMMANDS if not line.startswith(NOT_HERE)]
    last = ["ip route show table all proto 171", 'cat "$work/log"', "echo all of it"]
    return "\n".join(["set -e", PRIVATE, shared(), SYSTEMCTL, *typed, *last])


def after(said: str, command: str) -> str:
    """What the command printed, each time that it was typed."""
    return "".join(re.findall(rf"^# {re.escape(command)}\n(.*?)(?=^# )", said, re.M | re.S))


@pytest.fixture
def lab():
    with lab_module().laboratory() as lab:
        lab.build()
        far = ("sim", "lac", "radius", "--config", str(lab.folder / "far-side.toml"))
        lab.start("lac", "far-side.log", sys.executable, "-m", "control.cli", *far)
        lab.says("far-side.log", "radius 10.88.0.9")
        lab.settle_site()
        yield lab


def test_the_document_begins_with_the_start_and_ends_with_the_stop():
    assert COMMANDS[0].startswith("python3 -m venv /opt/dialout")
    assert COMMANDS[-1] == "systemctl stop dialout"


def test_from_nothing_to_calls_and_back(lab, tmp_path):
    path = tmp_path / "typed.sh"
    path.write_text(script())
    work = tmp_path / "work"
    work.mkdir()
    space = ("ip", "netns", "exec", f"{lab.prefix}lns", "unshare", "-m")
    run = subprocess.run(
        [*space, "bash", path, work, sys.executable],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    said = run.stdout
    assert (run.returncode, run.stderr) == (0, ""), said + run.stderr
    assert "all of it" in said
    assert ": ok:" in after(
        said, "runuser -u dialout-lns -- dialout check --config /etc/dialout/lns.toml"
    )
    assert after(said, "dialout explain 198.51.100.10").startswith("dial:")
    assert "dev dial0" in after(said, "ip route show 198.51.100.0/24")
    assert "icmp_seq=1" in after(said, "ping -c 3 -W 10 -I 192.0.2.1 198.51.100.10")
    up, _, again = after(said, "dialout show sessions").partition("198.51.100.10")
    assert up
    assert "inService" in again
    assert "5551234" in after(said, "dialout show calls detail")
    assert "established" in after(said, "dialout show tunnels").lower()
    assert "reload" not in after(said, "dialout freeze")
    assert "every peer has heard of it" in said
    routes = said.partition("# systemctl stop dialout")[2]
    assert "dev dial0" not in routes.partition("\n20")[0]
