"""What travels to the process that makes DICOM objects and back: checked types, and arrays beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask
from edge.detect.place import PlacedBox
from edge.explain.told import Faithfulness
from edge.findings import (
    Classification,
    Detection,
    Detections,
    Findings,
    LabelScore,
    LookedFor,
    Region,
    Segmentation,
    Skipped,
    Tilewise,
)
from edge.geometry import Grid
from edge.pack.manifest import Code, Urgency
from edge.scan import Scan, Stack
from edge.wanted import Language
from edge.write.report import ResultReport

Arrays = Mapping[str, NDArray[Any]]
Seen = Classification | Segmentation | Detections

LEAST_SENT, MOST_SENT = 1 << 24, 1 << 28
BYTES_A_PIXEL = 16
"""Of the labels of a picture that was seen in windows, at most: an object of them takes half of that to make."""

CODES = "codes"
MASK = "mask-{}"
PART = "part:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the child is told when it is started: see `edge.objects.process.ObjectMaker`."""

    limit_bytes: int
    seconds: float
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTold:
    """What is said of a scan beside its report; see `edge.scan.Scan`."""

    stack: Stack
    grid: Grid
    places: tuple[tuple[int, int], ...]
    lengths_told: bool
    is_slide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTold:
    """A `Classification` without its maps."""

    kind: Literal["classification"] = "classification"
    labels: tuple[LabelScore, ...]
    grade: str | None
    grid: Grid
    tilewise: Tilewise | None
    map_rule: str | None
    faithfulness: tuple[Faithfulness, ...]
    skipped: Skipped | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationTold:
    """A `Segmentation`; its codes follow, of what was seen in windows only where `labels_seen` says so."""

    kind: Literal["segmentation"] = "segmentation"
    regions: tuple[Region, ...]
    exclusive: bool
    grid: Grid
    in_windows: bool
    skipped: Skipped | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTold:
    """A `Detection`; the pixels of its mask follow, where it has one: `start` and `grid` are the mask's."""

    name: str
    title: str
    code: Code | None
    score: float
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None
    place: PlacedBox
    urgency_reason: str | None
    start: tuple[int, int] | None
    grid: Grid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionsTold:
    """`Detections`."""

    kind: Literal["detection"] = "detection"
    boxes: tuple[BoxTold, ...]
    labels: tuple[LookedFor, ...]
    grid: Grid
    outside: int
    more: bool
    skipped: Skipped | None


Told = ClassificationTold | SegmentationTold | DetectionsTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """Make the objects of one view of one result; as many arrays follow.

    Parameters
    ----------
    view : str
        Of `edge.objects.OBJECTS`.
    scan : optional
        None where no pixel was decoded: the headers of the sources are all that there is.
    found : optional
        None where nothing was found out, or what was is no such object's matter (a registration, a synthetic image).
    language : str
        Of words for people.
    """

    kind: Literal["make"] = "make"
    view: str
    result: ResultReport
    scan: ScanTold | None
    found: Told | None
    language: Language
    arrays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The child has set its limits and waits for requests."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """As many files follow, each an array of bytes by its name."""

    kind: Literal["made"] = "made"
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """The view cannot show this result: `edge.objects.unfit.UnfitError`."""

    kind: Literal["unfit"] = "unfit"
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It was not made, for the reason with this code."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str


Answer = Ready | Made | Unfit | Failed


def scan_told(scan: Scan) -> ScanTold:
    """Return what the child is told of a scan that was decoded."""
    return ScanTold(
        stack=scan.stack,
        grid=scan.grid,
        places=scan.places,
        lengths_told=scan.lengths_told,
        is_slide=scan.slide is not None,
    )


def told(findings: Findings | None) -> tuple[Told | None, dict[str, NDArray[Any]]]:
    """Return findings as they travel: checked types, and the arrays that go with them."""
    if isinstance(findings, Classification):
        return ClassificationTold(**_shared(ClassificationTold, findings)), {}
    if isinstance(findings, Segmentation):
        outlined = SegmentationTold(**_shared(SegmentationTold, findings))
        return outlined, {} if findings.in_windows else {CODES: findings.codes}
    if isinstance(findings, Detections):
        boxes = tuple(_box_told(box) for box in findings.boxes)
        masks = {MASK.format(n): box.mask.pixels for n, box in enumerate(findings.boxes) if box.mask is not None}
        return DetectionsTold(**{**_shared(DetectionsTold, findings), "boxes": boxes}), masks
    return None, {}


def labels_seen(findings: Findings | None, limit_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the labels of a picture that was seen in windows, for an object of them; none where they are too many.

    Parameters
    ----------
    findings : Findings, optional
    limit_bytes : int
        That one decoded scan may take.
    """
    most = min(max(limit_bytes // BYTES_A_PIXEL, LEAST_SENT), MOST_SENT)
    if not isinstance(findings, Segmentation) or not findings.in_windows or findings.codes.size > most:
        return {}
    return {CODES: findings.codes}


def _shared(kind: Any, one: Any) -> dict[str, Any]:
    """The values of `one` that a dataclass has fields for by the same name; one that is missing shows there."""
    return {field.name: getattr(one, field.name) for field in fields(kind) if field.name in _fields_of(one)}


def _fields_of(one: Any) -> set[str]:
    """The names of a dataclass's fields but the one that tells it from others in a union."""
    return {field.name for field in fields(one)} - {"kind"}


def _box_told(box: Detection) -> BoxTold:
    start = None if box.mask is None else box.mask.start
    grid = None if box.mask is None else box.mask.grid
    return BoxTold(**_shared(BoxTold, box), start=start, grid=grid)


def findings_of(found: Told | None, arrays: Arrays) -> Seen | None:
    """Return the findings that `told` told of; a classification has lost its maps.

    Raises
    ------
    KeyError
        An array is missing.
    """
    if found is None:
        return None
    if found.kind == "classification":
        return Classification(**_shared(Classification, found))
    if found.kind == "segmentation":
        codes = arrays.get(CODES, np.zeros((0, 0, 0), np.uint8)) if found.in_windows else arrays[CODES]
        return Segmentation(**_shared(Segmentation, found), codes=codes)
    boxes = tuple(_detection(box, arrays.get(MASK.format(n))) for n, box in enumerate(found.boxes))
    return Detections(**{**_shared(Detections, found), "boxes": boxes})


def _detection(box: BoxTold, pixels: NDArray[Any] | None) -> Detection:
    mask = None
    if pixels is not None and box.start is not None and box.grid is not None:
        mask = InstanceMask(start=box.start, pixels=pixels, grid=box.grid)
    return Detection(**_shared(Detection, box), mask=mask)


def parts_as_arrays(parts: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Return files that an object is made of, such as a picture, as they travel."""
    return {f"{PART}{name}": np.frombuffer(data, np.uint8) for name, data in parts.items()}


def parts_of(arrays: Arrays) -> dict[str, bytes]:
    """Return the files that `parts_as_arrays` was given."""
    return {name.removeprefix(PART): values.tobytes() for name, values in arrays.items() if name.startswith(PART)}
