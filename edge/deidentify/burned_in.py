"""A frame -> the boxes in which it shows text, for whoever blanks them.

The detector overlooks small text in large pictures, and takes large shapes for letters. So a frame is looked at in
overlapping parts at full size and at each half of it, small frames enlarged too, each upright and turned; and of what
is marked only what has the form of a line of text is kept. `docs/burned-in.md` tells what is found by that, and what is
not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.deidentify.ocr import text_likelihood

TILE = 640
OVERLAP = 96
ENLARGED_UP_TO = 400
"""Frames whose sides are all at most this are looked at in twice their size, too."""

LIKELY = 0.2
LEAST_HEIGHT, MOST_HEIGHT = 3, 40
"""Of the middle of a line, which is what the detector marks, in pixels of the size that is looked at."""
MOST_SHARE = 1 / 8
"""A line is at most so high, as a share of the longer side."""
FILLED = 0.5
"""A line fills this share of the narrowest rectangle around it."""
ELONGATED, SURE_OF_LINE = 1.5, 0.6
COMPACT_HEIGHT, SURE_OF_SPOT = 20, 0.75
"""What is no longer than high is one letter or two, or a spot of tissue: it has to be small, and the detector sure."""

GROWN = 0.8
"""The middle is smaller than the line by this share of its height on all sides (Liao et al. 2020, section 3.5)."""
MARGIN = 3
"""By so many pixels of the size that is looked at a box is wider than that."""

Frame = NDArray[np.uint8]
Likelihood = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBox:
    """Where a frame shows text: rows from ``row_start`` up to ``row_stop``, which is not in it; columns likewise.

    Parameters
    ----------
    row_start, row_stop, column_start, column_stop : int
        In pixels of the frame.
    score : float
        The detector's own, from 0 to 1: no probability. What the text says is not known.
    """

    row_start: int
    row_stop: int
    column_start: int
    column_stop: int
    score: float


def find_text(frame: Frame) -> tuple[TextBox, ...]:
    """Return the boxes in which a frame shows text, each widened by a margin; none lies in another.

    Parameters
    ----------
    frame : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)

    Returns
    -------
    tuple of TextBox
        From the top down.

    Raises
    ------
    ReadError
        ``NO_TEXT_FINDER`` or ``TEXT_FINDER_FAILED``.
    """
    rows, columns = frame.shape[:2]
    found: list[TextBox] = []
    for scale in _scales(rows, columns):
        view = _resized(frame, scale)
        turned = np.ascontiguousarray(np.rot90(view))
        boxes = [*_boxes(_likelihood(view))]
        boxes += (_turned_back(box, view.shape[1]) for box in _boxes(_likelihood(turned)))
        found += (_of_frame(box, view.shape, frame.shape) for box in boxes)
    return _distinct(found)


def _scales(rows: int, columns: int) -> Iterator[float]:
    side = max(rows, columns)
    if side <= ENLARGED_UP_TO:
        yield 2.0
    scale = 1.0
    yield scale
    while side * scale > TILE:
        scale /= 2
        yield scale


def _resized(frame: Frame, scale: float) -> Frame:
    if scale == 1.0:
        return frame
    size = [max(1, round(side * scale)) for side in frame.shape[1::-1]]
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC if scale > 1.0 else cv2.INTER_AREA))


def _likelihood(view: Frame) -> Likelihood:
    """Of all parts; where they overlap, the greater one. A part of one value shows nothing."""
    likelihood = np.zeros(view.shape[:2], dtype=np.float32)
    for top in _starts(view.shape[0]):
        for left in _starts(view.shape[1]):
            place = (slice(top, top + TILE), slice(left, left + TILE))
            if view[place].min() != view[place].max():
                np.maximum(likelihood[place], text_likelihood(view[place]), out=likelihood[place])
    return likelihood


def _starts(size: int) -> list[int]:
    """Where parts begin, so that they cover everything and overlap."""
    if size <= TILE:
        return [0]
    count = -(-(size - OVERLAP) // (TILE - OVERLAP))
    return [round(index * (size - TILE) / (count - 1)) for index in range(count)]


def _boxes(likelihood: Likelihood) -> Iterator[TextBox]:
    """Around what is marked and has the form of text, in pixels of the view; they may reach beyond it."""
    highest = min(MOST_HEIGHT, MOST_SHARE * max(likelihood.shape))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likelihood > LIKELY).astype(np.uint8))
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        if area < LEAST_HEIGHT**2:
            continue
        place = (slice(top, top + height), slice(left, left + width))
        own = labels[place] == label
        score = float(likelihood[place][own].mean())
        line = _line_height(own, score, highest)
        if line is not None:
            grow = round(line * GROWN) + MARGIN
            yield TextBox(
                row_start=top - grow,
                row_stop=top + height + grow,
                column_start=left - grow,
                column_stop=left + width + grow,
                score=score,
            )


def _line_height(own: NDArray[np.bool_], score: float, highest: float) -> float | None:
    """Of what is marked, however it is turned; None where it has not the form of text."""
    points = np.argwhere(own).astype(np.float32)
    short, long = sorted(side + 1 for side in cv2.minAreaRect(points)[1])
    if not LEAST_HEIGHT <= short <= highest or len(points) < FILLED * short * long:
        return None
    is_line = long >= ELONGATED * short and score >= SURE_OF_LINE
    is_letter = short <= COMPACT_HEIGHT and score >= SURE_OF_SPOT
    return float(short) if is_line or is_letter else None


def _turned_back(box: TextBox, columns: int) -> TextBox:
    """From the view turned by a quarter against the clock to the view, of so many columns."""
    return TextBox(
        row_start=box.column_start,
        row_stop=box.column_stop,
        column_start=columns - box.row_stop,
        column_stop=columns - box.row_start,
        score=box.score,
    )


def _of_frame(box: TextBox, view: tuple[int, ...], frame: tuple[int, ...]) -> TextBox:
    """From the view to the frame, outwards to whole pixels, and not beyond it."""
    down, across = frame[0] / view[0], frame[1] / view[1]
    return TextBox(
        row_start=max(0, math.floor(box.row_start * down)),
        row_stop=min(frame[0], math.ceil(box.row_stop * down)),
        column_start=max(0, math.floor(box.column_start * across)),
        column_stop=min(frame[1], math.ceil(box.column_stop * across)),
        score=box.score,
    )


def _distinct(boxes: Sequence[TextBox]) -> tuple[TextBox, ...]:
    """Without those that lie in another, from the top down."""
    kept: list[TextBox] = []
    for box in sorted(boxes, key=_area, reverse=True):
        if not any(_lies_in(box, other) for other in kept):
            kept.append(box)
    return tuple(sorted(kept, key=lambda box: (box.row_start, box.column_start)))


def _area(box: TextBox) -> int:
    return (box.row_stop - box.row_start) * (box.column_stop - box.column_start)


def _lies_in(box: TextBox, other: TextBox) -> bool:
    down = other.row_start <= box.row_start and box.row_stop <= other.row_stop
    return down and other.column_start <= box.column_start and box.column_stop <= other.column_stop
