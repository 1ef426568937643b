"""Building and judging candidates over the embedded pack's real images."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

from convert.build import Labelled, Plan, Rule, build, verdict_lines
from convert.gate import Answers, judge
from convert.labels import LabelledSet
from convert.measure import Candidate, feeds_of, measure
from convert.metrics import threshold_for_sensitivity
from convert.radiograph import radiograph
from edge.errors import EdgerunError, UsageError
from edge.pack.store import EMBEDDED, Pack, open_pack
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"
LABEL = "pneumonia"
QUIET = lambda _line: None  # noqa: E731


def written(folder: Path, images: np.ndarray, truth: np.ndarray) -> LabelledSet:
    folder.mkdir()
    paths = tuple(folder / f"{index:04}.dcm" for index in range(len(images)))
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(radiograph(image, f"{folder.name}-{path.stem}"))
    return LabelledSet(paths=paths, truths={LABEL: truth}, groups={})


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not DATA.is_file():
        pytest.skip(f"the data set {DATA.name} is not on this machine")
    with np.load(DATA) as data:
        return {
            name: (data[f"{name}_images"], data[f"{name}_labels"].ravel() == 1) for name in ("train", "val", "test")
        }


@pytest.fixture(scope="module")
def sets(
    splits: dict[str, tuple[np.ndarray, np.ndarray]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LabelledSet]:
    folder = tmp_path_factory.mktemp("sets")
    images, truth = splits["train"]
    flat = written(folder / "flat", 140 + images[:64] // 32, truth[:64])
    return {
        "train": written(folder / "train", images[:64], truth[:64]),
        "flat": flat,
        **{name: written(folder / name, *splits[name]) for name in ("val", "test")},
    }


@pytest.fixture(scope="module")
def pack() -> Pack:
    return open_pack(EMBEDDED / "chest-pneumonia")


def reference_of(pack: Pack) -> bytes:
    return pack.read_model(pack.manifest.models[0])[0]


def plan(pack: Pack, sets: dict[str, LabelledSet], calibrate: str = "train") -> Plan:
    rule = Rule(words="sensitivity of 90%", choose=lambda truth, scores: threshold_for_sensitivity(truth, scores, 0.9))
    return Plan(
        draft=replace(pack.manifest, golden=(), evidence=()),
        onnx=reference_of(pack),
        calibrate=sets[calibrate].paths,
        tune=Labelled(scans=sets["val"], words="validation"),
        evaluate=Labelled(scans=sets["test"], words="test"),
        rules={LABEL: rule},
        engines=("onnxruntime",),
    )


def test_the_committed_int8_model_is_no_worse_than_the_gate_says(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    """Only the number of flips keeps it from passing, and 468 scans are too few to tell: that is what the pack says."""
    built = build(plan(pack, sets), QUIET)
    judgement = built.judgements["int8 on onnxruntime"]
    verdicts = {row.metric: row.verdict for row in judgement.comparisons}
    assert {verdicts[name] for name in ("auc", "sensitivity", "specificity")} == {"passed"}
    assert verdicts["flips"] in ("passed", "inconclusive")
    assert [model.verdict for model in built.manifest.models] == ["reference", judgement.verdict]
    assert len(built.files["model.int8.onnx"]) < len(built.files["model.fp32.onnx"]) / 3.5
    assert any("about" in line and "scans would tell" in line for line in verdict_lines(built)) or (
        judgement.verdict == "passed"
    )


def test_a_build_gives_the_same_bytes_and_verdicts_twice(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    first, second = (build(plan(pack, sets), QUIET) for _ in range(2))
    assert first.files == second.files
    assert first.judgements == second.judgements
    assert first.manifest == second.manifest


def test_a_calibration_with_the_wrong_intensities_is_rejected(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    """Pictures with a thirty-second of the contrast: every layer's range is too small, and what goes beyond is cut."""
    built = build(plan(pack, sets, calibrate="flat"), QUIET)
    assert built.judgements["int8 on onnxruntime"].verdict == "rejected"
    assert [model.precision for model in built.manifest.models] == ["fp32"]
    assert list(built.files) == ["model.fp32.onnx"]


def test_a_broken_layer_is_rejected(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    """The weights of one convolution in the middle are put in the reverse order of channels."""
    model = onnx.load_from_string(reference_of(pack))
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    broken = weights[len(weights) // 2]
    turned = onnx.numpy_helper.to_array(broken)[::-1].copy()
    broken.CopyFrom(onnx.numpy_helper.from_array(turned, broken.name))
    candidates = [
        Candidate(precision="fp32", engine="onnxruntime", file="a.onnx", onnx=reference_of(pack)),
        Candidate(precision="fp16", engine="onnxruntime", file="b.onnx", onnx=model.SerializeToString()),
    ]
    measured = measure(sets["test"].paths, pack.manifest, candidates, QUIET)
    sides = [
        {
            LABEL: Answers(
                scores=measured[item.name].scores[LABEL], threshold=pack.manifest.models[0].thresholds[LABEL].value
            )
        }
        for item in candidates
    ]
    assert judge(sets["test"].truths, sides[0], sides[1]).verdict == "rejected"


def test_the_packs_evidence_is_what_its_model_says_of_the_test_images(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    model = pack.manifest.models[0]
    item = Candidate(precision="fp32", engine="onnxruntime", file=model.file, onnx=reference_of(pack))
    scores = measure(sets["test"].paths, pack.manifest, [item], QUIET)[item.name].scores[LABEL]
    truth = sets["test"].truths[LABEL]
    found = {figure.metric: figure.value for figure in pack.manifest.evidence[:3]}
    assert found["sensitivity"] == pytest.approx((scores[truth] >= model.thresholds[LABEL].value).mean(), abs=1e-6)
    assert found["specificity"] == pytest.approx((scores[~truth] < model.thresholds[LABEL].value).mean(), abs=1e-6)


def test_the_sets_to_tune_and_to_judge_may_not_overlap(pack: Pack, sets: dict[str, LabelledSet]) -> None:
    both = replace(plan(pack, sets), evaluate=Labelled(scans=sets["val"], words="again"))
    with pytest.raises(UsageError, match="is in the set to tune and in the set to judge"):
        build(both, QUIET)


def test_calibration_needs_scans(pack: Pack) -> None:
    with pytest.raises(UsageError, match="there is no scan to calibrate with"):
        list(feeds_of((), pack.manifest))


def test_calibration_with_another_modality_is_refused_with_the_packs_own_code(pack: Pack, tmp_path: Path) -> None:
    data = bytearray(radiograph(np.arange(784, dtype=np.uint8).reshape(28, 28), "mr"))
    at = data.index(b"CS\x02\x00CR")
    data[at + 4 : at + 6] = b"MR"
    scan = tmp_path / "mr.dcm"
    scan.write_bytes(bytes(data))
    with pytest.raises(UsageError, match="C702"):
        list(feeds_of((scan,), pack.manifest))


def test_a_scan_that_cannot_be_read_ends_a_measurement(pack: Pack, tmp_path: Path) -> None:
    scan = tmp_path / "scan.dcm"
    scan.write_bytes(radiograph(np.zeros((28, 28), dtype=np.uint8), "x")[:-100])
    with pytest.raises(EdgerunError, match="R302"):
        list(feeds_of((scan,), pack.manifest))


def test_every_file_of_the_embedded_pack_is_named_by_its_manifest(pack: Pack) -> None:
    named = {model.file: model.sha256 for model in pack.manifest.models}
    named |= {file: case.sha256[role] for case in pack.manifest.golden for role, file in case.scans.items()}
    folder = EMBEDDED / "chest-pneumonia"
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(found) == {*named, "manifest.json"}
    assert all(hashlib.sha256(found[name].read_bytes()).hexdigest() == digest for name, digest in named.items())
    assert not zipfile.is_zipfile(folder)
