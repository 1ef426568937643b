"""The directories of a TIFF or BigTIFF, read from the file piece by piece; every length is checked before it is used.

TIFF 6.0 section 2, Adobe TIFF Technical Note 1 (SubIFDs), and the BigTIFF design of Aware Systems. Nothing here
takes more memory than the limits below allow, whatever the file says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.reasons import BAD_HEADER, DAMAGED

DIRECTORIES = 1024
"""More than any slide has: levels, focal planes, a label, a thumbnail."""

ENTRIES = 4096
"""More than there are tags in one directory; classic TIFF could say 65535."""

SUB_DIRECTORIES = 330

_TYPES: Mapping[int, str] = {1: "u1", 3: "u2", 4: "u4", 7: "u1", 13: "u4", 16: "u8", 18: "u8"}
"""The types of whole numbers, and of bytes: TIFF 6.0 section 2, IFD (13), LONG8 (16) and IFD8 (18)."""

_RATIONAL = 5
_RATIONAL_BYTES = 8


@dataclass(frozen=True, slots=True)
class TiffFile:
    """An open TIFF: how it writes numbers, and its bytes."""

    stream: BinaryIO
    size: int
    order: str
    big: bool

    def bytes_at(self, place: int, size: int) -> bytes:
        """Return `size` bytes from `place` on.

        Raises
        ------
        edge.errors.ReadError
            ``DAMAGED``: they lie beyond the end of the file.
        """
        if place < 0 or size < 0 or place + size > self.size:
            raise ReadError(f"It points to {size} bytes at {place}, but has {self.size}.", DAMAGED)
        self.stream.seek(place)
        found = self.stream.read(size)
        if len(found) != size:
            raise ReadError(f"It was cut short while it was read: {len(found)} of {size} bytes came.", DAMAGED)
        return found

    def whole_at(self, place: int, kind: str) -> int:
        """Return one whole number of the `struct` type `kind`."""
        code = self.order + kind
        (value,) = struct.unpack(code, self.bytes_at(place, struct.calcsize(code)))
        return int(value)

    @property
    def offset(self) -> str:
        """The `struct` type of a place in the file."""
        return "Q" if self.big else "I"


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a directory: its type, how many values it has, and where in the file they stand."""

    kind: int
    count: int
    place: int


Directory = Mapping[int, Field]


def tiff_file(stream: BinaryIO) -> TiffFile:
    """Return the TIFF in an open file.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: it does not begin as a TIFF.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack(f"{order}H", head[2:4])[0] if order is not None and len(head) == 8 else 0
    if order is None or version not in (42, 43):
        raise ReadError("It does not begin as a TIFF.", DAMAGED)
    big = version == 43
    if big and head[4:8] != struct.pack(f"{order}HH", 8, 0):
        raise ReadError("It begins as a BigTIFF with places of other than 8 bytes.", DAMAGED)
    return TiffFile(stream, size, order, big)


def directories(file: TiffFile) -> list[Directory]:
    """Return the chain of directories, in the file's order.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: a directory lies beyond the end, or they form a loop or are beyond number.
    """
    found: list[Directory] = []
    seen: set[int] = set()
    place = file.whole_at(8 if file.big else 4, file.offset)
    while place:
        if place in seen or len(found) >= DIRECTORIES:
            raise ReadError("Its directories form a loop or are beyond number.", DAMAGED)
        seen.add(place)
        directory, after = directory_at(file, place)
        found.append(directory)
        place = file.whole_at(after, file.offset)
    return found


def sub_directories(file: TiffFile, parent: Directory) -> list[Directory]:
    """Return the directories that tag 330 of `parent` points to; what they chain to is not followed."""
    if SUB_DIRECTORIES not in parent:
        return []
    places = numbers(file, parent, SUB_DIRECTORIES, most=DIRECTORIES)
    return [directory_at(file, int(place))[0] for place in places]


def directory_at(file: TiffFile, place: int) -> tuple[Directory, int]:
    """Return the directory at `place`, and where the place of the next one stands."""
    start = place + (8 if file.big else 2)
    count = file.whole_at(place, "Q" if file.big else "H")
    if not 0 < count <= ENTRIES:
        raise ReadError(f"A directory has {count} entries, expected 1 to {ENTRIES}.", DAMAGED)
    code = file.order + ("HHQ8s" if file.big else "HHI4s")
    size = struct.calcsize(code)
    block = file.bytes_at(start, count * size)
    found: dict[int, Field] = {}
    for index, (tag, kind, values, _) in enumerate(struct.iter_unpack(code, block)):
        if tag in found:
            raise ReadError(f"A directory has tag {tag} twice.", DAMAGED)
        found[tag] = _field(file, kind, values, start + (index + 1) * size - (8 if file.big else 4))
    return found, start + count * size


def _field(file: TiffFile, kind: int, count: int, inline: int) -> Field:
    """An entry whose values stand in itself if there is room, else where it points to."""
    width = np.dtype(_TYPES[kind]).itemsize if kind in _TYPES else _RATIONAL_BYTES * (kind == _RATIONAL)
    fits = count * width <= (8 if file.big else 4)
    return Field(kind, count, inline if fits else file.whole_at(inline, file.offset))


def numbers(file: TiffFile, directory: Directory, tag: int, *, most: int) -> NDArray[np.uint64]:
    """Return the values of a tag, shape (count,).

    Parameters
    ----------
    most : int
        How many values there may be.

    Raises
    ------
    edge.errors.ReadError
        ``BAD_HEADER``: the tag is missing, holds no whole numbers, or none or too many of them. ``DAMAGED``: they lie
        beyond the end of the file.
    """
    field = directory.get(tag)
    if field is None or field.kind not in _TYPES or not 1 <= field.count <= most:
        found = "nothing" if field is None else f"{field.count} values of type {field.kind}"
        raise ReadError(f"Reading tag {tag}: found {found}, expected 1 to {most} whole numbers.", BAD_HEADER)
    dtype = np.dtype(_TYPES[field.kind]).newbyteorder(file.order)  # type: ignore[arg-type]
    raw = file.bytes_at(field.place, field.count * dtype.itemsize)
    return np.frombuffer(raw, dtype=dtype).astype(np.uint64)


def number(file: TiffFile, directory: Directory, tag: int, default: int | None = None) -> int:
    """Return the only value of a tag, or `default` where the tag is absent and a default is given.

    Raises
    ------
    edge.errors.ReadError
        As for `numbers`.
    """
    if default is not None and tag not in directory:
        return default
    return int(numbers(file, directory, tag, most=1)[0])


def rational(file: TiffFile, directory: Directory, tag: int) -> float | None:
    """Return the only value of a tag that holds a RATIONAL; None where it is absent, of another kind, or divides by 0.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``: it lies beyond the end of the file.
    """
    field = directory.get(tag)
    if field is None or (field.kind, field.count) != (_RATIONAL, 1):
        return None
    above, below = file.whole_at(field.place, "I"), file.whole_at(field.place + 4, "I")
    return above / below if below else None
