"""Where a point of a picture lies in the patient, by the picture's own header alone: what proofs of place measure with.

Nothing here knows how an object was built: PS3.3 C.7.6.2.1.1 and C.7.6.16.2.3 are all there is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.geometry import Grid
from edge.objects.contract import ScanTold

TOLERANCE_MM = 0.01
TOLERANCE_PIXELS = 0.01

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One frame of one source, as an object refers to it: its SOP Instance UID and the frame's number, from 1."""

    sop_instance_uid: str
    frame: int


def points_mm(header: Dataset, frame: int, points: Points) -> Points:
    """Return where points (column, row) of a frame, from 1, lie in LPS; the corner of the first pixel is (0, 0).

    Raises
    ------
    KeyError
        The header does not say where the frame lies.
    """
    orientation = _plane(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    down, along = _plane(header, frame, "PixelMeasuresSequence", "PixelSpacing")
    placed: Points = (
        _plane(header, frame, "PlanePositionSequence", "ImagePositionPatient")
        + _offset(header, frame, orientation)
        + (points[:, :1] - 0.5) * along * orientation[np.newaxis, :3]
        + (points[:, 1:] - 0.5) * down * orientation[np.newaxis, 3:]
    )
    return placed


def _offset(header: Dataset, frame: int, orientation: NDArray[np.float64]) -> Points:
    """How far a frame of a dose grid lies from its first position: PS3.3 C.8.8.3.2."""
    offsets = header.get("GridFrameOffsetVector")
    if offsets is None or int(header.get("NumberOfFrames") or 1) == 1:
        return np.zeros(3)
    normal: Points = np.cross(orientation[:3], orientation[3:])
    if float(offsets[0]) == 0.0:
        return float(offsets[frame - 1]) * normal
    return np.array([0.0, 0.0, float(offsets[frame - 1]) - float(header.ImagePositionPatient[2])])


def _plane(header: Dataset, frame: int, sequence: str, keyword: str) -> NDArray[np.float64]:
    per_frame = header.get("PerFrameFunctionalGroupsSequence")
    shared = header.get("SharedFunctionalGroupsSequence")
    groups = [*([per_frame[frame - 1]] if per_frame else []), *([shared[0]] if shared else [])]
    held = next((group[sequence].value[0] for group in groups if sequence in group), header)
    return np.array([float(value) for value in held[keyword].value], dtype=np.float64)


def is_in_space(scan: ScanTold) -> bool:
    """Return whether every slice of a scan has a place of its own in the patient; frames share one, or have none."""
    return scan.grid.space == "patient" and scan.stack != "frames"


def slice_of(header: Dataset, picture: Picture, grid: Grid) -> int | None:
    """Return which slice of a grid in patient space a picture is, by its corners in millimetres; None where none is."""
    _, rows, columns = grid.shape
    corners = np.array([[0.0, 0.0], [columns, 0.0], [columns, rows], [0.0, rows]])
    measured = points_mm(header, picture.frame, corners)
    for z in range(grid.shape[0]):
        if near(measured, on_grid_mm(grid, z, corners), TOLERANCE_MM):
            return z
    return None


def on_grid_mm(grid: Grid, z: float, points: Points) -> Points:
    """Return where points (column, row) of a slice lie in LPS by the grid on which findings are told."""
    indices = np.column_stack([np.full(len(points), z), points[:, 1] - 0.5, points[:, 0] - 0.5, np.ones(len(points))])
    placed: Points = (indices @ grid.matrix.T)[:, :3]
    return placed


def near(found: Points, expected: Points, tolerance: float) -> bool:
    """Return whether two lists hold the same points, in the same order."""
    return found.shape == expected.shape and bool(np.all(np.abs(found - expected) <= tolerance))


def same_points(found: Points, expected: Points, tolerance: float) -> bool:
    """Return whether two lists hold the same points, in whatever order and however often."""
    apart = np.linalg.norm(found[:, np.newaxis] - expected[np.newaxis], axis=2)
    return bool(apart.size and np.all(apart.min(axis=0) <= tolerance) and np.all(apart.min(axis=1) <= tolerance))


def filled(lines: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie inside an odd number of lines, shape (rows, columns).

    Examples
    --------
    >>> filled([np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0], [1.0, 0.0]])], (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    crossed = np.zeros((shape[0], shape[1] + 1), dtype=np.bool_)
    for line in lines:
        for (x0, y0), (x1, y1) in itertools.pairwise(line):
            if y0 == y1:
                continue
            low, high = min(y0, y1), max(y0, y1)
            rows = np.arange(max(int(np.ceil(low - 0.5)), 0), min(int(np.ceil(high - 0.5)), shape[0]))
            at = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.ceil(at - 0.5), 0, shape[1]).astype(np.intp)
            crossed[rows, columns] ^= True
    inside: NDArray[np.bool_] = np.logical_xor.accumulate(crossed, axis=1)[:, :-1]
    return inside
