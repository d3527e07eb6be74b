"""Markup: what is put in stays text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from control.console import printable
from control.html_report.markup import Markup, document, element, table, text

HOSTILE = '</style></title><script>alert("x")</script><img src=http://e/ onerror=a>&\x00\x1b[2J'


class Seen(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.data: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.data.append(data)


def test_text_is_escaped_once_and_markup_is_not():
    assert element("p", "a < b", element("b", "&"), title='"') == (
        '<p title="&quot;">a &lt; b<b>&amp;</b></p>'
    )


def test_names_of_attributes_are_those_of_html_and_svg():
    assert element("svg", view_box="0 0 1 1", class_="a", aria_label="b") == (
        '<svg viewBox="0 0 1 1" class="a" aria-label="b"></svg>'
    )


def test_what_a_terminal_would_obey_is_written_out():
    assert text("\x1b[2J\x00") == "\\x1b[2J\\x00"


@given(st.text())
def test_any_text_comes_back_as_text_and_attribute(given_text):
    page = Seen(element("p", given_text, title=given_text))
    assert [tag for tag, _ in page.tags] == ["p"]
    assert page.tags[0][1]["title"] == printable(given_text)
    assert "".join(page.data) == printable(given_text)


def test_a_hostile_title_adds_no_element_to_a_document():
    tags = [tag for tag, _ in Seen(document(HOSTILE, HOSTILE, HOSTILE)).tags]
    plain = [tag for tag, _ in Seen(document("a", "b", "c")).tags]
    assert tags == plain


def test_a_document_lets_a_browser_load_and_run_nothing():
    page = Seen(document("a", "b"))
    policies = [a["content"] for _, a in page.tags if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "script" not in {tag for tag, _ in page.tags}


def test_columns_of_numbers_stand_to_the_right():
    made = table(("a", "b"), [("x", "1"), (Markup("<b>y</b>"), "2")], numbers=1)
    assert made.count('<td class="number">') == 2
    assert '<th class="number">b</th>' in made
    assert "<td><b>y</b></td>" in made
