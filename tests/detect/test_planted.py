"""The planted nets fire on what they are made for and nowhere else, in every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.layouts import BoxTensors, Candidates, anchor_free, one_per_label, separate_boxes, yolov5
from edge.detect.planted import (
    BOXES,
    DETECTIONS,
    LABELS,
    MASKS,
    SCORES,
    anchor_free_net,
    boxes_net,
    one_per_label_net,
    painted,
    yolov5_net,
)
from edge.detect.suppress import suppress
from edge.engines import available_engines
from edge.pack.onnx_file import inspect_onnx
from tests.detect.planting import run

Array = NDArray[Any]
SHAPE = (24, 32)
SQUARES = [(3, 5, 9, 11), (14, 20, 18, 24)]
CUBES = [(1, 2, 3, 4, 5, 6), (4, 6, 8, 9, 11, 13)]
VOLUME = (10, 12, 14)
NETS = {
    "yolov5": lambda: yolov5_net(SHAPE, (6, 4)),
    "anchor-free": lambda: anchor_free_net(SHAPE, (6, 4)),
    "boxes": lambda: boxes_net(SHAPE, (6, 4)),
    "boxes with whole masks": lambda: boxes_net(SHAPE, (6, 4), whole_masks=True),
    "one-per-label": lambda: one_per_label_net(VOLUME, (3, 5)),
}
nets = pytest.mark.parametrize("name", NETS)


def image_of(name: str) -> Array:
    voxels = painted(VOLUME, CUBES) if name == "one-per-label" else painted(SHAPE, SQUARES)
    return np.asarray(voxels / np.float32(255))


def read(name: str, outputs: dict[str, Array], least: float = 0.5) -> Candidates:
    thresholds = [least, least]
    if name == "one-per-label":
        return one_per_label(outputs, DETECTIONS, thresholds, VOLUME)
    if name in ("yolov5", "anchor-free"):
        given = (yolov5 if name == "yolov5" else anchor_free)(outputs, DETECTIONS, thresholds)
    else:
        given = separate_boxes(outputs, BoxTensors(boxes=BOXES, scores=SCORES, labels=LABELS, masks=MASKS), thresholds)
    return suppress(given, overlap=0.3, most=100)


@nets
def test_a_planted_net_is_a_model_that_a_pack_may_hold(name: str) -> None:
    facts = inspect_onnx(NETS[name](), name)
    assert (facts.opset, facts.ir_version) == (18, 10)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@nets
def test_each_lesion_is_found_to_the_pixel_and_surely(name: str, engine: str) -> None:
    if engine not in available_engines():
        pytest.skip(f"{engine} is not installed")
    given = read(name, run(NETS[name](), image_of(name), engine))
    truths = CUBES if name == "one-per-label" else SQUARES
    assert sorted(given.labels.tolist()) == [0, 1]
    assert given.boxes[np.argsort(given.labels)] == pytest.approx(np.array(truths, float), abs=1e-5)
    assert given.scores == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@nets
def test_in_the_dark_and_in_the_light_nothing_is_found(name: str, engine: str) -> None:
    if engine not in available_engines():
        pytest.skip(f"{engine} is not installed")
    net = NETS[name]()
    for value in (0.0, 0.3):
        assert len(read(name, run(net, np.full_like(image_of(name), value), engine)).boxes) == 0


@pytest.mark.parametrize("side", [1, 2, 8, 11])
def test_squares_of_other_sides_are_not_found(side: int) -> None:
    picture = painted(SHAPE, [(6, 6, 6 + side, 6 + side)]) / np.float32(255)
    outputs = run(anchor_free_net(SHAPE, (4,)), picture)
    assert len(anchor_free(outputs, DETECTIONS, [0.5]).boxes) == 0


def test_a_square_of_half_the_contrast_is_not_found() -> None:
    picture = painted(SHAPE, SQUARES[:1]) / np.float32(510)
    assert len(read("yolov5", run(NETS["yolov5"](), picture)).boxes) == 0


def test_with_a_stride_squares_in_other_places_are_less_sure() -> None:
    net = yolov5_net(SHAPE, (8,), stride=4)
    scores = []
    for corner in (8, 9, 10):
        picture = painted(SHAPE, [(8, corner, 16, corner + 8)]) / np.float32(255)
        outputs = run(net, picture)
        assert outputs[DETECTIONS].shape == (1, 6 * 8, 6)
        given = suppress(yolov5(outputs, DETECTIONS, [0.01]), overlap=0.3, most=1)
        assert given.boxes.tolist() == [[8, 8, 16, 16]]
        scores.append(float(given.scores[0]))
    assert scores[0] == pytest.approx(1.0)
    assert scores == sorted(scores, reverse=True)


def test_each_label_has_its_own_patch() -> None:
    patches = np.stack([np.full((5, 7), 0.25), np.full((5, 7), 0.75)])
    given = read("boxes", run(boxes_net(SHAPE, (6, 4), patches=patches), image_of("boxes")))
    assert given.masks is not None
    assert given.masks.shape == (2, 5, 7)
    assert given.masks[:, 0, 0].tolist() == [[0.25, 0.75][label] for label in given.labels]
