"""The little of HTTP/1.1 that a scrape needs (RFC 9110, RFC 9112): a request's head in, an answer
out.

Every answer ends its connection, and no request has a body. Sans-IO: metrics_server.py has the
sockets, and sees to it that a head ends and is short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

LONGEST_HEAD: Final = 8192
"""Octets of a request line and its header fields."""
END_OF_HEAD: Final = b"\r\n\r\n"

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") (/[!-~]*) HTTP/1\.([01])")
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*[\t -~\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Answer]]
"""What there is to GET, by path."""

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def respond(head: bytes, pages: Pages) -> bytes:
    """The whole answer to a request whose head is `head`, END_OF_HEAD included or not."""
    first, *fields = head.removesuffix(END_OF_HEAD).split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    names = [match[1].lower() for line in fields if (match := _FIELD.fullmatch(line))]
    if found is None or len(names) != len(fields):
        return refusal(400)
    method, target, minor = found[1], found[2].decode(), found[3]
    if minor == b"1" and names.count(b"host") != 1:
        return refusal(400)
    page = pages.get(target.partition("?")[0])
    if page is None:
        return refusal(404)
    if method not in (b"GET", b"HEAD"):
        return refusal(405, "Allow: GET, HEAD\r\n")
    return _written(page(), with_body=method == b"GET")


def refusal(status: int, fields: str = "") -> bytes:
    return _written(Answer(status, f"{status} {REASONS[status]}\n".encode()), fields)


def _written(answer: Answer, fields: str = "", *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n{fields}\r\n"
    )
    return head.encode() + (answer.body if with_body else b"")
