"""Percentiles of whole pictures by counting: those of `np.percentile` to the last bit, where they can be had so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 1 << 18
"""Values from which on counting is worth it: of four million, a seventh of the time."""

ROUNDED = 1e-6
"""Share by which a place among the sorted values may be rounded: that of numpy may be in single precision."""


def counted(values: NDArray[Any], percents: Sequence[float]) -> tuple[float, ...] | None:
    """Return percentiles of many whole numbers of 8 or 16 bits; None where values are few, or of another type.

    None, too, where a percentile lies between two values and not upon one: how numpy then rounds is numpy's.

    Parameters
    ----------
    values : ndarray
        Of any shape.
    percents : sequence of float
        0 to 100.

    Examples
    --------
    >>> counted(np.repeat(np.array([3, 5, 9], np.uint8), LARGE), [0.0, 50.0])
    (3.0, 5.0)
    >>> counted(np.repeat(np.array([3, 5], np.uint8), LARGE), [50.0]) is None
    True
    """
    if values.size < LARGE or values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        return None
    least = int(values.min())
    flat, counts = values.reshape(-1), np.zeros(1 << 16, dtype=np.int64)
    for first in range(0, flat.size, LARGE):  # counting takes eight bytes for each value
        counts += np.bincount(flat[first : first + LARGE].astype(np.int64) - least, minlength=counts.size)
    up_to = np.cumsum(counts)
    found = []
    for percent in percents:
        place = (values.size - 1) * percent / 100.0
        ends = (max(place * (1.0 - ROUNDED) - 1.0, 0.0), min(place * (1.0 + ROUNDED) + 1.0, values.size - 1.0))
        below, above = np.searchsorted(up_to, [int(ends[0]), int(np.ceil(ends[1]))], side="right")
        if below != above:
            return None
        found.append(float(least + below))
    return tuple(found)
