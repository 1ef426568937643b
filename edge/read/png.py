"""PNG (W3C, third edition): what a file declares, and its pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from edge.errors import ReadError
from edge.read.declared import Data, Declared, exif_orientation, turned_words
from edge.reasons import BAD_HEADER, DAMAGED, UNSUPPORTED_PICTURE

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_ALPHA_FROM_TRNS = {0: 1, 2: 1, 3: 1, 4: 0, 6: 0}


def inspect(data: Data) -> Declared:
    """Return what IHDR and the other chunks declare.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``, ``BAD_HEADER``, or ``UNSUPPORTED_PICTURE`` for an animation.
    struct.error
        The file ends in the middle of its header.
    """
    length, kind = struct.unpack(">I4s", data[8:16])
    columns, rows, depth, colour = struct.unpack(">IIBB", data[16:26])
    if kind != b"IHDR" or length != 13 or colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise ReadError(f"Its header (IHDR) names colour type {colour} and depth {depth}.", BAD_HEADER)
    chunks: set[bytes] = set()
    orientation = 1
    for kind, at, size in _chunks(data):
        chunks.add(kind)
        if kind == b"eXIf":  # before the pixels or behind them, 11.3.4.4
            orientation = exif_orientation(bytes(data[at : at + size]))
    if b"acTL" in chunks:
        raise ReadError("It is an animation (APNG).", UNSUPPORTED_PICTURE)
    alpha = _ALPHA_FROM_TRNS[colour] if b"tRNS" in chunks else 0
    return Declared(
        rows=rows,
        columns=columns,
        channels=_CHANNELS[colour] + alpha,
        itemsize=2 if depth == 16 else 1,
        photometric="MONOCHROME2" if colour in (0, 4) else "RGB",
        orientation=orientation,
        warnings=turned_words(orientation),
    )


def decode(data: bytes, declared: Declared) -> NDArray[Any]:  # noqa: ARG001 -- TIFF needs it
    """Return the pixels, shape (1, rows, columns, channels); fewer than 8 bits are scaled to 0..255.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: the file is cut short, or a checksum is wrong.
    """
    import imagecodecs  # noqa: PLC0415 -- only the reading process needs it, and only for this format

    try:
        pixels: NDArray[Any] = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:
        raise ReadError("The PNG decoder found it cut short or its checksums wrong.", DAMAGED) from error
    return pixels.reshape(1, *pixels.shape[:2], -1)


def _chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and size of each chunk; the decoder is content without the closing one, a whole file has it."""
    at = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ReadError("It ends before its closing chunk (IEND).", DAMAGED)
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, at + 8, size
        at += 12 + size
    if at > len(data):
        raise ReadError("It ends within its closing chunk (IEND).", DAMAGED)
