"""How what was drawn on one scan meets what is truly there, label by label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edge.truth.boxes import Found
from edge.truth.overlap import Overlap

SizeUnit = Literal["ml", "mm2", "pixels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlined:
    """A structure that was outlined, or was not.

    Parameters
    ----------
    overlap : Overlap
    said : bool
        Whether the pack says that it is there.
    size, true_size : float
        Of what was outlined and of the true mask, in `unit`.
    unit : {"ml", "mm2", "pixels"}
        Pixels where the size of a pixel is unknown.
    """

    overlap: Overlap
    said: bool
    size: float
    true_size: float
    unit: SizeUnit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Boxes of one label.

    Parameters
    ----------
    found : Found
        Those that are reported: from the threshold of the label on.
    true : ndarray of float64, shape (m, 4) or (m, 6)
        See `edge.truth.boxes.match`.
    all : Found, optional
        All boxes, from `edge.truth.boxes.FLOOR` on; None where these were not looked for.
    """

    found: Found
    true: NDArray[Any]
    all: Found | None = None
