"""Landmarks: places that belong together in two scans, as a person marked them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.rows import FIRST_LINE, cell, number_in, read_rows
from edge.errors import UsageError
from edge.geometry import EXACT
from edge.pack.manifest import RegistrationTask
from edge.scan import Scan

LANDMARKS = "landmarks"
AXES = ("x_mm", "y_mm", "z_mm")

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks:
    """The same n places in two scans.

    Parameters
    ----------
    file : Path
    fixed, moving : ndarray of float64, shape (n, 3)
        (x, y, z) in mm in LPS, in the same order.
    """

    file: Path
    fixed: Points
    moving: Points


def read_landmarks(file: Path, task: RegistrationTask) -> Landmarks:
    """Read a CSV file with a row for each landmark: its place in both scans, in mm in LPS (PS3.3 C.7.6.2.1.1).

    Where the inputs are called ``fixed`` and ``moving``, the columns are ``fixed_x_mm``, ``fixed_y_mm``,
    ``fixed_z_mm``, ``moving_x_mm``, ``moving_y_mm`` and ``moving_z_mm``. Others, such as a name, are passed over.

    Raises
    ------
    UsageError
        The file cannot be read or names no landmark, a column is missing, a place is missing in one of the two scans,
        or something is no finite number.
    """
    columns = {name: [f"{name}_{axis}" for axis in AXES] for name in (task.fixed, task.moving)}
    rows = read_rows(file, [column for each in columns.values() for column in each], "landmark")
    for line, row in enumerate(rows, start=FIRST_LINE):
        missing = [name for name, each in columns.items() if not any(cell(row, column) for column in each)]
        if missing:
            raise UsageError(
                f"Reading {file}, line {line}: found no place in {missing[0]!r}, expected one in both scans: a landmark"
                " that is seen in one alone is left out."
            )
    fixed, moving = (
        np.array([[number_in(file, line, row, name) for name in each] for line, row in enumerate(rows, FIRST_LINE)])
        for each in columns.values()
    )
    return Landmarks(file=file, fixed=fixed, moving=moving)


def check_inside(points: Points, scan: Scan, name: str, file: Path) -> None:
    """Refuse landmarks that lie beyond their scan, whose extent ends half a voxel outside the outermost centres.

    Raises
    ------
    UsageError
        Some do; the message names the first one's line.
    """
    at = np.linalg.solve(scan.grid.matrix, np.column_stack([points, np.ones(len(points))]).T)[:3]
    last = np.array(scan.grid.shape)[:, np.newaxis] - 0.5
    astray = np.flatnonzero(~np.all((at >= -0.5 - EXACT) & (at <= last + EXACT), axis=0))
    if astray.size:
        x, y, z = points[astray[0]]
        raise UsageError(
            f"Reading {file}, line {astray[0] + FIRST_LINE}: the landmark at {x:g}, {y:g}, {z:g} mm lies beyond the"
            f" scan {name!r}. Give x, y and z in LPS (the negative x and y of RAS)."
        )
