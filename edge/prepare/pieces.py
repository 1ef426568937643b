"""A picture some rows at a time: what is done to them one thing after the other finds them in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

PIECE_BYTES = 1 << 20
"""Of a piece in float32."""


def pieces_of(picture: NDArray[Any], *, multiple: int = 1) -> Iterator[slice]:
    """Yield which rows of a picture, shape (y, ...), make up a piece, from the first to the last.

    Parameters
    ----------
    multiple : int
        Of which every piece but the last has a multiple of rows.

    Examples
    --------
    >>> import numpy as np
    >>> list(pieces_of(np.zeros((5, PIECE_BYTES // 8))))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    rows = PIECE_BYTES * len(picture) // max(1, 4 * picture.size)
    rows = max(multiple, rows // multiple * multiple)
    return (slice(first, first + rows) for first in range(0, len(picture), rows))
