"""TIFF 6.0 and BigTIFF: what a file declares, and its pixels."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.read.declared import Data, Declared, turned_words
from edge.reasons import BAD_HEADER, DAMAGED, MIXED_PICTURES, UNSUPPORTED_COMPRESSION, UNSUPPORTED_PICTURE

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANAR, _FORMAT = 274, 277, 284, 339
_STRIP_PLACES, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_COLUMNS, _TILE_ROWS, _TILE_PLACES, _TILE_BYTES = 322, 323, 324, 325
_KEPT = {
    *(_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _FORMAT),
    *(_STRIP_PLACES, _STRIP_ROWS, _STRIP_BYTES, _TILE_COLUMNS, _TILE_ROWS, _TILE_PLACES, _TILE_BYTES),
}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_PAGES = 1 << 16
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_NONE = 1
# Lossless schemes only: of a damaged JPEG strip (7) libtiff delivers what there is and black for the rest.
_COMPRESSIONS = {_NONE, 5, 8, 32773, 32946, 34925, 50000}

Tags = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this file writes numbers: TIFF 6.0 section 2, and BigTIFF, which has wider ones."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def inspect(data: Data) -> Declared:
    """Return what the image file directories declare.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``, ``BAD_HEADER``, ``MIXED_PICTURES`` if the pages differ, ``UNSUPPORTED_COMPRESSION``, or
        ``UNSUPPORTED_PICTURE`` for colours other than grey and RGB.
    struct.error
        The file ends in the middle of its header.
    """
    every = _directories(data)
    # Thumbnails and the smaller copies of a pyramid (tag 254 bit 0) and masks (bit 2) are no pages.
    pages = [index for index, tags in enumerate(every) if not tags.get(_SUBFILE, (0,))[0] & 0b101]
    if not pages:
        raise ReadError("It holds no full picture, only thumbnails or masks.", BAD_HEADER)
    kinds = {_page(every[index]) for index in pages}
    for index in pages:
        _check_segments(every[index], len(data))
    if len(kinds) > 1:
        raise ReadError(f"Its {len(pages)} pages differ in size or colour.", MIXED_PICTURES)
    declared = kinds.pop()
    if len(every) > len(pages):
        words = f"{len(every) - len(pages)} thumbnails or masks in the file were left out."
        declared = replace(declared, warnings=(*declared.warnings, words))
    return replace(declared, pages=tuple(pages))


def _directories(data: Data) -> list[Tags]:
    """The tags that matter of every page, in file order."""
    order = "<" if data[:2] == b"II" else ">"
    layout = _Layout(order, big=data[2:4] in (b"+\0", b"\0+"))
    where, width = (8, 8) if layout.big else (4, 4)
    (at,) = struct.unpack(layout.offset, data[where : where + width])
    found: list[Tags] = []
    seen: set[int] = set()
    while at:
        if at in seen or len(found) >= _PAGES:
            raise ReadError("Its directories form a loop or are beyond number.", DAMAGED)
        seen.add(at)
        tags, after = _directory(data, at, layout)
        found.append(tags)
        (at,) = struct.unpack(layout.offset, data[after : after + width])
    return found


def _directory(data: Data, at: int, layout: _Layout) -> tuple[Tags, int]:
    """The tags of one page, and where the next page's place stands."""
    start = at + struct.calcsize(layout.count)
    (count,) = struct.unpack(layout.count, data[at:start])
    size = struct.calcsize(layout.entry)
    block = data[start : start + count * size]
    if len(block) < count * size:
        raise ReadError("It ends within a directory.", DAMAGED)
    tags: dict[int, tuple[int, ...]] = {}
    for tag, kind, number, value in struct.iter_unpack(layout.entry, block):
        if tag in _KEPT and kind in _CODES and number > 0:
            code = f"{layout.order}{number}{_CODES[kind]}"
            width = struct.calcsize(code)
            if width > len(value):
                (place,) = struct.unpack(layout.offset, value)
                value = data[place : place + width]  # noqa: PLW2901 -- the value stands elsewhere
            tags[tag] = struct.unpack(code, value[:width])
    return tags, start + count * size


def _page(tags: Tags) -> Declared:
    """One page as its tags describe it."""
    if _COLUMNS not in tags or _ROWS not in tags or _PHOTOMETRIC not in tags:
        raise ReadError("A page lacks its size or its photometric interpretation (tags 256, 257, 262).", BAD_HEADER)
    if not tags[_COLUMNS][0] or not tags[_ROWS][0]:
        raise ReadError(f"It declares {tags[_ROWS][0]} rows and {tags[_COLUMNS][0]} columns.", BAD_HEADER)
    samples = tags.get(_SAMPLES, (1,))[0]
    photometric = tags[_PHOTOMETRIC][0]
    compression = tags.get(_COMPRESSION, (_NONE,))[0]
    colour = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3}.get(photometric, 0)
    if not colour or not colour <= samples <= colour + 1:
        raise ReadError(
            f"It has photometric interpretation {photometric} with {samples} samples, expected grey or RGB.",
            UNSUPPORTED_PICTURE,
        )
    if samples > 1 and tags.get(_PLANAR, (1,))[0] != 1:
        raise ReadError("It stores its colours as separate planes, expected them side by side.", UNSUPPORTED_PICTURE)
    if compression not in _COMPRESSIONS:
        raise ReadError(f"It is compressed by scheme {compression}, expected a lossless one.", UNSUPPORTED_COMPRESSION)
    bits = tags.get(_BITS, (1,))
    kinds = tags.get(_FORMAT, (1,))
    if len(set(bits)) > 1 or len(set(kinds)) > 1 or kinds[0] not in (1, 2, 3) or bits[0] not in (8, 16, 32, 64):
        raise ReadError(
            f"Its samples have {bits[0]} bits and format {kinds[0]}, expected whole bytes of one kind.",
            UNSUPPORTED_PICTURE,
        )
    orientation = tags.get(_ORIENTATION, (1,))[0]
    orientation = orientation if 1 <= orientation <= 8 else 1
    return Declared(
        rows=tags[_ROWS][0],
        columns=tags[_COLUMNS][0],
        channels=samples,
        itemsize=bits[0] // 8,
        photometric="MONOCHROME1" if photometric == _WHITE_IS_ZERO else "MONOCHROME2" if colour == 1 else "RGB",
        orientation=orientation,
        warnings=turned_words(orientation),
    )


def _check_segments(tags: Tags, size: int) -> None:
    """Every strip or tile is there, inside the file and long enough; the decoder paints missing ones black."""
    tiled = _TILE_PLACES in tags
    rows, columns = tags[_ROWS][0], tags[_COLUMNS][0]
    places = tags.get(_TILE_PLACES if tiled else _STRIP_PLACES, ())
    lengths = tags.get(_TILE_BYTES if tiled else _STRIP_BYTES, ())
    high = tags.get(_TILE_ROWS if tiled else _STRIP_ROWS, (rows,))[0] or rows
    wide = tags.get(_TILE_COLUMNS, (columns,))[0] or columns
    samples = tags.get(_SAMPLES, (1,))[0]
    expected = -(-rows // high) * -(-columns // wide)
    if len(places) != expected or len(lengths) != expected:
        raise ReadError(f"It lists {len(places)} strips or tiles, expected {expected}.", DAMAGED)
    if any(not length or place + length > size for place, length in zip(places, lengths, strict=True)):
        raise ReadError("A strip or tile is missing or lies beyond the end of the file.", DAMAGED)
    raw = rows * columns * samples * tags.get(_BITS, (8,))[0] // 8
    if tags.get(_COMPRESSION, (_NONE,))[0] == _NONE and sum(lengths) < raw:
        raise ReadError(f"Its strips or tiles hold {sum(lengths)} bytes, expected {raw}.", DAMAGED)


def decode(data: bytes, declared: Declared) -> NDArray[Any]:
    """Return the pixels as stored, shape (pages, rows, columns, channels).

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: the file is cut short or cannot be decompressed.
    """
    import imagecodecs  # noqa: PLC0415 -- only the reading process needs it, and only for this format

    try:
        pages = [imagecodecs.tiff_decode(data, index=page) for page in declared.pages]
    except (imagecodecs.TiffError, ValueError, IndexError) as error:
        raise ReadError("The TIFF decoder found it cut short or damaged.", DAMAGED) from error
    return np.stack([page[..., np.newaxis] if page.ndim == 2 else page for page in pages])
