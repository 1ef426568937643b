"""Blended scores of the fed grid in, labels on the source's own voxels out, slab by slab.

Scores are interpolated linearly and decided on the source, so that outlines follow its voxels and not the model's
coarser ones. Most of a volume lies far from any outline: where the eight fed voxels around a source voxel are decided
alike, so is every linear mixture of them (it is convex), and only the rest needs to be interpolated at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import EXACT, Grid, Shape, index_map, resample
from edge.volume.blend import Scores, Slab
from edge.volume.scratch import scratch_array

Codes = NDArray[np.unsignedinteger[Any]]
Index = NDArray[np.intp]

CHUNK = 1 << 17
"""Scores that are interpolated at a time: they stay in a core's cache."""

MOST_LIMITS = 64
MOST_CLASSES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How the scores of a voxel become its label.

    Parameters
    ----------
    classes : int
        How many scores a voxel has.
    limits : tuple of float, optional
        None: the class with the highest score, the first of equal ones, is the label; class 0 is the background.
        Else one limit for each class, and the label is a set of bits: bit i is set where score i reaches limit i.

    Raises
    ------
    ValueError
        More classes than a label can tell apart (65536, or 64 with limits), or another number of limits.
    """

    classes: int
    limits: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        most = MOST_CLASSES if self.limits is None else MOST_LIMITS
        if not 1 <= self.classes <= most or (self.limits is not None and len(self.limits) != self.classes):
            count = None if self.limits is None else len(self.limits)
            raise ValueError(
                f"Deciding labels: found {self.classes} classes and {count} limits, expected 1 to {most} classes and "
                "no limit or one for each."
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer that holds every label.

        Examples
        --------
        >>> Decision(classes=14).dtype, Decision(classes=9, limits=(0.5,) * 9).dtype
        (dtype('uint8'), dtype('uint16'))
        """
        return np.min_scalar_type(self.classes - 1 if self.limits is None else (1 << self.classes) - 1)

    def decide(self, scores: Scores) -> Codes:
        """Return the labels of scores of shape (class, ...); they are finite."""
        codes: Codes = np.zeros(scores.shape[1:], dtype=self.dtype)
        if self.limits is not None:
            for index, (part, limit) in enumerate(zip(scores, self.limits, strict=True)):
                codes |= (part >= limit).astype(self.dtype) << self.dtype.type(index)
            return codes
        best = scores[0].copy()
        for index, part in enumerate(scores[1:], start=1):
            higher = part > best
            np.maximum(best, part, out=best)
            # Classes rise, so the last one that was higher is the largest: a maximum, which numpy does fastest.
            np.maximum(codes, higher.view(np.uint8) * self.dtype.type(index), out=codes)
        return codes

    def mask(self, codes: Codes, index: int) -> NDArray[np.bool_]:
        """Return where a label, by the index of its class, is."""
        if self.limits is None:
            return np.asarray(codes == self.dtype.type(index))
        return np.asarray((codes >> self.dtype.type(index)) & self.dtype.type(1), dtype=np.bool_)


def labels_as_fed(slabs: Iterable[Slab], shape: Shape, decision: Decision, *, folder: Path | None = None) -> Codes:
    """Return the label of every voxel of the fed grid itself, as each slab is decided.

    Parameters
    ----------
    slabs : iterable of Slab
        As `edge.volume.blend.blend` yields them.
    shape : tuple of int
        Of the fed grid.
    decision : Decision
    folder : Path, optional
        Where the labels lie in a temporary file, see `edge.volume.scratch`.
    """
    labels: Codes = scratch_array(shape, decision.dtype, folder)
    for slab in slabs:
        labels[slab.z : slab.z + slab.scores.shape[1]] = decision.decide(slab.scores)
    return labels


def labels_on_source(
    slabs: Iterable[Slab],
    fed: Grid,
    source: Grid,
    decision: Decision,
    *,
    folder: Path | None = None,
) -> Codes:
    """Return the label of every voxel of the source; what the model did not see (beyond the fed grid) is 0.

    Scores are held constant beyond the outermost centres of the fed grid, up to half a voxel, and nothing is smoothed
    where the source is coarser: as in `edge.geometry.resample`.

    Memory: the labels; three fed slices, ``12 C y x`` bytes; 24 bytes for each pixel of a source slice; 4 MB more.
    Where the grids are oblique to each other every score is kept, ``4 C z y x`` bytes of the fed grid, and a
    few source slices of scores; that is also many times slower.

    Parameters
    ----------
    slabs : iterable of Slab
        As `edge.volume.blend.blend` yields them, on `fed`.
    fed, source : Grid
        In one space. Fast where one is the other with its axes in any order and direction, scaled, cropped or padded;
        least so, by about four times, where the fed z runs along the source's x, since labels then land far apart.
    decision : Decision
    folder : Path, optional
        Where the labels are to lie in a temporary file, on a disk, instead of in memory.

    Returns
    -------
    ndarray of ``decision.dtype``, shape (z, y, x)
        On `source`.

    Raises
    ------
    ValueError
        The slabs are not those of `fed`, or no relation between the grids is known.
    OutputError
        ``W800``, ``W801``: the labels have no room on the disk.
    """
    relation = index_map(fed, source)
    followed = _followed(relation, source)
    labels = scratch_array(source.shape, decision.dtype, folder)
    slices = _slices(slabs, fed, decision)
    if followed is None:
        _fill_oblique(labels, slices, fed, source, decision)
        return labels
    along_z, along_y, along_x = (
        _Axis.of(relation[axis, followed[axis]], relation[axis, 3], fed.shape[axis], source.shape[followed[axis]])
        for axis in range(3)
    )
    turned = labels.transpose(followed)[along_z.seen, along_y.seen, along_x.seen]
    for z, below, above in _pairs(slices, decision):
        chosen = np.flatnonzero(along_z.low == z)
        if chosen.size:
            cells = _Cells.between(below, above, decision)
            cells.fill(turned[chosen[0] : chosen[-1] + 1], along_z.part[chosen], along_y, along_x)
    return labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Axis:
    """Where the source's voxels along one axis lie between the fed ones; only those that the model saw."""

    seen: slice
    low: Index
    part: NDArray[np.float32]

    @classmethod
    def of(cls, scale: float, offset: float, fed_size: int, source_size: int) -> _Axis:
        positions = scale * np.arange(source_size) + offset
        seen = np.flatnonzero((positions >= -0.5) & (positions <= fed_size - 0.5))
        first, count = (int(seen[0]), len(seen)) if seen.size else (0, 0)
        held = np.clip(positions[seen], 0, fed_size - 1)
        low = np.minimum(np.floor(held), max(fed_size - 2, 0)).astype(np.intp)
        return cls(seen=slice(first, first + count), low=low, part=(held - low).astype(np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slice:
    """A fed slice: its scores a voxel at a time, its labels, and in which of its cells those differ."""

    scores: Scores  # (y * x, class)
    codes: Codes  # (y, x)
    mixed: NDArray[np.bool_]  # (y - 1, x - 1), at least one each

    @classmethod
    def of(cls, scores: Scores, decision: Decision) -> _Slice:
        codes = decision.decide(scores)
        one, *others = _corners(codes)
        mixed = np.zeros(one.shape, dtype=np.bool_)
        for other in others:
            mixed |= one != other
        flat = np.ascontiguousarray(scores.transpose(1, 2, 0)).reshape(-1, decision.classes)
        return cls(scores=flat, codes=codes, mixed=mixed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """All that lies between two neighbouring fed slices."""

    below: _Slice
    above: _Slice
    mixed: NDArray[np.bool_]
    decision: Decision

    @classmethod
    def between(cls, below: _Slice, above: _Slice, decision: Decision) -> _Cells:
        across = _corners(below.codes)[0] != _corners(above.codes)[0]
        return cls(below=below, above=above, mixed=below.mixed | above.mixed | across, decision=decision)

    def fill(self, labels: Codes, parts: NDArray[np.float32], y: _Axis, x: _Axis) -> None:
        """Write the labels, shape (part, y, x), of slices that lie at some parts of the way from below to above."""
        labels[...] = self.below.codes.take(y.low, axis=0).take(x.low, axis=1)
        mixed = np.flatnonzero(self.mixed.take(y.low, axis=0).take(x.low, axis=1))
        step = max(CHUNK // self.decision.classes, 1)
        for first in range(0, len(mixed), step):
            row, column = np.divmod(mixed[first : first + step], len(x.low))
            places = self._places(y, x, row, column)
            low, high = (_mixture(part.scores, places) for part in (self.below, self.above))
            high -= low
            for part, written in zip(parts, labels, strict=True):
                written[row, column] = self.decision.decide(np.ascontiguousarray((low + high * part).T))

    def _places(self, y: _Axis, x: _Axis, row: Index, column: Index) -> list[tuple[Index, NDArray[np.float32]]]:
        """The four fed voxels around each place within a slice, and how much each counts."""
        height, width = self.below.codes.shape
        corner = y.low[row] * width + x.low[column]
        down, right = (width if height > 1 else 0), (1 if width > 1 else 0)
        wy, wx = y.part[row], x.part[column]
        return [
            (corner, (1 - wy) * (1 - wx)),
            (corner + right, (1 - wy) * wx),
            (corner + down, wy * (1 - wx)),
            (corner + down + right, wy * wx),
        ]


def _mixture(scores: Scores, places: list[tuple[Index, NDArray[np.float32]]]) -> Scores:
    """Weighted sums of rows of `scores`."""
    total: Scores | None = None
    for index, weight in places:
        term = scores.take(index, axis=0)
        term *= weight[:, np.newaxis]
        total = term if total is None else np.add(total, term, out=total)
    if total is None:
        raise ValueError("a mixture of nothing")
    return total


def _corners(values: NDArray[Any]) -> list[NDArray[Any]]:
    """For every cell of a slice its four corners; a single row or column is its own neighbour."""
    height, width = values.shape
    ys = (slice(max(height - 1, 1)), slice(min(1, height - 1), None))
    xs = (slice(max(width - 1, 1)), slice(min(1, width - 1), None))
    return [values[y, x] for y in ys for x in xs]


def _followed(relation: NDArray[np.float64], source: Grid) -> tuple[int, int, int] | None:
    """For each fed axis, the source axis that alone moves it; None where the grids are oblique to each other."""
    linear = np.abs(relation[:3, :3])
    a, b, c = np.argmax(linear, axis=1).tolist()
    linear[[0, 1, 2], [a, b, c]] = 0.0
    if len({a, b, c}) < 3 or bool(np.any(linear * (np.array(source.shape) - 1) > EXACT)):
        return None
    return a, b, c


def _slices(slabs: Iterable[Slab], fed: Grid, decision: Decision) -> Iterator[Scores]:
    """The slices of all slabs, shape (class, y, x), each checked to be the next one."""
    z, shape = 0, (decision.classes, *fed.shape[1:])
    for slab in slabs:
        found = (slab.scores.shape[0], *slab.scores.shape[2:])
        if slab.z != z or found != shape:
            raise ValueError(
                f"Deciding labels: found a slab from slice {slab.z} with (class, y, x) of {found}, expected one from "
                f"slice {z} with {shape}."
            )
        z += slab.scores.shape[1]
        yield from slab.scores.transpose(1, 0, 2, 3)
    if z != fed.shape[0]:
        raise ValueError(f"Deciding labels: the slabs hold {z} slices, expected {fed.shape[0]}.")


def _pairs(slices: Iterator[Scores], decision: Decision) -> Iterator[tuple[int, _Slice, _Slice]]:
    """Each fed slice with the one above it; a single slice with itself."""
    below = _Slice.of(next(slices), decision)
    z = -1
    for z, scores in enumerate(slices):
        above = _Slice.of(scores, decision)
        yield z, below, above
        below = above
    if z < 0:
        yield 0, below, below


def _fill_oblique(labels: Codes, slices: Iterator[Scores], fed: Grid, source: Grid, decision: Decision) -> None:
    """Any affine map: all scores are kept, and the source is filled a slice at a time."""
    scores = np.empty((*fed.shape, decision.classes), dtype=np.float32)
    for kept, found in zip(scores, slices, strict=True):
        kept[...] = found.transpose(1, 2, 0)
    for z in range(source.shape[0]):
        values = resample(scores, fed, source.cropped((z, 0, 0), (1, *source.shape[1:])), fill=np.nan)[0]
        unseen = np.isnan(values[..., 0])
        values[unseen] = 0
        labels[z] = decision.decide(np.ascontiguousarray(values.transpose(2, 0, 1)))
        labels[z][unseen] = 0
