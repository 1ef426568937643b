"""What is asked of two candidates for each task, and what is told of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.calibration import Trust
from convert.cam import MapCheck
from convert.displacement import Registrations
from convert.gate import segmentation
from convert.gate.judge import Judgement, Margins
from convert.gate.tasks import (
    METHOD,
    METHOD_BY_PATIENT,
    Side,
    compare,
    curves_of,
    evidence_of,
    free_response_of,
    map_problems_of,
)
from convert.labels import LabelledSet
from convert.measure import Candidate, Measured
from convert.metrics import Scores, Truth
from edge.errors import UsageError
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Evidence,
    Precision,
    RegistrationTask,
    SegmentationTask,
    TranslationTask,
    Zone,
)
from edge.testing import tiny_segmentation, tiny_threshold
from edge.truth.boxes import Matches
from edge.truth.overlap import Overlaps
from tests.tasks.models import Activation, Mode, classification, label

N = 400
NORMAL, SMALL, LARGE = label("normal", finding=False), label("small"), label("large")
SOUND = MapCheck(scans=N, identity_errors=(0.0,), constant=())
CONSTANT = replace(SOUND, constant=(0,))
ELSEWHERE = replace(SOUND, identity_errors=(0.5,))


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convert.gate.judge.RESAMPLES", 300)


def task_of(mode: Mode = "binary", activation: Activation = "sigmoid", count: int = 1) -> ClassificationTask:
    """With one finding, or with the first label no finding."""
    labels = [SMALL] if count == 1 else [NORMAL, SMALL, LARGE][:count]
    limits = {item.name: 0.5 for item in labels if item.finding}
    task = classification(mode, labels, limits, activation=activation, map_output="cam").task
    assert isinstance(task, ClassificationTask)
    return task


BINARY = task_of()


def good(seed: int = 0) -> tuple[Truth, Scores]:
    generator = np.random.default_rng(seed)
    truth = np.arange(N) % 2 == 0
    return truth, 1 / (1 + np.exp(-generator.normal(size=N) - np.where(truth, 2.0, -2.0)))


def scans_of(**truths: Truth) -> LabelledSet:
    return LabelledSet(paths=tuple(Path(f"{index}.dcm") for index in range(N)), truths=truths)


def side(measured: Measured, *, precision: Precision = "int8", thresholds: tuple[str, ...] = ("small",)) -> Side:
    item = Candidate(precision=precision, engine="onnxruntime", file=f"model.{precision}.onnx", onnx=b"")
    return Side(item=item, measured=measured, thresholds={name: tiny_threshold(0.5) for name in thresholds})


def judged(
    reference: Measured, candidate: Measured, *, task: ClassificationTask = BINARY, scans: LabelledSet | None = None
) -> Judgement:
    found = scans_of(small=good()[0]) if scans is None else scans
    return compare(task, found, side(reference, precision="fp32"), side(candidate), Margins())


def said(*, maps: MapCheck | None = None) -> Measured:
    return Measured(scores={"small": good()[1]}, maps=maps)


def metrics_of(judgement: Judgement) -> list[tuple[str, str]]:
    return [(item.metric, item.label) for item in judgement.comparisons]


# Classification --------------------------------------------------------------------------------------------


def test_a_candidate_that_says_the_same_passes() -> None:
    judgement = judged(said(), said())
    assert judgement.verdict == "passed"
    assert metrics_of(judgement) == [(name, "small") for name in ("auc", "sensitivity", "specificity", "flips")]


def test_each_side_decides_by_its_own_threshold() -> None:
    truth, scores = good()
    smaller = side(Measured(scores={"small": scores**8}))
    own = replace(smaller, thresholds={"small": tiny_threshold(0.5**8)})
    reference = side(said(), precision="fp32")
    verdicts = [compare(BINARY, scans_of(small=truth), reference, each, Margins()).verdict for each in (smaller, own)]
    assert verdicts == ["rejected", "passed"]


def test_the_margins_are_those_asked_for() -> None:
    truth, scores = good()
    worse = Measured(scores={"small": np.where(np.arange(N) < 20, 1 - scores, scores)})
    sides = side(said(), precision="fp32"), side(worse)
    wide = Margins(auc=0.5, sensitivity=0.5, specificity=0.5, flips=0.5)
    assert compare(BINARY, scans_of(small=truth), *sides, Margins()).verdict == "rejected"
    assert compare(BINARY, scans_of(small=truth), *sides, wide).verdict == "passed"


def test_the_calibration_error_is_told_and_not_judged() -> None:
    scores = good()[1]
    candidate = Measured(scores={"small": 0.5 + 0.4 * (scores - 0.5)})
    judgement = judged(said(), candidate)
    assert judgement.verdict == "passed"
    assert list(judgement.told) == ["calibration-error small"]
    assert judgement.told["calibration-error small"] > 0.1


def test_the_evidence_tells_of_trust_beside_what_is_judged() -> None:
    zone = Zone(low=0.4, high=0.6, rule="r", chosen_on="films", n=200)
    trusted = replace(side(said()), trust=Trust(uncertain={"small": zone}))
    found = [figure.metric for figure in evidence_of(BINARY, scans_of(small=good()[0]), trusted, "films")]
    assert found == [
        "auc", "sensitivity", "specificity", "uncertain-share", "coverage-of-positives", "coverage-of-negatives",
    ]  # fmt: skip


def test_a_candidate_that_died_is_rejected_without_figures() -> None:
    judgement = judged(said(), Measured(problem="E502: it ran out of memory."))
    assert (judgement.verdict, judgement.problems) == ("rejected", ("E502: it ran out of memory.",))
    assert not judgement.comparisons


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused_in_words(value: float) -> None:
    broken = said().scores["small"].copy()
    broken[7] = value
    with pytest.raises(UsageError, match="Judging small: the candidate gave 1 scores that are no numbers"):
        judged(said(), Measured(scores={"small": broken}))


def test_subgroups_and_patients_of_the_table_are_judged_by() -> None:
    truth, scores = good()
    noisy = Measured(scores={"small": np.clip(scores + np.random.default_rng(1).normal(0, 0.05, N), 0, 1)})
    alone = scans_of(small=truth)
    by_site = replace(alone, groups={"site": ("a", "b") * (N // 2)})  # of which b has no positive
    whole = judged(said(), noisy, scans=by_site)
    assert whole.skipped == (f"small: site=a ({N // 2} scans)", f"small: site=b ({N // 2} scans)")
    halves = replace(alone, groups={"site": ("a",) * (N // 2) + ("b",) * (N // 2)})
    groups = {item.group for item in judged(said(), noisy, scans=halves).comparisons}
    assert groups == {"all", "site=a", "site=b"}
    pairs = replace(alone, patients=tuple(f"p{index // 20}" for index in range(N)))
    assert judged(said(), noisy, scans=pairs).comparisons[0].bound != judged(said(), noisy).comparisons[0].bound


def test_of_an_ordinal_task_the_agreement_is_asked() -> None:
    task = task_of("ordinal", count=3)
    grades = np.arange(N) % 3
    truths = {"small": grades >= 1, "large": grades >= 2}
    scores = {"normal": np.ones(N), **{name: np.where(truth, 0.9, 0.1) for name, truth in truths.items()}}
    limits = ("small", "large")
    reference = side(Measured(scores=scores), precision="fp32", thresholds=limits)
    judgement = compare(
        task, scans_of(**truths), reference, side(Measured(scores=scores), thresholds=limits), Margins()
    )
    asked = [(name, finding) for finding in limits for name in ("auc", "sensitivity", "specificity")]
    assert metrics_of(judgement) == [*asked, ("kappa", "all"), ("flips", "small"), ("flips", "large")]
    assert judgement.verdict == "passed"


def test_of_classes_the_highest_counts() -> None:
    task = task_of("multi-class", "softmax", count=3)
    classes = np.arange(N) % 3
    scores = {name: np.where(classes == index, 0.4, 0.3) for index, name in enumerate(("normal", "small", "large"))}
    truths = {"small": classes == 1, "large": classes == 2}
    both = side(Measured(scores=scores), thresholds=("small", "large"))
    judgement = compare(task, scans_of(**truths), both, both, Margins())
    sensitivity = [item.candidate for item in judgement.comparisons if item.metric == "sensitivity"]
    assert sensitivity == [1.0, 1.0]
    assert "kappa" not in {item.metric for item in judgement.comparisons}


# Influence maps --------------------------------------------------------------------------------------------


def test_sound_maps_are_no_problem() -> None:
    assert judged(said(maps=SOUND), said(maps=SOUND)).verdict == "passed"


def test_a_constant_map_rejects_whatever_the_scores_are() -> None:
    judgement = judged(said(maps=SOUND), said(maps=CONSTANT))
    assert judgement.verdict == "rejected"
    assert judgement.problems == (f"small: its map has no contrast on any of {N} scans",)
    assert {item.verdict for item in judgement.comparisons} == {"passed"}


def test_a_map_of_another_score_is_rejected() -> None:
    judgement = judged(said(maps=SOUND), said(maps=ELSEWHERE))
    assert judgement.verdict == "rejected"
    assert "small: the mean of its map and its logit part by 0.5" in judgement.problems[0]


def test_a_candidate_is_not_asked_for_what_its_reference_does_not_hold() -> None:
    assert judged(said(maps=ELSEWHERE), said(maps=ELSEWHERE)).verdict == "passed"
    constant = judged(said(maps=ELSEWHERE), said(maps=replace(ELSEWHERE, constant=(0,))))
    assert constant.problems == (f"small: its map has no contrast on any of {N} scans",)


def test_half_precision_is_given_more_room_for_its_maps() -> None:
    off = said(maps=replace(SOUND, identity_errors=(0.005,)))
    assert not map_problems_of(BINARY, side(off, precision="fp16"))
    assert map_problems_of(BINARY, side(off, precision="fp32"))
    assert map_problems_of(BINARY, side(off, precision="int8"))


def test_scores_that_the_graph_made_need_not_be_the_mean_of_their_map() -> None:
    task = task_of(activation="none")
    assert not map_problems_of(task, side(said(maps=ELSEWHERE)))
    assert map_problems_of(task, side(said(maps=CONSTANT)))


@pytest.mark.parametrize(
    ("mode", "activation", "names"),
    [
        ("multi-label", "sigmoid", ["normal", "small", "large"]),
        ("multi-class", "softmax", ["normal", "small", "large"]),
        ("ordinal", "softmax", ["normal", "small", "large"]),
        ("ordinal", "sigmoid", ["small", "large"]),
        ("ordinal", "none", ["small", "large"]),
    ],
)
def test_a_map_is_named_by_the_label_of_its_value(mode: Mode, activation: Activation, names: list[str]) -> None:
    count = len(names)
    check = MapCheck(scans=9, identity_errors=(0.0,) * count, constant=tuple(range(count)))
    problems = map_problems_of(task_of(mode, activation, count=3), side(Measured(maps=check)))
    assert [problem.partition(":")[0] for problem in problems] == names


def test_a_model_without_maps_has_no_problem_with_them() -> None:
    assert map_problems_of(BINARY, side(said())) == ()
    assert map_problems_of(tiny_segmentation(), side(said(maps=CONSTANT))) == ()


# Segmentation ----------------------------------------------------------------------------------------------


def outlines(worse: float = 0.0) -> Measured:
    generator = np.random.default_rng(0)
    found = Overlaps(
        dice=generator.uniform(0.8, 0.9, N) - worse,
        hd95=generator.uniform(1, 2, N),
        volume_error=generator.uniform(0, 0.1, N),
        present=np.ones(N, dtype=np.bool_),
        pixel=np.full(N, 0.7),
        unit="mm",
    )
    return Measured(scores={"bright": np.full(N, 0.2)}, overlaps={"bright": found})


SEGMENTATION: SegmentationTask = tiny_segmentation()
MASKED = LabelledSet(
    paths=scans_of().paths, masks={"bright": tuple(Path(f"{index}.png") for index in range(N))},
)  # fmt: skip


def test_of_a_segmentation_outlines_are_asked_and_no_decisions() -> None:
    reference = side(outlines(), precision="fp32", thresholds=("bright",))
    judgements = [
        compare(SEGMENTATION, MASKED, reference, side(outlines(worse), thresholds=("bright",)), Margins())
        for worse in (0.0, 0.1)
    ]
    assert [item.verdict for item in judgements] == ["passed", "rejected"]
    overlaps = outlines().overlaps
    asked = segmentation.questions(["bright"], overlaps, overlaps, Margins())
    assert metrics_of(judgements[0]) == [(item.metric, item.label) for item in asked]
    assert dict(judgements[0].told) == {}


def test_outlines_are_evidence_and_have_no_curves() -> None:
    found = evidence_of(SEGMENTATION, MASKED, side(outlines(), thresholds=("bright",)), "films")
    overlaps = outlines().overlaps
    asked = segmentation.questions(["bright"], overlaps, overlaps, Margins())
    means = [round(item.candidate(np.arange(N)), 6) for item in asked]
    assert [(item.metric, item.label) for item in found] == [(item.metric, item.label) for item in asked]
    assert [item.value for item in found] == means
    assert round(float(overlaps["bright"].dice.mean()), 6) in means
    assert all(item.n == N for item in found)
    assert curves_of(SEGMENTATION, MASKED, side(outlines())) == ()


# Detection and registration --------------------------------------------------------------------------------

BOXES = DetectionTask(
    kind="detection", layout="yolov5", output="boxes", activation="none", labels=(NORMAL, SMALL), overlap=0.5
)
PAIR = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="moving")


def drawn(lost: float = 0.0, gain: float = 1.0) -> Measured:
    """A box on every other scan and one that finds nothing on each, of two labels alike."""
    generator = np.random.default_rng(3)
    truths = (np.arange(N) % 2).astype(np.int64)
    scan = np.concatenate([np.flatnonzero(truths), np.arange(N)])
    scores = gain * np.concatenate([generator.uniform(0.5, 1.0, N // 2), generator.uniform(0.1, 0.6, N)])
    hits = np.concatenate([generator.uniform(size=N // 2) >= lost, np.zeros(N, dtype=np.bool_)])[np.newaxis]
    order = np.argsort(-scores)
    found = Matches(thresholds=(0.5,), scan=scan[order], scores=scores[order], hits=hits[:, order], truths=truths)
    return Measured(matches={"normal": found, "small": found})


def test_of_boxes_all_and_those_at_the_threshold_are_asked() -> None:
    reference = side(drawn(), precision="fp32")
    same, worse = (compare(BOXES, scans_of(), reference, side(drawn(lost)), Margins()) for lost in (0.0, 0.3))
    kinds = ("average-precision", "froc"), ("sensitivity", "false-positives")
    asked = [(metric, label) for each in kinds for label in ("normal", "small") for metric in each]
    assert metrics_of(same) == [("mean-average-precision", "all"), *asked]
    assert (same.verdict, worse.verdict) == ("passed", "rejected")


def test_each_side_reports_boxes_by_its_own_threshold_and_labels_that_are_no_finding_by_one_half() -> None:
    reference = side(drawn(), precision="fp32")
    smaller = side(drawn(gain=0.5))
    own = replace(smaller, thresholds={"small": tiny_threshold(0.25)})
    found = [
        {item.label: item.candidate for item in compare(BOXES, scans_of(), reference, each, Margins()).comparisons
         if item.metric == "sensitivity"}
        for each in (reference, smaller, own)
    ]  # fmt: skip
    assert found[0] == {"normal": 1.0, "small": 1.0}
    assert found[1] == {"normal": 0.0, "small": 0.0}
    assert found[2] == {"normal": 0.0, "small": 1.0}


def test_boxes_have_free_response_curves_and_nothing_else_has() -> None:
    assert [curve.label for curve in free_response_of(BOXES, side(drawn()))] == ["normal", "small"]
    assert curves_of(BOXES, scans_of(), side(drawn())) == ()
    assert free_response_of(BINARY, side(said())) == ()
    assert free_response_of(BOXES, side(Measured(problem="It died."))) == ()


def moved(error_mm: float = 1.0) -> Measured:
    errors = error_mm + np.random.default_rng(4).uniform(0, 0.2, N)
    return Measured(registrations=Registrations(target_registration_error_mm=errors, folded=np.zeros(N)))


def test_of_pairs_landmarks_and_folds_are_asked() -> None:
    reference = side(moved(), precision="fp32", thresholds=())
    verdicts = [compare(PAIR, scans_of(), reference, side(moved(mm), thresholds=()), Margins()) for mm in (1.0, 1.2)]
    assert metrics_of(verdicts[0]) == [("target-registration-error", "all"), ("folded", "all")]
    assert [item.verdict for item in verdicts] == ["passed", "rejected"]
    found = evidence_of(PAIR, scans_of(), side(moved(), thresholds=()), "pairs")
    assert [(item.metric, item.label, item.n) for item in found] == [
        ("target-registration-error", "all", N),
        ("folded", "all", N),
    ]


def test_pairs_without_landmarks_are_not_judged() -> None:
    none = side(Measured(), thresholds=())
    with pytest.raises(UsageError, match="found no landmarks, expected some for every pair of scans"):
        compare(PAIR, scans_of(), none, none, Margins())


def test_a_synthetic_image_is_not_judged() -> None:
    task = TranslationTask(kind="translation", output="y", range=(0.0, 1.0), unit="1", makes="T2")
    with pytest.raises(UsageError, match="the task translation: synthetic images are not judged yet"):
        compare(task, scans_of(), side(said()), side(said()), Margins())


# Evidence and curves ---------------------------------------------------------------------------------------


def evidence(scans: LabelledSet) -> tuple[Evidence, ...]:
    return evidence_of(BINARY, scans, side(said()), "films of two hospitals")


def test_evidence_is_of_the_candidate_with_intervals_around_it() -> None:
    truth, scores = good()
    found = {item.metric: item for item in evidence(scans_of(small=truth))}
    assert list(found) == ["auc", "sensitivity", "specificity"]
    assert found["sensitivity"].value == round(float((scores[truth] >= 0.5).mean()), 6)
    assert [item.n for item in found.values()] == [N, N // 2, N // 2]
    for item in found.values():
        assert (item.precision, item.engine, item.label) == ("int8", "onnxruntime", "small")
        assert (item.data, item.method) == ("films of two hospitals", METHOD)
        assert item.interval is not None
        assert item.interval[0] < item.value < item.interval[1]


def test_evidence_says_whether_patients_were_drawn() -> None:
    truth, _ = good()
    pairs = replace(scans_of(small=truth), patients=tuple(f"p{index // 2}" for index in range(N)))
    found = evidence(pairs)
    assert {item.method for item in found} == {METHOD_BY_PATIENT}
    assert (
        METHOD_BY_PATIENT.replace("of patients ", "")
        == METHOD
        == ("percentile bootstrap, 2000 resamples stratified by class")
    )
    assert [item.value for item in found] == [item.value for item in evidence(scans_of(small=truth))]
    assert [item.interval for item in found] != [item.interval for item in evidence(scans_of(small=truth))]


def test_the_same_scans_give_the_same_evidence() -> None:
    scans = scans_of(small=good()[0])
    assert evidence(scans) == evidence(scans)


def test_a_candidate_that_died_has_neither_evidence_nor_curves() -> None:
    dead, scans = side(Measured(problem="It died.")), scans_of(small=good()[0])
    assert evidence_of(BINARY, scans, dead, "films") == ()
    assert curves_of(BINARY, scans, dead) == ()


def test_curves_are_of_the_candidates_scores() -> None:
    truth, scores = good()
    (curve,) = curves_of(BINARY, scans_of(small=truth), side(said()))
    assert curve.label == "small"
    assert curve.auc == round(float((scores[truth][:, None] > scores[~truth]).mean()), 6)
    assert sum(item.n for item in curve.reliability) == N
