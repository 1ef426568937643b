"""From measured times to two engines: one for a single scan, where starting counts, and one for a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge.ready.record import Measured

T = TypeVar("T")

MARGIN = 0.05
"""What is faster by less is as fast: the next measurement may say otherwise, and a choice should last."""
_NEVER = 10**9


def fastest(items: Sequence[T], cost: Callable[[T], float]) -> T:
    """Return the first item that costs no more than `MARGIN` above the cheapest: items stand in order of preference.

    Examples
    --------
    >>> fastest([10.2, 9.0, 10.0, 8.8], float)
    9.0
    """
    least = min(cost(item) for item in items)
    return next(item for item in items if cost(item) <= (1 + MARGIN) * least)


def crossover(one: Measured, many: Measured) -> int:
    """Return from how many scans on, in one process, `many` costs less than `one`, which is better for a single scan.

    Returns
    -------
    int
        2 at least; 1 if `many` is no faster for any number, so that there is nothing to cross over to.

    Examples
    --------
    >>> def took(start, scan):
    ...     return Measured(rounds=1, open_seconds=start, first_seconds=scan, scan_seconds=scan, compile_seconds=0.0)
    >>> crossover(took(0.5, 0.05), took(1.5, 0.01))
    26
    """
    gain = one.scan_seconds - many.scan_seconds
    if gain <= 0:
        return 1
    behind = many.cost_seconds(1) - one.cost_seconds(1)
    return max(2, min(math.floor(behind / gain + 1e-9) + 2, _NEVER))
