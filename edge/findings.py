"""What comes out: `Classification`, `Segmentation` or a `Refusal`, in the place of the scan that was examined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edge.geometry import Grid
from edge.pack.manifest import Code, Urgency
from edge.reasons import Reason

State = Literal["finding", "no-finding", "not-analysed", "failed"]


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
    """

    name: str
    title: str
    code: Code | None
    score: float
    threshold: float | None
    positive: bool
    finding: bool
    urgency: Urgency | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InfluenceMap:
    """Where in the picture the model's score of a label comes from; not the outline of a lesion.

    Parameters
    ----------
    label : str
    values : ndarray of float32, shape (1, h, w)
        In the unit of the model's logit: positive raises the score.
    grid : Grid
        In the space of the scan.
    """

    label: str
    values: NDArray[Any]
    grid: Grid


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
    grid : Grid
        Where the picture that the model saw lies.
    """

    labels: tuple[LabelScore, ...]
    grade: str | None = None
    maps: tuple[InfluenceMap, ...] = ()
    grid: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """All pixels of one label.

    Parameters
    ----------
    name, title, code, threshold, positive, finding, urgency
        As in `LabelScore`; positive where there are at least the manifest's ``least_pixels``.
    pixels : int
        On the source picture.
    share : float
        Of the source picture, 0 to 1.
    area_mm2 : float, optional
        None where the spacing of the pixels is unknown.
    box : tuple of int, optional
        First row, first column, last row, last column, from 0, on the source picture; None where there is no pixel.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """The outline of every label on the voxels of the source.

    Parameters
    ----------
    regions : tuple of Region
        In the manifest's order.
    masks : ndarray of bool, shape (label, z, y, x)
        On `grid`.
    grid : Grid
        The source slice or picture.
    """

    regions: tuple[Region, ...]
    masks: NDArray[Any]
    grid: Grid


Findings = Classification | Segmentation


def state_of(findings: Findings | Refusal) -> State:
    """Return which of the three states of an examined scan this is."""
    if isinstance(findings, Refusal):
        return "not-analysed"
    said = findings.labels if isinstance(findings, Classification) else findings.regions
    return "finding" if any(item.positive and item.finding for item in said) else "no-finding"
