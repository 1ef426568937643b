"""The whole way of every task: files in, `edgerun infer`, exit code, state and numbers of the report out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from edge.detect.planted import DETECTIONS, one_per_label_net, painted, yolov5_net
from edge.geometry import Grid
from edge.pack.manifest import (
    Accepts,
    ClassificationTask,
    DetectionTask,
    RegistrationTask,
    Role,
    SegmentationTask,
    TranslationTask,
    Windows,
)
from edge.testing import tiny_input
from tests.conftest import Edgerun, Ran
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, picture, rotated, save
from tests.systems import dicom, nifti, pack
from tests.tasks.models import label, volume_input
from tests.tasks.nets import GAIN, conv_net, model_bytes, threshold_net

Array = NDArray[Any]
Report = dict[str, Any]
TURNS = list(all_turns())
GRID = rotated(canonical_grid((8, 9, 10)))
BOX = (slice(2, 5), slice(3, 7), slice(4, 9))
ML = 3 * 4 * 5 * 2.5 * 1.25 * 0.75 / 1000


def body(box: tuple[slice, slice, slice] = BOX, level: int = 1000) -> Array:
    """Dark, a little uneven, with a bright box."""
    voxels = np.random.default_rng(4).integers(0, 50, GRID.shape).astype(np.int16)
    voxels[box] = level
    return voxels


def turned(voxels: Array, grid: Grid, index: int) -> tuple[Array, Grid]:
    return np.ascontiguousarray(TURNS[index].apply(voxels)), TURNS[index].apply_grid(grid)


def only(ran: Ran, code: int, state: str) -> Report:
    """The one result of the one report of a run."""
    assert ran.code == code, ran.err
    (report,) = ran.reports
    (result,) = report["results"]
    assert (report["state"], result["state"]) == (state, state)
    found: Report = result
    return found


def roles(ran: Ran) -> list[str]:
    """Of the one report's files."""
    return sorted({file["role"] for report in ran.reports for result in report["results"] for file in result["files"]})


SCALED = step("rescale", low=0.0, high=1000.0)


# One scan ------------------------------------------------------------------------------------------------


def mean_net() -> bytes:
    """A logit of the mean above 0.1, and a map of where the volume is bright."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("Sub", ["mean", "limit"], ["above"]),
        helper.make_node("Mul", ["above", "gain"], ["scores"]),
        helper.make_node("Mul", ["image", "gain"], ["map"]),
    ]
    shapes = {"image": ["n", 1, 4, 4, 4], "scores": ["n", 1], "map": ["n", 1, 4, 4, 4]}
    return model_bytes(nodes, shapes, {"limit": np.float32(0.1), "gain": np.float32(GAIN)})


@pytest.mark.parametrize(("level", "state"), [(1000, "finding"), (100, "no-finding")])
def test_a_volume_is_classified(edgerun: Edgerun, tmp_path: Path, level: int, state: str) -> None:
    task = ClassificationTask(
        kind="classification", mode="binary", output="scores", activation="sigmoid", labels=(label("bright"),),
        map_output="map",
    )  # fmt: skip
    item = volume_input(steps=(step("orient"), step("resize_volume", shape=[4, 4, 4]), SCALED))
    made = pack(tmp_path / "pack", task, [item], mean_net(), {"bright": 0.5})
    scan = nifti(tmp_path / "a.nii.gz", body(level=level), GRID)
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    result = only(ran, 0, state)
    (found,) = result["findings"]["labels"]
    assert found["positive"] is (state == "finding")
    assert result["findings"]["mapped"] == ["bright"]
    assert "overlay" in roles(ran)


@pytest.mark.parametrize("index", [0, 13, 29, 47])
@pytest.mark.parametrize("form", ["nifti", "dicom"])
def test_a_volume_is_segmented_in_windows(edgerun: Edgerun, tmp_path: Path, index: int, form: str) -> None:
    made = windowed_pack(tmp_path / "pack")
    stored = turned(body(), GRID, index)
    scan = nifti(tmp_path / "a.nii", *stored) if form == "nifti" else dicom(tmp_path / "scan", *stored)
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    (region,) = only(ran, 0, "finding")["findings"]["regions"]
    assert region["pixels"] == 3 * 4 * 5
    assert region["volume_ml"] == pytest.approx(ML, rel=1e-4)
    assert region["components"] == 1
    assert region["share"] == pytest.approx(60 / 720)


def windowed_pack(folder: Path) -> Path:
    """Marks what is bright, seen in windows."""
    task = SegmentationTask(
        kind="segmentation", output="scores", activation="sigmoid", labels=(label("bright"),), windows=Windows()
    )
    spacing = step("resample", spacing_mm=[1.25, 1.25, 0.75])
    item = volume_input(shape=(1, 6, 6, 6), steps=(step("orient"), spacing, SCALED))
    return pack(folder, task, [item], threshold_net(0.5), {"bright": 0.5})


def test_a_volume_that_does_not_fit_in_memory_is_refused_in_words(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.prepare.memory.budget_bytes", lambda: 10_000)
    scan, made = nifti(tmp_path / "a.nii", body(), GRID), windowed_pack(tmp_path / "pack")
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    (refusal,) = only(ran, 7, "not-analysed")["refusals"]
    assert refusal["code"] == "C728"
    assert "10 x 9 x 8 voxels" in refusal["detail"]
    assert "infer" not in ran.reports[0]["run"]["seconds"]


def test_a_lesion_is_detected_in_a_radiograph(edgerun: Edgerun, tmp_path: Path) -> None:
    task = DetectionTask(
        kind="detection", layout="yolov5", output=DETECTIONS, activation="none", labels=(label("small"), label("large"))
    )
    steps = [step("voi_window"), step("letterbox", height=32, width=32, interpolation="area")]
    made = pack(
        tmp_path / "pack", task, [tiny_input(size=32, steps=steps)], yolov5_net((32, 32), (3, 5)),
        {"small": 0.5, "large": 0.5},
    )  # fmt: skip
    pixels = painted((64, 48), [(20, 12, 30, 22)])
    ds = picture(pixels, ImagerPixelSpacing=[0.2, 0.2], WindowCenter="128", WindowWidth="256")
    scan = save(ds, tmp_path / "a.dcm")
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    (box,) = only(ran, 0, "finding")["findings"]["boxes"]
    assert box["name"] == "large"
    assert box["edges"] == pytest.approx([0, 20, 12, 1, 30, 22], abs=1e-3)
    assert "overlay" in roles(ran)


def test_an_organ_is_detected_in_a_volume(edgerun: Edgerun, tmp_path: Path) -> None:
    task = DetectionTask(
        kind="detection", layout="one-per-label", output=DETECTIONS, activation="none", labels=(label("cube"),)
    )
    cube = (slice(2, 5), slice(3, 6), slice(4, 7))
    item = volume_input(shape=(1, *GRID.shape), steps=(step("orient"), SCALED))
    made = pack(tmp_path / "pack", task, [item], one_per_label_net(GRID.shape, (3,)), {"cube": 0.5})
    scan = nifti(tmp_path / "a.nii", body(cube), GRID)
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    (box,) = only(ran, 0, "finding")["findings"]["boxes"]
    assert sorted(box["size_mm"]) == pytest.approx([3 * 0.75, 3 * 1.25, 3 * 2.5], rel=1e-3)
    assert box["centre_mm"] == pytest.approx((GRID.matrix @ [3, 4, 5, 1])[:3], abs=0.01)


def test_an_image_is_made_and_called_synthetic(edgerun: Edgerun, tmp_path: Path) -> None:
    task = TranslationTask(kind="translation", output="scores", range=(0.0, 1.0), unit="none", makes="CT")
    item = volume_input(shape=(1, *GRID.shape), steps=(step("orient"), SCALED))
    made = pack(tmp_path / "pack", task, [item], conv_net(np.full((1, 1, 1, 1, 1), -1.0), [1.0]))
    ran = edgerun("infer", nifti(tmp_path / "a.nii", body(), GRID), "--pack", made, "--out", tmp_path / "out", "--json")
    result = only(ran, 0, "done")
    assert result["findings"]["kind"] == "translation"
    assert result["findings"]["makes"] == "CT"
    assert "SYNTHETIC" in result["summary"]
    assert "synthetic" in roles(ran)


def test_an_untrained_pack_runs_its_model_and_gives_no_answer(edgerun: Edgerun, tmp_path: Path) -> None:
    task = TranslationTask(kind="translation", output="scores", range=(0.0, 1.0), unit="none", makes="CT")
    item = volume_input(shape=(1, *GRID.shape), steps=(step("orient"), SCALED))
    net = conv_net(np.full((1, 1, 1, 1, 1), -1.0), [1.0])
    made = pack(tmp_path / "pack", task, [item], net, status="architecture-only")
    ran = edgerun("infer", nifti(tmp_path / "a.nii", body(), GRID), "--pack", made, "--out", tmp_path / "out", "--json")
    result = only(ran, 7, "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == ["C713"]
    assert result["findings"] is None
    assert ran.reports[0]["run"]["seconds"]["infer"] > 0.0


# Two scans -----------------------------------------------------------------------------------------------


def shift_net(per_axis: tuple[float, float, float], slope: float = 0.0) -> bytes:
    base = np.broadcast_to(np.array(per_axis, np.float32).reshape(1, 3, 1, 1, 1), (1, 3, *GRID.shape)).copy()
    base[:, 2] += slope * np.arange(GRID.shape[2], dtype=np.float32)
    nodes = [
        helper.make_node("Sub", ["fixed", "fixed"], ["none"]),
        helper.make_node("Sub", ["moving", "moving"], ["nothing"]),
        helper.make_node("Add", ["none", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "base"], ["field"]),
    ]
    shapes = {"fixed": [1, 1, *GRID.shape], "moving": [1, 1, *GRID.shape], "field": [1, 3, *GRID.shape]}
    return model_bytes(nodes, shapes, {"base": base})


def registration_pack(folder: Path, net: bytes, **accepted: Any) -> Path:
    task = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="moving")
    accepts = Accepts(stack="volume", colour="grey", **accepted)
    changes: dict[str, Any] = {"shape": (1, *GRID.shape), "steps": (step("orient"),), "accepts": accepts}
    return pack(folder, task, [volume_input(name, **changes) for name in ("fixed", "moving")], net)


@pytest.mark.parametrize(("slope", "warned"), [(0.0, []), (-2.0, ["C725"])])
def test_two_volumes_are_registered(edgerun: Edgerun, tmp_path: Path, slope: float, warned: list[str]) -> None:
    made = registration_pack(tmp_path / "pack", shift_net((1.0, 0.0, 0.0), slope))
    fixed = nifti(tmp_path / "b.nii", body(), GRID)
    moving = nifti(tmp_path / "a.nii", *turned(body((slice(3, 6), *BOX[1:])), GRID, 31))
    ran = edgerun(
        "infer", "--scan", f"moving={moving}", "--scan", f"fixed={fixed}", "--pack", made, "--out", tmp_path / "out",
        "--json",
    )  # fmt: skip
    result = only(ran, 0, "done")
    assert [warning["code"] for warning in result["warnings"]] == warned
    found = result["findings"]
    assert found["folded_share"] == (1.0 if warned else 0.0)
    if not warned:
        assert (found["mean_mm"], found["largest_mm"]) == pytest.approx((2.5, 2.5), rel=1e-4)
    assert [Path(source["path"]).name for source in result["scan"]["sources"]] == ["b.nii"]
    assert list(result["others"]) == ["moving"]
    assert "registration" in roles(ran)


def test_what_is_to_be_said_of_both_scans_is_said_once(edgerun: Edgerun, tmp_path: Path) -> None:
    made = registration_pack(tmp_path / "pack", shift_net((0.0, 0.0, 0.0)), age_years=(18.0, 90.0))
    named = [
        word
        for name in ("fixed", "moving")
        for word in ("--scan", f"{name}={nifti(tmp_path / f'{name}.nii', body(), GRID)}")
    ]
    ran = edgerun("infer", *named, "--pack", made, "--out", tmp_path / "out", "--json")
    assert [warning["code"] for warning in only(ran, 0, "done")["warnings"]] == ["C709"]


def test_scans_of_different_places_are_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    made = registration_pack(tmp_path / "pack", shift_net((0.0, 0.0, 0.0)))
    fixed = nifti(tmp_path / "b.nii", body(), GRID)
    away = nifti(tmp_path / "a.nii", body(), GRID.cropped((500, 0, 0), GRID.shape))
    ran = edgerun(
        "infer", "--scan", f"moving={away}", "--scan", f"fixed={fixed}", "--pack", made, "--out", tmp_path / "out",
        "--json",
    )  # fmt: skip
    result = only(ran, 7, "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == ["C722"]


# Four scans ----------------------------------------------------------------------------------------------

SERIES: Mapping[str, dict[str, Any]] = {
    "t1": {"SeriesDescription": "AX T1 SE"},
    "t1c": {"SeriesDescription": "AX T1 SE +", "ContrastBolusAgent": "Gd"},
    "t2": {"SeriesDescription": "AX T2 TSE"},
    "flair": {"SeriesDescription": "T2 FLAIR"},
}
BOXES = {
    "t1": (slice(1, 3), slice(1, 4), slice(1, 5)),
    "t1c": (slice(2, 5), slice(2, 5), slice(2, 6)),
    "t2": (slice(3, 6), slice(3, 8), slice(3, 7)),
    "flair": (slice(4, 8), slice(4, 8), slice(4, 10)),
}
SIZES = {name: int(np.prod([part.stop - part.start for part in box])) for name, box in BOXES.items()}
BRATS = {
    "t1": Role(words=("t1",), contrast=False),
    "t1c": Role(words=("t1",), contrast=True),
    "t2": Role(words=("t2",), without=("flair",)),
    "flair": Role(words=("flair",)),
}


def brats_pack(folder: Path, modality: tuple[str, ...] = ("MR",)) -> Path:
    """Marks for each of the four scans where it is bright."""
    task = SegmentationTask(
        kind="segmentation", output="scores", activation="sigmoid", labels=tuple(label(name) for name in BRATS),
        windows=Windows(overlap=0.5),
    )  # fmt: skip
    accepts = Accepts(modality=modality, stack="volume", colour="grey")
    shape, steps = (1, 6, 6, 6), (step("orient"), SCALED)
    inputs = [
        replace(volume_input(name, tensor="image", shape=shape, steps=steps), role=role, accepts=accepts)
        for name, role in BRATS.items()
    ]
    net = conv_net(np.eye(4).reshape(4, 4, 1, 1, 1) * GAIN, [-GAIN / 2] * 4)
    return pack(folder, task, inputs, net, dict.fromkeys(BRATS, 0.5))


def write_four(folder: Path, order: tuple[int, ...] = (0, 1, 2, 3)) -> dict[str, Path]:
    """The four series of one patient, in folders that sort in another order; the flair one stored sagittally."""
    files = {}
    for place, (name, elements) in zip(order, SERIES.items(), strict=True):
        stored = turned(body(BOXES[name]), GRID, 21 if name == "flair" else 0)
        files[name] = dicom(folder / f"{place}", *stored, **elements)
    return files


def pixels(result: Report) -> dict[str, int]:
    return {region["name"]: region["pixels"] for region in result["findings"]["regions"]}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_four_series_get_their_roles_in_any_order_of_files(
    edgerun: Edgerun, tmp_path: Path, order: tuple[int, ...]
) -> None:
    write_four(tmp_path / "study", order)
    made = brats_pack(tmp_path / "pack")
    ran = edgerun("infer", tmp_path / "study", "--pack", made, "--out", tmp_path / "out", "--json")
    result = only(ran, 0, "finding")
    assert pixels(result) == SIZES
    assert list(result["others"]) == ["t1c", "t2", "flair"]


def test_a_missing_series_leaves_nothing_analysed(edgerun: Edgerun, tmp_path: Path) -> None:
    files = write_four(tmp_path / "study")
    made = brats_pack(tmp_path / "pack")
    three = [files[name] for name in ("t1", "t1c", "flair")]
    ran = edgerun("infer", *three, "--pack", made, "--out", tmp_path / "out", "--json")
    assert ran.code == 7
    (report,) = ran.reports
    assert {reason["code"] for result in report["results"] for reason in result["refusals"]} == {"C723"}


def test_a_second_series_of_a_kind_is_ambiguous_until_a_person_names_one(edgerun: Edgerun, tmp_path: Path) -> None:
    write_four(tmp_path / "study")
    other = (slice(0, 1), slice(0, 1), slice(0, 2))
    second = dicom(tmp_path / "study" / "z", body(other), GRID, SeriesDescription="AX T2 again")
    made, out = brats_pack(tmp_path / "pack"), tmp_path / "out"
    ran = edgerun("infer", tmp_path / "study", "--pack", made, "--out", out, "--json")
    assert ran.code == 7
    assert {reason["code"] for result in ran.reports[0]["results"] for reason in result["refusals"]} == {"C724"}
    ran = edgerun("infer", tmp_path / "study", "--scan", f"t2={second}", "--pack", made, "--out", out, "--json")
    assert pixels(only(ran, 0, "finding")) == {**SIZES, "t2": 2}
    assert [left["reason"]["code"] for left in ran.reports[0]["left_out"]] == ["C726"]


def test_nifti_files_that_a_person_names_are_one_study(edgerun: Edgerun, tmp_path: Path) -> None:
    files = {name: nifti(tmp_path / f"{number}.nii.gz", body(BOXES[name]), GRID) for number, name in enumerate(BRATS)}
    made = brats_pack(tmp_path / "pack", modality=())
    found = []
    for order in (list(files), list(files)[::-1]):
        named = [word for name in order for word in ("--scan", f"{name}={files[name]}")]
        ran = edgerun("infer", *named, "--pack", made, "--out", tmp_path / f"out-{order[0]}", "--json")
        assert pixels(only(ran, 0, "finding")) == SIZES
        found.append(ran.reports[0]["content_sha256"])
    assert found[0] == found[1]


def test_nifti_files_that_do_not_tell_their_modality_need_a_persons_word(edgerun: Edgerun, tmp_path: Path) -> None:
    named = [
        word
        for name in BRATS
        for word in ("--scan", f"{name}={nifti(tmp_path / f'{name}.nii', body(BOXES[name]), GRID)}")
    ]
    made = brats_pack(tmp_path / "pack")
    ran = edgerun("infer", *named, "--pack", made, "--out", tmp_path / "out", "--json")
    assert ran.code == 7
    codes = {reason["code"] for result in ran.reports[0]["results"] for reason in result["refusals"]}
    assert codes == {"C723", "C703"}
    ran = edgerun("infer", *named, "--confirm", "modality=MR", "--pack", made, "--out", tmp_path / "out", "--json")
    result = only(ran, 0, "finding")
    assert pixels(result) == SIZES
    assert result["confirmed"] == {"modality": "MR"}


def test_scans_of_two_patients_are_never_brought_together(edgerun: Edgerun, tmp_path: Path) -> None:
    named = []
    for number, (name, elements) in enumerate(SERIES.items()):
        told = {**elements, "PatientID": f"p{number // 2}", "StudyInstanceUID": f"1.2.3.{number}"}
        named += ["--scan", f"{name}={dicom(tmp_path / name, body(BOXES[name]), GRID, **told)}"]
    ran = edgerun("infer", *named, "--pack", brats_pack(tmp_path / "pack"), "--out", tmp_path / "out", "--json")
    assert ran.code == 3
    assert "R310" in ran.err
    assert ran.reports == []


def test_a_name_that_the_pack_does_not_have_is_a_wrong_request(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = nifti(tmp_path / "a.nii", body(), GRID)
    made = brats_pack(tmp_path / "pack", modality=())
    ran = edgerun("infer", "--scan", f"dwi={scan}", "--pack", made, "--out", tmp_path / "out")
    assert ran.code == 2
    assert "expected some of t1, t1c, t2, flair" in " ".join(ran.err.split())
