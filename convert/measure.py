"""What models say of labelled scans, through the whole runtime, as `edgerun infer` would run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convert.cam import MapCheck, check_maps
from convert.labels import LabelledSet
from convert.metrics import Scores
from convert.overlap import Overlap, Overlaps, overlap
from edge.check import check_scan, confirm_scan
from edge.device import usable_cores
from edge.engines import Engine
from edge.engines.apart import EngineApart
from edge.errors import EngineError, ReadError, UsageError
from edge.findings import Findings, Notice, Refusal, Segmentation
from edge.geometry import Grid
from edge.pack.golden import answers
from edge.pack.manifest import (
    ClassificationTask,
    Input,
    Manifest,
    Model,
    Precision,
    SegmentationTask,
    Threshold,
)
from edge.pack.tasks import answers_of
from edge.pipeline import examine
from edge.prepare import prepare
from edge.read import ScanReader
from edge.reasons import UNKNOWN_BODY_PART, UNKNOWN_MODALITY, UNKNOWN_VIEW
from edge.scan import Scan

Feed = Mapping[str, NDArray[np.float32]]
Mask = NDArray[np.bool_]
SILENT = (UNKNOWN_MODALITY, UNKNOWN_BODY_PART, UNKNOWN_VIEW)
HEADLESS = (
    "Give the scan as DICOM, whose header tells. A file that tells nothing, such as PNG, fits only a description whose"
    " `accepts` asks nothing there (an empty list); its pack then asks nothing of any scan."
)
Truths = Mapping[str, tuple[Path, Scan] | None]
"""A scan's masks, by label; None where the label is nowhere."""


class Progress(Protocol):
    """Who is told how it goes."""

    def __call__(self, words: str) -> None:
        """Hear what is being done now, or what came of it."""

    def count(self, done: int, total: int, what: str) -> None:
        """Hear how much of it is done."""


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
        By label: ndarray of float64, shape (n,), in the order of the scans: its score; of a segmentation, its share.
    overlaps : mapping
        Segmentation, by label: how its masks meet the true ones.
    dice_at : mapping
        Segmentation, by label: Dice at each of the limits that were asked for, float64 (limits, n).
    latency_ms : float
        Median time of the engine alone for one scan, all candidates taking turns, each in its own process.
    peak_bytes : int, optional
        Most resident memory of that process.
    maps : MapCheck, optional
        Where the task has an influence map.
    problem : str
        Why it stopped before the last scan; empty where it did not.
    """

    scores: Mapping[str, Scores] = field(default_factory=dict)
    overlaps: Mapping[str, Overlaps] = field(default_factory=dict)
    dice_at: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    engine_version: str = ""
    latency_ms: float = 0.0
    peak_bytes: int | None = None
    maps: MapCheck | None = None
    problem: str = ""


def scans_of(paths: Sequence[Path]) -> Iterator[tuple[Path, Scan]]:
    """Yield each file's one scan, read in a process of its own.

    Raises
    ------
    ReadError
        A file cannot be read: a figure over the others would be of another data set.
    UsageError
        A file does not hold one scan whole.
    """
    with ScanReader(prefetch=("dicom",)) as reader:
        found = reader.index([str(path) for path in paths]).result()
        out = [item for study in found.studies for item in study.left_out] + list(found.left_out)
        if out:
            raise ReadError(f"Reading {out[0].paths[0]}: {out[0].detail}", out[0].reason)
        by_path = {series.paths[0]: series for study in found.studies for series in study.series}
        for path in paths:
            series = by_path.get(str(path.absolute()))
            if series is None or len(series.paths) != 1:
                raise UsageError(f"Reading {path}: found part of a series, expected a file that holds a whole scan.")
            yield path, reader.load(series).result()


def feeds_of(paths: Sequence[Path], manifest: Manifest, confirmed: Mapping[str, str] | None = None) -> Iterator[Feed]:
    """Yield what the model is fed for each scan that calibrates it, prepared as for an examination.

    Parameters
    ----------
    confirmed : mapping, optional
        What a person vouches for where the files do not tell; see `edge.check.confirm_scan`.

    Raises
    ------
    UsageError
        There is no scan, or the pack would refuse one of them: it is no example of what the model will see.
    """
    if not paths:
        raise UsageError("Calibrating: there is no scan to calibrate with.")
    item = _only_input(manifest)
    for path, untold in scans_of(paths):
        scan, _ = confirm_scan(untold, confirmed or {})
        said = [notice for notice in check_scan(scan, item.accepts) if notice.severity == "refuse"]
        if said:
            raise _unfit(path, said)
        for feed in prepare({item.name: scan}, manifest):
            yield feed.tensors


def measure(
    scans: LabelledSet,
    manifest: Manifest,
    candidates: Sequence[Candidate],
    progress: Progress,
    *,
    thresholds: Mapping[str, Mapping[str, Threshold]] | None = None,
    limits: Sequence[float] = (),
    confirmed: Mapping[str, str] | None = None,
) -> dict[str, Measured]:
    """Return what each candidate says of each scan, by the candidate's name.

    Every scan is read once and seen by all candidates in turn, so that their times compare.

    Parameters
    ----------
    scans : LabelledSet
        With masks where the task is segmentation and overlaps are wanted.
    candidates : sequence of Candidate
        The reference first: whatever goes wrong with it ends the measurement, while another one's problem is told.
    thresholds : mapping, optional
        By candidate's name, then by label; the manifest's where there are none. They matter for masks alone.
    limits : sequence of float
        Thresholds at which the Dice of every label is wanted.
    confirmed : mapping, optional
        As for `feeds_of`.

    Raises
    ------
    UsageError
        The pack would refuse a scan, or a mask is not as large as its scan.
    ReadError
        A scan cannot be read.
    EngineError
        The reference cannot be run, or gives no number.
    """
    _only_input(manifest)
    with ExitStack() as stack:
        told = thresholds or {}
        seen = [
            _Seen(item, _model(item, manifest, told.get(item.name)), manifest, limits, stack) for item in candidates
        ]
        masks = _masks_of(scans)
        for number, (path, untold) in enumerate(scans_of(scans.paths), start=1):
            scan, _ = confirm_scan(untold, confirmed or {})
            truths = {label: next(masks) for label in scans.masks}
            for each in seen:
                each.see(path, scan, truths, must=each is seen[0])
            progress.count(number, len(scans.paths), "scans")
        return {item.name: each.measured() for item, each in zip(candidates, seen, strict=True)}


def _only_input(manifest: Manifest) -> Input:
    """The one input of a pack; tables and folders name one scan at a time."""
    if len(manifest.inputs) != 1:
        names = ", ".join(item.name for item in manifest.inputs)
        raise UsageError(
            f"Measuring {manifest.name}: found the inputs {names}, expected one: packs of several scans are not judged"
            " or calibrated with scans yet, and may be architecture-only."
        )
    return manifest.inputs[0]


def _masks_of(scans: LabelledSet) -> Iterator[tuple[Path, Scan] | None]:
    """Every scan's masks, in the order of the labels; None where there is no mask."""
    flat = [masks[index] for index in range(len(scans.paths)) for masks in scans.masks.values()]
    read = scans_of([path for path in flat if path is not None])
    for path in flat:
        yield None if path is None else next(read)


class _Seen:
    """A candidate at work, and what it has said so far."""

    def __init__(
        self, item: Candidate, model: Model, manifest: Manifest, limits: Sequence[float], stack: ExitStack
    ) -> None:
        labels = answers_of(manifest.task)
        self._manifest, self._model = manifest, model
        self._limited = [replace(model, thresholds=_all_at(model, limit)) for limit in limits]
        self._scores: dict[str, list[float]] = {label: [] for label in labels}
        self._overlaps: dict[str, list[Overlap]] = {label: [] for label in labels}
        self._dice_at: dict[str, list[list[float]]] = {label: [] for label in labels}
        self._seconds: list[float] = []
        self._raw: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._problem: EngineError | None = None
        self._engine: _Recorded | None = None
        try:
            apart = EngineApart(item.engine, item.onnx, precision=item.precision, threads=usable_cores())
            stack.callback(apart.close)
            self._engine = _Recorded(apart)
        except EngineError as error:
            self._problem = error

    def see(self, path: Path, scan: Scan, truths: Truths, *, must: bool) -> None:
        """Examine one scan; with `must`, a problem is an error."""
        if self._engine is not None and not self._problem:
            try:
                self._see(path, scan, truths, self._engine)
            except EngineError as error:
                self._problem = error
        if must and self._problem is not None:
            words = f"Measuring the reference with {path}: {self._problem.message}"
            raise EngineError(words, self._problem.reason) from self._problem

    def _see(self, path: Path, scan: Scan, truths: Truths, engine: _Recorded) -> None:
        engine.seconds = 0.0
        said = _examined(path, scan, self._manifest, self._model, engine)
        self._seconds.append(engine.seconds)
        for label, value in answers(said).items():
            self._scores[label].append(value)
        task = self._manifest.task
        if isinstance(task, ClassificationTask) and task.map_output:
            self._raw.append((engine.seen[task.output], engine.seen[task.map_output]))
        if truths:
            for label, one in _overlaps(said, truths, path).items():
                self._overlaps[label].append(one)
            # Of windows only the last one's outputs are remembered: the others are run again.
            again = engine if isinstance(task, SegmentationTask) and task.windows else _Replayed(engine)
            at = [_overlaps(_examined(path, scan, self._manifest, m, again), truths, path) for m in self._limited]
            for label in truths:
                self._dice_at[label].append([each[label].dice for each in at])

    def measured(self) -> Measured:
        """Return what it said."""
        if self._engine is None or self._problem is not None:
            return Measured(problem="" if self._problem is None else _in_words(self._problem))
        told = len(self._raw) > 1  # of one scan alone, any map has the mean that its score asks for
        logits, maps = (np.concatenate(each) for each in zip(*self._raw, strict=True)) if told else (None, None)
        whole = {label: Overlaps.of(items) for label, items in self._overlaps.items() if items}
        return Measured(
            scores={label: np.array(values) for label, values in self._scores.items()},
            overlaps=whole,
            dice_at={label: np.array(self._dice_at[label]).T for label in whole},
            engine_version=self._engine.facts.version,
            latency_ms=float(np.median(self._seconds)) * 1000,
            peak_bytes=self._engine.apart.peak_bytes(),
            maps=None if logits is None or maps is None else check_maps(logits, maps),
        )


class _Recorded:
    """An engine in its own process whose last outputs are remembered; fulfils `edge.engines.Engine`."""

    def __init__(self, apart: EngineApart) -> None:
        self.apart = apart
        self.facts, self.inputs, self.outputs = apart.facts, apart.inputs, apart.outputs
        self.seen: dict[str, NDArray[Any]] = {}
        self.seconds = 0.0

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.seen = self.apart.infer(feeds)
        self.seconds += self.apart.last_seconds
        return self.seen

    def close(self) -> None:
        self.apart.close()


class _Replayed:
    """An engine that gives once more what another one gave last; fulfils `edge.engines.Engine`."""

    def __init__(self, recorded: _Recorded) -> None:
        self._recorded = recorded
        self.facts, self.inputs, self.outputs = recorded.facts, recorded.inputs, recorded.outputs

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        return self._recorded.seen

    def close(self) -> None:
        """Nothing of its own to close."""


def _in_words(error: EngineError) -> str:
    return f"{error.reason.code}: {error.reason.words} {error.message}"


def _examined(path: Path, scan: Scan, manifest: Manifest, model: Model, engine: Engine) -> Findings:
    findings = examine({manifest.inputs[0].name: scan}, manifest, model, engine).findings
    if isinstance(findings, Refusal):
        raise _unfit(path, findings.notices)
    return findings


def _overlaps(said: Findings, truths: Truths, path: Path) -> dict[str, Overlap]:
    """How the masks of a segmentation meet the true ones."""
    if not isinstance(said, Segmentation):
        raise TypeError(f"comparing masks with what {type(said).__name__} found")
    found = {}
    for index, region in enumerate(said.regions):
        mask = said.mask(index)
        told = truths[region.name]
        truth = np.zeros_like(mask) if told is None else _mask(*told, said.grid, path)
        found[region.name] = overlap(mask, truth, said.grid)
    return found


def _mask(file: Path, scan: Scan, grid: Grid, of: Path) -> Mask:
    """The voxels of a mask's file that are not 0, if it lies where its scan lies."""
    mask = np.asarray(scan.voxels != 0)
    if mask.shape != grid.shape:
        raise UsageError(f"Comparing with the mask {file}: found {mask.shape}, expected {grid.shape} as in {of}.")
    places = (scan.grid.space, grid.space)
    if places == ("patient", "patient") and not np.allclose(scan.grid.matrix, grid.matrix, atol=0.01):
        raise UsageError(f"Comparing with the mask {file}: it lies elsewhere in the patient than {of}. Resample it.")
    return mask


def _model(item: Candidate, manifest: Manifest, thresholds: Mapping[str, Threshold] | None) -> Model:
    """The manifest's entry for a candidate."""
    undecided = manifest.models[0]
    own = undecided.thresholds if thresholds is None else thresholds
    return replace(undecided, precision=item.precision, file=item.file, engines=(item.engine,), thresholds=own)


def _all_at(model: Model, limit: float) -> dict[str, Threshold]:
    return {label: replace(threshold, value=limit) for label, threshold in model.thresholds.items()}


def _unfit(path: Path, notices: Sequence[Notice]) -> UsageError:
    said = "; ".join(f"{notice.reason.code}: {notice.reason.words} {notice.detail}" for notice in notices)
    hint = f" {HEADLESS}" if any(notice.reason in SILENT for notice in notices) else ""
    return UsageError(f"Measuring with {path}: the pack refuses this scan: {said}{hint}")
