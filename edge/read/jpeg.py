"""JPEG (ITU-T T.81) with EXIF: what a file declares, and its pixels."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.read.declared import Data, Declared, exif_orientation, turned_words
from edge.reasons import BAD_HEADER, DAMAGED, UNSUPPORTED_COMPRESSION, UNSUPPORTED_PICTURE

SIGNATURE = b"\xff\xd8\xff"

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_HUFFMAN_LOSSY = {0xC0, 0xC1, 0xC2}
_START_OF_SCAN, _END_OF_IMAGE, _EXIF = 0xDA, 0xD9, 0xE1
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def inspect(data: Data) -> Declared:
    """Return what the segments up to the frame header declare.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``, ``BAD_HEADER``, ``UNSUPPORTED_COMPRESSION`` for other than 8-bit lossy Huffman coding, or
        ``UNSUPPORTED_PICTURE`` for CMYK.
    struct.error
        The file ends in the middle of its header.
    """
    orientation = 1
    for marker, at, size in _segments(data):
        if marker == _EXIF and data[at : at + 6] == b"Exif\0\0":
            orientation = exif_orientation(bytes(data[at + 6 : at + size]))
        if marker in _FRAMES:
            return _frame(marker, data[at : at + 6], orientation)
    raise ReadError("It ends before its frame header.", DAMAGED)


def _segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """Marker, start and size of each segment up to the first scan."""
    at, marker = 2, 0
    while marker not in (_START_OF_SCAN, _END_OF_IMAGE):
        prefix, marker = struct.unpack(">BB", data[at : at + 2])
        if prefix != 0xFF:
            raise ReadError("A segment begins with no marker.", DAMAGED)
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        (size,) = struct.unpack(">H", data[at + 2 : at + 4])
        yield marker, at + 4, size - 2
        at += 2 + size


def _frame(marker: int, header: bytes, orientation: int) -> Declared:
    depth, rows, columns, channels = struct.unpack(">BHHB", header)
    if marker not in _HUFFMAN_LOSSY or depth != 8:
        raise ReadError(
            f"Its frame header (SOF{marker - 0xC0}, {depth} bit) names a JPEG process other than 8-bit baseline, "
            "extended or progressive.",
            UNSUPPORTED_COMPRESSION,
        )
    if channels not in (1, 3):
        raise ReadError(f"It has {channels} colour components (CMYK), expected 1 or 3.", UNSUPPORTED_PICTURE)
    if not rows or not columns:
        raise ReadError(f"Its frame header says {rows} rows and {columns} columns.", BAD_HEADER)
    return Declared(
        rows=rows,
        columns=columns,
        channels=channels,
        itemsize=1,
        photometric="MONOCHROME2" if channels == 1 else "RGB",
        orientation=orientation,
        lossy=True,
        warnings=turned_words(orientation),
    )


def decode(data: bytes, declared: Declared) -> NDArray[Any]:  # noqa: ARG001 -- TIFF needs it
    """Return the pixels as stored, shape (1, rows, columns, channels), uint8, RGB or grey.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: the file is cut short, or the decoder had to make up part of the picture.
    """
    import cv2  # noqa: PLC0415 -- only the reading process needs it, and only for this format

    _check_end(data)
    encoded = np.frombuffer(data, dtype=np.uint8)
    pixels, said = _listening(lambda: cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
    # libjpeg paints what is missing grey and only mentions it.
    if pixels is None or b"Corrupt JPEG" in said or b"Premature end" in said:
        raise ReadError("The JPEG decoder found data missing or out of place.", DAMAGED)
    found: NDArray[Any] = pixels.reshape(1, *pixels.shape[:2], -1)
    return found[..., ::-1]


def _check_end(data: bytes) -> None:
    """A file that was copied whole has its closing marker; thumbnails inside EXIF have their own and do not count."""
    at = 0
    for marker, start, size in _segments(data):
        if marker == _START_OF_SCAN:
            at = start + size
    while found := _MARKER_AFTER_SCAN.search(data, at):
        if found.group()[1] == _END_OF_IMAGE:
            return
        (size,) = struct.unpack(">H", data[found.end() : found.end() + 2])
        at = found.end() + size
    raise ReadError("It ends before its closing marker (EOI).", DAMAGED)


def _listening(action: Callable[[], Any]) -> tuple[Any, bytes]:
    """What `action` returns, and what it prints to stderr, which is where libjpeg reports damage."""
    ear, mouth = os.pipe()
    if hasattr(os, "set_blocking"):  # Windows before Python 3.12 lacks it
        os.set_blocking(mouth, False)  # more than a pipe holds is dropped, and waits for nobody
    kept = os.dup(2)
    try:
        os.dup2(mouth, 2)
        result = action()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(mouth)
        with os.fdopen(ear, "rb") as listener:
            said = listener.read()
    return result, said
