"""Stored values -> RGB, 8 bits: palettes and the YBR spaces (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.boundary import guarded
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.tables import LookupTable, lookup_table
from edge.read.dicom.values import element_name, raw
from edge.reasons import BAD_HEADER

PARTIAL_TO_RGB = np.array([[1.1644, 0.0, 1.5960], [1.1644, -0.3917, -0.8129], [1.1644, 2.0173, 0.0]])
"""From YBR_PARTIAL, whose luma runs from 16 to 235 and chroma from 16 to 240 (ITU-R BT.601), to RGB."""


def to_rgb(frame: Array, photometric: str, bits_stored: int) -> Array:
    """Return a colour frame as RGB.

    Parameters
    ----------
    frame : ndarray of unsigned integers, shape (y, x, 3)
    photometric : str
        What its samples are.
    bits_stored : int
        More than 8 are cut to the upper 8.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
    """
    eight = frame if bits_stored <= 8 else frame >> (bits_stored - 8)
    eight = eight.astype(np.uint8, copy=False)
    if photometric in ("YBR_FULL", "YBR_FULL_422"):
        converted: Array = np.asarray(convert_color_space(eight, "YBR_FULL", "RGB"))
        return converted
    if photometric == "YBR_PARTIAL_422":
        return _from_partial(eight)
    return eight


def palette_of(dataset: Dataset, image: PixelDescription, *, little: bool) -> LookupTable:
    """Return the palette of a PALETTE COLOR image, with entries of shape (entry, 3), uint8.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: there is none, or it is malformed.
    """
    if raw(dataset, "SegmentedRedPaletteColorLookupTableData") is not None:
        return _segmented(dataset, image)
    with guarded(f"Reading {element_name('RedPaletteColorLookupTableDescriptor')}", BAD_HEADER):
        red, green, blue = (
            lookup_table(
                raw(dataset, f"{colour}PaletteColorLookupTableDescriptor"),
                raw(dataset, f"{colour}PaletteColorLookupTableData"),
                little=little,
            )
            for colour in ("Red", "Green", "Blue")
        )
        entries = np.stack([red.entries, green.entries, blue.entries], axis=-1)
    return LookupTable(red.first, _eight_bits(entries, red.bits), 8)


def _segmented(dataset: Dataset, image: PixelDescription) -> LookupTable:
    """PS3.3 C.7.9.2, expanded by pydicom, which maps a ramp of all stored values."""
    low, high = image.stored_range or (0, 255)
    with guarded(f"Reading {element_name('SegmentedRedPaletteColorLookupTableData')}", BAD_HEADER):
        ramp = np.arange(low, min(high, low + 65535) + 1, dtype=np.int32)
        entries = np.asarray(apply_color_lut(ramp, dataset))[:, :3]
    return LookupTable(low, _eight_bits(entries, 8 * entries.dtype.itemsize), 8)


def _eight_bits(entries: Array, bits: int) -> Array:
    """The upper 8 of the entries' bits; entries of 8 bits may be found in either half of a word."""
    shift = bits - 8 if bits > 8 else 8 if entries.max(initial=0) > 255 else 0
    upper: Array = (entries >> shift).astype(np.uint8)
    return upper


def _from_partial(frame: Array) -> Array:
    centred = frame.astype(np.float32) - np.array([16, 128, 128], dtype=np.float32)
    mixed: Array = np.clip(np.rint(centred @ PARTIAL_TO_RGB.T.astype(np.float32)), 0, 255).astype(np.uint8)
    return mixed


def require_palette_type(image: PixelDescription) -> None:
    """Refuse a palette of pixels that are wider than any table.

    Raises
    ------
    ReadError
        ``BAD_HEADER``.
    """
    if image.bits_allocated > 16:
        raise ReadError(
            f"Reading {element_name('BitsAllocated')}: found {image.bits_allocated}, expected 8 or 16 with a palette.",
            BAD_HEADER,
        )
