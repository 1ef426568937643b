"""How well a pack answers: figures with 95% intervals, measured through the whole runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.metrics import Scores
from edge.engines import open_engine
from edge.errors import EdgerunError
from edge.findings import Classification
from edge.pack.manifest import Manifest, Model
from edge.pipeline import examine
from edge.read import ScanReader

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
