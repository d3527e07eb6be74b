"""Who is at the other end of a connection, and who has which role."""

from __future__ import annotations

import grp
import os
import pwd
import socket

import pytest

from control.config import Control
from control.errors import ConfigurationError
from control.operation.roles import Peer, Role
from control.runtime.people import access, peer


def test_the_kernel_tells_who_connected():
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        who = peer(one)
    assert (who.pid, who.uid) == (os.getpid(), os.getuid())
    assert who.groups == {os.getgid(), *os.getgroups()}


def test_names_of_users_and_groups_become_roles():
    user, group = pwd.getpwuid(1), grp.getgrgid(2)
    found = access(Control(read=(user.pw_name,), operate=(f"%{group.gr_name}",)))
    assert found.role(Peer(1, 1, frozenset({1}))) is Role.READ
    assert found.role(Peer(1, 4242, frozenset({2}))) is Role.OPERATE
    assert found.role(Peer(1, 4242, frozenset({4242}))) is Role.NONE
    assert found.role(Peer(1, os.geteuid(), frozenset())) is Role.ADMIN


@pytest.mark.parametrize("role", ["read", "operate", "admin"])
@pytest.mark.parametrize(
    ("name", "told"),
    [("nobody-is-called-so", "no such user"), ("%nobody-is-called-so", "no such group")],
)
def test_a_name_that_nobody_has_is_told_with_its_key(role, name, told):
    with pytest.raises(ConfigurationError, match=rf"control\.{role} .*: there is {told}"):
        access(Control(**{role: (name,)}))
