"""The embedded pack ``chest-pneumonia``: its description, what it is built and judged with, and example files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from convert.assemble import sha256_of, write_pack
from convert.build import Built, Labelled, Plan, Rule, build, verdict_lines
from convert.export import export_onnx
from convert.labels import LabelledSet
from convert.metrics import Truth, threshold_for_sensitivity
from convert.radiograph import CREDIT, radiograph
from convert.recipes.chest_pneumonia import INPUT, MEAN, NAME, OUTPUTS, SIZE, STD, build_model, load_data
from edge.pack.manifest import (
    Accepts,
    ClassificationTask,
    Code,
    Expected,
    Golden,
    Input,
    Label,
    Licence,
    Manifest,
    Model,
    Threshold,
)

Images = NDArray[np.uint8]
Progress = Callable[[str], None]

LABEL = "pneumonia"
MODEL_FILE = "model.fp32.onnx"
SENSITIVITY = 0.90
GOLDEN = 2
EXAMPLES = 3
DATA = "PneumoniaMNIST subset, {} {} images of 28 x 28"
ENGINES = ("onnxruntime", "openvino")
CALIBRATION = 200
TOLERANCES = {"fp32": 0.001, "int8": 0.02}
"""Of scores between machines: kernels add up in different orders, and INT8 rounds what they add."""


def build_pack(data: Path, folder: Path, examples: Path, weights: Path | None, progress: Progress) -> None:
    """Export the trained network, build every candidate, judge it, and write pack and example files.

    Parameters
    ----------
    data : Path
        ``pneumoniamnist.npz``.
    folder : Path
        Of the pack; what is there is replaced.
    examples : Path
        Folder for the first test pictures of each class as DICOM.
    weights : Path, optional
        safetensors file; the recipe's own by default.
    progress : callable
        Told what is being done, and the verdicts.
    """
    splits = load_data(data)
    progress("exporting")
    onnx = _export(weights)
    with tempfile.TemporaryDirectory() as scratch:
        sets = {name: _written(Path(scratch) / name, images, labels) for name, (images, labels) in splits.items()}
        built = build(_plan(onnx, sets), progress)
        golden, golden_files = _golden(sets["test"], built)
        write_pack(folder, replace(built.manifest, golden=golden), {**built.files, **golden_files})
        _write_examples(examples, sets["test"])
    for line in verdict_lines(built):
        progress(line)


def _written(folder: Path, images: Images, labels: NDArray[np.int64]) -> LabelledSet:
    """A split as DICOM files."""
    folder.mkdir()
    paths = [folder / f"{folder.name}-{index:04}.dcm" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(radiograph(image, path.stem))
    return LabelledSet(paths=tuple(paths), truths={LABEL: labels == 1}, groups={})


def _plan(onnx: bytes, sets: Mapping[str, LabelledSet]) -> Plan:
    return Plan(
        draft=_manifest(sha256_of(onnx)),
        onnx=onnx,
        calibrate=sets["train"].paths[:CALIBRATION],
        tune=Labelled(scans=sets["val"], words=DATA.format(len(sets["val"].paths), "validation")),
        evaluate=Labelled(scans=sets["test"], words=DATA.format(len(sets["test"].paths), "test")),
        rules={
            LABEL: Rule(
                words=f"sensitivity of at least {SENSITIVITY:.0%}",
                choose=lambda truth, scores: threshold_for_sensitivity(truth, scores, SENSITIVITY),
            )
        },
        engines=ENGINES,
    )


def _export(weights: Path | None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        export_onnx(
            build_model(weights),
            (torch.zeros(2, 1, SIZE, SIZE),),
            input_names=(INPUT,),
            output_names=OUTPUTS,
            path=path,
            metadata={"name": NAME, "credit": CREDIT},
        )
        return path.read_bytes()


def _manifest(sha256: str) -> Manifest:
    """The pack without threshold, evidence and golden cases."""
    finding = Label(
        name=LABEL,
        title="Pneumonia",
        code=Code(scheme="SCT", value="233604007", meaning="Pneumonia"),
        finding=True,
        urgency="soon",
    )
    undecided = Threshold(value=0.5, rule="none yet", chosen_on="nothing", n=1)
    return Manifest(
        format="edgerun-pack",
        format_version=1,
        name=NAME,
        version="1.0.0",
        title="Pneumonia in children's chest X-rays (demonstration)",
        status="trained",
        intended_use="Demonstrates the path from a scan to a report. No medical device; never for a patient.",
        limits=(
            "Sees 28 x 28 points, far too few for a radiograph. Trained on front views (AP) of children of 1 to 5 years"
            " from one hospital, balanced between the classes, so its scores are no probabilities anywhere else."
        ),
        licence=Licence(spdx="Apache-2.0", credits=(f"Trained on {CREDIT}",)),
        inputs=(_input(),),
        task=ClassificationTask(
            kind="classification",
            mode="binary",
            output=OUTPUTS[0],
            activation="sigmoid",
            labels=(finding,),
            map_output=OUTPUTS[1],
        ),
        models=(
            Model(
                precision="fp32",
                file=MODEL_FILE,
                sha256=sha256,
                engines=ENGINES[:1],
                verdict="reference",
                thresholds={LABEL: undecided},
            ),
        ),
    )


def _input() -> Input:
    steps: tuple[Mapping[str, object], ...] = (
        {"step": "monochrome2"},
        {"step": "voi_window"},
        {"step": "center_square"},
        {"step": "resize", "height": SIZE, "width": SIZE, "interpolation": "area"},
        {"step": "normalise", "mean": [MEAN], "std": [STD]},
    )
    return Input(
        name="image",
        tensor=INPUT,
        accepts=Accepts(
            modality=("CR", "DX"),
            body_part=("CHEST",),
            view=("AP",),
            stack="picture",
            colour="grey",
            age_years=(1.0, 5.0),
            least_size=SIZE,
        ),
        axes="NCHW",
        shape=(1, SIZE, SIZE),
        steps=steps,
    )


def _first(truth: Truth, each: int) -> list[int]:
    """The first pictures of each class: chosen by their place, not by how well the model does on them."""
    return [int(index) for value in (False, True) for index in np.flatnonzero(truth == value)[:each]]


def _golden(scans: LabelledSet, built: Built) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    cases, contents = [], {}
    for index in _first(scans.truths[LABEL], GOLDEN):
        path = scans.paths[index]
        file = f"golden/{path.name}"
        contents[file] = path.read_bytes()
        cases.append(
            Golden(
                name=path.stem,
                scans={"image": file},
                sha256={"image": sha256_of(contents[file])},
                expect=_expected(built, index),
            )
        )
    return tuple(cases), contents


def _expected(built: Built, index: int) -> dict[str, Expected]:
    """Of each precision, the middle of what the engines said; they may differ by twice as much elsewhere."""
    kept = {(model.precision, model.engines[0]) for model in built.manifest.models}
    said: dict[str, list[float]] = {}
    for item in built.candidates:
        if (item.precision, item.engine) in kept:
            said.setdefault(item.precision, []).append(float(built.measured[item.name].scores[LABEL][index]))
    return {
        precision: Expected(
            scores={LABEL: round((min(scores) + max(scores)) / 2, 6)},
            tolerance=round(max(TOLERANCES[precision], 2 * (max(scores) - min(scores))), 6),
        )
        for precision, scores in said.items()
    }


def _write_examples(folder: Path, scans: LabelledSet) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    truth = scans.truths[LABEL]
    for index in _first(truth, EXAMPLES):
        name = "pneumonia" if truth[index] else "normal"
        (folder / f"chest-{name}-{index:04}.dcm").write_bytes(scans.paths[index].read_bytes())
