"""Masks -> numbered outlines on a picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.write.canvas import BLACK, Box, Colour, Pixels, overlap, write

MOST_TAGS = 6
LEAST_TAGGED = 100.0
"""Square pixels of the canvas that a piece beside the largest must have to get a tag of its own."""
TAG_HEIGHT = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlined:
    """A mask, shape (rows, columns) of bool, with what stands beside its outline and in which colour."""

    mask: NDArray[Any]
    tag: str
    colour: Colour


def draw_outlines(canvas: Pixels, shapes: Sequence[Outlined], box: Box) -> None:
    """Draw every mask's outline over the whole of `box`, then their tags on top of all of them.

    Each of a mask's larger pieces has its tag, so that no outline is told by its colour alone. A mask without any
    pixel is not drawn.
    """
    tags: list[tuple[Outlined, Box]] = []
    for shape in shapes:
        if not shape.mask.any():
            continue
        contours, ranks = cv2.findContours(_covered(shape.mask, box), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, BLACK, 4, cv2.LINE_AA, offset=(box.left, box.top))
        cv2.drawContours(canvas, contours, -1, shape.colour, 2, cv2.LINE_AA, offset=(box.left, box.top))
        outer = [contour for contour, (*_, parent) in zip(contours, ranks[0], strict=True) if parent < 0]
        for piece in _tagged(outer):
            tags.append((shape, _place(piece, len(shape.tag), box, [taken for _, taken in tags])))
    for shape, tag in tags:
        write(canvas, shape.tag, tag, scale=0.65, colour=shape.colour, bold=True, outlined=True)


def _tagged(pieces: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The largest piece, and others that a number would not hide."""
    largest, *others = sorted(pieces, key=cv2.contourArea, reverse=True)[:MOST_TAGS]
    return [largest, *(piece for piece in others if cv2.contourArea(piece) >= LEAST_TAGGED)]


def _place(piece: NDArray[Any], letters: int, box: Box, taken: Sequence[Box]) -> Box:
    """Where a piece's tag stands: on its outline, as far up as no other tag stands, else below its outline."""
    width = 12 * letters + 8
    right, bottom = box.left + box.width - width, box.top + box.height - TAG_HEIGHT
    points = sorted((y + box.top, x + box.left) for x, y in piece[:, 0].tolist())
    places = (
        Box(left=min(x, right), top=min(max(y - above, box.top), bottom), width=width, height=TAG_HEIGHT)
        for above in (TAG_HEIGHT, 0)
        for y, x in points
    )
    highest = next(places)
    all_places = itertools.chain([highest], places)
    return next((place for place in all_places if not any(overlap(place, other) for other in taken)), highest)


def _covered(mask: NDArray[Any], box: Box) -> Pixels:
    """The pixels of the box that a mask touches; a single pixel of a large picture is not lost."""
    exact = np.ascontiguousarray(mask, dtype=np.uint8)
    grown = cv2.resize(exact, (box.width, box.height), interpolation=cv2.INTER_NEAREST_EXACT)
    touched = np.array(grown, dtype=np.uint8)
    y, x = np.nonzero(exact)
    touched[y * box.height // exact.shape[0], x * box.width // exact.shape[1]] = 1
    return touched
