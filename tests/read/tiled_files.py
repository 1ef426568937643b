"""Tiled TIFF files made by hand, so that every field, every tile and every lie can be chosen."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Values = tuple[str, tuple[int, ...]]
Order = Literal["<", ">"]
NONE, LZW, JPEG, DEFLATE = 1, 5, 7, 8
JPEG_2000_YCBCR = 33003
JPEG_2000 = (JPEG_2000_YCBCR, 33005, 34712)
CODES = {"B": 1, "H": 3, "I": 4, "Q": 16, "R": 5}
"""``R`` is a RATIONAL: two numbers for each value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One directory: its tags, the coded tiles, and its sub-directories."""

    tags: Mapping[int, Values]
    tiles: tuple[bytes, ...]
    subs: tuple[Page, ...] = ()

    def tagged(self, **tags: Values | None) -> Page:
        """The page with tags such as ``t254=("I", (1,))`` changed, added, or left out where they are None."""
        changed = {**self.tags, **{int(name[1:]): value for name, value in tags.items()}}
        return replace(self, tags={tag: value for tag, value in changed.items() if value is not None})


def slide(rows: int = 150, columns: int = 210, *, grey: bool = False) -> Pixels:
    """Smooth tissue in colour, no two regions alike."""
    y, x = np.mgrid[:rows, :columns] * 1.0
    waves = [120 + 80 * np.sin(x / 17 + k) * np.cos(y / 23 - k) + 0.2 * x for k in range(1 if grey else 3)]
    found: Pixels = np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8)
    return found[..., 0] if grey else found


def page(pixels: Pixels, tile: tuple[int, int] = (64, 48), compression: int = NONE, **options: Any) -> Page:
    """Pixels cut into tiles.

    `options`: ``photometric``, ``differences`` (the predictor), ``shared`` (JPEG tables in tag 347).
    """
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    photometric = options.get("photometric", {1: 1, 3: 6 if compression == JPEG else 2}[samples])
    differences = bool(options.get("differences"))
    coded = [_coded(part, compression, photometric, differences=differences) for part in cut(pixels, tile)]
    tags: dict[int, Values] = {
        256: ("I", (pixels.shape[1],)),
        257: ("I", (pixels.shape[0],)),
        258: ("H", (8,) * samples),
        259: ("H", (compression,)),
        262: ("H", (photometric,)),
        277: ("H", (samples,)),
        284: ("H", (1,)),
        322: ("H", (tile[1],)),
        323: ("H", (tile[0],)),
    }
    if differences:
        tags[317] = ("H", (2,))
    if options.get("shared"):
        tags[347] = ("B", tuple(tables(coded[0])))
        coded = [without_tables(data) for data in coded]
    return Page(tags=tags, tiles=tuple(coded))


def cut(pixels: Pixels, tile: tuple[int, int]) -> list[Pixels]:
    """The tiles in file order; those at the end are filled up with copies of the edge."""
    high, wide = tile
    rows, columns = pixels.shape[:2]
    wanted = ((0, -rows % high), (0, -columns % wide), *((0, 0),) * (pixels.ndim - 2))
    full = np.pad(pixels, wanted, mode="edge")
    return [
        np.ascontiguousarray(full[y : y + high, x : x + wide])
        for y in range(0, full.shape[0], high)
        for x in range(0, full.shape[1], wide)
    ]


def _coded(pixels: Pixels, compression: int, photometric: int, *, differences: bool) -> bytes:
    if compression == JPEG:
        # Without subsampling, so that the colours can be compared.
        space = {6: "YCBCR", 2: "RGB"}.get(photometric)
        return bytes(imagecodecs.jpeg8_encode(pixels, level=95, outcolorspace=space, subsampling="444"))
    if compression in JPEG_2000:
        return _jpeg_2000(pixels, ycbcr=compression == JPEG_2000_YCBCR)
    if differences:
        pixels = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1]))
    data = pixels.tobytes()
    if compression == LZW:
        return bytes(imagecodecs.lzw_encode(data))
    return zlib.compress(data) if compression in (DEFLATE, 32946) else data


def _jpeg_2000(pixels: Pixels, *, ycbcr: bool, lossy: bool = False) -> bytes:
    """Without loss in the codestream; YCbCr is turned before, and nothing in the codestream says so."""
    if ycbcr:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]].astype(np.uint8)
    quality: dict[str, Any] = {"reversible": False, "level": 40} if lossy else {"reversible": True, "level": 0}
    return bytes(imagecodecs.jpeg2k_encode(np.ascontiguousarray(pixels), codecformat="j2k", mct=not ycbcr, **quality))


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """The segments of a JPEG up to the first scan, which holds the rest."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        (size,) = struct.unpack(">H", data[at + 2 : at + 4])
        found.append((data[at + 1], data[at : at + 2 + size]))
        at += 2 + size
    return [*found, (0xDA, data[at:])]


def tables(data: bytes) -> bytes:
    """The quantisation and Huffman tables of a JPEG as a stream of their own."""
    return b"\xff\xd8" + b"".join(part for kind, part in segments(data) if kind in (0xDB, 0xC4)) + b"\xff\xd9"


def without_tables(data: bytes) -> bytes:
    """The rest."""
    return b"\xff\xd8" + b"".join(part for kind, part in segments(data) if kind not in (0xDB, 0xC4))


def tiff(pages: Sequence[Page], *, order: Order = "<", big: bool = False) -> bytes:
    """The file with a chain of pages."""
    head = {("<", False): b"II*\0", (">", False): b"MM\0*", ("<", True): b"II+\0", (">", True): b"MM\0+"}[order, big]
    width = 8 if big else 4
    data = bytearray(head + (struct.pack(order + "HH", 8, 0) if big else b"") + b"\0" * width)
    link = len(data) - width
    for one in pages:
        place, end = _append(data, one, order, big=big)
        data[link : link + width] = _packed(order, place, big=big)
        link = end
    return bytes(data)


def link_at(data: bytes, order: Order = "<") -> int:
    """Where the place of the second page stands in a classic TIFF."""
    (first,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[first : first + 2])
    return int(first + 2 + 12 * count)


def _append(data: bytearray, one: Page, order: Order, *, big: bool) -> tuple[int, int]:
    """Write a page; return its place and that of the link behind it."""
    subs = [_append(data, sub, order, big=big)[0] for sub in one.subs]
    places, lengths = [], []
    for tile in one.tiles:
        places.append(len(data))
        lengths.append(len(tile))
        data += tile
    wide = "Q" if big else "I"
    listed: dict[int, Values] = {324: (wide, tuple(places)), 325: ("I", tuple(lengths))} if places else {}
    if subs:
        listed[330] = (wide, tuple(subs))
    entries = b""
    tags = {**listed, **one.tags}
    for tag in sorted(tags):
        code, values = tags[tag]
        packed = struct.pack(f"{order}{len(values)}{code.replace('R', 'I')}", *values)
        width = 8 if big else 4
        if len(packed) > width:
            data += b"\0" * (len(data) % 2)
            packed, place = _packed(order, len(data), big=big), packed
            data += place
        count = len(values) // 2 if code == "R" else len(values)
        entry = struct.pack(order + ("HHQ" if big else "HHI"), tag, CODES[code], count)
        entries += entry + packed.ljust(width, b"\0")
    here = len(data)
    data += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
    end = len(data)
    data += _packed(order, 0, big=big)
    return here, end


def _packed(order: Order, place: int, *, big: bool) -> bytes:
    return struct.pack(order + ("Q" if big else "I"), place)
