"""Where every voxel lies: `Grid`, and the way of an array from one grid to another.

The conventions live here and nowhere else. Arrays are indexed ``(z, y, x)``; a 2-D picture has one z. A grid's
affine maps the index of a voxel's centre to millimetres in DICOM's patient coordinates, LPS: x rises to the left
of the patient, y to the back, z to the head (PS3.3 C.7.6.2.1.1). Everything here is pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Space = Literal["patient", "detector", "pixel"]
Row = tuple[float, float, float, float]
Shape = tuple[int, int, int]
Interpolation = Literal["nearest", "linear"]

EXACT = 1e-4
"""Voxels: two grids whose indices agree to this are the same grid, and a copy needs no interpolation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A rectangular grid of voxels in space.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along (z, y, x).
    affine : tuple of 4 tuples of 4 float
        Maps (z, y, x, 1), the index of a voxel's centre, to (x, y, z, 1) in LPS. Not singular.
    space : {"patient", "detector", "pixel"}
        What the affine's results are: millimetres in the patient; millimetres on the detector of a projection, whose
        origin is the first pixel (PS3.3 C.8.11.7); or pixels of a picture without any known size. Where one slice
        stands alone, its z column is a unit normal and tells no thickness.
    """

    shape: Shape
    affine: tuple[Row, Row, Row, Row]
    space: Space

    @classmethod
    def of(cls, shape: Sequence[int], matrix: Array, space: Space) -> Grid:
        """Return the grid with this shape (z, y, x) and this (4, 4) matrix."""
        rows = tuple(tuple(float(value) for value in row) for row in np.asarray(matrix, dtype=np.float64))
        nz, ny, nx = (int(n) for n in shape)
        return cls(shape=(nz, ny, nx), affine=rows, space=space)  # type: ignore[arg-type]

    @classmethod
    def of_picture(cls, rows: int, columns: int, spacing_mm: tuple[float, float] | None = None) -> Grid:
        """Return the grid of a single picture that is not located in the patient.

        Parameters
        ----------
        rows, columns : int
        spacing_mm : tuple of float, optional
            Distance between rows and between columns on the detector; None where the picture does not tell.

        Examples
        --------
        >>> Grid.of_picture(4, 6).pixel_area_mm2 is None
        True
        >>> Grid.of_picture(4, 6, spacing_mm=(0.5, 0.25)).pixel_area_mm2
        0.125
        """
        dy, dx = spacing_mm or (1.0, 1.0)
        matrix = np.array([[0, 0, dx, 0], [0, dy, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
        return cls.of((1, rows, columns), matrix, "pixel" if spacing_mm is None else "detector")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as a new (4, 4) float64 array."""
        return np.array(self.affine, dtype=np.float64)

    @property
    def steps(self) -> tuple[float, float, float]:
        """Length of one step along (z, y, x), in the unit of `space`."""
        z, y, x = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def pixel_spacing_mm(self) -> tuple[float, float] | None:
        """Distance in millimetres between (rows, columns); None where it is unknown."""
        return None if self.space == "pixel" else self.steps[1:]

    @property
    def pixel_area_mm2(self) -> float | None:
        """Area of one pixel of a slice in square millimetres; None where it is unknown."""
        if self.space == "pixel":
            return None
        _, dy, dx = self.steps
        return dy * dx

    @property
    def voxel_volume_mm3(self) -> float | None:
        """Volume of one voxel in cubic millimetres; None for pictures and for a single slice."""
        if self.space != "patient" or self.shape[0] == 1:
            return None
        return float(abs(np.linalg.det(self.matrix[:3, :3])))

    def cropped(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """Return the grid of a box of `shape` whose first voxel has index `start`; outside the grid it is padding."""
        matrix = self.matrix
        matrix[:, 3] = matrix @ np.array([*start, 1.0])
        return Grid.of(shape, matrix, self.space)

    def resized(self, shape: Sequence[int]) -> Grid:
        """Return the grid that covers the same extent, edge to edge, with another number of voxels.

        Examples
        --------
        >>> halved = Grid.of_picture(4, 4, spacing_mm=(1.0, 1.0)).resized((1, 2, 2))
        >>> halved.steps[1:], (halved.matrix @ [0, 0, 0, 1])[:2].tolist()
        ((2.0, 2.0), [0.5, 0.5])
        """
        scale = np.array(self.shape, dtype=np.float64) / np.array(shape, dtype=np.float64)
        change = np.diag([*scale, 1.0])
        change[:3, 3] = (scale - 1.0) / 2.0
        return Grid.of(shape, self.matrix @ change, self.space)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An exact change of axes: output axis i is input axis ``axes[i]``, read backwards where ``flips[i]``."""

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, voxels: Array) -> Array:
        """Return a view of `voxels`, shape (z, y, x) or (z, y, x, channel), in the new axes."""
        rest = tuple(range(3, voxels.ndim))
        turned = voxels.transpose(*self.axes, *rest)
        view: Array = turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return view

    def apply_grid(self, grid: Grid) -> Grid:
        """Return the grid of the turned array."""
        matrix = grid.matrix
        shape = tuple(grid.shape[axis] for axis in self.axes)
        columns = matrix[:, [*self.axes, 3]]
        for index, flip in enumerate(self.flips):
            if flip:
                columns[:, 3] += columns[:, index] * (shape[index] - 1)
                columns[:, index] *= -1
        return Grid.of(shape, columns, grid.space)


def canonical_turn(grid: Grid) -> Turn:
    """Return the turn after which z rises to the head, y to the back and x to the left, as closely as axes can.

    Of the six orders of axes the one with the largest sum of direction cosines is taken; oblique grids stay
    oblique. A grid that is not in patient space has no such turn and is left as it is.

    Examples
    --------
    >>> import numpy as np
    >>> sagittal = Grid.of((2, 3, 4), np.array([[5., 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2], [0, 0, 0, 1]]), "patient")
    >>> canonical_turn(sagittal)
    Turn(axes=(1, 2, 0), flips=(True, False, False))
    """
    if grid.space != "patient":
        return Turn(axes=(0, 1, 2), flips=(False, False, False))
    cosines = grid.matrix[:3, :3] / np.array(grid.steps)
    towards = cosines[::-1]  # rows: patient z, y, x; columns: index z, y, x
    orders = list(itertools.permutations(range(3)))
    sums = [round(sum(abs(towards[row, axis]) for row, axis in enumerate(order)), 9) for order in orders]
    a, b, c = orders[int(np.argmax(sums))]
    flips = (bool(towards[0, a] < 0), bool(towards[1, b] < 0), bool(towards[2, c] < 0))
    return Turn(axes=(a, b, c), flips=flips)


def slice_seen(scan: Grid, fed: Grid) -> Grid:
    """Return the slice of `scan` on which the one slice of `fed` lies.

    Whichever axis of the scan crosses that slice comes first, with one voxel; the other two keep their order, so
    that rows and columns are the scan's own.

    Examples
    --------
    >>> scan = Grid.of((5, 6, 7), np.eye(4), "patient")
    >>> across = Turn(axes=(2, 0, 1), flips=(True, False, False)).apply_grid(scan).cropped((1, 0, 0), (1, 5, 6))
    >>> seen = slice_seen(scan, across)
    >>> seen.shape, (index_map(scan, seen) @ [0, 0, 0, 1])[:3].tolist()
    ((1, 5, 6), [0.0, 0.0, 5.0])
    """
    matrix = index_map(scan, fed)
    axis = int(np.argmax(np.abs(matrix[:3, 0])))
    middle = matrix @ np.array([*((n - 1) / 2 for n in fed.shape), 1.0])
    start, shape = [0, 0, 0], list(scan.shape)
    start[axis], shape[axis] = min(max(round(float(middle[axis])), 0), scan.shape[axis] - 1), 1
    first, second = (other for other in range(3) if other != axis)
    return Turn(axes=(axis, first, second), flips=(False, False, False)).apply_grid(scan.cropped(start, shape))


def index_map(source: Grid, target: Grid) -> NDArray[np.float64]:
    """Return the (4, 4) matrix that maps an index (z, y, x, 1) of `target` to one of `source`.

    Raises
    ------
    ValueError
        The grids are in different spaces, so that no map between them is known.
    """
    if source.space != target.space:
        raise ValueError(
            f"Mapping a grid in {target.space} space to one in {source.space} space: no relation is known."
        )
    matrix = np.linalg.solve(source.matrix, target.matrix)
    rounded = np.rint(matrix)
    exact = bool(np.all(np.abs(matrix - rounded) * np.array([*target.shape, 1]) < EXACT))
    result: NDArray[np.float64] = np.where(exact, rounded, matrix)
    return result


def resample(
    voxels: Array, source: Grid, target: Grid, *, interpolation: Interpolation = "linear", fill: float = 0.0
) -> Array:
    """Bring an array from the grid `source` to the grid `target`.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x) or (z, y, x, channel)
        On `source`.
    interpolation : {"linear", "nearest"}
        Nearest keeps the dtype; linear gives float32. Grids that are turns, crops or paddings of each other are
        copied exactly, in the dtype of `voxels`, whichever is asked for.
    fill : float
        Value outside `source`, whose extent ends half a voxel beyond the outermost centres. Where the dtype of
        `voxels` cannot express it, the result is of a floating point type that holds both.

    Returns
    -------
    ndarray
        On `target`.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid.of_picture(1, 4)
    >>> row = np.array([[[0, 10, 20, 30]]], dtype=np.uint8)
    >>> resample(row, grid, grid.resized((1, 1, 2))).tolist()
    [[[5.0, 25.0]]]
    >>> resample(row, grid, grid.cropped((0, 0, -1), (1, 1, 3)), fill=7).tolist()
    [[[7, 0, 10]]]
    """
    matrix = index_map(source, target)
    voxels = voxels.astype(_dtype_with(voxels.dtype, fill), copy=False)
    axes = _axes_followed(matrix[:3, :3], target.shape)
    if axes is None:
        return _resample_oblique(voxels, matrix, target.shape, interpolation, fill)
    copies = bool(np.all(matrix == np.rint(matrix)) and np.all(np.abs(matrix[:3, :3]).sum(axis=0) == 1))
    kind = "nearest" if copies else interpolation
    result = voxels if kind == "nearest" else voxels.astype(np.float32, copy=False)
    outside: list[NDArray[np.bool_]] = []
    for axis in range(3):
        followed = axes[axis]
        positions = matrix[axis, followed] * np.arange(target.shape[followed]) + matrix[axis, 3]
        outside.append((positions < -0.5) | (positions > source.shape[axis] - 0.5))
        result = _take_along(result, axis, positions, kind)
    order = [axes.index(axis) for axis in range(3)]
    result = np.ascontiguousarray(result.transpose(*order, *range(3, voxels.ndim)))
    for axis in range(3):
        result[(slice(None),) * axis + (outside[order[axis]],)] = fill
    return result


def _dtype_with(dtype: np.dtype[Any], fill: float) -> np.dtype[Any]:
    """The dtype itself where it can express `fill`, else the floating point type that holds both."""
    if dtype.kind == "f":
        return dtype
    least, greatest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    holds = float(fill).is_integer() and least <= fill <= greatest
    return dtype if holds else np.result_type(dtype, np.float32)


def _axes_followed(linear: NDArray[np.float64], shape: Shape) -> tuple[int, int, int] | None:
    """For each source axis, the target axis that alone moves it; None where the grids are oblique to each other."""
    followed = np.argmax(np.abs(linear), axis=0)
    astray = np.abs(linear)
    astray[followed, range(3)] = 0.0
    if len(set(followed.tolist())) < 3 or bool(np.any(astray * (np.array(shape) - 1) > EXACT)):
        return None
    z, y, x = np.argsort(followed)
    return int(z), int(y), int(x)


def _take_along(values: Array, axis: int, positions: NDArray[np.float64], kind: Interpolation) -> Array:
    """Values at fractional positions along one axis, held constant beyond the outermost centres."""
    last = values.shape[axis] - 1
    if kind == "nearest":
        return values.take(np.clip(np.floor(positions + 0.5), 0, last).astype(np.intp), axis=axis)
    held = np.clip(positions, 0, last)
    low = np.minimum(np.floor(held), max(last - 1, 0)).astype(np.intp)
    weight = (held - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    below = values.take(low, axis=axis)
    above = values.take(np.minimum(low + 1, last), axis=axis)
    blended: Array = below + (above - below) * weight
    return blended


def _resample_oblique(
    voxels: Array, matrix: NDArray[np.float64], shape: Shape, kind: Interpolation, fill: float
) -> Array:
    """Any affine map, a target slice at a time so that the index arrays stay small."""
    dtype = voxels.dtype if kind == "nearest" else np.dtype(np.float32)
    result = np.full((*shape, *voxels.shape[3:]), fill, dtype=dtype)
    y, x = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    size = np.array(voxels.shape[:3])
    for z in range(shape[0]):
        places = np.stack([np.full(x.size, z), y.ravel(), x.ravel(), np.ones(x.size)])
        at = (matrix @ places)[:3].T.reshape(*shape[1:], 3)
        inside = np.all((at >= -0.5) & (at <= size - 0.5), axis=-1)
        result[z][inside] = sample(voxels, np.clip(at[inside], 0, size - 1), kind)
    return result


def sample(voxels: Array, at: NDArray[np.float64], kind: Interpolation) -> Array:
    """Return the values of `voxels` at points inside it, `at` of shape (n, 3): (z, y, x) in its indices."""
    if kind == "nearest":
        z, y, x = np.floor(at + 0.5).astype(np.intp).T
        picked: Array = voxels[z, y, x]
        return picked
    size = np.array(voxels.shape[:3])
    low = np.minimum(np.floor(at), np.maximum(size - 2, 0)).astype(np.intp)
    part = (at - low).astype(np.float32)
    total: Array = np.zeros((len(at), *voxels.shape[3:]), dtype=np.float32)
    for corner in itertools.product((0, 1), repeat=3):
        z, y, x = np.minimum(low + corner, size - 1).T
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        total += voxels[z, y, x] * weight.reshape(-1, *[1] * (voxels.ndim - 3))
    return total
