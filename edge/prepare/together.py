"""Several scans of one patient in one place: a scan brought to the grid of another by what their headers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.errors import ReadError
from edge.geometry import Grid, resample
from edge.reasons import NO_COMMON_PLACE
from edge.scan import Scan

SAME = 0.01
"""Voxels: two grids whose voxels lie as close as this are one; written decimals differ by less."""


def is_same(one: Grid, other: Grid) -> bool:
    """Return whether two grids have the same voxels in the same places.

    Examples
    --------
    >>> grid = Grid.of_picture(4, 6)
    >>> is_same(grid, grid.cropped((0, 0, 0), (1, 4, 6))), is_same(grid, grid.cropped((0, 0, 1), (1, 4, 6)))
    (True, False)
    """
    if one.shape != other.shape or one.space != other.space:
        return False
    astray = np.abs(np.linalg.solve(one.matrix, other.matrix) - np.eye(4)) @ [*one.shape, 1.0]
    return bool(astray.max() < SAME)


def frames_differ(one: Scan, other: Scan) -> bool:
    """Return whether two scans say that their places cannot be compared: (0020,0052) Frame of Reference UID."""
    frames = {one.identity.frame_of_reference_uid, other.identity.frame_of_reference_uid} - {None}
    return len(frames) > 1


def brought_to(scan: Scan, first: Scan, *, any_frame: bool = False) -> Scan:
    """Return a scan on the grid of another one of the same patient; itself where it lies there already.

    Values are linear between its voxels, and its least value lies where it has none.

    Parameters
    ----------
    any_frame : bool
        Whether frames of reference may differ, as those of two visits do: then the headers give no more than a start.

    Raises
    ------
    ReadError
        ``C722``: they have no place in the patient, and are not two pictures of one size; their frames of reference
        differ; nothing of the scan lies on the grid of the other.
    """
    if scan is first:
        return scan
    if frames_differ(scan, first) and not any_frame:
        raise ReadError(
            "Bringing two scans together: found two frames of reference (0020,0052), expected one.", NO_COMMON_PLACE
        )
    located = (scan.grid.space, first.grid.space) == ("patient", "patient")
    if is_same(scan.grid, first.grid) and (located or scan.stack == first.stack == "picture"):
        return scan
    if not located:
        raise ReadError(
            f"Bringing two scans together: found {scan.grid.shape} in {scan.grid.space} space and {first.grid.shape} "
            f"in {first.grid.space} space, expected places in the patient.",
            NO_COMMON_PLACE,
        )
    moved = resample(scan.voxels.astype(np.float32), scan.grid, first.grid, fill=float(scan.voxels.min()))
    if moved.min() == moved.max():
        raise ReadError(
            "Bringing two scans together: found nothing of one where the other lies, expected the same place.",
            NO_COMMON_PLACE,
        )
    return replace(scan, voxels=moved, grid=first.grid, stack=first.stack, regions=())
