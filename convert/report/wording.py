"""What things are called, and a verdict with what it rests on, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from convert.document import CandidateTold
from convert.gate.judge import ALL, Comparison, Judgement
from convert.report.figures import about, count, decimals, fixed
from convert.report.forest import in_margins

Word = Literal["reference", "passed", "rejected", "inconclusive", "not judged"]
Titles = Mapping[str, str]
"""By name of label: its title for people."""

METRICS: Mapping[str, str] = {
    "auc": "AUC",
    "brier": "Brier score",
    "brier-calibrated": "Brier score of the probability",
    "calibration-error-calibrated": "calibration error of the probability",
    "coverage-of-negatives": "right or left to a reader, of negatives",
    "coverage-of-positives": "right or left to a reader, of positives",
    "uncertain-share": "share left to a reader",
    "flips": "changed decisions",
    "kappa": "weighted kappa",
    "dice": "Dice",
    "hd95-mm": "95% Hausdorff distance in mm",
    "hd95-pixels": "95% Hausdorff distance in pixels",
    "volume-error": "error of the volume",
    "froc": "FROC",
    "false-positives": "false positives per scan",
    "target-registration-error": "target registration error in mm",
    "folded": "share of folded voxels",
}
AMONG: Mapping[str, str] = {"sensitivity": "positive", "specificity": "negative"}
"""The scans that a metric is over, where it is not all."""
MOST_NAMED = 3
"""Comparisons that the verdict's words name; the table shows all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict in words.

    Parameters
    ----------
    word : str
    qualified : str
        What belongs to the word itself, such as ``n too small``; may be empty.
    rests_on : tuple of str
        Sentences.
    """

    word: Word
    qualified: str = ""
    rests_on: tuple[str, ...]


def metric_title(metric: str) -> str:
    """Return a metric's name for people.

    Examples
    --------
    >>> metric_title("auc"), metric_title("calibration-error")
    ('AUC', 'calibration error')
    """
    return METRICS.get(metric, metric.replace("_", " ").replace("-", " "))


def label_title(titles: Titles, name: str) -> str:
    """Return a label's title; ``all`` stands for all labels together, and where there is none for every pair."""
    together = "all labels together" if titles else "all pairs of scans"
    return titles.get(name, together if name == ALL else name)


def scans_of(metric: str, n: int, say: Callable[[int], str] = count) -> str:
    """Return how many scans a metric is over, in words.

    Examples
    --------
    >>> scans_of("sensitivity", 1390)
    '1,390 positive scans'
    """
    return f"{say(n)} {AMONG.get(metric, '')} scans".replace("  ", " ")


def words_of(told: CandidateTold, titles: Titles, *, is_reference: bool) -> Verdict:
    """Return the verdict on a candidate with what it rests on."""
    judgement = told.judgement
    if judgement is None:
        return _unjudged(is_reference=is_reference)
    if judgement.verdict == "rejected":
        return Verdict(word="rejected", rests_on=tuple(_failures(judgement, titles)))
    if not judgement.comparisons:
        return Verdict(word=judgement.verdict, rests_on=("Nothing was compared.", *_skipped(judgement)))
    if judgement.verdict == "inconclusive":
        return Verdict(word="inconclusive", qualified="n too small", rests_on=tuple(_doubts(judgement, titles)))
    return Verdict(word="passed", rests_on=(_successes(judgement), *_skipped(judgement)))


def shortfall(row: Comparison) -> str:
    """Return what more scans would do for an inconclusive comparison, if its difference stayed what it is."""
    if row.n_needed is None:
        return "more scans would not make it pass"
    return f"about {scans_of(row.metric, row.n_needed, about)} needed"


def _unjudged(*, is_reference: bool) -> Verdict:
    if is_reference:
        return Verdict(word="reference", rests_on=("All others are compared with it.",))
    return Verdict(word="not judged", rests_on=("It was not compared with the reference on labelled scans.",))


def _successes(judgement: Judgement) -> str:
    rows = judgement.comparisons
    inside = sum(row.group != ALL for row in rows)
    most = max(row.n for row in rows)
    words = f"{_all_of(len(rows))} within {'its margin' if len(rows) == 1 else 'their margins'}"
    return f"{words}, over up to {count(most)} scans" + (f"; {count(inside)} of them in subgroups." if inside else ".")


def _all_of(n: int) -> str:
    return "The one comparison lies" if n == 1 else f"All {count(n)} comparisons lie"


def _failures(judgement: Judgement, titles: Titles) -> list[str]:
    found = [f"{problem.rstrip('.')}." for problem in judgement.problems]
    failed = [row for row in judgement.comparisons if row.verdict == "rejected"]
    failed.sort(key=lambda row: -in_margins(row.margin - row.room, row))
    found += _share_of(failed, judgement, "that lie beyond their margins")
    found += [f"{subject(row, titles)}: {_change(row)} ({scans_of(row.metric, row.n)})." for row in failed[:MOST_NAMED]]
    found += _more(failed)
    unsure = sum(row.verdict == "inconclusive" for row in judgement.comparisons)
    if unsure:
        found.append(f"Of the other comparisons, {count(unsure)} cannot be told with so few scans.")
    return found + _skipped(judgement)


def _doubts(judgement: Judgement, titles: Titles) -> list[str]:
    unsure = [row for row in judgement.comparisons if row.verdict == "inconclusive"]
    unsure.sort(key=lambda row: (row.n_needed is not None, -(row.n_needed or 0)))
    found = _share_of(unsure, judgement, "that can go either way")
    found += [
        f"{subject(row, titles)}: {scans_of(row.metric, row.n)} do not tell; {shortfall(row)}."
        for row in unsure[:MOST_NAMED]
    ]
    found += _more(unsure)
    if any(row.n_needed for row in unsure):
        found.append("So many are needed if the differences stay what they are.")
    return found + _skipped(judgement)


def _share_of(rows: Sequence[Comparison], judgement: Judgement, what: str) -> list[str]:
    return [f"Comparisons {what}: {count(len(rows))} of {count(len(judgement.comparisons))}."] if rows else []


def _more(rows: Sequence[Comparison]) -> list[str]:
    left = len(rows) - MOST_NAMED
    return [f"And {count(left)} more, in the table of comparisons."] if left > 0 else []


def _skipped(judgement: Judgement) -> list[str]:
    n = len(judgement.skipped)
    return [f"{count(n)} subgroup{'s' if n > 1 else ''} had too few scans to be judged."] if n else []


def subject(row: Comparison, titles: Titles) -> str:
    """Return what a comparison is about, beginning with a capital."""
    metric = metric_title(row.metric)
    group = "" if row.group == ALL else f", {row.group}"
    return f"{metric[0].upper()}{metric[1:]} of {label_title(titles, row.label)}{group}"


def _change(row: Comparison) -> str:
    places = decimals(row.margin)
    worse, allowed = fixed(row.margin - row.room, places), fixed(row.margin, places)
    if row.metric == "flips":
        return f"{worse} of the decisions differ from the reference's, where {allowed} is allowed"
    was, became = fixed(row.reference, places), fixed(row.candidate, places)
    return f"{was} with the reference, {became} here: {worse} worse, where {allowed} is allowed"
