"""Places -> order and affine: slices sorted along their normal, and every way in which they are no volume named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.read.dicom.place import Place, Vector
from edge.reasons import (
    BAD_HEADER,
    DUPLICATE_SLICES,
    MISSING_SLICES,
    MIXED_ORIENTATION,
    MIXED_PICTURES,
    NO_POSITION,
    TILTED,
    UNEVEN_SPACING,
)

Floats = NDArray[np.float64]

COSINE = 1e-3
"""How far direction cosines may differ, or miss being unit and perpendicular: they are often written with three or four
decimals, and 1e-3 moves the far edge of a 250 mm slice by a quarter of a millimetre. Real changes of direction are
degrees, more than ten times as much."""

SPACING = 1e-4
"""Relative difference below which two pixel spacings are the same: a 512th of it is a twentieth of a pixel."""

SAME_PLACE = 0.01
"""Pixels: slices nearer to each other than this lie at the same place."""

OFF_GRID = 0.15
"""Slices: how far from its place in the best even stack a slice may lie. Positions are often rounded to 0.1 mm, which
is up to a tenth of a thin slice, and this is far below what partial volume blurs; a missing slice is at least 0.2."""

NEAR_MULTIPLE = 0.25
"""Slices: how near to a whole number of usual gaps a gap must be to be called missing slices, not unevenness."""

SHEAR = 0.5
"""Pixels: how far the slices of a stack may be shifted against each other in all. Below half a pixel no voxel comes
nearer to its neighbour's place than to its own; a tilted gantry shifts by tens of pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """In which order the frames make a volume, and where it lies.

    Parameters
    ----------
    order : tuple of int
        Index of the frame for each z.
    matrix : ndarray, shape (4, 4)
        (z, y, x, 1) to LPS millimetres.
    """

    order: tuple[int, ...]
    matrix: Floats

    @property
    def step_mm(self) -> float:
        """Distance between slices."""
        return float(np.linalg.norm(self.matrix[:3, 0]))


def arrange(places: Sequence[Place]) -> Arrangement:
    """Return how the frames make a volume; a single one gets a unit z step (its thickness is not its spacing).

    The affine is that of PS3.3 C.7.6.2.1.1, with z ascending along rows x columns.

    Raises
    ------
    ReadError
        ``NO_POSITION``, ``BAD_HEADER``, ``MIXED_ORIENTATION``, ``MIXED_PICTURES``, ``DUPLICATE_SLICES``,
        ``MISSING_SLICES``, ``UNEVEN_SPACING`` or ``TILTED``.
    """
    orientations = np.array([_needed(place.orientation, places, "orientation") for place in places])
    positions = np.array([_needed(place.position, places, "position") for place in places])
    rows, columns = _directions(orientations)
    dy, dx = _common_spacing(places)
    normal = np.cross(rows, columns)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    step = _step(positions[order], along[order], normal, min(dy, dx))
    matrix = np.eye(4)
    matrix[:3] = np.stack([step, columns * dy, rows * dx, positions[order[0]]], axis=1)
    return Arrangement(order=tuple(int(index) for index in order), matrix=matrix)


def checked_spacing(spacing: Vector | None) -> tuple[float, float]:
    """Return a pixel spacing that is there and positive.

    Raises
    ------
    ReadError
        ``BAD_HEADER``.
    """
    if spacing is None or len(spacing) != 2 or min(spacing) <= 0:
        found = "none" if spacing is None else "a value that is not positive"
        raise ReadError(f"Reading (0028,0030) Pixel Spacing: found {found}, expected two distances.", BAD_HEADER)
    return spacing[0], spacing[1]


def _needed(value: Vector | None, places: Sequence[Place], what: str) -> Vector:
    if value is None:
        without = sum(not place.is_located for place in places)
        raise ReadError(
            f"Stacking {len(places)} images: {without} of them have no {what} in the patient, expected all to.",
            NO_POSITION,
        )
    return value


def _directions(orientations: Floats) -> tuple[Floats, Floats]:
    """The unit vectors that all images share."""
    apart = float(np.abs(orientations - orientations[0]).max())
    if apart > COSINE:
        raise ReadError(
            f"Stacking {len(orientations)} images: their direction cosines differ by {apart:.4f}, expected at most "
            f"{COSINE}.",
            MIXED_ORIENTATION,
        )
    rows, columns = orientations[0, :3], orientations[0, 3:]
    lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
    if np.abs(lengths - 1).max() > COSINE or abs(float(rows @ columns)) > COSINE:
        raise ReadError(
            "Reading (0020,0037) Image Orientation (Patient): found vectors that are not unit and perpendicular.",
            BAD_HEADER,
        )
    return rows / lengths[0], columns / lengths[1]


def _common_spacing(places: Sequence[Place]) -> tuple[float, float]:
    spacings = np.array([checked_spacing(place.spacing) for place in places])
    if np.abs(spacings / spacings[0] - 1).max() > SPACING:
        raise ReadError(
            f"Stacking {len(places)} images: their pixel spacings range from {spacings.min():g} to "
            f"{spacings.max():g} mm, expected one.",
            MIXED_PICTURES,
        )
    return float(spacings[0, 0]), float(spacings[0, 1])


def _step(positions: Floats, along: Floats, normal: Floats, pixel: float) -> Floats:
    """From one slice to the next, in millimetres."""
    count = len(along)
    if count == 1:
        return normal
    gaps = np.diff(along)
    _check_duplicates(gaps, along, pixel)
    _check_gaps(gaps, along)
    step: Floats = (positions[-1] - positions[0]) / (count - 1)
    sideways = positions - positions[0] - np.outer(along - along[0], normal)
    shift = float(np.linalg.norm(sideways, axis=1).max())
    if shift > SHEAR * pixel:
        angle = np.degrees(np.arctan2(np.linalg.norm(sideways[-1]), along[-1] - along[0]))
        raise ReadError(
            f"Stacking {count} slices: they are shifted by up to {shift:.2f} mm within their planes (a tilt of "
            f"{angle:.1f} degrees), expected at most {SHEAR * pixel:.2f} mm.",
            TILTED,
        )
    return step


def _check_duplicates(gaps: Floats, along: Floats, pixel: float) -> None:
    same = gaps < SAME_PLACE * pixel
    if same.any():
        distinct = 1 + int((~same).sum())
        raise ReadError(
            f"Stacking {len(along)} slices: they lie at only {distinct} places, the first shared one at "
            f"{along[int(np.argmax(same))]:.2f} mm along the normal, expected one slice at each.",
            DUPLICATE_SLICES,
        )


def _check_gaps(gaps: Floats, along: Floats) -> None:
    """Every slice must lie near its place in an even stack; where it does not, tell gaps from irregularity."""
    count = len(along)
    step, first_place = np.polyfit(np.arange(count), along, 1)
    if np.abs(along - first_place - step * np.arange(count)).max() <= OFF_GRID * step:
        return
    median = float(np.median(gaps))
    ratios = gaps / median
    near_multiple = np.abs(ratios - np.rint(ratios)) <= NEAR_MULTIPLE
    if near_multiple.all() and (np.rint(ratios) >= 1).all() and (ratios > 1.5).any():
        missing = int((np.rint(ratios) - 1).sum())
        first = int(np.argmax(ratios > 1.5))
        raise ReadError(
            f"Stacking {count} slices: {missing} are missing, the first after {along[first]:.2f} mm along the normal "
            f"(a gap of {gaps[first]:.2f} mm where {median:.2f} mm is usual).",
            MISSING_SLICES,
        )
    raise ReadError(
        f"Stacking {count} slices: the distance between them ranges from {gaps.min():.3f} to {gaps.max():.3f} mm, "
        f"expected it to be even.",
        UNEVEN_SPACING,
    )
