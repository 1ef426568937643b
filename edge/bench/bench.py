"""A whole bench: what is asked for goes in, the report comes out; nothing else is left behind."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.bench import scenarios
from edge.bench.cases import Cases, given, of_pack
from edge.bench.ceiling import Ceiling, bare_seconds, ceiling_of, feeds_of, in_turn
from edge.bench.compare import check_same_pack, compare
from edge.bench.described import described_machine, described_pack, described_scans, not_measured
from edge.bench.measured import Limits, Tell
from edge.bench.report import BenchReport, KnownAnswer, Scenario, Soak
from edge.bench.scenarios import Ground, asker
from edge.bench.soak import soak
from edge.bench.warm import Target, Warm
from edge.bench.watch import gpu_watcher
from edge.engines import Engine, EngineFacts
from edge.errors import PackError, UsageError
from edge.pack.golden import run_golden
from edge.pack.manifest import Model
from edge.pack.store import Pack, find_pack
from edge.reasons import GOLDEN_FAILED
from edge.write.files import mapped

CEILING = "ceiling"
NAMES = ("cold-start", "folder", "offline", "single-stream", "multi-stream", CEILING)
"""In the order in which they are measured; ``ceiling`` is the bare engine beside the whole way."""
IN_FOLDERS = ("folder", "offline")
ONE_PATIENT = "the pack needs several scans of a patient, named one by one, so there is no folder of many patients"
IDLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `measure` is asked to do.

    Parameters
    ----------
    paths : tuple of Path
        Scans; empty: the pack's golden cases, else phantoms.
    roles : mapping
        See `edge.roles`.
    names : tuple of str
        Of `NAMES`; empty: all.
    limits : Limits
        Of each stream.
    a_query : int
        Scans of a multi-stream query; 8 are MLPerf's.
    soak_minutes : float
        0: no soak.
    scratch_in : Path, optional
        Where the bench may have a folder of its own for a while: on the disk that results will be written to. None:
        the system's place for temporary files.
    earlier : BenchReport, optional
        To compare with.
    """

    target: Target
    paths: tuple[Path, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    limits: Limits
    a_query: int = 8
    soak_minutes: float = 0.0
    scratch_in: Path | None = None
    earlier: BenchReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Proof:
    """What the first, uncounted time has shown."""

    model: Model
    engine: EngineFacts
    known: tuple[KnownAnswer, ...]
    seconds_a_scan: float


def measure(asked: Asked, tell: Tell) -> BenchReport:
    """Measure what is asked for. Every scan is examined once, uncounted, before anything is timed.

    Raises
    ------
    edge.errors.EdgerunError
        A scan is refused or cannot be read, a known answer does not come out; the pack, the engine or the disk.
    """
    for name in asked.names:
        if name not in NAMES:
            raise UsageError(f"Choosing scenarios: found {name!r}, expected some of {', '.join(NAMES)}.")
    pack = find_pack(asked.target.pack)
    if asked.earlier is not None:
        check_same_pack(pack.manifest.name, pack.sha256, asked.earlier)
    with mapped(asked.scratch_in or Path(tempfile.gettempdir())):
        scratch = tempfile.TemporaryDirectory(prefix=".edgerun-bench-", dir=asked.scratch_in)
    with scratch as name:
        report = _measured(asked, pack, Path(name).resolve(), tell)
    return report if asked.earlier is None else replace(report, comparison=compare(report, asked.earlier))


def _measured(asked: Asked, pack: Pack, scratch: Path, tell: Tell) -> BenchReport:
    cases = _cases(asked, pack, scratch)
    nvml, no_gpu = gpu_watcher()
    ground = Ground(
        target=replace(asked.target, confirmed=cases.confirmed),
        cases=cases,
        scratch=scratch,
        limits=asked.limits,
        a_query=asked.a_query,
        nvml=nvml,
        tell=tell,
    )
    tell("every scan once, uncounted: ")
    proof = _prove(ground)
    ground = replace(ground, idle_watts=_idle_watts(ground))
    left_out = {name: ONE_PATIENT for name in IN_FOLDERS if name in asked.names and cases.by_name}
    names = [name for name in asked.names if name not in left_out]
    found = list(_fresh(ground, names, proof.seconds_a_scan))
    warm, ceiling, soaked = _warm(ground, names, asked.soak_minutes)
    return BenchReport(
        finished_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        arguments=_arguments(asked),
        pack=described_pack(pack, proof.model, proof.known),
        engine=proof.engine,
        origin=cases.origin,
        scans=described_scans(cases),
        confirmed=cases.confirmed,
        machine=described_machine(nvml),
        scenarios=tuple(found + warm),
        ceiling=ceiling,
        soak=soaked,
        comparison=None,
        left_out=left_out,
        not_measured=not_measured(found + warm, no_gpu),
    )


def _cases(asked: Asked, pack: Pack, scratch: Path) -> Cases:
    if asked.paths or asked.roles:
        return given((*asked.paths, *map(Path, asked.roles)), asked.roles, asked.target.confirmed)
    with mapped(scratch):
        (scratch / "cases").mkdir()
        return of_pack(pack, scratch / "cases", asked.target.confirmed)


def _prove(ground: Ground) -> _Proof:
    """See that every known answer comes out and that no scan is refused."""
    with Warm(ground.target) as warm:
        model, engine = warm.loaded
        known = _known_answers(warm.pack, model, engine)
        queries = [asker(ground, warm, [[case]])(0) for case in ground.cases.cases]
        return _Proof(
            model=model,
            engine=engine.facts,
            known=known,
            seconds_a_scan=min(query.seconds / query.scans for query in queries),
        )


def _known_answers(pack: Pack, model: Model, engine: Engine) -> tuple[KnownAnswer, ...]:
    results = run_golden(pack, model, engine)
    wrong = [f"{r.name} by {r.largest_difference:.4f}, allowed {r.tolerance:.4f}" for r in results if not r.passed]
    if wrong:
        said = f"Running {model.file} on {engine.facts.name} before measuring it: {'; '.join(wrong)}."
        raise PackError(said, GOLDEN_FAILED)
    return tuple(
        KnownAnswer(name=r.name, largest_difference=r.largest_difference, tolerance=r.tolerance) for r in results
    )


def _idle_watts(ground: Ground) -> dict[str, float]:
    """What the machine takes when nothing of this runs, by source; nothing is waited for where no source is."""
    with ground.watch() as watch:
        time.sleep(0.1)
    if not watch.result().joules:
        return {}
    ground.tell("what the machine takes when idle: ")
    with ground.watch() as watch:
        time.sleep(IDLE_SECONDS)
    watched = watch.result()
    return {name: joules / watched.seconds for name, joules in watched.joules.items()}


def _fresh(ground: Ground, names: Sequence[str], seconds_a_scan: float) -> Iterator[Scenario]:
    """What has processes, readers and models of its own."""
    if "cold-start" in names:
        ground.tell("cold-start: ")
        yield scenarios.cold_start(ground)
    if "folder" in names:
        ground.tell("folder: ")
        yield scenarios.folder(ground, seconds_a_scan)
    if "offline" in names:
        ground.tell("offline: ")
        yield scenarios.offline(ground, seconds_a_scan)


def _warm(ground: Ground, names: Sequence[str], minutes: float) -> tuple[list[Scenario], Ceiling | None, Soak | None]:
    """What goes through one reader and one model that stay loaded."""
    found: list[Scenario] = []
    ceiling = soaked = None
    if not minutes and not {"single-stream", "multi-stream", CEILING}.intersection(names):
        return found, ceiling, soaked
    with Warm(ground.target) as warm:
        asker(ground, warm, [ground.cases.cases])(0)
        if "single-stream" in names:
            ground.tell("single-stream: ")
            found.append(scenarios.single_stream(ground, warm))
        if "multi-stream" in names:
            ground.tell("multi-stream: ")
            found.append(scenarios.multi_stream(ground, warm))
        if CEILING in names:
            ground.tell("ceiling: ")
            ceiling = _ceiling(ground, warm)
        if minutes:
            ground.tell(f"soak, {minutes:g} minutes: ")
            soaked = soak(ground, warm, minutes)
    return found, ceiling, soaked


def _ceiling(ground: Ground, warm: Warm) -> Ceiling:
    """The first case alone, so that feeds of one size are kept ready and not of all."""
    case = ground.cases.cases[0]
    _, engine = warm.loaded
    feeds = feeds_of(warm.scans_of(case), warm.pack.manifest)
    ask = asker(ground, warm, [[case]])
    limits = replace(ground.limits, most=min(ground.limits.most, 200))
    return ceiling_of(
        in_turn(lambda number: ask(number).seconds, lambda _: bare_seconds(feeds, engine), limits, ground.tell)
    )


def _arguments(asked: Asked) -> dict[str, str]:
    """What was asked for, without any path, which could hold a patient's name."""
    return {
        "engine": asked.target.engine or "auto",
        "precision": asked.target.precision,
        "scenarios": ", ".join(asked.names),
        "most queries": str(asked.limits.most),
        "most seconds": f"{asked.limits.seconds:g}",
        "scans a multi-stream query": str(asked.a_query),
        "soak minutes": f"{asked.soak_minutes:g}",
    }
