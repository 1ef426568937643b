"""Tiny detectors with weights set by hand, for tests: they find bright squares or cubes of known sides on dark.

Each convolution compares the mean of a square with the mean of the ring of one pixel around it. The score is 1 where
a square of value 1 on 0 lies exactly there, and falls to 0 as half of that contrast is lost: the truth of a detection
is known to a pixel. Building one needs the package ``onnx`` (``edgerun[test]``); the runtime uses nothing of this.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

IMAGE, DETECTIONS, BOXES, SCORES, LABELS, MASKS = "image", "detections", "boxes", "scores", "labels", "masks"
PATCH = 28
LEAST_CONTRAST = 0.5
SURE, COVERED = 0.5, 0.3


def painted(shape: Sequence[int], boxes: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Return a black picture or volume with white boxes.

    Parameters
    ----------
    shape : sequence of int
        (y, x) or (z, y, x).
    boxes : sequence of sequences of int
        Starts, then ends, as in `edge.detect.layouts.Candidates`.

    Examples
    --------
    >>> painted((2, 3), [(0, 1, 1, 3)]).tolist()
    [[0, 255, 255], [0, 0, 0]]
    """
    voxels = np.zeros(tuple(shape), dtype=np.uint8)
    axes = len(shape)
    for box in boxes:
        voxels[tuple(slice(start, end) for start, end in zip(box[:axes], box[axes:], strict=True))] = 255
    return voxels


def yolov5_net(shape: tuple[int, int], sides: Sequence[int], *, stride: int = 1) -> bytes:
    """Return a detector of squares in the layout of `edge.detect.layouts.yolov5`.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the input ``image``, (1, 1, y, x) float32, 0 to 1.
    sides : sequence of int
        The side of the squares of each label, in pixels.
    stride : int
        Squares are found whose first row and column are multiples of it.

    Returns
    -------
    bytes
        ONNX, opset 18, IR 10; the output is ``detections``.
    """
    graph = _Graph()
    boxes, ones = _anchors(shape, sides, stride)
    sure = _squares_found(graph, sides, stride, len(boxes), axes=2)
    places = graph.constant("places", _middles(boxes)[np.newaxis])
    kinds = graph.constant("kinds", ones[np.newaxis])
    graph.node("Concat", [places, sure, kinds], DETECTIONS, axis=2)
    return graph.model((1, 1, *shape), {DETECTIONS: (1, len(boxes), 5 + len(sides))})


def anchor_free_net(shape: tuple[int, int], sides: Sequence[int], *, stride: int = 1) -> bytes:
    """Return a detector of squares in the layout of `edge.detect.layouts.anchor_free`; see `yolov5_net`."""
    graph = _Graph()
    boxes, ones = _anchors(shape, sides, stride)
    sure = _squares_found(graph, sides, stride, len(boxes), axes=2)
    scores = graph.node("Mul", [sure, graph.constant("kinds", ones[np.newaxis])], "by_label")
    places = graph.constant("places", _middles(boxes)[np.newaxis])
    rows = graph.node("Concat", [places, scores], "rows", axis=2)
    graph.node("Transpose", [rows], DETECTIONS, perm=[0, 2, 1])
    return graph.model((1, 1, *shape), {DETECTIONS: (1, 4 + len(sides), len(boxes))})


def boxes_net(
    shape: tuple[int, int], sides: Sequence[int], *, patches: Array | None = None, whole_masks: bool = False
) -> bytes:
    """Return a detector of squares in the layout of `edge.detect.layouts.separate_boxes`; see `yolov5_net`.

    It gives only boxes with a score above 0.5, of overlapping ones of a label the surest alone, and maybe none.

    Parameters
    ----------
    shape, sides
        As in `yolov5_net`.
    patches : ndarray of float32, shape (labels, h, w), optional
        The mask that each label's detections get; all ones, 28 x 28, where None.
    whole_masks : bool
        Whether the masks cover the whole picture: 1 within the box; `patches` are not used.
    """
    graph = _Graph()
    boxes, ones = _anchors(shape, sides, 1)
    sure = _squares_found(graph, sides, 1, len(boxes), axes=2)
    scores = graph.node("Mul", [sure, graph.constant("kinds", ones[np.newaxis])], "by_label")
    box, kind = _selected(graph, boxes, scores)
    graph.node("Gather", [graph.constant("corners", boxes[:, [1, 0, 3, 2]]), box], BOXES, axis=0)
    graph.node("Gather", [graph.node("Reshape", [sure, graph.constant("flat", _ints(-1))], "all"), box], SCORES, axis=0)
    graph.node("Add", [kind, graph.constant("one", _ints(1))], LABELS)
    if whole_masks:
        _mask_within(graph, shape)
        size = shape
    else:
        chosen = np.ones((len(sides), PATCH, PATCH)) if patches is None else patches
        size = (chosen.shape[1], chosen.shape[2])
        graph.node("Gather", [graph.constant("patches", chosen[:, np.newaxis]), kind], MASKS, axis=0)
    return graph.model((1, 1, *shape), {BOXES: ("n", 4), SCORES: ("n",), LABELS: ("n",), MASKS: ("n", 1, *size)})


def one_per_label_net(shape: tuple[int, int, int], sides: Sequence[int]) -> bytes:
    """Return a detector of cubes in the layout of `edge.detect.layouts.one_per_label`; see `yolov5_net`.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x) of the input ``image``, (1, 1, z, y, x) float32, 0 to 1.
    sides : sequence of int
        The side of the cube of each label, in voxels.
    """
    graph = _Graph()
    corners = np.array(list(itertools.product(*(range(n) for n in shape))), dtype=np.float64)
    kinds = len(sides)
    found = _squares_found(graph, sides, 1, kinds * len(corners), axes=3)
    cells = graph.node("Reshape", [found, graph.constant("by_kind", _ints(1, kinds, -1))], "cells")
    presence = graph.node("ReduceMax", [cells, graph.constant("last", _ints(2))], "presence", keepdims=1)
    best = graph.node("ArgMax", [cells], "best", axis=2, keepdims=0)
    start = graph.node("Gather", [graph.constant("starts", corners / shape), best], "start", axis=0)
    extent = np.array([[side / n for n in shape] for side in sides])[np.newaxis]
    end = graph.node("Add", [start, graph.constant("extent", extent)], "end")
    graph.node("Concat", [presence, start, end], DETECTIONS, axis=2)
    return graph.model((1, 1, *shape), {DETECTIONS: (1, kinds, 7)})


def _anchors(shape: tuple[int, int], sides: Sequence[int], stride: int) -> tuple[Array, Array]:
    """A box for each label and cell, (n, 4) as edges, and which label it is for, (n, labels)."""
    starts = np.array(list(itertools.product(*(range(0, n, stride) for n in shape))), dtype=np.float64)
    boxes = np.concatenate([np.hstack([starts, starts + side]) for side in sides])
    return boxes, np.repeat(np.eye(len(sides)), len(starts), axis=0)


def _middles(boxes: Array) -> Array:
    """Centre x, centre y, width, height."""
    y0, x0, y1, x1 = boxes.T
    return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)


def _squares_found(graph: _Graph, sides: Sequence[int], stride: int, count: int, *, axes: int) -> str:
    """How sure it is that a square of each side starts in each cell, (1, count, 1), label by label."""
    weights = np.stack([_inside_against_ring(side, max(sides), axes) for side in sides])[:, np.newaxis]
    pads = [1] * axes + [max(sides)] * axes
    kernel = graph.constant("weights", weights)
    compared = graph.node("Conv", [IMAGE, kernel], "compared", pads=pads, strides=[stride] * axes)
    above = graph.node("Sub", [compared, graph.constant("least", np.array(LEAST_CONTRAST))], "above")
    scaled = graph.node("Mul", [above, graph.constant("gain", np.array(1 / (1 - LEAST_CONTRAST)))], "scaled")
    limits = [graph.constant("zero", np.array(0.0)), graph.constant("full", np.array(1.0))]
    clipped = graph.node("Clip", [scaled, *limits], "clipped")
    return graph.node("Reshape", [clipped, graph.constant("in_rows", _ints(1, count, 1))], "sure")


def _inside_against_ring(side: int, largest: int, axes: int) -> Array:
    """Weights whose response is the mean of a square less the mean of the ring around it."""
    weights = np.zeros((largest + 2,) * axes)
    ring = (side + 2) ** axes - side**axes
    weights[(slice(0, side + 2),) * axes] = -1.0 / ring
    weights[(slice(1, side + 1),) * axes] = 1.0 / side**axes
    return weights


def _selected(graph: _Graph, boxes: Array, scores: str) -> tuple[str, str]:
    """Indices of the boxes that stay, and of their labels, each (m,)."""
    by_label = graph.node("Transpose", [scores], "label_rows", perm=[0, 2, 1])
    limits = [
        graph.constant("most", _ints(100)),
        graph.constant("covered", np.array([COVERED])),
        graph.constant("enough", np.array([SURE])),
    ]
    edges = graph.constant("edges", boxes[np.newaxis])
    picked = graph.node("NonMaxSuppression", [edges, by_label, *limits], "picked")
    box = graph.node("Gather", [picked, graph.constant("third", np.array(2))], "box", axis=1)
    kind = graph.node("Gather", [picked, graph.constant("second", np.array(1))], "kind", axis=1)
    return box, kind


def _mask_within(graph: _Graph, shape: tuple[int, int]) -> None:
    """Masks of the whole picture: 1 where a pixel's centre lies within the box."""
    centres = {"x": np.arange(shape[1]) + 0.5, "y": (np.arange(shape[0]) + 0.5)[:, np.newaxis]}
    x0, y0, x1, y1 = (
        graph.node(
            "Reshape", [_column(graph, index), graph.constant(f"up_{index}", _ints(-1, 1, 1, 1))], f"side_{index}"
        )
        for index in range(4)
    )
    tests = []
    for axis, start, end in (("x", x0, x1), ("y", y0, y1)):
        at = graph.constant(f"centres_{axis}", centres[axis])
        tests.append(graph.node("Greater", [at, start], f"after_{axis}"))
        tests.append(graph.node("Less", [at, end], f"before_{axis}"))
    across = graph.node("And", tests[:2], "across")
    down = graph.node("And", tests[2:], "down")
    graph.node("Cast", [graph.node("And", [across, down], "within")], MASKS, to=1)


def _column(graph: _Graph, index: int) -> str:
    return graph.node("Gather", [BOXES, graph.constant(f"column_{index}", np.array(index))], f"edge_{index}", axis=1)


def _ints(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """A graph while it is built: its constants by name, and its nodes as the arguments of ``helper.make_node``."""

    constants: dict[str, Array] = field(default_factory=dict)
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = field(default_factory=list)

    def constant(self, name: str, values: Array) -> str:
        self.constants[name] = np.array(values, dtype=np.int64 if values.dtype.kind == "i" else np.float32, order="C")
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append((operator, list(inputs), output, attributes))
        return output

    def model(self, image: Sequence[int], outputs: dict[str, Sequence[int | str]]) -> bytes:
        from onnx import TensorProto, checker, helper, numpy_helper

        kinds = {LABELS: TensorProto.INT64}
        given = [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), list(shape))
            for name, shape in outputs.items()
        ]
        taken = helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, list(image))
        nodes = [helper.make_node(operator, names, [to], **options) for operator, names, to, options in self.nodes]
        constants = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(nodes, "planted", [taken], given, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())
