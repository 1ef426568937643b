"""Matching of boxes, average precision and FROC against COCO's own code and against counts by hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.suppress import overlaps
from edge.errors import UsageError
from edge.truth.boxes import (
    COCO,
    FALSE_POSITIVES_PER_SCAN,
    Found,
    Matches,
    average_precision,
    froc,
    match,
    mean_average_precision,
    sensitivities,
)

Boxes = NDArray[Any]
NONE: Boxes = np.zeros((0, 4))
HERE, THERE, ELSEWHERE = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0], [50.0, 50.0, 60.0, 60.0]


def found(*pairs: tuple[list[float], float]) -> Found:
    """Boxes with their scores."""
    boxes = np.array([box for box, _ in pairs]).reshape(-1, 4)
    return Found(boxes=boxes, scores=np.array([score for _, score in pairs]))


def true(*boxes: list[float]) -> Boxes:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def scans(n: int, *, seed: int = 0, axes: int = 2, levels: int | None = None) -> tuple[list[Found], list[Boxes]]:
    """True boxes, most of them found more or less well, and false ones; scores that all differ, or of few levels."""
    generator = np.random.default_rng(seed)
    drawn, truths = [], []
    for _ in range(n):
        count = int(generator.integers(0, 5))
        corner = generator.random((count, axes)) * 80
        truth = np.hstack([corner, corner + 5 + generator.random((count, axes)) * 20])
        shaken = truth + generator.normal(scale=1.5, size=truth.shape)
        false = generator.random((int(generator.integers(0, 4)), axes)) * 80
        boxes = np.vstack([shaken[generator.random(count) < 0.8], shaken[:1], np.hstack([false, false + 10])])
        scores = generator.random(len(boxes))
        drawn.append(Found(boxes=boxes, scores=scores if levels is None else np.floor(scores * levels)))
        truths.append(truth)
    return drawn, truths


def test_boxes_that_share_a_third_overlap_by_a_third() -> None:
    one, half_way = true(HERE), true([0.0, 5.0, 10.0, 15.0])
    assert overlaps(one, half_way).tolist() == [[pytest.approx(50 / 150)]]


def test_boxes_that_touch_do_not_overlap() -> None:
    assert overlaps(true(HERE), true([0.0, 10.0, 10.0, 20.0], THERE)).tolist() == [[0.0, 0.0]]


def test_boxes_without_any_size_overlap_nothing() -> None:
    point = true([5.0, 5.0, 5.0, 5.0])
    assert overlaps(point, np.vstack([point, true(HERE)])).tolist() == [[0.0, 0.0]]


def test_boxes_in_a_volume_overlap_by_their_volumes() -> None:
    first, second = np.array([[0, 0, 0, 2, 2, 2]]), np.array([[1, 1, 1, 3, 3, 3]])
    assert overlaps(first, second)[0, 0] == pytest.approx(1 / 15)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_overlap_of_whole_boxes_is_that_of_their_voxels(axes: int) -> None:
    corners = np.random.default_rng(1).integers(0, 12, (6, 2, axes))
    boxes = np.hstack([corners.min(axis=1), corners.max(axis=1) + 1])
    places = np.indices((13,) * axes).reshape(axes, -1)
    voxels = [np.all((places >= b[:axes, None]) & (places < b[axes:, None]), axis=0) for b in boxes]
    expected = [[(a & b).sum() / (a | b).sum() for b in voxels] for a in voxels]
    np.testing.assert_allclose(overlaps(boxes, boxes), expected)


def test_a_true_box_is_found_once_and_by_the_surest() -> None:
    matches = match([found((HERE, 0.4), (HERE, 0.9), (THERE, 0.6))], [true(HERE, THERE)])
    assert matches.scores.tolist() == [0.9, 0.6, 0.4]
    assert matches.hits.tolist() == [[True, True, False]]


def test_a_box_takes_the_true_one_that_it_overlaps_most() -> None:
    beside = [0.0, 2.0, 10.0, 12.0]
    matches = match([found((HERE, 0.9), (beside, 0.8))], [true(beside, HERE)])
    assert matches.hits.tolist() == [[True, True]]


def test_a_box_takes_what_is_left_where_its_best_is_taken() -> None:
    beside = [0.0, 2.0, 10.0, 12.0]
    assert match([found((HERE, 0.9), (HERE, 0.8))], [true(HERE, beside)]).hits.tolist() == [[True, True]]


def test_of_two_true_boxes_overlapped_alike_the_later_is_found_as_in_coco() -> None:
    right, left = [0.0, 5.0, 10.0, 15.0], [0.0, -5.0, 10.0, 5.0]
    drawn = [found((HERE, 0.9), (right, 0.8))]
    for truth, hits in ((true(right, left), [True, True]), (true(left, right), [True, False])):
        matches = match(drawn, [truth], (0.3,))
        assert matches.hits.tolist() == [hits]
        assert average_precision(matches).tolist() == pytest.approx(coco_precision(drawn, [truth], (0.3,)).tolist())


def test_boxes_of_one_scan_do_not_find_those_of_another() -> None:
    matches = match([found((HERE, 0.9)), found((THERE, 0.8))], [true(THERE), true(HERE)])
    assert not matches.hits.any()
    assert matches.scan.tolist() == [0, 1]
    assert matches.truths.tolist() == [1, 1]


def test_each_threshold_is_matched_by_itself() -> None:
    half_way = [0.0, 5.0, 10.0, 15.0]
    assert match([found((half_way, 0.9))], [true(HERE)], (0.3, 0.5, 1.0)).hits.tolist() == [[True], [False], [False]]
    assert match([found((HERE, 0.9))], [true(HERE)], (0.3, 0.5, 1.0)).hits.all()


def test_what_is_found_is_found_from_its_threshold_on() -> None:
    quarter = [0.0, 0.0, 10.0, 2.5]
    assert match([found((quarter, 0.9))], [true(HERE)], (0.25,)).hits.all()


def test_a_model_without_faults_has_an_average_precision_of_1() -> None:
    drawn, truths = [found((HERE, 0.9)), found((THERE, 0.8))], [true(HERE), true(THERE)]
    assert average_precision(match(drawn, truths, COCO)).tolist() == [1.0] * 10


def test_average_precision_by_hand() -> None:
    """Precision is 1 up to a sensitivity of 1/2, then 2/3, and the third true box but one is never found."""
    drawn = [found((HERE, 0.9), (ELSEWHERE, 0.5), (THERE, 0.4))]
    matches = match(drawn, [true(HERE, THERE)])
    assert average_precision(matches)[0] == pytest.approx((51 * 1.0 + 50 * 2 / 3) / 101)
    missed = match(drawn, [true(HERE, THERE, [80.0, 80.0, 90.0, 90.0], [0.0, 80.0, 9.0, 90.0])])
    assert average_precision(missed)[0] == pytest.approx((26 * 1.0 + 25 * 2 / 3) / 101)


def test_a_model_that_finds_nothing_has_an_average_precision_of_0() -> None:
    matches = match([found(), found()], [true(HERE), NONE], COCO)
    assert average_precision(matches).tolist() == [0.0] * 10
    assert froc(matches) == 0.0
    assert mean_average_precision([match([found((ELSEWHERE, 0.9))], [true(HERE)])]) == 0.0


def test_no_true_box_says_nothing() -> None:
    nothing = match([found((HERE, 0.9))], [NONE], (0.3, 0.5))
    perfect = match([found((HERE, 0.9))], [true(HERE)], (0.3, 0.5))
    assert np.isnan(average_precision(nothing)).tolist() == [True, True]
    assert np.isnan(froc(nothing))
    assert np.isnan(mean_average_precision([nothing]))
    assert mean_average_precision([nothing, perfect]) == 1.0


def test_the_order_of_boxes_of_one_score_decides_nothing() -> None:
    drawn = [found((HERE, 0.5)), found((ELSEWHERE, 0.5)), found((THERE, 0.5))]
    truths = [true(HERE), true(HERE), true(THERE)]
    forth, back = match(drawn, truths), match(drawn[::-1], truths[::-1])
    assert average_precision(forth) == average_precision(back) == pytest.approx(67 / 101 * 2 / 3)
    assert sensitivities(forth).tolist() == sensitivities(back).tolist()


def coco_precision(drawn: Sequence[Found], truths: Sequence[Boxes], thresholds: Sequence[float]) -> NDArray[Any]:
    """What pycocotools computes at each threshold."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")

    def written(boxes: Boxes, scan: int) -> list[dict[str, Any]]:
        edges = ((x0, y0, x1 - x0, y1 - y0) for y0, x0, y1, x1 in boxes.tolist())
        return [{"image_id": scan, "category_id": 1, "bbox": list(box), "area": box[2] * box[3]} for box in edges]

    annotations = [item for scan, boxes in enumerate(truths) for item in written(boxes, scan)]
    images = [{"id": scan} for scan in range(len(truths))]
    results = [
        {**item, "score": float(score)}
        for scan, own in enumerate(drawn)
        for item, score in zip(written(own.boxes, scan), own.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {},
            "images": images,
            "categories": [{"id": 1}],
            "annotations": [{**item, "id": index + 1, "iscrowd": 0} for index, item in enumerate(annotations)],
        }
        truth.createIndex()
        evaluated = evaluation.COCOeval(truth, truth.loadRes(results), "bbox")
        evaluated.params.iouThrs = np.array(thresholds)
        evaluated.params.areaRng, evaluated.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluated.params.maxDets = [1000]
        evaluated.evaluate()
        evaluated.accumulate()
    return np.asarray(evaluated.eval["precision"][:, :, 0, 0, 0].mean(axis=1))


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_that_of_coco(seed: int) -> None:
    drawn, truths = scans(40, seed=seed)
    expected = coco_precision(drawn, truths, COCO)
    assert 0.0 <= expected.min() < 0.1 < expected.max() < 1.0
    np.testing.assert_allclose(average_precision(match(drawn, truths, COCO)), expected, atol=1e-12)


def test_average_precision_in_a_volume_is_that_of_its_flat_boxes() -> None:
    drawn, truths = scans(30, seed=3)
    deep = [Found(boxes=_in_a_volume(own.boxes), scores=own.scores) for own in drawn]
    flat = average_precision(match(drawn, truths, COCO))
    assert average_precision(match(deep, [_in_a_volume(boxes) for boxes in truths], COCO)).tolist() == flat.tolist()


def _in_a_volume(boxes: Boxes) -> Boxes:
    """The same boxes, all of one slice."""
    return np.insert(np.insert(boxes, 2, 5.0, axis=1), 0, 4.0, axis=1)


def test_the_mean_is_over_thresholds_and_classes() -> None:
    drawn, truths = scans(30, seed=5)
    matches = match(drawn, truths, COCO)
    perfect = match([Found(boxes=own, scores=np.ones(len(own))) for own in truths], truths, COCO)
    expected = (average_precision(matches).mean() + 1.0) / 2
    assert mean_average_precision([matches, perfect]) == pytest.approx(expected)


def test_froc_by_hand() -> None:
    """Eight scans: hit, false, hit, false, false, hit: 0, 1/8, 1/8, 2/8, 3/8, 3/8 false ones per scan."""
    others = [[100.0 * k, 0.0, 100.0 * k + 10, 10.0] for k in range(1, 4)]
    pairs = [(HERE, 0.9), (others[0], 0.8), (THERE, 0.7), (others[1], 0.6), (others[2], 0.5), (ELSEWHERE, 0.4)]
    truths = [true(HERE, THERE, ELSEWHERE, [70.0, 70.0, 80.0, 80.0]), *[NONE] * 7]
    matches = match([found(*pairs), *[found()] * 7], truths)
    assert FALSE_POSITIVES_PER_SCAN == (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
    assert sensitivities(matches).tolist() == [2 / 4, 2 / 4, 3 / 4, 3 / 4, 3 / 4, 3 / 4, 3 / 4]
    assert froc(matches) == pytest.approx((2 * 2 / 4 + 5 * 3 / 4) / 7)


def test_a_false_box_surer_than_all_others_leaves_nothing_at_few_false_ones() -> None:
    matches = match([found((ELSEWHERE, 0.9), (HERE, 0.8)), found()], [true(HERE), NONE])
    assert sensitivities(matches).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("seed", range(4))
def test_froc_is_the_best_over_all_scores_that_a_clinic_could_choose(seed: int) -> None:
    drawn, truths = scans(50, seed=seed, levels=12)
    matches = match(drawn, truths)
    for rate, sensitivity in zip(FALSE_POSITIVES_PER_SCAN, sensitivities(matches), strict=True):
        kept = [matches.hits[0, matches.scores >= limit] for limit in [*np.unique(matches.scores), np.inf]]
        allowed = [hits.sum() for hits in kept if (~hits).sum() / 50 <= rate]
        assert sensitivity == pytest.approx(max(allowed) / matches.truths.sum())


def test_froc_asks_for_the_lowest_overlap() -> None:
    half_way = [0.0, 5.0, 10.0, 15.0]
    assert froc(match([found((half_way, 0.9))], [true(HERE)], (0.3, 0.5))) == 1.0


@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_measured_as_those_very_scans_are(seed: int, levels: int | None) -> None:
    drawn, truths = scans(40, seed=seed, levels=levels)
    matches = match(drawn, truths, COCO)
    sample = np.random.default_rng(seed).integers(0, 40, 40)
    again = match([drawn[index] for index in sample], [truths[index] for index in sample], COCO)
    assert average_precision(matches, sample).tolist() == average_precision(again).tolist()
    assert sensitivities(matches, sample).tolist() == sensitivities(again).tolist()
    assert mean_average_precision([matches], sample) == mean_average_precision([again])


def test_all_scans_once_are_the_scans_themselves() -> None:
    matches = match(*scans(20, seed=2))
    everything = np.arange(20)[::-1]
    assert average_precision(matches, everything).tolist() == average_precision(matches).tolist()
    assert froc(matches, everything) == froc(matches)


def test_a_resample_without_any_true_box_says_nothing() -> None:
    matches = match([found((HERE, 0.9)), found((HERE, 0.9))], [true(HERE), NONE])
    assert np.isnan(average_precision(matches, np.array([1, 1]))).all()
    assert average_precision(matches, np.array([0, 0])).tolist() == [1.0]


@pytest.mark.parametrize(
    ("drawn", "truths", "words"),
    [
        ([], [], "those of 0 scans and the truth of 0"),
        ([found()], [NONE, NONE], "those of 1 scans and the truth of 2"),
        ([found()], [np.zeros((0, 5))], r"scan 0: found truth of shape \(0, 5\)"),
        ([found(), found()], [NONE, np.zeros((1, 6))], r"scan 1: found truth of shape \(1, 6\)"),
        ([Found(boxes=np.zeros((2, 4)), scores=np.zeros(1))], [NONE], r"found boxes \(2, 4\) and scores \(1,\)"),
        ([Found(boxes=np.zeros((1, 6)), scores=np.zeros(1))], [NONE], r"found boxes \(1, 6\) and scores \(1,\)"),
        ([found(([0.0, 5.0, 10.0, 4.0], 0.5))], [NONE], "scan 0: a found box is no finite numbers or ends before"),
        ([found(([0.0, np.nan, 10.0, 4.0], 0.5))], [NONE], "scan 0: a found box"),
        ([found()], [true([0.0, 0.0, np.inf, 1.0])], "scan 0: a true box"),
        ([found((HERE, np.nan))], [NONE], "scan 0: a score is no finite number"),
    ],
)
def test_what_cannot_be_matched_is_refused(drawn: list[Found], truths: list[Boxes], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        match(drawn, truths)


@pytest.mark.parametrize("thresholds", [(), (0.0,), (0.5, 0.5), (0.7, 0.5), (0.5, 1.5), (np.nan,)])
def test_thresholds_that_are_no_rising_shares_are_refused(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="expected rising shares above 0 and up to 1"):
        match([found()], [NONE], thresholds)


def test_what_is_kept_of_a_match_is_sorted_by_score() -> None:
    matches: Matches = match(*scans(20, seed=6), COCO)
    assert matches.thresholds == COCO
    assert matches.hits.shape == (10, matches.scores.size)
    assert bool((np.diff(matches.scores) <= 0).all())
    assert bool((np.diff(matches.hits.sum(axis=1)) <= 0).all())
