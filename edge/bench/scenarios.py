"""The ways of asking, in MLPerf's words: each runs, is watched, and comes back as a `Scenario`.

``single-stream``, ``multi-stream`` and ``offline`` are those of the MLPerf Inference Rules, section "Scenarios", with
two differences: a sample is a whole scan and its way from the file to the report, not the model alone, and a run ends
after a number of queries or some time that the caller chooses, not after 600 seconds. ``cold-start`` and ``folder``
are what a person calls: ``edgerun infer`` in a new process.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.bench.answered import check_report, engine_of
from edge.bench.cases import Case, Cases, copied
from edge.bench.fresh import Command, call, stages_in
from edge.bench.measured import Limits, Query, Tell, repeat, stages_of
from edge.bench.nvidia import Nvml
from edge.bench.quantiles import PERCENTS, quantile_of
from edge.bench.report import Conditions, Energy, Scenario, ScenarioName
from edge.bench.warm import Target, Warm
from edge.bench.watch import Memory, Watch, Watched
from edge.pipeline import Request, run
from edge.write.files import mapped

COLD_STARTS = 10
CLOSE_LOOK_SECONDS = 0.02
"""Between two looks at a process that lives less than a second: on a run that is not timed."""
FEWEST_FOLDER, MOST_FOLDER = 4, 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What every scenario needs.

    Parameters
    ----------
    scratch : Path
        A folder of the bench's own, which it removes: nothing that is measured ends among a user's results.
    limits : Limits
        Of the streams.
    a_query : int
        Scans of a multi-stream query.
    idle_watts : mapping
        What the machine takes by itself, by source of energy.
    """

    target: Target
    cases: Cases
    scratch: Path
    limits: Limits
    a_query: int
    nvml: Nvml | None
    tell: Tell
    idle_watts: Mapping[str, float] = field(default_factory=dict)

    def watch(self, pid: int | None = None, seconds: float = 0.5) -> Watch:
        """Return a watch over this process, or over another, and what it starts."""
        return Watch(pid, seconds=seconds, nvml=self.nvml)

    def fresh(self, name: str) -> Path:
        """Return an empty folder in the scratch folder, in the place of an earlier one."""
        folder = self.scratch / name
        with mapped(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        return folder


def cold_start(ground: Ground) -> Scenario:
    """Time `edgerun infer` of one scan in a new process, again and again; the first time is not counted."""
    numbers = itertools.count()

    def ask(number: int, watch: Callable[[int], Watch] | None = None) -> Query:
        case = ground.cases.cases[number % len(ground.cases.cases)]
        out = ground.fresh("out") / str(next(numbers))
        return call(Command.of(ground.target, case, out), watch)

    watches = list[Watch]()

    def closely(pid: int) -> Watch:
        watches.append(ground.watch(pid, CLOSE_LOOK_SECONDS))
        return watches[-1]

    ask(0, closely)
    most = min(COLD_STARTS, ground.limits.most)
    with ground.watch() as watch:
        queries = repeat(ask, Limits(most=most, seconds=ground.limits.seconds), ground.tell)
    return _scenario("cold-start", 1, queries, watch.result(), ground, memory=watches[0].result().memory)


def folder(ground: Ground, seconds_a_scan: float) -> Scenario:
    """Time `edgerun infer` of a folder of copies of the scans, in a new process, once."""
    copies = copied(ground.cases, _many(ground, seconds_a_scan), ground.fresh("folder"))
    command = Command(
        target=ground.target, paths=(ground.scratch / "folder",), roles={}, out=ground.fresh("out") / "folder"
    )
    ground.tell(f"{len(copies)} studies")
    watches = list[Watch]()

    def watched(pid: int) -> Watch:
        watches.append(ground.watch(pid))
        return watches[-1]

    query = call(command, watched)
    return _scenario("folder", query.scans, [query], watches[0].result(), ground)


def single_stream(ground: Ground, warm: Warm) -> Scenario:
    """Time one scan after the other, each asked for as soon as the one before is answered."""
    ask = asker(ground, warm, [[case] for case in ground.cases.cases])
    with ground.watch() as watch:
        queries = repeat(ask, ground.limits, ground.tell)
    return _scenario("single-stream", 1, queries, watch.result(), ground)


def multi_stream(ground: Ground, warm: Warm) -> Scenario:
    """Time queries of several scans, each asked for as soon as the one before is answered."""
    copies = copied(ground.cases, ground.a_query, ground.fresh("copies"))[: ground.a_query]
    ask = asker(ground, warm, [copies])
    with ground.watch() as watch:
        queries = repeat(ask, ground.limits, ground.tell)
    return _scenario("multi-stream", queries[0].scans, queries, watch.result(), ground)


def offline(ground: Ground, seconds_a_scan: float) -> Scenario:
    """Time all scans at once, as `edge.pipeline.run` takes a folder, in this process; the model is loaded in it."""
    copied(ground.cases, _many(ground, seconds_a_scan), ground.fresh("folder"))
    target = ground.target
    request = Request(
        paths=(ground.scratch / "folder",),
        out=ground.fresh("out"),
        pack=target.pack,
        options=target.options(),
    )
    with ground.watch() as watch:
        started = time.perf_counter()
        reports = list(run(request))
        seconds = time.perf_counter() - started
    scans = sum(check_report(report) for report in reports)
    query = Query(seconds=seconds, stages=stages_in(reports), scans=scans, engine=engine_of(reports))
    return _scenario("offline", scans, [query], watch.result(), ground)


def asker(ground: Ground, warm: Warm, groups: Sequence[Sequence[Case]]) -> Callable[[int], Query]:
    """Return what asks the n-th query: the groups of cases in turn, each time with an empty folder for the answer."""

    def ask(number: int) -> Query:
        query, _ = warm.ask(groups[number % len(groups)], ground.fresh("out"))
        return query

    return ask


def conditions_of(watched: Watched) -> Conditions:
    """Return how the machine was while it was watched."""
    return Conditions(load=watched.load, mhz=watched.mhz, celsius=dict(watched.celsius), throttled=watched.throttled)


def energy_of(watched: Watched, scans: int, idle_watts: Mapping[str, float]) -> tuple[Energy, ...]:
    """Return what each source gave for one scan above what it gives when nothing runs.

    Parameters
    ----------
    scans : int
        That were examined while it was watched.
    idle_watts : mapping
        Sources without an idle figure are left out.
    """
    return tuple(
        Energy(
            name=name,
            joules_a_scan=(joules - idle_watts[name] * watched.seconds) / scans,
            watts=joules / watched.seconds,
            idle_watts=idle_watts[name],
        )
        for name, joules in watched.joules.items()
        if name in idle_watts
    )


def _many(ground: Ground, seconds_a_scan: float) -> int:
    """As many scans as fill half of the time, within reason."""
    fill = int(ground.limits.seconds / 2 / max(seconds_a_scan, 1e-3))
    return min(max(fill, FEWEST_FOLDER), MOST_FOLDER, max(ground.limits.most, FEWEST_FOLDER))


def _scenario(
    name: ScenarioName,
    a_query: int,
    queries: Sequence[Query],
    watched: Watched,
    ground: Ground,
    *,
    memory: Memory | None = None,
) -> Scenario:
    latencies = tuple(1e3 * query.seconds for query in queries)
    seconds, scans = sum(query.seconds for query in queries), sum(query.scans for query in queries)
    return Scenario(
        name=name,
        engine=queries[0].engine,
        scans_a_query=a_query,
        queries=len(queries),
        scans=scans,
        seconds=seconds,
        scans_an_hour=3600 * scans / seconds,
        latencies_ms=latencies,
        quantiles=tuple(quantile_of(latencies, p) for p in PERCENTS) if len(queries) > 1 else (),
        stages=stages_of(queries),
        memory=memory or watched.memory,
        energy=energy_of(watched, scans, ground.idle_watts),
        conditions=conditions_of(watched),
    )
