"""The whole road of `edgerun-convert`: from a model, its description and labelled scans to a judged pack."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from convert.assemble import sha256_of
from convert.build import MAX_STEPS, PRECISIONS, Built, Plan, build
from convert.cam import cam_problem, insert_cam
from convert.candidates import FP32
from convert.cases import Case, atlases, hash_of, read_cases
from convert.describe import Description, check_fits, to_manifest
from convert.document import FORMAT, VERSION, Conversion, PackNamed, Run
from convert.familiar_rule import FamiliarRule
from convert.familiar_step import with_familiar, with_undecided
from convert.labels import LabelledSet, read_labels
from convert.looks import with_look
from convert.measure import Progress, feeds_of
from convert.optimise import optimise
from convert.outputs import Place, assemble
from convert.quantise import Method
from convert.sources import load_source
from convert.sources.contract import Source
from convert.tune import Labelled, undecided
from convert.work import Work, tool_versions
from edge.device import machine_name
from edge.engines import available_engines
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Model, Precision, tensor_shapes
from edge.typed import dump

WORK = "unfinished-work"
MAP = "cam"
COMPARED = 8
"""So many real scans are run by the network and its export, beside the seeded ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The scans of a conversion; see `edgerun-convert build --help`.

    Parameters
    ----------
    calibrate : Path, optional
        A file, or a folder of any depth; or a table that names them, which a pack with several inputs needs.
    learnt : Path, optional
        Scans such as the model learnt from, from which it is learnt what is usual, as those that calibrate, which show
        it where there are no others.
    evaluate, tune : Path, optional
        Tables.
    evaluate_words, tune_words : str
        What the tables are called in evidence; by their files' names where empty.
    golden : tuple of Path
        Files that may travel with the pack; of a pack with several inputs, tables as those that calibrate.
    confirmed : mapping
        What a person vouches for in all scans, where their files do not tell, as `edgerun infer --confirm` has it.
    """

    calibrate: Path | None = None
    learnt: Path | None = None
    evaluate: Path | None = None
    tune: Path | None = None
    evaluate_words: str = ""
    tune_words: str = ""
    golden: tuple[Path, ...] = ()
    confirmed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How to go about it.

    Parameters
    ----------
    insert_map : bool
        Whether a net that ends in global pooling and a linear layer gets its class activation map.
    """

    method: Method = "minmax"
    precisions: tuple[Precision, ...] = PRECISIONS
    max_steps: int = MAX_STEPS
    insert_map: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What `travel` is asked for.

    Parameters
    ----------
    pack : Path, optional
        Folder of the pack, where it is not to be below `out` under its own name.
    """

    model: str
    weights: Path | None
    description: Description
    sets: Sets
    out: Path
    ways: Ways = field(default_factory=Ways)
    pack: Path | None = None


def travel(road: Road, progress: Progress) -> Conversion:
    """Write the pack, its conversion report and its model card below ``road.out``; return what the report tells.

    An earlier run that was interrupted is gone on with; what it had done lies in a folder below ``road.out`` that is
    removed once all is written.

    Raises
    ------
    edge.errors.UsageError
        The description, the sets or the model cannot be used; the message says which, and what to do.
    edge.errors.EdgerunError
        A scan cannot be read, or a model cannot be run.
    """
    clock = _Clock()
    work = Work(road.out / WORK)
    if road.sets.evaluate is not None:
        _labelled(road.description, road.sets)  # a mistake in a table is told before anything is exported
    with clock("export"):
        source = exported(road, work, progress)
    description, onnx, notes = with_map(road.description, source, insert=road.ways.insert_map)
    onnx, simpler = optimised(onnx)
    notes += simpler
    with clock("familiar"):
        learnt = _cases(road.sets.learnt or road.sets.calibrate, description)
        plan, told_of = with_familiar(plan_of(description, onnx, road.sets, road.ways), description, learnt, work)
    notes += told_of
    for note in notes:
        progress(note)
    with clock("candidates and gate"):
        built = build(plan, progress, work)
    with clock("look"):
        description, built = with_look(description, plan, built, learnt, progress)
    conversion = told(description, built, source.origin, (*source.notes, *notes), clock)
    place = Place(out=road.out, pack=road.pack or road.out / description.name)
    assemble(description, conversion, built.files, road.sets.golden, place, progress)
    if work.found:
        progress(f"taken from an earlier run: {', '.join(dict.fromkeys(work.found))}")
    work.drop()
    return conversion


def exported(road: Road, work: Work, progress: Progress) -> Source:
    """Return the model as ONNX, compared with its source on real scans, from an earlier run where it was the same.

    A class of the user's own is code, of which no file's hash tells what it will do: it is exported every time.
    """
    files = [Path(road.model), *([road.weights] if road.weights else [])]
    shapes = {tensor: (1, *shape) for tensor, shape in tensor_shapes(road.description.inputs).items()}

    def load() -> Source:
        progress(f"loading {road.model}")
        source = load_source(road.model, weights=road.weights, example_shapes=shapes)
        check_fits(road.description, source.onnx)
        return replace(source, notes=(*source.notes, *_compared(source, road)), compare=None)

    if not all(file.is_file() for file in files):
        return load()
    key = {
        "files": [sha256_of(file.read_bytes()) for file in files],
        "description": dump(road.description),
        "scans": [hash_of(path) for case in _calibration(road.description, road.sets)[:COMPARED] for path in case],
    }
    return _loaded(work.kept("export", key, lambda: _dumped(load())))


def _dumped(source: Source) -> bytes:
    onnx = base64.b64encode(source.onnx).decode()
    return json.dumps({"onnx": onnx, "origin": source.origin, "notes": source.notes}).encode()


def _loaded(kept: bytes) -> Source:
    document = json.loads(kept)
    onnx = base64.b64decode(document["onnx"])
    return Source(onnx=onnx, origin=document["origin"], notes=tuple(document["notes"]))


def _compared(source: Source, road: Road) -> list[str]:
    """What the network that it is from says of some of the scans that calibrate."""
    some = _calibration(road.description, road.sets)[:COMPARED]
    if source.compare is None or not some:
        return []
    draft = to_manifest(road.description, [_undecided(road.description, source.onnx)])
    return [source.compare(list(feeds_of(some, draft, road.sets.confirmed)))]


def _calibration(description: Description, sets: Sets) -> tuple[Case, ...]:
    return _cases(sets.calibrate, description)


def _cases(path: Path | None, description: Description) -> tuple[Case, ...]:
    return read_cases(path, description.inputs) if path else ()


def with_map(
    description: Description, source: Source, *, insert: bool = True
) -> tuple[Description, bytes, tuple[str, ...]]:
    """Return description and model with a class activation map where the net allows one, and what was done."""
    task = description.task
    if not isinstance(task, ClassificationTask) or task.map_output is not None or not insert:
        return description, source.onnx, ()
    problem = cam_problem(source.onnx, task.output, name=MAP)
    if problem is not None:
        return description, source.onnx, (f"There is no class activation map. {problem}",)
    note = f"The class activation map of {task.output!r} was added as the output {MAP!r}."
    changed = replace(description, task=replace(task, map_output=MAP))
    return changed, insert_cam(source.onnx, task.output, name=MAP), (note,)


def optimised(onnx: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the model simplified, or as it is where it is none that `convert.optimise` takes, and why."""
    try:
        return optimise(onnx), ()
    except UsageError as error:
        return onnx, (f"It was not simplified. {error.message}",)


def plan_of(
    description: Description,
    onnx: bytes,
    sets: Sets,
    ways: Ways,
    given: Mapping[Precision, bytes] | None = None,
    engines: Sequence[str] = (),
) -> Plan:
    """Return what is to be built.

    Raises
    ------
    UsageError
        A trained model without scans to calibrate and judge with; see also `convert.labels.read_labels`.
    """
    trained = description.status == "trained"
    needed = {"--evaluate": sets.evaluate, "--calibrate": sets.calibrate if "int8" in ways.precisions else True}
    missing = [name for name, value in needed.items() if value is None]
    if trained and missing:
        raise UsageError(
            f"Building {description.name}: {' and '.join(missing)} is missing. A trained model is judged on labelled"
            " scans; for one that is not, the description's status is 'architecture-only'."
        )
    if not trained and sets.evaluate is not None:
        raise UsageError(
            f"Building {description.name}: found --evaluate, expected none: its status is 'architecture-only', and an"
            " untrained model is not judged."
        )
    tune, evaluate = _labelled(description, sets) if sets.evaluate is not None else (None, None)
    draft = to_manifest(description, [_undecided(description, onnx)])
    return Plan(
        draft=with_undecided(description.familiar, draft, onnx),
        onnx=onnx,
        calibrate=_calibration(description, sets),
        tune=tune,
        evaluate=evaluate,
        rules=description.thresholds,
        engines=tuple(engines) or available_engines(),
        precisions=ways.precisions,
        given=given,
        method=ways.method,
        max_steps=ways.max_steps,
        confirmed=sets.confirmed,
        familiar=description.familiar or FamiliarRule(),
    )


def _labelled(description: Description, sets: Sets) -> tuple[Labelled, Labelled]:
    """Where thresholds are chosen and where candidates are judged: two tables, or the halves of one."""
    if sets.evaluate is None:
        raise UsageError(f"Building {description.name}: there is no table to judge with.")
    evaluate = read_labels(sets.evaluate, description.task, description.inputs)
    name = sets.evaluate_words or sets.evaluate.name
    if sets.tune is not None:
        tune = read_labels(sets.tune, description.task, description.inputs)
        return Labelled(scans=tune, words=sets.tune_words or sets.tune.name), Labelled(scans=evaluate, words=name)
    first, second = halves(evaluate)
    if not first.paths or not second.paths:
        found = "scans of one patient alone" if evaluate.patients else "one scan"
        raise UsageError(f"Halving {sets.evaluate}: found {found}, expected several; or give a table with --tune.")
    return Labelled(scans=first, words=f"one half of {name}"), Labelled(scans=second, words=f"the other half of {name}")


def halves(scans: LabelledSet) -> tuple[LabelledSet, LabelledSet]:
    """Return two sets with every combination of truths shared out evenly, by the order of the hashes of names.

    Names are those of the patients where the set tells them, so that no patient is in both; else those of the files,
    below the folder that holds them all.
    """
    names = scans.patients or _names_of(scans)
    members: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        members.setdefault(name, []).append(index)
    kinds: dict[tuple[bool, ...], list[list[int]]] = {}
    for name in sorted(members, key=lambda each: hashlib.sha256(each.encode()).digest()):
        kinds.setdefault(_kind(scans, members[name]), []).append(members[name])
    first, second = (
        sorted(
            index
            for number, ones in enumerate(kinds.values())
            for together in ones[(start + number) % 2 :: 2]
            for index in together
        )
        for start in (0, 1)
    )
    return scans.among(first), scans.among(second)


def _names_of(scans: LabelledSet) -> tuple[str, ...]:
    """Each examination by its own files: an atlas tells nothing."""
    shared = atlases(scans.cases)
    own = [[path for path in case if path not in shared] for case in scans.cases]
    folders = [path.absolute().parent.parts for each in own for path in each]
    same = [one == other for one, other in zip(min(folders), max(folders), strict=False)]
    root = [*same, False].index(False)
    return tuple(" ".join("/".join(path.absolute().parts[root:]) for path in each) for each in own)


def _kind(scans: LabelledSet, of: Sequence[int]) -> tuple[bool, ...]:
    """What is true of any of the scans of one patient."""
    truths = [any(bool(truth[index]) for index in of) for truth in scans.truths.values()]
    masked = [any(masks[index] is not None for index in of) for masks in scans.masks.values()]
    named = sorted({box.label for each in scans.boxes for box in each})
    boxed = [any(box.label == label for index in of for box in scans.boxes[index]) for label in named]
    return (*truths, *masked, *boxed)


def _undecided(description: Description, onnx: bytes) -> Model:
    """The reference before anything is measured."""
    return Model(
        precision="fp32",
        file=FP32,
        sha256=sha256_of(onnx),
        engines=("onnxruntime",),
        verdict="reference",
        thresholds=undecided(description.thresholds),
    )


def told(
    description: Description, built: Built, origin: str, notes: Sequence[str], clock: _Clock | None = None
) -> Conversion:
    """Return the conversion report."""
    return Conversion(
        format=FORMAT,
        format_version=VERSION,
        pack=PackNamed(
            name=description.name,
            version=description.version,
            title=description.title,
            status=description.status,
            task=description.task.kind,
        ),
        origin=origin,
        notes=(*notes, *built.notes),
        machine=machine_name(),
        versions=tool_versions(),
        sets=built.sets,
        candidates=built.candidates,
        layers=built.layers,
        trails=built.trails,
        run=Run(
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=clock.seconds if clock else {},
            peak_bytes=_peak_bytes(),
        ),
    )


def _peak_bytes() -> int | None:
    """Most resident memory of this process (getrusage(2): kilobytes on Linux, bytes on macOS)."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - started, 3)
