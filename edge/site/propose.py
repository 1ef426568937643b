"""Examined cases of a site -> the thresholds that it may set, or why it must not set any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import cast

import numpy as np

from edge.errors import PackError, UsageError
from edge.options import Options
from edge.pack.manifest import ClassificationTask
from edge.pack.store import Pack, find_pack
from edge.pack.words import Precision
from edge.pipeline import Request
from edge.reasons import SITE_SCANS_UNFIT, TOO_FEW_LABELLED
from edge.site.case import Table
from edge.site.examine import RESULTS, Engine, Examined, check_answers, examine_cases
from edge.site.figures import area
from edge.site.judged import Judged, judged
from edge.site.kept import Share95, SiteLabel, SiteSet
from edge.site.logistic import calibration_of
from edge.site.table import read_table
from edge.site.threshold import (
    LEAST_NEGATIVES,
    each_patient,
    found_share,
    least_positives,
    rule_words,
    spared_share,
    threshold_for,
)

LOWEST, HIGHEST = 0.5, 0.99
MOST_LOST = 0.2
"""Of the rows: a threshold from what is left would be one for other scans than this site's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a site asks for.

    Parameters
    ----------
    sensitivity : float
    labels : tuple of str
        Names; empty: all that are findings.
    calibrated : bool
        Whether probabilities are wanted beside the threshold; they hold only where sick and healthy are as frequent
        as in the table.
    decided_by : str, optional
    """

    sensitivity: float
    labels: tuple[str, ...] = ()
    calibrated: bool = True
    decided_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The threshold that is in force, and what it does on the same patients."""

    threshold: float
    of_site: bool
    sensitivity: Share95
    specificity: Share95


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What may be set, and what was in force before, by name of label."""

    pack: str
    titles: dict[str, str]
    before: dict[str, Before]
    decided: SiteSet


def proposed(pack_name: str, labels: Path, out: Path, options: Options, wanted: Wanted) -> Proposal:
    """Examine the scans of a table with a pack and return the thresholds that they give.

    Raises
    ------
    UsageError
        What is wanted makes no sense for the pack; the table, as `edge.site.table.read_table`.
    PackError
        ``P412`` too few patients; ``P415`` too many scans without an answer, or a model that does not tell them apart.
    """
    pack = find_pack(pack_name)
    check_wanted(pack, wanted)
    table = read_table(labels, pack.manifest)
    request = Request(paths=(), out=out / RESULTS, pack=pack_name, options=options)
    return proposal(pack, table, examine_cases(table.cases, request), wanted)


def check_wanted(pack: Pack, wanted: Wanted) -> None:
    """Refuse what makes no sense, before anything is examined.

    Raises
    ------
    UsageError
    """
    name, task = pack.manifest.name, pack.manifest.task
    if not isinstance(task, ClassificationTask) or task.mode == "multi-class":
        kind = f"{task.mode} classification" if isinstance(task, ClassificationTask) else task.kind
        expected = "expected one for binary, multi-label or ordinal classification, whose threshold alone decides"
        raise UsageError(f"Calibrating {name}: found a pack for {kind}; {expected}.")
    if not LOWEST <= wanted.sensitivity <= HIGHEST:
        found = f"found a sensitivity of {wanted.sensitivity:g}"
        raise UsageError(f"Calibrating {name}: {found}, expected one from {LOWEST:g} to {HIGHEST:g}.")
    findings = [label.name for label in task.labels if label.finding]
    for label in wanted.labels:
        if label not in findings:
            raise UsageError(f"Calibrating {name}: found the label {label!r}, expected some of {', '.join(findings)}.")


def proposal(pack: Pack, table: Table, examined: Sequence[Examined], wanted: Wanted) -> Proposal:
    """Return the thresholds that examined cases give.

    Raises
    ------
    UsageError
        No case has an answer, or several engines gave them.
    PackError
        As of `proposed`.
    """
    check_answers(examined, pack.manifest.name)
    task = pack.manifest.task
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"calibrating a task of kind {task.kind}")
    engine = _engine(pack, examined)
    lost = sum(not each.answered for each in examined)
    if lost > MOST_LOST * len(examined):
        found = f"{lost} of {len(examined)} scans have no answer, more than {MOST_LOST:.0%}"
        raise PackError(f"Calibrating {pack.manifest.name}: {found}.", SITE_SCANS_UNFIT)
    known = {label.name: label for label in judged(examined, task)}
    names = wanted.labels or tuple(label.name for label in task.labels if label.finding)
    decided_utc = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
    labels = {name: _label(pack, name, known.get(name), wanted, decided_utc[:10]) for name in names}
    return Proposal(
        pack=pack.manifest.name,
        titles={name: known[name].title for name in names},
        before={name: _before(known[name]) for name in names},
        decided=_set(pack, table, examined, engine, labels, wanted, decided_utc),
    )


def _engine(pack: Pack, examined: Sequence[Examined]) -> Engine:
    engines = sorted(
        {(each.engine.name, each.engine.precision): each.engine for each in examined if each.engine}.items()
    )
    if len(engines) > 1:
        found = " and ".join(f"{engine.precision} on {engine.name}" for _, engine in engines)
        raise UsageError(
            f"Calibrating {pack.manifest.name}: found results of {found}; a threshold belongs to one of them. "
            "Choose it with --engine and --precision, or give a new folder with --out."
        )
    return engines[0][1]


def _label(pack: Pack, name: str, label: Judged | None, wanted: Wanted, day: str) -> SiteLabel:
    doing = f"Calibrating {pack.manifest.name} for {name}"
    empty = np.empty(0)
    positives, negatives = each_patient(label) if label is not None else (empty, empty)
    _check_enough(doing, positives.size, negatives.size, wanted.sensitivity)
    threshold = threshold_for(positives, negatives, wanted.sensitivity)
    if label is None or threshold is None:
        raise ValueError(f"{doing}: no threshold of {positives.size} patients.")
    found = area(label)
    if found.low is None or found.low <= 0.5:
        limits = f"AUC {found.value or 0:.3f}, 95% from {found.low or 0:.3f}; 0.5 is chance"
        raise PackError(f"{doing}: {limits}.", SITE_SCANS_UNFIT)
    calibration = calibration_of(label.truth, label.scores, f"scans of this site, {day}")
    if isinstance(calibration, str):
        raise PackError(f"{doing}: the scores do not rise with the truth: {calibration}.", SITE_SCANS_UNFIT)
    return SiteLabel(
        threshold=threshold,
        rule=rule_words(wanted.sensitivity),
        target=wanted.sensitivity,
        sensitivity=found_share(positives, threshold),
        specificity=spared_share(negatives, threshold),
        calibration=calibration if wanted.calibrated else None,
    )


def _check_enough(doing: str, positives: int, negatives: int, target: float) -> None:
    needed = least_positives(target)
    if positives >= needed and negatives >= LEAST_NEGATIVES:
        return
    raise PackError(
        f"{doing}: found {positives} patients with it and {negatives} without; a sensitivity of {target:g} cannot be "
        f"shown with fewer than {needed} with it, even if all are found, nor its cost with fewer than "
        f"{LEAST_NEGATIVES} without.",
        TOO_FEW_LABELLED,
    )


def _before(label: Judged) -> Before:
    if label.threshold is None:
        raise ValueError(f"the finding {label.name} has no threshold")
    positives, negatives = each_patient(label)
    site = label.cases[0].site
    return Before(
        threshold=label.threshold,
        of_site=site is not None and label.name in site.labels,
        sensitivity=found_share(positives, label.threshold),
        specificity=spared_share(negatives, label.threshold),
    )


def _set(
    pack: Pack,
    table: Table,
    examined: Sequence[Examined],
    engine: Engine,
    labels: dict[str, SiteLabel],
    wanted: Wanted,
    decided_utc: str,
) -> SiteSet:
    return SiteSet(
        pack_sha256=pack.sha256,
        precision=cast("Precision", engine.precision),
        engine=engine.name,
        engine_version=engine.version,
        software=f"edgerun {metadata.version('edgerun')}",
        decided_utc=decided_utc,
        decided_by=wanted.decided_by,
        table_sha256=table.sha256,
        rows=len(examined),
        refused=sum(each.refused for each in examined),
        failed=sum(not (each.answered or each.refused) for each in examined),
        labels=labels,
    )
