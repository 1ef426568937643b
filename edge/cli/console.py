"""What a run says to a person: calm words on stderr; on stdout only the data that were asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from edge.findings import State
from edge.results import Tally
from edge.scan import LeftOut
from edge.write import REPORT
from edge.write.report import ResultReport, StudyReport, to_json

if TYPE_CHECKING:
    from typing_extensions import Self

WORDS: dict[State, str] = {
    "finding": "FINDING",
    "no-finding": "no finding",
    "not-analysed": "NOT ANALYSED",
    "failed": "FAILED",
}
MOST_LEFT_OUT = 5


class Console:
    """Shows a run as it goes; a context manager.

    Parameters
    ----------
    json : bool
        Whether each report is printed on stdout as well.
    out : Path
        Where the results are written.
    """

    def __init__(self, *, json: bool, out: Path) -> None:
        self.tally = Tally()
        self._json = json
        self._out = out
        self._total = 0
        self._bar: Any = None
        self._kept_back: list[StudyReport] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
        for report in self._kept_back:
            self._say_study(report)
        if self._total > 1:
            self._say(f"{self.tally.words(self._total)} Results are in {self._out}.")

    def found(self, total: int, left_out: Sequence[LeftOut]) -> None:
        """Say what was found; see `edge.pipeline.run`."""
        self._total = total
        for out in left_out[:MOST_LEFT_OUT]:
            self._say(f"Left out {out.paths[0]} ({out.reason.code}: {out.reason.words})")
        if len(left_out) > MOST_LEFT_OUT:
            self._say(f"Left out {len(left_out) - MOST_LEFT_OUT} more files that are no scans.")
        if total > 1 and sys.stderr.isatty():
            self._bar = typer.progressbar(length=total, label=f"{total} studies", file=sys.stderr).__enter__()

    def show(self, report: StudyReport) -> None:
        """Show one study's report."""
        self.tally.add(report)
        if self._json:
            print(to_json(report), flush=True)
        if self._bar is None:
            self._say_study(report)
            return
        self._bar.update(1)
        if report.state != "no-finding":
            self._kept_back.append(report)

    def _say_study(self, report: StudyReport) -> None:
        for result in report.results:
            self._say_result(result)
        for out in report.left_out:
            self._say(f"{'left out':12}  {out.paths[0]} ({out.reason.code}: {out.reason.words})")
        if report.results:
            self._say(f"{'':12}  {self._out / report.folder / REPORT}")

    def _say_result(self, result: ResultReport) -> None:
        path = result.scan.sources[0].path if result.scan.sources else ""
        self._say(f"{WORDS[result.state]:12}  {path}")
        for line in _lines(result):
            self._say(f"{'':12}  {line}")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr)


def _lines(result: ResultReport) -> list[str]:
    reasons = result.refusals or ((result.failure,) if result.failure else ())
    lines = [f"{item.code}: {item.words} {item.detail} {item.action}" for item in reasons]
    found = result.findings
    if found is not None and found.kind == "classification":
        for label in found.labels:
            limit = "" if label.threshold is None else f" (threshold {label.threshold:.2f})"
            urgency = f", {label.urgency}" if label.urgency else ""
            lines.append(f"{label.title}: score {label.score:.2f}{limit}{urgency}")
    elif found is not None:
        for region in found.regions:
            area = "" if region.area_mm2 is None else f", {region.area_mm2:.0f} mm2"
            lines.append(f"{region.title}: {region.pixels} pixels{area}")
    lines += [f"Warning {item.code}: {item.words}" for item in result.warnings]
    lines += [f"Note: {note}" for note in result.notes]
    if found is not None:
        lines.append("Not for diagnosis: a clinician must read the picture.")
    return lines
