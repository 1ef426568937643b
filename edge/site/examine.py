"""Cases -> what edgerun says of each, by the very way that a scan takes in the clinic."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from edge.errors import UsageError
from edge.findings import LabelScore
from edge.pipeline import Request, run
from edge.reasons import NOTHING_THERE, REASONS, Reason
from edge.scan import LeftOut
from edge.site.case import Case
from edge.site.meeting import Drawn, Outlined
from edge.site.named import SiteReport
from edge.write.report import LeftOutReport, ReasonReport, ResultReport, StudyReport, of_left_out, of_reason

RESULTS = "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What examined a case: two cases with other ones must not be taken together to set a threshold."""

    name: str
    version: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What came of a case.

    Parameters
    ----------
    case : Case
    key : str
        Of the study in its report; it holds no patient data. Empty where there is no report.
    labels : tuple of LabelScore
        Of a classification that has an answer.
    grade : str, optional
    reason : ReasonReport, optional
        Why there is no answer.
    refused : bool
        Whether it was refused; else, where there is no answer, it failed.
    engine : Engine, optional
    site : SiteReport, optional
    sex, age_years, device
        Of the scan's own header.
    result : ResultReport, optional
        Of an answer: all that was said.
    folder : Path, optional
        Where its files lie.
    outlined : mapping
        Of a segmentation, by name of label: those of which the truth is known. See `edge.site.outlines`.
    drawn : mapping
        Of a detection, by name of label: all of them. See `edge.site.boxes`.
    """

    case: Case
    key: str = ""
    labels: tuple[LabelScore, ...] = ()
    grade: str | None = None
    reason: ReasonReport | None = None
    refused: bool = False
    engine: Engine | None = None
    site: SiteReport | None = None
    sex: str | None = None
    age_years: float | None = None
    device: str | None = None
    result: ResultReport | None = None
    folder: Path | None = None
    outlined: Mapping[str, Outlined] = field(default_factory=dict)
    drawn: Mapping[str, Drawn] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether the model said anything of it."""
        return self.engine is not None


class Watch:
    """Says on a terminal how many scans are done, and passes on what is noted; see `edge.pipeline.Watcher`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._studies = 0
        self.left_out: tuple[LeftOut, ...] = ()

    def header(self, path: str) -> None:
        """Hear of a header."""

    def found(self, studies: int, left_out: Sequence[LeftOut]) -> None:
        """Hear how many studies there are, and keep what belongs to none."""
        self._studies = studies
        self.left_out = tuple(left_out)

    def ran(self, done: int, total: int) -> None:
        """Hear of a window."""

    def noted(self, words: str) -> None:
        """Say it."""
        print(f"note: {words}", file=self._stream)

    def done(self, studies: int) -> None:
        """Say how many studies are done."""
        if self._stream.isatty():
            end = "\n" if studies == self._studies else ""
            print(f"\r{studies} of {self._studies} studies examined", end=end, file=self._stream, flush=True)


def examine_cases(cases: Sequence[Case], request: Request, watch: Watch | None = None) -> tuple[Examined, ...]:
    """Examine every case, in the order of the table. What was finished before, for the same request, is not done again.

    Parameters
    ----------
    request : Request
        Its paths are replaced by those of the cases.

    Raises
    ------
    edge.errors.EdgerunError
        As `edge.pipeline.run`; a scan that cannot be examined is no error, its case says so.
    """
    watch = watch or Watch()
    found = _Results(cases, request.out)
    asked = replace(request, paths=tuple(case.path for case in cases))
    for number, report in enumerate(run(asked, watch), start=1):
        found.add(report)
        watch.done(number)
    for out in watch.left_out:
        found.lose(of_left_out(out), "")
    return found.examined()


class _Results:
    """Brings reports back to the rows that their files stand in."""

    def __init__(self, cases: Sequence[Case], out: Path) -> None:
        self._out = out
        self._cases = cases
        self._of_path = {str(case.path): index for index, case in enumerate(cases)}
        self._found: list[list[Examined]] = [[] for _ in cases]
        self._lost: dict[int, tuple[ReasonReport, str]] = {}

    def add(self, report: StudyReport) -> None:
        for result in report.results:
            for index in self._rows_of(source.path for source in result.scan.sources):
                examined = _examined(self._cases[index], report.study, result)
                self._found[index].append(replace(examined, folder=self._out / report.folder))
        for out in report.left_out:
            self.lose(out, report.study)

    def lose(self, out: LeftOutReport, key: str) -> None:
        for index in self._rows_of(out.paths):
            self._lost.setdefault(index, (out.reason, key))

    def examined(self) -> tuple[Examined, ...]:
        return tuple(self._one(index, found) for index, found in enumerate(self._found))

    def _rows_of(self, paths: Iterable[str]) -> list[int]:
        """The rows that name one of these files, or a folder that it lies in."""
        rows: dict[int, None] = {}
        for path in map(Path, paths):
            for place in (path, *path.parents):
                index = self._of_path.get(str(place))
                if index is not None:
                    rows[index] = None
        return list(rows)

    def _one(self, index: int, found: Sequence[Examined]) -> Examined:
        """Of a folder with several series, the one that was answered: more than one are no case of a table."""
        case = self._cases[index]
        answered = [each for each in found if each.answered]
        if len(answered) == 1:
            return answered[0]
        if answered:
            return Examined(case=case, key=answered[0].key, reason=_several(len(answered)))
        if found:
            return found[0]
        reason, key = self._lost.get(index, (_nothing(), ""))
        return Examined(case=case, key=key, reason=reason, refused=REASONS[reason.code].refuses)


def _examined(case: Case, key: str, result: ResultReport) -> Examined:
    found, engine = result.findings, result.engine
    acquisition = result.scan.acquisition
    if found is None or engine is None:
        reason = result.reasons[0] if result.reasons else _nothing()
        return Examined(case=case, key=key, reason=reason, refused=result.state == "not-analysed")
    return Examined(
        case=case,
        key=key,
        labels=found.labels if found.kind == "classification" else (),
        grade=found.grade if found.kind == "classification" else None,
        engine=Engine(name=engine.name, version=engine.version, precision=engine.precision),
        site=result.site,
        sex=acquisition.sex,
        age_years=acquisition.age_years,
        result=result,
    )


def unjudged(each: Examined, reason: Reason) -> Examined:
    """Return a case as one without an answer, as what is true of it cannot be compared with what was said."""
    return Examined(case=each.case, key=each.key, reason=of_reason(reason), refused=True)


def _nothing() -> ReasonReport:
    return ReasonReport(
        code=NOTHING_THERE.code, name=NOTHING_THERE.name, words=NOTHING_THERE.words, action="", detail=""
    )


def _several(count: int) -> ReasonReport:
    words = f"The row names {count} scans that each have an answer."
    return ReasonReport(code="", name="several-scans", words=words, action="Name one file in each row.", detail="")


def check_answers(cases: Sequence[Examined], pack: str) -> None:
    """Refuse to say anything of a pack that answered nothing.

    Raises
    ------
    UsageError
        With the reason of the first case.
    """
    if any(each.answered for each in cases):
        return
    first = cases[0]
    why = f" Line {first.case.row}: {first.reason.code}: {first.reason.words}" if first.reason else ""
    raise UsageError(f"Examining {len(cases)} scans with {pack}: none of them has an answer.{why}")
