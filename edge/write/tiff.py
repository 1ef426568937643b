"""A plane of labels -> a tiled BigTIFF, compressed tile by tile, so that a slide of labels never lies in memory.

TIFF 6.0, section 15 (tiled images), deflate as in Adobe's TIFF Technical Notes of 2002, and the BigTIFF design of Aware
Systems. The same labels give the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 512
LEVEL = 1
"""Of compression: labels shrink well at once."""

_SHORT, _LONG, _RATIONAL, _LONG8 = 3, 4, 5, 16
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}
_HEADER_BYTES = 16
_CENTIMETRE = 3
_PER_METRE = 1000
"""The part of a resolution below one, kept to a thousandth."""

Field = tuple[int, int, tuple[int, ...]]


def tiled_tiff(
    plane: NDArray[Any],
    spacing_mm: tuple[float, float] | None = None,
    change: Callable[[NDArray[Any]], NDArray[Any]] = lambda part: part,
) -> bytes:
    """Return a plane as the bytes of a tiled TIFF of one grey picture.

    Parameters
    ----------
    plane : ndarray of uint8 or uint16, shape (rows, columns)
        May be mapped from a file; it is read a tile at a time.
    spacing_mm : tuple of float, optional
        Distance between rows and between columns, written as the resolution.
    change : callable
        What is written of each tile: uint8 or uint16.
    """
    rows, columns = plane.shape
    sample = np.asarray(change(plane[:1, :1]))
    tiles = [
        _coded(np.asarray(change(plane[y : y + TILE, x : x + TILE])))
        for y in range(0, rows, TILE)
        for x in range(0, columns, TILE)
    ]
    lengths = tuple(len(tile) for tile in tiles)
    places = tuple((np.cumsum((0, *lengths[:-1])) + _HEADER_BYTES).tolist())
    fields = [
        *_described(rows, columns, 8 * sample.itemsize),
        (324, _LONG8, places),
        (325, _LONG8, lengths),
        *_resolution(spacing_mm),
    ]
    body = b"".join(tiles)
    start = _HEADER_BYTES + len(body)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start)
    return head + body + _directory(sorted(fields), start)


def _coded(part: NDArray[Any]) -> bytes:
    """A tile, filled up with zeros where the picture ends."""
    tile = np.zeros((TILE, TILE), dtype=part.dtype.newbyteorder("<"))
    tile[: part.shape[0], : part.shape[1]] = part
    return zlib.compress(tile.tobytes(), LEVEL)


def _described(rows: int, columns: int, bits: int) -> list[Field]:
    """Size, bits, deflate (8), BlackIsZero, one sample, tile size."""
    return [
        (256, _LONG, (columns,)),
        (257, _LONG, (rows,)),
        (258, _SHORT, (bits,)),
        (259, _SHORT, (8,)),
        (262, _SHORT, (1,)),
        (277, _SHORT, (1,)),
        (322, _LONG, (TILE,)),
        (323, _LONG, (TILE,)),
    ]


def _resolution(spacing_mm: tuple[float, float] | None) -> list[Field]:
    """Pixels per centimetre, as rationals."""
    if spacing_mm is None:
        return []
    down, along = ((round(10 * _PER_METRE / step), _PER_METRE) for step in spacing_mm)
    return [(282, _RATIONAL, along), (283, _RATIONAL, down), (296, _SHORT, (_CENTIMETRE,))]


def _directory(fields: list[Field], start: int) -> bytes:
    """The one directory, and behind it the values that it has no room for."""
    entries, behind = b"", b""
    beyond = start + 8 + 20 * len(fields) + 8
    for tag, kind, values in fields:
        packed = struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        if len(packed) > 8:
            packed, behind = struct.pack("<Q", beyond + len(behind)), behind + packed
        entries += struct.pack("<HHQ", tag, kind, count) + packed.ljust(8, b"\0")
    return struct.pack("<Q", len(fields)) + entries + struct.pack("<Q", 0) + behind
