"""Decoded voxels -> the warning that some of them are no numbers."""

from __future__ import annotations

import numpy as np

from edge.geometry import Array


def finite_words(voxels: Array) -> tuple[str, ...]:
    """Return the warning that some values are not finite, none where all are.

    Examples
    --------
    >>> finite_words(np.array([1.0, np.nan]))
    ('Some values are not numbers (NaN) or infinite.',)
    """
    if voxels.dtype.kind != "f" or np.isfinite(voxels).all():
        return ()
    return ("Some values are not numbers (NaN) or infinite.",)
