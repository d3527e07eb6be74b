"""The control socket's file: its mode, and whose it is when it is there already."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys

import pytest

from control.errors import ResourceError
from control.runtime.control_listener import ControlListener


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run" / "control.sock")


def test_it_is_for_user_and_group_whatever_the_umask(path):
    before = os.umask(0)
    try:
        listener = ControlListener(path)
    finally:
        os.umask(before)
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    listener.close()
    assert not os.path.exists(path)


def test_it_belongs_to_the_group_that_is_named(path):
    ControlListener(path, os.getgid()).close()
    if os.getuid() == 0:
        listener = ControlListener(path, 12345, owner=54321)
        assert (os.stat(path).st_gid, os.stat(path).st_uid) == (12345, 54321)
        listener.close()


def test_one_of_a_live_process_stays_and_the_error_says_whose_it_is(path):
    first = ControlListener(path)
    with pytest.raises(ResourceError, match=f"another dialout answers here .process {os.getpid()}"):
        ControlListener(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    first.close()
    ControlListener(path).close()


def test_one_of_a_dead_process_is_replaced(path):
    code = (
        "import os, sys; from control.runtime.control_listener import ControlListener;"
        "made = ControlListener(sys.argv[1]); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(path)
    listener = ControlListener(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    listener.close()


def test_a_socket_of_another_program_stays(path, tmp_path):
    os.mkdir(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(ResourceError, match="another program answers here"):
            ControlListener(path)
    assert os.path.exists(path)


def test_what_is_no_socket_stays(path):
    os.mkdir(os.path.dirname(path))
    with open(path, "w") as file:
        file.write("something")
    with pytest.raises(ResourceError, match="no socket"):
        ControlListener(path)
    with open(path) as file:
        assert file.read() == "something"


def test_a_file_that_took_its_place_is_left_alone(path):
    listener = ControlListener(path)
    os.unlink(path)
    with open(path, "w"):
        pass
    listener.close()
    assert os.path.exists(path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"file/control.sock: no control socket can be here"):
        ControlListener(str(tmp_path / "file" / "control.sock"))
    with pytest.raises(ResourceError, match="no control socket can be here"):
        ControlListener(str(tmp_path / ("x" * 120)))
