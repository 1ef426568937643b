"""The gate of classification: what is asked of scores and decisions, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from convert.gate.classification import MOST_POINTS, Answers, answers, curves, flips, questions, told
from convert.gate.judge import Comparison, Judgement, Margins, Question, judge
from convert.metrics import Scores, Truth
from edge.errors import UsageError
from edge.findings import Classification
from edge.pack import golden
from edge.pack.manifest import ClassificationTask, Manifest
from edge.tasks import conclude
from edge.testing import phantom_scan
from tests.tasks.models import Activation, Mode, classification, feed_of, label, model_of

N = 1000
NORMAL, SMALL, LARGE = label("normal", finding=False), label("small"), label("large")


def scans(n: int = N, seed: int = 0) -> tuple[Truth, Scores]:
    """Truths and the scores of a good model."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 2 == 0
    return truth, 1 / (1 + np.exp(-generator.normal(size=n) - np.where(truth, 2.0, -2.0)))


def side(scores: Scores, threshold: float = 0.5) -> dict[str, Answers]:
    return {"x": Answers(scores=scores, decided=scores >= threshold)}


def verdict(
    truth: Truth, reference: Scores, candidate: Scores, *, thresholds: tuple[float, float] = (0.5, 0.5)
) -> Judgement:
    before, after = side(reference, thresholds[0]), side(candidate, thresholds[1])
    return judge(questions({"x": truth}, before, after, Margins()), flips(before, after, Margins()))


def the(judgement: Judgement, metric: str, group: str = "all") -> Comparison:
    (found,) = [item for item in judgement.comparisons if (item.metric, item.group) == (metric, group)]
    return found


def asked(found: Sequence[Question], metric: str) -> Question:
    (question,) = [item for item in found if item.metric == metric]
    return question


# What passes and what does not -----------------------------------------------------------------------------


def test_the_reference_itself_passes() -> None:
    truth, scores = scans()
    judgement = verdict(truth, scores, scores)
    assert judgement.verdict == "passed"
    assert the(judgement, "flips").candidate == 0.0
    assert [item.metric for item in judgement.comparisons] == ["auc", "sensitivity", "specificity", "flips"]


def test_tiny_noise_passes() -> None:
    truth, scores = scans()
    noise = np.random.default_rng(1).normal(scale=1e-4, size=N)
    assert verdict(truth, scores, np.clip(scores + noise, 0, 1)).verdict == "passed"


def test_scores_at_random_are_rejected_for_every_metric() -> None:
    truth, scores = scans()
    judgement = verdict(truth, scores, np.random.default_rng(2).random(N))
    assert judgement.verdict == "rejected"
    assert {item.verdict for item in judgement.comparisons} == {"rejected"}


def test_a_lost_threshold_is_rejected_though_the_auc_is_the_same() -> None:
    """The scores keep their order and all become smaller: at the old threshold half of the findings are lost."""
    truth, scores = scans()
    judgement = verdict(truth, scores, scores**8)
    assert the(judgement, "auc").verdict == "passed"
    assert the(judgement, "sensitivity").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_the_same_shift_passes_with_a_threshold_of_its_own() -> None:
    truth, scores = scans()
    assert verdict(truth, scores, scores**8, thresholds=(0.5, 0.5**8)).verdict == "passed"


def test_too_few_scans_are_inconclusive() -> None:
    truth, scores = scans(60)
    judgement = verdict(truth, scores, scores)
    assert judgement.verdict == "inconclusive"
    assert the(judgement, "flips").n_needed is not None


def test_one_flip_among_few_scans_is_no_proof_of_harm() -> None:
    truth, scores = scans(40, seed=6)
    candidate = scores.copy()
    candidate[0] = 1 - candidate[0]
    judgement = verdict(truth, scores, candidate)
    assert the(judgement, "flips").candidate == 0.025
    assert judgement.verdict == "inconclusive"


def test_decisions_that_change_to_the_better_are_flips_too() -> None:
    truth, scores = scans()
    judgement = verdict(truth, scores, truth.astype(np.float64))
    assert {the(judgement, metric).verdict for metric in ("auc", "sensitivity", "specificity")} == {"passed"}
    assert the(judgement, "flips").candidate == np.mean((scores >= 0.5) != truth)


def test_the_verdict_is_the_same_every_time() -> None:
    truth, scores = scans(300)
    noisy = np.clip(scores + np.random.default_rng(5).normal(scale=0.02, size=300), 0, 1)
    assert verdict(truth, scores, noisy) == verdict(truth, scores, noisy)


# What is asked ---------------------------------------------------------------------------------------------


def test_every_label_is_asked_for_in_order_with_its_margins() -> None:
    truth, scores = scans(40)
    sides = {name: side(scores)["x"] for name in ("b", "a")}
    margins = Margins(auc=0.1, sensitivity=0.2, specificity=0.3, flips=0.4)
    found = questions({"b": truth, "a": truth}, sides, sides, margins)
    assert [(item.label, item.metric, item.margin) for item in found] == [
        (name, metric, margin)
        for name in ("b", "a")
        for metric, margin in (("auc", 0.1), ("sensitivity", 0.2), ("specificity", 0.3))
    ]
    assert [(item.label, item.margin) for item in flips(sides, sides, margins)] == [("b", 0.4), ("a", 0.4)]


def test_each_metric_is_over_the_scans_that_it_is_of() -> None:
    truth, scores = np.arange(40) < 10, np.linspace(1, 0, 40)
    found = questions({"x": truth}, side(scores), side(scores), Margins())
    assert [int(item.counted.sum()) for item in found] == [40, 10, 30]
    assert all((item.strata == truth).all() for item in found)


def test_resamples_are_measured_as_scikit_learn_measures_them() -> None:
    truth, scores = scans(200)
    coarse = scores.round(1)  # with ties
    found = questions({"x": truth}, side(scores), side(coarse), Margins())
    generator = np.random.default_rng(3)
    for _ in range(20):
        at = generator.integers(0, 200, 200)
        assert asked(found, "auc").reference(at) == pytest.approx(sklearn.roc_auc_score(truth[at], scores[at]))
        assert asked(found, "auc").candidate(at) == pytest.approx(sklearn.roc_auc_score(truth[at], coarse[at]))
        said = coarse[at] >= 0.5
        assert asked(found, "sensitivity").candidate(at) == pytest.approx(sklearn.recall_score(truth[at], said))
        cleared = sklearn.recall_score(~truth[at], ~said)
        assert asked(found, "specificity").candidate(at) == pytest.approx(cleared)


def test_a_resample_of_one_class_says_nothing() -> None:
    truth, scores = scans(40)
    found = questions({"x": truth}, side(scores), side(scores), Margins())
    negatives, positives = np.flatnonzero(~truth), np.flatnonzero(truth)
    assert all(np.isnan(asked(found, "auc").candidate(at)) for at in (negatives, positives))
    assert np.isnan(asked(found, "sensitivity").candidate(negatives))
    assert np.isnan(asked(found, "specificity").candidate(positives))


# Grades ----------------------------------------------------------------------------------------------------


def graded(grades: NDArray[np.int64]) -> dict[str, Truth]:
    return {"mild": grades >= 1, "severe": grades >= 2}


def graded_side(grades: NDArray[np.int64]) -> dict[str, Answers]:
    return {name: Answers(scores=hit.astype(np.float64), decided=hit) for name, hit in graded(grades).items()}


def test_of_grades_the_agreement_is_asked_last() -> None:
    true = np.arange(90) % 3
    said = (true + (np.arange(90) < 20)) % 3
    found = questions(graded(true), graded_side(true), graded_side(said), Margins(kappa=0.2), ordinal=True)
    assert [item.metric for item in found] == ["auc", "sensitivity", "specificity"] * 2 + ["kappa"]
    kappa = found[-1]
    assert (kappa.label, kappa.margin, int(kappa.counted.sum())) == ("all", 0.2, 90)
    assert kappa.strata.tolist() == true.tolist()
    assert kappa.reference(np.arange(90)) == 1.0
    for at in (np.arange(90), np.random.default_rng(0).integers(0, 90, 90)):
        assert kappa.candidate(at) == pytest.approx(sklearn.cohen_kappa_score(true[at], said[at], weights="quadratic"))


def test_labels_that_are_no_grades_have_no_kappa() -> None:
    true = np.arange(90) % 3
    found = questions(graded(true), graded_side(true), graded_side(true), Margins())
    assert "kappa" not in {item.metric for item in found}


@pytest.mark.parametrize(("wrong", "expected"), [(0, "passed"), (60, "rejected")])
def test_grades_that_are_missed_are_rejected(wrong: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convert.gate.judge.RESAMPLES", 200)
    true = np.arange(120) % 3
    said = np.where(np.arange(120) < wrong, 2 - true, true)
    found = questions(graded(true), graded_side(true), graded_side(said), Margins(), ordinal=True)
    assert judge(found[-1:]).verdict == expected


# Decisions are those of the runtime ------------------------------------------------------------------------

Case = tuple[Mode, Activation, tuple[Any, ...], int]
CASES: Mapping[str, Case] = {
    "binary, a sigmoid of ours": ("binary", "sigmoid", (SMALL,), 1),
    "binary, a sigmoid of the graph": ("binary", "none", (SMALL,), 1),
    "multi-label": ("multi-label", "sigmoid", (SMALL, NORMAL, LARGE), 3),
    "multi-label, scores": ("multi-label", "none", (SMALL, LARGE), 2),
    "multi-class": ("multi-class", "softmax", (NORMAL, SMALL, LARGE), 3),
    "multi-class, scores": ("multi-class", "none", (SMALL, NORMAL, LARGE), 3),
    "ordinal, cumulative": ("ordinal", "sigmoid", (NORMAL, SMALL, LARGE), 2),
    "ordinal, cumulative scores": ("ordinal", "none", (NORMAL, SMALL, LARGE), 2),
    "ordinal, single grades": ("ordinal", "softmax", (NORMAL, SMALL, LARGE), 3),
    "ordinal, a grade between that is no finding": (
        "ordinal", "sigmoid", (NORMAL, label("trace", finding=False), SMALL, LARGE), 3,
    ),
}  # fmt: skip


def raw_of(activation: Activation, n: int, values: int, seed: int) -> NDArray[np.float32]:
    """Outputs of a graph, coarse enough for ties and for scores on a threshold itself."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, 11, (n, values)) / 10 if activation == "none" else generator.normal(size=(n, values))
    return np.asarray(drawn if activation == "none" else drawn.round(1), dtype=np.float32)


def run(manifest: Manifest, raw: NDArray[np.float32]) -> list[Classification]:
    """What the runtime finds in each scan."""
    scan = phantom_scan((1, 8, 8))
    feed = feed_of(scan, manifest)
    found = [conclude([(feed, {"scores": row[None]})], {"image": scan}, manifest, model_of(manifest)) for row in raw]
    return [item for item in found if isinstance(item, Classification)]


def decided_by(found: Sequence[Classification], name: str) -> list[bool]:
    """Whether each scan has a label; of grades, this one or a worse one."""
    order = [item.name for item in found[0].labels]
    if found[0].grade is not None:
        return [order.index(item.grade or "") >= order.index(name) for item in found]
    return [item.labels[order.index(name)].positive for item in found]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_gate_decides_as_the_runtime_does(case: str, seed: int) -> None:
    mode, activation, labels, values = CASES[case]
    chosen = np.random.default_rng(seed).choice([0.1, 0.3, 0.5, 0.7], len(labels))
    thresholds = {item.name: float(limit) for item, limit in zip(labels, chosen, strict=True) if item.finding}
    manifest = classification(mode, labels, thresholds, activation=activation)
    found = run(manifest, raw_of(activation, 150, values, seed))
    assert isinstance(manifest.task, ClassificationTask)
    assert len(found) == 150
    scores = {item.name: np.array([golden.answers(each)[item.name] for each in found]) for item in labels}
    said = answers(manifest.task, scores, thresholds)
    assert set(said) == set(thresholds)
    for name, answer in said.items():
        assert answer.decided.tolist() == decided_by(found, name)
        assert (answer.scores == scores[name]).all()
    assert any(0 < item.decided.sum() < 150 for item in said.values())


def test_a_score_on_its_threshold_reaches_it_in_the_precision_of_the_model() -> None:
    task = classification("binary", [SMALL], {"small": 0.7}).task
    assert isinstance(task, ClassificationTask)
    scores = {"small": np.array([np.float32(0.7), np.nextafter(np.float32(0.7), np.float32(0))], dtype=np.float64)}
    assert answers(task, scores, {"small": 0.7})["small"].decided.tolist() == [True, False]


def test_the_highest_class_is_said_to_be_there_below_its_threshold() -> None:
    task = classification("multi-class", [NORMAL, SMALL, LARGE], {"small": 0.9, "large": 0.9}).task
    assert isinstance(task, ClassificationTask)
    scores = {name: np.array(each) for name, each in zip(("normal", "small", "large"), np.eye(3) * 0.5, strict=True)}
    said = answers(task, scores, {"small": 0.9, "large": 0.9})
    assert said["small"].decided.tolist() == [False, True, False]
    assert said["large"].decided.tolist() == [False, False, True]


def test_a_worse_grade_brings_the_milder_ones_with_it() -> None:
    task = classification("ordinal", [NORMAL, SMALL, LARGE], {"small": 0.9, "large": 0.3}).task
    assert isinstance(task, ClassificationTask)
    scores = {"normal": np.ones(2), "small": np.array([0.5, 0.5]), "large": np.array([0.4, 0.2])}
    said = answers(task, scores, {"small": 0.9, "large": 0.3})
    assert said["small"].decided.tolist() == said["large"].decided.tolist() == [True, False]


# What cannot be judged -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "scores", "words"),
    [
        (np.ones(5, dtype=bool), np.ones(5), "Judging x: all 5 scans are positive; expected scans of both kinds"),
        (np.zeros(5, dtype=bool), np.ones(5), "Judging x: all 5 scans are negative; expected scans of both kinds"),
        (np.array([True, False]), np.array([0.5]), r"Judging x: found \[1, 2\] values, expected as many truths"),
    ],
)
def test_what_cannot_be_judged_is_refused(truth: Truth, scores: Scores, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        questions({"x": truth}, side(scores), side(scores), Margins())


@pytest.mark.parametrize("name", ["reference", "candidate"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused_by_name(name: str, value: float) -> None:
    truth, scores = scans(40)
    broken = np.where(np.arange(40) < 3, value, scores)
    sides = {"reference": side(scores), "candidate": side(scores), name: side(broken)}
    with pytest.raises(UsageError, match=f"Judging x: the {name} gave 3 scores that are no numbers"):
        questions({"x": truth}, sides["reference"], sides["candidate"], Margins())


# What is told, and what is drawn ---------------------------------------------------------------------------


def test_the_calibration_error_of_each_label_is_told() -> None:
    truth = np.array([True, False])
    sides = {"a": side(np.array([0.95, 0.95]))["x"], "b": side(np.array([1.0, 0.0]))["x"]}
    found = told({"a": truth, "b": truth}, sides)
    assert found == {"calibration-error a": pytest.approx(0.45), "calibration-error b": pytest.approx(0.0)}


def drawn(truth: Truth, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    (curve,) = curves({"x": truth}, {"x": scores})
    points = [(point.false_positive_rate, point.sensitivity) for point in curve.roc]
    rates, sensitivities = np.array(points).T
    return rates, sensitivities


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_a_roc_runs_from_corner_to_corner_with_the_area_of_scikit_learn(digits: int) -> None:
    truth, scores = scans(300, seed=8)
    coarse = scores.round(digits)
    (curve,) = curves({"x": truth}, {"x": coarse})
    rates, sensitivities = drawn(truth, coarse)
    assert (rates[0], sensitivities[0], rates[-1], sensitivities[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(rates) >= 0).all()
    assert (np.diff(sensitivities) >= 0).all()
    expected = sklearn.roc_auc_score(truth, coarse)
    assert curve.auc == pytest.approx(expected, abs=1e-6)
    assert sklearn.auc(rates, sensitivities) == pytest.approx(expected, abs=1e-5)


def test_a_roc_of_many_scans_has_no_more_points_than_can_be_seen() -> None:
    generator = np.random.default_rng(9)
    truth, scores = generator.random(20_000) < 0.5, generator.random(20_000)
    rates, sensitivities = drawn(truth, scores)
    assert sklearn.roc_curve(truth, scores)[0].size > 10 * MOST_POINTS
    assert 0.9 * MOST_POINTS < rates.size <= MOST_POINTS == 400
    assert (rates[0], sensitivities[0], rates[-1], sensitivities[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert sklearn.auc(rates, sensitivities) == pytest.approx(sklearn.roc_auc_score(truth, scores), abs=1e-3)


def test_a_model_that_says_the_same_of_all_has_a_straight_roc() -> None:
    truth, _ = scans(40)
    rates, sensitivities = drawn(truth, np.full(40, 0.5))
    assert rates.tolist() == sensitivities.tolist() == [0.0, 1.0]


def test_every_scan_is_in_one_bin_of_the_reliability() -> None:
    truth, scores = scans(300)
    scores[:3] = [0.0, 1.0, 0.3]
    (curve,) = curves({"x": truth}, {"x": scores})
    assert sum(item.n for item in curve.reliability) == 300
    assert len(curve.reliability) <= 10
    means = [item.mean_score for item in curve.reliability]
    assert means == sorted(means)
    positives = sum(item.n * item.positive_share for item in curve.reliability)
    assert positives == pytest.approx(truth.sum(), abs=1e-3)


def test_bins_are_a_tenth_wide_and_empty_ones_are_left_out() -> None:
    truth = np.array([True, False, True, True])
    (curve,) = curves({"x": truth}, {"x": np.array([0.91, 0.99, 1.0, 0.05])})
    assert [(item.n, item.mean_score) for item in curve.reliability] == [(1, 0.05), (3, 0.966667)]
    assert [item.positive_share for item in curve.reliability] == [1.0, 0.666667]


def test_labels_are_drawn_in_their_order() -> None:
    truth, scores = scans(40)
    assert [item.label for item in curves({"b": truth, "a": truth}, {"a": scores, "b": scores})] == ["b", "a"]
