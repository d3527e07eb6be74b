"""Lines of the control socket: requests are read or refused, whatever the octets are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.operation.protocol import (
    LONGEST_LINE,
    BadRequest,
    Code,
    Lines,
    Request,
    decode,
    encode,
    refusal,
    reply,
)


@pytest.mark.parametrize("id", [None, 0, -3, 2**63, "a", "x" * 64])
@pytest.mark.parametrize("arguments", [{}, {"state": "down", "detail": True, "limit": 3}])
def test_a_request_is_read_as_it_was_written(id, arguments):
    line = encode(id, "show targets", arguments)
    assert line.count(b"\n") == 1
    assert decode(line) == Request(id, "show targets", arguments)


def test_arguments_and_id_may_be_left_out():
    assert decode(b'{"command":"hello"}') == Request(None, "hello", {})


MALFORMED = [
    (b"", "no JSON"),
    (b"hello", "no JSON"),
    (b"{", "no JSON"),
    (b"\xff\xfe{}", "no JSON"),
    (b'{"command":"hello"} {}', "no JSON"),
    (b"[1]", "no object"),
    (b"3", "no object"),
    (b'{"command":1}', "command must be a text"),
    (b"{}", "command must be a text"),
    (b'{"command":"hello","arguments":[]}', "arguments must be an object"),
    (b'{"command":"hello","arguments":null}', "arguments must be an object"),
    (b'{"command":"hello","id":true}', "id must be"),
    (b'{"command":"hello","id":1.5}', "id must be"),
    (b'{"command":"hello","id":[]}', "id must be"),
    (b'{"command":"hello","id":"' + b"x" * 65 + b'"}', "id must be"),
    (b'{"command":"hello","id":' + b"9" * 65 + b"}", "id must be"),
    (b'{"command":"hello","id":' + b"9" * 5000 + b"}", "no JSON"),
    (b'{"command":"hello","more":1}', "no key 'more'"),
    (b'{"command":"hello","command":"reload"}', "a key twice"),
    (b'{"command":"hello","arguments":{"a":NaN}}', "NaN, which is no number"),
    (b'{"command":"hello","arguments":{"a":-Infinity}}', "-Infinity, which is no number"),
    (b"[" * LONGEST_LINE, "no JSON"),
    (b'{"command":' * 1400, "no JSON"),
]


@pytest.mark.parametrize(("line", "told"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_says_what_is_wrong_with_it(line, told):
    with pytest.raises(BadRequest, match=told) as raised:
        decode(line)
    assert raised.value.code is Code.MALFORMED


def test_a_refusal_names_the_request_it_is_for():
    with pytest.raises(BadRequest) as raised:
        decode(b'{"id":"seven","command":"hello","arguments":3}')
    told = json.loads(refusal(raised.value))
    assert told["id"] == "seven"
    assert told["ok"] is False
    assert told["error"]["code"] == "malformed"


def test_parts_of_a_reply_say_that_more_follow():
    first, last = reply(1, [1], more=True), reply(1, [2])
    assert json.loads(first) == {"id": 1, "ok": True, "more": True, "result": [1]}
    assert json.loads(last) == {"id": 1, "ok": True, "result": [2]}


@given(st.binary(max_size=300))
def test_any_octets_are_a_request_or_a_bad_one(line):
    try:
        found = decode(line)
    except BadRequest:
        return
    assert isinstance(found.command, str)
    assert isinstance(found.arguments, dict)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_lines_are_those_of_the_whole_stream_and_no_more_than_one_is_kept(pieces, longest):
    lines, found, fed = Lines(longest), [], b""
    for piece in pieces:
        fed += piece
        try:
            found += lines.feed(piece)
        except BadRequest:
            assert any(len(line) > longest for line in fed.split(b"\n"))
            assert len(lines) == 0
            return
        assert len(lines) <= longest
    assert [*found, fed.split(b"\n")[-1]] == fed.split(b"\n")
