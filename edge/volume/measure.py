"""What is read off the mask of one label: its volume, its longest diameter, where it lies, in how many pieces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Grid

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int, int, int]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The numbers of one label.

    Parameters
    ----------
    voxels : int
    volume_ml : float, optional
        Millilitres: voxels times the volume of one. None for a picture, and for a single slice, whose thickness its
        grid does not tell: the distance between slices is what stands for thickness, so two are needed.
    diameter_mm : float, optional
        The longest diameter within a slice. None where there is no voxel or the spacing is unknown.
    diameter_slice : int, optional
        Its slice, the first of equal ones; None where `diameter_mm` is.
    box : tuple of int, optional
        First slice, row and column, then last slice, row and column, all of them inside; None where there is no voxel.
    components : int
        Pieces that do not touch, not even at a corner (26 neighbours).
    largest_share : float, optional
        Of all voxels, in the largest piece, 0 to 1; None where there is no voxel.
    """

    voxels: int
    volume_ml: float | None
    diameter_mm: float | None
    diameter_slice: int | None
    box: Box | None
    components: int
    largest_share: float | None


def measure(mask: Mask, grid: Grid) -> Measure:
    """Return the numbers of a label.

    The longest diameter follows RECIST 1.1 (Eisenhauer et al., Eur J Cancer 45, 2009): within the plane of the slices
    as they were acquired, the distance between the two farthest points of the outline of one piece (8 neighbours)
    of one slice. The outline runs half a pixel outside the outermost centres, through the middles of the pixels'
    edges, as marching squares and PyRadiomics (``Maximum2DDiameterSlice``) draw it: n pixels in a row of spacing d
    are n d long.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
    grid : Grid
        Of the mask. Rows and columns are at right angles, as in every DICOM image.

    Examples
    --------
    >>> mask = np.zeros((2, 4, 9), dtype=bool)
    >>> mask[1, 2, 1:6] = True
    >>> found = measure(mask, Grid.of(mask.shape, np.diag([3.0, 1.0, 2.0, 1.0])[[2, 1, 0, 3]], "patient"))
    >>> found.volume_ml, found.diameter_mm, found.diameter_slice, found.box
    (0.03, 10.0, 1, (1, 2, 1, 1, 2, 5))
    """
    if mask.shape != grid.shape:
        raise ValueError(f"Measuring a mask of shape {mask.shape} on a grid of shape {grid.shape}: expected the same.")
    box = _box(mask)
    if box is None:
        volume = None if grid.voxel_volume_mm3 is None else 0.0
        return Measure(
            voxels=0,
            volume_ml=volume,
            diameter_mm=None,
            diameter_slice=None,
            box=None,
            components=0,
            largest_share=None,
        )
    z0, y0, x0, z1, y1, x1 = box
    sizes, diameter = _read(mask[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1], grid.pixel_spacing_mm)
    voxels = int(sizes.sum())
    one = grid.voxel_volume_mm3
    return Measure(
        voxels=voxels,
        volume_ml=None if one is None else voxels * one / 1000,
        diameter_mm=None if diameter is None else diameter[0],
        diameter_slice=None if diameter is None else z0 + diameter[1],
        box=box,
        components=len(sizes),
        largest_share=int(sizes.max()) / voxels,
    )


def _box(mask: Mask) -> Box | None:
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if not slices.size:
        return None
    first, last = int(slices[0]), int(slices[-1])
    plane: Mask = np.logical_or.reduce(mask[first : last + 1], axis=0)
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return first, int(rows[0]), int(columns[0]), last, int(rows[-1]), int(columns[-1])


def _read(inside: Mask, spacing: tuple[float, float] | None) -> tuple[Numbers, tuple[float, int] | None]:
    """The number of voxels of every component, and the longest diameter with its slice."""
    longest: tuple[float, int] = (0.0, 0)
    areas: list[Numbers] = []
    touching: list[Numbers] = []
    count = 0
    below: _Runs | None = None
    for z, plane in enumerate(inside):
        pixels = np.ascontiguousarray(plane, dtype=np.bool_).view(np.uint8)
        _, found_numbers, found_stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
        numbers, stats = np.asarray(found_numbers, dtype=np.int32), np.asarray(found_stats, dtype=np.int32)
        runs = _Runs.of(pixels, numbers, count - 1)
        if below is not None:
            touching.append(_touching(below, runs))
        areas.append(stats[1:, cv2.CC_STAT_AREA].astype(np.int64))
        if spacing is not None:
            found = _longest(numbers, stats, spacing, longest[0])
            longest = (found, z) if found > longest[0] else longest
        below, count = runs, count + len(stats) - 1
    roots = _roots(count, np.concatenate([np.empty((0, 2), dtype=np.int64), *touching]))
    sizes = np.zeros(count, dtype=np.int64)
    np.add.at(sizes, roots, np.concatenate(areas))
    return sizes[sizes > 0], None if spacing is None else longest


# Components ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Runs:
    """The runs of a slice's rows, in order: first and last place in rows that are one longer, number of the piece."""

    first: Numbers
    last: Numbers
    piece: Numbers
    width: int

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], numbers: NDArray[np.int32], offset: int) -> _Runs:
        height, width = pixels.shape
        rows = np.zeros((height, width + 1), dtype=np.uint8)
        rows[:, :-1] = pixels
        flat = rows.ravel()
        # The added column is empty, so rows never run into each other, and every change is a run's begin or end.
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        edges = np.concatenate([[0], changes]) if flat[0] else changes
        first, last = edges[0::2], edges[1::2] - 1
        piece = numbers[first // (width + 1), first % (width + 1)].astype(np.int64) + offset
        return cls(first=first, last=last, piece=piece, width=width + 1)


def _touching(below: _Runs, above: _Runs) -> Numbers:
    """Pairs of pieces of two neighbouring slices that touch at a face, an edge or a corner; each pair once."""
    pairs = []
    for shift in (-below.width, 0, below.width):
        begin = np.searchsorted(above.last, below.first + shift - 1, side="left")
        count = np.searchsorted(above.first, below.last + shift + 1, side="right") - begin
        ends = np.cumsum(count)
        within = np.arange(ends[-1] if ends.size else 0) - np.repeat(ends - count, count)
        pairs.append(np.stack([np.repeat(below.piece, count), above.piece[np.repeat(begin, count) + within]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


def _roots(count: int, pairs: Numbers) -> Numbers:
    """For each of `count` pieces the least piece that it hangs together with through `pairs`, shape (n, 2)."""
    roots = np.arange(count)
    while True:
        ends = roots[pairs]
        low, high = ends.min(axis=1), ends.max(axis=1)
        if np.array_equal(low, high):
            return roots
        np.minimum.at(roots, high, low)
        while not np.array_equal(roots, higher := roots[roots]):
            roots = higher


# Diameter ------------------------------------------------------------------------------------------------


def _longest(
    numbers: NDArray[np.int32], stats: NDArray[np.int32], spacing: tuple[float, float], at_least: float
) -> float:
    """The longest diameter of a slice's pieces in mm, or `at_least` where none is longer."""
    bounds = np.hypot(stats[1:, cv2.CC_STAT_HEIGHT] * spacing[0], stats[1:, cv2.CC_STAT_WIDTH] * spacing[1])
    longest = at_least
    for index in np.argsort(-bounds, kind="stable").tolist():
        if bounds[index] <= longest:
            break
        left, top, width, height, _ = stats[index + 1].tolist()
        piece = numbers[top : top + height, left : left + width] == index + 1
        longest = max(longest, _diameter(piece, spacing))
    return longest


def _diameter(piece: Mask, spacing: tuple[float, float]) -> float:
    """The farthest two points of the outline of one piece, which has a pixel in every row."""
    rows = np.arange(len(piece))
    left, right = piece.argmax(axis=1), piece.shape[1] - 1 - piece[:, ::-1].argmax(axis=1)
    # Half pixels, so that the middles of edges are whole numbers; a row's inner pixels are never the farthest.
    outer = 2 * np.concatenate([np.stack([rows, left], axis=1), np.stack([rows, right], axis=1)])
    middles = np.concatenate([outer + step for step in ((-1, 0), (1, 0), (0, -1), (0, 1))])
    corners = cv2.convexHull(middles.astype(np.int32))[:, 0] * (np.array(spacing) / 2)
    return float(np.hypot(*(corners[:, None] - corners[None]).transpose(2, 0, 1)).max())
