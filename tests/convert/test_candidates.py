"""Candidates: FP16, and INT8 that gives layers back until the set to tune is content with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.build import Built, build
from convert.candidates import (
    FP16,
    INT8,
    Trial,
    calibration_of,
    find_int8,
    fp16_of,
    worst_of,
)
from convert.document import Trail
from convert.gate.judge import Comparison
from convert.half import to_fp16
from convert.lower import lower_for_onnxruntime
from convert.measure import Candidate
from convert.quantise import calibrate, head_nodes, quantise
from convert.tune import Labelled
from convert.work import Work
from edge.testing import tiny_manifest
from tests.convert.graphs import feeds as noise
from tests.convert.scans import BRIGHT, Bench, Heard, bench, brightness_net, quick

ENGINES = ("onnxruntime", "openvino")
LOUD = brightness_net(loud=1000.0)


def feeds() -> Any:
    return ({"image": np.abs(feed["image"])} for feed in noise(6, channels=1))


def compared(metric: str = "auc", change: float = 0.0, margin: float = 0.01, group: str = "all") -> Comparison:
    return Comparison(
        metric=metric,
        label="bright",
        group=group,
        n=40,
        reference=0.9,
        candidate=0.9 + change,
        bound=change,
        margin=margin,
        verdict="inconclusive",
    )


class Judge:
    """Is content with a candidate of an engine from so many layers given back on."""

    def __init__(self, **content_from: int) -> None:
        self.content_from = content_from
        self.asked: list[list[str]] = []

    def __call__(self, candidates: Sequence[Candidate]) -> list[Trial]:
        self.asked.append([f"{item.file} on {item.engine}" for item in candidates])
        return [self._trial(item) for item in candidates]

    def _trial(self, item: Candidate) -> Trial:
        given = 0 if item.file == INT8 else int(item.file.split("-")[1])
        content = given >= self.content_from[item.engine]
        return Trial(worst=compared(change=0.0 if content else -0.5), latency_ms=1.0)


def search(judge: Judge, max_steps: int = 6, onnx: bytes = LOUD) -> Any:
    calibration = calibrate(onnx, feeds(), method="minmax")
    manifest = tiny_manifest(task=BRIGHT)
    return find_int8(onnx, manifest, feeds, calibration, ENGINES, try_out=judge, max_steps=max_steps)


# FP16 ----------------------------------------------------------------------------------------------------


def test_there_is_one_half_for_all_engines() -> None:
    found, problem = fp16_of(brightness_net(), ENGINES)
    assert [(item.name, item.file) for item in found] == [("fp16 on onnxruntime", FP16), ("fp16 on openvino", FP16)]
    assert {item.onnx for item in found} == {to_fp16(brightness_net())}
    assert problem == ""


def test_a_model_that_is_no_float_has_no_half_and_the_note_says_why() -> None:
    found, problem = fp16_of(to_fp16(brightness_net()), ENGINES)
    assert found == ()
    assert problem.startswith("There is no FP16 model. ")
    assert "half precision" in problem


# What the graph is asked for -----------------------------------------------------------------------------


def test_the_worst_comparison_is_the_one_with_the_least_room_for_its_margin() -> None:
    rows = [compared("auc", -0.004, 0.005), compared("kappa", -0.02, 0.1), compared("dice", -1.0, group="sex=F")]
    worst = worst_of(rows)
    assert worst is not None
    assert worst.metric == "auc"
    assert worst_of([]) is None


def test_a_candidate_that_could_not_be_run_is_not_accepted() -> None:
    assert not Trial(worst=None, latency_ms=0.0).accepted
    assert Trial(worst=compared(change=-0.01, margin=0.01 + 1e-9), latency_ms=0.0).accepted
    assert not Trial(worst=compared(change=-0.011, margin=0.01), latency_ms=0.0).accepted


def test_a_calibration_is_made_once_for_the_same_scans(tmp_path: Path) -> None:
    model, made = brightness_net(), []

    def counted() -> Any:
        made.append(1)
        return feeds()

    first = calibration_of(model, counted, "these scans", "minmax", Work(tmp_path / "work"))
    again = calibration_of(model, counted, "these scans", "minmax", Work(tmp_path / "work"))
    assert len(made) == 1
    assert quantise(first) == quantise(again) == quantise(calibrate(model, feeds(), method="minmax"))
    calibration_of(model, counted, "other scans", "minmax", Work(tmp_path / "work"))
    calibration_of(model, counted, "these scans", "percentile", Work(tmp_path / "work"))
    assert len(made) == 3


# The search ----------------------------------------------------------------------------------------------


def test_a_model_that_is_good_enough_at_once_is_taken_for_both_engines() -> None:
    judge = Judge(onnxruntime=0, openvino=0)
    found = search(judge)
    head = head_nodes(LOUD, ["scores"])
    plain = lower_for_onnxruntime(quantise(calibrate(LOUD, feeds(), method="minmax"), keep_float=head))
    assert [item.file for item in found.candidates] == [INT8, INT8]
    assert {item.onnx for item in found.candidates} == {plain}
    assert judge.asked == [[f"{INT8} on onnxruntime", f"{INT8} on openvino"]]


def test_only_the_engine_that_is_not_content_goes_on() -> None:
    judge = Judge(onnxruntime=0, openvino=1)
    found = search(judge)
    assert [item.file for item in found.candidates] == [INT8, "model.int8-1-float.onnx"]
    assert judge.asked == [[f"{INT8} on onnxruntime", f"{INT8} on openvino"], ["model.int8-1-float.onnx on openvino"]]
    assert [[step.accepted for step in trail.steps] for trail in found.trails] == [[True], [False, True]]
    assert found.trails[1].steps[1].given_back == ("node_second",)


def test_a_judge_who_is_never_content_gets_the_last_one_and_never_one_without_int8() -> None:
    found = search(Judge(onnxruntime=99, openvino=99))
    assert [item.file for item in found.candidates] == ["model.int8-1-float.onnx"] * 2
    assert [len(trail.steps) for trail in found.trails] == [2, 2]
    assert b"QuantizeLinear" in found.candidates[0].onnx


def test_one_step_is_no_search_and_ranks_nothing() -> None:
    found = search(Judge(onnxruntime=99, openvino=99), max_steps=1)
    assert [item.file for item in found.candidates] == [INT8, INT8]
    assert found.layers == ()


def test_the_layers_are_told_the_worst_first_without_the_head() -> None:
    layers = search(Judge(onnxruntime=0, openvino=0)).layers
    assert [layer.node for layer in layers] == ["node_second", "node_first"]
    assert layers[0].snr_db is not None
    assert layers[0].snr_db < 5
    assert layers[1].snr_db is not None
    assert layers[1].snr_db > 20


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


# The search in a conversion ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A net that INT8 ruins for one layer's sake."""
    return bench(tmp_path_factory.mktemp("loud"), LOUD)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def healed(loud: Bench, heard: Heard) -> Built:
    return build(loud.plan(max_steps=6), heard)


def timeless(trails: Sequence[Trail]) -> list[Trail]:
    return [replace(t, steps=tuple(replace(step, latency_ms=0.0) for step in t.steps)) for t in trails]


def test_a_layer_that_ruins_int8_is_given_back_and_the_trail_tells(loud: Bench, healed: Built) -> None:
    (trail,) = healed.trails
    ruined, good = trail.steps
    assert (trail.engine, ruined.given_back, good.given_back) == ("onnxruntime", (), ("node_second",))
    assert (ruined.accepted, good.accepted) == (False, True)
    assert ruined.difference < -0.3
    assert abs(good.difference) <= good.margin
    assert ruined.metric in ("auc", "sensitivity", "specificity", "flips")
    assert ruined.label == "bright"
    assert ruined.latency_ms > 0
    assert good.bytes == len(healed.files["model.int8-1-float.onnx"])
    assert ruined.bytes == len(build(loud.plan(), Heard()).files[INT8])


def test_without_the_search_the_same_model_is_rejected(loud: Bench) -> None:
    built = build(loud.plan(max_steps=1), Heard())
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert [len(trail.steps) for trail in built.trails] == [1]


def test_with_the_search_it_is_not(healed: Built) -> None:
    judgement = healed.candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict != "rejected"
    assert all(row.candidate == pytest.approx(row.reference, abs=0.01) for row in judgement.comparisons)


def test_the_same_trail_comes_twice(loud: Bench, healed: Built) -> None:
    again = build(loud.plan(max_steps=6), Heard())
    assert timeless(again.trails) == timeless(healed.trails)
    assert again.layers == healed.layers
    assert again.files == healed.files


def test_the_search_never_looks_at_the_set_that_judges(loud: Bench, healed: Built) -> None:
    """The truths to judge with are turned round and half of the scans are left out: what is chosen stays the same."""
    plan = loud.plan(max_steps=6)
    assert plan.evaluate is not None
    scans = plan.evaluate.scans.among(range(0, len(plan.evaluate.scans.paths), 2))
    lies = replace(scans, truths={label: ~truth for label, truth in scans.truths.items()})
    built = build(replace(plan, evaluate=Labelled(scans=lies, words="lies")), Heard())
    assert built.files == healed.files
    assert timeless(built.trails) == timeless(healed.trails)
    assert built.candidates[1].thresholds == healed.candidates[1].thresholds
    assert built.candidates[0].evidence != healed.candidates[0].evidence


@pytest.mark.usefixtures("healed")
def test_the_search_says_what_it_finds(heard: Heard) -> None:
    said = [line for line in heard.lines if line.startswith("model.int8")]
    assert "beyond its margin: layers are given back to float" in said[0]
    assert said[1].startswith("model.int8-1-float.onnx on onnxruntime: bright")
    assert said[1].endswith("within its margin")
