"""Every attribute of vendor 4874 in the dictionary has a meaning here, or a row with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import control.radius
from control.radius.codec import dictionary
from control.radius.refused import REFUSED


def texts_of_the_package() -> set[str]:
    """All texts in the code that reads and makes attributes, the table of refused ones apart."""
    folder = Path(next(iter(control.radius.__path__)))
    return {
        node.value
        for file in folder.glob("*.py")
        if file.name != "refused.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_attribute_of_the_vendor_is_carried_out_or_refused_and_not_both():
    known = {name for name in dictionary().attributes if str(name).startswith("ERX-")}
    used = known & texts_of_the_package()
    assert len(known) > 30
    assert used | REFUSED.keys() == known
    assert not used & REFUSED.keys()
