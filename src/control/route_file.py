"""Files of routes: text, MRT dumps of BGP tables (RFC 6396, RFC 8050), and our own form.

Text and dumps may be packed by gzip, bzip2 or xz; their content tells what they are. Reading goes
piece by piece, so a dump is never in memory as a whole. A file is read to its end before anybody
sees a route of it: a damaged one changes nothing.

Our own form holds the columns as they are, for tables that are loaded again and again:

  magic 8 | version 2 | zero 2 | table count 4 | per table: family 4 | count 4 | octets | lengths 1
  each | next hops 4 each | at the end SHA-256 of all before it; numbers are little-endian
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from control.errors import DialoutError
from control.routes import Array, Routes, sorted_routes
from fastpath.lpm import Lpm
from fastpath.route_columns import NextHops, RouteDataError, address_of, routes_of
from fastpath.route_mrt import MrtReader
from fastpath.route_text import TextReader

MAGIC: Final = b"\x89DROUTE\n"
VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sHHI")
_TABLE: Final = struct.Struct("<II")
_DIGEST: Final = 32
_WIDTHS: Final = {4: 4, 6: 16}
_NH_LAST: Final = (1 << 24) - 1
_PIECE: Final = 1 << 20
_SAVED_LIMIT: Final = 2 * (1 << 24) * 21 + (1 << 10)
"""Octets of our own form with as many routes as may be."""

PACKED: Final[dict[bytes, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""How a packed file begins, and what unpacks it."""

NextHopChoice = Mapping[str, int] | Callable[[str], int | None]


class RouteFileError(DialoutError):
    """A file of routes is damaged or no such file: which, where, and what is allowed."""

    def __init__(self, path: str | Path, reason: str, offset: int | None = None) -> None:
        place = "" if offset is None else f" at octet {offset}"
        super().__init__(f"{path}{place}: {reason}")
        self.path = str(path)
        self.reason = reason
        self.offset = offset
        """Where the faulty line or record begins, counted in the unpacked data."""


@dataclass(frozen=True, slots=True)
class RouteFile:
    """What a file holds."""

    form: str
    """"text", "mrt" or "saved"."""
    routes: dict[int, Routes]
    """By family, 4 and 6; a family without routes is not there."""
    next_hops: dict[str, int]
    """Next hops that the file names by address, and the numbers that their routes have."""
    peers: tuple[tuple[str, int], ...] = ()
    """Of a dump: address and AS number of each BGP peer."""
    left_out: int = 0
    """Routes whose next hop was not chosen, and prefixes that the chosen peer does not have."""
    passed_over: int = 0
    """Records of a dump that are no unicast routes."""


def read_routes(
    path: str | Path,
    *,
    peer: str | None = None,
    next_hops: NextHopChoice | None = None,
    default_nh: int = 1,
) -> RouteFile:
    """Reads a file of routes, whichever form it has.

    peer: of a dump, the BGP peer whose routes are taken; without it the first of each prefix.
    next_hops: numbers 1..2^24-1 for next hops that the file names by address: a mapping, in which
    each must stand, or a function, which may answer None to leave a route out. Without it they are
    numbered from 1 as they are met. default_nh: for lines of text that name none.

    Routes come out sorted by address and length. RouteFileError: the file, octet, line or record,
    value and what is allowed. Of equal prefixes in text, the second is an error; in a dump the
    first counts, as collectors write a prefix once for each kind of session. OSError: the file
    cannot be read.
    """
    wanted = None if peer is None else ip_address(peer).packed
    if not 1 <= default_nh <= _NH_LAST:
        raise ValueError(f"next hop {default_nh} is not in 1..{_NH_LAST}")
    with open(path, "rb") as file:
        try:
            return _read(path, _unpacked(file), wanted, NextHops(_chooser(next_hops)), default_nh)
        except RouteDataError as error:
            raise RouteFileError(path, error.reason, error.offset) from None
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise RouteFileError(path, f"is packed, and damaged: {error}") from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise RouteFileError(path, f"is packed, and damaged: {error}") from None


def save_routes(path: str | Path, tables: Iterable[Routes | Lpm]) -> None:
    """Writes tables in our own form; the file is there whole, or as it was.

    ValueError: two tables of one family."""
    kept: dict[int, Routes] = {}
    for each in tables:
        routes = Routes(each.family, *routes_of(each)) if isinstance(each, Lpm) else each
        if routes.family in kept:
            raise ValueError(f"two tables of family {routes.family}")
        kept[routes.family] = routes
    data = bytearray(_HEAD.pack(MAGIC, VERSION, 0, len(kept)))
    for family, routes in sorted(kept.items()):
        data += _TABLE.pack(family, len(routes))
        data += np.ascontiguousarray(routes.addresses, np.uint8).tobytes()
        data += routes.lengths.astype(np.uint8).tobytes()
        data += routes.nhs.astype("<u4").tobytes()
    data += hashlib.sha256(data).digest()
    _write(Path(path), bytes(data))


def _write(path: Path, data: bytes) -> None:
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def _chooser(given: NextHopChoice | None) -> Callable[[str], int | None] | None:
    if given is None or callable(given):
        return given
    numbers = given

    def choose(address: str) -> int:
        if address not in numbers:
            raise ValueError(f"next hop {address} has no number in the mapping that was given")
        return numbers[address]

    return choose


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    head = file.peek(6)[:6]  # type: ignore[attr-defined]
    for magic, unpack in PACKED.items():
        if head.startswith(magic):
            unpacked: IO[bytes] = unpack(file)
            return unpacked
    return file


def _read(
    path: str | Path, file: IO[bytes], peer: bytes | None, next_hops: NextHops, default_nh: int
) -> RouteFile:
    piece = file.read(_PIECE)
    if piece.startswith(MAGIC):
        return _read_saved(path, piece + file.read(_SAVED_LIMIT))
    reader: Any
    if b"\0" in piece[:4096]:
        reader, form = MrtReader(next_hops, peer), "mrt"
    elif peer is not None:
        raise RouteFileError(path, "is text: only an MRT dump has peers to choose from")
    else:
        reader, form = TextReader(next_hops, default_nh), "text"
    while piece:
        reader.feed(piece)
        piece = file.read(_PIECE)
    reader.finish()
    routes = {}
    for family, columns in ((4, reader.v4), (6, reader.v6)):
        if len(columns):
            routes[family] = _distinct(path, form, sorted_routes(family, *columns.arrays()))
    if form == "text":
        return RouteFile(form, routes, next_hops.known(), left_out=reader.left_out)
    return RouteFile(
        form,
        routes,
        next_hops.known(),
        tuple((address_of(address), number) for address, number in reader.peers),
        reader.left_out,
        reader.passed_over,
    )


def _distinct(path: str | Path, form: str, routes: Routes) -> Routes:
    same = (routes.lengths[1:] == routes.lengths[:-1]) & np.all(
        routes.addresses[1:] == routes.addresses[:-1], axis=1
    )
    if not same.any():
        return routes
    if form == "text":
        at = int(np.argmax(same))
        prefix = f"{address_of(bytes(routes.addresses[at]))}/{routes.lengths[at]}"
        raise RouteFileError(path, f"{prefix} stands there twice; each prefix may once")
    kept = np.concatenate([[True], ~same])
    return Routes(routes.family, routes.addresses[kept], routes.lengths[kept], routes.nhs[kept])


def _read_saved(path: str | Path, data: bytes) -> RouteFile:
    if len(data) < _HEAD.size + _DIGEST:
        raise RouteFileError(path, f"ends after {len(data)} octets", 0)
    _, version, _, count = _HEAD.unpack_from(data)
    if version != VERSION:
        raise RouteFileError(path, f"version {version} is not {VERSION}", 8)
    end = len(data) - _DIGEST
    if hashlib.sha256(data[:end]).digest() != data[end:]:
        raise RouteFileError(path, "does not have the checksum that it ends with", end)
    routes: dict[int, Routes] = {}
    at = _HEAD.size
    for _ in range(count):
        if end - at < _TABLE.size:
            raise RouteFileError(path, f"has no {count} tables", at)
        family, size = _TABLE.unpack_from(data, at)
        if family not in _WIDTHS or family in routes:
            raise RouteFileError(path, f"family {family} is not 4 or 6, once each", at)
        at += _TABLE.size
        width = _WIDTHS[family]
        if end - at < size * (width + 5):
            raise RouteFileError(path, f"has no {size} routes", at)
        routes[family] = _columns(path, data, at, family, size)
        at += size * (width + 5)
    if at != end:
        raise RouteFileError(path, f"has {end - at} octets behind its last table", at)
    return RouteFile("saved", routes, {})


def _columns(path: str | Path, data: bytes, at: int, family: int, size: int) -> Routes:
    width = _WIDTHS[family]

    def column(kind: str, count: int, offset: int) -> Array:
        return np.frombuffer(data, kind, count, at + offset)

    addresses = column("u1", size * width, 0).reshape(size, width).copy()
    lengths = column("u1", size, size * width).astype(np.int64)
    nhs = column("<u4", size, size * (width + 1)).astype(np.int64)
    for name, values, allowed in (("length", lengths, 8 * width), ("next hop", nhs, _NH_LAST)):
        if len(wrong := np.flatnonzero(values > allowed)):
            reason = f"route {wrong[0]}: {name} {values[wrong[0]]} is not in 0..{allowed}"
            raise RouteFileError(path, reason, at)
    return Routes(family, addresses, lengths, nhs)
