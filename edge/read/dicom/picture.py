"""Header -> the grid of pictures that are not located in the patient: their spacing, or honestly none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.place import Vector
from edge.read.dicom.values import element_name, items, number, numbers, text, texts, whole

Pair = tuple[float, float]
Box = tuple[int, int, int, int]

AGREE = 1e-3
"""Relative difference below which two spacings say the same."""

CENTIMETRES = 3
"""(0018,6024) and (0018,6026) Physical Units X and Y Direction, PS3.3 C.8.5.5.1.15."""

TISSUE_2D = 1
"""(0018,6012) Region Spatial Format, PS3.3 C.8.5.5.1.1."""


def picture_grid(dataset: Dataset, image: PixelDescription, spacing: Vector | None) -> tuple[Grid, list[str]]:
    """Return the grid of one or more loose pictures, and what is to be known about it.

    Parameters
    ----------
    spacing : tuple of 2 float, optional
        (0028,0030) Pixel Spacing, of the file or its frames.

    Notes
    -----
    PS3.3 10.7.1.3: Pixel Spacing of a projection is calibrated, or equal to (0018,1164) Imager Pixel Spacing, which is
    measured at the detector; (0018,2010) Nominal Scanned Pixel Spacing is that of a film or paper. Nothing is invented.
    """
    chosen, warnings = _chosen_spacing(dataset, spacing)
    warnings += _as_it_looks(dataset, sized=chosen is not None)
    grid = Grid.of_picture(image.rows, image.columns, chosen)
    return (Grid.of((image.frames, *grid.shape[1:]), grid.matrix, grid.space), warnings)


def _as_it_looks(dataset: Dataset, *, sized: bool) -> list[str]:
    """What would make the picture look other than a reader expects."""
    warnings = []
    ratio = _lenient(dataset, "PixelAspectRatio")
    if not sized and ratio is not None and min(ratio) > 0 and abs(ratio[0] / ratio[1] - 1) > AGREE:
        warnings.append(f"its pixels are not square, as {element_name('PixelAspectRatio')} says: shapes are distorted")
    rows, columns = (one[:1] for one in (*texts(dataset, "PatientOrientation"), "", "")[:2])
    if rows in ("L", "R") and columns in ("F", "H") and (rows, columns) != ("L", "F"):
        warnings.append(
            f"it is mirrored or turned, as {element_name('PatientOrientation')} says: the patient's left is not on the "
            "right, or the head is not at the top"
        )
    return warnings


def _chosen_spacing(dataset: Dataset, given: Vector | None) -> tuple[Pair | None, list[str]]:
    warnings: list[str] = []
    pixel = _positive("PixelSpacing", given, warnings)
    imager = _positive("ImagerPixelSpacing", _lenient(dataset, "ImagerPixelSpacing"), warnings)
    if pixel is not None:
        if imager is not None and not np.allclose(pixel, imager, rtol=AGREE):
            kind = text(dataset, "PixelSpacingCalibrationType")
            how = f"calibrated by {kind.lower()}" if kind in ("GEOMETRY", "FIDUCIAL") else "calibration not described"
            warnings.append(
                f"sizes follow {element_name('PixelSpacing')}, which differs from {element_name('ImagerPixelSpacing')} "
                f"({how})"
            )
        return pixel, warnings
    if imager is not None:
        return imager, [*warnings, _at_detector(dataset)]
    region = _ultrasound_spacing(dataset)
    if region is not None:
        return region, warnings
    nominal = _positive("NominalScannedPixelSpacing", _lenient(dataset, "NominalScannedPixelSpacing"), warnings)
    if nominal is not None:
        warnings.append(
            f"sizes follow {element_name('NominalScannedPixelSpacing')}: those on the scanned film or paper"
        )
    return nominal, warnings


def _at_detector(dataset: Dataset) -> str:
    try:
        factor = number(dataset, "EstimatedRadiographicMagnificationFactor")
    except ReadError:
        factor = None
    magnified = "" if factor is None else f"; the file estimates a magnification of {factor:g}"
    return f"sizes follow {element_name('ImagerPixelSpacing')}: those at the detector, not in the patient{magnified}"


def _lenient(dataset: Dataset, keyword: str) -> Vector | None:
    """The two numbers; (0, 0) where they are malformed."""
    try:
        return numbers(dataset, keyword, 2)
    except ReadError:
        return (0.0, 0.0)


def _positive(keyword: str, found: Vector | None, warnings: list[str]) -> Pair | None:
    if found is None:
        return None
    if min(found) <= 0:
        warnings.append(f"{element_name(keyword)} is not used: it is malformed or not positive")
        return None
    return found[0], found[1]


def _ultrasound_spacing(dataset: Dataset) -> Pair | None:
    """From (0018,6011) Sequence of Ultrasound Regions, where it is a single 2-D one measured in centimetres."""
    try:
        regions = items(dataset, "SequenceOfUltrasoundRegions")
        if len(regions) != 1 or not _is_tissue(regions[0]):
            return None
        dy, dx = number(regions[0], "PhysicalDeltaY"), number(regions[0], "PhysicalDeltaX")
    except ReadError:
        return None
    return (abs(dy) * 10.0, abs(dx) * 10.0) if dy and dx else None


def tissue_regions(datasets: Sequence[Dataset], image: PixelDescription) -> tuple[Box, ...]:
    """Return where (0018,6011) Sequence of Ultrasound Regions says that 2-D tissue is shown.

    Parameters
    ----------
    datasets : sequence of Dataset
        The headers of a scan's files.

    Returns
    -------
    tuple of (int, int, int, int)
        First row, first column, last row, last column, all included (PS3.3 C.8.5.5.1.2 and on), cut to the picture;
        empty where there are none, one is malformed, or the files differ.
    """
    try:
        found = {tuple(_box(item, image) for item in _tissue_items(dataset)) for dataset in datasets}
    except ReadError:
        return ()
    boxes = found.pop() if len(found) == 1 else ()
    return () if None in boxes else tuple(box for box in boxes if box is not None)


def _tissue_items(dataset: Dataset) -> list[Dataset]:
    regions = items(dataset, "SequenceOfUltrasoundRegions")
    return [region for region in regions if whole(region, "RegionSpatialFormat") == TISSUE_2D]


def _box(region: Dataset, image: PixelDescription) -> Box | None:
    """(0018,6018) to (0018,601E), None where a corner is missing or they enclose nothing of the picture."""
    corners = [whole(region, f"RegionLocation{corner}") for corner in ("MinY0", "MinX0", "MaxY1", "MaxX1")]
    if None in corners:
        return None
    top, left, bottom, right = (corner or 0 for corner in corners)
    bottom, right = min(bottom, image.rows - 1), min(right, image.columns - 1)
    return (top, left, bottom, right) if 0 <= top < bottom and 0 <= left < right else None


def _is_tissue(region: Dataset) -> bool:
    units: tuple[Literal["PhysicalUnitsXDirection", "PhysicalUnitsYDirection"], ...] = (
        "PhysicalUnitsXDirection",
        "PhysicalUnitsYDirection",
    )
    return whole(region, "RegionSpatialFormat") == TISSUE_2D and all(whole(region, u) == CENTIMETRES for u in units)
