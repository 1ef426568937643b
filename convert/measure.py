"""What models say of labelled scans, through the whole runtime, as `edgerun infer` would run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.metrics import Metric, Scores, Truth, area_under_roc, interval, sensitivity_at, specificity_at
from edge.check import check_scan
from edge.device import usable_cores
from edge.engines import Engine, open_engine
from edge.errors import EdgerunError, UsageError
from edge.findings import Classification, Notice, Refusal
from edge.pack.manifest import Evidence, Manifest, Model, Precision
from edge.pipeline import examine
from edge.prepare import prepare
from edge.read import ScanReader
from edge.scan import Scan

BOOTSTRAP = 2000
METHOD = f"percentile bootstrap, {BOOTSTRAP} resamples stratified by class"

Progress = Callable[[str], None]
Feed = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One ONNX file on one engine.

    Parameters
    ----------
    file : str
        Its name in the pack.
    onnx : bytes
    """

    precision: Precision
    engine: str
    file: str
    onnx: bytes

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.precision} on {self.engine}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What a candidate said.

    Parameters
    ----------
    scores : mapping
        By label: ndarray of float64, shape (n,), in the order of the scans.
    latency_ms : float
        Median time of the engine alone for one scan, all candidates taking turns.
    """

    scores: Mapping[str, Scores]
    latency_ms: float


def scans_of(paths: Sequence[Path]) -> Iterator[tuple[Path, Scan]]:
    """Yield each file's one scan, read in a process of its own.

    Raises
    ------
    EdgerunError
        A file holds no scan, or not one: a figure over the others would be of another data set.
    """
    with ScanReader(prefetch=("dicom",)) as reader:
        found = reader.index([str(path) for path in paths]).result()
        out = [item for study in found.studies for item in study.left_out] + list(found.left_out)
        if out:
            raise EdgerunError(
                f"Reading {out[0].paths[0]}: {out[0].reason.code}: {out[0].reason.words} {out[0].detail}"
            )
        by_path = {series.paths[0]: series for study in found.studies for series in study.series}
        for path in paths:
            series = by_path.get(str(path.absolute()))
            if series is None or len(series.paths) != 1:
                raise EdgerunError(f"Reading {path}: expected a file that holds one whole scan.")
            yield path, reader.load(series).result()


def feeds_of(paths: Sequence[Path], manifest: Manifest) -> Iterator[Feed]:
    """Yield what the model is fed for each scan that calibrates it, prepared as for an examination.

    Raises
    ------
    UsageError
        There is no scan, or the pack would refuse one of them: it is no example of what the model will see.
    """
    if not paths:
        raise UsageError("Calibrating: there is no scan to calibrate with.")
    item = manifest.inputs[0]
    for path, scan in scans_of(paths):
        said = [notice for notice in check_scan(scan, item.accepts) if notice.severity == "refuse"]
        if said:
            raise _unfit(path, said)
        for feed in prepare({item.name: scan}, manifest):
            yield feed.tensors


def measure(
    paths: Sequence[Path], manifest: Manifest, candidates: Sequence[Candidate], progress: Progress
) -> dict[str, Measured]:
    """Return what each candidate says of each scan, by the candidate's name.

    Every scan is read once and seen by all candidates in turn, so that their times compare.

    Raises
    ------
    UsageError
        The pack would refuse a scan.
    EdgerunError
        A scan cannot be read, or a candidate cannot be run or gives no number.
    """
    labels = [label.name for label in manifest.task.labels]
    scores: dict[str, dict[str, list[float]]] = {item.name: {label: [] for label in labels} for item in candidates}
    seconds: dict[str, list[float]] = {item.name: [] for item in candidates}
    with ExitStack() as stack:
        engines = {item.name: _open(stack, item) for item in candidates}
        for number, (path, scan) in enumerate(scans_of(paths), start=1):
            for item in candidates:
                timed = _Timed(engines[item.name])
                said = examine({manifest.inputs[0].name: scan}, manifest, _model(item, manifest), timed).findings
                if isinstance(said, Refusal):
                    raise _unfit(path, said.notices)
                if not isinstance(said, Classification):
                    raise UsageError(f"Measuring {manifest.name}: only classification can be measured yet.")
                for answer in said.labels:
                    scores[item.name][answer.name].append(answer.score)
                seconds[item.name].append(timed.seconds)
            if number % 100 == 0 or number == len(paths):
                progress(f"{number} of {len(paths)} scans")
    return {
        name: Measured(
            scores={label: np.array(values) for label, values in each.items()},
            latency_ms=float(np.median(seconds[name])) * 1000,
        )
        for name, each in scores.items()
    }


def evidence_of(
    truths: Mapping[str, Truth], measured: Measured, thresholds: Mapping[str, float], item: Candidate, data: str
) -> tuple[Evidence, ...]:
    """Return a candidate's figures with their 95% intervals, for the manifest."""
    found = []
    for label, truth in truths.items():
        scores, limit = measured.scores[label], thresholds[label]
        metrics: list[tuple[str, Metric, int]] = [
            ("auc", area_under_roc, truth.size),
            ("sensitivity", sensitivity_at(limit), int(truth.sum())),
            ("specificity", specificity_at(limit), int((~truth).sum())),
        ]
        for name, metric, n in metrics:
            low, high = interval(truth, scores, metric, seed=2026, count=BOOTSTRAP)
            found.append(
                Evidence(
                    precision=item.precision,
                    engine=item.engine,
                    label=label,
                    data=data,
                    metric=name,
                    value=round(metric(truth, scores), 6),
                    interval=(round(low, 6), round(high, 6)),
                    method=METHOD,
                    n=n,
                )
            )
    return tuple(found)


class _Timed:
    """An engine that remembers how long it took; fulfils `edge.engines.Engine`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.facts, self.inputs, self.outputs = engine.facts, engine.inputs, engine.outputs
        self.seconds = 0.0

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        started = time.perf_counter()
        outputs = self._engine.infer(feeds)
        self.seconds += time.perf_counter() - started
        return outputs

    def close(self) -> None:
        self._engine.close()


def _open(stack: ExitStack, item: Candidate) -> Engine:
    engine = open_engine(item.engine, item.onnx, precision=item.precision, threads=usable_cores())
    stack.callback(engine.close)
    return engine


def _model(item: Candidate, manifest: Manifest) -> Model:
    """The manifest's entry for a candidate whose thresholds are not known yet."""
    return replace(manifest.models[0], precision=item.precision, file=item.file, engines=(item.engine,))


def _unfit(path: Path, notices: Sequence[Notice]) -> UsageError:
    said = "; ".join(f"{notice.reason.code}: {notice.reason.words} {notice.detail}" for notice in notices)
    return UsageError(f"Measuring with {path}: the pack refuses this scan: {said}")
