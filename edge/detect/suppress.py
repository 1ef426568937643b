"""Of boxes of one label that overlap, the surest alone stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detect.layouts import Candidates, Indices, Values

BLOCK = 128


def overlaps(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Return the intersection over union of every box with every other (Jaccard 1912).

    Parameters
    ----------
    first, second : ndarray of float, shapes (k, 4) and (m, 4), or (k, 6) and (m, 6)
        Edges, as in `edge.detect.layouts.Candidates`.

    Returns
    -------
    ndarray of float64, shape (k, m)
        0 to 1; 0 where both boxes are empty.

    Examples
    --------
    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [0, 1, 2, 3], [5, 5, 6, 6]])).round(3).tolist()
    [[1.0, 0.333, 0.0]]
    """
    axes = first.shape[1] // 2
    # One axis after the other, each an array of its own: long rows are what numpy is fast at.
    a, b = (np.ascontiguousarray(boxes.T, dtype=np.float64) for boxes in (first[:, np.newaxis], second[np.newaxis]))
    common = np.ones((len(second), len(first)))
    for axis in range(axes):
        shared = np.minimum(a[axis + axes], b[axis + axes]) - np.maximum(a[axis], b[axis])
        common *= np.maximum(shared, 0.0)
    union = _sizes(a) + _sizes(b) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0).T)


def suppress(candidates: Candidates, *, overlap: float, most: int) -> Candidates:
    """Return the candidates that no surer one of the same label covers: greedy non-maximum suppression.

    From the surest on, each stays unless it overlaps one of its label that stays by more than `overlap`. What is left
    is what ``torchvision.ops.batched_nms`` leaves: areas without "+ 1", an overlap of exactly the threshold stays, and
    of equal scores the first in order goes first. Labels are compared as such, where torchvision may move each
    label's boxes apart by an offset, which rounds them; and all is computed in float64.

    Parameters
    ----------
    candidates : Candidates
        In two or three dimensions.
    overlap : float
        Intersection over union, 0 to 1; with 1 all stay.
    most : int
        Of all labels together, the surest.

    Returns
    -------
    Candidates
        The surest first; of equal scores in the order given.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 10.0], [0.0, 0.0, 10.0, 9.0]])
    >>> three = Candidates(boxes=boxes, scores=np.array([0.6, 0.9, 0.5]), labels=np.array([0, 0, 1]))
    >>> suppress(three, overlap=0.5, most=10).scores.tolist()
    [0.9, 0.5]
    """
    order = np.argsort(-candidates.scores, kind="stable")
    ordered = replace(candidates, masks=None).taken(order)
    staying = np.zeros(0, dtype=np.intp)
    for start in range(0, len(ordered.scores), BLOCK):
        if len(staying) >= most:
            break
        block = np.arange(start, min(start + BLOCK, len(ordered.scores)))
        block = block[~_covers(ordered, staying, block, overlap).any(axis=0)]
        staying = np.concatenate([staying, block[_one_by_one(_covers(ordered, block, block, overlap))]])
    return candidates.taken(order[staying[:most]])


def _covers(candidates: Candidates, first: Indices, second: Indices, overlap: float) -> NDArray[np.bool_]:
    """Whether each of `first` overlaps each of `second` too much and has its label."""
    boxes, labels = candidates.boxes, candidates.labels
    alike: NDArray[np.bool_] = labels[first][:, np.newaxis] == labels[second]
    return alike & (overlaps(boxes[first], boxes[second]) > overlap)


def _one_by_one(covers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which stay, when from the first on each that stays drives out those behind it that it covers."""
    stays = np.ones(len(covers), dtype=np.bool_)
    for index in range(len(covers)):
        if stays[index]:
            stays[index + 1 :] &= ~covers[index, index + 1 :]
    return stays


def _sizes(edges: Values) -> Values:
    """Products of the extents, of boxes with an axis for each edge in front."""
    axes = len(edges) // 2
    return np.asarray((edges[axes:] - edges[:axes]).prod(axis=0))
