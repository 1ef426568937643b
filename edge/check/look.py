"""Check of how a picture lies: upright, turned, mirrored, a negative, or like nothing that the pack is made for.

The picture is reduced to the size of the pack's template (`edge.pack.look.Look`) and its values to their ranks, so that
neither exposure nor window counts, only which parts are brighter than which. It is then laid on the template in all
eight positions of a square, as it is and as a negative. That is a matched filter, whose answer is a correlation from
-1 to 1: it is cheap, needs no network and does the same on every engine.

A picture that fits better turned or as a negative than upright is refused. One that fits better mirrored is warned of
and not refused: organs that lie the other way round (situs inversus) look the same. One that fits in no position is
refused, since nothing can be said of how it lies. The limits are the pack's, from pictures that the template was not
made from. Turns other than by quarters are not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.prepare.area import averaged
from edge.reasons import MIRRORED, NEGATIVE, TURNED, UNLIKE, Reason
from edge.scan import Scan

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""

POSITIONS = 8
MIRROR = 4
"""Index of the picture mirrored, left for right; before it and after it come three quarter turns each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How a picture lies on the template: correlations, or their differences.

    Parameters
    ----------
    likeness : float
        Of the position, of all and their negatives, that fits best.
    lead : float
        By which the upright position or its mirror image leads the best of all others.
    side : float
        By which the upright position leads its mirror image.
    negative : bool
        Whether the best of those others is a negative.
    """

    likeness: float
    lead: float
    side: float
    negative: bool


def position(scan: Scan, accepts: Accepts) -> Notice | None:
    """Say how a picture lies where that is not as the pack's pictures do; at most one thing, the gravest first."""
    look = accepts.look
    if look is None or scan.stack != "picture" or scan.slide is not None:
        return None
    small = reduced(scan, look.size)
    if small is None:
        return None
    found = position_of(small, look.template)
    if found.likeness < look.least_likeness:
        detail = f"Its likeness is {found.likeness:.2f}, expected at least {look.least_likeness:.2f}."
        return Notice(reason=UNLIKE, severity="refuse", detail=detail)
    if found.lead < look.least_lead:
        reason, how = (NEGATIVE, "as a negative") if found.negative else (TURNED, "turned")
        return _notice(reason, f"It fits better {how} than upright, by {-found.lead:.2f}.")
    if found.side < look.least_side:
        return _notice(MIRRORED, f"It fits better mirrored, by {-found.side:.2f}.")
    return None


def _notice(reason: Reason, detail: str) -> Notice:
    return Notice(reason=reason, severity="warn" if reason is MIRRORED else "refuse", detail=detail)


def reduced(scan: Scan, size: int) -> NDArray[np.float64] | None:
    """Return the ranks of the middle square of a picture, reduced to `size` x `size` points.

    Returns
    -------
    ndarray of float64, shape (size, size)
        Of mean 0 and length 1, bright parts positive as they are shown (MONOCHROME1 is turned); 0 where nothing
        varies. None where values are no numbers, which is refused elsewhere.
    """
    picture = scan.voxels[0]
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    grey = square if square.ndim == 2 else square.astype(np.float32) @ GREY
    small = averaged(grey, size, size)
    if not np.isfinite(small).all():
        return None
    ranks = ranked(-small if scan.acquisition.photometric == "MONOCHROME1" else small)
    ranks -= ranks.mean()
    length = float(np.linalg.norm(ranks))
    return ranks / length if length > 0 else ranks


def ranked(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rank of each value; equal ones share the mean of theirs.

    Examples
    --------
    >>> ranked(np.array([7, 3, 7, 9], np.float32)).tolist()
    [1.5, 0.0, 1.5, 3.0]
    """
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    means = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(means[index.reshape(values.shape)], dtype=np.float64)


def positions(square: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return a square picture in its `POSITIONS`: itself and its quarter turns, then those of its mirror image."""
    mirrored = square[:, ::-1]
    return tuple(np.rot90(each, quarter) for each in (square, mirrored) for quarter in range(4))


def position_of(small: NDArray[np.float64], template: tuple[float, ...] | NDArray[np.float64]) -> Position:
    """Return how a picture, as `reduced` gives it, lies on a template of its size.

    Examples
    --------
    >>> picture = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]) - 4 / 9
    >>> picture /= np.linalg.norm(picture)
    >>> lies = position_of(picture, picture.ravel())
    >>> round(lies.likeness, 3), lies.lead > 0, lies.side > 0
    (1.0, True, True)
    >>> position_of(-picture, picture.ravel()).negative
    True
    """
    filtered = np.asarray(template, np.float64)
    filtered = filtered - filtered.mean()
    filtered = filtered / np.linalg.norm(filtered)
    fits = np.array([each.ravel() @ filtered for each in positions(small)])
    upright = max(fits[0], fits[MIRROR])
    turned = max(fits[index] for index in range(POSITIONS) if index not in (0, MIRROR))
    negative = -fits.min()
    return Position(
        likeness=float(max(upright, turned, negative)),
        lead=float(upright - max(turned, negative)),
        side=float(fits[0] - fits[MIRROR]),
        negative=bool(negative > turned),
    )
