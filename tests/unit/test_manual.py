"""Manual pages and completion scripts of contrib/ say what the program says."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from test_docs import generate

from control import exit_codes

MADE = generate.contributed()
PAGES = [path for path in MADE if path.parent.name == "man"]


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_each_file_is_up_to_date(path):
    assert path.read_text() == MADE[path], "run `make docs`"


def test_none_is_left_of_a_command_that_is_gone():
    for folder in {path.parent for path in MADE}:
        assert set(folder.iterdir()) == {path for path in MADE if path.parent == folder}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_sound(path):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-ww", "-man", "-Tutf8", "-z", path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_of_a_page_has_its_text(path):
    assert not re.findall(r"^\.TP\n(.*)\n\.?$", MADE[path], re.MULTILINE)


def test_every_page_names_every_exit_code():
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    for path in PAGES:
        if path.suffix == ".1":
            status = MADE[path].partition(".SH EXIT STATUS")[2].partition(".SH")[0]
            assert {int(code) for code in re.findall(r"^(\d+)$", status, re.MULTILINE)} == codes


def test_the_page_of_the_configuration_has_every_key():
    (page,) = (text for path, text in MADE.items() if path.name == "dialout.toml.5")
    for name, section in generate.sections():
        for key in (*section.keys, *section.secrets):
            assert f"\\fB{key}\\fR" in page.replace("\\-", "-"), f"{name}.{key}"
