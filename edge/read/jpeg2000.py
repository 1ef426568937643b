"""JPEG 2000 (ISO/IEC 15444-1): what a codestream declares, read before any decoder allocates that; and its pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.reasons import DAMAGED, UNSUPPORTED_PICTURE

CLOSING = b"\xff\xd9"
"""EOC, A.4.4. What is missing before it a decoder paints in a plausible grey."""

TAIL_BYTES = 64
"""Where the closing marker is looked for: bytes of padding may follow it."""

_SIZES = b"\xff\x4f\xff\x51"
_WAVELET = b"\xff\x52"
_IRREVERSIBLE = 0
_LARGEST_HEADER = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The marker segment SIZ, A.5.1.

    Parameters
    ----------
    rows, columns, samples, precision : int
    whole : bool
        Whether every component has a value for every pixel.
    signed : bool
        Of the first component.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    whole: bool
    signed: bool = False


def inspect(data: bytes) -> Declared:
    """Return what a codestream declares, bare or in the boxes of a JP2 file.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: it is none.
    struct.error
        It ends within its header.
    """
    at = data.find(_SIZES)
    if at < 0:
        raise ReadError("Reading a JPEG 2000 frame: found no markers SOC and SIZ.", DAMAGED)
    x, y, x0, y0 = struct.unpack_from(">4L", data, at + 8)
    (samples,) = struct.unpack_from(">H", data, at + 40)
    parts = [struct.unpack_from(">BBB", data, at + 42 + 3 * index) for index in range(min(samples, 4))]
    return Declared(
        rows=y - y0,
        columns=x - x0,
        samples=samples,
        precision=(parts[0][0] & 0x7F) + 1 if parts else 0,
        whole=all(part[1:] == (1, 1) for part in parts),
        signed=bool(parts and parts[0][0] & 0x80),
    )


def is_lossy(data: bytes) -> bool:
    """Return whether a codestream's wavelet is the irreversible one (COD, A.6.1), which cannot give back what it took.

    A reversible one may have been cut short all the same; that no codestream tells.
    """
    at = data.find(_WAVELET, 0, _LARGEST_HEADER)
    return at < 0 or data[at + 13 : at + 14] == bytes([_IRREVERSIBLE])


def decode(data: bytes, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return a picture of 8 bits as it is coded, where it has this shape: (rows, columns, samples).

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``; ``UNSUPPORTED_PICTURE``: other than 8 bits, or with fewer values for colours than for brightness.
    """
    import imagecodecs  # noqa: PLC0415 -- only the reading process needs it, and only for this scheme

    try:
        told = inspect(data)
    except struct.error as error:
        raise ReadError("A tile ends in the middle of its JPEG 2000 header.", DAMAGED) from error
    if (told.rows, told.columns, told.samples) != shape:
        found = f"{told.rows} x {told.columns} x {told.samples}"
        raise ReadError(f"A tile is a JPEG 2000 picture of {found}, expected {' x '.join(map(str, shape))}.", DAMAGED)
    if told.precision != 8 or not told.whole:
        raise ReadError("A tile is coded with other than 8 bits for every sample of every pixel.", UNSUPPORTED_PICTURE)
    if CLOSING not in data[-TAIL_BYTES:]:
        raise ReadError("A tile in JPEG 2000 is cut short: its closing marker is missing.", DAMAGED)
    try:
        return np.asarray(imagecodecs.jpeg2k_decode(data), dtype=np.uint8).reshape(shape)
    except (imagecodecs.Jpeg2kError, ValueError) as error:
        raise ReadError("The JPEG 2000 decoder found a tile damaged.", DAMAGED) from error
