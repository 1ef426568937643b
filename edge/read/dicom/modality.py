"""Stored values -> real units: rescale and modality LUT, per frame (PS3.3 C.11.1 and C.7.6.16.2.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from edge.geometry import Array
from edge.read.dicom.boundary import guarded
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.tables import LookupTable, lookup_table
from edge.read.dicom.values import bad_value, element_name, first_item, number, text
from edge.reasons import BAD_HEADER

OTHER_UNIT = "other"
UNITS = frozenset(
    {"stored value", "unknown", "GY", "RELATIVE"}
    | {"OD", "HU", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}
    | {"CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM", "UMOLML"}
    | {"PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV"}
)
"""What values are said to be in: ours, and the terms of (3004,0002), (0028,1054) and (0054,1001): PS3.3 C.8.8.3.2,
C.11.1.1.2 and C.8.9.1.1.3."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""(0008,0016) begins so for screenshots and scanned paper, in whichever series they are sent."""

INTEGER_TYPES = tuple(np.dtype(name) for name in ("u1", "i1", "u2", "i2", "u4", "i4"))

EXACT = 1 << 53
"""Up to here a double holds every whole number, so the ends of a range can be trusted."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """Output = slope x stored value + intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self.slope == 1.0 and self.intercept == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What turns the stored values of one frame into real ones, and what they then are."""

    rescale: Rescale = Rescale()
    table: LookupTable | None = None
    unit: str = "stored value"

    def output_range(self, stored: tuple[int, int] | None) -> tuple[float, float] | None:
        """Return the least and greatest value that can come out; None for floating point."""
        if self.table is not None:
            return 0.0, float((1 << self.table.bits) - 1)
        if stored is None:
            return None
        ends = [value * self.rescale.slope + self.rescale.intercept for value in stored]
        return min(ends), max(ends)


def transform_of(dataset: Dataset, groups: Sequence[Dataset], image: PixelDescription, *, little: bool) -> Transform:
    """Return the transform of a frame.

    Parameters
    ----------
    dataset : Dataset
        Of the file.
    groups : sequence of Dataset
        The functional groups of the frame, its own before the shared ones; empty for a classic image.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: a slope of zero, or a malformed value or table.
    """
    if image.in_colour:
        return Transform()
    sequence = first_item(dataset, "ModalityLUTSequence")
    if sequence is not None and not image.is_float:
        return Transform(table=_modality_table(sequence, little=little), unit=_named_unit(sequence, "ModalityLUTType"))
    places = [item for group in groups if (item := first_item(group, "PixelValueTransformationSequence")) is not None]
    for place in (*places, dataset):
        rescale = _rescale(place)
        if rescale is not None:
            return Transform(rescale=rescale, unit=_unit(place, dataset, rescale))
    dose = number(dataset, "DoseGridScaling")
    if dose:
        return Transform(rescale=Rescale(dose), unit=_term((text(dataset, "DoseUnits") or "unknown").upper()))
    return Transform(unit=_term(text(dataset, "Units") or "stored value"))


def output_dtype(image: PixelDescription, transforms: Sequence[Transform]) -> np.dtype[np.generic]:
    """Return the smallest type that holds what the transforms give, exactly where integers are enough.

    The stored type where nothing changes; an integer type that spans the possible range where every slope and
    intercept is a whole number; else float32, whose 24 bits of mantissa hold any 16-bit value.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: values could come out that float32 cannot hold.
    """
    if image.in_colour:
        return np.dtype(np.uint8)
    if image.is_float:
        return np.dtype(np.float32)
    if all(one.table is None and one.rescale.is_identity for one in transforms):
        return image.dtype
    ranges = [found for one in transforms if (found := one.output_range(image.stored_range)) is not None]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    if max(-low, high) > np.finfo(np.float32).max:
        raise bad_value("RescaleSlope", "one that takes values out of range", "values that single precision holds")
    if not all(_is_whole(one) for one in transforms):
        return np.dtype(np.float32)
    fitting = (t for t in INTEGER_TYPES if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return next(fitting, np.dtype(np.int64 if max(-low, high) <= EXACT else np.float32))


def apply_transform(stored: Array, transform: Transform, out: Array) -> None:
    """Write the real values of one frame into `out`, which has the type that `output_dtype` gave."""
    if transform.table is not None:
        out[...] = transform.table.look_up(stored)
    elif transform.rescale.is_identity:
        out[...] = stored
    elif out.dtype.kind in "iu":
        slope, intercept = int(transform.rescale.slope), int(transform.rescale.intercept)
        scaled = stored if slope == 1 else np.multiply(stored, slope, dtype=np.int64, casting="unsafe")
        np.add(scaled, intercept, out=out, dtype=np.int64, casting="unsafe")
    else:
        out[...] = stored * np.float64(transform.rescale.slope) + transform.rescale.intercept


def _is_whole(transform: Transform) -> bool:
    return transform.table is not None or (
        transform.rescale.slope.is_integer() and transform.rescale.intercept.is_integer()
    )


def _rescale(place: Dataset) -> Rescale | None:
    slope, intercept = number(place, "RescaleSlope"), number(place, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    if slope == 0:
        raise bad_value("RescaleSlope", "0", "another number")
    return Rescale(1.0 if slope is None else slope, intercept or 0.0)


def _unit(place: Dataset, dataset: Dataset, rescale: Rescale) -> str:
    """(0028,1054) Rescale Type, else (0054,1001) Units, else HU for CT images: C.8.2.1 makes that the default there.

    A type that is expressly unspecified (US) is none, and a screenshot on a CT's console has no Hounsfield units.
    """
    units = text(dataset, "Units")
    named = _named_unit(place, "RescaleType")
    if named != "unknown":
        return named
    if units:
        return _term(units)
    captured = is_captured(dataset)
    if text(dataset, "Modality") == "CT" and not captured and text(place, "RescaleType") is None:
        return "HU"
    return "stored value" if rescale.is_identity else "unknown"


def is_captured(dataset: Dataset) -> bool:
    """Return whether (0008,0016) SOP Class UID is that of a secondary capture, single-frame or multi-frame.

    The classes of visible light (1.2.840.10008.5.1.4.1.1.77.1) only begin with the same digits.
    """
    kind = text(dataset, "SOPClassUID") or ""
    return kind == SECONDARY_CAPTURE or kind.startswith(f"{SECONDARY_CAPTURE}.")


def _named_unit(place: Dataset, keyword: str) -> str:
    """US stands for unspecified, PS3.3 C.11.1.1.2."""
    named = text(place, keyword)
    return "unknown" if named in (None, "US") else _term(named)


def _term(unit: str) -> str:
    """A unit as the standard names it; of any other text, which may name a patient, only that there is one."""
    return unit if unit in UNITS else OTHER_UNIT


def _modality_table(item: Dataset, *, little: bool) -> LookupTable:
    with guarded(f"Reading {element_name('ModalityLUTSequence')}", BAD_HEADER):
        return lookup_table(item.get("LUTDescriptor"), item.get("LUTData"), little=little)
