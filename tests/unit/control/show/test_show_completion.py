"""Shells complete what can be typed, and nothing else."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from control.arguments import parser
from control.show.completion import script
from control.show.tree import walk


def completed(folder, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    path = folder / "dialout.bash"
    path.write_text(script("bash"))
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {path}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _dialout;"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout.split()


def test_the_tree_has_every_command_once():
    paths = [node.path for node in walk(parser())]
    assert len(set(paths)) == len(paths)
    assert ("dialout", "show", "sessions") in paths
    assert ("dialout", "target", "add") in paths


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("dialout", "sess"), ["session"]),
        (("dialout", "session", "re"), ["reset"]),
        (("dialout", "show", "sessions", "--state", "in"), ["inService", "inhibited"]),
        (("dialout", "show", "sessions", "--st"), ["--state"]),
        (("dialout", "show", "sessions", "--lac", ""), []),
        (("dialout", "show", "sessions", "--json", "det"), ["detail"]),
        (("dialout", "completion", "z"), ["zsh"]),
        (("dialout", "nonsense"), []),
    ],
)
def test_bash_offers_what_may_follow(tmp_path, words, offered):
    assert completed(tmp_path, *words) == offered


def test_bash_offers_every_command(tmp_path):
    top = next(walk(parser()))
    assert set(top.children) <= set(completed(tmp_path, "dialout", ""))


def test_scripts_are_sound_for_their_shells(tmp_path):
    for shell in ("bash", "zsh"):
        path = tmp_path / shell
        path.write_text(script(shell))
        if shutil.which(shell):
            subprocess.run([shell, "-n", path], check=True)
        for node in walk(parser()):
            assert f'"{" ".join(node.path)}"' in path.read_text()
