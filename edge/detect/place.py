"""Boxes of the picture that was fed to their place on the source's voxels and in the patient, through grids alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.geometry import EXACT, Grid, index_map

Values = NDArray[np.float64]
Edges = tuple[float, float, float, float, float, float]
Point = tuple[float, float, float]
Sizes = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedBox:
    """Where a box lies.

    Parameters
    ----------
    edges : tuple of float
        z0, y0, x0, z1, y1, x1 on the source, within it: voxel i covers i to i + 1, so that a box around the voxels i
        to j is i to j + 1.
    size_mm : tuple of float or None
        Along the source's axes z, y, x. None where it is unknown: in a picture without spacing, across a picture or a
        single slice, and across the one slice of a volume in which a 2-D model found the box.
    centre_mm : tuple of float, optional
        x, y, z in LPS; None where the source does not lie in patient space.
    corners_mm : tuple of 8 tuples of float, optional
        x, y, z in LPS; x changes fastest, then y, then z, as axes of the source. Where the size along an axis is
        unknown they lie in the plane through the middle, so that each is there twice.
    enclosing : bool
        Whether what was fed lies obliquely to the source: the box is the least one along the source's axes that holds
        the one that was found, and so larger than it.
    clipped : bool
        Whether a part of it lay outside the source.
    """

    edges: Edges
    size_mm: Sizes
    centre_mm: Point | None
    corners_mm: tuple[Point, ...] | None
    enclosing: bool
    clipped: bool


def place_box(box: Sequence[float] | Values, fed: Grid, source: Grid) -> PlacedBox | None:
    """Return where a box lies on the source and in the patient; None where nothing of it is on the source.

    Whatever the steps did (letterbox, crop, resize, turns, flips) is undone, as the grid of what was fed carries it.

    Parameters
    ----------
    box : sequence of float, length 4 or 6
        Edges on `fed`, as in `edge.detect.layouts.Candidates`. With 4 it lies on the one slice that was fed.
    fed : Grid
        Of what the model was fed.
    source : Grid
        Of the whole scan, in the same space.

    Raises
    ------
    ValueError
        The grids are in different spaces; the box is flat and more than one slice was fed.

    Examples
    --------
    >>> picture = Grid.of_picture(100, 200, spacing_mm=(0.5, 0.5))
    >>> placed = place_box((10, 10, 20, 30), picture.resized((1, 50, 100)), picture)
    >>> placed.edges, placed.size_mm
    ((0.0, 20.0, 20.0, 1.0, 40.0, 60.0), (None, 10.0, 20.0))
    """
    if len(box) == 4 and fed.shape[0] != 1:
        raise ValueError(f"Placing a box of a single slice: {fed.shape[0]} slices were fed.")
    matrix = index_map(source, fed)
    aligned = _is_aligned(matrix, fed)
    whole = _on_source(_in_three_axes(box), matrix)
    edges = np.clip(whole, 0.0, np.array([source.shape, source.shape]).reshape(2, 3))
    if bool(np.any(edges[0] >= edges[1])):
        return None
    across = int(np.argmax(np.abs(matrix[:3, 0]))) if len(box) == 4 and aligned else None
    size = _size_mm(edges, source, across)
    in_patient = source.space == "patient"
    return PlacedBox(
        edges=tuple(edges.ravel().tolist()),
        size_mm=size,
        centre_mm=_points_mm(edges.mean(axis=0)[np.newaxis], source)[0] if in_patient else None,
        corners_mm=_points_mm(_corners(edges, size), source) if in_patient else None,
        enclosing=not aligned,
        clipped=bool(np.any(np.abs(edges - whole) > EXACT)),
    )


def _in_three_axes(box: Sequence[float] | Values) -> Values:
    """Starts and ends, shape (2, 3)."""
    pairs = np.asarray(box, dtype=np.float64).reshape(2, -1)
    return pairs if pairs.shape[1] == 3 else np.insert(pairs, 0, [0.0, 1.0], axis=1)


def _is_aligned(matrix: Values, fed: Grid) -> bool:
    """Whether each axis of what was fed runs along an axis of the source."""
    moved = np.abs(matrix[:3, :3]) * np.array(fed.shape)
    return bool(np.all(np.sort(moved, axis=0)[:2] < EXACT))


def _on_source(edges: Values, matrix: Values) -> Values:
    """The least box along the source's axes around a box; the centre of voxel i is at edge i + 1/2."""
    corners = np.array(list(itertools.product(*edges.T))) - 0.5
    moved = corners @ matrix[:3, :3].T + matrix[:3, 3] + 0.5
    return np.stack([moved.min(axis=0), moved.max(axis=0)])


def _size_mm(edges: Values, source: Grid, across: int | None) -> Sizes:
    """Along each axis of the source, None where it is not known."""
    flat = source.space != "patient" or source.shape[0] == 1
    unknown = {across, 0 if flat else None}
    lengths = (edges[1] - edges[0]) * np.array(source.steps)
    z, y, x = (
        None if source.space == "pixel" or axis in unknown else float(length) for axis, length in enumerate(lengths)
    )
    return z, y, x


def _corners(edges: Values, size: Sizes) -> Values:
    """The 8 corners as edges (z, y, x), in the middle along axes of unknown size."""
    known = np.array([length is not None for length in size])
    return np.array(list(itertools.product(*np.where(known, edges, edges.mean(axis=0)).T)))


def _points_mm(edges: Values, source: Grid) -> tuple[Point, ...]:
    """Points given as edges (n, 3) in patient millimetres."""
    moved = (edges - 0.5) @ source.matrix[:3, :3].T + source.matrix[:3, 3]
    return tuple((float(x), float(y), float(z)) for x, y, z in moved)
