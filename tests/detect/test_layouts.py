"""Raw outputs written by hand become the boxes, scores and labels that they mean; what is no answer is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.layouts import BoxTensors, Candidates, anchor_free, one_per_label, separate_boxes, yolov5
from edge.errors import EngineError

Array = NDArray[Any]
Outputs = dict[str, Array]
NAMES = BoxTensors(boxes="boxes", scores="scores", labels="labels", masks="masks")
SHAPE = (10, 20, 40)


def cells(*rows: list[float]) -> Outputs:
    """Rows of YOLOv5: centre x, centre y, width, height, objectness, probabilities."""
    return {"out": np.array([rows], np.float32)}


def columns(*rows: list[float]) -> Outputs:
    """The same of its successors: centre x, centre y, width, height, scores."""
    return {"out": np.array([rows], np.float32).transpose(0, 2, 1)}


def listed(
    boxes: list[list[float]], scores: list[float], labels: list[int], masks: Array | None = None
) -> dict[str, Array]:
    given: dict[str, Array] = {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "labels": np.array(labels, np.int64),
    }
    return {**given, "masks": np.full((len(boxes), 1, 28, 28), 0.5, np.float32) if masks is None else masks}


def organs(*rows: list[float]) -> Outputs:
    return {"out": np.array([rows], np.float32)}


def read(layout: str, outputs: Outputs, labels: int = 2, limit: float = 0.5) -> Candidates:
    thresholds = [limit] * labels
    if layout == "boxes":
        return separate_boxes(outputs, NAMES, thresholds)
    if layout == "one-per-label":
        return one_per_label(outputs, "out", thresholds, SHAPE)
    return {"yolov5": yolov5, "anchor-free": anchor_free}[layout](outputs, "out", thresholds)


def refused(layout: str, outputs: Outputs) -> str:
    with pytest.raises(EngineError) as caught:
        read(layout, outputs)
    assert caught.value.reason.code == "E503"
    return caught.value.message


# Each makes one answer with one box: its corners on the picture, its score, and whether it ends before it starts.
ANSWERS: dict[str, Callable[[float, float], Outputs]] = {
    "yolov5": lambda score, size: cells([10.0, 20.0, size, 6.0, score, 1.0, 0.0]),
    "anchor-free": lambda score, size: columns([10.0, 20.0, size, 6.0, score, 0.0]),
    "boxes": lambda score, size: listed([[10.0 - size / 2, 17.0, 10.0 + size / 2, 23.0]], [score], [1]),
    "one-per-label": lambda score, size: organs(
        [score, 0.1, 0.2, 0.5, 0.3, 0.4, 0.5 + size / 40], [0.0, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1]
    ),
}
TENSOR = {"yolov5": "out", "anchor-free": "out", "boxes": "boxes", "one-per-label": "out"}
layouts = pytest.mark.parametrize("layout", ANSWERS)


def test_a_box_of_yolov5_is_given_by_its_edges() -> None:
    given = read("yolov5", cells([10.0, 20.0, 4.0, 6.0, 0.9, 0.1, 0.8]))
    assert given.boxes.tolist() == [[17.0, 8.0, 23.0, 12.0]]
    assert given.boxes.dtype == given.scores.dtype == np.float64
    assert given.labels.tolist() == [1]
    assert given.scores == pytest.approx([0.72])


def test_a_box_around_one_pixel_is_one_pixel_high_and_wide() -> None:
    pixel = read("anchor-free", columns([7.5, 3.5, 1.0, 1.0, 0.9, 0.0]))
    assert pixel.boxes.tolist() == [[3.0, 7.0, 4.0, 8.0]]


def test_yolov5_and_its_successors_differ_in_objectness_and_in_axes_alone() -> None:
    old = read("yolov5", cells([10, 20, 4, 6, 1, 0.75, 0.25], [30, 5, 2, 2, 1, 0.0, 0.5], [1, 1, 1, 1, 1, 0.25, 0.25]))
    new = read("anchor-free", columns([10, 20, 4, 6, 0.75, 0.25], [30, 5, 2, 2, 0.0, 0.5], [1, 1, 1, 1, 0.25, 0.25]))
    assert old.boxes.tolist() == new.boxes.tolist() == [[17, 8, 23, 12], [4, 29, 6, 31]]
    assert old.scores.tolist() == new.scores.tolist() == [0.75, 0.5]
    assert old.labels.tolist() == new.labels.tolist() == [0, 1]


def test_a_sigmoid_is_applied_to_scores_and_not_to_places() -> None:
    given = yolov5(cells([10.0, 20.0, 4.0, 6.0, 0.0, 3.0]), "out", [0.2], activation="sigmoid")
    assert given.boxes.tolist() == [[17.0, 8.0, 23.0, 12.0]]
    assert given.scores == pytest.approx([0.5 / (1 + np.exp(-3.0))])
    newer = anchor_free(columns([10.0, 20.0, 4.0, 6.0, 3.0]), "out", [0.2], activation="sigmoid")
    assert newer.scores == pytest.approx([1 / (1 + np.exp(-3.0))])
    organ = one_per_label(organs([3.0, 0, 0, 0, 1, 1, 1]), "out", [0.2], SHAPE, activation="sigmoid")
    assert organ.scores == pytest.approx([1 / (1 + np.exp(-3.0))])


@pytest.mark.parametrize("function", [yolov5, anchor_free])
def test_a_box_has_its_best_label_or_all_that_reach_their_thresholds(function: Callable[..., Candidates]) -> None:
    scores = [0.75, 0.625, 0.25]
    outputs = cells([1, 1, 2, 2, 1, *scores]) if function is yolov5 else columns([1, 1, 2, 2, *scores])
    assert function(outputs, "out", [0.5, 0.5, 0.5]).labels.tolist() == [0]
    several = function(outputs, "out", [0.5, 0.5, 0.5], several_labels=True)
    assert several.labels.tolist() == [0, 1]
    assert several.scores.tolist() == [0.75, 0.625]
    assert several.boxes.tolist() == [[0, 0, 2, 2]] * 2


def test_a_label_that_misses_its_own_threshold_does_not_hide_another() -> None:
    outputs = columns([1, 1, 2, 2, 0.75, 0.625])
    assert anchor_free(outputs, "out", [0.875, 0.5]).labels.tolist() == [1]


@layouts
def test_a_score_of_exactly_the_threshold_is_a_candidate(layout: str) -> None:
    assert len(read(layout, ANSWERS[layout](0.5, 4.0)).boxes) == 1
    assert len(read(layout, ANSWERS[layout](0.4999, 4.0)).boxes) == 0


@layouts
@pytest.mark.parametrize("limit", [0.1, 0.7, 0.9, 1 / 3])
def test_a_threshold_that_float32_rounds_up_is_reached_by_the_score_that_it_rounds_to(
    layout: str, limit: float
) -> None:
    assert len(read(layout, ANSWERS[layout](limit, 4.0), limit=limit).boxes) == 1


@layouts
def test_where_nothing_is_found_there_are_no_boxes_of_the_right_shape(layout: str) -> None:
    none = read(layout, ANSWERS[layout](0.0, 4.0))
    assert none.boxes.shape == (0, 6 if layout == "one-per-label" else 4)
    assert none.scores.shape == none.labels.shape == (0,)


def test_separate_boxes_are_read_with_rows_first_and_labels_from_0() -> None:
    masks = np.stack([np.full((1, 2, 3), value, np.float32) for value in (0.25, 0.5, 1.0)])
    outputs = listed([[1, 2, 3, 5], [0, 0, 9, 9], [4, 4, 6, 5]], [0.75, 0.25, 1.0], [2, 1, 1], masks)
    given = separate_boxes(outputs, NAMES, [0.5, 0.5])
    assert given.boxes.tolist() == [[2, 1, 5, 3], [4, 4, 5, 6]]
    assert given.labels.tolist() == [1, 0]
    assert given.scores.tolist() == [0.75, 1.0]
    assert given.masks is not None
    assert given.masks[:, 0, 0].tolist() == [0.25, 1.0]
    assert given.masks.shape == (2, 2, 3)


def test_each_label_of_separate_boxes_has_its_own_threshold() -> None:
    outputs = listed([[0, 0, 1, 1]] * 2, [0.6, 0.6], [1, 2])
    assert separate_boxes(outputs, NAMES, [0.7, 0.5]).labels.tolist() == [1]


def test_a_model_that_finds_nothing_may_give_no_boxes_at_all() -> None:
    given = read("boxes", listed([], [], []))
    assert given.boxes.shape == (0, 4)
    assert given.masks is not None
    assert given.masks.shape == (0, 28, 28)


def test_masks_are_read_only_where_they_are_named() -> None:
    names = BoxTensors(boxes="boxes", scores="scores", labels="labels")
    assert separate_boxes(listed([[0, 0, 1, 1]], [1.0], [1]), names, [0.5]).masks is None


def test_shares_of_a_volume_become_its_voxels() -> None:
    given = read("one-per-label", organs([0.9, 0.1, 0.25, 0.5, 0.3, 1.0, 0.75], [0.6, 0, 0, 0, 1, 1, 1]))
    assert given.boxes == pytest.approx(np.array([[1, 5, 20, 3, 20, 30], [0, 0, 0, 10, 20, 40]]), abs=1e-5)
    assert given.labels.tolist() == [0, 1]


def test_of_absent_organs_the_others_keep_their_labels() -> None:
    given = read("one-per-label", organs([0.1, 0, 0, 0, 1, 1, 1], [0.6, 0, 0, 0, 1, 1, 1]))
    assert given.labels.tolist() == [1]


# What is no answer ---------------------------------------------------------------------------------------


@layouts
@pytest.mark.parametrize("score", [-0.25, 1.25])
def test_a_score_out_of_0_to_1_is_no_answer(layout: str, score: float) -> None:
    assert "expected scores from 0 to 1" in refused(layout, ANSWERS[layout](score, 4.0))


@layouts
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_no_answer_even_where_nothing_is_found(layout: str, bad: float) -> None:
    outputs = ANSWERS[layout](0.0, 4.0)
    outputs[TENSOR[layout]].flat[1] = bad
    assert "1 values that are no numbers" in refused(layout, outputs)


@layouts
def test_a_candidate_that_ends_before_it_starts_is_no_answer(layout: str) -> None:
    assert "found 1 boxes that end before they start" in refused(layout, ANSWERS[layout](0.9, -4.0))


@layouts
def test_a_box_that_is_no_candidate_may_be_drawn_backwards(layout: str) -> None:
    assert len(read(layout, ANSWERS[layout](0.1, -4.0)).boxes) == 0


@layouts
def test_a_box_without_any_extent_is_a_box(layout: str) -> None:
    (box,) = read(layout, ANSWERS[layout](0.9, 0.0)).boxes
    axes = len(box) // 2
    assert box[axes - 1] == box[-1]


@layouts
def test_another_shape_is_no_answer(layout: str) -> None:
    outputs = ANSWERS[layout](0.9, 4.0)
    right = outputs[TENSOR[layout]]
    for wrong in (right[np.newaxis], right[..., :-1], np.concatenate([right, right]), right[..., 0]):
        assert "shape" in refused(layout, {**outputs, TENSOR[layout]: wrong})


def test_rows_of_the_older_layout_are_no_columns_of_the_newer() -> None:
    assert "shape" in refused("anchor-free", cells([10, 20, 4, 6, 0.5, 0.5]))


@layouts
def test_a_missing_output_is_no_answer(layout: str) -> None:
    outputs = ANSWERS[layout](0.9, 4.0)
    outputs["other"] = outputs.pop(TENSOR[layout])
    assert f"'{TENSOR[layout]}'" in refused(layout, outputs)


@pytest.mark.parametrize("label", [0, 3, -1])
def test_a_label_that_the_manifest_does_not_have_is_no_answer(label: int) -> None:
    assert f"found the labels {label}" in refused("boxes", listed([[0, 0, 1, 1]], [0.1], [label]))


def test_a_label_that_is_no_whole_number_is_no_answer() -> None:
    outputs = listed([[0, 0, 1, 1]], [0.9], [1])
    assert "found the labels 1.5" in refused("boxes", {**outputs, "labels": np.array([1.5], np.float32)})


@pytest.mark.parametrize("name", ["scores", "labels", "masks"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_outputs_of_different_lengths_are_no_answer(name: str, count: int) -> None:
    two, other = (listed([[0, 0, 1, 1]] * n, [0.9] * n, [1] * n) for n in (2, count))
    assert name in refused("boxes", {**two, name: other[name]})


@pytest.mark.parametrize("wrong", [(0, 5), (0,), (0, 4, 1)])
def test_no_boxes_of_the_wrong_shape_are_no_answer(wrong: tuple[int, ...]) -> None:
    assert "shape" in refused("boxes", {**listed([], [], []), "boxes": np.zeros(wrong, np.float32)})


def test_a_mask_out_of_0_to_1_is_no_answer() -> None:
    outputs = listed([[0, 0, 1, 1]], [0.9], [1], np.full((1, 1, 28, 28), 3.0, np.float32))
    assert "'masks'" in refused("boxes", outputs)
