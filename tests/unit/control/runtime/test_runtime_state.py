"""The state directory is used by one process at a time."""

from __future__ import annotations

import os

import pytest

from control.errors import ConfigurationError, ResourceError
from control.runtime.state import StateDirectory


def test_second_user_is_refused_with_the_first_ones_process_until_that_is_gone(tmp_path):
    path = str(tmp_path / "state")
    with StateDirectory(path) as state:
        assert state.budgets.parent == tmp_path / "state"
        with pytest.raises(ResourceError, match=rf"\(process {os.getpid()}\)"):
            StateDirectory(path)
    StateDirectory(path).close()


def test_directory_that_others_may_write_to_is_refused(tmp_path):
    for mode in (0o720, 0o702, 0o777):
        tmp_path.chmod(mode)
        with pytest.raises(ConfigurationError, match="0700"):
            StateDirectory(str(tmp_path))
    tmp_path.chmod(0o755)
    StateDirectory(str(tmp_path)).close()


def test_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="lock"):
        StateDirectory(str(tmp_path))
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_what_cannot_be_a_directory_is_named_and_a_resource_that_is_missing(tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=f"{where}: the state directory"):
        StateDirectory(str(tmp_path / where))
