"""A report that was checked -> the same question asked again, in a folder that is thrown away -> a comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge.engines import EngineFacts
from edge.errors import EngineError, ReadError
from edge.options import Options
from edge.pipeline import Request, Watcher, run
from edge.reasons import SOURCE_CHANGED
from edge.replay.compare import Comparison, compare
from edge.replay.given import Given
from edge.write.report import StudyReport


def replay(
    given: Given, *, engine: str | None = None, precision: str | None = None, watcher: Watcher | None = None
) -> Comparison:
    """Make a result again and compare.

    The very request is made again, so that files which hold its number can be the same, too. Only where it would be
    run by something else by now (`edgerun prepare` has found another engine), what ran is named.

    Parameters
    ----------
    given : Given
    engine, precision : str, optional
        Of another engine, to see whether it decides alike; by default what ran.
    watcher : Watcher, optional

    Raises
    ------
    edge.errors.EdgerunError
        What ended the run; a study that the sources do not make any more is ``R349``.
    """
    report = _as_asked(given, watcher) if engine is None and precision is None else None
    if report is None:
        ran = _ran(given.report)
        options = replace(
            given.options,
            engine=engine or (ran.name if ran else given.options.engine),
            precision=precision or (ran.precision if ran else given.options.precision),
        )
        report = _again(given, options, watcher)
    return compare(given.report, report, given.pack.manifest, gone=given.gone)


def _as_asked(given: Given, watcher: Watcher | None) -> StudyReport | None:
    """The report that the same request gives here; None where it is not run by what ran."""
    try:
        report = _again(given, given.options, watcher)
    except EngineError:
        return None
    ran, runs = _ran(given.report), _ran(report)
    if ran is None or (runs is not None and (runs.name, runs.precision) == (ran.name, ran.precision)):
        return report
    return None


def _again(given: Given, options: Options, watcher: Watcher | None) -> StudyReport:
    with tempfile.TemporaryDirectory(prefix="edgerun-replay-") as out:
        request = Request(
            paths=tuple(_paths(given)), out=Path(out), pack=given.pack.path, options=options, allow_slower=False
        )
        reports = list(run(request, watcher))
    if len(reports) != 1:
        found = f"the sources make {len(reports)} studies, expected one"
        raise ReadError(f"Replaying the study {given.report.study}: {found}.", SOURCE_CHANGED)
    return reports[0]


def _ran(report: StudyReport) -> EngineFacts | None:
    """The engine of the results; one run has one for each pack."""
    return next((result.engine for result in report.results if result.engine is not None), None)


def _paths(given: Given) -> Iterator[Path]:
    """The sources where they lie now, then what lay beside them and was left out, as far as it is still there."""
    yield from given.places.values()
    yield from given.beside.values()
