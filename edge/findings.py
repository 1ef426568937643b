"""What comes out of a task, or a `Refusal`, in the place of the scan that was examined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask
from edge.detect.place import PlacedBox
from edge.explain.told import Faithfulness
from edge.geometry import Grid
from edge.pack.manifest import Code, Urgency
from edge.reasons import Reason

State = Literal["finding", "uncertain", "no-finding", "done", "not-analysed", "failed"]
"""``done``: something was made of the scans (registered, translated, outlined) and nothing was looked for.
``uncertain``: nothing was found, and of a label the score lies where the pack's model errs too often: a reader must
look. It is never ``no-finding``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a check has to say about a scan.

    Parameters
    ----------
    reason : Reason
    severity : {"refuse", "warn"}
    detail : str
        What was found and what was expected; no patient data.
    """

    reason: Reason
    severity: Literal["refuse", "warn"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The scan was not analysed, and why: a result, not an error. Holds at least one notice."""

    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """What the model said of one label.

    Parameters
    ----------
    name, title : str
        Of the label in the manifest.
    code : Code, optional
    score : float
        0 to 1; uncalibrated.
    threshold : float, optional
        From which on the label is said to be there; None for labels that are no finding.
    positive : bool
        Whether it is said to be there.
    finding : bool
        Whether its being there is a finding.
    urgency : {"routine", "soon", "urgent"}, optional
        Set where the label is a finding that is there.
    probability : float, optional
        Calibrated, 0 to 1; None where the pack has no calibration for the label.
    calibrated_on : str, optional
        On how many scans of what; set with `probability`.
    zone : tuple of float, optional
        Scores from the first up to but not the second are uncertain; None where the pack has no such zone.
    uncertain : bool
        Whether the score lies there, so that a reader must look, whatever `positive` says; False where there is no
        zone, which is no certainty.
    urgency_reason : str, optional
        Where the pack has rules for it, what they make of this one; see `edge.tasks.urgency`.
    """

    name: str
    title: str
    code: Code | None
    score: float
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None
    probability: float | None = None
    calibrated_on: str | None = None
    zone: tuple[float, float] | None = None
    uncertain: bool = False
    urgency_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InfluenceMap:
    """Where in the picture the model's score of a label comes from; not the outline of a lesion.

    Parameters
    ----------
    label : str
    values : ndarray of float32, shape (z, y, x)
        One slice for a picture. In the unit of the model's logit: positive raises the score.
    grid : Grid
        In the space of the scan.
    """

    label: str
    values: NDArray[Any]
    grid: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Windows of a slide that show bare glass and were not fed to the model; see `edge.prepare.glass`.

    Parameters
    ----------
    windows, of : int
        How many, and of how many.
    """

    windows: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTile:
    """The window of a picture with the highest score of a label.

    Parameters
    ----------
    label : str
    score : float
    box : tuple of int
        First row, first column, last row, last column, from 0, on all pixels of the picture or slide.
    """

    label: str
    score: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilewise:
    """How the scores of the windows of a picture became its own.

    Parameters
    ----------
    rule : {"maximum"}
        The score of a label is the highest of all windows.
    tiles : int
        How many there were.
    best : tuple of BestTile
        Of each label, in the manifest's order; of an ordinal task not of its first grade, which every window has.
    """

    rule: Literal["maximum"] = "maximum"
    tiles: int
    best: tuple[BestTile, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classification:
    """The labels of a whole scan.

    Parameters
    ----------
    labels : tuple of LabelScore
        In the manifest's order.
    grade : str, optional
        Ordinal tasks: the name of the grade that the scan is given.
    maps : tuple of InfluenceMap
        Of a picture that was seen in windows, their scores, 0 to 1.
    grid : Grid
        Where the picture that the model saw lies.
    tilewise : Tilewise, optional
        Where it was seen in windows.
    map_rule : str, optional
        How the maps were made, where not by the model's own graph.
    faithfulness : tuple of Faithfulness
        What the deletion test said of maps, where it was asked for: of those that are withheld, too.
    skipped : Skipped, optional
    """

    labels: tuple[LabelScore, ...]
    grade: str | None = None
    maps: tuple[InfluenceMap, ...] = ()
    grid: Grid
    tilewise: Tilewise | None = None
    map_rule: str | None = None
    faithfulness: tuple[Faithfulness, ...] = ()
    skipped: Skipped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """All pixels or voxels of one label.

    Parameters
    ----------
    name, title, code, threshold, positive, finding, urgency, urgency_reason
        As in `LabelScore`; positive where there are at least the manifest's ``least_pixels``.
    pixels : int
        On the source.
    share : float
        Of the source, 0 to 1.
    area_mm2 : float, optional
        Of a picture; None where the spacing of its pixels is unknown, and for volumes.
    box : tuple of int, optional
        First row, first column, last row, last column, from 0, on the source; None where there is no pixel.
    slices : tuple of int, optional
        First and last slice, from 0, of a volume.
    volume_ml, diameter_mm, diameter_slice, components, largest_share
        Of a volume; see `edge.volume.measure.Measure`.
    """

    name: str
    title: str
    code: Code | None
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None
    pixels: int
    share: float
    area_mm2: float | None
    box: tuple[int, int, int, int] | None
    slices: tuple[int, int] | None = None
    volume_ml: float | None = None
    diameter_mm: float | None = None
    diameter_slice: int | None = None
    components: int | None = None
    largest_share: float | None = None
    urgency_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """The outline of every label on the pixels or voxels of the source.

    Parameters
    ----------
    regions : tuple of Region
        In the manifest's order.
    codes : ndarray of unsigned integers, shape (z, y, x)
        On `grid`. Where labels exclude each other: 0 for none, i + 1 for label i. Else bit i is set where label i is.
    exclusive : bool
        Which of the two.
    grid : Grid
        The source: the whole volume, or the picture that was seen; with `in_windows` that picture as it was prepared.
    in_windows : bool
        Whether it is a picture that was seen in windows, whose `codes` may lie on the disk.
    skipped : Skipped, optional
    """

    regions: tuple[Region, ...]
    codes: NDArray[Any]
    exclusive: bool
    grid: Grid
    in_windows: bool = False
    skipped: Skipped | None = None

    def mask(self, index: int) -> NDArray[Any]:
        """Return where a label is, by its index: bool (z, y, x)."""
        if self.exclusive:
            return np.asarray(self.codes == self.codes.dtype.type(index + 1))
        return np.asarray((self.codes >> self.codes.dtype.type(index)) & self.codes.dtype.type(1), dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """One box.

    Parameters
    ----------
    name, title, code, score, threshold, positive, finding, urgency, urgency_reason
        As in `LabelScore`; a box whose score is below its label's threshold is none.
    place : PlacedBox
        Where it lies on the source and in the patient.
    mask : InstanceMask, optional
        On the source's own pixels.
    """

    name: str
    title: str
    code: Code | None
    score: float
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None
    place: PlacedBox
    mask: InstanceMask | None = None
    urgency_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedFor:
    """A label that a detector knows, whether it was found or not."""

    name: str
    title: str
    finding: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """Everything that was found, the highest score first.

    Parameters
    ----------
    boxes : tuple of Detection
    labels : tuple of LookedFor
        In the manifest's order.
    grid : Grid
        Where the picture or volume that the model saw lies.
    outside : int
        How many more boxes lie outside the source, in what was filled up around it.
    more : bool
        Whether the model gave more boxes than its pack keeps; these are the surest.
    skipped : Skipped, optional
    """

    boxes: tuple[Detection, ...]
    labels: tuple[LookedFor, ...]
    grid: Grid
    outside: int = 0
    more: bool = False
    skipped: Skipped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpedLabel:
    """One label of the moving scan: how large it is there, and on the grid of the fixed one.

    Parameters
    ----------
    value : int
    moving_voxels, warped_voxels : int
        The second is 0 where nothing of it is left.
    moving_ml, warped_ml : float, optional
        None where the unit of lengths is unknown.
    """

    value: int
    moving_voxels: int
    warped_voxels: int
    moving_ml: float | None
    warped_ml: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WarpedLabels:
    """Labels of the moving scan, brought onto the fixed one.

    Parameters
    ----------
    codes : ndarray of integers, shape (z, y, x)
        On the grid of the registration; 0 is no label.
    counts : tuple of WarpedLabel
        In the order of their values.
    """

    codes: NDArray[Any]
    counts: tuple[WarpedLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """How the moving scan is brought onto the fixed one.

    Parameters
    ----------
    displacement_mm : ndarray of float32, shape (3, z, y, x)
        For each voxel of `grid`: from its place to the place in the moving scan that belongs to it, along x, y and z of
        the patient (LPS).
    warped : ndarray of float32, shape (z, y, x)
        The moving scan brought onto `grid`; NaN where it has nothing.
    fixed, before : ndarray of float32, shape (z, y, x)
        The fixed scan on `grid`, and the moving one there as the headers alone place it.
    mean_mm, largest_mm : float
        Of the lengths of the displacements.
    folded_share : float
        Of the voxels where the mapping turns space inside out (Jacobian determinant at most 0).
    grid : Grid
    labels : WarpedLabels, optional
        Where labels of the moving scan were given.
    """

    displacement_mm: NDArray[Any]
    warped: NDArray[Any]
    fixed: NDArray[Any]
    before: NDArray[Any]
    mean_mm: float
    largest_mm: float
    folded_share: float
    grid: Grid
    labels: WarpedLabels | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Translation:
    """A synthetic image.

    Parameters
    ----------
    values : ndarray of float32, shape (z, y, x) or (z, y, x, 3)
    range : tuple of float
        That the values can take.
    unit, makes : str
        What a value is, and what the image is to be called, after the word SYNTHETIC.
    grid : Grid
        Where it lies: what the model was fed.
    """

    values: NDArray[Any]
    range: tuple[float, float]
    unit: str
    makes: str
    grid: Grid


Findings = Classification | Segmentation | Detections | Registration | Translation


def said_of(findings: Findings) -> tuple[LabelScore | Region | Detection, ...]:
    """Return everything that was said of a label, in order."""
    if isinstance(findings, Classification):
        return findings.labels
    if isinstance(findings, Segmentation):
        return findings.regions
    return findings.boxes if isinstance(findings, Detections) else ()


def state_of(findings: Findings | Refusal) -> State:
    """Return which of the states of an examined scan this is."""
    if isinstance(findings, Refusal):
        return "not-analysed"
    labels = findings.labels if isinstance(findings, Detections) else said_of(findings)
    if not any(label.finding for label in labels):  # a liver that is there is no finding, and neither is none
        return "done"
    if any(item.positive and item.finding for item in said_of(findings)):
        return "finding"
    scores = findings.labels if isinstance(findings, Classification) else ()
    return "uncertain" if any(item.uncertain and item.finding for item in scores) else "no-finding"
