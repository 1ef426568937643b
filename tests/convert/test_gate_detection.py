"""The gate of detection: what is asked, what passes and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.gate.detection import FEWEST, MOST_POINTS, at_thresholds, curves, questions, reported
from convert.gate.judge import Comparison, Judgement, Margins, Question, judge
from edge.errors import UsageError
from edge.truth.boxes import COCO, Found, Matches, average_precision, froc, match, mean_average_precision

N = 400


@cache
def drawn(
    n: int = N, *, lost: float = 0.0, false: float = 0.0, shaken: float = 0.0, seed: int = 0, ill: float = 0.6
) -> tuple[tuple[Found, ...], tuple[NDArray[np.float64], ...]]:
    """What a good model draws and the truth; one that loses boxes, draws more false ones, or gives other scores."""
    truth_of, model_of = np.random.default_rng(seed), np.random.default_rng(seed + 500)
    found, truths = [], []
    for index in range(n):
        corner = truth_of.random((1 + index % 3 if index < ill * n else 0, 2)) * 80
        truth = np.hstack([corner, corner + 12])
        stray = truth_of.random((1, 2)) * 80 + 200
        extra = model_of.random((int(model_of.random() < false), 2)) * 80 + 400
        # The scores of both are drawn alike, so that the two models differ in nothing else.
        scores = np.concatenate([truth_of.beta(5, 2, len(truth)), truth_of.beta(2, 5, 1), np.full(len(extra), 0.95)])
        kept = np.concatenate([model_of.random(len(truth)) >= lost, np.ones(1 + len(extra), dtype=np.bool_)])
        boxes = np.vstack([truth + 0.5, np.hstack([stray, stray + 9]), np.hstack([extra, extra + 9])])
        scores = scores + model_of.normal(scale=shaken, size=scores.size)
        found.append(Found(boxes=boxes[kept], scores=scores[kept]))
        truths.append(truth)
    return tuple(found), tuple(truths)


def side(
    n: int = N, *, lost: float = 0.0, false: float = 0.0, shaken: float = 0.0, seed: int = 0, ill: float = 0.6
) -> Matches:
    return match(*drawn(n, lost=lost, false=false, shaken=shaken, seed=seed, ill=ill))


def verdict(reference: Matches, candidate: Matches, margins: Margins | None = None) -> Judgement:
    return judge(questions(["nodule"], {"nodule": reference}, {"nodule": candidate}, margins or Margins()))


def the(judgement: Judgement, metric: str, label: str = "nodule", group: str = "all") -> Comparison:
    (found,) = [
        item for item in judgement.comparisons if (item.metric, item.label, item.group) == (metric, label, group)
    ]
    return found


def asked(found: Sequence[Question], metric: str, label: str) -> Question:
    (question,) = [item for item in found if (item.metric, item.label) == (metric, label)]
    return question


def test_the_reference_itself_passes() -> None:
    judgement = verdict(side(), side())
    assert judgement.verdict == "passed"
    assert [(item.metric, item.label) for item in judgement.comparisons] == [
        ("mean-average-precision", "all"),
        ("average-precision", "nodule"),
        ("froc", "nodule"),
    ]
    assert all(item.higher_is_better and item.n == N for item in judgement.comparisons)


def test_tiny_noise_passes() -> None:
    assert verdict(side(), side(shaken=0.002)).verdict == "passed"


def test_lost_boxes_are_rejected_for_every_metric() -> None:
    judgement = verdict(side(), side(lost=0.2))
    assert judgement.verdict == "rejected"
    assert {item.verdict for item in judgement.comparisons} == {"rejected"}


def test_sure_boxes_where_nothing_is_are_rejected() -> None:
    judgement = verdict(side(), side(false=0.5))
    assert the(judgement, "average-precision").verdict == "rejected"
    assert the(judgement, "froc").verdict == "rejected"


def test_few_scans_are_inconclusive_and_the_number_needed_would_do() -> None:
    margins = Margins(mean_average_precision=0.035)
    few = the(verdict(side(20), side(20, shaken=0.05), margins), "average-precision")
    assert few.verdict == "inconclusive"
    assert few.n_needed is not None
    assert few.n_needed > 20
    times = 2 * -(-few.n_needed // 20)  # with the number itself, chance decides
    again = [match(found * times, truths * times) for found, truths in (drawn(20), drawn(20, shaken=0.05))]
    assert the(verdict(again[0], again[1], margins), "average-precision").verdict == "passed"


def test_one_lost_label_is_rejected_though_the_mean_is_within_its_margin() -> None:
    labels = [f"label {index}" for index in range(6)]
    reference = {label: side(120, seed=index) for index, label in enumerate(labels)}
    candidate = {**reference, "label 2": side(120, seed=2, lost=0.3)}
    judgement = judge(questions(labels, reference, candidate, Margins(mean_average_precision=0.1)))
    assert the(judgement, "mean-average-precision", "all").verdict == "passed"
    assert the(judgement, "average-precision", "label 2").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_margins_are_those_asked_for() -> None:
    margins = Margins(mean_average_precision=0.03, froc=0.04)
    found = questions(["nodule"], {"nodule": side(40)}, {"nodule": side(40)}, margins)
    assert [item.margin for item in found] == [0.03, 0.03, 0.04]


def test_every_resample_has_as_many_scans_with_a_box() -> None:
    (_, precision, _) = questions(["nodule"], {"nodule": side()}, {"nodule": side()}, Margins())
    assert precision.strata.tolist() == [1] * 240 + [0] * 160
    assert precision.counted.all()


def test_a_few_scans_without_a_box_keep_no_site_from_being_judged() -> None:
    matches = side(120, ill=0.9)
    found = questions(["nodule"], {"nodule": matches}, {"nodule": matches}, Margins())
    assert not asked(found, "froc", "nodule").strata.any()
    judgement = judge(found, groups={"site": ["a", "b"] * 60})
    assert {item.group for item in judgement.comparisons} == {"all", "site=a", "site=b"}


def test_a_label_with_few_scans_is_judged_in_no_site() -> None:
    matches = side(30, ill=0.5)
    found = questions(["nodule"], {"nodule": matches}, {"nodule": matches}, Margins())
    judgement = judge(found, groups={"site": ["a"] * 25 + ["b"] * 5})
    assert {item.group for item in judgement.comparisons} == {"all"}


def test_a_site_with_few_boxes_is_skipped_and_named() -> None:
    matches = side(200, ill=0.5)
    found = questions(["nodule"], {"nodule": matches}, {"nodule": matches}, Margins())
    judgement = judge(found, groups={"site": ["a"] * 50 + ["b", "a"] * 50 + ["healthy"] * 50})
    assert {"all: site=healthy (50 scans)", "nodule: site=healthy (50 scans)"} <= set(judgement.skipped)


def test_a_resample_is_measured_as_those_very_scans_are() -> None:
    found, truths = drawn(40, false=0.3, shaken=0.1)
    other_found, other_truths = drawn(40, false=0.2, shaken=0.3, seed=7)
    both = {"x": match(found, truths, COCO), "y": match(other_found, other_truths, COCO)}
    sample = np.random.default_rng(8).integers(0, 40, 40)
    again = {
        "x": match([found[index] for index in sample], [truths[index] for index in sample], COCO),
        "y": match([other_found[index] for index in sample], [other_truths[index] for index in sample], COCO),
    }
    every = questions(["x", "y"], both, both, Margins())
    assert asked(every, "mean-average-precision", "all").candidate(sample) == mean_average_precision(again.values())
    for label, own in again.items():
        assert asked(every, "average-precision", label).candidate(sample) == average_precision(own).mean()
        assert asked(every, "froc", label).reference(sample) == froc(own)


def test_the_candidate_is_the_one_that_is_worse() -> None:
    found = asked(questions(["x"], {"x": side()}, {"x": side(lost=0.3)}, Margins()), "froc", "x")
    everything = np.arange(N)
    assert found.reference(everything) == froc(side())
    assert found.candidate(everything) == froc(side(lost=0.3)) < froc(side())


@pytest.mark.parametrize("name", ["reference", "candidate"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_numbers_are_refused_by_name(name: str, value: float) -> None:
    scores = side(30).scores.copy()
    scores[:2] = value
    sides = {"reference": side(30), "candidate": side(30), name: replace(side(30), scores=scores)}
    with pytest.raises(UsageError, match=f"Judging nodule: the {name} gave 2 scores that are no finite numbers"):
        verdict(sides["reference"], sides["candidate"])


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (lambda: side(31), r"other truths \(30 and 31 scans\)"),
        (lambda: side(30, ill=0.3), r"other truths \(30 and 30 scans\)"),
        (lambda: match(*drawn(30), COCO), r"found overlaps of \(0.5,\) against \(0.5, 0.55"),
    ],
)
def test_sides_that_are_not_of_the_same_scans_are_refused(candidate: object, words: str) -> None:
    assert callable(candidate)
    with pytest.raises(UsageError, match=words):
        verdict(side(30), candidate())


def test_a_label_that_no_scan_has_is_refused() -> None:
    with pytest.raises(UsageError, match="Judging nodule: none of 30 scans has it"):
        verdict(side(30, ill=0.0), side(30, ill=0.0))


def test_labels_over_different_scans_are_refused() -> None:
    sides = {"a": side(30), "b": side(40)}
    with pytest.raises(UsageError, match=r"Judging 2 labels: found \[30, 40\] scans"):
        questions(["a", "b"], sides, sides, Margins())


# At the threshold ----------------------------------------------------------------------------------------


def at(reference: Matches, candidate: Matches, margins: Margins | None = None) -> Judgement:
    limits = {"nodule": 0.5}
    sides = [reported({"nodule": each}, limits) for each in (reference, candidate)]
    return judge(at_thresholds(["nodule"], sides[0], sides[1], margins or Margins()))


def test_boxes_below_the_threshold_of_their_label_are_not_reported() -> None:
    found = reported({"x": side(), "y": side()}, {"x": 0.7, "y": 0.0})
    assert found["x"].scores.min() >= 0.7
    assert found["x"].scores.size == found["x"].scan.size == found["x"].hits.shape[1]
    assert found["y"].scores.tolist() == side().scores.tolist()
    assert found["x"].truths.tolist() == side().truths.tolist()


def test_a_score_reaches_a_threshold_as_float32_like_in_the_runtime() -> None:
    score = float(np.float32(0.7))
    one = Matches(
        thresholds=(0.5,),
        scan=np.array([0]),
        scores=np.array([score]),
        hits=np.array([[True]]),
        truths=np.array([1]),
    )
    assert score < 0.7
    assert reported({"x": one}, {"x": 0.7})["x"].scores.size == 1


def test_what_is_found_and_what_is_false_is_counted_at_the_threshold() -> None:
    judgement = at(side(), side())
    assert [(item.metric, item.n, item.higher_is_better) for item in judgement.comparisons] == [
        ("sensitivity", 240, True),
        ("false-positives", N, False),
    ]
    kept = reported({"x": side()}, {"x": 0.5})["x"]
    assert the(judgement, "sensitivity").candidate == pytest.approx(kept.hits[0].sum() / kept.truths.sum())
    assert the(judgement, "false-positives").candidate == pytest.approx((~kept.hits[0]).sum() / N)
    assert judgement.verdict == "passed"


def test_lost_boxes_cost_sensitivity_and_drawn_ones_false_positives() -> None:
    lost = at(side(), side(lost=0.3))
    assert the(lost, "sensitivity").verdict == "rejected"
    assert the(lost, "false-positives").verdict == "passed"
    drawn_too_many = at(side(), side(false=0.5))
    assert the(drawn_too_many, "false-positives").verdict == "rejected"
    assert the(drawn_too_many, "sensitivity").verdict == "passed"


def test_the_margin_of_false_positives_is_a_share_of_the_references_own() -> None:
    sides = {"nodule": side(false=0.9)}
    _, many = at_thresholds(["nodule"], reported(sides, {"nodule": 0.0}), sides, Margins(false_positives=0.2))
    own = float((~side(false=0.9).hits[0]).sum() / N)
    assert own > FEWEST
    assert many.margin == pytest.approx(0.2 * own)
    none = {"nodule": reported(sides, {"nodule": 1.0})["nodule"]}
    assert at_thresholds(["nodule"], none, sides, Margins(false_positives=0.2))[1].margin == 0.2 * FEWEST


def test_a_resample_without_a_true_box_says_nothing_of_sensitivity() -> None:
    sensitivity, _ = at_thresholds(["x"], {"x": side()}, {"x": side()}, Margins())
    healthy = np.flatnonzero(side().truths == 0)
    assert np.isnan(sensitivity.candidate(healthy))


# Curves --------------------------------------------------------------------------------------------------


def test_a_curve_rises_from_the_surest_box_to_the_last() -> None:
    (curve,) = curves({"nodule": side(false=0.4)})
    assert (curve.label, curve.froc) == ("nodule", round(froc(side(false=0.4)), 6))
    across = [point.false_positives for point in curve.points]
    up = [point.sensitivity for point in curve.points]
    assert across == sorted(across)
    assert up == sorted(up)
    whole = side(false=0.4)
    assert across[-1] == pytest.approx((~whole.hits[0]).sum() / N)
    assert up[-1] == pytest.approx(whole.hits[0].sum() / whole.truths.sum(), abs=1e-6)
    assert len(curve.points) <= MOST_POINTS


def test_a_model_that_draws_no_box_has_a_curve_without_points() -> None:
    none = reported({"x": side()}, {"x": 1.1})
    (curve,) = curves(none)
    assert (curve.froc, curve.points) == (0.0, ())
