"""Dataset -> its stored frames, and how each of them looks: what is searched for text, and what is blanked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.colour import palette_of, require_palette_type, to_rgb
from edge.read.dicom.decode import stored_frames
from edge.read.dicom.description import PALETTE, PixelDescription, describe_pixels
from edge.read.dicom.parse import PIXEL_KEYWORDS, PixelElement
from edge.read.dicom.syntaxes import EXPLICIT_BIG, syntax_of
from edge.read.dicom.tables import LookupTable
from edge.read.dicom.values import numbers
from edge.reasons import DAMAGED

ROBUST_PERCENT = (1.0, 99.0)
EVENED_LIMIT, EVENED_PARTS = 3.0, 8
"""Contrast is evened out in so many parts along each side, up to so many times."""
NARROWER = 0.8
"""The declared window is looked through where it is narrower than this share of the whole range."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredFrame:
    """One decoded frame.

    Parameters
    ----------
    values : ndarray, shape (rows, columns) or (rows, columns, 3)
        Stored values; may be read-only.
    photometric : str
        What they are after decoding.
    beside : bool
        Whether bits that do not belong to the values hold something: an old overlay, PS3.5-2004 8.1.2.
    """

    values: Array
    photometric: str
    beside: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredPixels:
    """The pixels of a dataset, described and not decoded yet."""

    dataset: Dataset
    image: PixelDescription
    element: PixelElement
    transfer_syntax_uid: str
    palette: LookupTable | None

    def frames(self) -> Iterator[StoredFrame]:
        """Decode frame after frame.

        Raises
        ------
        ReadError
            ``DAMAGED``, or ``BAD_HEADER`` where the values do not fit the declared bits.
        """
        image, content = self.image, bytes(self.dataset[self.element.keyword].value)
        whole = self.has_bits_beside()
        asked = replace(image, bits_stored=image.bits_allocated, high_bit=image.bits_allocated - 1) if whole else image
        for decoded, photometric in stored_frames(content, self.element, asked, self.dataset, self.transfer_syntax_uid):
            values = _stored_bits(decoded, image) if whole else decoded
            yield StoredFrame(values=values, photometric=photometric, beside=whole and _is_beside(decoded, image))

    def has_bits_beside(self) -> bool:
        """Return whether the values leave bits free that the coding keeps: the uncompressed one, and RLE."""
        image = self.image
        coded = syntax_of(self.transfer_syntax_uid).codec in ("native", "rle")
        return coded and not image.is_float and image.bits_allocated > 1 and image.bits_stored < image.bits_allocated


def stored_pixels(dataset: Dataset) -> StoredPixels | None:
    """Return the described pixels of a dataset; None where it has none.

    Raises
    ------
    ReadError
        The description is impossible (``BAD_HEADER``), the coding unknown (``UNSUPPORTED_COMPRESSION``), or there are
        fewer bytes than it calls for (``DAMAGED``).
    """
    keyword = next((keyword for keyword in PIXEL_KEYWORDS.values() if keyword in dataset), None)
    if keyword is None:
        return None
    uid = _transfer_syntax(dataset)
    image = describe_pixels(dataset, keyword)
    native = syntax_of(uid).codec == "native"
    held = len(dataset[keyword].value or b"")
    if held < (image.native_bytes if native else 1):
        raise ReadError(f"Reading the pixels: found {held} bytes, expected {image.native_bytes}.", DAMAGED)
    vr = dataset[keyword].VR
    if keyword == "PixelData" and vr not in ("OB", "OW"):
        vr = "OB" if image.bits_allocated <= 8 else "OW"
    palette = None
    if image.photometric == PALETTE:
        require_palette_type(image)
        palette = palette_of(dataset, image, little=uid != EXPLICIT_BIG)
    return StoredPixels(
        dataset=dataset,
        image=image,
        element=PixelElement(keyword=keyword, vr=vr, start=0, length=held if native else None),
        transfer_syntax_uid=uid,
        palette=palette,
    )


def _transfer_syntax(dataset: Dataset) -> str:
    """As declared; a dataset without a file's head is as it was read."""
    declared = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if declared:
        return str(declared)
    if dataset.original_encoding[1] is False:
        return EXPLICIT_BIG
    return str(ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian)


def _stored_bits(decoded: Array, image: PixelDescription) -> Array:
    """The bits from the high bit down, PS3.5 8.1.1, with their sign where there is one."""
    above = image.bits_allocated - 1 - image.high_bit
    return (decoded << above) >> (image.bits_allocated - image.bits_stored)


def _is_beside(decoded: Array, image: PixelDescription) -> bool:
    """Whether the other bits hold more than the sign, which some writers repeat above the value and some do not."""
    plain = decoded.view(f"u{decoded.dtype.itemsize}")
    above = (1 << image.bits_allocated) - (1 << (image.high_bit + 1))
    own = ((1 << image.bits_stored) - 1) << (image.high_bit + 1 - image.bits_stored)
    others = plain & plain.dtype.type((1 << image.bits_allocated) - 1 - own)
    expected = others == 0
    if image.signed:
        expected |= (others == above) & (_stored_bits(decoded, image) < 0)
    return not bool(expected.all())


def renderings(frame: StoredFrame, pixels: StoredPixels) -> Iterator[NDArray[np.uint8]]:
    """Yield how a frame looks, in 8 bits, in ways that show different text.

    The whole range shows text that is brighter than all else. What is faint shows in a window without the extremes,
    evened out (contrast-limited adaptive histogram equalisation, Zuiderveld 1994), and in the window that the file
    itself declares. Colours are shown as they are, and by their least channel, evened out: grey letters stand out
    from coloured flow. A negative is not turned: the detector takes dark text as it takes bright text.

    Yields
    ------
    ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
    """
    image, values = pixels.image, frame.values
    if image.in_colour:
        table = pixels.palette
        colours = to_rgb(values, frame.photometric, image.bits_stored) if table is None else table.look_up(values)
        yield colours
        yield _evened(colours.min(axis=-1))
    else:
        yield from _grey(np.nan_to_num(values, posinf=0.0, neginf=0.0) if image.is_float else values, pixels.dataset)


def _grey(values: Array, dataset: Dataset) -> Iterator[NDArray[np.uint8]]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return
    yield _windowed(values, low, high)
    first, last = (float(value) for value in np.percentile(values, ROBUST_PERCENT))
    robust = _windowed(values, first, last) if first < last else _windowed(values, low, high)
    yield _evened(robust)
    declared = _declared(dataset)
    if declared is not None:
        low, high = max(low, declared[0]), min(high, declared[1])
        if 0 < high - low < NARROWER * (values.max() - values.min()):
            yield _windowed(values, low, high)


def _evened(shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.createCLAHE(EVENED_LIMIT, (EVENED_PARTS, EVENED_PARTS)).apply(shown))


def _declared(dataset: Dataset) -> tuple[float, float] | None:
    """(0028,1050) and (0028,1051), the first pair, in stored values; what is malformed is passed over."""
    try:
        centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
        slopes, intercepts = numbers(dataset, "RescaleSlope", 1), numbers(dataset, "RescaleIntercept", 1)
    except ReadError:
        return None
    if centres is None or widths is None:
        return None
    gain, offset = (slopes or (1.0,))[0] or 1.0, (intercepts or (0.0,))[0]
    low, high = sorted((centres[0] + side * widths[0] / 2 - offset) / gain for side in (-1, 1))
    return low, high


def _windowed(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    shown = (values.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    return np.asarray(np.clip(np.rint(shown), 0, 255), np.uint8)
