"""HTML and SVG as text that cannot be broken by what is put into it, and the document around it.

A str is text and escaped; Markup is markup and is not. Nothing else makes Markup of a str.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final

from control.console import printable

STYLE: Final = Path(__file__).parent / "page.css"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""A browser loads nothing and runs nothing, whatever stands in a report."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Content = str | Markup


def element(name: str, *content: Content, **attributes: str | float) -> Markup:
    """`class_` is the attribute class, `view_box` is viewBox, other underscores are hyphens."""
    told = "".join(f' {_attribute(key)}="{text(str(v))}"' for key, v in attributes.items())
    return Markup(f"<{name}{told}>{join(content)}</{name}>")


def join(content: Iterable[Content]) -> Markup:
    return Markup("".join(c if isinstance(c, Markup) else text(c) for c in content))


def text(value: str) -> Markup:
    """What cannot be seen is written as an escape sequence: it may come from a packet."""
    return Markup(escape(printable(value), quote=True))


def table(heads: Iterable[str], rows: Iterable[Iterable[Content]], numbers: int = 0) -> Markup:
    """Cells from column `numbers` on are numbers, if it is not 0."""
    head = element("tr", *(_cell("th", h, numbers, i) for i, h in enumerate(heads)))
    body = [element("tr", *(_cell("td", c, numbers, i) for i, c in enumerate(row))) for row in rows]
    return element(
        "div", element("table", element("thead", head), element("tbody", *body)), class_="scroll"
    )


def section(name: str, title: str, *content: Content, note: str = "") -> Markup:
    """A card with a heading; `name` is its id."""
    heading = element("h2", title)
    told = (element("p", note, class_="note"),) if note else ()
    return element("section", heading, *told, *content, id=name)


def tiles(rows: Iterable[tuple[str, str, str]]) -> Markup:
    """Key figures: label, value, and what is said below it."""
    return element(
        "div",
        *(
            element(
                "div",
                element("span", label, class_="label"),
                element("strong", value),
                element("span", below, class_="below"),
                class_="tile",
            )
            for label, value, below in rows
        ),
        class_="tiles",
    )


def document(title: str, subtitle: str, *content: Content) -> str:
    """The whole file."""
    style = STYLE.read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'
    body = element(
        "main", element("header", element("h1", title), element("p", subtitle)), *content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{policy}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _cell(name: str, content: Content, numbers: int, column: int) -> Markup:
    if numbers and column >= numbers:
        return element(name, content, class_="number")
    return element(name, content)


def _attribute(key: str) -> str:
    return {"class_": "class", "view_box": "viewBox"}.get(key, key.replace("_", "-"))
