"""Raw outputs of detectors to candidates: the layouts in which published models give their boxes.

Boxes are edges, not centres of pixels: along each axis a box is ``[start, end]`` in a measure in which pixel i covers
``[i, i + 1]``. A box around the rows i to j is ``[i, j + 1]``, so that its height is end - start, without any "+ 1".
YOLOv5, its successors, torchvision and Detectron2 (Wu et al. 2019, its "aligned" boxes) count alike. Exports of the
first Mask R-CNN codes, whose x1 is the last pixel itself, have to add 1 inside the graph.

Each function decides with a threshold per label, in the manifest's order: a candidate is one label of one box whose
score is the threshold at least. What is below is no candidate and only its numbers are checked: a network that finds
nothing in a place may well draw a box there that ends before it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.geometry import Shape
from edge.reasons import BAD_OUTPUT
from edge.tasks import activate, finite_output

Outputs = Mapping[str, NDArray[Any]]
Values = NDArray[np.float64]
Indices = NDArray[np.intp]
Activation = Literal["sigmoid", "none"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Boxes that may be findings, each with one label.

    Parameters
    ----------
    boxes : ndarray of float64, shape (n, 4) or (n, 6)
        y0, x0, y1, x1, or z0, y0, x0, z1, y1, x1: edges in pixels of the picture that was fed; they may reach beyond
        it. No end is before its start.
    scores : ndarray of float64, shape (n,)
        0 to 1.
    labels : ndarray of intp, shape (n,)
        Index into the manifest's labels, from 0.
    masks : ndarray of float32, shape (n, h, w), optional
        0 to 1: either patches that fill their boxes or pictures of the size that was fed (`edge.detect.instances`).
    """

    boxes: Values
    scores: Values
    labels: Indices
    masks: NDArray[np.float32] | None = None

    def taken(self, indices: Indices) -> Candidates:
        """Return the candidates with these indices, in this order."""
        masks = None if self.masks is None else self.masks[indices]
        return Candidates(
            boxes=self.boxes[indices], scores=self.scores[indices], labels=self.labels[indices], masks=masks
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTensors:
    """Names of the outputs of a graph that gives its boxes one by one."""

    boxes: str
    scores: str
    labels: str
    masks: str | None = None


def yolov5(
    outputs: Outputs,
    name: str,
    thresholds: Sequence[float],
    *,
    activation: Activation = "none",
    several_labels: bool = False,
) -> Candidates:
    """Read boxes as exports of YOLOv5 (Jocher 2020) give them, decoded in the graph.

    Parameters
    ----------
    outputs : mapping
    name : str
        Of the output, shape (1, n, 5 + labels): centre x, centre y, width and height in pixels, objectness, then a
        probability for each label. The score of a label is objectness times probability.
    thresholds : sequence of float
        Least score for each label.
    activation : {"none", "sigmoid"}
        Of objectness and probabilities; ``none`` where the graph has applied it.
    several_labels : bool
        Whether a box may be a candidate for each label that reaches its threshold; else for the best of these alone.

    Raises
    ------
    EngineError
        ``E503``: wrong shape, values that are no numbers, scores out of 0 to 1, a candidate that ends before it starts.
    """
    raw = finite_output(outputs, name, (1, None, 5 + len(thresholds)))[0]
    sure = activate(raw[:, 4:], activation, name, axis=1)
    return _chosen(raw[:, :4], sure[:, :1] * sure[:, 1:], thresholds, name, several_labels=several_labels)


def anchor_free(
    outputs: Outputs,
    name: str,
    thresholds: Sequence[float],
    *,
    activation: Activation = "none",
    several_labels: bool = False,
) -> Candidates:
    """Read boxes as exports of YOLOv5's successors without anchors give them: (1, 4 + labels, n).

    Parameters
    ----------
    outputs, thresholds, activation, several_labels
        As in `yolov5`.
    name : str
        Of the output: rows of centre x, centre y, width and height in pixels, then one of scores for each label.

    Raises
    ------
    EngineError
        ``E503``, as in `yolov5`.
    """
    raw = finite_output(outputs, name, (1, 4 + len(thresholds), None))[0].T
    scores = activate(raw[:, 4:], activation, name, axis=1)
    return _chosen(raw[:, :4], scores, thresholds, name, several_labels=several_labels)


def separate_boxes(outputs: Outputs, names: BoxTensors, thresholds: Sequence[float]) -> Candidates:
    """Read boxes that come one by one, as exports of Mask R-CNN (He et al. 2017) give them; there may be none.

    Parameters
    ----------
    outputs : mapping
    names : BoxTensors
        Boxes (n, 4): x0, y0, x1, y1. Scores (n,): 0 to 1. Labels (n,): from 1, as 0 is the background. Masks, where
        named, (n, 1, h, w): probabilities.
    thresholds : sequence of float
        Least score for each label.

    Raises
    ------
    EngineError
        ``E503``: as in `yolov5`; a label that the manifest does not have; outputs of different lengths.
    """
    boxes = _listed(outputs, names.boxes, (4,))
    count = len(boxes)
    scores = _shares(_listed(outputs, names.scores, (), count), names.scores)
    labels = _label_indices(_listed(outputs, names.labels, (), count), names.labels, len(thresholds))
    kept = np.flatnonzero(_reach(scores, np.asarray(thresholds)[labels]))
    masks = None
    if names.masks is not None:
        patches = _listed(outputs, names.masks, (1, None, None), count)[kept, 0]
        masks = _shares(patches, names.masks).astype(np.float32)
    edges = _ordered(boxes[kept][:, [1, 0, 3, 2]].astype(np.float64), names.boxes)
    return Candidates(boxes=edges, scores=scores[kept], labels=labels[kept], masks=masks)


def one_per_label(
    outputs: Outputs, name: str, thresholds: Sequence[float], shape: Shape, *, activation: Activation = "none"
) -> Candidates:
    """Read one box per label in a volume, as networks that localise organs give them.

    Parameters
    ----------
    outputs, thresholds
        As in `yolov5`.
    name : str
        Of the output, shape (1, labels, 7): whether the label is there, then z0, y0, x0, z1, y1, x1 as shares of the
        volume that was fed, edge to edge: 0 is its first edge, 1 its last.
    shape : tuple of int
        Voxels (z, y, x) of that volume.
    activation : {"none", "sigmoid"}
        Of the presence.

    Raises
    ------
    EngineError
        ``E503``, as in `yolov5`.
    """
    raw = finite_output(outputs, name, (1, len(thresholds), 7))[0]
    scores = activate(raw[:, 0], activation, name, axis=0)
    kept = np.flatnonzero(_reach(scores, np.asarray(thresholds)))
    edges = _ordered(raw[kept, 1:].astype(np.float64) * np.array([*shape, *shape]), name)
    return Candidates(boxes=edges, scores=scores[kept], labels=kept)


def _chosen(
    middles: NDArray[np.float32], scores: Values, thresholds: Sequence[float], name: str, *, several_labels: bool
) -> Candidates:
    """The candidates among n boxes, (n, 4) as centre x, centre y, width, height, with scores (n, labels)."""
    enough = _reach(scores, np.asarray(thresholds))
    if several_labels:
        rows, labels = np.nonzero(enough)
    else:
        rows = np.flatnonzero(enough.any(axis=1))
        labels = np.argmax(np.where(enough[rows], scores[rows], -1.0), axis=1)
    x, y, width, height = middles[rows].astype(np.float64).T
    edges = np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=1)
    return Candidates(boxes=_ordered(edges, name), scores=scores[rows, labels], labels=labels)


def _reach(scores: Values, thresholds: Values) -> NDArray[np.bool_]:
    """Compare as float32, which is what the model gave: its 0.7 reaches a threshold of 0.7."""
    return np.asarray(scores.astype(np.float32) >= thresholds.astype(np.float32))


def _ordered(boxes: Values, name: str) -> Values:
    """The boxes, none of which ends before it starts."""
    axes = boxes.shape[1] // 2
    reversed_boxes = int((boxes[:, axes:] < boxes[:, :axes]).any(axis=1).sum())
    if reversed_boxes:
        raise EngineError(
            f"Reading the output {name!r}: found {reversed_boxes} boxes that end before they start, expected none.",
            BAD_OUTPUT,
        )
    return boxes


def _listed(outputs: Outputs, name: str, rest: tuple[int | None, ...], count: int | None = None) -> NDArray[np.float32]:
    """An output with one row per box: `count` rows, or any number where it is None, and none as well."""
    shape = np.shape(outputs[name]) if name in outputs else ()
    wanted = (0, *(size if want is None else want for want, size in zip(rest, shape[1:], strict=False)))
    if count in (None, 0) and len(shape) == 1 + len(rest) and shape == wanted:
        return np.zeros(shape, dtype=np.float32)
    return finite_output(outputs, name, (count, *rest))


def _shares(values: NDArray[np.float32], name: str) -> Values:
    """Scores from 0 to 1; there may be none."""
    return activate(values, "none", name, axis=0) if values.size else values.astype(np.float64)


def _label_indices(values: NDArray[np.float32], name: str, count: int) -> Indices:
    """Labels counted from 0."""
    wrong = (values != np.rint(values)) | (values < 1) | (values > count)
    if wrong.any():
        found = ", ".join(f"{value:g}" for value in np.unique(values[wrong])[:5])
        raise EngineError(
            f"Reading the output {name!r}: found the labels {found}, expected whole numbers from 1 to {count}.",
            BAD_OUTPUT,
        )
    return values.astype(np.intp) - 1
