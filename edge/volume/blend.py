"""The model's answers for overlapping windows in, slabs of blended scores out, each as soon as it is finished."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.reasons import BAD_OUTPUT
from edge.volume.scratch import scratch_array, scratch_file
from edge.volume.tiles import Flips, Start, Tiles, Weighting, mirror

Scores = NDArray[np.float32]

THICKNESS = 4
"""Slices of a slab: enough to spare calls, few enough to stay small beside the sums."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slab:
    """Finished slices of the fed grid.

    Parameters
    ----------
    z : int
        Index of the first slice.
    scores : ndarray of float32, shape (class, slices, y, x)
        The reader's own.
    """

    z: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Sums in a temporary file, of which only some classes are in memory at a time.

    Parameters
    ----------
    classes : int
        How many at a time, at least 1.
    folder : Path
        On a disk.
    """

    classes: int
    folder: Path


def blend(
    outputs: Iterable[tuple[Start, Flips, NDArray[Any]]],
    tiles: Tiles,
    classes: int,
    *,
    weighting: Weighting = "gaussian",
    blocks: Blocks | None = None,
) -> Generator[Slab, None, None]:
    """Yield the weighted mean of all windows over each voxel, slab by slab along z.

    Memory: the sums of C classes over one window's depth, ``4 C pz y x`` bytes, or those of a block of classes; the
    weights, ``4 pz (y x + py px)``; one slab, ``4 C THICKNESS y x``; one window. `edge.volume.plan` adds them up.

    Parameters
    ----------
    outputs : iterable of (Start, Flips, ndarray of shape (class, pz, py, px))
        What the model gave for every window, in the order of ``tiles.cut`` and mirrored as it was cut. Floating
        point; summed as float32.
    tiles : Tiles
    classes : int
        How many scores each voxel has, at least 1.
    weighting : {"gaussian", "constant"}
    blocks : Blocks, optional
        Where the sums of all classes do not fit in memory. The results are the same, bit by bit.

    Yields
    ------
    Slab
        Up to `THICKNESS` slices, from z = 0 on without a gap.

    Raises
    ------
    EngineError
        ``E503``: the model gave values that are no numbers.
    OutputError
        ``W800``, ``W801``: the sums have no room on the disk.
    ValueError
        Outputs are missing, left over, out of order or of another shape.
    """
    weights = tiles.weights(weighting)
    row_weights = _row_weights(tiles, weights)
    arriving = iter(outputs)
    along_z = tiles.starts_along[0]
    with ExitStack() as stack:
        sums = _Sums.of(classes, tiles, blocks, stack)
        for z, following in zip(along_z, (*along_z[1:], tiles.shape[0]), strict=True):
            for expected in tiles.row(z):
                sums.add(_next(arriving, expected, tiles, classes), weights, tiles, expected[0])
            for first in range(max(z, 0), following, THICKNESS):
                slices = range(first, min(first + THICKNESS, following))
                yield Slab(z=first, scores=sums.take(first, _totals(tiles, row_weights, slices)))
    if next(arriving, None) is not None:
        raise ValueError(f"Blending windows: found more outputs than the expected {tiles.runs}.")


def _next(
    arriving: Iterator[tuple[Start, Flips, NDArray[Any]]], expected: tuple[Start, Flips], tiles: Tiles, classes: int
) -> Scores:
    """The next output, mirrored back."""
    found = next(arriving, None)
    if found is None:
        raise ValueError(f"Blending windows: the outputs end before {expected}, expected {tiles.runs} of them.")
    start, flips, scores = found
    shape = (classes, *tiles.patch)
    if (start, flips) != expected or scores.shape != shape:
        raise ValueError(
            f"Blending windows: found the output of {(start, flips)} with shape {scores.shape}, "
            f"expected that of {expected} with shape {shape}."
        )
    return np.ascontiguousarray(mirror(scores, flips), dtype=np.float32)


def _row_weights(tiles: Tiles, weights: Scores) -> Scores:
    """The weights of all windows that start at one z, shape (pz, y, x): the same for every such z."""
    total = np.zeros((tiles.patch[0], *tiles.shape[1:]), dtype=np.float32)
    for start, _ in tiles.row(0):
        (_, rows, columns), (_, own_rows, own_columns) = tiles.inside(start)
        total[:, rows, columns] += weights[:, own_rows, own_columns]
    return total


def _totals(tiles: Tiles, row_weights: Scores, slices: range) -> Scores:
    """The weights of all windows over each voxel of some slices."""
    totals = np.zeros((len(slices), *tiles.shape[1:]), dtype=np.float32)
    for index, z in enumerate(slices):
        for start in tiles.starts_along[0]:
            if start <= z < start + tiles.patch[0]:
                totals[index] += row_weights[z - start]
    return totals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """Sums of weighted scores, (class, depth, y, x): slice z lies at z modulo depth, in memory or in a file."""

    shape: tuple[int, int, int, int]
    step: int
    memory: NDArray[Any] | None
    file: IO[bytes] | None

    @classmethod
    def of(cls, classes: int, tiles: Tiles, blocks: Blocks | None, stack: ExitStack) -> _Sums:
        shape = (classes, tiles.depth, *tiles.shape[1:])
        if blocks is None:
            return cls(shape=shape, step=classes, memory=scratch_array(shape, np.float32, None), file=None)
        file = stack.enter_context(scratch_file(4 * math.prod(shape), blocks.folder))
        return cls(shape=shape, step=max(blocks.classes, 1), memory=None, file=file)

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """The first class of each block and its sums; a mapped block is let go before the next one."""
        if self.memory is not None:
            yield 0, self.memory
        if self.file is None:
            return
        size = 4 * math.prod(self.shape[1:])
        for first in range(0, self.shape[0], self.step):
            shape = (min(self.step, self.shape[0] - first), *self.shape[1:])
            yield first, np.memmap(self.file, dtype=np.float32, mode="r+", offset=first * size, shape=shape)

    def add(self, scores: Scores, weights: Scores, tiles: Tiles, start: Start) -> None:
        (slices, rows, columns), (own_slices, own_rows, own_columns) = tiles.inside(start)
        pairs = list(zip(range(slices.start, slices.stop), range(own_slices.start, own_slices.stop), strict=True))
        for first, sums in self.blocks():
            for own, part in zip(scores[first:], sums, strict=False):
                for z, own_z in pairs:
                    # One pass over memory where numpy needs two.
                    cv2.accumulateProduct(
                        own[own_z, own_rows, own_columns],
                        weights[own_z, own_rows, own_columns],
                        part[z % self.shape[1], rows, columns],
                    )

    def take(self, z: int, totals: Scores) -> Scores:
        """The means over some slices from `z` on, whose sums start again from zero."""
        taken = np.empty((self.shape[0], *totals.shape), dtype=np.float32)
        factors = np.float32(1) / totals
        for first, sums in self.blocks():
            for index, factor in enumerate(factors):
                finished = sums[:, (z + index) % self.shape[1]]
                np.multiply(finished, factor, out=taken[first : first + len(sums), index])
                finished[...] = 0
        if not (np.isfinite(taken.min()) and np.isfinite(taken.max())):
            raise EngineError(f"Blending windows: scores around slice {z} are no numbers.", BAD_OUTPUT)
        return taken
