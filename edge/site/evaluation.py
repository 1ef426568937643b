"""What an evaluation found, as frozen types. Version 1: the JSON beside the page, and all that the page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.site.curves import Bin, Column, RocPoint
from edge.site.examine import Engine
from edge.site.figures import Figure
from edge.site.finds import BoxEvaluation
from edge.site.meeting import SizeUnit
from edge.site.named import SiteReport
from edge.site.structures import StructureEvaluation
from edge.site.subgroups import Subgroup
from edge.typed import dump
from edge.write.report import PackReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvaluation:
    """One label on the scans that have an answer and of which its truth is known.

    Parameters
    ----------
    threshold : float, optional
    threshold_of : {"pack", "site"}
    n, positives : int
    found, missed, false_alarms, spared : int
        At the threshold: with the label and said so, with it and not, without and said so, without and not.
    uncertain : int
        Of these, how many a reader was asked to look at.
    missed_rows, false_alarm_rows : tuple of int
        Lines of the table.
    lost_positives, lost_negatives : int
        With and without the label, of the rows that have no answer.
    figures : mapping
        By name.
    judged : {"probability", "score"}
        What the reliability is of.
    calibrated_on : str, optional
    """

    name: str
    title: str
    threshold: float | None
    threshold_of: Literal["pack", "site"]
    n: int
    positives: int
    found: int
    missed: int
    false_alarms: int
    spared: int
    uncertain: int
    missed_rows: tuple[int, ...]
    false_alarm_rows: tuple[int, ...]
    lost_positives: int
    lost_negatives: int
    figures: Mapping[str, Figure]
    roc: tuple[RocPoint, ...]
    judged: Literal["probability", "score"]
    calibrated_on: str | None
    reliability: tuple[Bin, ...]
    calibration_error: float
    scores: tuple[Column, ...]
    subgroups: tuple[Subgroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """The grades of an ordinal task: their agreement beyond chance, and how often which was said of which."""

    names: tuple[str, ...]
    kappa: Figure
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Rows that have no answer for one reason."""

    code: str
    words: str
    refused: bool
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineReport:
    """One structure of a case; see `edge.site.meeting.Outlined` and `edge.truth.overlap.Overlap`."""

    label: str
    present: bool
    said: bool
    dice: float
    hd95: float
    distance_unit: Literal["mm", "pixel"]
    volume_error: float
    size: float
    true_size: float
    unit: SizeUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxesReport:
    """The boxes of one label of a case: how many are there in truth, and how many are reported."""

    label: str
    true: int
    reported: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """A scan of the table: told by its line and by the key of its study alone."""

    row: int
    key: str
    state: Literal["answered", "refused", "failed"]
    code: str
    truth: Mapping[str, bool]
    scores: Mapping[str, float]
    said: tuple[str, ...]
    outlines: tuple[OutlineReport, ...] = ()
    boxes: tuple[BoxesReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How well a pack does on labelled scans of one site.

    Parameters
    ----------
    rows : int
        Scans of the table.
    patients : int, optional
        None where the table does not tell whose scans they are.
    site : SiteReport, optional
        Where thresholds of this site were in force.
    labels, grades
        Of a classification.
    structures : tuple of StructureEvaluation
        Of a segmentation.
    boxes : tuple of BoxEvaluation
        Of a detection.
    cautions : tuple of str
    """

    format: Literal["edgerun-evaluation"] = "edgerun-evaluation"
    format_version: Literal[1] = 1
    finished_utc: str
    pack: PackReport
    engines: tuple[Engine, ...]
    site: SiteReport | None
    table_sha256: str
    rows: int
    patients: int | None
    answered: int
    refused: int
    failed: int
    lost: tuple[Lost, ...]
    labels: tuple[LabelEvaluation, ...]
    grades: Grades | None
    cautions: tuple[str, ...]
    cases: tuple[CaseReport, ...]
    software: Mapping[str, str]
    task: Literal["classification", "segmentation", "detection"] = "classification"
    structures: tuple[StructureEvaluation, ...] = ()
    boxes: tuple[BoxEvaluation, ...] = ()


def to_json(found: Evaluation, *, indent: int | None = None) -> str:
    """Return the evaluation as one JSON document."""
    return json.dumps(dump(found), indent=indent, ensure_ascii=False)
