"""Findings -> the lines that go around them on the source's own pictures, in DICOM's image coordinates.

A point is (column, row) as PS3.3 C.10.5.1.2 and C.18.6.1 have it: (0, 0) is the outer corner of the first pixel and
(columns, rows) that of the last: the pixel in row i and column j covers j to j + 1 and i to i + 1, and the edges
of a box of edgerun are such numbers already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.findings import Detection, Detections, Findings, Segmentation
from edge.geometry import EXACT, Grid, index_map
from edge.words import number as in_digits

Points = NDArray[np.float64]
STEPS: tuple[tuple[int, int], ...] = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""One pixel's edge along the outline, in rows and columns: the mask always lies to the right of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """Something that lies on one slice or frame of a scan.

    Parameters
    ----------
    kind : {"box", "outline"}
    label : int
        Index of its label, in the order of the pack, from 0.
    number : int
        Of the box among the boxes or of the region among the regions of the report, from 1.
    z : int
        Slice or frame of the scan.
    lines : tuple of ndarray of float64, shape (n, 2)
        Closed: the first point comes again at the end. Of an outline those of holes are among them; what lies inside an
        odd number of lines is of it.
    words : str
        What stands beside it.
    """

    kind: Literal["box", "outline"]
    label: int
    number: int
    z: int
    lines: tuple[Points, ...]
    words: str

    @property
    def points(self) -> int:
        """How many points there are in all lines."""
        return sum(len(line) for line in self.lines)


def marks_of(findings: Findings | None, grid: Grid) -> Iterator[Mark]:
    """Yield what can be drawn of findings on the source's own pictures, what matters most first.

    Boxes come in the order of the report; regions that are findings before others, the larger first. A plane across
    the slices, as some models see, lies on none of the source's pictures: its outlines are not among them, its boxes
    are.

    Parameters
    ----------
    findings : Findings, optional
    grid : Grid
        Of the whole scan.
    """
    if isinstance(findings, Detections):
        names = [label.name for label in findings.labels]
        for number, box in enumerate(findings.boxes, start=1):
            yield from _marks_of_box(box, names.index(box.name), number, grid)
    elif isinstance(findings, Segmentation) and not findings.in_windows:
        start = _first_slice(grid, findings.grid)
        ranked = sorted(enumerate(findings.regions), key=lambda pair: (not pair[1].finding, -pair[1].pixels))
        for index, region in ranked:
            if region.positive and region.box is not None and start is not None:
                yield from _marks_of_region(findings, index, start)


def rectangle(edges: Sequence[float]) -> Points:
    """Return the rectangle of a box on every slice that it crosses.

    Parameters
    ----------
    edges : sequence of float, length 6
        z0, y0, x0, z1, y1, x1 as in `edge.detect.place.PlacedBox`.

    Examples
    --------
    >>> rectangle((0, 2, 1, 1, 5, 9)).tolist()
    [[1.0, 2.0], [9.0, 2.0], [9.0, 5.0], [1.0, 5.0], [1.0, 2.0]]
    """
    _, y0, x0, _, y1, x1 = edges
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], dtype=np.float64)


def slices_crossed(edges: Sequence[float]) -> range:
    """Return the slices that a box reaches into, by more than what rounding explains.

    Examples
    --------
    >>> slices_crossed((1.2, 0, 0, 3.0, 1, 1)), slices_crossed((2.0, 0, 0, 3.0, 1, 1))
    (range(1, 3), range(2, 3))
    """
    first = math.floor(edges[0] + EXACT)
    return range(first, max(math.ceil(edges[3] - EXACT), first + 1))


def outlines(mask: NDArray[Any]) -> tuple[Points, ...]:
    """Return the lines around a mask, exactly along the edges of its pixels.

    Nothing is smoothed or simplified: only points in the middle of a straight stretch are left out. Pixels that touch
    at a corner alone get lines of their own. Around a mask a line runs clockwise as the picture is seen, around a hole
    the other way.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)

    Returns
    -------
    tuple of ndarray of float64, shape (n, 2)
        Columns and rows; the first point comes again at the end.

    Examples
    --------
    >>> mask = np.zeros((4, 5), dtype=bool)
    >>> mask[1:3, 2:5] = True
    >>> outlines(mask)[0].tolist()
    [[5.0, 1.0], [5.0, 3.0], [2.0, 3.0], [2.0, 1.0], [5.0, 1.0]]
    """
    wide = mask.shape[1] + 1
    after = _successors(_edges(mask), wide)
    lines = []
    while after:
        vertices = np.array(_corners(after, next(iter(after))))
        lines.append(np.stack([vertices % wide, vertices // wide], axis=1).astype(np.float64))
    return tuple(lines)


def _edges(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where an edge of the outline begins, for each of the four directions, on the corners of the pixels."""
    rows, columns = mask.shape
    padded = np.pad(np.asarray(mask, dtype=np.bool_), 1)
    inner = padded[1:-1, 1:-1]
    begins = np.zeros((4, rows + 1, columns + 1), dtype=np.bool_)
    begins[0, :-1, :-1] = inner & ~padded[:-2, 1:-1]
    begins[1, :-1, 1:] = inner & ~padded[1:-1, 2:]
    begins[2, 1:, 1:] = inner & ~padded[2:, 1:-1]
    begins[3, 1:, :-1] = inner & ~padded[1:-1, :-2]
    return begins.reshape(4, -1)


def _successors(begins: NDArray[np.bool_], wide: int) -> dict[int, int]:
    """By each edge the one that follows; an edge is 4 times the corner that it begins at, and its direction."""
    after: dict[int, int] = {}
    for direction, (down, along) in enumerate(STEPS):
        right, left = (direction + 1) % 4, (direction + 3) % 4
        starts = np.flatnonzero(begins[direction])
        ends = starts + down * wide + along
        turn = np.where(begins[right, ends], right, np.where(begins[direction, ends], direction, left))
        after.update(zip((starts * 4 + direction).tolist(), (ends * 4 + turn).tolist(), strict=True))
    return after


def _corners(after: dict[int, int], first: int) -> list[int]:
    """The corners of one line, the first of them twice; its edges are taken out of `after`."""
    at, corners = first, list[int]()
    while at in after:
        following = after.pop(at)
        if (following - at) % 4:
            corners.append(following // 4)
        at = following
    return [*corners, corners[0]]


def _marks_of_box(box: Detection, label: int, number: int, grid: Grid) -> Iterator[Mark]:
    words = f"{number}. {box.title}: {in_digits(box.score, 2)}"
    for z in slices_crossed(box.place.edges):
        yield Mark(kind="box", label=label, number=number, z=z, lines=(rectangle(box.place.edges),), words=words)
    at = None if box.mask is None else _first_slice(grid, box.mask.grid)
    if box.mask is not None and at is not None and box.mask.pixels.any():
        lines = _moved(outlines(box.mask.pixels), *box.mask.start)
        yield Mark(kind="outline", label=label, number=number, z=at, lines=lines, words=words)


def _first_slice(grid: Grid, part: Grid) -> int | None:
    """Which slice of `grid` the first of `part` is, with the same rows and columns; None where it is another plane."""
    matrix = index_map(grid, part)
    shift = matrix[:3, 3]
    same = np.allclose(matrix[:3, 1:3], np.eye(4)[:3, 1:3], atol=EXACT) and np.allclose(shift[1:], 0.0, atol=EXACT)
    return round(float(shift[0])) if same and part.shape[1:] == grid.shape[1:] else None


def _marks_of_region(findings: Segmentation, index: int, start: int) -> Iterator[Mark]:
    """Slice by slice, so that no mask of a whole volume is made."""
    region = findings.regions[index]
    top, left, bottom, right = region.box or (0, 0, 0, 0)
    first, last = region.slices or (0, 0)
    words = f"{index + 1}. {region.title}"
    for z in range(first, last + 1):
        part = findings.codes[z : z + 1, top : bottom + 1, left : right + 1]
        mask = replace(findings, codes=part).mask(index)[0]
        if mask.any():
            lines = _moved(outlines(mask), top, left)
            yield Mark(kind="outline", label=index, number=index + 1, z=start + z, lines=lines, words=words)


def _moved(lines: Sequence[Points], rows: int, columns: int) -> tuple[Points, ...]:
    return tuple(line + np.array([columns, rows]) for line in lines)
