"""What models say of labelled scans, through the whole runtime, as `edgerun infer` would run it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convert.cam import check_maps
from convert.cases import Case
from convert.collect import Collector, Seen, Thresholds, Truth, collector_of
from convert.familiar import OUTPUT
from convert.familiar_limits import of_likeness, of_one
from convert.labels import LabelledSet
from convert.measured import Candidate, Measured
from convert.reading import Feed, case_words, examinations_of, feeds_of, scans_of, unfit
from edge.check.familiar import Likeness
from edge.device import usable_cores
from edge.engines import ENGINES, Engine
from edge.engines.apart import EngineApart
from edge.errors import EngineError, ReadError
from edge.findings import Findings, Refusal
from edge.pack.golden import answers
from edge.pack.manifest import ClassificationTask, Manifest, Model, Threshold
from edge.pack.tasks import answers_of
from edge.pipeline import examine
from edge.scan import Scan
from edge.truth.boxes import FLOOR

__all__ = ["Candidate", "Feed", "Measured", "Progress", "feeds_of", "measure", "scans_of"]


class Progress(Protocol):
    """Who is told how it goes."""

    def __call__(self, words: str) -> None:
        """Hear what is being done now, or what came of it."""

    def count(self, done: int, total: int, what: str) -> None:
        """Hear how much of it is done."""


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
        With masks, boxes or landmarks where the task is to be compared with them.
    candidates : sequence of Candidate
        The reference first: whatever goes wrong with it ends the measurement, while another one's problem is told.
    thresholds : mapping, optional
        By candidate's name, then by label; the manifest's where there are none. They matter for masks and for the
        answers of golden cases.
    limits : sequence of float
        Thresholds at which the Dice of every label is wanted.
    confirmed : mapping, optional
        As for `convert.reading.examinations_of`.

    Raises
    ------
    UsageError
        The pack would refuse a scan, a mask is not as large as its scan, or a box or a landmark lies beyond it.
    ReadError
        A scan cannot be read, or the scans of an examination cannot be brought together.
    EngineError
        The reference cannot be run, or gives no number.
    """
    told = thresholds or {}
    with ExitStack() as stack:
        models = [_model(item, manifest, told.get(item.name)) for item in candidates]
        floor = min([FLOOR, *(item.value for model in models for item in model.thresholds.values())])
        seen = [
            _Runner(item, model, manifest, collector_of(manifest, model, scans, limits=limits, floor=floor), stack)
            for item, model in zip(candidates, models, strict=True)
        ]
        truths = _truths_of(scans)
        read = examinations_of(scans.cases, manifest.inputs, confirmed)
        for number, (case, of_inputs) in enumerate(read, start=1):
            truth = next(truths)
            for each in seen:
                each.see(case, of_inputs, truth, must=each is seen[0])
            progress.count(number, len(scans.paths), "scans")
        return {item.name: each.measured() for item, each in zip(candidates, seen, strict=True)}


def _truths_of(scans: LabelledSet) -> Iterator[Truth]:
    """What is true of each scan; masks are read one after the other."""
    flat = [masks[index] for index in range(len(scans.paths)) for masks in scans.masks.values()]
    read = scans_of([path for path in flat if path is not None])
    for index in range(len(scans.paths)):
        yield Truth(
            masks={label: None if masks[index] is None else next(read) for label, masks in scans.masks.items()},
            boxes=scans.boxes[index] if scans.boxes else (),
            landmarks=scans.landmarks[index] if scans.landmarks else None,
        )


def _opened(item: Candidate) -> EngineApart:
    """Where an engine refuses what was not prepared, it is prepared first."""
    told = functools.partial(EngineApart, item.engine, item.onnx, precision=item.precision, threads=usable_cores())
    return told(opener="edge.engines:open_prepared") if ENGINES[item.engine].device else told()


class _Runner:
    """A candidate at work, and what it has said so far."""

    def __init__(
        self, item: Candidate, model: Model, manifest: Manifest, collector: Collector | None, stack: ExitStack
    ) -> None:
        self._manifest, self._model, self._collector = manifest, model, collector
        self._scores: dict[str, list[float]] = {label: [] for label in answers_of(manifest.task)}
        self._seconds: list[float] = []
        self._raw: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._likeness: list[Mapping[str, float]] = []
        self._problem: EngineError | None = None
        self._engine: _Recorded | None = None
        try:
            apart = _opened(item)
            stack.callback(apart.close)
            self._engine = _Recorded(apart)
            if not any(spec.name == OUTPUT for spec in apart.outputs):  # a file that was made elsewhere
                self._model = replace(model, familiar=None)
        except EngineError as error:
            self._problem = error

    def see(self, case: Case, scans: Mapping[str, Scan], truth: Truth, *, must: bool) -> None:
        """Examine one patient's scans; with `must`, a problem is an error."""
        if self._engine is not None and not self._problem:
            try:
                self._see(case, scans, truth, self._engine)
            except EngineError as error:
                self._problem = error
        if must and self._problem is not None:
            words = f"Measuring the reference with {case_words(case)}: {self._problem.message}"
            raise EngineError(words, self._problem.reason) from self._problem

    def _see(self, case: Case, scans: Mapping[str, Scan], truth: Truth, engine: _Recorded) -> None:
        engine.seconds, engine.runs = 0.0, 0
        said, likeness = _examined(case, scans, self._manifest, self._model, engine)
        self._likeness += [] if likeness is None else [of_one(likeness)]
        self._seconds.append(engine.seconds)
        for label, value in answers(said).items():
            self._scores[label].append(value)
        task = self._manifest.task
        if isinstance(task, ClassificationTask) and task.map_output:
            self._raw.append((engine.seen[task.output], engine.seen[task.map_output]))
        if self._collector is None:
            return
        # Of windows only the last one's outputs are remembered: the others are run again.
        replayed = _Replayed(engine) if engine.runs == 1 else engine

        def again(thresholds: Thresholds) -> Findings:
            return _examined(case, scans, self._manifest, replace(self._model, thresholds=thresholds), replayed)[0]

        self._collector.see(Seen(path=case[0], scans=scans, said=said, truth=truth, again=again))

    def measured(self) -> Measured:
        """Return what it said."""
        if self._engine is None or self._problem is not None:
            return Measured(problem="" if self._problem is None else _in_words(self._problem))
        told = len(self._raw) > 1  # of one scan alone, any map has the mean that its score asks for
        logits, maps = (np.concatenate(each) for each in zip(*self._raw, strict=True)) if told else (None, None)
        measured = Measured(
            scores={label: np.array(values) for label, values in self._scores.items()},
            engine_version=self._engine.facts.version,
            latency_ms=float(np.median(self._seconds)) * 1000,
            peak_bytes=self._engine.apart.peak_bytes(),
            maps=None if logits is None or maps is None else check_maps(logits, maps),
            likeness=of_likeness(self._likeness),
        )
        return measured if self._collector is None else self._collector.into(measured)


class _Recorded:
    """An engine in its own process whose last outputs are remembered; fulfils `edge.engines.Engine`."""

    def __init__(self, apart: EngineApart) -> None:
        self.apart = apart
        self.facts, self.inputs, self.outputs = apart.facts, apart.inputs, apart.outputs
        self.seen: dict[str, NDArray[Any]] = {}
        self.seconds, self.runs = 0.0, 0

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.seen = self.apart.infer(feeds)
        self.seconds += self.apart.last_seconds
        self.runs += 1
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


def _examined(
    case: Case, scans: Mapping[str, Scan], manifest: Manifest, model: Model, engine: Engine
) -> tuple[Findings, Likeness | None]:
    try:
        examination = examine(scans, manifest, model, engine)
    except ReadError as error:
        raise ReadError(f"Measuring with {case_words(case)}: {error.message}", error.reason) from error
    findings = examination.findings
    if isinstance(findings, Refusal):
        raise unfit(case[0], findings.notices)
    return findings, examination.likeness


def _model(item: Candidate, manifest: Manifest, thresholds: Mapping[str, Threshold] | None) -> Model:
    """The manifest's entry for a candidate."""
    undecided = manifest.models[0]
    own = undecided.thresholds if thresholds is None else thresholds
    same = (each for each in manifest.models if each.file == item.file and item.engine in each.engines)
    told = next(same, undecided)
    return replace(
        undecided,
        precision=item.precision,
        file=item.file,
        engines=(item.engine,),
        thresholds=own,
        familiar=told.familiar,
    )
