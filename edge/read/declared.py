"""What a picture file declares about itself, known before any of it is decoded."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import Literal

Data = bytes | mmap.mmap
"""A whole file, in memory or mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The size and kind of the pictures in one file.

    Parameters
    ----------
    rows, columns : int
        As stored, before `orientation` is applied.
    channels : int
        As the decoder delivers them, alpha included.
    itemsize : int
        Bytes of one value.
    pages : tuple of int
        The places in the file of the pictures to be read.
    photometric : {"MONOCHROME1", "MONOCHROME2", "RGB"}
        (0028,0004) in DICOM's terms, once alpha is dropped.
    orientation : int
        EXIF and TIFF tag 274, 1 to 8.
    lossy : bool, optional
        True if the file's own compression loses detail; None if that is not known.
    warnings : tuple of str
        What a clinician should know about the way in which the file is read.
    """

    rows: int
    columns: int
    channels: int
    itemsize: int
    pages: tuple[int, ...] = (0,)
    photometric: Literal["MONOCHROME1", "MONOCHROME2", "RGB"]
    orientation: int = 1
    lossy: bool | None = None
    warnings: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Memory that the decoded pictures take."""
        return len(self.pages) * self.rows * self.columns * self.channels * self.itemsize


def exif_orientation(exif: bytes) -> int:
    """Return tag 274 of an EXIF block (CIPA DC-008 4.6.4), 1 where it is absent or the block is unreadable."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (at,) = struct.unpack(order + "I", exif[4:8])
        (count,) = struct.unpack(order + "H", exif[at : at + 2])
        for index in range(count):
            tag, kind, _, value = struct.unpack(order + "HHIH2x", exif[at + 2 + 12 * index :][:12])
            if tag == 274 and kind == 3:
                return int(value) if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        return 1
    return 1


def turned_words(orientation: int) -> tuple[str, ...]:
    """Return the warning that a picture is turned, none where it is not."""
    return (f"It was turned upright as its orientation tag ({orientation}) says.",) if orientation != 1 else ()
