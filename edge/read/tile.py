"""One tile of a TIFF: how its level says that it is coded, and its pixels; never more in memory than the tile holds."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.read import jpeg, jpeg2000
from edge.read.directories import TiffFile
from edge.read.tiling import Pixels
from edge.reasons import DAMAGED, UNSUPPORTED_PICTURE

TABLES_BYTES = 1 << 16

NONE, LZW, JPEG = 1, 5, 7
DEFLATE = (8, 32946)
JPEG_2000_YCBCR = 33003
JPEG_2000 = (JPEG_2000_YCBCR, 33005, 34712)
"""Aperio's two schemes, the first of which has no colour transform in the codestream, and that of libtiff."""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR = 0, 1, 2, 6
DIFFERENCES = 2
_START, _QUANTISATION, _HUFFMAN, _RESTART, _SCAN = b"\xff\xd8", 0xDB, 0xC4, 0xDD, 0xDA
_APP0, _ADOBE = 0xE0, 0xEE
_NO_COLOUR = {0xFE, *range(0xE0, 0xF0)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One resolution: its size, how its tiles are coded, and where each stands in the file."""

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    samples: int
    photometric: int
    compression: int
    predictor: int
    tables: bytes
    places: NDArray[np.uint64]
    lengths: NDArray[np.uint64]

    @property
    def tile_bytes(self) -> int:
        """Of one tile, decoded."""
        return self.tile_rows * self.tile_columns * self.samples


def is_lossy(file: TiffFile, level: Level) -> bool:
    """Return whether the compression of a level loses detail; in JPEG 2000 its first tile tells."""
    if level.compression in JPEG_2000:
        return jpeg2000.is_lossy(file.bytes_at(int(level.places[0]), int(level.lengths[0])))
    return level.compression == JPEG


def decoded_tile(file: TiffFile, level: Level, index: int) -> Pixels:
    """Return one tile, shape (tile rows, tile columns, 3).

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED`` or ``UNSUPPORTED_PICTURE``.
    """
    data = file.bytes_at(int(level.places[index]), int(level.lengths[index]))
    shape = (level.tile_rows, level.tile_columns, level.samples)
    if level.compression == JPEG:
        pixels = _jpeg_tile(data, level)
    elif level.compression in JPEG_2000:
        pixels = jpeg2000.decode(data, shape)
        pixels = _from_ycbcr(pixels) if level.compression == JPEG_2000_YCBCR else pixels
    else:
        pixels = np.frombuffer(_unpacked(data, level), dtype=np.uint8).reshape(shape)
        if level.predictor == DIFFERENCES and level.compression != NONE:
            pixels = np.cumsum(pixels, axis=1, dtype=np.uint8)
    if level.photometric == WHITE_IS_ZERO:
        pixels = 255 - pixels
    return np.broadcast_to(pixels, (*shape[:2], 3))


def _from_ycbcr(pixels: NDArray[Any]) -> NDArray[Any]:
    """RGB from full-range YCbCr of ITU-R BT.601, as JPEG has it."""
    import cv2  # noqa: PLC0415 -- only the reading process needs it, and only for this scheme

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB))


def _unpacked(data: bytes, level: Level) -> bytes:
    """Exactly as many bytes as the tile has, and never more in memory."""
    size = level.tile_bytes
    if level.compression == LZW:
        found = _lzw(data, size)
    elif level.compression in DEFLATE:
        found = _inflated(data, size)
    else:
        found = data[:size]
    if len(found) != size:
        raise ReadError(f"A tile holds {len(found)} bytes, expected {size}.", DAMAGED)
    return found


def _lzw(data: bytes, size: int) -> bytes:
    import imagecodecs  # noqa: PLC0415 -- only the reading process needs it, and only for this scheme

    try:
        return bytes(imagecodecs.lzw_decode(data, out=size))
    except (imagecodecs.LzwError, ValueError) as error:
        raise ReadError("The LZW decoder found a tile damaged.", DAMAGED) from error


def _inflated(data: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, size)
        more = unpacker.decompress(unpacker.unconsumed_tail, 1)  # to the checksum behind the last byte
    except zlib.error as error:
        raise ReadError("A deflated tile is damaged.", DAMAGED) from error
    if more or not unpacker.eof:
        raise ReadError(f"A deflated tile is cut short or has more than {size} bytes.", DAMAGED)
    return found


def _jpeg_tile(data: bytes, level: Level) -> Any:
    """A tile coded as abbreviated JPEG, whose tables stand in tag 347 (TIFF Technical Note 2)."""
    whole = _whole_jpeg(data, level)
    try:
        declared = jpeg.inspect(whole)
        if (declared.rows, declared.columns, declared.channels) == (
            level.tile_rows,
            level.tile_columns,
            level.samples,
        ):
            return jpeg.decode(whole, declared)[0]
    except struct.error as error:
        raise ReadError("A tile ends in the middle of its JPEG header.", DAMAGED) from error
    raise ReadError(f"A tile is a JPEG of {declared.rows} x {declared.columns} pixels, not of its own size.", DAMAGED)


def _whole_jpeg(data: bytes, level: Level) -> bytes:
    """The tile with its tables, and with the one marker that says what its colours are: the directory's word."""
    kept = [segment for kind, segment in _segments(level.tables) if kind in (_QUANTISATION, _HUFFMAN, _RESTART)]
    for kind, segment in _segments(data):
        if level.photometric == RGB and _says_ycbcr(kind, segment):
            raise ReadError(
                "A tile says that its colours are YCbCr, its directory that they are RGB.", UNSUPPORTED_PICTURE
            )
        if kind not in _NO_COLOUR:
            kept.append(segment)
    transform = int(level.photometric == YCBCR)
    adobe = struct.pack(">HH5sHHHB", 0xFF00 | _ADOBE, 14, b"Adobe", 100, 0, 0, transform)
    return b"".join([_START, adobe, *kept])


def _says_ycbcr(kind: int, segment: bytes) -> bool:
    """JFIF allows nothing else; Adobe's marker names its transform in its last byte."""
    jfif = kind == _APP0 and segment[4:9] == b"JFIF\0"
    return jfif or (kind == _ADOBE and segment[4:9] == b"Adobe" and segment[15:16] == b"\1")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG, each with its marker; the last, from the first scan on, holds all the rest."""
    if not data:
        return
    if data[:2] != _START:
        raise ReadError("A tile or its tables do not begin as a JPEG.", DAMAGED)
    at = 2
    while data[at + 1 : at + 2] not in (b"\xd9", b""):
        if data[at] != 0xFF or at + 4 > len(data):
            raise ReadError("A tile or its tables are damaged: a JPEG segment begins with no marker.", DAMAGED)
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        kind, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = len(data) if kind == _SCAN else at + 2 + size
        if size < 2 or end > len(data):
            raise ReadError("A tile or its tables are damaged: a JPEG segment is cut short.", DAMAGED)
        yield kind, data[at:end]
        at = end
