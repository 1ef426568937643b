"""The outline of each detection on the source's own pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detect.place import place_box
from edge.geometry import Grid, resample, slice_seen

Mask = NDArray[np.bool_]
HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstanceMask:
    """The pixels of one detection: the part of the slice around it, so that many of them take little memory.

    Parameters
    ----------
    start : tuple of int
        First row and first column of `pixels` on `grid`.
    pixels : ndarray of bool, shape (h, w)
        May be empty, shape (0, 0), where nothing of the detection is on the source.
    grid : Grid
        The source's slice, shape (1, y, x): rows and columns are the source's own (`edge.geometry.slice_seen`).
    """

    start: tuple[int, int]
    pixels: Mask
    grid: Grid

    def whole(self) -> Mask:
        """Return the mask of the whole slice, shape (1, y, x)."""
        mask = np.zeros(self.grid.shape, dtype=np.bool_)
        (row, column), (height, width) = self.start, self.pixels.shape
        mask[0, row : row + height, column : column + width] = self.pixels
        return mask


def paste_patch(
    patch: NDArray[Any], box: Sequence[float] | NDArray[Any], fed: Grid, source: Grid, *, threshold: float = HALF
) -> InstanceMask:
    """Return the mask of a detection whose probabilities are a patch that fills its box.

    The rule is that of Mask R-CNN (He et al. 2017, section 3.1: resized to the box and cut at a threshold) as
    Detectron2's aligned paste has it: the patch spans the box from edge to edge, whatever fractions of pixels these
    are; each pixel's centre is looked up linearly between the centres of the patch, which is zero beyond its border;
    from `threshold` on the pixel belongs to the mask. The pixels are those of the source, not of what was fed: there
    is one interpolation and not two.

    Parameters
    ----------
    patch : ndarray of float, shape (h, w)
        0 to 1, such as 28 x 28.
    box : sequence of float, length 4
        y0, x0, y1, x1: edges on `fed`, as in `edge.detect.layouts.Candidates`.
    fed : Grid
        Of the one slice that the model was fed.
    source : Grid
        Of the whole scan.
    threshold : float
        Above 0.
    """
    ringed = np.pad(np.asarray(patch, dtype=np.float32), 1)
    y0, x0, y1, x1 = (float(edge) for edge in box)
    step_y, step_x = (y1 - y0) / patch.shape[0], (x1 - x0) / patch.shape[1]
    change = np.diag([1.0, step_y, step_x, 1.0])
    change[1:3, 3] = y0 - (step_y + 1) / 2, x0 - (step_x + 1) / 2
    grid = Grid.of((1, *ringed.shape), fed.matrix @ change, fed.space)
    return _cut(ringed, grid, slice_seen(source, fed), threshold)


def bring_mask(mask: NDArray[Any], fed: Grid, source: Grid, *, threshold: float = HALF) -> InstanceMask:
    """Return the mask of a detection whose probabilities cover all that was fed, as torchvision's export gives them.

    They are brought to the source linearly and decided there, as those of a segmentation.

    Parameters
    ----------
    mask : ndarray of float, shape (h, w)
        0 to 1, from edge to edge of what was fed.
    fed, source, threshold
        As in `paste_patch`.
    """
    values = np.asarray(mask, dtype=np.float32)
    grid = fed.resized((1, *values.shape))
    seen = slice_seen(source, fed)
    rows, columns = np.nonzero(values > 0)
    if rows.size == 0:
        return _empty(seen)
    # One pixel more on each side, as values reach as far as the next centre; beyond the border they are held.
    top, left = max(int(rows.min()) - 1, 0), max(int(columns.min()) - 1, 0)
    part = values[top : int(rows.max()) + 2, left : int(columns.max()) + 2]
    return _cut(part, grid.cropped((0, top, left), (1, *part.shape)), seen, threshold)


def _cut(values: NDArray[np.float32], grid: Grid, seen: Grid, threshold: float) -> InstanceMask:
    """The pixels of the slice `seen` that lie on `grid` and whose value there is the threshold at least."""
    placed = place_box((0, 0, *values.shape), grid, seen)
    if placed is None:
        return _empty(seen)
    _, top, left, _, bottom, right = placed.edges
    row, column = math.floor(top), math.floor(left)
    target = seen.cropped((0, row, column), (1, math.ceil(bottom) - row, math.ceil(right) - column))
    brought = resample(values[np.newaxis], grid, target, fill=0.0)
    return InstanceMask(start=(row, column), pixels=brought[0] >= threshold, grid=seen)


def _empty(seen: Grid) -> InstanceMask:
    return InstanceMask(start=(0, 0), pixels=np.zeros((0, 0), dtype=np.bool_), grid=seen)
