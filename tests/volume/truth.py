"""The definitions, written plainly and slowly, and volumes without symmetry to run them on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Grid, Shape, resample
from edge.volume.blend import Slab
from edge.volume.source import Decision
from edge.volume.tiles import Flips, Start, Tiles, Weighting

Array = NDArray[Any]
Output = tuple[Start, Flips, Array]

SHAPES = st.tuples(*[st.integers(1, 13)] * 3)
PATCHES = st.tuples(*[st.integers(1, 7)] * 3)
OVERLAPS = st.floats(0, 0.9) | st.sampled_from([0.0, 0.25, 0.5, 0.625, 0.9])
MIRRORED = st.sampled_from([(), (2,), (0, 2), (0, 1, 2)])


def outputs_of(tiles: Tiles, classes: int, *, seed: int = 0) -> list[Output]:
    """Random scores for every run of every window, in order."""
    generator = np.random.default_rng(seed)
    shape = (classes, *tiles.patch)
    return [
        (start, flips, generator.normal(size=shape).astype(np.float32))
        for z in tiles.starts_along[0]
        for start, flips in tiles.row(z)
    ]


def slow_weights(patch: Start, weighting: Weighting) -> Array:
    """The weight of each voxel of a window, from the definition."""
    if weighting == "constant":
        return np.ones(patch)
    result = np.empty(patch)
    for index in np.ndindex(*patch):
        parts = [(i - (n - 1) / 2) / (0.125 * n) for i, n in zip(index, patch, strict=True)]
        result[index] = max(np.exp(-0.5 * sum(part**2 for part in parts)), 1e-3)
    return result


def slow_blend(outputs: list[Output], shape: Start, patch: Start, weighting: Weighting) -> Array:
    """The weighted mean over the whole volume at once, in double precision."""
    margin = [(length, length) for length in patch]
    total = np.pad(np.zeros((len(outputs[0][2]), *shape)), [(0, 0), *margin])
    count = np.pad(np.zeros(shape), margin)
    weights = slow_weights(patch, weighting)
    for start, flips, scores in outputs:
        axes = tuple(axis + 1 for axis, flip in enumerate(flips) if flip)
        z, y, x = (slice(first + n, first + 2 * n) for first, n in zip(start, patch, strict=True))
        total[:, z, y, x] += np.flip(scores, axes) * weights
        count[z, y, x] += weights
    z, y, x = (slice(n, n + size) for n, size in zip(patch, shape, strict=True))
    return np.asarray(total[:, z, y, x] / count[z, y, x])


def slow_labels(scores: Array, fed: Grid, source: Grid, decision: Decision) -> Array:
    """All scores on all voxels of the source, then decided. `scores`: (class, z, y, x)."""
    on_source = resample(np.moveaxis(scores, 0, -1).astype(np.float32), fed, source, fill=np.nan)
    seen = ~np.isnan(on_source[..., 0])
    if decision.limits is None:
        return np.where(seen, np.argmax(np.nan_to_num(on_source), axis=-1), 0)
    bits = sum((on_source[..., i] >= limit).astype(np.int64) << i for i, limit in enumerate(decision.limits))
    return np.where(seen, bits, 0)


def slabs_of(scores: Array, *thicknesses: int) -> Iterator[Slab]:
    """The scores, shape (class, z, y, x), cut into slabs of these thicknesses in turn."""
    z = 0
    for thickness in itertools.cycle(thicknesses or (4,)):
        if z >= scores.shape[1]:
            return
        yield Slab(z=z, scores=scores[:, z : z + thickness].astype(np.float32))
        z += thickness


def smooth_scores(classes: int, shape: Shape, *, seed: int = 0, per_voxel: float = 0.35) -> Array:
    """A few waves for each class: regions with outlines, no symmetry. Shape (class, z, y, x), float32."""
    generator = np.random.default_rng(seed)
    places = np.indices(shape).reshape(3, -1)
    waves = [
        sum(np.sin(generator.normal(size=3) * per_voxel @ places + generator.uniform(0, 7)) for _ in range(3))
        for _ in range(classes)
    ]
    return np.stack(waves).reshape(classes, *shape).astype(np.float32)


def body(shape: Shape, steps: tuple[float, float, float] = (2.5, 1.25, 0.75)) -> Grid:
    """A grid whose axes are the patient's, away from the origin."""
    z, y, x = steps
    matrix = np.array([[0, 0, x, -11.5], [0, y, 0, 20.25], [z, 0, 0, -300.5], [0, 0, 0, 1.0]])
    return Grid.of(shape, matrix, "patient")
