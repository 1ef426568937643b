"""Picture files made by hand, so that every field of their headers can be chosen."""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

nibabel: Any = importlib.import_module("nibabel")  # half of its functions are typed, so none is taken to be


def phantom(rows: int = 5, columns: int = 7, channels: int = 1, dtype: str = "uint8") -> Pixels:
    """No two pixels alike in any row, column or channel; shape (rows, columns[, channels])."""
    values = np.arange(rows * columns * channels).reshape(rows, columns, channels) * 2 + 3
    return values.astype(dtype)[..., 0] if channels == 1 else values.astype(dtype)


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: Pixels, colour: int, depth: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG of one kind; `extra` chunks stand between header and pixels. Depths below 8 take values as they are."""
    depth = pixels.dtype.itemsize * 8 if depth is None else depth
    rows, columns = pixels.shape[:2]
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    if depth < 8:
        bits = np.unpackbits(pixels[..., None], axis=-1)[..., 8 - depth :].reshape(rows, -1)
        big = np.packbits(bits, axis=-1)
    lines = b"".join(b"\0" + row.tobytes() for row in big)
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + png_end(lines)


def png_end(lines: bytes) -> bytes:
    """The pixels and the closing chunk."""
    return chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def png_bomb(side: int) -> bytes:
    """A small file that declares and really holds a black RGB square."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + side * 3)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg(pixels: Pixels, *, orientation: int | None = None, order: str = "<", **options: int) -> bytes:
    """A JPEG of grey or RGB pixels, with an EXIF block if an orientation is given."""
    flat = [item for name, value in options.items() for item in (getattr(cv2, f"IMWRITE_JPEG_{name}"), value)]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels, flat)
    data = bytes(encoded[1].tobytes())
    if orientation is None:
        return data
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = b"Exif\0\0" + mark + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def tiff(
    pages: Sequence[Pixels], photometric: int, *, order: Literal["<", ">"] = "<", big: bool = False, **tags: Any
) -> bytes:
    """An uncompressed TIFF with one strip per page; `tags`, such as ``t274=6``, are added or replaced."""
    offset, count, width = ("Q", "Q", 8) if big else ("I", "H", 4)
    head = {("<", False): b"II*\0", (">", False): b"MM\0*", ("<", True): b"II+\0", (">", True): b"MM\0+"}[order, big]
    data = bytearray(head + (struct.pack(order + "HH", 8, 0) if big else b"") + b"\0" * width)
    link = len(data) - width
    for pixels in pages:
        strip = len(data)
        data += tags.get("strip") or pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        entries = sorted((_tags(pixels, photometric, strip, len(data) - strip) | _chosen(tags)).items())
        written = [(tag, kind, values, _place(data, order + kind, values, width)) for tag, (kind, values) in entries]
        data[link : link + width] = struct.pack(order + offset, len(data))
        data += struct.pack(order + count, len(written))
        for tag, kind, values, place in written:
            data += struct.pack(order + "HH" + ("Q" if big else "I"), tag, {"H": 3, "I": 4}[kind], len(values)) + place
        link = len(data)
        data += b"\0" * width
    return bytes(data)


def _tags(pixels: Pixels, photometric: int, strip: int, size: int) -> dict[int, tuple[str, tuple[int, ...]]]:
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    shorts = {
        258: (pixels.dtype.itemsize * 8,) * samples,
        259: (1,),
        262: (photometric,),
        277: (samples,),
        284: (1,),
        339: (kind,) * samples,
    }
    longs = {256: (pixels.shape[1],), 257: (pixels.shape[0],), 273: (strip,), 278: (pixels.shape[0],), 279: (size,)}
    return {tag: ("H", values) for tag, values in shorts.items()} | {tag: ("I", v) for tag, v in longs.items()}


def _chosen(tags: dict[str, Any]) -> dict[int, tuple[str, tuple[int, ...]]]:
    chosen = {int(name[1:]): value for name, value in tags.items() if name != "strip"}
    return {tag: ("H", value if isinstance(value, tuple) else (value,)) for tag, value in chosen.items()}


def _place(data: bytearray, code: str, values: Sequence[int], width: int) -> bytes:
    """The values themselves if they fit into an entry, else where they were put."""
    packed = struct.pack(f"{code[0]}{len(values)}{code[1]}", *values)
    if len(packed) <= width:
        return packed.ljust(width, b"\0")
    data += packed
    return struct.pack(code[0] + ("Q" if width == 8 else "I"), len(data) - len(packed))
