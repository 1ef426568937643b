"""Drawing on a picture: text that fits, panels, bars; the colours that colour-blind eyes tell apart."""

from __future__ import annotations

import bisect
import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import OutputError
from edge.reasons import CANNOT_WRITE
from edge.table import Entry
from edge.words import ENGLISH, kept_in_order, language_spoken, lines_in_order, runs_right_to_left, speaking

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe and Ito's palette, in OpenCV's order: blue, green, red. https://jfly.uni-koeln.de/color
VERMILION: Colour = (0, 94, 213)
BLUE: Colour = (178, 114, 0)
YELLOW: Colour = (66, 228, 240)
ORANGE: Colour = (0, 159, 230)
SKY: Colour = (233, 180, 86)
GREEN: Colour = (115, 158, 0)
PURPLE: Colour = (167, 121, 204)
WHITE: Colour = (255, 255, 255)
PALE: Colour = (200, 200, 200)
PALE_YELLOW: Colour = (170, 235, 240)
GREY: Colour = (90, 90, 90)
DARK: Colour = (28, 28, 28)
BLACK: Colour = (0, 0, 0)

FONT = cv2.FONT_HERSHEY_SIMPLEX
SHAPED: Mapping[str, Entry] = {
    name: Entry(f"edge.write.shaped:{name}", needs=("uharfbuzz", "fpdf"), extra="paper") for name in ("width", "put")
}
"""What measures and draws words in other languages than English."""
PAPER = WHITE
"""The ground of a canvas that is to be printed: light words on it become black."""
SMALLEST = 0.4
LONGEST = 2000
"""Characters of one text that are looked at; no line of a screen holds as many."""
BLOCKY = 4.0
"""From this enlargement on a picture is drawn in squares, so that nobody takes smoothness for detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A place on the canvas, in pixels."""

    left: int
    top: int
    width: int
    height: int


def blank_canvas(width: int, height: int) -> Pixels:
    """Return a dark canvas, shape (height, width, 3), in OpenCV's order of colours."""
    canvas = np.empty((height, width, 3), dtype=np.uint8)
    canvas[0] = DARK
    canvas[1:] = canvas[0]  # whole rows at a time, ten times faster than pixels
    return canvas


def fill(canvas: Pixels, box: Box, colour: Colour) -> None:
    """Fill a box."""
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = colour


def write(
    canvas: Pixels,
    text: str,
    box: Box,
    *,
    scale: float = 0.6,
    colour: Colour = WHITE,
    bold: bool = False,
    outlined: bool = False,
) -> None:
    """Write one line in the middle of the box's height; smaller where it is too long, then cut with dots.

    It begins at the left, or at the right where the language that is spoken does. Outlined letters have a black rim,
    to be read on any picture.
    """
    thickness = 2 if bold else 1
    drawn = kept_in_order(drawable(text))
    smallest = max(SMALLEST, 0.6 * scale)
    while scale > smallest and _width(drawn, scale, thickness) > box.width:
        scale -= 0.05
    if _width(drawn, scale, thickness) > box.width:
        beyond = bisect.bisect_right(
            range(len(drawn)), box.width, key=lambda kept: _width(f"{drawn[:kept]}...", scale, thickness)
        )
        drawn = f"{drawn[: max(beyond - 1, 0)]}..."
    (_, height), _ = cv2.getTextSize("Ag", FONT, scale, thickness)
    left, bottom = box.left, box.top + (box.height + height) // 2
    if runs_right_to_left() and not outlined:
        left += box.width - _width(drawn, scale, thickness)
    if outlined:
        for down, right in itertools.product((-2, -1, 0, 1, 2), repeat=2):
            _put(canvas, drawn, (left + right, bottom + down), scale, BLACK, thickness)
    elif _is_paper(canvas, box):
        colour = BLACK
    _put(canvas, drawn, (left, bottom), scale, colour, thickness)


def wrap(text: str, width: int, *, scale: float, most: int) -> list[str]:
    """Return the lines into which `text` breaks at spaces so that each is at most `width` pixels long.

    A longer word stands alone. What is more than `most` lines becomes dots.
    """
    lines: list[str] = []
    for word in filter(None, drawable(text).split(" ")):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, scale, 1) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines_in_order(lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."])


def drawable(text: str) -> str:
    """Return what can be drawn, in one line: in English what this OpenCV can, before version 5 ASCII alone."""
    if language_spoken() != ENGLISH:
        return re.sub(r"[^\S\u00a0]+", " ", text[:LONGEST]).strip()
    line = " ".join(text[:LONGEST].split())
    if int(cv2.__version__.split(".")[0]) >= 5:
        return line
    return unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode()


def fitted(height: float, width: float, box: Box) -> Box:
    """Return the largest box of these proportions in the middle of `box`."""
    scale = min(box.width / width, box.height / height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    return Box(
        left=box.left + (box.width - width) // 2, top=box.top + (box.height - height) // 2, width=width, height=height
    )


def overlap(one: Box, other: Box) -> bool:
    """Return whether two boxes share a pixel.

    Examples
    --------
    >>> one = Box(left=0, top=0, width=4, height=4)
    >>> overlap(one, Box(left=3, top=3, width=4, height=4)), overlap(one, Box(left=4, top=0, width=4, height=4))
    (True, False)
    """
    apart_x = one.left + one.width <= other.left or other.left + other.width <= one.left
    apart_y = one.top + one.height <= other.top or other.top + other.height <= one.top
    return not (apart_x or apart_y)


def place(canvas: Pixels, picture: NDArray[Any], box: Box) -> None:
    """Draw a picture, (y, x, 3) uint8, over the whole of `box`: averaged when it shrinks, smooth when it grows.

    When it grows much it is drawn in squares.
    """
    rows, columns = picture.shape[:2]
    kind = cv2.INTER_AREA if rows * columns > box.height * box.width else cv2.INTER_CUBIC
    if max(box.height / rows, box.width / columns) > BLOCKY:
        kind = cv2.INTER_NEAREST_EXACT
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = cv2.resize(
        np.ascontiguousarray(picture), (box.width, box.height), interpolation=kind
    )


def load_font(language: str = ENGLISH) -> None:
    """Have the font of a language read now rather than with the first line that is written."""
    with speaking(language):
        _width("A", SMALLEST, 1)


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Return a picture, grey or in OpenCV's order of colours, as PNG.

    Raises
    ------
    OutputError
        ``W800``: OpenCV could not encode it.
    """
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise OutputError("Encoding a picture as PNG.", CANNOT_WRITE)
    return bytes(encoded.tobytes())


def _is_paper(canvas: Pixels, box: Box) -> bool:
    rows, columns = canvas.shape[:2]
    return tuple(canvas[min(max(box.top, 0), rows - 1), min(max(box.left, 0), columns - 1)]) == PAPER


def _put(canvas: Pixels, text: str, at: tuple[int, int], scale: float, colour: Colour, thickness: int) -> None:
    if language_spoken() != ENGLISH:
        SHAPED["put"].load()(canvas, text, at, scale, colour, thickness)
        return
    cv2.putText(canvas, text, at, FONT, scale, colour, thickness, cv2.LINE_AA)


def _width(text: str, scale: float, thickness: int) -> int:
    if language_spoken() != ENGLISH:
        return int(SHAPED["width"].load()(text, scale, thickness))
    return int(cv2.getTextSize(text, FONT, scale, thickness)[0][0])
