"""What a run says to a person: calm words on stderr; on stdout only the data that were asked for."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from edge.findings import Region, State
from edge.results import Tally
from edge.scan import LeftOut
from edge.write import REPORT
from edge.write.report import (
    DISCLAIMER,
    NOTHING_LOOKED_FOR,
    DetectionReport,
    FindingsReport,
    LeftOutReport,
    ResultReport,
    StudyReport,
    looked_for,
    to_json,
    vouched,
)
from edge.write.words import (
    area_words,
    box_words,
    region_words,
    registration_words,
    seen_words,
    tile_words,
    translation_words,
)

if TYPE_CHECKING:
    from typing_extensions import Self

WORDS: dict[State, str] = {
    "finding": "FINDING",
    "no-finding": "no finding",
    "done": "DONE",
    "not-analysed": "NOT ANALYSED",
    "failed": "FAILED",
}
MOST_LEFT_OUT = 5
MOST_WARNED = 10
HEADERS_A_LINE = 100


class Console:
    """Shows a run as it goes; a context manager.

    One study is told in full. Of several, each gets a line; on a terminal a bar stands in for the lines of those
    without a finding, but for those that come with a warning: of many of these, the first, and the rest counted.

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
        self._headers = 0
        self._started = 0.0
        self._bar: Any = None
        self._kept_back: list[StudyReport] = []
        self._warned: list[StudyReport] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
        for report in (*self._kept_back, *self._warned[:MOST_WARNED]):
            self._say_briefly(report)
        if more := self._warned[MOST_WARNED:]:
            _say(f"{WORDS['no-finding']:12}  {len(more)} more studies with warnings: {_counted(more)}")
        if self._total > 1:
            where = f" Results are in {self._out}." if self.tally.studies else ""
            _say(f"{self.tally.words(self._total)}{where}")
        if self._total:
            _say(DISCLAIMER)

    def header(self, path: str) -> None:  # noqa: ARG002 - the number tells more than a name that flies past
        """Count the files whose headers are read, on a terminal; see `edge.pipeline.Watcher`."""
        self._headers += 1
        if self._headers % HEADERS_A_LINE == 0 and sys.stderr.isatty():
            print(f"\rReading headers: {self._headers} files", end="", file=sys.stderr, flush=True)

    def found(self, studies: int, left_out: Sequence[LeftOut]) -> None:
        """Say what was found; see `edge.pipeline.Watcher`."""
        if self._headers >= HEADERS_A_LINE and sys.stderr.isatty():
            _say("")
        self._total = studies
        for out in left_out[:MOST_LEFT_OUT]:
            _say(f"{'left out':12}  {_short(out.paths[0])}: {out.reason.code}: {out.reason.words}")
        if len(left_out) > MOST_LEFT_OUT:
            _say(f"{'left out':12}  {len(left_out) - MOST_LEFT_OUT} more files that are no scans")
        if studies > 1 and sys.stderr.isatty():
            self._bar = typer.progressbar(length=studies, label=f"{studies} studies", file=sys.stderr).__enter__()

    def ran(self, done: int, total: int) -> None:
        """Tell how far a volume is and how long the rest may take, on a terminal; see `edge.pipeline.Watcher`."""
        now = time.monotonic()
        if done == 1:
            self._started = now
        if self._bar is not None or not sys.stderr.isatty():
            return
        left = (now - self._started) / max(done - 1, 1) * (total - done)
        words = f"about {left:.0f} s left" if 1 < done < total else ""
        print(f"\r{done} of {total} windows {words:24}", end="", file=sys.stderr, flush=True)
        if done == total:
            _say("")

    def noted(self, words: str) -> None:
        """Say something of the whole run; see `edge.pipeline.Watcher`."""
        _say(f"{'note':12}  {words}")

    def show(self, report: StudyReport) -> None:
        """Show one study's report."""
        self.tally.add(report)
        if self._json:
            print(to_json(report), flush=True)
        if self._total == 1:
            self._say_in_full(report)
        elif self._bar is None:
            self._say_briefly(report)
        else:
            self._bar.update(1)
            if report.state != "no-finding":
                self._kept_back.append(report)
            elif any(result.warnings for result in report.results):
                self._warned.append(report)

    def _say_briefly(self, report: StudyReport) -> None:
        for result in report.results:
            _say(f"{WORDS[result.state]:12}  {_path(result)}: {_brief(result)} (in {report.folder})")
        for out in report.left_out:
            _say_left_out(out)

    def _say_in_full(self, report: StudyReport) -> None:
        for result in report.results:
            _say(f"{WORDS[result.state]:12}  {_path(result)}")
            for line in _lines(result):
                _say(f"{'':12}  {line}")
        for out in report.left_out:
            _say_left_out(out)
        if not report.results:
            _say(f"{WORDS[report.state]:12}  {report.summary}")
        _say(f"{'':12}  {self._out / report.folder / REPORT}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _say_left_out(out: LeftOutReport) -> None:
    more = f" and {len(out.paths) - 1} more" if len(out.paths) > 1 else ""
    _say(f"{'left out':12}  {_short(out.paths[0])}{more}: {out.reason.code}: {out.reason.words}")


def _counted(reports: Sequence[StudyReport]) -> str:
    """How many of some studies come with each warning, the most frequent first."""
    codes = Counter(
        code for report in reports for code in {item.code for result in report.results for item in result.warnings}
    )
    return ", ".join(
        f"{code} in {count}" for code, count in sorted(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def _path(result: ResultReport) -> str:
    sources = result.scan.sources
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"{_short(sources[0].path)}{more}" if sources else "(no file)"


def _short(path: str) -> str:
    """The path as seen from where the command was called, if it lies below."""
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here)


def _said(result: ResultReport) -> list[str]:
    """What the model said, a phrase for each label, and where nothing was looked for, that."""
    found = result.findings
    if found is None:
        return []
    return [*_phrases(found, result), *([] if looked_for(found) else [NOTHING_LOOKED_FOR])]


def _phrases(found: FindingsReport, result: ResultReport) -> list[str]:
    if found.kind == "classification":
        scores = [
            f"{item.title}: score {item.score:.2f}"
            + (f" (threshold {item.threshold:.2f})" if item.threshold is not None else "")
            + (f", {item.urgency}" if item.urgency else "")
            for item in found.labels
        ]
        likeliest = max(found.labels, key=lambda item: (item.positive and item.finding, item.score))
        return scores + tile_words(found, likeliest.name)
    if found.kind == "registration":
        return registration_words(found)
    if found.kind == "translation":
        return translation_words(found)
    if found.kind == "detection":
        return _boxes(found, result)
    return [_region(region, result) for region in found.regions]


def _region(region: Region, result: ResultReport) -> str:
    urgency = f", {region.urgency}" if region.urgency else ""
    if region.slices is not None:
        return f"{region_words(region, result.scan.grid)}{urgency}"
    area = f", {area_words(region.area_mm2)}" if region.area_mm2 else ""
    return f"{region.title}: {region.pixels} pixels{area}{urgency}"


def _boxes(found: DetectionReport, result: ResultReport) -> list[str]:
    """A phrase for each box, the surest first; where there is none, what was looked for."""
    if not found.boxes:
        sought = looked_for(found)
        return [f"no box; looked for {', '.join(sought)}" if sought else "no box"]
    return [box_words(box, result.scan.grid) + (f", {box.urgency}" if box.urgency else "") for box in found.boxes]


def _brief(result: ResultReport) -> str:
    reasons = result.reasons
    phrases = _said(result) + [f"{item.code}: {item.words}" for item in reasons]
    warned = [f"warning {item.code}" for item in result.warnings]
    return "; ".join(phrases + warned)


def _lines(result: ResultReport) -> list[str]:
    reasons = result.reasons
    lines = [f"{item.code}: {item.words} {item.detail} {item.action}" for item in reasons]
    lines += _said(result)
    if result.seen is not None:
        lines.append(f"Seen: {seen_words(result.seen)}, and nothing else of the scan.")
    if result.confirmed:
        lines.append(f"Vouched for by a person: {vouched(result)}")
    lines += [f"Warning {item.code}: {item.words} {item.action}" for item in result.warnings]
    lines += [f"Note: {note}" for note in result.notes]
    if result.findings is not None and result.pack is not None:
        lines.append(f"{result.pack.title}: {result.pack.intended_use}")
    return lines
