"""What is kept of the findings of one candidate, scan by scan: how they meet what is true, by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convert.displacement import Registrations, target_registration_error, warp
from convert.labels import LabelledSet
from convert.landmarks import Landmarks, check_inside
from convert.measured import Measured
from edge.errors import EngineError, UsageError
from edge.findings import Detections, Findings, Registration, Segmentation
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask, Manifest, Model, RegistrationTask, SegmentationTask, Threshold
from edge.scan import Scan
from edge.truth.boxes import HALF, IN_VOLUMES, Found, match
from edge.truth.masks import laid_on
from edge.truth.overlap import Overlap, Overlaps, overlap
from edge.truth.true_boxes import TrueBox, placed

Mask = NDArray[np.bool_]
Thresholds = Mapping[str, Threshold]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is true of one examination.

    Parameters
    ----------
    masks : mapping
        By label; None where the label is nowhere.
    boxes : tuple of TrueBox
    landmarks : Landmarks, optional
    """

    masks: Mapping[str, tuple[Path, Scan] | None] = field(default_factory=dict)
    boxes: tuple[TrueBox, ...] = ()
    landmarks: Landmarks | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One examination by a candidate.

    Parameters
    ----------
    path : Path
        Of the first input's file.
    scans : mapping
        By input.
    said : Findings
        At the candidate's own thresholds.
    again : callable
        Returns what is found at other thresholds in the same outputs.
    """

    path: Path
    scans: Mapping[str, Scan]
    said: Findings
    truth: Truth
    again: Callable[[Thresholds], Findings]


class Collector(Protocol):
    """Keeps what the metrics of a task need of one candidate."""

    def see(self, seen: Seen) -> None:
        """Take in one examination."""

    def into(self, measured: Measured) -> Measured:
        """Return what was measured with all that was kept."""


def collector_of(
    manifest: Manifest, model: Model, scans: LabelledSet, *, limits: Sequence[float], floor: float
) -> Collector | None:
    """Return what keeps the findings of a task; None where nothing is compared but scores.

    Parameters
    ----------
    scans : LabelledSet
        Where it does not tell what the task asks for, nothing is compared.
    limits : sequence of float
        Thresholds at which the Dice of every label is wanted.
    floor : float
        Score from which on boxes are collected.
    """
    task = manifest.task
    if isinstance(task, SegmentationTask) and scans.masks:
        return _Outlines(model.thresholds, limits)
    if isinstance(task, DetectionTask) and scans.boxes:
        return _Boxes(task, floor, flat=manifest.inputs[0].accepts.stack != "volume")
    if isinstance(task, RegistrationTask) and scans.landmarks:
        return _Pairs(task)
    return None


class _Outlines:
    """Masks against the true ones."""

    def __init__(self, thresholds: Thresholds, limits: Sequence[float]) -> None:
        self._at = [{label: replace(item, value=limit) for label, item in thresholds.items()} for limit in limits]
        self._overlaps: dict[str, list[Overlap]] = {}
        self._dice_at: dict[str, list[list[float]]] = {}

    def see(self, seen: Seen) -> None:
        for label, one in _overlaps(seen.said, seen).items():
            self._overlaps.setdefault(label, []).append(one)
        at = [_overlaps(seen.again(thresholds), seen) for thresholds in self._at]
        for label in seen.truth.masks:
            self._dice_at.setdefault(label, []).append([each[label].dice for each in at])

    def into(self, measured: Measured) -> Measured:
        return replace(
            measured,
            overlaps={label: Overlaps.of(items) for label, items in self._overlaps.items()},
            dice_at={label: np.array(rows).T for label, rows in self._dice_at.items()},
        )


def _overlaps(said: Findings, seen: Seen) -> dict[str, Overlap]:
    """How the masks of a segmentation meet the true ones."""
    if not isinstance(said, Segmentation):
        raise TypeError(f"comparing masks with what {type(said).__name__} found")
    found = {}
    for index, region in enumerate(said.regions):
        mask = said.mask(index)
        told = seen.truth.masks[region.name]
        truth = np.zeros_like(mask) if told is None else _mask(*told, said.grid, seen.path)
        found[region.name] = overlap(mask, truth, said.grid)
    return found


def _mask(file: Path, scan: Scan, grid: Grid, of: Path) -> Mask:
    """The voxels of a mask's file that are not 0, if it lies where its scan lies."""
    values = laid_on(scan, grid)
    if values is not None:
        return np.asarray(values != 0)
    if sorted(scan.grid.shape) != sorted(grid.shape):
        raise UsageError(f"Comparing with the mask {file}: found {scan.grid.shape}, expected {grid.shape} as in {of}.")
    raise UsageError(f"Comparing with the mask {file}: it lies elsewhere in the patient than {of}. Resample it.")


class _Boxes:
    """Boxes against the true ones, both on the voxels of the first input's scan."""

    def __init__(self, task: DetectionTask, floor: float, *, flat: bool) -> None:
        words = Threshold(value=floor, rule="collected", chosen_on="nothing", n=1)
        self._lowest = {label.name: words for label in task.labels}
        self._flat = flat
        self._found: dict[str, list[Found]] = {label.name: [] for label in task.labels}
        self._true: dict[str, list[NDArray[Any]]] = {label.name: [] for label in task.labels}

    def see(self, seen: Seen) -> None:
        try:
            said = seen.again(self._lowest)
        except EngineError:
            # A box that means nothing, far below the threshold, may well be none: it ends before it begins. What the
            # runtime would have said is sound.
            said = seen.said
        if not isinstance(said, Detections):
            raise TypeError(f"comparing boxes with what {type(said).__name__} found")
        scan = next(iter(seen.scans.values()))
        for label in self._found:
            of_label = [box for box in said.boxes if box.name == label]
            edges = np.array([box.place.edges for box in of_label]).reshape(-1, 6)
            self._found[label].append(
                Found(
                    boxes=edges[:, [1, 2, 4, 5]] if self._flat else edges,
                    scores=np.array([box.score for box in of_label], dtype=np.float64),
                )
            )
            true = [placed(box, scan.grid) for box in seen.truth.boxes if box.label == label]
            self._true[label].append(np.array(true).reshape(-1, 4 if self._flat else 6))

    def into(self, measured: Measured) -> Measured:
        limits = HALF if self._flat else IN_VOLUMES
        return replace(
            measured,
            matches={label: match(found, self._true[label], limits) for label, found in self._found.items()},
        )


class _Pairs:
    """Landmarks of the fixed scan, taken to the moving one, against those that a person found there."""

    def __init__(self, task: RegistrationTask) -> None:
        self._fixed, self._moving = task.fixed, task.moving
        self._errors_mm: list[float] = []
        self._folded: list[float] = []

    def see(self, seen: Seen) -> None:
        said, marked = seen.said, seen.truth.landmarks
        if not isinstance(said, Registration) or marked is None:
            raise TypeError(f"comparing landmarks with what {type(said).__name__} found")
        check_inside(marked.fixed, seen.scans[self._fixed], self._fixed, marked.file)
        check_inside(marked.moving, seen.scans[self._moving], self._moving, marked.file)
        try:
            moved = warp(marked.fixed, said.displacement_mm, said.grid)
        except UsageError as error:
            told = f"the model sees only a part of the scan {self._fixed!r}. {error.message}"
            raise UsageError(f"Comparing with {marked.file}: {told}") from error
        self._errors_mm.append(target_registration_error(moved, marked.moving))
        self._folded.append(said.folded_share)

    def into(self, measured: Measured) -> Measured:
        made = Registrations(target_registration_error_mm=np.array(self._errors_mm), folded=np.array(self._folded))
        return replace(measured, registrations=made)
