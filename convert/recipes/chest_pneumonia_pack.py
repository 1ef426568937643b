"""The embedded pack ``chest-pneumonia``: description, threshold, evidence, golden cases and example files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from convert.assemble import sha256_of, write_pack
from convert.evidence import BOOTSTRAP, METHOD, scores_of
from convert.export import export_onnx
from convert.metrics import (
    Metric,
    area_under_roc,
    interval,
    sensitivity_at,
    specificity_at,
    threshold_for_sensitivity,
)
from convert.radiograph import CREDIT, radiograph
from convert.recipes.chest_pneumonia import INPUT, MEAN, NAME, OUTPUTS, SIZE, STD, build_model, load_data
from edge.pack.manifest import (
    Accepts,
    ClassificationTask,
    Code,
    Evidence,
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
ENGINE = "onnxruntime"


def build_pack(data: Path, folder: Path, examples: Path, progress: Progress) -> None:
    """Export the trained network, choose its threshold, measure it, and write pack and example files.

    Parameters
    ----------
    data : Path
        ``pneumoniamnist.npz``.
    folder : Path
        Of the pack; what is there is replaced.
    examples : Path
        Folder for the first test pictures of each class as DICOM.
    progress : callable
        Told what is being done.
    """
    splits = load_data(data)
    progress("exporting")
    onnx = _export()
    draft = _manifest(sha256_of(onnx))
    progress("choosing the threshold on the validation images")
    val_images, val_labels = splits["val"]
    model = draft.models[0]
    scores = scores_of(_files(val_images, "val"), draft, model, onnx, LABEL)
    value = threshold_for_sensitivity(val_labels == 1, scores, SENSITIVITY)
    threshold = Threshold(
        value=round(value, 6), rule=f"sensitivity of at least {SENSITIVITY:.0%}", chosen_on="validation images",
        n=len(scores),
    )  # fmt: skip
    manifest = replace(draft, models=(replace(model, thresholds={LABEL: threshold}),))
    progress("measuring on the test images")
    test_images, test_labels = splits["test"]
    test_files = _files(test_images, "test")
    test_scores = scores_of(test_files, manifest, manifest.models[0], onnx, LABEL)
    evidence = _evidence(test_labels == 1, test_scores, threshold.value)
    golden, golden_files = _golden(test_files, test_labels, test_scores)
    write_pack(folder, replace(manifest, golden=golden, evidence=evidence), {MODEL_FILE: onnx, **golden_files})
    _write_examples(examples, test_files, test_labels)
    for figure in evidence:
        progress(f"{figure.metric} {figure.value:.4f} {figure.interval}, n = {figure.n}")


def _export() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        export_onnx(
            build_model(),
            (torch.zeros(2, 1, SIZE, SIZE),),
            input_names=(INPUT,),
            output_names=OUTPUTS,
            path=path,
            metadata={"name": NAME, "credit": CREDIT},
        )
        return path.read_bytes()


def _files(images: Images, split: str) -> list[bytes]:
    return [radiograph(image, f"{split}-{index:04}") for index, image in enumerate(images)]


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
                engines=(ENGINE,),
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


def _evidence(labels: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float) -> tuple[Evidence, ...]:
    metrics: dict[str, Metric] = {
        "auc": area_under_roc,
        "sensitivity": sensitivity_at(threshold),
        "specificity": specificity_at(threshold),
    }
    counts = {"auc": labels.size, "sensitivity": int(labels.sum()), "specificity": int((~labels).sum())}
    return tuple(
        Evidence(
            precision="fp32",
            engine=ENGINE,
            label=LABEL,
            data=DATA.format(labels.size, "test"),
            metric=name,
            value=round(metric(labels, scores), 6),
            interval=_rounded(interval(labels, scores, metric, seed=2026, count=BOOTSTRAP)),
            method=METHOD,
            n=counts[name],
        )
        for name, metric in metrics.items()
    )


def _rounded(pair: tuple[float, float]) -> tuple[float, float]:
    return round(pair[0], 6), round(pair[1], 6)


def _first(labels: NDArray[np.int64], each: int) -> list[int]:
    """The first pictures of each class: chosen by their place, not by how well the model does on them."""
    return [int(index) for value in (0, 1) for index in np.flatnonzero(labels == value)[:each]]


def _golden(
    files: Sequence[bytes], labels: NDArray[np.int64], scores: NDArray[np.float64]
) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    cases, contents = [], {}
    for index in _first(labels, GOLDEN):
        file = f"golden/test-{index:04}.dcm"
        contents[file] = files[index]
        cases.append(
            Golden(
                name=f"test-{index:04}",
                scans={"image": file},
                sha256={"image": sha256_of(files[index])},
                expect={LABEL: round(float(scores[index]), 6)},
                tolerance=0.001,
            )
        )
    return tuple(cases), contents


def _write_examples(folder: Path, files: Sequence[bytes], labels: NDArray[np.int64]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in _first(labels, EXAMPLES):
        name = "pneumonia" if labels[index] else "normal"
        (folder / f"chest-{name}-{index:04}.dcm").write_bytes(files[index])
