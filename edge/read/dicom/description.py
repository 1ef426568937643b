"""Group 0028 -> `PixelDescription`: the declared sizes and types of a file's pixels, checked before any decoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.read.dicom.parse import Parsed, PixelElement
from edge.read.dicom.syntaxes import Syntax
from edge.read.dicom.values import bad_value, element_name, text, whole
from edge.reasons import BAD_HEADER, DAMAGED, UNSUPPORTED_COMPRESSION

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
SAMPLES = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3,
}  # fmt: skip
"""(0028,0004) Photometric Interpretation -> (0028,0002) Samples per Pixel, PS3.3 C.7.6.3.1.2."""

FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}

FRAGMENT_BYTES = 8
"""Tag and length of an item: the least that one encapsulated frame takes, PS3.5 A.4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDescription:
    """What group 0028 declares, in the standard's words. Frames is 1 where (0028,0008) is absent."""

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar_configuration: int
    is_float: bool

    @property
    def in_colour(self) -> bool:
        """Whether the decoded pixels have three channels."""
        return self.samples == 3 or self.photometric == PALETTE

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the stored values, in native byte order."""
        return np.dtype(_dtype_name(self))

    @property
    def stored_range(self) -> tuple[int, int] | None:
        """Least and greatest stored value that the bits can express; None for floating point."""
        if self.is_float:
            return None
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    @property
    def frame_values(self) -> int:
        """Number of values in one decoded frame."""
        return self.rows * self.columns * (3 if self.in_colour else 1)

    @property
    def native_bytes(self) -> int:
        """Bytes that all frames take uncompressed, PS3.5 8.1.1; 4:2:2 shares a pair of samples between two pixels."""
        values = self.rows * self.columns * self.samples * self.frames
        if self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
            values = values // 3 * 2
        return -(-values // 8) if self.bits_allocated == 1 else values * self.bits_allocated // 8


def _dtype_name(image: PixelDescription) -> DTypeLike:
    if image.is_float:
        return f"f{image.bits_allocated // 8}"
    return f"{'i' if image.signed else 'u'}{max(image.bits_allocated // 8, 1)}"


def describe_pixels(dataset: Dataset, keyword: str) -> PixelDescription:
    """Return the checked description of the pixels held by the element `keyword`.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: an element is missing, or its value impossible.
    """
    is_float = keyword in FLOATS
    allocated = _needed(dataset, "BitsAllocated")
    if allocated not in ((FLOATS[keyword],) if is_float else (1, 8, 16, 32)):
        raise bad_value("BitsAllocated", f"{allocated}", "1, 8, 16 or 32, or the width of the floating point values")
    stored = allocated if is_float else _needed(dataset, "BitsStored")
    if not 1 <= stored <= allocated:
        raise bad_value("BitsStored", f"{stored}", f"1 to {allocated}, the bits allocated")
    photometric = _photometric(dataset)
    samples = _needed(dataset, "SamplesPerPixel")
    if samples != SAMPLES[photometric] or (is_float and samples != 1):
        raise bad_value("SamplesPerPixel", f"{samples}", f"{SAMPLES[photometric]} for {photometric}")
    return PixelDescription(
        rows=_size(dataset, "Rows"),
        columns=_size(dataset, "Columns"),
        samples=samples,
        frames=_frames(dataset),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=_high_bit(dataset, allocated, stored),
        signed=False if is_float else _flag(dataset, "PixelRepresentation"),
        photometric=photometric,
        planar_configuration=int(samples == 3 and _flag(dataset, "PlanarConfiguration", default=0)),
        is_float=is_float,
    )


def check_room(image: PixelDescription, parsed: Parsed, pixels: PixelElement, syntax: Syntax) -> None:
    """Refuse a file that cannot hold the pixels which it declares.

    Raises
    ------
    ReadError
        ``DAMAGED``: there are fewer bytes than the sizes call for. ``BAD_HEADER`` or ``UNSUPPORTED_COMPRESSION``: the
        pixels are not coded as (0002,0010) Transfer Syntax UID says.
    """
    room = None if parsed.size is None else parsed.size - pixels.start
    if syntax.codec == "native":
        _check_native(image, parsed, pixels, room)
    elif pixels.length is not None:
        raise ReadError(
            f"Reading the pixels: they are not encapsulated, expected so for {syntax.name} (PS3.5 A.4).", DAMAGED
        )
    elif room is not None and image.frames * FRAGMENT_BYTES > room:
        raise ReadError(
            f"Reading the pixels: {image.frames} frames are declared in {room} bytes, expected at least "
            f"{FRAGMENT_BYTES} bytes for each.",
            DAMAGED,
        )


def _check_native(image: PixelDescription, parsed: Parsed, pixels: PixelElement, room: int | None) -> None:
    if pixels.length is None:
        missing = "" if parsed.declared else ", and no transfer syntax is declared"
        raise ReadError(
            f"Reading the pixels: they are compressed{missing}, expected uncompressed ones.",
            BAD_HEADER if parsed.declared else UNSUPPORTED_COMPRESSION,
        )
    if pixels.length < image.native_bytes:
        raise ReadError(
            f"Reading the pixels: found {pixels.length} bytes, expected {image.native_bytes} for {image.frames} "
            f"frames of {image.rows} x {image.columns} x {image.samples} with {image.bits_allocated} bits.",
            DAMAGED,
        )
    if room is not None and room < image.native_bytes:
        raise ReadError(
            f"Reading the pixels: the file ends after {max(room, 0)} of {image.native_bytes} bytes.", DAMAGED
        )


def _needed(dataset: Dataset, keyword: str) -> int:
    value = whole(dataset, keyword)
    if value is None:
        raise ReadError(f"Reading {element_name(keyword)}: it is missing, expected a value.", BAD_HEADER)
    return value


def _size(dataset: Dataset, keyword: str) -> int:
    value = _needed(dataset, keyword)
    if not 1 <= value <= 65535:
        raise bad_value(keyword, f"{value}", "1 to 65535")
    return value


def _flag(dataset: Dataset, keyword: str, default: int | None = None) -> bool:
    value = _needed(dataset, keyword) if default is None else whole(dataset, keyword)
    if value is None:
        value = default
    if value not in (0, 1):
        raise bad_value(keyword, f"{value}", "0 or 1")
    return value == 1


def _frames(dataset: Dataset) -> int:
    frames = whole(dataset, "NumberOfFrames")
    if frames is not None and frames < 0:
        raise bad_value("NumberOfFrames", f"{frames}", "1 or more")
    return frames or 1


def _high_bit(dataset: Dataset, allocated: int, stored: int) -> int:
    """(0028,0102), which must be one less than the bits stored, but once needed not be (PS3.5-2013 8.1.1)."""
    high = whole(dataset, "HighBit")
    if high is None:
        return stored - 1
    if not stored - 1 <= high < allocated:
        raise bad_value("HighBit", f"{high}", f"{stored - 1}, one less than the bits stored")
    return high


def _photometric(dataset: Dataset) -> str:
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric not in SAMPLES:
        raise bad_value("PhotometricInterpretation", "none, or an unknown one", f"one of {', '.join(SAMPLES)}")
    return photometric
