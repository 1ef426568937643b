"""The way of a scan where everything is loaded already, as in the midst of a folder or in a station.

The steps are those of `edge.pipeline.run`, one study after the other: MLPerf's streams know the next query only when
the last is answered, so nothing can be begun ahead of its turn but the scans of one query. The answers are the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.bench.answered import check_examined, check_report, engine_of
from edge.bench.cases import Case
from edge.bench.measured import Query
from edge.check import confirm_scan
from edge.choose import Choice, choose
from edge.clock import Clock
from edge.engines import Engine
from edge.models import Models
from edge.options import Options
from edge.pack.manifest import Model
from edge.pack.store import AUTO, Pack
from edge.pipeline import outcome_of
from edge.read import Pending, ScanReader
from edge.read.process import PREFETCH
from edge.results import Asked, studies_in, study_report
from edge.roles import together
from edge.scan import Scan, StudyIndex
from edge.write import warm_up as warm_up_writers
from edge.write import write_pictures, write_report
from edge.write.report import StudyReport

if TYPE_CHECKING:
    from typing_extensions import Self


MANY = 1000
"""Scans, for which an engine may be the fastest that is not so for one (`edge.models.Models.expect`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is measured: a pack and how it is run, as `edgerun infer` is told."""

    pack: str
    engine: str | None = None
    precision: str = AUTO
    confirmed: Mapping[str, str] = field(default_factory=dict)

    def options(self, roles: Mapping[str, str] | None = None) -> Options:
        """Return how it is run; `roles` as in `edge.options.Options`."""
        return Options(engine=self.engine, precision=self.precision, confirmed=self.confirmed, roles=roles or {})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Turn:
    """A study whose scans are being read."""

    study: StudyIndex
    choice: Choice
    asked: Asked
    scans: tuple[Mapping[str, Pending[Scan]], ...]


class Warm:
    """A reader that has started and a model that is loaded; a context manager.

    Raises
    ------
    edge.errors.EdgerunError
        The pack or the engine cannot be used.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._models = Models(target.pack, target.engine, target.precision)
        self._reader = ScanReader(prefetch=PREFETCH)

    def __enter__(self) -> Self:
        try:
            load_font = warm_up_writers()
            self._models.expect(MANY)
            self._models.warm_up()
            load_font()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def pack(self) -> Pack:
        """The pack that is measured."""
        return self._models.packs[0]

    @property
    def loaded(self) -> tuple[Model, Engine]:
        """The model that was chosen, and the engine that runs it."""
        return self._models.open(self.pack)

    def ask(self, cases: Sequence[Case], out: Path) -> tuple[Query, list[StudyReport]]:
        """Examine some studies that come at once, and return how long it took until the last report was on the disk.

        Raises
        ------
        edge.errors.EdgerunError
            A scan could not be read or examined, or was refused.
        """
        clock, reports, started = Clock(), list[StudyReport](), time.perf_counter()
        for group in _groups(cases):
            turns = self._begin(group, clock)
            reports += [self._finish(turn, out, clock) for turn in turns]
        seconds = time.perf_counter() - started
        scans = sum(check_report(report) for report in reports)
        return Query(seconds=seconds, stages=clock.seconds, scans=scans, engine=engine_of(reports)), reports

    def scans_of(self, case: Case) -> tuple[Mapping[str, Scan], ...]:
        """Return the scans of each examination of a case, as they are before they are checked."""
        (turn,) = self._begin([case], Clock())
        return tuple(
            {name: confirm_scan(scan.result(), self._target.confirmed)[0] for name, scan in group.items()}
            for group in turn.scans
        )

    def _begin(self, cases: Sequence[Case], clock: Clock) -> list[_Turn]:
        """Find the studies, and ask for all of their scans: one is decoded while the one before is examined."""
        target, roles = self._target, {path: role for case in cases for path, role in case.roles.items()}
        with clock("index"):
            found = self._reader.index([path for case in cases for path in case.files]).result()
        turns = []
        for study in together(studies_in(found), roles):
            with clock("choose"):
                choice = choose(study, self._models.packs, target.confirmed, roles, named=True)
                check_examined(study, choice)
                asked = Asked.of(study, choice.pack, target.options(roles))
            groups = asked.options.reading(choice)
            scans = tuple({name: self._reader.load(s) for name, s in group.items()} for group in groups)
            turns.append(_Turn(study=study, choice=choice, asked=asked, scans=scans))
        return turns

    def _finish(self, turn: _Turn, out: Path, clock: Clock) -> StudyReport:
        pairs = zip(turn.choice.fitting, turn.scans, strict=True)
        outcomes = [outcome_of(of, scans, self.pack, turn.asked, self._models, clock, None) for of, scans in pairs]
        folder = out / turn.asked.folder
        with clock("write"):
            results = write_pictures(folder, outcomes)
            return write_report(folder, study_report(turn.study, turn.choice, results, turn.asked, clock.seconds))

    def _close(self) -> None:
        self._reader.close()
        self._models.__exit__(None, None, None)


def _groups(cases: Sequence[Case]) -> list[list[Case]]:
    """What can be asked for together: scans whose inputs are named would all be taken for one patient's."""
    return [[case] for case in cases] if any(case.roles for case in cases) else [list(cases)]
