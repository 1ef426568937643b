"""Suppression against the rule written out box by box."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detect.layouts import Candidates
from edge.detect.suppress import overlaps, suppress

Array = NDArray[Any]


def candidates(boxes: Sequence[Sequence[float]], scores: Sequence[float], labels: Sequence[int]) -> Candidates:
    return Candidates(
        boxes=np.array(boxes, np.float64).reshape(len(scores), -1 if scores else 4),
        scores=np.array(scores, np.float64),
        labels=np.array(labels, np.intp),
    )


def shared(first: Array, second: Array) -> float:
    """Intersection over union, one axis after the other."""
    axes = len(first) // 2
    common = whole = other = 1.0
    for axis in range(axes):
        start, end = max(first[axis], second[axis]), min(first[axis + axes], second[axis + axes])
        common *= max(end - start, 0.0)
        whole *= first[axis + axes] - first[axis]
        other *= second[axis + axes] - second[axis]
    union = whole + other - common
    return common / union if union > 0 else 0.0


def one_by_one(given: Candidates, overlap: float, most: int) -> list[int]:
    """The rule itself: each label by itself from the surest on, then the surest of all labels."""
    staying: list[int] = []
    for label in sorted(set(given.labels.tolist())):
        kept: list[int] = []
        mine = np.flatnonzero(given.labels == label)
        for index in sorted(mine.tolist(), key=lambda i: (-given.scores[i], i)):
            if all(shared(given.boxes[index], given.boxes[other]) <= overlap for other in kept):
                kept.append(index)
        staying.extend(kept)
    return sorted(staying, key=lambda i: (-given.scores[i], i))[:most]


@st.composite
def drawn(draw: st.DrawFn, axes: int) -> Candidates:
    """Boxes on a lattice, so that they touch, nest, repeat and are empty; scores of few levels, so that they tie."""
    count = draw(st.integers(0, 14))
    places = st.tuples(*[st.integers(0, 6)] * axes)
    sizes = st.tuples(*[st.integers(0, 4)] * axes)
    boxes = [
        [*start, *(a + b for a, b in zip(start, size, strict=True))]
        for start, size in draw(st.lists(st.tuples(places, sizes), min_size=count, max_size=count))
    ]
    scores = draw(st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return candidates(boxes, scores, labels) if count else candidates([], [], [])


LIMITS = {"overlap": st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 0.75, 1.0]), "most": st.integers(0, 16)}


@given(drawn(2), LIMITS["overlap"], LIMITS["most"])
def test_what_stays_is_what_the_rule_leaves(boxes: Candidates, overlap: float, most: int) -> None:
    expected = boxes.taken(np.array(one_by_one(boxes, overlap, most), np.intp))
    left = suppress(boxes, overlap=overlap, most=most)
    assert left.boxes.tolist() == expected.boxes.tolist()
    assert left.scores.tolist() == expected.scores.tolist()
    assert left.labels.tolist() == expected.labels.tolist()


@given(drawn(3), LIMITS["overlap"], LIMITS["most"])
def test_the_rule_holds_in_three_dimensions(boxes: Candidates, overlap: float, most: int) -> None:
    expected = one_by_one(boxes, overlap, most)
    assert suppress(boxes, overlap=overlap, most=most).boxes.tolist() == boxes.boxes[expected].tolist()


@given(drawn(2), LIMITS["overlap"])
def test_suppressing_twice_changes_nothing(boxes: Candidates, overlap: float) -> None:
    once = suppress(boxes, overlap=overlap, most=100)
    twice = suppress(once, overlap=overlap, most=100)
    assert twice.boxes.tolist() == once.boxes.tolist()


def test_thousands_of_boxes_are_thinned_as_by_the_rule() -> None:
    generator = np.random.default_rng(0)
    starts = generator.random((700, 2)) * 30
    boxes = np.hstack([starts, starts + 8 + generator.random((700, 2)) * 8])
    many = Candidates(boxes=boxes, scores=generator.random(700), labels=generator.integers(0, 2, 700))
    expected = one_by_one(many, 0.45, 300)
    assert suppress(many, overlap=0.45, most=300).boxes.tolist() == boxes[expected].tolist()
    assert 100 < len(expected) < 300


@given(drawn(2), LIMITS["overlap"], LIMITS["most"])
def test_what_stays_does_not_depend_on_how_many_are_taken_at_once(boxes: Candidates, overlap: float, most: int) -> None:
    together = suppress(boxes, overlap=overlap, most=most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.detect.suppress.BLOCK", 3)
        in_parts = suppress(boxes, overlap=overlap, most=most)
    assert in_parts.boxes.tolist() == together.boxes.tolist()
    assert in_parts.labels.tolist() == together.labels.tolist()


def test_of_equal_scores_the_first_stays() -> None:
    twins = candidates([[0, 0, 9, 10], [0, 0, 10, 9], [0, 0, 10, 10]], [0.5, 0.5, 0.5], [0, 0, 0])
    assert suppress(twins, overlap=0.5, most=9).boxes.tolist() == [[0, 0, 9, 10]]


def test_an_overlap_of_exactly_the_threshold_stays() -> None:
    halves = candidates([[0, 0, 2, 2], [0, 0, 2, 1]], [0.9, 0.8], [0, 0])
    assert len(suppress(halves, overlap=0.5, most=9).boxes) == 2
    assert len(suppress(halves, overlap=0.4999, most=9).boxes) == 1


def test_labels_do_not_suppress_each_other() -> None:
    same = candidates([[0, 0, 2, 2], [0, 0, 2, 2]], [0.9, 0.8], [0, 1])
    assert suppress(same, overlap=0.1, most=9).labels.tolist() == [0, 1]


def test_a_box_that_was_suppressed_suppresses_none() -> None:
    chain = candidates([[0, 0, 1, 10], [0, 4, 1, 14], [0, 8, 1, 18]], [0.9, 0.8, 0.7], [0, 0, 0])
    assert suppress(chain, overlap=0.3, most=9).scores.tolist() == [0.9, 0.7]


def test_the_limit_counts_what_stays_and_not_what_is_suppressed() -> None:
    boxes = candidates([[0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6], [8, 8, 9, 9]], [0.9, 0.8, 0.7, 0.6], [0] * 4)
    assert suppress(boxes, overlap=0.5, most=2).scores.tolist() == [0.9, 0.7]


def test_masks_go_with_their_boxes() -> None:
    masks = np.array([0.0, 0.5, 1.0], np.float32).reshape(3, 1, 1)
    boxes = candidates([[0, 0, 1, 1], [0, 0, 1, 1], [4, 4, 5, 5]], [0.5, 0.6, 0.7], [0, 0, 0])
    with_masks = Candidates(boxes=boxes.boxes, scores=boxes.scores, labels=boxes.labels, masks=masks)
    left = suppress(with_masks, overlap=0.5, most=9)
    assert left.masks is not None
    assert left.masks.ravel().tolist() == [1.0, 0.5]


def test_no_boxes_are_left_of_none() -> None:
    assert suppress(candidates([], [], []), overlap=0.5, most=9).boxes.shape == (0, 4)


def test_overlaps_are_those_of_two_boxes_at_a_time() -> None:
    boxes = np.array(list(itertools.product((0, 1), (0, 2), (2, 3), (2, 5))), np.float64)
    expected = [[shared(box, other) for other in boxes[:9]] for box in boxes]
    assert overlaps(boxes, boxes[:9]) == pytest.approx(np.array(expected), abs=1e-15)


def test_boxes_without_any_extent_overlap_nothing() -> None:
    point = np.ones((1, 4))
    assert overlaps(point, np.vstack([point, [[0, 0, 2, 2]]])).tolist() == [[0.0, 0.0]]
