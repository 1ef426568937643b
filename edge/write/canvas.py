"""Drawing on a picture: text that fits, panels, bars; the colours that colour-blind eyes tell apart."""

from __future__ import annotations

import bisect
import itertools
import unicodedata
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import OutputError
from edge.reasons import CANNOT_WRITE

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
    """Write one line, left and in the middle of the box's height; smaller where it is too long, then cut with dots.

    Outlined letters have a black rim, to be read on any picture.
    """
    thickness = 2 if bold else 1
    drawn = drawable(text)
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
    if outlined:
        for down, right in itertools.product((-2, -1, 0, 1, 2), repeat=2):
            cv2.putText(canvas, drawn, (left + right, bottom + down), FONT, scale, BLACK, thickness, cv2.LINE_AA)
    cv2.putText(canvas, drawn, (left, bottom), FONT, scale, colour, thickness, cv2.LINE_AA)


def wrap(text: str, width: int, *, scale: float, most: int) -> list[str]:
    """Return the lines into which `text` breaks at spaces so that each is at most `width` pixels long.

    A longer word stands alone. What is more than `most` lines becomes dots.
    """
    lines: list[str] = []
    for word in drawable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, scale, 1) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."]


def drawable(text: str) -> str:
    """Return what this OpenCV can draw, in one line: from version 5 on all of Latin, before it ASCII alone."""
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


def load_font() -> None:
    """Have OpenCV read its font now rather than with the first line that is written."""
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


def _width(text: str, scale: float, thickness: int) -> int:
    return int(cv2.getTextSize(text, FONT, scale, thickness)[0][0])
