"""Each kind of task from a file to the files beside its report: what was planted lies where it was planted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper

from edge.detect.planted import DETECTIONS, IMAGE, anchor_free_net, painted
from edge.geometry import Turn
from edge.pack.manifest import (
    Accepts,
    DetectionTask,
    Input,
    Label,
    Manifest,
    RegistrationTask,
    SegmentationTask,
    TranslationTask,
)
from edge.testing import tiny_input, tiny_manifest, tiny_threshold, write_tiny_pack
from edge.write.nifti import nifti
from tests.conftest import Edgerun
from tests.write.planted import SHAPE, TURNS, ball, oblique_grid, upright_grid

Array = NDArray[Any]
BALL = ball((9, 14, 30), 14)
VALUES = np.where(BALL, np.float32(1), np.float32(0)) + np.linspace(0, 0.2, SHAPE[2], dtype=np.float32)
BRIGHT = Label(name="bright", title="Bright", finding=True, urgency="soon")


def graph_of(nodes: Sequence[Any], inputs: Sequence[str], shape: Sequence[int], channels: int, **numbers: Any) -> bytes:
    """A model of volumes with these nodes, whose last output is `made`."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, *shape]) for name in inputs]
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, [1, channels, *shape])
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, np.shape(value), np.ravel(value)) for name, value in numbers.items()
    ]
    graph = helper.make_graph(list(nodes), "planted", ends, [made], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def volume_input(name: str, *steps: dict[str, object]) -> Input:
    accepts = Accepts(stack="volume", colour="grey")
    return Input(name=name, tensor=name, accepts=accepts, axes="NCDHW", shape=(1, *SHAPE), steps=steps)


def manifest_of(task: Any, *inputs: Input) -> Manifest:
    manifest = tiny_manifest(task=task, inputs=inputs)
    thresholds = {label.name: tiny_threshold(0.5) for label in task.labels}
    return replace(manifest, models=(replace(manifest.models[0], thresholds=thresholds),))


def stored(path: Path, voxels: Array = VALUES, turn: Turn | None = None) -> Path:
    """An oblique volume as NIfTI, stored in one of the 48 ways."""
    grid = oblique_grid() if turn is None else turn.apply_grid(oblique_grid())
    path.write_bytes(nifti(voxels if turn is None else turn.apply(voxels), grid, ""))
    return path


def loaded(path: Path) -> Any:
    return nibabel.Nifti1Image.from_filename(path)


def result_of(report: dict[str, Any]) -> dict[str, Any]:
    (result,) = report["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("turn", [TURNS[0], TURNS[21], TURNS[43]], ids=str)
def test_a_region_of_a_volume_lies_on_the_voxels_of_its_file(turn: Turn, edgerun: Edgerun, tmp_path: Path) -> None:
    nodes = [helper.make_node("Sub", ["image", "half"], ["over"]), helper.make_node("Mul", ["over", "gain"], ["made"])]
    task = SegmentationTask(kind="segmentation", output="made", activation="sigmoid", labels=(BRIGHT,))
    manifest = manifest_of(task, volume_input("image", {"step": "orient"}))
    pack = write_tiny_pack(tmp_path / "pack", manifest, graph_of(nodes, ["image"], SHAPE, 1, half=0.5, gain=20.0))
    source = stored(tmp_path / "a.nii.gz", turn=turn)
    ran = edgerun("infer", source, "--pack", pack, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    (region,) = result_of(ran.reports[0])["findings"]["regions"]
    assert region["volume_ml"] == pytest.approx(BALL.sum() * 20 / 1000)
    folder = tmp_path / "out" / ran.reports[0]["folder"]
    written, given = loaded(folder / "mask-bright.nii.gz"), loaded(source)
    assert np.array_equal(np.asarray(written.dataobj).transpose(2, 1, 0), turn.apply(BALL))
    assert np.allclose(written.affine, given.affine, atol=1e-4)
    assert (folder / "overlay.png").exists()
    assert "Bright: " in ran.err
    assert " mL, longest diameter " in ran.err


def test_boxes_of_a_picture_are_told_in_its_pixels(edgerun: Edgerun, tmp_path: Path) -> None:
    boxes = [(8, 16, 16, 24), (40, 30, 48, 38)]
    cv2.imwrite(str(tmp_path / "a.png"), painted((64, 48), boxes))
    task = DetectionTask(kind="detection", layout="anchor-free", output=DETECTIONS, activation="none", labels=(BRIGHT,))
    steps: tuple[dict[str, object], ...] = ({"step": "voi_window"},)
    item = replace(tiny_input(), tensor=IMAGE, shape=(1, 64, 48), steps=steps)
    pack = write_tiny_pack(tmp_path / "pack", manifest_of(task, item), anchor_free_net((64, 48), (8,)))
    ran = edgerun("infer", tmp_path / "a.png", "--pack", pack, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    result = result_of(ran.reports[0])
    assert result["summary"] == "Finding: 2 x Bright (soon)."
    found = sorted(tuple(box["edges"]) for box in result["findings"]["boxes"])
    assert np.allclose(found, [(0, *boxes[0][:2], 1, *boxes[0][2:]), (0, *boxes[1][:2], 1, *boxes[1][2:])], atol=0.1)
    assert ran.err.count("Bright: score") == 2


def test_a_registered_scan_is_written_in_the_place_of_the_fixed_one(edgerun: Edgerun, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["fixed", "none"], ["flat"]),
        helper.make_node("Mul", ["moving", "none"], ["flat_too"]),
        helper.make_node("Add", ["flat", "flat_too"], ["still"]),
        helper.make_node("Concat", ["still", "still", "still"], ["vectors"], axis=1),
        helper.make_node("Add", ["vectors", "shift"], ["made"]),
    ]
    shift = np.array([0.0, 0.0, 3.0]).reshape(1, 3, 1, 1, 1)
    task = RegistrationTask(kind="registration", output="made", fixed="fixed", moving="moving")
    manifest = manifest_of(task, volume_input("fixed"), volume_input("moving"))
    model = graph_of(nodes, ["fixed", "moving"], SHAPE, 3, none=0.0, shift=shift)
    pack = write_tiny_pack(tmp_path / "pack", manifest, model)
    fixed, moving = stored(tmp_path / "f.nii.gz"), stored(tmp_path / "m.nii.gz", np.roll(VALUES, 3, axis=2))
    named = ["--scan", f"fixed={fixed}", "--scan", f"moving={moving}"]
    ran = edgerun("infer", *named, "--pack", pack, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    result = result_of(ran.reports[0])
    assert result["state"] == "done"
    assert result["findings"]["mean_mm"] == pytest.approx(3 * upright_grid().steps[2], rel=1e-5)
    assert list(result["others"]) == ["moving"]
    warped = loaded(tmp_path / "out" / ran.reports[0]["folder"] / "warped.nii.gz")
    values = np.asarray(warped.dataobj).transpose(2, 1, 0)
    assert np.allclose(warped.affine, loaded(fixed).affine, atol=1e-4)
    assert np.allclose(values[..., :-4], VALUES[..., :-4], atol=1e-3)
    assert "no finding" not in ran.err.replace("not 'no finding'", "")


def test_a_made_image_is_called_synthetic_wherever_it_is_written(edgerun: Edgerun, tmp_path: Path) -> None:
    nodes = [helper.make_node("Sub", ["one", "image"], ["made"])]
    task = TranslationTask(kind="translation", output="made", range=(-0.5, 1.0), unit="share", makes="T2-weighted MR")
    manifest = manifest_of(task, volume_input("image"))
    pack = write_tiny_pack(tmp_path / "pack", manifest, graph_of(nodes, ["image"], SHAPE, 1, one=1.0))
    source = stored(tmp_path / "a.nii.gz", turn=None)
    ran = edgerun("infer", source, "--pack", pack, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / ran.reports[0]["folder"]
    document = json.loads((folder / "report.json").read_bytes())
    assert document["state"] == "done"
    assert {file["name"] for file in result_of(document)["files"]} == {
        "overlay.png",
        "synthetic.png",
        "synthetic.nii.gz",
    }
    image = loaded(folder / "synthetic.nii.gz")
    assert np.allclose(np.asarray(image.dataobj).transpose(2, 1, 0), 1.0 - VALUES, atol=1e-6)
    assert bytes(image.header["descrip"].tobytes()).startswith(b"SYNTHETIC ")
    assert ran.err.startswith("DONE ")
    assert "SYNTHETIC T2-weighted MR" in ran.err
