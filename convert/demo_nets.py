"""Small networks whose weights are set by hand, for demonstrations: what they do is known, and nothing was learnt.

Those that find squares are in `edge.detect.planted`. Images are float32, 0 to 1. ONNX, opset 18, IR 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

IMAGE, FIXED, MOVING = "image", "fixed", "moving"
LOGITS, FIELD, MADE = "logits", "field", "made"
GAIN = 40.0
"""Of logits: at 0.1 from a border between two levels, a score is 0.98."""
OPSET, IR_VERSION = 18, 10

Array = NDArray[Any]


def above_net(shape: Sequence[int], limit: float) -> bytes:
    """Return a network whose logit is above 0 where the image is above a limit.

    Parameters
    ----------
    shape : sequence of int
        (y, x) or (z, y, x) of the input ``image``, (1, 1, ...); the output ``logits`` is as large.
    """
    weights = {"gain": np.array(GAIN), "limit": np.array(limit)}
    nodes = [
        helper.make_node("Sub", [IMAGE, "limit"], ["above"]),
        helper.make_node("Mul", ["above", "gain"], [LOGITS]),
    ]
    return _model(nodes, {IMAGE: (1, 1, *shape)}, {LOGITS: (1, 1, *shape)}, weights)


def nearest_level_net(shape: Sequence[int], levels: Sequence[float]) -> bytes:
    """Return a network with a logit for each level, the highest where the image is nearest to that level.

    The squared distance to a level is, but for what all levels share, a line: one 1 x 1 convolution does it.

    Parameters
    ----------
    shape : sequence of int
        (y, x) or (z, y, x) of the input ``image``, (1, 1, ...); the output ``logits`` is (1, levels, ...).
    levels : sequence of float
        The background's first.
    """
    values = np.array(levels)
    weights = {"slopes": (2 * GAIN * values).reshape(-1, 1, *(1,) * len(shape)), "offsets": -GAIN * values**2}
    nodes = [helper.make_node("Conv", [IMAGE, "slopes", "offsets"], [LOGITS])]
    return _model(nodes, {IMAGE: (1, 1, *shape)}, {LOGITS: (1, len(values), *shape)}, weights)


def shift_net(shape: Sequence[int], limit: float) -> bytes:
    """Return a registration by the centres of what is bright: the same displacement for every voxel.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x) of the inputs ``fixed`` and ``moving``, (1, 1, z, y, x). The output ``field``, (1, 3, z, y, x), is
        the way from the bright part's centre in the first to that in the second along (z, y, x), in voxels.
    limit : float
        What is brighter counts, by how much it is.
    """
    places = np.stack(np.meshgrid(*(np.arange(size, dtype=np.float32) for size in shape), indexing="ij"))[np.newaxis]
    weights = {
        "limit": np.array(limit),
        "places": places,
        "least": np.array(1e-6),
        "axes": np.array([2, 3, 4], dtype=np.int64),
        "everywhere": np.zeros((1, 3, *shape)),
    }
    nodes = [*_centre(FIXED), *_centre(MOVING)]
    nodes.append(helper.make_node("Sub", [f"{MOVING}_centre", f"{FIXED}_centre"], ["shift"]))
    nodes.append(helper.make_node("Add", ["everywhere", "shift"], [FIELD]))
    sizes = {FIXED: (1, 1, *shape), MOVING: (1, 1, *shape)}
    return _model(nodes, sizes, {FIELD: (1, 3, *shape)}, weights)


def _centre(name: str) -> list[NodeProto]:
    """From an image to the centre of what is above the limit, (1, 3, 1, 1, 1)."""
    own = f"{name}_{{}}".format
    return [
        helper.make_node("Sub", [name, "limit"], [own("above")]),
        helper.make_node("Relu", [own("above")], [own("bright")]),
        helper.make_node("Mul", [own("bright"), "places"], [own("moments")]),
        helper.make_node("ReduceSum", [own("moments"), "axes"], [own("moment")], keepdims=1),
        helper.make_node("ReduceSum", [own("bright"), "axes"], [own("sum")], keepdims=1),
        helper.make_node("Add", [own("sum"), "least"], [own("mass")]),
        helper.make_node("Div", [own("moment"), own("mass")], [own("centre")]),
    ]


def curve_net(shape: Sequence[int], given: Sequence[float], made: Sequence[float]) -> bytes:
    """Return a network that gives each value another one: straight lines between given points.

    Parameters
    ----------
    shape : sequence of int
        (y, x) of the input ``image``, (1, 1, y, x), and of the output ``made``.
    given, made : sequence of float
        Values of the input, rising, and what the output is there. Beyond the last the last line goes on; before the
        first the output stays.
    """
    slopes = np.diff(made) / np.diff(given)
    bends = np.diff(slopes, prepend=0.0)
    starts = np.array(given[:-1])
    ones = np.ones((len(starts), 1, 1, 1))
    weights = {"ones": ones, "starts": -starts, "bends": bends.reshape(1, -1, 1, 1), "first": np.array(made[:1])}
    nodes = [
        helper.make_node("Conv", [IMAGE, "ones", "starts"], ["beyond"]),
        helper.make_node("Relu", ["beyond"], ["lengths"]),
        helper.make_node("Conv", ["lengths", "bends", "first"], [MADE]),
    ]
    return _model(nodes, {IMAGE: (1, 1, *shape)}, {MADE: (1, 1, *shape)}, weights)


def _model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
    weights: Mapping[str, Array],
) -> bytes:
    taken, given = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in sizes.items()]
        for sizes in (inputs, outputs)
    )
    constants = [
        numpy_helper.from_array(value if value.dtype.kind == "i" else value.astype(np.float32), name)
        for name, value in weights.items()
        if any(name in node.input for node in nodes)
    ]
    graph = helper.make_graph(list(nodes), "demonstration", taken, given, constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
