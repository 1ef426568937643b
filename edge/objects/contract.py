"""What travels to the process that makes DICOM objects and back: checked types, and arrays beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask
from edge.detect.place import PlacedBox
from edge.findings import (
    Classification,
    Detection,
    Detections,
    Findings,
    LabelScore,
    LookedFor,
    Region,
    Segmentation,
    Tilewise,
)
from edge.geometry import Grid
from edge.pack.manifest import Code, Urgency
from edge.scan import Scan, Stack
from edge.wanted import Language
from edge.write.report import ResultReport

Arrays = Mapping[str, NDArray[Any]]
Seen = Classification | Segmentation | Detections

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationTold:
    """A `Segmentation`; its codes follow."""

    kind: Literal["segmentation"] = "segmentation"
    regions: tuple[Region, ...]
    exclusive: bool
    grid: Grid
    in_windows: bool


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


Told = ClassificationTold | SegmentationTold | DetectionsTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """Make the objects of one view of one result; as many arrays follow.

    Parameters
    ----------
    view : str
        Of `edge.objects.OBJECTS`.
    found : optional
        None where nothing was found out, or what was is no such object's matter (a registration, a synthetic image).
    language : str
        Of words for people.
    """

    kind: Literal["make"] = "make"
    view: str
    result: ResultReport
    scan: ScanTold
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
    """Return what the child is told of a scan."""
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
        one = ClassificationTold(
            labels=findings.labels, grade=findings.grade, grid=findings.grid, tilewise=findings.tilewise
        )
        return one, {}
    if isinstance(findings, Segmentation):
        regions, exclusive = findings.regions, findings.exclusive
        outlined = SegmentationTold(
            regions=regions, exclusive=exclusive, grid=findings.grid, in_windows=findings.in_windows
        )
        return outlined, {} if findings.in_windows else {CODES: findings.codes}
    if isinstance(findings, Detections):
        boxes = tuple(_box_told(box) for box in findings.boxes)
        masks = {MASK.format(n): box.mask.pixels for n, box in enumerate(findings.boxes) if box.mask is not None}
        marked = DetectionsTold(
            boxes=boxes, labels=findings.labels, grid=findings.grid, outside=findings.outside, more=findings.more
        )
        return marked, masks
    return None, {}


def _box_told(box: Detection) -> BoxTold:
    return BoxTold(
        name=box.name,
        title=box.title,
        code=box.code,
        score=box.score,
        threshold=box.threshold,
        positive=box.positive,
        finding=box.finding,
        urgency=box.urgency,
        place=box.place,
        start=None if box.mask is None else box.mask.start,
        grid=None if box.mask is None else box.mask.grid,
    )


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
        return Classification(labels=found.labels, grade=found.grade, grid=found.grid, tilewise=found.tilewise)
    if found.kind == "segmentation":
        codes = np.zeros((0, 0, 0), np.uint8) if found.in_windows else arrays[CODES]
        return Segmentation(
            regions=found.regions,
            codes=codes,
            exclusive=found.exclusive,
            grid=found.grid,
            in_windows=found.in_windows,
        )
    boxes = tuple(_detection(box, arrays.get(MASK.format(n))) for n, box in enumerate(found.boxes))
    return Detections(boxes=boxes, labels=found.labels, grid=found.grid, outside=found.outside, more=found.more)


def _detection(box: BoxTold, pixels: NDArray[Any] | None) -> Detection:
    mask = None
    if pixels is not None and box.start is not None and box.grid is not None:
        mask = InstanceMask(start=box.start, pixels=pixels, grid=box.grid)
    return Detection(
        name=box.name,
        title=box.title,
        code=box.code,
        score=box.score,
        threshold=box.threshold,
        positive=box.positive,
        finding=box.finding,
        urgency=box.urgency,
        place=box.place,
        mask=mask,
    )


def parts_as_arrays(parts: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Return files that an object is made of, such as a picture, as they travel."""
    return {f"{PART}{name}": np.frombuffer(data, np.uint8) for name, data in parts.items()}


def parts_of(arrays: Arrays) -> dict[str, bytes]:
    """Return the files that `parts_as_arrays` was given."""
    return {name.removeprefix(PART): values.tobytes() for name, values in arrays.items() if name.startswith(PART)}
