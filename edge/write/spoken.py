"""A result -> the same result with its words in the language that is spoken: titles of labels, reasons, what they mean.

The report itself stays English. What a reader noticed of a file and the detail of a reason stay so, too: they name
elements, values and files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from edge.findings import Classification, Detection, Detections, Findings, LabelScore, LookedFor, Region, Segmentation
from edge.words import ENGLISH, language_spoken, message, say, with_decimal_sign
from edge.write.report import (
    BoxReport,
    ClassificationReport,
    DetectionReport,
    FindingsReport,
    ReasonReport,
    ResultReport,
    SegmentationReport,
    score_meaning,
)

REASONS: Mapping[str, str] = {
    r"(?P<measure>\D+) (?P<value>\S+(?: \S+)?) reaches (?P<limit>.+), the pack's rule for (?P<urgency>\w+)": message(
        "{measure} {value} reaches {limit}, the pack's rule for {urgency}"
    ),
    r"(?P<measure>\D+) (?P<value>\S+(?: \S+)?) is below (?P<limit>.+), the pack's rule for (?P<urgency>\w+)": message(
        "{measure} {value} is below {limit}, the pack's rule for {urgency}"
    ),
    r"(?P<measure>.+) unknown, counted as (?P<limit>.+) or more, the pack's rule for (?P<urgency>\w+)": message(
        "{measure} unknown, counted as {limit} or more, the pack's rule for {urgency}"
    ),
}
"""Sentences of `edge.tasks.urgency.urgency_of`, which the report holds in English, and their words."""
MEASURES = (
    message("score"),
    message("volume"),
    message("area"),
    message("longest diameter"),
    message("longest side"),
)
Titled = TypeVar("Titled", LabelScore, Region, BoxReport, Detection, LookedFor)
Weighed = TypeVar("Weighed", LabelScore, Region, BoxReport)


def result_spoken(result: ResultReport) -> ResultReport:
    """Return a result with everything that the catalogues and its pack have words for in the language spoken."""
    if language_spoken() == ENGLISH:
        return result
    return replace(
        result,
        findings=None if result.findings is None else _report_spoken(result.findings, _titles(result)),
        refusals=tuple(reason_spoken(reason) for reason in result.refusals),
        failure=None if result.failure is None else reason_spoken(result.failure),
        warnings=tuple(reason_spoken(reason) for reason in result.warnings),
    )


def reason_spoken(reason: ReasonReport) -> ReasonReport:
    """Return a reason whose words and action are in the language spoken; code, name and detail are the same."""
    return replace(reason, words=say(reason.words), action=say(reason.action))


def urgency_reason_spoken(reason: str | None) -> str | None:
    """Return why a finding is as urgent as it is in the language spoken; what is no known sentence stays as it is."""
    for sentence, words in REASONS.items():
        if reason is not None and (found := re.fullmatch(sentence, reason)) is not None:
            told = {name: with_decimal_sign(text) for name, text in found.groupdict().items()}
            told |= {name: say(told[name]) for name in ("measure", "urgency")}
            return say(words, **told)
    return reason


def findings_spoken(findings: Findings | None, result: ResultReport) -> Findings | None:
    """Return findings with the titles that the pack has in the language spoken."""
    titles = _titles(result)
    if not titles or findings is None:
        return findings
    if isinstance(findings, Classification):
        return replace(findings, labels=_titled(findings.labels, titles))
    if isinstance(findings, Segmentation):
        return replace(findings, regions=_titled(findings.regions, titles))
    if isinstance(findings, Detections):
        return replace(findings, boxes=_titled(findings.boxes, titles), labels=_titled(findings.labels, titles))
    return findings


def _titles(result: ResultReport) -> Mapping[str, str]:
    return {} if result.pack is None or language_spoken() == ENGLISH else result.pack.titles


def _titled(items: tuple[Titled, ...], titles: Mapping[str, str]) -> tuple[Titled, ...]:
    return tuple(replace(item, title=titles.get(item.name, item.title)) for item in items)


def _report_spoken(found: FindingsReport, titles: Mapping[str, str]) -> FindingsReport:
    if isinstance(found, ClassificationReport):
        labels = _urgent(_titled(found.labels, titles))
        return replace(found, labels=labels, score_meaning=score_meaning(labels))
    if isinstance(found, SegmentationReport):
        return replace(found, regions=_urgent(_titled(found.regions, titles)))
    if isinstance(found, DetectionReport):
        return replace(found, boxes=_urgent(_titled(found.boxes, titles)), labels=_titled(found.labels, titles))
    return found


def _urgent(items: tuple[Weighed, ...]) -> tuple[Weighed, ...]:
    return tuple(replace(item, urgency_reason=urgency_reason_spoken(item.urgency_reason)) for item in items)
