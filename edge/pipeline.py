"""The whole story: scans are found, a pack is chosen, each scan is read, examined and reported. Start here.

    files -> read -> Scan -> check -> prepare -> engine -> task -> Findings -> write -> report

Reading happens in a process of its own (`edge.read`), so that a bad file ends nothing but itself. Everything that a
model needs to be told, the pack tells (`edge.pack`). What cannot be trusted is refused with a code (`edge.check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from edge.ahead import ahead
from edge.check import check_scan, confirm_scan
from edge.check.familiar import Likeness, measuring, said_of_likeness
from edge.check.found import said_of_findings, said_of_frames
from edge.check.output import said_of_output
from edge.choose import Choice, choose
from edge.clock import Clock
from edge.device import usable_cores
from edge.engines import Engine
from edge.errors import EngineError, PackError, ReadError
from edge.explain.ask import explain
from edge.findings import Findings, Notice, Refusal
from edge.models import Models
from edge.objects import objects_apart
from edge.options import Options
from edge.pack.manifest import Manifest, Model
from edge.pack.store import Pack
from edge.prepare import Feed, prepare
from edge.read import Pending
from edge.read.process import PREFETCH, Child
from edge.read.several import ScanReaders
from edge.reasons import ARCHITECTURE_ONLY, UNPROVEN_PRECISION
from edge.register.labels import said_of_labels
from edge.results import Asked, examined, not_examined, not_read, studies_in, study_report
from edge.roles import together
from edge.scan import LeftOut, Scan, Series, StudyIndex
from edge.tasks import Outputs, conclude
from edge.write import Outcome, finished_report, write_pictures, write_report
from edge.write import warm_up as warm_up_writers
from edge.write.report import StudyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `run` is asked to do.

    Parameters
    ----------
    paths : tuple of Path
        Files, or folders of any depth.
    out : Path
        Each study gets a folder below it.
    pack : str, optional
        Name or path; None chooses the installed pack that fits, if exactly one does.
    options : Options
        Where no engine is named, the one that `edgerun prepare` found, else the first one that the model is proven for.
    allow_slower : bool
        See `edge.ready.rule.Wish`.
    """

    paths: tuple[Path, ...]
    out: Path
    pack: str | None = None
    options: Options = field(default_factory=Options)
    allow_slower: bool = False


Ran = Callable[[int, int], None]

AHEAD_BYTES = 64 << 20
"""Of voxels that may be decoded, or wait to be written, beside the scan that is examined."""
DESKS = 4
"""Studies that are written at a time, at most: encoding and the disk take longer than many an inference."""


class Watcher(Protocol):
    """Who wants to know how far a run is."""

    def header(self, path: str) -> None:
        """Hear that the header of this file is read next."""

    def found(self, studies: int, left_out: Sequence[LeftOut]) -> None:
        """Hear, once, how many studies there are, and which files belong to none."""

    def ran(self, done: int, total: int) -> None:
        """Hear how many of its runs the model has done: over the windows of a volume, or to explain a score."""

    def noted(self, words: str) -> None:
        """Hear something of the whole run, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examination:
    """What came of a scan, and what must be said beside it."""

    findings: Findings | Refusal
    warnings: tuple[Notice, ...]
    likeness: Likeness | None = None


def run(request: Request, watcher: Watcher | None = None, child: Child | None = None) -> Iterator[StudyReport]:
    """Examine everything at the paths of `request`, yielding each study's report once its files are written.

    Parameters
    ----------
    watcher : Watcher, optional
    child : Child, optional
        The process that will read, where it has been started already: while it starts, its caller can import this.

    Raises
    ------
    edge.errors.EdgerunError
        What no other study could escape either: nothing to read, the pack, the engine, the output. A scan that
        cannot be read or examined is no such thing: its report says so.
    """
    clock = Clock()
    models = _models(request, watcher)
    cores = usable_cores()
    with (
        ScanReaders(most=cores, prefetch=PREFETCH, child=child) as readers,
        models,
        objects_apart(request.options.wanted.views),
        ThreadPoolExecutor(min(cores, DESKS), "edgerun-write") as desks,
    ):
        asked = readers.index(request.paths)
        with clock("open"):
            font = desks.submit(warm_up_writers(request.options.wanted))  # while the child reads the headers
            models.warm_up()
        with clock("index"):
            found = asked.result(watcher.header if watcher else None)
        font.result()
        studies = together(studies_in(found), request.options.roles)
        models.expect(len(studies))
        with clock("open"):
            models.warm_up()
        if watcher is not None:
            watcher.found(len(studies), [out for out in found.left_out if not out.reason.grave])
        turns = ahead(
            (_begin(study, request, models, readers) for study in studies), _weight, most=2 * cores, limit=AHEAD_BYTES
        )
        written = (_examine_study(turn, models, desks, clock, watcher) for turn, clock in _timed(turns, clock))
        for turn in ahead(written, _weight, most=min(cores, DESKS), limit=AHEAD_BYTES):
            yield turn.report.result()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """A study on its way: what of it will be examined, by what, and the scans that are being read for that.

    Parameters
    ----------
    scans : tuple of mappings
        One for each examination of `choice`, by name of the pack's input.
    bytes : int
        That its voxels take.
    report : Future of StudyReport
        Set once the study's folder is written. A study whose report is there already, for the very same files and
        request, is not examined again.
    """

    study: StudyIndex
    choice: Choice
    asked: Asked
    folder: Path
    scans: tuple[Mapping[str, Pending[Scan]], ...] = ()
    bytes: int = 0
    report: Future[StudyReport] = field(default_factory=Future)


def _begin(study: StudyIndex, request: Request, models: Models, readers: ScanReaders) -> Turn:
    """Choose the pack and the series of one study, and have these read."""
    options, named = request.options, request.pack is not None
    choice = choose(study, models.packs, options.confirmed, options.roles, named=named)
    asked = Asked.of(study, choice.pack, options)
    turn = Turn(study=study, choice=choice, asked=asked, folder=request.out / asked.folder)
    if (report := finished_report(turn.folder, asked.sha256)) is not None and not models.disown(report):
        turn.report.set_result(report)
        return turn
    scans = tuple({name: readers.load(series) for name, series in group.items()} for group in options.reading(choice))
    size = sum(series.bytes for group in choice.fitting for series in group.values())
    return replace(turn, scans=scans, bytes=size)


def _weight(turn: Turn) -> int:
    return turn.bytes


def _examine_study(
    turn: Turn, models: Models, desks: ThreadPoolExecutor, clock: Clock, watcher: Watcher | None
) -> Turn:
    """Examine the series of one study for which a pack is made, and have its folder written."""
    if turn.report.done():
        return turn
    study, choice, asked, folder = turn.study, turn.choice, turn.asked, turn.folder
    outcomes = [not_read(out, asked) for out in study.left_out if out.reason.grave]
    outcomes += [not_examined(series, notices, asked) for series, notices in choice.refused]
    ran = watcher.ran if watcher is not None else None
    if choice.pack is not None:
        pairs = zip(choice.fitting, turn.scans, strict=True)
        outcomes += [outcome_of(series, scans, choice.pack, asked, models, clock, ran) for series, scans in pairs]

    def write() -> StudyReport:
        with clock("write"):
            results = write_pictures(folder, outcomes, asked.options.wanted)
        return write_report(folder, study_report(study, choice, results, asked, clock.seconds))

    return replace(turn, scans=(), report=desks.submit(write))


def _timed(turns: Iterable[Turn], clock: Clock) -> Iterator[tuple[Turn, Clock]]:
    """Each study with a clock of its own; the first one's has run since the start."""
    for turn in turns:
        yield turn, clock
        clock = Clock()


def outcome_of(
    of_inputs: Mapping[str, Series],
    reads: Mapping[str, Pending[Scan]],
    pack: Pack,
    asked: Asked,
    models: Models,
    clock: Clock,
    ran: Ran | None,
) -> Outcome:
    """Take the scans of one examination, examine them, and say what came of it."""
    first = next(iter(of_inputs.values()))
    try:
        with clock("open"):
            model, engine = models.open(pack)
        with clock("read"):
            read = {name: scan.result() for name, scan in reads.items()}
        told = {name: confirm_scan(scan, asked.options.confirmed) for name, scan in read.items()}
        scans = {name: scan for name, (scan, _) in told.items()}
        vouched = {name: value for _, words in told.values() for name, value in words.items()}
        examination = _examined(scans, pack.manifest, model, engine, clock, ran)
        if (how := asked.options.explain) is not None:
            said = explain(how, (examination.findings, examination.warnings), scans, pack.manifest, engine, ran)
            examination = replace(examination, findings=said[0], warnings=said[1])
    except (ReadError, EngineError, PackError) as error:
        if isinstance(error, PackError) and models.named:
            raise  # no other study could escape it
        paths = tuple(path for series in of_inputs.values() for path in series.paths)
        return not_read(LeftOut(paths=paths, reason=error.reason, detail=error.message), asked, first)
    of_engine = () if isinstance(examination.findings, Refusal) else models.notices(pack)
    warnings = examination.warnings + of_engine
    outcome = examined(examination.findings, warnings, scans, engine.facts, asked, vouched, models.site(pack))
    return replace(outcome, result=replace(outcome.result, likeness=examination.likeness))


def _models(request: Request, watcher: Watcher | None) -> Models:
    """The models of a run; of a single file it is known already that it holds one study."""
    options, slower = request.options, request.allow_slower
    say = watcher.noted if watcher is not None else (lambda _: None)
    models = Models(request.pack, options.engine, options.precision, allow_slower=slower, say=say)
    if len(request.paths) == 1 and request.paths[0].is_file():
        models.expect(1)
    return models


def _examined(
    scans: Mapping[str, Scan], manifest: Manifest, model: Model, engine: Engine, clock: Clock, ran: Ran | None
) -> Examination:
    """What came of scans that were read; what cannot be prepared is refused, and its picture shown."""
    try:
        return examine(scans, manifest, model, engine, clock, ran)
    except ReadError as error:
        if not error.reason.refuses:
            raise
        unfit = Notice(reason=error.reason, severity="refuse", detail=error.message)
        return Examination(findings=Refusal(notices=(unfit,)), warnings=())


def examine(
    scans: Mapping[str, Scan],
    manifest: Manifest,
    model: Model,
    engine: Engine,
    clock: Clock | None = None,
    ran: Ran | None = None,
) -> Examination:
    """Check the scans of one patient, prepare them, run the model and conclude: the heart of edgerun.

    Parameters
    ----------
    scans : mapping
        By name of the manifest's input.
    ran : callable, optional
        See `Watcher.ran`.

    Raises
    ------
    edge.errors.EngineError
        The engine failed, or gave what is no answer.
    edge.errors.PackError
        The pack contradicts itself.
    edge.errors.ReadError
        A scan cannot be prepared for this model, or a region of a slide cannot be read.
    """
    clock = clock or Clock()
    with clock("check"):
        noted = (note for item in manifest.inputs for note in check_scan(scans[item.name], item.accepts))
        said = tuple(dict.fromkeys(noted)) + said_of_frames(scans, manifest) + said_of_labels(scans, manifest)
    if model.verdict == "inconclusive":
        said += (Notice(reason=UNPROVEN_PRECISION, severity="warn", detail=f"Precision {model.precision}."),)
    warnings = tuple(note for note in said if note.severity == "warn")
    refusals = tuple(note for note in said if note.severity == "refuse")
    if refusals:
        return Examination(findings=Refusal(notices=refusals), warnings=warnings)
    seen: dict[str, float] = {}
    like: list[Likeness] = []
    results = _run_model(_noting(prepare(scans, manifest), seen), engine, clock, ran)
    with clock("conclude"):
        findings = conclude(measuring(results, manifest, model, like), scans, manifest, model)
    if manifest.status == "architecture-only":  # it has run, which is all that it is for
        untrained = Notice(reason=ARCHITECTURE_ONLY, severity="refuse", detail=f"Pack {manifest.name}.")
        return Examination(findings=Refusal(notices=(untrained,)), warnings=warnings)
    likeness = like[0] if like else None
    if unfit := said_of_likeness(likeness, "refuse") + said_of_output(findings):
        return Examination(findings=Refusal(notices=unfit), warnings=warnings, likeness=likeness)
    warnings += said_of_likeness(likeness, "warn") + said_of_findings(findings, seen, manifest)
    return Examination(findings=findings, warnings=warnings, likeness=likeness)


def _noting(feeds: Iterable[Feed], seen: dict[str, float]) -> Iterator[Feed]:
    """Pass on the feeds, noting in `seen` how much of each scan they show."""
    for feed in feeds:
        seen.update(feed.seen)
        yield feed


def _run_model(feeds: Iterable[Feed], engine: Engine, clock: Clock, ran: Ran | None) -> Iterator[tuple[Feed, Outputs]]:
    """Feed by feed, as the task asks for them, so that a volume never lies in memory whole."""
    for number, feed in enumerate(clock.each("prepare", feeds), start=1):
        with clock("infer"):
            outputs = engine.infer(feed.tensors)
        if ran is not None and feed.window is not None:
            ran(number, feed.window.runs)
        yield feed, outputs
