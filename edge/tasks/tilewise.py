"""The scores of a picture's windows: gathered, mapped where they lie, and the best window of each label."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detect.place import place_box
from edge.errors import EngineError
from edge.findings import BestTile, InfluenceMap, Skipped
from edge.geometry import Grid
from edge.prepare import Feed, Window
from edge.reasons import BAD_OUTPUT
from edge.volume.tiles import Start, Tiles

Scores = NDArray[np.float64]

HALF = 0.5
"""Pixels: one belongs to a window that holds its centre."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileScores:
    """What the model said of each window.

    Parameters
    ----------
    scores : ndarray of float64, shape (window, label)
        0 to 1: of a window that was seen in the mirror as well, the mean.
    starts : tuple of Start
        Of each window.
    feed : Feed
        The first one.
    tiles : Tiles
    """

    scores: Scores
    starts: tuple[Start, ...]
    feed: Feed
    tiles: Tiles


def gather(results: Iterable[tuple[Feed, Scores]]) -> TileScores:
    """Return the scores of all windows, consuming them as they come; only scores are kept.

    Raises
    ------
    EngineError
        ``E503``: the model did not run once for every window.
    """
    scores: list[Scores] = []
    starts: list[Start] = []
    first: Feed | None = None
    for start, runs in itertools.groupby(results, key=lambda pair: window_of(pair[0]).start):
        mirrored = list(runs)
        first = first or mirrored[0][0]
        starts.append(start)
        scores.append(np.mean([score for _, score in mirrored], axis=0))
    if first is None or len(starts) * len(window_of(first).tiles.mirrors) != window_of(first).runs:
        raise EngineError(f"Classifying: the model saw {len(starts)} windows, expected others.", BAD_OUTPUT)
    return TileScores(scores=np.stack(scores), starts=tuple(starts), feed=first, tiles=window_of(first).tiles)


def best_tiles(seen: TileScores, names: Sequence[str], source: Grid) -> tuple[BestTile, ...]:
    """Return the window with the highest score of each label, the first of equal ones, on the pixels of the source."""
    best = []
    for name, scores in zip(names, seen.scores.T, strict=True):
        index = int(scores.argmax())
        (rows, _, columns), _ = seen.tiles.inside(seen.starts[index])
        placed = place_box((rows.start, columns.start, rows.stop, columns.stop), seen.feed.grid, source)
        if placed is None:
            raise ValueError(f"Placing the window at {seen.starts[index]}: nothing of it lies on the picture.")
        _, top, left, _, bottom, right = placed.edges
        box = math.floor(top + HALF), math.floor(left + HALF), math.ceil(bottom - HALF) - 1, math.ceil(right - HALF) - 1
        best.append(BestTile(label=name, score=float(scores[index]), box=box))
    return tuple(best)


def maps_of(seen: TileScores, names: Sequence[str]) -> tuple[InfluenceMap, ...]:
    """Return the map of each label: squares as far apart as windows, each with the highest score that touches it."""
    step_y, step_x = (_step(seen.tiles, axis) for axis in (0, 2))
    _, rows, columns = seen.feed.grid.shape
    shape = (-(-rows // step_y), -(-columns // step_x))
    values = np.zeros((len(names), *shape), dtype=np.float32)
    for start, scores in zip(seen.starts, seen.scores, strict=True):
        (y, _, x), _ = seen.tiles.inside(start)
        part = values[:, y.start // step_y : -(-y.stop // step_y), x.start // step_x : -(-x.stop // step_x)]
        np.maximum(part, scores.astype(np.float32)[:, np.newaxis, np.newaxis], out=part)
    grid = seen.feed.grid.cropped((0, 0, 0), (1, shape[0] * step_y, shape[1] * step_x)).resized((1, *shape))
    return tuple(
        InfluenceMap(label=name, values=part[np.newaxis], grid=grid) for name, part in zip(names, values, strict=True)
    )


def skipped_of(window: Window) -> Skipped | None:
    """Return how many windows were not fed, as they show bare glass; None where all were."""
    of = window.tiles.runs // len(window.tiles.mirrors)
    return Skipped(windows=len(window.bare), of=of) if window.bare else None


def _step(tiles: Tiles, axis: int) -> int:
    """How far neighbouring windows lie apart; of two the second may have been moved back."""
    starts = tiles.starts_along[axis]
    return starts[1] - starts[0] if len(starts) > 2 else min(tiles.patch[axis], tiles.shape[axis])


def window_of(feed: Feed) -> Window:
    """Return which window was fed.

    Raises
    ------
    EngineError
        ``E503``: it was a whole scan.
    """
    if feed.window is None:
        raise EngineError("Reading the answers: the model was fed a whole scan, expected windows.", BAD_OUTPUT)
    return feed.window
