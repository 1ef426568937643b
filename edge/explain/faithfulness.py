"""The deletion test: the score must fall faster when what a map calls influential is hidden first.

The parts of the picture are hidden one after the other, the strongest of the map first, and the log-odds are noted
(Samek et al. 2017; Petsiuk et al. 2018). The area below that curve is compared with those of random orders: a map that
says nothing of the model would beat all of 19 in one case of 20 (a permutation test at 5%).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.explain.probe import Probe
from edge.explain.told import Faithfulness
from edge.findings import InfluenceMap
from edge.geometry import Shape, resample

PARTS = 7
"""Along each axis that has as many points."""
STEPS = 10
"""In which all parts are hidden."""
ORDERS = 19
SEED = 2018
TIE = 1e-6
"""In the unit of the logit: a smaller difference is none."""
RULE = (
    "deletion test: {parts} parts hidden in {steps} steps, the map's strongest first; gain: how much lower the "
    "log-odds are than in {orders} random orders, mean over the steps; it holds where it beats all of them (p = 0.05)"
)

Order = NDArray[np.intp]


def runs_of_test(maps: int) -> int:
    """Return how many runs of the engine the test of so many maps takes, beside the one with nothing hidden."""
    return (ORDERS + maps) * (STEPS - 1) if maps else 0


def deletion_test(probe: Probe, maps: Sequence[InfluenceMap]) -> tuple[Faithfulness, ...]:
    """Return what the deletion test says of each map.

    The random orders are the same for every map and every scan.

    Parameters
    ----------
    maps : sequence of InfluenceMap
        Of different labels, anywhere in the space of the scan.
    """
    if not maps:
        return ()
    parts = parts_of(probe.feed.grid.shape)
    count = int(parts.max()) + 1
    generator = np.random.default_rng(SEED)
    at = probe.indices([shown.label for shown in maps])
    random = np.array([_area(probe, parts, generator.permutation(count))[at] for _ in range(ORDERS)])
    own = [_area(probe, parts, _order(shown, parts, probe))[index] for shown, index in zip(maps, at, strict=True)]
    rule = RULE.format(parts=count, steps=STEPS, orders=ORDERS)
    pairs = enumerate(zip(maps, own, strict=True))
    return tuple(_judged(shown.label, area, random[:, number], rule) for number, (shown, area) in pairs)


def parts_of(shape: Shape) -> NDArray[np.intp]:
    """Return the number of the part that each voxel belongs to, shape (z, y, x): blocks, counted in C order.

    Examples
    --------
    >>> parts_of((1, 2, 14))[0, :, ::2].tolist()
    [[0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13]]
    """
    counts = [min(PARTS, size) for size in shape]
    z, y, x = (np.arange(size) * count // size for size, count in zip(shape, counts, strict=True))
    return np.asarray((z[:, None, None] * counts[1] + y[:, None]) * counts[2] + x, dtype=np.intp)


def _order(shown: InfluenceMap, parts: NDArray[np.intp], probe: Probe) -> Order:
    """The parts, the strongest first; of equal ones the first."""
    values = resample(shown.values, shown.grid, probe.feed.grid).ravel().astype(np.float64)
    means = np.bincount(parts.ravel(), weights=values) / np.bincount(parts.ravel())
    return np.argsort(-means, kind="stable")


def _area(probe: Probe, parts: NDArray[np.intp], order: Order) -> NDArray[np.float64]:
    """The mean log-odds of each label on the way; both ends are the same for every order, and left out."""
    return np.asarray(np.mean([probe.without(np.isin(parts, gone)) for gone in _ever_more(order)], axis=0))


def _ever_more(order: Order) -> Iterator[Order]:
    """What is hidden after each step but the last, which hides everything."""
    ends = [round(len(order) * step / STEPS) for step in range(1, STEPS)]
    return (order[:end] for end in ends)


def _judged(label: str, own: float, random: NDArray[np.float64], rule: str) -> Faithfulness:
    beaten = int((random > own + TIE).sum())
    gain, orders = round(float(random.mean() - own), 4), len(random)
    return Faithfulness(label=label, gain=gain, beaten=beaten, orders=orders, holds=beaten == orders, rule=rule)
