"""A Linux guest under qemu whose pppd is a site: its serial port is a TCP port here.

This machine may have no PPP driver. Kernel and PPP modules are Debian's package, everything else in
the guest is this machine's busybox and pppd. Emulated (no KVM is needed): it boots in 15 seconds.
"""

from __future__ import annotations

import gzip
import lzma
import os
import queue
import re
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = "ppp_async"
PROGRAMS = ("/usr/sbin/pppd",)
BOOT_LIMIT, COMMAND_LIMIT = 240.0, 60.0
"""Seconds after which a test fails; a busy machine boots it in a minute."""
SITE_NETWORK = "203.0.113.1"
"""An address of the guest that is not the one of its PPP link."""
INIT = f"""#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
for module in $(cat /modules/order); do insmod /modules/$module; done
[ -e /dev/ppp ] || mknod /dev/ppp c 108 0
ifconfig lo 127.0.0.1 up
ifconfig lo:1 {SITE_NETWORK} netmask 255.255.255.255 up
stty -echo
echo GUEST-READY
while read -r line; do
    sh -c "$line"
    echo "GUEST-DONE $?"
done
"""


class Guest:
    """A running guest that obeys lines of shell."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        """Where its second serial port is, on 127.0.0.1."""
        self.log: list[str] = []
        """What it said, a line each."""
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def command(self, line: str) -> None:
        """Runs a line of shell to its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        assert self.wait_for(r"GUEST-DONE \d+", COMMAND_LIMIT) == "GUEST-DONE 0", self.log[-20:]

    def wait_for(self, pattern: str, limit: float) -> str:
        """The first line from now on in which the pattern is found, from where it begins."""
        end = time.monotonic() + limit
        while True:
            line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            assert line is not None, f"the guest ended: {self.log[-20:]}"
            self.log.append(line)
            if found := re.search(pattern, line):
                return found[0]

    def hear(self) -> list[str]:
        """What it said up to now, since the last time that anybody asked."""
        heard = []
        while not self._lines.empty():
            line = self._lines.get()
            assert line is not None, "the guest ended"
            heard.append(line)
        self.log += heard
        return heard

    def call_in(self, *options: str) -> None:
        """Lets a new pppd wait at the serial port, with these options."""
        self.command("killall pppd 2>/dev/null; while pidof pppd >/dev/null; do sleep 0.1; done")
        words = " ".join(("pppd /dev/ttyS1 115200 local nodetach passive debug logfd 1", *options))
        self.command(f"{words} &")
        # It has the line when it says so: what comes before would be lost.
        self.wait_for(r"Using interface|using channel", COMMAND_LIMIT)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode("utf-8", "replace").rstrip())
        self._lines.put(None)


@contextmanager
def running(folder: Path) -> Iterator[Guest]:
    """A guest that has booted; it ends with the context. `folder` is for its files."""
    kernel = unpack_kernel(folder)
    initrd = folder / "initrd.gz"
    initrd.write_bytes(gzip.compress(root_image(folder), 1))
    port = free_port()
    command = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "256", "-nodefaults"]
    command += ["-no-user-config", "-nographic", "-monitor", "none", "-no-reboot"]
    command += ["-serial", "stdio", "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"]
    command += ["-kernel", str(kernel), "-initrd", str(initrd)]
    command += ["-append", "console=ttyS0 quiet panic=-1 tsc=reliable"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        guest = Guest(process, port)
        guest.wait_for("GUEST-READY", BOOT_LIMIT)
        yield guest
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def unpack_kernel(folder: Path) -> Path:
    """Debian's kernel package, unpacked into the folder; returns the kernel. Needs apt's lists."""
    told = output("apt-cache", "depends", "linux-image-amd64")
    package = re.search(r"Depends: (linux-image-\S+)", told)
    assert package, "run `make deps` as root first"
    get = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package[1]]
    subprocess.run(get, cwd=folder, check=True)
    (archive,) = folder.glob("linux-image-*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "kernel"], check=True)
    archive.unlink()
    (kernel,) = (folder / "kernel/boot").glob("vmlinuz-*")
    return kernel


def root_image(folder: Path) -> bytes:
    """The guest's file system as a cpio archive ("newc", as the kernel's buffer format has it)."""
    archive = Archive()
    for name in ("bin", "sbin", "proc", "sys", "dev", "etc", "etc/ppp", "tmp", "run", "modules"):
        archive.add(name, stat.S_IFDIR | 0o755)
    for name in ("var", "var/run", "var/log", "usr", "usr/bin", "usr/sbin"):
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("init", stat.S_IFREG | 0o755, INIT.encode())
    archive.add("etc/ppp/options", stat.S_IFREG | 0o644, b"")
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    for applet in output(str(busybox), "--list").split():
        if applet != "busybox":
            archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    for program in PROGRAMS:
        archive.add_file(program)
        for library in re.findall(r"(/\S+) \(0x", output("ldd", program)):
            archive.add_file(library)
    order = []
    for module in modules(folder, MODULE):
        name, octets = module_octets(module)
        archive.add(f"modules/{name}", stat.S_IFREG | 0o644, octets)
        order.append(name)
    archive.add("modules/order", stat.S_IFREG | 0o644, "\n".join(order).encode())
    return archive.end()


def modules(folder: Path, name: str) -> list[Path]:
    """A kernel module behind those that it needs; one that is built in needs no file."""
    found = [
        path
        for path in (folder / "kernel/lib/modules").rglob("*.ko*")
        if path.name.split(".")[0].replace("-", "_") == name.replace("-", "_")
    ]
    if not found:
        return []
    needed = output("modinfo", "-F", "depends", str(found[0])).strip()
    before = [m for other in filter(None, needed.split(",")) for m in modules(folder, other)]
    return [*dict.fromkeys(before), found[0]]


def module_octets(path: Path) -> tuple[str, bytes]:
    """Name and contents, without the compression of later Debian versions."""
    octets = path.read_bytes()
    return (path.stem, lzma.decompress(octets)) if path.suffix == ".xz" else (path.name, octets)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Archive:
    """A cpio archive."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._number = 0
        self._names: set[str] = set()

    def add(self, name: str, mode: int, octets: bytes = b"") -> None:
        if name in self._names:
            return
        self._names.add(name)
        self._number += 1
        path = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(path), 0)
        self._octets += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._octets += bytes(-len(self._octets) % 4) + octets
        self._octets += bytes(-len(self._octets) % 4)

    def add_file(self, path: str) -> None:
        """A file of this machine, at its place, and the folders above it."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            self.add("/".join(parts[:depth]), stat.S_IFDIR | 0o755)
        mode = 0o755 if os.access(path, os.X_OK) else 0o644
        self.add("/".join(parts), stat.S_IFREG | mode, Path(path).read_bytes())

    def end(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return bytes(self._octets)
