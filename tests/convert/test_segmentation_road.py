"""Segmentation takes the same road: pictures and masks in, Dice, outlines and volumes judged, a pack out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.build import Built, Plan, build
from convert.candidates import LOWERED
from convert.document import Conversion
from convert.road import Ways, travel
from convert.tune import FIXED, LIMITS
from convert.work import Work
from edge.errors import UsageError
from edge.pack.manifest import SegmentationTask
from edge.pack.store import open_pack
from tests.conftest import Edgerun
from tests.convert.graphs import graph_of
from tests.convert.scans import (
    Bench,
    Heard,
    bench,
    blob_net,
    blob_rows,
    blobs,
    labels,
    quick,
    with_weights,
    write_pictures,
)
from tests.read.files import png

FAST = Ways(precisions=("fp32", "int8"), max_steps=1)
DICE = {"blob": {"rule": "dice"}}
METRICS = {"dice", "hd95-pixels", "volume-error", "specificity"}


def task(activation: str = "sigmoid", *names: str) -> SegmentationTask:
    return SegmentationTask(
        kind="segmentation",
        output="scores",
        activation=activation,  # type: ignore[arg-type]
        labels=labels(*(names or ("blob",))),
    )


def workshop(
    folder: Path, rules: Mapping[str, Mapping[str, object]], *, onnx: bytes | None = None, activation: str = "sigmoid"
) -> Bench:
    folder.mkdir(exist_ok=True)
    model = blob_net(background=activation == "softmax") if onnx is None else onnx
    return bench(folder, model, task(activation), rules, rows=blob_rows(folder))


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return workshop(tmp_path_factory.mktemp("made"), DICE)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def travelled(made: Bench, out: Path) -> Conversion:
    golden = sorted((made.model.parent / "scans").iterdir())[1]
    return travel(made.road(out, FAST, golden=(golden,)), Heard())


def last_bias(onnx: bytes) -> str:
    return str(graph_of(onnx).node[-1].input[2])


def first_weights(onnx: bytes) -> str:
    return str(graph_of(onnx).node[0].input[1])


def judged(built: Built | Conversion) -> dict[tuple[str, str], float]:
    """What the second candidate came to, by metric and label."""
    judgement = built.candidates[1].judgement
    assert judgement is not None
    return {(row.metric, row.label): row.candidate for row in judgement.comparisons}


# The road ------------------------------------------------------------------------------------------------


def test_dice_outlines_volumes_and_false_marks_are_judged(travelled: Conversion) -> None:
    found = judged(travelled)
    assert {metric for metric, _ in found} == METRICS
    assert {label for _, label in found} == {"all", "blob"}
    assert found["dice", "blob"] > 0.9
    assert found["hd95-pixels", "blob"] < 2
    assert found["volume-error", "blob"] < 0.1
    assert found["specificity", "blob"] == 1.0


def test_evidence_is_told_of_every_metric_with_its_interval(travelled: Conversion, out: Path) -> None:
    manifest = open_pack(out / "workshop").manifest
    own = [figure for figure in manifest.evidence if figure.precision == "fp32"]
    assert {figure.metric for figure in own} == METRICS
    assert all(
        figure.interval is not None and figure.interval[0] <= figure.value <= figure.interval[1] for figure in own
    )
    assert travelled.candidates[0].curves == ()


def test_masks_are_counted_and_shared_out_evenly(travelled: Conversion) -> None:
    assert [(used.use, used.n, dict(used.positives)) for used in travelled.sets] == [
        ("calibrate", 12, {}),
        ("tune", 12, {"blob": 9}),
        ("evaluate", 12, {"blob": 9}),
    ]


def test_the_threshold_is_the_one_with_the_largest_mean_dice(travelled: Conversion, made: Bench) -> None:
    threshold = travelled.candidates[0].thresholds["blob"]
    assert threshold.rule == "the largest mean Dice, in steps of 0.05"
    assert threshold.value in LIMITS
    best = judged(build(fixed(made, threshold.value), Heard()))["dice", "blob"]
    far = judged(build(fixed(made, 0.001), Heard()))["dice", "blob"]
    assert best > far


def fixed(made: Bench, value: float) -> Plan:
    """The same model beside itself, at a threshold of one's own choice."""
    plan = made.plan(precisions=("fp32",), given={"int8": made.onnx})
    rule = replace(plan.rules["blob"], rule="fixed", value=value)
    return replace(plan, rules={"blob": rule})


def test_the_pack_runs_and_its_golden_case_is_a_share(travelled: Conversion, out: Path, edgerun: Edgerun,
                                                      tmp_path: Path) -> None:  # fmt: skip
    assert travelled.candidates[0].judgement is None
    pack = out / "workshop"
    checked = edgerun("pack", "check", pack)
    assert checked.code == 0, checked.err
    (case,) = open_pack(pack).manifest.golden
    assert case.expect["fp32"].scores["blob"] == pytest.approx(36 / 256, abs=0.03)
    (scan,) = write_pictures(tmp_path / "scans", [blobs(2, seed=77)[0][1]])
    (result,) = edgerun("infer", scan, "--pack", pack, "--json", "--out", tmp_path / "r").reports[0]["results"]
    assert result["state"] == "finding"


def test_a_fixed_threshold_stays_what_its_author_chose(tmp_path: Path) -> None:
    made = workshop(tmp_path / "in", {"blob": {"rule": "fixed", "value": 0.25}})
    built = build(made.plan(), Heard())
    for item in built.candidates:
        assert (item.thresholds["blob"].value, item.thresholds["blob"].rule) == (0.25, FIXED)


def test_softmax_needs_no_threshold(tmp_path: Path, edgerun: Edgerun) -> None:
    made = workshop(tmp_path / "in", {}, activation="softmax")
    conversion = travel(made.road(tmp_path / "out", FAST), Heard())
    assert [dict(item.thresholds) for item in conversion.candidates] == [{}, {}]
    assert {metric for metric, _ in judged(conversion)} == METRICS
    assert judged(conversion)["dice", "blob"] > 0.85
    (scan,) = write_pictures(tmp_path / "scans", [blobs(2, seed=77)[0][1]])
    pack = tmp_path / "out" / "workshop"
    (result,) = edgerun("infer", scan, "--pack", pack, "--json", "--out", tmp_path / "r").reports[0]["results"]
    assert result["state"] == "finding"


def test_several_labels_are_judged_each_and_together(tmp_path: Path) -> None:
    names = ("left", "right")
    rules = {name: {"rule": "dice"} for name in names}
    (tmp_path / "in").mkdir()
    rows = blob_rows(tmp_path / "in", names=names)
    made = bench(tmp_path / "in", blob_net(2), task("sigmoid", *names), rules, rows=rows)
    built = build(made.plan(precisions=("fp32",), given={"int8": made.onnx}), Heard())
    found = judged(built)
    assert {label for metric, label in found if metric == "dice"} == {"all", "left", "right"}
    assert found["dice", "all"] == pytest.approx((found["dice", "left"] + found["dice", "right"]) / 2)


# What goes wrong -----------------------------------------------------------------------------------------


def test_a_candidate_that_marks_too_much_is_rejected(made: Bench) -> None:
    """Its threshold is fixed, so that it cannot make up for it."""
    wider = with_weights(made.onnx, last_bias(made.onnx), lambda bias: bias + 8)
    plan = made.plan(precisions=("fp32",), given={"int8": wider})
    plan = replace(plan, rules={"blob": replace(plan.rules["blob"], rule="fixed", value=0.5)})
    built = build(plan, Heard())
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert {row.metric for row in judgement.comparisons if row.verdict == "rejected"} >= {"dice", "volume-error"}


def test_the_search_compares_masks_at_the_reference_s_own_threshold(tmp_path: Path) -> None:
    """A net of logits below 0: at one half nothing is marked by any model, and any INT8 model would look right."""
    quiet = blob_net()
    quiet = with_weights(quiet, last_bias(quiet), lambda bias: bias - 6)
    made = workshop(tmp_path / "in", DICE, onnx=quiet)
    ruined = with_weights(quiet, first_weights(quiet), np.zeros_like)
    heard = Heard()
    plan = made.plan(max_steps=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOWERED, "onnxruntime", lambda _: ruined)
        built = build(plan, heard)
    assert built.candidates[0].thresholds["blob"].value < 0.5
    (step,) = built.trails[0].steps
    assert not step.accepted
    assert abs(step.difference) > 10 * step.margin


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    made = workshop(tmp_path / "in", DICE)
    wrong = tmp_path / "in" / "masks" / "blob-001.png"
    wrong.write_bytes(png(np.full((8, 8), 255, np.uint8), 0))
    with pytest.raises(UsageError, match=r"blob-001\.png: found \(1, 8, 8\), expected \(1, 16, 16\)"):
        build(made.plan(precisions=("fp32",)), Heard())


def test_a_rule_for_scores_is_refused_for_masks_before_anything_is_done(tmp_path: Path) -> None:
    made = workshop(tmp_path / "in", {"blob": {"rule": "youden"}})
    with pytest.raises(UsageError, match=r"thresholds\.blob\.rule: found 'youden', expected one of 'dice', 'fixed'"):
        made.plan(precisions=("fp32",))


def test_a_changed_mask_is_not_taken_for_the_old_one(made: Bench, tmp_path: Path) -> None:
    """What was measured lies under the hash of the masks, too."""
    plan = made.plan(precisions=("fp32",))
    assert plan.evaluate is not None
    scans = plan.evaluate.scans
    masks = list(scans.masks["blob"])
    masks[masks.index(None)], masks[0] = masks[0], None
    first = build(plan, Heard(), Work(tmp_path))
    work = Work(tmp_path)
    other = replace(plan.evaluate, scans=replace(scans, masks={"blob": tuple(masks)}))
    second = build(replace(plan, evaluate=other), Heard(), work)
    assert work.found == ["tuned"]
    assert first.candidates[0].evidence != second.candidates[0].evidence
