"""A picture made smaller by averaging: OpenCV's INTER_AREA to the last bit, in half of its time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.prepare.pieces import pieces_of

LANES = 4
"""Rows side by side as channels, the most that OpenCV averages. Alone, a row waits for each sum before the next one."""

FEWEST = 10
"""Pixels along a row that a point covers, from which on it is worth it."""


def averaged(picture: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """Return a picture reduced to `height` x `width` points, each the mean of what it covers.

    It is `cv2.resize` with ``INTER_AREA`` of the picture in float32. OpenCV adds up along a row, then row by row, so
    that the two can be done one after the other without changing a single bit, and rows beside each other.

    Parameters
    ----------
    picture : ndarray, shape (y, x) or (y, x, channel)
        Of any type of numbers.
    height, width : int

    Returns
    -------
    ndarray of float32, shape (height, width) or (height, width, channel)

    Examples
    --------
    >>> averaged(np.arange(12, dtype=np.uint16).reshape(3, 4), 3, 2).tolist()
    [[0.5, 2.5], [4.5, 6.5], [8.5, 10.5]]
    """
    broken = picture.ndim == 2 and picture.shape[0] % height != 0 and picture.shape[1] % width != 0
    if not broken or picture.shape[1] < FEWEST * width:
        # Where points cover whole numbers of pixels, OpenCV adds up in another order.
        whole = np.ascontiguousarray(picture, dtype=np.float32)
        reduced = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(reduced, dtype=np.float32).reshape(height, width, *picture.shape[2:])
    narrow = np.empty((picture.shape[0], width), dtype=np.float32)
    for rows in pieces_of(picture, multiple=LANES):
        _narrow(np.ascontiguousarray(picture[rows], dtype=np.float32), narrow[rows])
    return np.asarray(cv2.resize(narrow, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _narrow(block: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Average each row of a block."""
    width = out.shape[1]
    even = len(block) // LANES * LANES
    if even:
        beside = cv2.merge([block[lane:even:LANES] for lane in range(LANES)])
        less = cv2.resize(beside, (width, even // LANES), interpolation=cv2.INTER_AREA)
        out[:even] = less.transpose(0, 2, 1).reshape(even, width)
    if even < len(block):
        rest = (width, len(block) - even)
        out[even:] = cv2.resize(block[even:], rest, interpolation=cv2.INTER_AREA)
