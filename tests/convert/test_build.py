"""Building and judging candidates: over the embedded pack's real images, and over small nets that are made to fail."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.build import Built, Plan, build
from convert.cam import insert_cam
from convert.candidates import FP32, INT8
from convert.describe import ThresholdRule
from convert.document import CandidateTold
from convert.gate.judge import Judgement
from convert.labels import LabelledSet
from convert.measure import feeds_of
from convert.quantise import calibrate, dump_calibration
from convert.tune import FIXED, Labelled
from convert.work import Work
from edge.engines.apart import EngineApart
from edge.errors import EngineError, UsageError
from edge.pack.store import Pack
from tests.convert.chest import CHEST, Splits, chest_onnx, chest_pack, chest_set, chest_splits
from tests.convert.graphs import Builder
from tests.convert.scans import BRIGHT, Bench, Heard, Impatient, bench, brightness_net, pictures, turned, with_weights
from tests.read.files import png

LABEL = "pneumonia"
NOT_A_NUMBER = brightness_net(offsets=(float("nan"),))

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def verdict_on(built: Built, name: str) -> Judgement:
    (judgement,) = (item.judgement for item in built.candidates if item.name == name)
    assert judgement is not None
    return judgement


def timeless(item: CandidateTold) -> CandidateTold:
    return replace(item, latency_ms=0.0, peak_bytes=None)


# The embedded pack, over real images ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def splits() -> Splits:
    return chest_splits()


@pytest.fixture(scope="module")
def sets(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, LabelledSet]:
    """The two sets, some of each, and two to calibrate with: as they are, and with a thirty-second of the contrast."""
    folder = tmp_path_factory.mktemp("chest")
    images, truth = splits["train"]
    return {
        "train": chest_set(folder / "train", images[:32], truth[:32]),
        "flat": chest_set(folder / "flat", 140 + images[:32] // 32, truth[:32]),
        "val": (tune := chest_set(folder / "val", *splits["val"])),
        "test": (evaluate := chest_set(folder / "test", *splits["test"])),
        "some of val": tune.among(range(0, len(tune.paths), 4)),
        "some of test": evaluate.among(range(0, 468, 4)),
    }


@pytest.fixture(scope="module")
def pack() -> Pack:
    return chest_pack()


def chest_plan(
    pack: Pack, sets: Mapping[str, LabelledSet], calibrate: str = "train", *, some: str = "some of ", **changes: Any
) -> Plan:
    plan = Plan(
        draft=replace(pack.manifest, golden=(), evidence=(), card=None),
        onnx=chest_onnx(),
        calibrate=sets[calibrate].cases,
        tune=Labelled(scans=sets[f"{some}val"], words="validation"),
        evaluate=Labelled(scans=sets[f"{some}test"], words="test"),
        rules={LABEL: ThresholdRule(rule="sensitivity", at_least=0.9)},
        engines=("onnxruntime",),
        precisions=("fp32", "int8"),
        max_steps=1,
    )
    return replace(plan, **changes)


@pytest.fixture(scope="module")
def chest(pack: Pack, sets: Mapping[str, LabelledSet]) -> Built:
    return build(chest_plan(pack, sets), Heard())


def test_int8_of_a_good_calibration_is_not_rejected_and_less_than_a_third_as_large(chest: Built) -> None:
    judgement = verdict_on(chest, "int8 on onnxruntime")
    assert judgement.verdict != "rejected"
    assert all(row.room >= 0 for row in judgement.comparisons)
    assert len(chest.files[INT8]) < len(chest.files[FP32]) / 3.3
    assert [item.precision for item in chest.candidates] == ["fp32", "int8"]
    assert chest.candidates[0].judgement is None


def test_a_verdict_that_is_open_says_how_many_scans_would_tell(chest: Built) -> None:
    """No decision flipped: 117 scans are too few to prove that less than one in a hundred does."""
    judgement = verdict_on(chest, "int8 on onnxruntime")
    (flips,) = (row for row in judgement.comparisons if row.metric == "flips")
    assert judgement.verdict == "inconclusive"
    assert (flips.verdict, flips.n) == ("inconclusive", 117)
    assert flips.n_needed is not None
    assert flips.n_needed > 117


def test_a_calibration_with_the_wrong_intensities_is_rejected(pack: Pack, sets: Mapping[str, LabelledSet]) -> None:
    """Pictures with a thirty-second of the contrast: every layer's range is too small, and what goes beyond is cut."""
    built = build(chest_plan(pack, sets, calibrate="flat"), Heard())
    assert verdict_on(built, "int8 on onnxruntime").verdict == "rejected"
    assert INT8 in built.files


def test_a_broken_layer_is_rejected(pack: Pack, sets: Mapping[str, LabelledSet]) -> None:
    """The weights of one convolution in the middle stand in the reverse order of channels."""
    plan = chest_plan(pack, sets, precisions=("fp32",), given={"fp16": turned(chest_onnx())})
    judgement = verdict_on(build(plan, Heard()), "fp16 on onnxruntime")
    assert judgement.verdict == "rejected"
    assert any(row.verdict == "rejected" for row in judgement.comparisons)


@pytest.fixture(scope="module")
def judged(pack: Pack, sets: Mapping[str, LabelledSet]) -> Built:
    """The models of the embedded pack as they are, over all of the data set."""
    model = next(item for item in pack.manifest.models if item.precision == "int8")
    given = {"int8": pack.read_model(model)[0]}
    rules = {LABEL: ThresholdRule(rule="sensitivity", at_least=0.9, error=0.05)}
    return build(chest_plan(pack, sets, some="", precisions=("fp32",), given=given, rules=rules), Heard())


def test_the_committed_int8_models_verdict_is_that_of_its_manifest(pack: Pack, judged: Built) -> None:
    model = next(item for item in pack.manifest.models if item.precision == "int8")
    assert verdict_on(judged, "int8 on onnxruntime").verdict == model.verdict
    assert judged.candidates[1].sha256 == model.sha256


def test_the_packs_evidence_is_what_its_model_says_of_the_test_images(pack: Pack, judged: Built) -> None:
    reference = judged.candidates[0]
    threshold = pack.manifest.models[0].thresholds[LABEL]
    assert reference.thresholds[LABEL].value == pytest.approx(threshold.value, abs=1e-4)
    committed = {
        figure.metric: figure
        for figure in reversed(pack.manifest.evidence)
        if (figure.precision, figure.engine) == ("fp32", "onnxruntime")
    }
    measured = {figure.metric: figure for figure in reference.evidence}
    for metric in ("auc", "sensitivity", "specificity"):
        assert measured[metric].value == pytest.approx(committed[metric].value, abs=1e-3)
        assert measured[metric].n == committed[metric].n


def test_outside_of_the_scores_that_are_left_to_a_reader_few_test_images_are_told_wrongly(judged: Built) -> None:
    reference = judged.candidates[0]
    zone, threshold = reference.uncertain[LABEL], reference.thresholds[LABEL]
    assert 0.2 < zone.low < 0.35
    assert zone.high == threshold.value  # no negative needs more
    assert (zone.chosen_on, zone.n) == ("validation", 270)
    told = {figure.metric: figure.value for figure in reference.evidence}
    assert told["coverage-of-positives"] > 0.95
    assert told["coverage-of-negatives"] > 0.95
    assert 0.03 < told["uncertain-share"] < 0.12


def test_a_calibration_that_the_test_images_speak_against_is_not_kept(judged: Built) -> None:
    """The validation images are easier than the test images: a line through them promises too much."""
    assert all(item.calibration == {} for item in judged.candidates)
    told = "There is no calibration of 'pneumonia' for fp32 on onnxruntime: on the scans that judge, its Brier score is"
    assert any(note.startswith(told) for note in judged.notes)


def test_every_file_of_the_embedded_pack_is_named_by_its_manifest(pack: Pack) -> None:
    named = {model.file: model.sha256 for model in pack.manifest.models}
    named |= {file: case.sha256[role] for case in pack.manifest.golden for role, file in case.scans.items()}
    if pack.manifest.card is not None:
        named[pack.manifest.card.file] = pack.manifest.card.sha256
    found = {path.relative_to(CHEST).as_posix(): path for path in CHEST.rglob("*") if path.is_file()}
    assert set(found) == {*named, "manifest.json"}
    assert all(hashlib.sha256(found[name].read_bytes()).hexdigest() == digest for name, digest in named.items())


# Small nets ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(tmp_path_factory.mktemp("small"), brightness_net())


@pytest.fixture(scope="module")
def built(small: Bench) -> Built:
    return build(small.plan(), Heard())


def given(small: Bench, int8: bytes, **changes: object) -> Plan:
    """A plan in which an INT8 model is judged that somebody else made."""
    return small.plan(precisions=("fp32",), given={"int8": int8}, **changes)


def test_a_build_gives_the_same_bytes_and_verdicts_twice(small: Bench, built: Built) -> None:
    again = build(small.plan(), Heard())
    assert again.files == built.files
    assert [timeless(item) for item in again.candidates] == [timeless(item) for item in built.candidates]
    assert (again.sets, again.layers, again.notes) == (built.sets, built.layers, built.notes)


def test_what_is_told_of_a_candidate_is_true_of_its_file(built: Built) -> None:
    for item in built.candidates:
        data = built.files[item.file]
        assert (item.bytes, item.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert item.latency_ms > 0
        assert item.thresholds["bright"].chosen_on == "one half of labels.csv"
        assert item.thresholds["bright"].n == 30
        assert {figure.metric for figure in item.evidence} == {"auc", "sensitivity", "specificity"}
        assert all(
            figure.interval is not None and figure.interval[0] <= figure.value <= figure.interval[1]
            for figure in item.evidence
        )
        assert [curve.label for curve in item.curves] == ["bright"]


def test_the_sets_are_told_with_their_hashes(built: Built, small: Bench) -> None:
    assert [(used.use, used.n) for used in built.sets] == [("calibrate", 12), ("tune", 30), ("evaluate", 30)]
    assert [dict(used.positives) for used in built.sets] == [{}, {"bright": 15}, {"bright": 15}]
    plan = small.plan()
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for (path,) in plan.calibrate]
    assert built.sets[0].sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()
    assert len({used.sha256 for used in built.sets}) == 3


def test_a_fixed_threshold_stays_what_its_author_chose(small: Bench) -> None:
    rules = {"bright": ThresholdRule(rule="fixed", value=0.3)}
    found = build(small.plan(rules=rules, precisions=("fp32",)), Heard())
    threshold = found.candidates[0].thresholds["bright"]
    assert (threshold.value, threshold.rule, threshold.chosen_on) == (0.3, FIXED, "no data")


def test_every_precision_gets_a_threshold_of_its_own(small: Bench) -> None:
    """A model whose logits are all lower by 2 finds as much as the reference, at a lower threshold."""
    found = build(given(small, brightness_net(offsets=(-12.0,))), Heard())
    before, after = (item.thresholds["bright"].value for item in found.candidates)
    assert after < before
    judgement = verdict_on(found, "int8 on onnxruntime")
    assert judgement.verdict != "rejected"


def test_a_model_in_which_int8_has_nothing_to_gain_is_built_without_it_and_says_so(small: Bench) -> None:
    net, heard = Builder(channels=1), Heard()
    mean = net.node("ReduceMean", "image", net.constant(np.array([2, 3])), keepdims=0)
    net.node("Mul", mean, net.constant(np.array([20.0], np.float32)), output="scores")
    found = build(small.plan(onnx=net.model({"scores": ["batch", 1]})), heard)
    assert [item.precision for item in found.candidates] == ["fp32"]
    (note,) = [
        note for note in found.notes if note.startswith("There is no INT8 model. Quantising a model: found none")
    ]
    assert note in heard.lines


def test_engines_for_which_no_int8_is_made_are_left_out_of_it_alone(small: Bench) -> None:
    engines = ("onnxruntime", "onnxruntime-cuda", "tensorrt-rtx", "openvino-gpu")
    plan = small.plan(engines=engines, tune=None, evaluate=None, calibrate=small.plan().calibrate[:2])
    names = [item.name for item in build(plan, Heard()).candidates]
    assert names == [*(f"fp32 on {engine}" for engine in engines), "int8 on onnxruntime"]


# Candidates that come to grief ---------------------------------------------------------------------------


def test_a_candidate_that_is_no_model_is_rejected_and_the_others_go_on(small: Bench) -> None:
    plan = replace(given(small, b"no model"), precisions=("fp32", "fp16"))
    found = build(plan, Heard())
    judgement = verdict_on(found, "int8 on onnxruntime")
    assert judgement.verdict == "rejected"
    assert judgement.problems[0].startswith("E501: ")
    assert judgement.comparisons == ()
    assert verdict_on(found, "fp16 on onnxruntime").verdict != "rejected"
    dead = next(item for item in found.candidates if item.precision == "int8")
    assert (dead.latency_ms, dead.evidence, dead.curves) == (0.0, (), ())


def test_a_candidate_that_gives_no_numbers_is_rejected_in_the_runtimes_words(small: Bench) -> None:
    judgement = verdict_on(build(given(small, NOT_A_NUMBER), Heard()), "int8 on onnxruntime")
    assert judgement.verdict == "rejected"
    assert judgement.problems[0].startswith("E503: The model gave values that are no numbers")


def test_a_reference_that_gives_no_numbers_ends_the_build(small: Bench) -> None:
    with pytest.raises(EngineError, match=r"the reference with .* values that are no numbers") as caught:
        build(small.plan(onnx=NOT_A_NUMBER, precisions=("fp32",)), Heard())
    assert caught.value.reason.code == "E503"


@posix
def test_a_candidate_whose_engine_dies_while_int8_is_searched_is_rejected(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = functools.partial(EngineApart, opener="tests.convert.openers:open_mortal")
    monkeypatch.setattr("convert.measure.EngineApart", apart)
    heard = Heard()
    found = build(small.plan(max_steps=6, precisions=("fp32", "fp16", "int8")), heard)
    judgement = verdict_on(found, "int8 on onnxruntime")
    assert judgement.verdict == "rejected"
    assert "signal SIGSEGV" in judgement.problems[0]
    assert verdict_on(found, "fp16 on onnxruntime").verdict != "rejected"
    assert not any(step.accepted for trail in found.trails for step in trail.steps)
    assert any("cannot be used. E502: " in line and "SIGSEGV" in line for line in heard.lines)


@posix
def test_the_death_of_the_reference_ends_the_build(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = functools.partial(EngineApart, opener="tests.convert.openers:open_deadly")
    monkeypatch.setattr(
        "convert.measure.EngineApart", lambda name, model, **_: apart(name, model, precision="int8", threads=1)
    )
    with pytest.raises(EngineError, match=r"Measuring the reference with .* signal SIGKILL"):
        build(small.plan(precisions=("fp32",)), Heard())


def test_a_map_that_is_not_of_its_score_rejects_a_candidate(small: Bench) -> None:
    mapped = insert_cam(brightness_net(), "scores")
    doubled = with_weights(mapped, "cam_weights", lambda weights: 2 * weights)
    draft = replace(small.plan().draft, task=replace(BRIGHT, map_output="cam"))
    judgement = verdict_on(build(given(small, doubled, draft=draft, onnx=mapped), Heard()), "int8 on onnxruntime")
    assert judgement.verdict == "rejected"
    assert "the map is not of this score" in judgement.problems[0]
    assert all(row.verdict != "rejected" for row in judgement.comparisons)


def test_a_reference_whose_map_is_not_of_its_score_is_noted(small: Bench) -> None:
    doubled = with_weights(insert_cam(brightness_net(), "scores"), "cam_weights", lambda weights: 2 * weights)
    draft = replace(small.plan().draft, task=replace(BRIGHT, map_output="cam"))
    found = build(small.plan(draft=draft, onnx=doubled), Heard())
    assert any("not tested against its score" in note for note in found.notes)
    assert verdict_on(found, "int8 on onnxruntime").problems == ()


def test_a_reference_whose_map_has_no_contrast_is_refused(small: Bench) -> None:
    flat = with_weights(insert_cam(brightness_net(), "scores"), "cam_weights", np.zeros_like)
    draft = replace(small.plan().draft, task=replace(BRIGHT, map_output="cam"))
    with pytest.raises(UsageError, match=r"no contrast on any of 30 scans\. Leave map_output out"):
        build(small.plan(draft=draft, onnx=flat, precisions=("fp32",)), Heard())


def test_a_reference_that_does_no_better_than_chance_is_told(small: Bench, built: Built) -> None:
    plan = small.plan(precisions=("fp32",))
    assert plan.evaluate is not None
    scans = plan.evaluate.scans
    upside_down = replace(scans, truths={label: ~truth for label, truth in scans.truths.items()})
    found = build(replace(plan, evaluate=replace(plan.evaluate, scans=upside_down)), Heard())
    assert any(note.startswith("The reference itself tells bright no better than chance") for note in found.notes)
    assert not any("chance" in note for note in built.notes)


# What a plan may not be ----------------------------------------------------------------------------------


def test_the_sets_to_tune_and_to_judge_may_not_overlap(small: Bench) -> None:
    plan = small.plan()
    assert plan.tune is not None
    with pytest.raises(UsageError, match="is in the set to tune and in the set to judge"):
        build(replace(plan, evaluate=Labelled(scans=plan.tune.scans, words="again")), Heard())


def test_a_scan_under_another_name_is_the_same_scan(small: Bench, tmp_path: Path) -> None:
    plan = small.plan()
    assert plan.evaluate is not None
    copy = tmp_path / "copy.png"
    copy.write_bytes(plan.evaluate.scans.paths[0].read_bytes())
    with pytest.raises(UsageError, match=r"copy\.png is in the set to calibrate and in the set to judge"):
        build(replace(plan, calibrate=(*plan.calibrate, (copy,))), Heard())


def test_a_patient_may_not_be_in_both_sets(small: Bench) -> None:
    plan = small.plan()
    assert plan.tune is not None
    assert plan.evaluate is not None
    first = [f"a{index}" for index in range(30)]
    tune = replace(plan.tune, scans=replace(plan.tune.scans, patients=tuple(first)))
    evaluate = replace(plan.evaluate, scans=replace(plan.evaluate.scans, patients=("a7", *first[1:7], *["b"] * 23)))
    with pytest.raises(UsageError, match="patient 'a1' is in the set to tune and in that to judge"):
        build(replace(plan, tune=tune, evaluate=evaluate), Heard())


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_file_of_a_precision_that_is_made_here_may_not_be_given(small: Bench, precision: str) -> None:
    """It would bear the name of the other one, and the verdict on that."""
    with pytest.raises(UsageError, match=f"{precision} is given and is made here"):
        build(small.plan(given={precision: brightness_net()}), Heard())


def test_a_scan_that_is_gone_is_named(small: Bench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.png: No such file"):
        build(small.plan(calibrate=((tmp_path / "gone.png",),)), Heard())


# Going on after an interruption --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def left(small: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is kept of a build that was interrupted before it judged."""
    folder = tmp_path_factory.mktemp("left") / "work"
    with pytest.raises(KeyboardInterrupt):
        build(small.plan(), Impatient(at="judging"), Work(folder))
    return folder


def test_a_build_that_is_interrupted_again_and_again_ends_with_the_same_bytes(
    small: Bench, built: Built, tmp_path: Path
) -> None:
    for line in ("calibrating INT8", "judging"):
        with pytest.raises(KeyboardInterrupt):
            build(small.plan(), Impatient(at=line), Work(tmp_path))
    work = Work(tmp_path)
    again = build(small.plan(), Heard(), work)
    assert work.found == ["tuned", "calibration", "tuned"]
    assert again.files == built.files
    assert [timeless(item) for item in again.candidates] == [timeless(item) for item in built.candidates]


def test_what_was_measured_is_not_measured_again(small: Bench, left: Path) -> None:
    heard, work = Impatient(at="judging"), Work(left)
    with pytest.raises(KeyboardInterrupt):
        build(small.plan(), heard, work)
    assert work.found == ["tuned", "calibration", "tuned"]
    assert heard.counts == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"onnx": brightness_net(offsets=(-9.0,))}, []),
        ({"calibrate": slice(4, 5)}, ["tuned"]),
        ({"method": "percentile"}, ["tuned"]),
        ({"rules": {"bright": ThresholdRule(rule="fixed", value=0.3)}}, ["calibration"]),
    ],
    ids=["model", "calibration", "method", "thresholds"],
)
def test_what_was_done_with_other_input_is_not_taken(
    small: Bench, left: Path, tmp_path: Path, change: dict[str, Any], found: list[str]
) -> None:
    shutil.copytree(left, tmp_path / "work")
    work, plan = Work(tmp_path / "work"), small.plan()
    if "calibrate" in change:
        change = {"calibrate": plan.calibrate[change["calibrate"]]}
    with pytest.raises(KeyboardInterrupt):
        build(replace(plan, **change), Impatient(at="judging"), work)
    assert work.found == found


def test_a_scan_that_was_changed_is_measured_again(small: Bench, left: Path, tmp_path: Path) -> None:
    shutil.copytree(left, tmp_path / "work")
    plan, work = small.plan(), Work(tmp_path / "work")
    assert plan.tune is not None
    changed = tmp_path / plan.tune.scans.paths[0].name
    changed.write_bytes(png(pictures(1, seed=77)[0][0], 0))
    scans = replace(plan.tune.scans, paths=(changed, *plan.tune.scans.paths[1:]))
    with pytest.raises(KeyboardInterrupt):
        build(replace(plan, tune=replace(plan.tune, scans=scans)), Impatient(at="calibrating"), work)
    assert work.found == []


def test_a_calibration_that_is_kept_is_what_was_made(small: Bench, left: Path) -> None:
    (kept,) = left.glob("calibration-*")
    plan = small.plan()
    made = calibrate(plan.onnx, feeds_of(plan.calibrate, plan.draft), method="minmax")
    assert kept.read_bytes() == dump_calibration(made)
