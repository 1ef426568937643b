"""Checks of a picture as a film: plain black or white, a plain border, several films in one.

Each rests on one measured number, which the pack may limit (`edge.pack.look.Look`): what is beyond its limit is
refused. Where the pack tells no limit, radiographs far beyond what is usual are warned of, and nothing else: the dark
surround of an ultrasound or fundus picture is as it should be. What these checks cannot see: a border with marks in it,
films that touch each other, a film that was cut off where its picture now ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.check.plateau import without_overshoot
from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.prepare.pieces import pieces_of
from edge.reasons import CROPPED, SATURATED, SEVERAL_FILMS, Reason
from edge.scan import Scan

Box = tuple[slice, slice]

RADIOGRAPHS = ("CR", "DX", "RG")
"""(0008,0060) of projections on a film or a plate (PS3.3 C.7.3.1.1.1); breasts (MG) leave half of theirs dark."""

MOST_SATURATED, LEAST_FILLED = 0.5, 0.5
"""Of a radiograph, where the pack tells no limits."""

FLAT = 0.02
"""Of a picture's contrast: a row or column that varies by less shows nothing."""

NARROWEST, LEAST_PART = 0.005, 0.25
"""Of the picture's width or height: the gap between two films, and each of them."""

FEWEST = 64
"""Rows and columns from which on a radiograph is looked at where the pack tells no limits."""

LOOKED_AT = 256
"""Rows and columns that tell a picture's contrast: an evenly spread sample."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """Least and greatest values of the rows, and of the columns, of a picture."""

    least: tuple[NDArray[Any], NDArray[Any]]
    greatest: tuple[NDArray[Any], NDArray[Any]]

    @classmethod
    def of(cls, picture: NDArray[Any]) -> Lines:
        """Return those of a picture (y, x), which is read once."""
        least, greatest = [], []
        for rows in pieces_of(picture):
            piece = picture[rows]
            least.append((piece.min(axis=1), piece.min(axis=0)))
            greatest.append((piece.max(axis=1), piece.max(axis=0)))
        return cls(
            least=(np.concatenate([row for row, _ in least]), np.min([column for _, column in least], axis=0)),
            greatest=(np.concatenate([row for row, _ in greatest]), np.max([column for _, column in greatest], axis=0)),
        )

    def plain(self, axis: int, flat: float) -> NDArray[np.bool_]:
        """Return which rows (`axis` 0) or columns (1) vary by no more than `flat`, and so show nothing."""
        span = self.greatest[axis].astype(np.float64) - self.least[axis]
        return np.asarray(span <= flat)


def as_film(scan: Scan, accepts: Accepts) -> tuple[Notice, ...]:
    """Compare the points that are plain black or white, the part within the border, and the number of films."""
    picture = _film(scan, accepts)
    if picture is None:
        return ()
    lines = Lines.of(picture)
    if lines.least[0].min() == lines.greatest[0].max():
        return ()
    flat = FLAT * _contrast(picture)
    border = _border(picture, lines, flat)
    inside = picture[border]
    if inside.shape != picture.shape:
        lines = Lines.of(inside)
    said = (
        _saturated(_share_of_ends(inside, lines), accepts),
        _cropped(inside.size / picture.size, accepts),
        _several(_count(lines, flat), accepts),
    )
    return tuple(notice for notice in said if notice is not None)


def _saturated(found: float, accepts: Accepts) -> Notice | None:
    most = MOST_SATURATED if accepts.look is None else accepts.look.most_saturated
    detail = f"{found:.0%} of its points have the least or the greatest value, expected at most {most:.0%}."
    return _notice(SATURATED, accepts, detail) if found > most else None


def _cropped(found: float, accepts: Accepts) -> Notice | None:
    least = LEAST_FILLED if accepts.look is None else accepts.look.least_filled
    detail = f"{found:.0%} of it lies within its border, expected at least {least:.0%}."
    return _notice(CROPPED, accepts, detail) if found < least else None


def _several(count: int, accepts: Accepts) -> Notice | None:
    return None if count == 1 else _notice(SEVERAL_FILMS, accepts, f"Found {count}, parted by plain gaps.")


def saturated_share(picture: NDArray[Any]) -> float:
    """Return which share, 0 to 1, of a picture (y, x) within its border has its least or greatest value.

    Examples
    --------
    >>> saturated_share(np.array([[0, 9, 0, 9], [9, 4, 5, 0]]))
    0.75
    """
    inside = picture[border_of(picture)]
    return _share_of_ends(inside, Lines.of(inside))


def filled_share(picture: NDArray[Any]) -> float:
    """Return which share, 0 to 1, of a picture (y, x) lies within its plain border, be that dark or bright.

    Examples
    --------
    >>> filled_share(np.pad(np.arange(16).reshape(4, 4), ((0, 0), (0, 4))))
    0.5
    """
    rows, columns = border_of(picture)
    return picture[rows, columns].size / picture.size


def border_of(picture: NDArray[Any]) -> Box:
    """Return the rows and columns of a picture (y, x) within its plain border; all of them where nothing is plain.

    A row or column is plain where its values lie within `FLAT` of the picture's contrast.
    """
    return _border(picture, Lines.of(picture), FLAT * _contrast(picture))


def count_films(picture: NDArray[Any]) -> int:
    """Return into how many films plain gaps part a picture (y, x): side by side, or one above the other.

    Examples
    --------
    >>> film = np.arange(144).reshape(12, 12) % 17
    >>> count_films(film), count_films(np.hstack([film, np.zeros((12, 3), int), film]))
    (1, 2)
    """
    return _count(Lines.of(picture[border_of(picture)]), FLAT * _contrast(picture))


def _film(scan: Scan, accepts: Accepts) -> NDArray[Any] | None:
    """The one grey picture of which something can be said."""
    if scan.stack != "picture" or scan.slide is not None or scan.voxels.ndim != 3:
        return None
    few = min(scan.voxels.shape[1:]) < FEWEST
    if accepts.look is None and (few or scan.acquisition.modality not in RADIOGRAPHS):
        return None
    picture = without_overshoot(scan)
    finite = picture.dtype.kind != "f" or np.isfinite(picture.sum(dtype=np.float64))
    return picture if finite else None


def _notice(reason: Reason, accepts: Accepts, detail: str) -> Notice:
    return Notice(reason=reason, severity="warn" if accepts.look is None else "refuse", detail=detail)


def _contrast(picture: NDArray[Any]) -> float:
    """From the 0.5th to the 99.5th percentile, so that a few dead or hot points do not count."""
    step_y, step_x = (max(1, size // LOOKED_AT) for size in picture.shape)
    values = np.sort(picture[::step_y, ::step_x], axis=None)
    # As np.percentile, which would import numpy.ma: a twentieth of a cold start.
    low, high = np.interp(np.multiply([0.005, 0.995], values.size - 1), np.arange(values.size), values)
    return float(high - low)


def _border(picture: NDArray[Any], lines: Lines, flat: float) -> Box:
    rows = _inside(lines.plain(0, flat))
    if (rows.start, rows.stop) != (0, len(picture)):
        lines = Lines.of(picture[rows])
    return rows, _inside(lines.plain(1, flat))


def _share_of_ends(inside: NDArray[Any], lines: Lines) -> float:
    """The share of points that have the least or the greatest value of all."""
    (low, _), (high, _) = lines.least, lines.greatest
    ends = {low.min(): low, high.max(): high}
    return float(sum(np.count_nonzero(inside[rows == end] == end) for end, rows in ends.items()) / inside.size)


def _count(lines: Lines, flat: float) -> int:
    return max(_parts(lines.plain(axis, flat)) for axis in (1, 0))


def _inside(plain: NDArray[np.bool_]) -> slice:
    found = np.flatnonzero(~plain)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, plain.size)


def _parts(plain: NDArray[np.bool_]) -> int:
    """How many films there are along an axis, by its gaps."""
    gap = max(2, round(NARROWEST * plain.size))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], plain, [False]]).astype(np.int8)))
    runs = [(int(start), int(end)) for start, end in edges.reshape(-1, 2) if end - start >= gap]
    starts, ends = [0, *(end for _, end in runs)], [*(start for start, _ in runs), plain.size]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    return max(1, sum(size >= LEAST_PART * plain.size for size in sizes))
