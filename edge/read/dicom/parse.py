"""Bytes -> dataset: the header of a file, and the place of its pixels, with no pixel read."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset

from edge.errors import ReadError
from edge.read.dicom.boundary import guarded
from edge.read.dicom.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from edge.reasons import BAD_HEADER, DAMAGED, NOT_READABLE, TOO_LARGE

PIXEL_KEYWORDS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
"""The elements that can hold pixels, PS3.3 C.7.6.3, C.7.6.24 and C.7.6.25."""

UNDEFINED = 0xFFFFFFFF
"""The length of an element that ends with a delimiter, PS3.5 7.1.1."""

HEADER_ELEMENT_BYTES = 1 << 20
"""A single element of the header larger than this is passed over: none that is needed comes near it."""

DEFLATED_HEADER_BYTES = 16 << 20
"""How much of a deflated dataset is inflated to read its header: far more than any header, far less than a bomb."""

SLACK_BYTES = 64 << 20
"""How much larger than its pixels a file may be: private elements, overlays, icons."""

LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"SQ", b"UC", b"UR", b"UT")


Stamp = tuple[int, int, int]
"""Number on the disk, time of the last change in ns, and bytes of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the pixels of a file are.

    Parameters
    ----------
    keyword : {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}
    vr : str
        Its value representation; ``OW`` in implicit syntaxes.
    start : int
        Offset of the value in the content of the file.
    length : int or None
        In bytes; None where the value is encapsulated and ends with a delimiter.
    """

    keyword: str
    vr: str
    start: int
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The header of one file.

    Parameters
    ----------
    dataset : FileDataset
        Everything before the pixels.
    transfer_syntax_uid : str
        As declared; where it is missing, the uncompressed one that the bytes are written in.
    declared : bool
        Whether the transfer syntax is declared.
    pixels : PixelElement, optional
        None where the file has none.
    size : int or None
        Bytes of the content; None where only its beginning is known (a deflated file).
    cut : bool
        Whether the file ends within an element.
    stamp : tuple of int
        Tells this state of the file from another.
    """

    dataset: FileDataset
    transfer_syntax_uid: str
    declared: bool
    pixels: PixelElement | None
    size: int | None
    cut: bool
    stamp: Stamp

    @property
    def little_endian(self) -> bool:
        """Whether the dataset is little endian."""
        return self.transfer_syntax_uid != EXPLICIT_BIG


class _Clipped(io.BufferedReader):
    """A file whose reads never ask for more than is left, as a malformed length would: Python allocates that first."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most what is left of the file."""
        if size is None or size <= io.DEFAULT_BUFFER_SIZE:
            return super().read(size)
        return super().read(max(0, min(size, os.fstat(self.fileno()).st_size - self.tell())))


def parse_file(path: str, tags: list[int] | None = None) -> Parsed:
    """Read the header of the file at `path`.

    Parameters
    ----------
    tags : list of int, optional
        Only these elements are kept, which is faster.

    Raises
    ------
    ReadError
        ``NOT_READABLE`` or ``DAMAGED``.
    """
    with guarded("Opening the file", NOT_READABLE), _Clipped(io.FileIO(path)) as file:
        stamp = _stamp(file)
        start = deflated_start(file.read(4096))
        if start is not None:
            file.seek(start)
            inflated, whole = _inflate(file.read(DEFLATED_HEADER_BYTES), DEFLATED_HEADER_BYTES)
            begin = _PLAIN_META + inflated
            return _parse(io.BytesIO(begin), tags, len(begin) if whole else None, stamp)
        file.seek(0)
        return _parse(file, tags, stamp[2], stamp)


def content(path: str, limit_bytes: int, stamp: Stamp) -> tuple[bytes, bytes]:
    """Return the bytes of a file, and its content: the same, or inflated where the transfer syntax is deflated.

    Parameters
    ----------
    stamp : tuple of int
        Of the file when its header was parsed.

    Raises
    ------
    ReadError
        ``NOT_READABLE``; ``TOO_LARGE`` where either needs more than `limit_bytes` and some slack; ``DAMAGED`` where it
        does not inflate, or the file is another one by now.
    """
    bound = limit_bytes + SLACK_BYTES
    with guarded("Reading the file", NOT_READABLE), Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > bound:
            raise ReadError(f"Reading the file: it has {size} bytes, expected at most {bound}.", TOO_LARGE)
        data = file.read(size)
        if stamp != _stamp(file) or len(data) != size:
            raise ReadError("Reading the file: it changed while it was read.", DAMAGED)
    start = deflated_start(data[:4096])
    if start is None:
        return data, data
    inflated, whole = _inflate(data[start:], bound)
    if not whole:
        raise ReadError(
            f"Inflating the dataset: its {len(data)} bytes become more than {bound}, or end too early.",
            TOO_LARGE if len(inflated) >= bound else DAMAGED,
        )
    return data, _PLAIN_META + inflated


def _stamp(file: BinaryIO) -> Stamp:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_mtime_ns, status.st_size


def deflated_start(head: bytes) -> int | None:
    """Return where the deflated dataset begins in a file that begins with `head`; None where it is not deflated."""
    at = 132 if head[128:132] == b"DICM" else 0
    syntax = ""
    while head[at : at + 2] == b"\x02\x00" and len(head) >= at + 12:
        vr = head[at + 4 : at + 6]
        begin, form = (at + 12, "<L") if vr in LONG_VRS else (at + 8, "<H")
        (length,) = struct.unpack_from(form, head, begin - struct.calcsize(form))
        if head[at : at + 4] == b"\x02\x00\x10\x00":
            syntax = head[begin : begin + length].decode("ascii", "replace").strip("\0 ")
        at = begin + length
    return at if syntax == DEFLATED else None


def _plain_meta() -> bytes:
    """Preamble and file meta that say Explicit VR Little Endian, to stand before an inflated dataset."""
    uid = EXPLICIT_LITTLE.encode() + b"\0"
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(element)) + element


_PLAIN_META = _plain_meta()


def _inflate(deflated: bytes, limit: int) -> tuple[bytes, bool]:
    """At most `limit` inflated bytes, and whether that was all; raw deflate, PS3.5 A.5."""
    with guarded("Inflating the dataset", DAMAGED):
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = inflater.decompress(deflated, limit)
        return inflated, inflater.eof


def _parse(file: BinaryIO, tags: list[int] | None, size: int | None, stamp: Stamp) -> Parsed:
    with guarded("Reading the header", DAMAGED):
        dataset = dcmread(
            file, stop_before_pixels=True, force=True, specific_tags=tags, defer_size=HEADER_ELEMENT_BYTES
        )
        end = file.tell()
        implicit, little = _written_as(dataset)
        pixels = _pixel_element(file, implicit=implicit, little=little)
        uid = _declared_syntax(dataset)
    found = IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE if little else EXPLICIT_BIG
    cut = size is not None and pixels is None and (end > size or _ends_short(dataset))
    return Parsed(
        dataset=dataset,
        transfer_syntax_uid=uid or found,
        declared=bool(uid),
        pixels=pixels,
        size=size,
        cut=cut,
        stamp=stamp,
    )


def _written_as(dataset: FileDataset) -> tuple[bool, bool]:
    """Whether the elements have implicit VR and are little endian, as found, which may not be as declared."""
    for element in dataset.elements():
        if isinstance(element, RawDataElement):
            return element.is_implicit_VR, element.is_little_endian
    implicit, little = dataset.original_encoding
    return bool(implicit), little is not False


def _declared_syntax(dataset: FileDataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID") or "") if meta is not None else ""


def _ends_short(dataset: FileDataset) -> bool:
    """Whether any element has fewer bytes than it declares, as the last one before the end of a cut file has."""
    return any(
        isinstance(element, RawDataElement)
        and element.length != UNDEFINED
        and element.value is not None
        and len(element.value) < element.length
        for element in dataset.elements()
    )


def _pixel_element(file: BinaryIO, *, implicit: bool, little: bool) -> PixelElement | None:
    """The element that pydicom stopped at, PS3.5 7.1."""
    order = "<" if little else ">"
    start = file.tell()
    head = file.read(12)
    if len(head) < 8:
        return None
    group, element = struct.unpack_from(f"{order}HH", head)
    keyword = PIXEL_KEYWORDS.get(group << 16 | element)
    if keyword is None:
        return None
    vr = head[4:6]
    if not implicit and vr in LONG_VRS and len(head) == 12:
        (length,) = struct.unpack_from(f"{order}L", head, 8)
        start += 12
    elif implicit or not vr.isalpha():
        (length,) = struct.unpack_from(f"{order}L", head, 4)
        start, vr = start + 8, b"OW"
    else:
        raise ReadError(f"Reading {keyword}: its value representation cannot hold pixels.", BAD_HEADER)
    return PixelElement(
        keyword=keyword, vr=vr.decode("ascii"), start=start, length=None if length == UNDEFINED else length
    )
