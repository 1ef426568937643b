"""Frames of a large multi-frame file, each found and decoded by itself: never more in memory than one of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.colour import to_rgb
from edge.read.dicom.decode import stored_frames
from edge.read.dicom.header import FileHeader
from edge.reasons import DAMAGED, UNSUPPORTED_COMPRESSION

Places = NDArray[np.int64]

MOST_FRAGMENTS = 1 << 23
"""Of one file."""

_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_HEAD = "<HHL"
_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """The frames of one open file.

    Parameters
    ----------
    file : FileHeader
    stream : BinaryIO
        The file, open.
    starts, ends : ndarray of int64, shape (frame,)
        Where in the file each frame's bytes begin and end; of encapsulated frames with the heads of their items.
    """

    file: FileHeader
    stream: BinaryIO
    starts: Places
    ends: Places

    def decoded(self, index: int) -> Array:
        """Return one frame, shape (rows, columns) or (rows, columns, 3) in RGB: uint8.

        Raises
        ------
        edge.errors.ReadError
            ``DAMAGED``, or ``BAD_HEADER`` where its values do not fit the declared bits.
        """
        found = self._bytes(int(self.starts[index]), int(self.ends[index]))
        pixels = replace(self.file.pixels, start=0)
        if pixels.length is None:
            found = struct.pack(_HEAD, *_ITEM, 0) + found + struct.pack(_HEAD, *_DELIMITER, 0)
        else:
            pixels = replace(pixels, length=len(found))
        image, uid = replace(self.file.image, frames=1), self.file.parsed.transfer_syntax_uid
        ((stored, photometric),) = stored_frames(found, pixels, image, Dataset(), uid)
        return to_rgb(stored, photometric, image.bits_stored) if image.in_colour else stored

    def _bytes(self, start: int, end: int) -> bytes:
        self.stream.seek(start)
        found = self.stream.read(end - start)
        if len(found) != end - start:
            raise ReadError(f"Reading a frame: {len(found)} of {end - start} bytes came.", DAMAGED)
        return found


def frames_of(file: FileHeader, stream: BinaryIO) -> Frames:
    """Return the frames of an open file; none is decoded yet.

    The items of encapsulated pixels are followed one by one (PS3.5 A.4), whatever tables of offsets say; the basic
    one is needed only where a frame has several fragments.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``; ``UNSUPPORTED_COMPRESSION``: a deflated dataset, of which no part can be read by itself.
    """
    size = file.parsed.size
    if size is None:
        raise ReadError(
            "Reading single frames: the dataset is deflated, expected another syntax.", UNSUPPORTED_COMPRESSION
        )
    count, pixels = file.image.frames, file.pixels
    if pixels.length is not None:
        each = file.image.native_bytes // count
        starts = pixels.start + each * np.arange(count, dtype=np.int64)
        return Frames(file=file, stream=stream, starts=starts, ends=starts + each)
    table, fragments, end = _items(stream, pixels.start, size)
    first = fragments if len(fragments) == count else _first_fragments(fragments, table, count)
    return Frames(file=file, stream=stream, starts=first, ends=np.append(first[1:], end))


def _items(stream: BinaryIO, at: int, size: int) -> tuple[NDArray[np.uint32], Places, int]:
    """The basic offset table, where the item of each fragment begins, and where the last one ends."""
    table: NDArray[np.uint32] | None = None
    found: list[int] = []
    while True:
        stream.seek(at)
        tag, length = _head(stream.read(_HEAD_BYTES))
        if tag == _DELIMITER:
            break
        if tag != _ITEM or at + _HEAD_BYTES + length > size or len(found) > MOST_FRAGMENTS:
            raise ReadError("Finding the compressed frames: an item is missing or lies beyond the end.", DAMAGED)
        if table is None:
            table = np.frombuffer(stream.read(length - length % 4), dtype="<u4")
        else:
            found.append(at)
        at += _HEAD_BYTES + length
    return np.zeros(0, np.uint32) if table is None else table, np.array(found, dtype=np.int64), at


def _head(data: bytes) -> tuple[tuple[int, int], int]:
    if len(data) != _HEAD_BYTES:
        raise ReadError("Finding the compressed frames: the file ends within them.", DAMAGED)
    group, element, length = struct.unpack(_HEAD, data)
    return (group, element), length


def _first_fragments(fragments: Places, table: NDArray[Any], count: int) -> Places:
    """Where each frame's first item begins, by the basic offset table, which counts from the first fragment on."""
    if len(table) == count and len(fragments) > count:
        first = fragments[0] + table.astype(np.int64)
        if first[0] == fragments[0] and (np.diff(first) > 0).all() and np.isin(first, fragments).all():
            return np.asarray(first)
    raise ReadError(
        f"Finding the compressed frames: found {len(fragments)} items and {len(table)} offsets for {count} frames.",
        DAMAGED,
    )
