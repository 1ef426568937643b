"""The sizes that a compressed frame declares itself, read before any decoder sees it.

A decoder allocates what the codestream asks for, which may be gigabytes in a file of kilobytes, so every frame is
checked against the DICOM header first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from edge.errors import ReadError
from edge.read import jpeg2000
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.syntaxes import Codec
from edge.reasons import DAMAGED

JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""Second bytes of the markers that begin a frame: SOF0 to SOF15 (ISO/IEC 10918-1 B.1.1.3) and SOF55 of JPEG-LS."""

JPEG_LOSSLESS = 0xC3
"""SOF3: no encoder transforms colours there, whatever JFIF says of them, for that would lose."""

JPEG_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, SOI, RST0 to RST7."""

CLOSING = b"\xff\xd9"
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000. The decoders of JPEG and HTJ2K do not miss it: they paint what is missing
in a plausible grey."""

TAIL_BYTES = 64
"""Where the closing marker is looked for: bytes of padding may follow it."""

RLE_HEADER_BYTES = 64
"""PS3.5 G.5: the number of segments and 15 offsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    """What a frame says of itself.

    Parameters
    ----------
    rows, columns, samples, precision : int
    in_rgb : bool or None
        Whether three components are RGB (True) or YCbCr (False); None where the codestream does not tell.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    in_rgb: bool | None = None


def read_codestream(frame: bytes, codec: Codec) -> Codestream:
    """Return what a JPEG, JPEG-LS or JPEG 2000 frame says of itself.

    Raises
    ------
    ReadError
        ``DAMAGED``: it is no such codestream, or is cut short.
    """
    try:
        return _jpeg(frame) if codec in ("jpeg", "jpeg-ls") else _jpeg_2000(frame)
    except (IndexError, struct.error) as error:
        raise ReadError(f"Reading a {codec} frame of {len(frame)} bytes: its header is cut short.", DAMAGED) from error


def check_frame(frame: bytes, codec: Codec, image: PixelDescription) -> None:
    """Refuse a frame whose own sizes are not those of the DICOM header.

    Raises
    ------
    ReadError
        ``DAMAGED``.
    """
    if codec == "rle":
        _check_rle(frame, image)
        return
    found = read_codestream(frame, codec)
    sizes = (found.rows, found.columns, found.samples)
    if sizes != (image.rows, image.columns, image.samples):
        raise ReadError(
            f"Reading a {codec} frame: it declares {sizes[0]} x {sizes[1]} x {sizes[2]}, expected {image.rows} x "
            f"{image.columns} x {image.samples} as in the DICOM header.",
            DAMAGED,
        )
    if CLOSING not in frame[-TAIL_BYTES:]:
        raise ReadError(f"Reading a {codec} frame: it is cut short, its closing marker is missing.", DAMAGED)
    if not 1 <= found.precision <= image.bits_allocated:
        raise ReadError(
            f"Reading a {codec} frame: it has {found.precision} bits, expected at most {image.bits_allocated}, the "
            "bits allocated.",
            DAMAGED,
        )


def _check_rle(frame: bytes, image: PixelDescription) -> None:
    """PS3.5 G.3.1 and G.5: one segment for each byte of each sample, in order, within the frame.

    The decoder does not check the offsets itself: some that point back or outside crash the process.
    """
    expected = image.samples * max(image.bits_allocated // 8, 1)
    found = struct.unpack_from("<L", frame)[0] if len(frame) >= RLE_HEADER_BYTES else 0
    if found != expected:
        raise ReadError(f"Reading an RLE frame: it has {found} segments, expected {expected}.", DAMAGED)
    ends = (*struct.unpack_from(f"<{found}L", frame, 4), len(frame))
    if ends[0] != RLE_HEADER_BYTES or any(after <= before for before, after in pairwise(ends)):
        raise ReadError("Reading an RLE frame: its segments do not lie one after the other.", DAMAGED)


def _jpeg(frame: bytes) -> Codestream:
    at, adobe, jfif = 2, None, False
    if frame[:2] != b"\xff\xd8":
        raise ReadError("Reading a JPEG frame: it does not begin with the marker SOI.", DAMAGED)
    while True:
        if frame[at] != 0xFF:
            raise ReadError(f"Reading a JPEG frame: found no marker at byte {at}.", DAMAGED)
        marker = frame[at + 1]
        if marker == 0xFF:  # fill bytes may stand before any marker, B.1.1.2
            at += 1
            continue
        if marker in JPEG_STANDALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", frame, at + 2)
        body = frame[at + 4 : at + 2 + length]
        if marker in JPEG_FRAMES:
            return _jpeg_frame(body, adobe, jfif=jfif and marker != JPEG_LOSSLESS)
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        jfif = jfif or (marker == 0xE0 and body[:4] == b"JFIF")
        at += 2 + length


def _jpeg_frame(body: bytes, adobe: int | None, *, jfif: bool) -> Codestream:
    """A frame header, and the colours that it and the application markers tell."""
    precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
    components = body[6 : 6 + 3 * samples]
    identifiers, factors = components[::3], components[1::3]
    in_rgb = None
    if identifiers in (b"RGB", b"rgb"):
        in_rgb = True
    elif adobe is not None:
        in_rgb = adobe == 0
    elif jfif or len(set(factors)) > 1:  # no encoder shares samples between neighbours but those of chroma
        in_rgb = False
    return Codestream(rows=rows, columns=columns, samples=samples, precision=precision, in_rgb=in_rgb)


def _jpeg_2000(frame: bytes) -> Codestream:
    """The marker segment SIZ, bare or in the boxes of a JP2 file."""
    told = jpeg2000.inspect(frame)
    return Codestream(rows=told.rows, columns=told.columns, samples=told.samples, precision=told.precision)
