"""MONAI bundles: the model and the metadata are read, and nothing else of the folder is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convert.sources import load_source
from convert.sources.bundle import bundle_hints
from tests.convert.foreign import assert_answers_as, network, refusal

METADATA: dict[str, Any] = {
    "version": "0.3.0",
    "name": "Lungs in CT",
    "description": "Finds\n lungs.",
    "intended_use": "This is an example, not to be used for diagnostic purposes",
    "authors": "Someone",
    "copyright": 7,
    "network_data_format": {
        "inputs": {
            "image": {
                "type": "image", "modality": "CT", "num_channels": 1, "spatial_shape": [8, 8], "value_range": [0, 1],
                "channel_def": {"0": "scan"},
            }
        },
        "outputs": {"scores": {"num_channels": 2, "channel_def": {"0": "background", "1": "lung"}}},
    },
}  # fmt: skip


def bundle(folder: Path, metadata: Any = METADATA, **models: bytes) -> str:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "scripts").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    canary = folder / "ran"
    (folder / "configs" / "inference.json").write_text(f'{{"imports": ["$open({str(canary)!r}, \'w\')"]}}')
    (folder / "scripts" / "__init__.py").write_text(f"open({str(canary)!r}, 'w')")
    for name, data in models.items():
        (folder / "models" / name.replace("_", ".")).write_bytes(data)
    return str(folder)


def test_the_model_of_a_bundle_is_read_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "lungs"
    source = load_source(bundle(folder, model_onnx=network().SerializeToString()))
    assert source.origin.startswith("the MONAI bundle lungs: model.onnx (SHA-256 ")
    assert "nothing in it was run" in source.notes[0]
    assert not (folder / "ran").exists()
    assert_answers_as(source, network())


def test_the_metadata_of_a_bundle_become_hints(tmp_path: Path) -> None:
    hints = bundle_hints(Path(bundle(tmp_path / "lungs")))
    assert (hints.version, hints.title, hints.limits) == ("0.3.0", "Lungs in CT", "Finds lungs.")
    assert hints.credits == ("Someone",)
    image = hints.inputs[0]
    assert (image.name, image.sizes, image.modality, image.value_range) == ("image", (1, 8, 8), "CT", (0.0, 1.0))
    assert image.channel_names == ("scan",)
    assert hints.outputs[0].channel_names == ("background", "lung")


@pytest.mark.parametrize(
    "tensors",
    [None, [], {}, {"inputs": []}, {"inputs": {"image": 3}},
     {"inputs": {"image": {}}, "outputs": {"scores": {"channel_def": 1}}},
     {"inputs": {"image": {"num_channels": "1", "spatial_shape": "x", "value_range": [0, "a"]}}},
     {"inputs": {"image": {"value_range": [True, 1], "channel_def": {"1": "b"}}}}],
)  # fmt: skip
def test_odd_metadata_give_fewer_hints_and_no_crash(tmp_path: Path, tensors: Any) -> None:
    hints = bundle_hints(Path(bundle(tmp_path / "odd", {**METADATA, "network_data_format": tensors})))
    assert all(not item.known and item.value_range is None and not item.channel_names for item in hints.inputs)


def test_a_bundle_of_weights_alone_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    folder = tmp_path / "lungs"
    said = refusal(bundle(folder, model_pt=b"weights"))
    assert "models/model.pt holds weights without their network" in said
    assert "python -m monai.bundle ckpt_export" in said
    assert not (folder / "ran").exists()


def test_an_open_shape_must_be_given(tmp_path: Path) -> None:
    metadata = json.loads(json.dumps(METADATA))
    metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] = ["8*n", "8*n"]
    said = refusal(bundle(tmp_path / "lungs", metadata, model_ts=b"program"))
    assert "leave the shape of 'image' open (1x1x8*nx8*n). Give the shape" in said


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "found no model, expected models/model.ts or an .onnx in models"),  # noqa: ARG005
        (lambda folder: (folder / "configs" / "metadata.json").unlink(), "found no configs/metadata.json"),
        (lambda folder: (folder / "configs" / "metadata.json").write_text("["), "it is no JSON"),
        (lambda folder: (folder / "configs" / "metadata.json").write_text("[]"), "found list, expected an object"),
        (lambda folder: [(folder / "models" / name).touch() for name in ("a.onnx", "b.onnx")], "found a.onnx, b.onnx"),
    ],
)
def test_a_folder_that_is_no_whole_bundle_is_refused(
    tmp_path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    spec = bundle(tmp_path / "lungs")
    prepare(tmp_path / "lungs")
    assert message in refusal(spec)
