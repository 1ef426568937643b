"""Tasks with what their models gave, planted by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.findings import Classification, Findings, LabelScore, Segmentation
from edge.geometry import Grid
from edge.pack.manifest import Accepts, ClassificationTask, Input, Label, Manifest, Model, Task
from edge.prepare import Feed, prepare
from edge.scan import Acquisition, Identity, Scan, Source
from edge.tasks import conclude
from edge.testing import phantom_scan, tiny_input, tiny_manifest, tiny_threshold

Array = NDArray[Any]
Mode = Literal["binary", "multi-class", "multi-label", "ordinal"]
Activation = Literal["sigmoid", "softmax", "none"]


def label(name: str, *, finding: bool = True, urgency: Literal["routine", "soon", "urgent"] = "soon") -> Label:
    """A label whose title is its name."""
    return Label(name=name, title=name.title(), finding=finding, urgency=urgency)


def classification(
    mode: Mode,
    labels: Sequence[Label],
    thresholds: Mapping[str, float],
    *,
    activation: Activation = "none",
    map_output: str | None = None,
    steps: Sequence[Mapping[str, object]] | None = None,
    size: int = 4,
) -> Manifest:
    """The manifest of a classification."""
    task = ClassificationTask(
        kind="classification",
        mode=mode,
        output="scores",
        activation=activation,
        labels=tuple(labels),
        map_output=map_output,
    )
    return with_task(task, thresholds, steps=steps, size=size)


def with_task(
    task: Task,
    thresholds: Mapping[str, float],
    *,
    steps: Sequence[Mapping[str, object]] | None = None,
    size: int = 4,
) -> Manifest:
    """The tiny manifest with another task."""
    manifest = tiny_manifest(task=task, inputs=(tiny_input(size=size, steps=steps),))
    values = {name: tiny_threshold(value) for name, value in thresholds.items()}
    return replace(manifest, models=(replace(manifest.models[0], thresholds=values),))


def volume_input(
    name: str = "image", *, tensor: str = "", steps: Sequence[Mapping[str, object]] = (), **changes: Any
) -> Input:
    """The input of a model of volumes, by default 4 x 4 x 4, whatever the scan's values."""
    accepts = Accepts(stack="volume", colour="grey")
    item = Input(
        name=name, tensor=tensor or name, accepts=accepts, axes="NCDHW", shape=(1, 4, 4, 4), steps=tuple(steps)
    )
    return replace(item, **changes)


def volume_of(voxels: Array, grid: Grid | None = None, **identity: str) -> Scan:
    """A volume in the patient: axes as those of a body, 1 mm, unless a grid is given."""
    matrix = np.array([[0, 0, 1.0, -10.0], [0, 1.0, 0, 20.0], [1.0, 0, 0, -30.0], [0, 0, 0, 1]])
    place = grid or Grid.of(voxels.shape[:3], matrix, "patient")
    return Scan(
        voxels=voxels,
        grid=place,
        stack="volume",
        unit="stored value",
        identity=Identity(**identity),
        acquisition=Acquisition(modality="MR", photometric="MONOCHROME2"),
        sources=(Source(path="volume", sha256="0" * 64),),
        places=tuple((0, z) for z in range(len(voxels))),
    )


def model_of(manifest: Manifest) -> Model:
    """The only model."""
    return manifest.models[0]


def answered(
    manifest: Manifest, scans: Mapping[str, Scan], answer: Callable[[Mapping[str, Array]], Mapping[str, Array]]
) -> Findings:
    """The findings when the model is a function of what it is fed."""
    results = ((feed, answer(feed.tensors)) for feed in prepare(scans, manifest))
    return conclude(results, scans, manifest, model_of(manifest))


def feed_of(scan: Scan, manifest: Manifest) -> Feed:
    """What the model is fed."""
    (feed,) = prepare({"image": scan}, manifest)
    return feed


def concluded(manifest: Manifest, outputs: Mapping[str, Array], scan: Scan | None = None) -> Findings:
    """The findings when the model gives these outputs."""
    seen = phantom_scan((1, 8, 8)) if scan is None else scan
    return conclude([(feed_of(seen, manifest), outputs)], {"image": seen}, manifest, model_of(manifest))


def classified(manifest: Manifest, *scores: float, scan: Scan | None = None, **outputs: Array) -> Classification:
    """The classification when the model gives these values."""
    given = {"scores": np.array([scores], dtype=np.float32), **outputs}
    found = concluded(manifest, given, scan)
    assert isinstance(found, Classification)
    return found


def segmented(manifest: Manifest, scores: Array, scan: Scan) -> Segmentation:
    """The segmentation when the model gives these values, (channel, h, w)."""
    found = concluded(manifest, {"scores": np.asarray(scores, np.float32)[np.newaxis]}, scan)
    assert isinstance(found, Segmentation)
    return found


def said(found: Classification) -> dict[str, LabelScore]:
    """The labels by name."""
    return {item.name: item for item in found.labels}


def positives(found: Classification) -> list[str]:
    """The names of the labels that are said to be there."""
    return [item.name for item in found.labels if item.positive]
