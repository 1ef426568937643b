"""What stands beside the values in the bytes of pixels: remarks of compressed pictures, and what follows the last.

Programs put comments and whole blocks of Exif into JPEG files, where no viewer of DICOM shows them.
"""

from __future__ import annotations

import re
import struct

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from edge.deidentify.readable import element_of, told
from edge.errors import ReadError
from edge.read.dicom.syntaxes import syntax_of
from edge.reasons import DAMAGED, UNSUPPORTED_COMPRESSION

SOC, SOI, END = b"\xff\x4f", b"\xff\xd8", b"\xff\xd9"
OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength")

_PIXELS, _UNCODED = 0x7FE00010, (0x7FE00008, 0x7FE00009, 0x7FE00010)
_COLOUR_BOXES = (b"cdef", b"pclr", b"cmap")
_JP2, _SIZED = b"\0\0\0\x0cjP  ", SOC + b"\xff\x51"
_FILL = b"\0\xff"
_MARKER = re.compile(rb"\xff+([\x80-\xcf\xd8-\xfe])")
"""What never stands in coded values: 0 or a restart follows ff there, T.81 B.1.1; in JPEG-LS less than 80, T.87 A.1."""

_EOI, _SCAN, _TILE, _TILE_DATA, _J2K_COMMENT = 0xD9, 0xDA, 0x90, 0x93, 0x64
_TABLES = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), 0xF7, 0xF8})
"""Segments without which a JPEG or JPEG-LS cannot be decoded."""

_TILE_HEAD = 14
_JFIF, _ADOBE, _COLOUR = 0xE0, 0xEE, 0xE8
_NEEDED = {_JFIF: (b"JFIF\0", 14), _ADOBE: (b"Adobe", 12), _COLOUR: (b"mrfx", 5)}
"""Blocks that say how colours are meant, and how long they are at most; T.81, T.86, and HP's of JPEG-LS."""

_RLE_HEAD, _MOST_SEGMENTS, _NO_RUN = 64, 15, 128


def strip_pixels(dataset: Dataset, syntax: str) -> bool:
    """Remove from the pixels what is no picture; in place.

    Parameters
    ----------
    syntax : str
        Transfer syntax UID.

    Returns
    -------
    bool
        Whether anything was removed.

    Raises
    ------
    ReadError
        ``UNSUPPORTED_COMPRESSION``: nobody here knows what else such pixels may hold; ``DAMAGED``: they are no
        compressed picture.
    """
    codec = syntax_of(syntax).codec
    changed = _cut(dataset) if codec == "native" else _coded_anew(dataset, rle=codec == "rle")
    offsets = [keyword for keyword in OFFSETS if keyword in dataset]
    for keyword in offsets:  # of pixels that lie elsewhere now, or never were coded
        delattr(dataset, keyword)
    return changed or bool(offsets)


def _cut(dataset: Dataset) -> bool:
    """Cut what follows the last value."""
    changed = False
    for tag in _UNCODED:
        element, size = element_of(dataset, tag) if tag in dataset else None, _native_bytes(dataset)
        if element is None or not isinstance(element.value, bytes) or not 0 < size + size % 2 < len(element.value):
            continue
        element.value = element.value[:size] + b"\0" * (size % 2)
        changed = True
    return changed


def _coded_anew(dataset: Dataset, *, rle: bool) -> bool:
    """Put together anew what belongs to the frames: no table of offsets and no other fragment is taken over."""
    element = element_of(dataset, _PIXELS) if _PIXELS in dataset else None
    if element is None or not isinstance(element.value, bytes):
        return False
    count = _whole(dataset, "NumberOfFrames") or 1
    frames = list(generate_frames(element.value, number_of_frames=count))[:count]
    if rle:
        size = _whole(dataset, "Rows") * _whole(dataset, "Columns")
        plain = [without_rest(frame, size) for frame in frames]
    elif all(frame.startswith((SOC, SOI, _JP2)) for frame in frames):
        plain = [without_remarks(frame) for frame in frames]
    else:
        raise ReadError("Found something that is no compressed picture among the pixels.", DAMAGED)
    value = encapsulate(plain)
    if value == element.value:
        return False
    element.value = value
    return True


def without_remarks(frame: bytes) -> bytes:
    """Return a JPEG, JPEG-LS or JPEG 2000 codestream without comments, Exif and whatever follows its end.

    Segments are looked at until the first that is malformed, which goes with all that follows. T.81 B.1.1, T.800 A.

    Raises
    ------
    ReadError
        ``UNSUPPORTED_COMPRESSION``: boxes around the codestream say more of its colours than DICOM does; ``DAMAGED``:
        something that belongs to no tile follows one.

    Examples
    --------
    >>> remark, scan = bytes.fromhex("fffe0006") + b"Jane", bytes.fromhex("ffda0002") + b"..."
    >>> without_remarks(SOI + remark + scan + END + b"Doe").hex()
    'ffd8ffda00022e2e2effd9'
    """
    if frame.startswith(_JP2):
        frame = _unboxed(frame)
    if frame.startswith(SOC):
        return _jpeg_2000(frame)
    return _jpeg(frame) if frame.startswith(SOI) else frame.rstrip(_FILL)


def without_rest(frame: bytes, size: int) -> bytes:
    """Return a frame in RLE, PS3.5 G, without what stands between and after the values.

    Parameters
    ----------
    size : int
        Values of each of its segments: rows times columns.

    Raises
    ------
    ReadError
        ``DAMAGED``: its head is none.
    """
    count, *starts = struct.unpack_from("<16I", frame) if len(frame) >= _RLE_HEAD else (0,)
    ends = [*starts[1:count], len(frame)]
    if (
        not size
        or not 0 < count <= _MOST_SEGMENTS
        or not all(_RLE_HEAD <= start <= end <= len(frame) for start, end in zip(starts, ends, strict=False))
    ):
        raise ReadError("Found a frame in RLE whose head does not tell where its segments are.", DAMAGED)
    segments = [_run_lengths(frame[start:end], size) for start, end in zip(starts, ends, strict=False)]
    places, at = [0] * _MOST_SEGMENTS, _RLE_HEAD
    for number, segment in enumerate(segments):
        places[number] = at
        at += len(segment)
    return struct.pack("<16I", count, *places) + b"".join(segments)


def _run_lengths(segment: bytes, size: int) -> bytes:
    """A segment up to its last value, and to an even length."""
    at = done = 0
    while done < size and at < len(segment):
        head = segment[at]
        run = 0 if head == _NO_RUN else head + 1 if head < _NO_RUN else 257 - head
        at += 1 + (run if head < _NO_RUN else head > _NO_RUN)
        done += run
    plain = segment[:at]
    return plain + b"\0" * (len(plain) % 2)


def _jpeg(frame: bytes) -> bytes:
    """The tables and scans, one after the other."""
    kept, at, in_scan = bytearray(SOI), len(SOI), False
    while marker := _MARKER.search(frame, at):
        if in_scan:
            kept += frame[at : marker.start()]
        kind, begin = marker[1][0], marker.end()
        if kind == _EOI:
            return bytes(kept) + END
        length = int.from_bytes(frame[begin : begin + 2], "big")
        if length < 2 or begin + length > len(frame):
            return bytes(kept)
        at, in_scan = begin + length, kind == _SCAN
        if kind in _TABLES or _says_colours(kind, frame[begin + 2 : at]):
            kept += bytes((0xFF, kind)) + frame[begin:at]
    return bytes(kept + frame[at:]) if in_scan else bytes(kept)


def _says_colours(kind: int, content: bytes) -> bool:
    """Whether a block of some program's own is one that is needed."""
    begin, longest = _NEEDED.get(kind, (b"", -1))
    return content.startswith(begin) and len(content) <= longest


def _jpeg_2000(frame: bytes) -> bytes:
    """The main header, tile after tile, and the end. T.800 A.4."""
    kept, at = bytearray(SOC), len(SOC)
    while len(frame) >= at + 4 and frame[at] == 0xFF and frame[at + 1] != _TILE:
        length = 2 + struct.unpack_from(">H", frame, at + 2)[0]
        if frame[at + 1] != _J2K_COMMENT:
            kept += frame[at : at + length]
        at += length
    while len(frame) >= at + _TILE_HEAD and frame[at : at + 2] == bytes((0xFF, _TILE)):
        length = struct.unpack_from(">I", frame, at + 6)[0] or max(frame.rfind(END), at + _TILE_HEAD) - at
        kept += _tile(frame[at : at + max(length, _TILE_HEAD)])
        at += max(length, _TILE_HEAD)
    rest = frame[at:]
    if rest.startswith(END):
        return bytes(kept) + END
    if rest.strip(_FILL):
        raise ReadError("Found a JPEG 2000 codestream with something between its tiles.", DAMAGED)
    return bytes(kept)


def _tile(part: bytes) -> bytes:
    """A part of a tile; comments in its header are made empty at the same length, which others tell."""
    cleared, at = bytearray(part), 12
    while len(part) >= at + 4 and part[at] == 0xFF and part[at + 1] != _TILE_DATA:
        stop = at + 2 + struct.unpack_from(">H", part, at + 2)[0]
        if part[at + 1] == _J2K_COMMENT:
            cleared[at + 6 : stop] = bytes(len(part[at + 6 : stop]))
        at = stop
    return bytes(cleared)


def _unboxed(frame: bytes) -> bytes:
    """The codestream without the boxes around it, which DICOM does not allow and which may hold any words."""
    at = max(frame.find(_SIZED), 0)
    if any(box in frame[:at] for box in _COLOUR_BOXES):
        raise ReadError("Found boxes around a JPEG 2000 codestream that change its colours.", UNSUPPORTED_COMPRESSION)
    return frame[at:]


def _native_bytes(dataset: Dataset) -> int:
    """How many bytes the described values take; 0 where that is not told."""
    rows, columns, samples, bits = (
        _whole(dataset, keyword) for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    )
    values = rows * columns * samples * (_whole(dataset, "NumberOfFrames") if "NumberOfFrames" in dataset else 1)
    if told(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        values = values * 2 // 3
    return (values * bits + 7) // 8


def _whole(dataset: Dataset, keyword: str) -> int:
    """A whole number of the header; 0 where it tells none."""
    text = told(dataset, keyword)
    return int(text) if text.isascii() and text.isdigit() else 0
