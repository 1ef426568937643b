"""Boxes of the windows of a picture -> those of the picture: what a border cut is told once, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.detect.layouts import Candidates, Values
from edge.volume.tiles import Start, Tiles

NEAR = 1.0
"""Pixels from the border of a window within which a box may have been cut by it."""

COVERED = 0.7
"""Of a box that was cut, the part that another one must cover to stand for it."""


def put_together(parts: Iterable[tuple[Start, Candidates]], tiles: Tiles) -> Candidates:
    """Return the candidates of all windows on the prepared picture, without those that a border cut and another holds.

    A box that reaches a border of its window beyond which the picture goes on is left out where a box of its label that
    reaches none covers `COVERED` of it: that is the same thing, seen whole by a neighbour. A cut box that nobody covers
    stays. What windows saw alike is still told twice; `edge.detect.suppress` follows.

    Parameters
    ----------
    parts : iterable of (Start, Candidates)
        Of each window, edges (y0, x0, y1, x1) on the window; the axes of the windows are (row, 1, column).
    tiles : Tiles
    """
    moved: list[Candidates] = []
    cut: list[NDArray[np.bool_]] = []
    for (row, _, column), found in parts:
        boxes = found.boxes + np.array([row, column, row, column], dtype=np.float64)
        moved.append(replace(found, boxes=boxes))
        cut.append(_is_cut(boxes, (row, column), tiles))
    boxes, scores, labels = (
        np.concatenate([getattr(found, name) for found in moved]) for name in ("boxes", "scores", "labels")
    )
    every = Candidates(boxes=boxes, scores=scores, labels=labels)
    return every.taken(np.flatnonzero(~_is_held(every, np.concatenate(cut))))


def _is_cut(boxes: Values, start: tuple[int, int], tiles: Tiles) -> NDArray[np.bool_]:
    """Whether each box reaches a border of its window that is none of the picture."""
    found = np.zeros(len(boxes), dtype=np.bool_)
    for axis, (first, size, length) in enumerate(
        zip(start, (tiles.shape[0], tiles.shape[2]), (tiles.patch[0], tiles.patch[2]), strict=True)
    ):
        if first > 0:
            found |= boxes[:, axis] <= first + NEAR
        if first + length < size:
            found |= boxes[:, axis + 2] >= first + length - NEAR
    return found


def _is_held(every: Candidates, cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each box was cut and lies, but for a part, in one of its label that was not."""
    held = np.zeros(len(cut), dtype=np.bool_)
    whole = np.flatnonzero(~cut)
    whole = whole[np.argsort(every.boxes[whole, 0], kind="stable")]
    tops = every.boxes[whole, 0]
    tallest = float((every.boxes[whole, 2] - tops).max(initial=0.0))
    for index in np.flatnonzero(cut):
        box = every.boxes[index]
        first, last = np.searchsorted(tops, (box[0] - tallest, box[2]))  # no other reaches into its rows
        near = whole[first:last]
        others = every.boxes[near]
        inside = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        common = inside.clip(0.0).prod(axis=1)
        alike = every.labels[near] == every.labels[index]
        held[index] = bool(np.any(alike & (common >= COVERED * max(float((box[2:] - box[:2]).prod()), 1e-12))))
    return held
