"""Occlusion: what each patch of the picture is worth to the score, by hiding it (Zeiler and Fergus 2014).

It asks the model alone, so it works for any net; the map lies in the space of the scan, whatever the steps did.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.explain.probe import Probe, Where
from edge.findings import InfluenceMap
from edge.geometry import Shape

PARTS = 7
"""Patches side by side along an axis, as the last layer of most nets for 224 x 224 sees a picture."""
LEAST_CHANGE = 1e-3
"""In the unit of the logit: a map that is flatter than this shows the rounding of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """All places of a patch.

    Parameters
    ----------
    shape : tuple of int
        Of what was prepared: (z, y, x).
    size : tuple of int
        Of the patch.
    starts : tuple of tuples of int
        First index of each place along (z, y, x); together they reach every voxel.
    """

    shape: Shape
    size: Shape
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    def __len__(self) -> int:
        """How many there are."""
        return math.prod(len(each) for each in self.starts)

    def __iter__(self) -> Iterator[tuple[slice, slice, slice]]:
        """Yield each place."""
        for z, y, x in itertools.product(*self.starts):
            yield slice(z, z + self.size[0]), slice(y, y + self.size[1]), slice(x, x + self.size[2])

    @property
    def rule(self) -> str:
        """How the map is made, in words."""
        axes = range(3) if self.shape[0] > 1 else (1, 2)
        size, whole = (" x ".join(str(sizes[axis]) for axis in axes) for sizes in (self.size, self.shape))
        return f"occlusion: {len(self)} patches of {size} out of {whole} points hidden by the mean, one at a time"


def patches_of(shape: Shape) -> Patches:
    """Return the patches of a prepared picture or volume: a seventh of each axis; of a picture, half as far apart.

    Examples
    --------
    >>> patches_of((1, 28, 28)).rule
    'occlusion: 169 patches of 4 x 4 out of 28 x 28 points hidden by the mean, one at a time'
    >>> len(patches_of((96, 96, 96)))
    343
    """
    sizes = [max(1, math.ceil(size / PARTS)) for size in shape]
    steps = [max(1, size // 2) if shape[0] == 1 else size for size in sizes]
    z, y, x = (_starts(whole, size, step) for whole, size, step in zip(shape, sizes, steps, strict=True))
    return Patches(shape=shape, size=(sizes[0], sizes[1], sizes[2]), starts=(z, y, x))


def occlude(probe: Probe, patches: Patches, labels: Sequence[str]) -> tuple[InfluenceMap, ...]:
    """Return the map of each label: for every voxel, how much the log-odds fall when a patch over it is hidden.

    It is the mean over the patches that cover the voxel. A label that no patch changes has no map.

    Parameters
    ----------
    labels : sequence of str
        Names.
    """
    at = probe.indices(labels)
    fall = np.zeros((len(at), *patches.shape), dtype=np.float32)
    times = np.zeros(patches.shape, dtype=np.float32)
    for place in patches:
        hidden: Where = np.zeros(patches.shape, dtype=np.bool_)
        hidden[place] = True
        lost = (probe.whole - probe.without(hidden))[at]
        z, y, x = place
        fall[:, z, y, x] += lost[:, np.newaxis, np.newaxis, np.newaxis]
        times[place] += 1.0
    fall /= times
    return tuple(
        InfluenceMap(label=name, values=part, grid=probe.feed.grid)
        for name, part in zip(labels, fall, strict=True)
        if float(np.ptp(part)) > LEAST_CHANGE
    )


def _starts(whole: int, size: int, step: int) -> tuple[int, ...]:
    """The last patch is moved back, so that it ends where the axis does."""
    return tuple(sorted({min(start, whole - size) for start in range(0, whole - size + step, step)}))
