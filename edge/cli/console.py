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

from edge.findings import LabelScore, Region, State
from edge.results import Tally
from edge.scan import LeftOut
from edge.site.named import site_lines, threshold_word
from edge.words import ENGLISH, message, say, speaking
from edge.write import REPORT
from edge.write.files import mapped
from edge.write.report import (
    DISCLAIMER,
    NEEDS_A_READER,
    NOTHING_LOOKED_FOR,
    BoxReport,
    DetectionReport,
    FindingsReport,
    LeftOutReport,
    ResultReport,
    StudyReport,
    looked_for,
    to_json,
    vouched,
)
from edge.write.spoken import result_spoken
from edge.write.words import (
    box_words,
    listed,
    map_words,
    probability_words,
    region_words,
    registration_words,
    scored,
    seen_alone_words,
    tile_words,
    translation_words,
)

if TYPE_CHECKING:
    from typing_extensions import Self

WORDS: dict[State, str] = {
    "finding": message("FINDING"),
    "uncertain": message("UNCERTAIN"),
    "no-finding": message("no finding"),
    "done": message("DONE"),
    "not-analysed": message("NOT ANALYSED"),
    "failed": message("FAILED"),
}
LEFT_OUT = message("left out")
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
    language : str
        Of what is said of results.
    """

    def __init__(self, *, json: bool, out: Path, language: str = ENGLISH) -> None:
        self.tally = Tally()
        self._language = language
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
        with speaking(self._language):
            self._say_last()

    def _say_last(self) -> None:
        for report in (*self._kept_back, *self._warned[:MOST_WARNED]):
            self._say_briefly(report)
        if more := self._warned[MOST_WARNED:]:
            told = say("{count} more studies with warnings: {codes}", count=len(more), codes=_counted(more))
            _say_of("no-finding", told)
        if self._total > 1:
            where = f" {say('Results are in {folder}.', folder=self._out)}" if self.tally.studies else ""
            _say(f"{self.tally.words(self._total)}{where}")
        if self._total:
            _say(say(DISCLAIMER))

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
        with speaking(self._language):
            for out in left_out[:MOST_LEFT_OUT]:
                _say(f"{say(LEFT_OUT):12}  {_short(out.paths[0])}: {out.reason.code}: {say(out.reason.words)}")
            if len(left_out) > MOST_LEFT_OUT:
                more = say("{count} more files that are no scans", count=len(left_out) - MOST_LEFT_OUT)
                _say(f"{say(LEFT_OUT):12}  {more}")
        if studies > 1 and sys.stderr.isatty():
            from typer import progressbar

            self._bar = progressbar(length=studies, label=f"{studies} studies", file=sys.stderr).__enter__()

    def ran(self, done: int, total: int) -> None:
        """Tell how far a volume is and how long the rest may take, on a terminal; see `edge.pipeline.Watcher`."""
        now = time.monotonic()
        if done == 1:
            self._started = now
        if self._bar is not None or not sys.stderr.isatty():
            return
        left = (now - self._started) / max(done - 1, 1) * (total - done)
        words = f"about {left:.0f} s left" if 1 < done < total else ""
        print(f"\r{done} of {total} runs {words:24}", end="", file=sys.stderr, flush=True)
        if done == total:
            _say("")

    def noted(self, words: str) -> None:
        """Say something of the whole run; see `edge.pipeline.Watcher`."""
        _say(f"{'note':12}  {words}")

    def show(self, report: StudyReport) -> None:
        """Show one study's report."""
        self.tally.add(report)
        if self._json:
            with mapped(Path("standard output")):
                print(to_json(report), flush=True)
        if self._total == 1 or self._bar is None:
            with speaking(self._language):
                (self._say_in_full if self._total == 1 else self._say_briefly)(report)
        else:
            self._bar.update(1)
            if report.state != "no-finding":
                self._kept_back.append(report)
            elif any(result.warnings for result in report.results):
                self._warned.append(report)

    def _say_briefly(self, report: StudyReport) -> None:
        for result in report.results:
            where = say("in {folder}", folder=report.folder)
            _say_of(result.state, f"{_path(result)}: {_brief(result_spoken(result))} ({where})")
        for out in report.left_out:
            _say_left_out(out)

    def _say_in_full(self, report: StudyReport) -> None:
        for result in report.results:
            _say_of(result.state, _path(result))
            for line in _lines(result_spoken(result)):
                _say(f"{'':12}  {line}")
        for out in report.left_out:
            _say_left_out(out)
        if not report.results:
            _say_of(report.state, report.summary)
        _say(f"{'':12}  {self._out / report.folder / REPORT}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _say_of(state: State, words: str) -> None:
    _say(f"{say(WORDS[state]):12}  {words}")


def _say_left_out(out: LeftOutReport) -> None:
    _say(f"{say(LEFT_OUT):12}  {_paths(out.paths)}: {out.reason.code}: {say(out.reason.words)}")


def _counted(reports: Sequence[StudyReport]) -> str:
    """How many of some studies come with each warning, the most frequent first."""
    codes = Counter(
        code for report in reports for code in {item.code for result in report.results for item in result.warnings}
    )
    ranked = sorted(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    return say(", ").join(say("{code} in {count}", code=code, count=count) for code, count in ranked)


def _path(result: ResultReport) -> str:
    return _paths([source.path for source in result.scan.sources])


def _paths(paths: Sequence[str]) -> str:
    if not paths:
        return say("(no file)")
    first = _short(paths[0])
    return say("{file} and {count} more", file=first, count=len(paths) - 1) if len(paths) > 1 else first


def _short(path: str) -> str:
    """The path as seen from where the command was called, if it lies below."""
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here)


def _said(result: ResultReport) -> list[str]:
    """What the model said, a phrase for each label, and where nothing was looked for, that."""
    found = result.findings
    if found is None:
        return []
    return [*_phrases(found, result), *([] if looked_for(found) else [say(NOTHING_LOOKED_FOR)])]


def _phrases(found: FindingsReport, result: ResultReport) -> list[str]:
    if found.kind == "classification":
        scores = [_score(item, threshold_word(result.site, item.name)) for item in found.labels]
        likeliest = max(found.labels, key=lambda item: (item.positive and item.finding, item.uncertain, item.score))
        return scores + tile_words(found, likeliest.name) + map_words(found)
    if found.kind == "registration":
        return registration_words(found)
    if found.kind == "translation":
        return translation_words(found)
    if found.kind == "detection":
        return _boxes(found, result)
    return [region_words(region, result.scan.grid) + _urgency(region) for region in found.regions]


def _score(item: LabelScore, called: str) -> str:
    likely = [probability_words(item)] if item.probability is not None else []
    words = say(", ").join([*likely, scored(item.score, item.threshold, called)])
    doubt = f"{say(', ')}{say(NEEDS_A_READER)}" if item.uncertain else ""
    return say("{title}: {words}", title=item.title, words=words) + _urgency(item) + doubt


def _boxes(found: DetectionReport, result: ResultReport) -> list[str]:
    """A phrase for each box, the surest first; where there is none, what was looked for."""
    if not found.boxes:
        sought = looked_for(found)
        return [say("no box; looked for {titles}", titles=listed(sought)) if sought else say("no box")]
    return [box_words(box, result.scan.grid) + _urgency(box) for box in found.boxes]


def _urgency(item: LabelScore | Region | BoxReport) -> str:
    """How urgent it is, and by which rule of the pack."""
    rule = f" ({item.urgency_reason})" if item.urgency_reason else ""
    return f"{say(', ')}{say(item.urgency)}{rule}" if item.urgency else ""


def _brief(result: ResultReport) -> str:
    reasons = result.reasons
    phrases = _said(result) + [f"{item.code}: {item.words}" for item in reasons]
    warned = [say("warning {code}", code=item.code) for item in result.warnings]
    return say("; ").join(phrases + warned)


def _lines(result: ResultReport) -> list[str]:
    reasons = result.reasons
    lines = [f"{item.code}: {item.words} {item.detail} {item.action}" for item in reasons]
    lines += _said(result)
    if result.seen is not None:
        lines.append(seen_alone_words(result.seen))
    lines += site_lines(result)
    if result.confirmed:
        lines.append(say("Vouched for by a person: {what}", what=vouched(result)))
    for item in result.warnings:
        lines.append(f"{say('Warning {code}: {words}', code=item.code, words=item.words)} {item.action}")
    lines += [say("Note: {note}", note=note) for note in result.notes]
    if result.findings is not None and result.pack is not None:
        lines.append(f"{result.pack.title}: {result.pack.intended_use}")
    return lines
