"""How well a pack answers: figures with 95% intervals, measured through the whole runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.engines import open_engine
from edge.errors import EdgerunError
from edge.findings import Classification
from edge.pack.manifest import Manifest, Model
from edge.pipeline import examine
from edge.read import ScanReader

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]
Metric = Callable[[Labels, Scores], float]

BOOTSTRAP = 2000
METHOD = f"percentile bootstrap, {BOOTSTRAP} resamples stratified by class"


def scores_of(files: Sequence[bytes], manifest: Manifest, model: Model, onnx: bytes, label: str) -> Scores:
    """Return the score of one label for each DICOM file, read, checked, prepared and run as `edgerun infer` would.

    Raises
    ------
    EdgerunError
        A file could not be read or was refused: a figure over the rest would be of another data set.
    """
    engine = open_engine(model.engines[0], onnx, precision=model.precision, threads=1)
    scores = []
    with tempfile.TemporaryDirectory() as folder, ScanReader(prefetch=("dicom",)) as reader:
        for index, data in enumerate(files):
            path = Path(folder) / f"{index:06}.dcm"
            path.write_bytes(data)
        found = reader.index(folder).result()
        series = {item.paths[0]: item for study in found.studies for item in study.series}
        for name in sorted(series):
            scan = reader.load(series[name]).result()
            findings = examine({manifest.inputs[0].name: scan}, manifest, model, engine).findings
            if not isinstance(findings, Classification):
                raise EdgerunError(f"Measuring {manifest.name}: the picture {Path(name).name} was refused.")
            scores.append(next(item.score for item in findings.labels if item.name == label))
    engine.close()
    if len(scores) != len(files):
        raise EdgerunError(f"Measuring {manifest.name}: {len(files)} pictures went in, {len(scores)} scores came out.")
    return np.array(scores, dtype=np.float64)


def area_under_roc(labels: Labels, scores: Scores) -> float:
    """Return the area under the receiver operating characteristic, by ranks, ties counted half.

    Examples
    --------
    >>> area_under_roc(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    1.0
    """
    order = np.sort(scores)
    ranks = (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right") + 1) / 2
    positives = int(labels.sum())
    negatives = labels.size - positives
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def sensitivity_at(threshold: float) -> Metric:
    """Return the metric: share of the positives whose score reaches `threshold`."""
    return lambda labels, scores: float((scores[labels] >= threshold).mean())


def specificity_at(threshold: float) -> Metric:
    """Return the metric: share of the negatives whose score stays below `threshold`."""
    return lambda labels, scores: float((scores[~labels] < threshold).mean())


def threshold_for_sensitivity(labels: Labels, scores: Scores, sensitivity: float) -> float:
    """Return the largest threshold that finds at least this share of the positives.

    It lies halfway to the next lower score, so that no picture stands on the threshold itself.

    Examples
    --------
    >>> threshold_for_sensitivity(np.array([True, True, False]), np.array([0.9, 0.5, 0.1]), 0.9)
    0.3
    """
    positives = np.sort(scores[labels])[::-1]
    last = positives[int(np.ceil(sensitivity * positives.size)) - 1]
    lower = scores[scores < last]
    return float((last + (lower.max() if lower.size else 0.0)) / 2)


def interval(labels: Labels, scores: Scores, metric: Metric, *, seed: int) -> tuple[float, float]:
    """Return the 95% interval of a metric by bootstrap within each class (Efron and Tibshirani 1993, chapter 13)."""
    generator = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    drawn = []
    for _ in range(BOOTSTRAP):
        sample = np.concatenate([generator.choice(group, group.size) for group in groups])
        drawn.append(metric(labels[sample], scores[sample]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
