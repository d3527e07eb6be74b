"""Requests and answers of the little HTTP, as rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.metrics.http import Answer, refusal, respond

PAGES = {"/metrics": lambda: Answer(200, b"a 1\n"), "/health": lambda: Answer(503, b"{}")}


def status(head: bytes) -> int:
    answer = respond(head, PAGES)
    assert answer.startswith(b"HTTP/1.1 ")
    return int(answer[9:12])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /metrics?name=x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (b"HEAD /metrics HTTP/1.1\r\nhost:a\r\n\r\n", 200),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 503),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a/metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_a_request_gets_its_status(head, expected):
    assert status(head) == expected


def test_an_answer_tells_its_length_and_ends_the_connection():
    assert respond(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", PAGES) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n"
        b"Cache-Control: no-store\r\nConnection: close\r\n\r\na 1\n"
    )


def test_head_has_the_length_and_not_the_body():
    answer = respond(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", PAGES)
    assert b"Content-Length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_refused_method_hears_which_are_allowed():
    answer = respond(b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", PAGES)
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


@given(st.binary(max_size=200))
def test_any_octets_get_one_whole_answer(head):
    head_of_answer, _, body = respond(head, PAGES).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head_of_answer


def test_refusals_are_answers():
    assert refusal(431).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
