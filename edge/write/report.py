"""The report: what `edgerun infer` says of a study, as frozen types. Version 1.

``report.json`` is the truth and every other file a view of it. The types are the format: the published schema
(``report.schema.json`` beside this file) is generated from them. Everything but ``run`` is the same for the same
scan, pack and engine, byte for byte; ``content_sha256`` covers all of that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edge.check.familiar import Likeness
from edge.detect.place import Edges, Point, Sizes
from edge.engines import EngineFacts
from edge.explain.told import Faithfulness
from edge.findings import LabelScore, LookedFor, Notice, Region, State, Tilewise, WarpedLabel
from edge.geometry import Grid
from edge.options import Options
from edge.pack.manifest import Code, Licence, Urgency
from edge.reasons import Reason
from edge.scan import Acquisition, LeftOut, Source, Stack
from edge.site.named import SiteReport
from edge.typed import dump
from edge.words import kept_in_order, message, say

DISCLAIMER = message("Not for diagnosis. A clinician must read the picture; the model can be wrong in both directions.")
UNCALIBRATED = message("Scores are uncalibrated: they rank pictures, they are no probabilities.")
CALIBRATED = message("Probabilities are calibrated on {}; where positives are rarer or more frequent, they are others.")
NEEDS_A_READER = message("uncertain: needs a reader")
SYNTHETIC = "SYNTHETIC"
NOTHING_LOOKED_FOR = message("Nothing was looked for: this is not 'no finding'.")
TOWARDS = "From each voxel's place to the place in the moving scan that belongs to it, along x, y and z of LPS."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonReport:
    """A stable code with its words, what to do, and what exactly was found."""

    code: str
    name: str
    words: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientReport:
    """Whose scan it is, as the file tells: (0010,0010), (0010,0020) and (0010,0030); null where it does not."""

    name: str | None
    number: str | None
    birth_date: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """Which scan this result is of. The patient stands here only where ``--identified`` asks for it.

    Where ``lengths_told`` is false, the unit of the grid's lengths is not known. ``decoded`` is the grid of what was
    seen of a picture that was decoded smaller than the file has it, which is what ``grid`` tells.
    """

    study_instance_uid: str | None
    series_instance_uid: str | None
    stack: Stack | None
    unit: str | None
    grid: Grid | None
    decoded: Grid | None = None
    lengths_told: bool = True
    acquisition: Acquisition
    sources: tuple[Source, ...]
    patient: PatientReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """Which model examined it. ``sha256`` is the manifest's, which pins every file of the pack.

    ``titles`` are those of labels in the language that was asked for, where the pack brings them; ``thresholds`` tell
    where the pack's own come from. Both are by name of label.
    """

    name: str
    version: str
    title: str
    sha256: str
    status: str
    intended_use: str
    limits: str
    licence: Licence
    titles: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceReport:
    """The one slice or frame of a scan that the model saw.

    Parameters
    ----------
    across : {"slice", "frame", "row", "column"}
        What is counted: a row or a column where the model saw a plane across the slices as they were acquired.
    index : int
        From 0.
    count : int
        How many there are.
    source, frame : int, optional
        Of a slice or frame: index into the scan's ``sources``, and the frame's number in that file, both from 0.
    """

    across: Literal["slice", "frame", "row", "column"]
    index: int
    count: int
    source: int | None
    frame: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationReport:
    """The labels of the whole scan; see `edge.findings.Classification`."""

    kind: Literal["classification"] = "classification"
    labels: tuple[LabelScore, ...]
    grade: str | None
    mapped: tuple[str, ...]
    tilewise: Tilewise | None = None
    score_meaning: str = UNCALIBRATED
    map_rule: str | None = None
    faithfulness: tuple[Faithfulness, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationReport:
    """The regions of the picture or volume; see `edge.findings.Segmentation`. The masks are files beside the report.

    ``exclusive`` tells whether each voxel has one label at most. ``grid`` is that of the labels, and so of pixels and
    boxes, where it is not the scan's own: of a picture that was seen in windows.
    """

    kind: Literal["segmentation"] = "segmentation"
    regions: tuple[Region, ...]
    exclusive: bool
    grid: Grid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxReport:
    """One box; see `edge.findings.Detection` and `edge.detect.place.PlacedBox`.

    ``edges`` are z0, y0, x0, z1, y1, x1 on the source: voxel i covers i to i + 1. ``size_mm`` is along z, y and x of
    the source, ``centre_mm`` x, y and z in LPS; null where unknown. ``mask_pixels`` counts the pixels of its outline.
    """

    name: str
    title: str
    code: Code | None
    score: float
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None
    edges: Edges
    size_mm: Sizes
    centre_mm: Point | None
    enclosing: bool
    clipped: bool
    mask_pixels: int | None
    urgency_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionReport:
    """Everything that was found, the highest score first, and everything that was looked for.

    ``outside`` counts boxes that are left out, as they lie outside the picture, in what was filled up around it.
    """

    kind: Literal["detection"] = "detection"
    boxes: tuple[BoxReport, ...]
    labels: tuple[LookedFor, ...]
    outside: int = 0
    score_meaning: str = UNCALIBRATED


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationReport:
    """How far the moving scan was moved; see `edge.findings.Registration`. The field is a file beside the report.

    Lengths are null where the files do not say in which unit theirs are. ``labels`` are those of the moving scan.
    """

    kind: Literal["registration"] = "registration"
    mean_mm: float | None
    largest_mm: float | None
    folded_share: float
    labels: tuple[WarpedLabel, ...] = ()
    unit: Literal["mm"] = "mm"
    displacement: str = TOWARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationReport:
    """What image was made; see `edge.findings.Translation`. No scanner took it."""

    kind: Literal["translation"] = "translation"
    origin: Literal["SYNTHETIC"] = "SYNTHETIC"
    makes: str
    unit: str
    range: tuple[float, float]


FindingsReport = ClassificationReport | SegmentationReport | DetectionReport | RegistrationReport | TranslationReport


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """A file beside the report."""

    name: str
    role: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReport:
    """What came of one scan: finding, uncertain, no-finding, done, not-analysed or failed, never anything in between.

    ``uid`` is made from the request and the files: the same request has the same, and a page of paper tells it.
    ``refusals`` is filled exactly where the state is not-analysed, ``failure`` where it is failed, ``findings`` and
    ``engine`` where it is one of the others; ``pack`` wherever one was chosen. ``done`` says that something was made
    of the scans and that nothing was looked for. ``confirmed`` holds what was taken
    from a person's word because the files do not tell; ``others``, by name of input, the scans beside ``scan``;
    ``seen`` the one slice or frame that the model saw of a scan that has several; ``site`` that thresholds of this
    site, and not the pack's own, decided; ``likeness`` how like those that the model learnt from the scan is, null
    where the pack does not tell or the model did not run.
    """

    state: State
    summary: str
    uid: str = ""
    scan: ScanReport
    pack: PackReport | None = None
    engine: EngineFacts | None = None
    site: SiteReport | None = None
    findings: FindingsReport | None = None
    refusals: tuple[ReasonReport, ...] = ()
    failure: ReasonReport | None = None
    warnings: tuple[ReasonReport, ...] = ()
    notes: tuple[str, ...] = ()
    confirmed: Mapping[str, str]
    others: Mapping[str, ScanReport] = field(default_factory=dict)
    seen: SliceReport | None = None
    likeness: Likeness | None = None
    files: tuple[FileReport, ...] = ()

    @property
    def reasons(self) -> tuple[ReasonReport, ...]:
        """Why there are no findings."""
        return self.refusals or ((self.failure,) if self.failure else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutReport:
    """Files that were found and not used, and why."""

    paths: tuple[str, ...]
    reason: ReasonReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How the result came about this time: the one part that another run will change.

    Parameters
    ----------
    finished_utc : str
        ISO 8601.
    seconds : mapping
        Wall time by stage. ``read`` is the time spent waiting for decoded scans, which are decoded in another
        process meanwhile.
    """

    finished_utc: str
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyReport:
    """Everything that edgerun has to say of one study.

    Parameters
    ----------
    study : str
        Stable key that holds no patient data.
    folder : str
        Name of the folder in which the report and its files lie.
    request_sha256 : str
        Of what was asked: files, pack, engine, precision, confirmations. A report with the same one is not made
        again.
    options : Options, optional
        What of that a person chose, so that `edgerun replay` can ask the same again; null in reports of edgerun 0.1.
    """

    format: Literal["edgerun-report"] = "edgerun-report"
    format_version: Literal[1] = 1
    study: str
    folder: str
    state: State
    summary: str
    disclaimer: str = DISCLAIMER
    results: tuple[ResultReport, ...]
    left_out: tuple[LeftOutReport, ...]
    software: Mapping[str, str]
    request_sha256: str
    options: Options | None = None
    content_sha256: str
    run: Run


def said_in(found: FindingsReport) -> tuple[LabelScore | Region | BoxReport, ...]:
    """Return everything that was said of a label, in order."""
    if found.kind == "classification":
        return found.labels
    if found.kind == "segmentation":
        return found.regions
    return found.boxes if found.kind == "detection" else ()


def looked_for(found: FindingsReport) -> tuple[str, ...]:
    """Return the titles of the findings that could have been found."""
    labels = found.labels if found.kind == "detection" else said_in(found)
    return tuple(item.title for item in labels if item.finding)


def there_in(found: FindingsReport) -> tuple[str, ...]:
    """Return the titles of everything that is said to be there, finding or not, each once."""
    return tuple(dict.fromkeys(item.title for item in said_in(found) if item.positive))


def found_in(found: FindingsReport) -> tuple[tuple[str, Urgency | None], ...]:
    """Return what was found: titles, counted where there are several, and the urgency of each, in the order of labels.

    Boxes come with the surest first, so a label stands where its surest box does.
    """
    found_there = [(item.title, item.urgency) for item in said_in(found) if item.positive and item.finding]
    counts = {each: found_there.count(each) for each in found_there}
    return tuple((f"{count} x {title}" if count > 1 else title, urgency) for (title, urgency), count in counts.items())


def score_meaning(labels: Sequence[LabelScore]) -> str:
    """Return what scores and probabilities mean: of all, or of those that are not calibrated apart."""
    sets = dict.fromkeys(item.calibrated_on for item in labels)
    told = [say(CALIBRATED).format(kept_in_order(each)) for each in sets if each is not None]
    return " ".join([*told, *([say(UNCALIBRATED)] if None in sets or not sets else [])])


def uncertain_in(found: FindingsReport) -> tuple[str, ...]:
    """Return the titles of the findings, there or not, of which the pack's model is not sure enough."""
    labels = found.labels if found.kind == "classification" else ()
    return tuple(item.title for item in labels if item.uncertain and item.finding)


def sealed(report: StudyReport) -> StudyReport:
    """Return the report with ``content_sha256`` of everything but that field and ``run``."""
    return replace(report, content_sha256=content_sha256(dump(report)))


def content_sha256(document: Mapping[str, object]) -> str:
    """Return the seal that a report, as JSON types, should carry."""
    content = {key: value for key, value in document.items() if key not in ("content_sha256", "run")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def to_json(report: StudyReport, *, indent: int | None = None) -> str:
    """Return the report as one JSON document, in one line unless indented."""
    return json.dumps(dump(report), indent=indent, ensure_ascii=False)


def vouched(result: ResultReport) -> str:
    """Return what a person vouched for where the files do not tell, in words."""
    return ", ".join(f"{name} {value}" for name, value in sorted(result.confirmed.items()))


def of_reason(reason: Reason, detail: str = "") -> ReasonReport:
    """Return a reason with what exactly was found."""
    return ReasonReport(code=reason.code, name=reason.name, words=reason.words, action=reason.action, detail=detail)


def of_notice(notice: Notice) -> ReasonReport:
    """Return what a check said, for the report."""
    return of_reason(notice.reason, notice.detail)


def of_left_out(left_out: LeftOut) -> LeftOutReport:
    """Return what reading left out, for the report."""
    return LeftOutReport(paths=left_out.paths, reason=of_reason(left_out.reason, left_out.detail))
