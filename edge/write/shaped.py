"""Words in the scripts that OpenCV's own font lacks: ordered by fpdf2, shaped by HarfBuzz, filled by OpenCV.

Hindi's letters join and change places, Arabic's change form and run from right to left (Unicode Standard Annex 9):
drawn letter by letter, both are wrong to read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import uharfbuzz
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection
from numpy.typing import NDArray

from edge.fonts import FAMILIES, family_of, font_file
from edge.words import language_spoken, runs_right_to_left

Point = tuple[float, float]
EM = 28.0
"""Pixels of an em at scale 1, so that letters are about as high as those of OpenCV's font."""
FINER = 4
"""Points along each side of a pixel at which it is asked whether it lies in a letter."""
CURVE_STEPS = 6
BOLD_FROM = 2
"""Pixels of OpenCV's line from which on its letters are bold."""


@dataclass(slots=True)
class Contours:
    """A pen of fontTools' kind, which HarfBuzz moves: curves become short lines."""

    done: list[list[Point]] = field(default_factory=list)

    def moveTo(self, to: Point) -> None:  # noqa: N802 - the protocol's names
        """Begin a contour."""
        self.done.append([to])

    def lineTo(self, to: Point) -> None:  # noqa: N802
        """Go on straight."""
        self.done[-1].append(to)

    def qCurveTo(self, control: Point, to: Point) -> None:  # noqa: N802
        """Go on along a parabola."""
        start = self.done[-1][-1]
        for step in range(1, CURVE_STEPS + 1):
            t = step / CURVE_STEPS
            self.done[-1].append(_between(_between(start, control, t), _between(control, to, t), t))

    def curveTo(self, first: Point, second: Point, to: Point) -> None:  # noqa: N802
        """Go on along a cubic curve, which no TrueType font holds but HarfBuzz asks for."""
        start = self.done[-1][-1]
        for step in range(1, CURVE_STEPS + 1):
            t = step / CURVE_STEPS
            one, two, three = _between(start, first, t), _between(first, second, t), _between(second, to, t)
            self.done[-1].append(_between(_between(one, two, t), _between(two, three, t), t))

    def closePath(self) -> None:  # noqa: N802
        """Nothing: what is filled is closed."""


def _between(one: Point, other: Point, share: float) -> Point:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])


@dataclass(frozen=True, slots=True)
class Glyph:
    """One shaped letter, and where it stands: in units of the font, y upwards from the line that letters stand on."""

    font: uharfbuzz.Font
    number: int
    x: float
    y: float


def width(text: str, scale: float, thickness: int) -> int:
    """Return how long a line is, in pixels."""
    _, advance = _shaped(text, language_spoken(), bold=thickness >= BOLD_FROM)
    return round(advance * _pixels_a_unit(scale))


def put(
    canvas: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float, colour: Sequence[int], thickness: int
) -> None:
    """Write a line onto a canvas, shape (rows, columns, 3); `at` is where its left end stands."""
    glyphs, advance = _shaped(text, language_spoken(), bold=thickness >= BOLD_FROM)
    unit = _pixels_a_unit(scale)
    high, low, margin = round(1.4 * EM * scale), round(0.8 * EM * scale), 2
    mask = np.zeros(((high + low) * FINER, (round(advance * unit) + 2 * margin) * FINER), dtype=np.uint8)
    for glyph in glyphs:
        _fill(mask, glyph, (margin * FINER, high * FINER), unit * FINER)
    share = cv2.resize(mask, None, fx=1 / FINER, fy=1 / FINER, interpolation=cv2.INTER_AREA) / 255.0
    _blend(canvas, share, (at[0] - margin, at[1] - high), colour)


def _pixels_a_unit(scale: float) -> float:
    return EM * scale / 1000.0


def _blend(canvas: NDArray[np.uint8], share: NDArray[Any], at: tuple[int, int], colour: Sequence[int]) -> None:
    """Only where the canvas is: what reaches beyond its border is lost."""
    left, top = at
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + share.shape[1], canvas.shape[1]), min(top + share.shape[0], canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = canvas[y0:y1, x0:x1]
    weight = share[y0 - top : y1 - top, x0 - left : x1 - left, np.newaxis]
    part[:] = np.rint(part * (1.0 - weight) + np.array(colour) * weight).astype(np.uint8)


def _fill(mask: NDArray[np.uint8], glyph: Glyph, origin: tuple[int, int], unit: float) -> None:
    """Outer contours run clockwise in TrueType, holes against it; letters of one word may lie on each other."""
    pen = Contours()
    glyph.font.draw_glyph_with_pen(glyph.number, pen)
    own = np.zeros_like(mask)
    shapes = []
    for contour in pen.done:
        x, y = np.array(contour).T
        points = np.stack([(x + glyph.x) * unit + origin[0], origin[1] - (y + glyph.y) * unit], axis=1)
        turning = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
        shapes.append((turning > 0, np.rint(points).astype(np.int32)))
    for is_hole, points in sorted(shapes, key=lambda shape: shape[0]):
        cv2.fillPoly(own, [points], 0 if is_hole else 255)
    np.maximum(mask, own, out=mask)


@lru_cache(maxsize=256)
def _shaped(text: str, language: str, *, bold: bool) -> tuple[tuple[Glyph, ...], float]:
    """The glyphs of a line from left to right, and how long it is in units of the font."""
    glyphs: list[Glyph] = []
    x = 0.0
    for part, backwards in _runs(text):
        pieces = _pieces(part, family_of(language))
        for piece in reversed(pieces) if backwards else pieces:
            x = _shape(piece, _font(piece.family, bold=bold), glyphs, x, backwards=backwards)
    return tuple(glyphs), x


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a line from left to right as they are seen, and whether each runs backwards."""
    base = TextDirection.RTL if runs_right_to_left() else TextDirection.LTR
    runs = [(part, way is TextDirection.RTL) for part, way in BidiParagraph(text, base).get_bidi_fragments()]
    return reversed(runs) if runs_right_to_left() else iter(runs)


@dataclass(frozen=True, slots=True)
class Piece:
    """Letters of one script, which one family has."""

    text: str
    family: str
    script: str


def _pieces(text: str, own: str) -> list[Piece]:
    """The parts of a run: of each the language's own family where it has the letters, else the first that has.

    HarfBuzz shapes one script at a time. What belongs to none, such as digits, goes with what stands before it.
    """
    order = (own, *(family for family in FAMILIES if family != own))
    kinds: list[tuple[str, str]] = []
    for letter in text:
        family = next((name for name in order if ord(letter) in _letters(name)), own)
        kinds.append((family, _script(letter) or (kinds[-1][1] if kinds else "Latn")))
    grouped = itertools.groupby(zip(text, kinds, strict=True), key=lambda pair: pair[1])
    return [Piece("".join(letter for letter, _ in pairs), *kind) for kind, pairs in grouped]


def _script(letter: str) -> str:
    """ISO 15924's name of a letter's script; empty where it belongs to none."""
    if "\u0900" <= letter <= "\u097f":
        return "Deva"
    if "\u0600" <= letter <= "\u06ff":
        return "Arab"
    return "Latn" if letter.isalpha() else ""


def _shape(piece: Piece, font: uharfbuzz.Font, glyphs: list[Glyph], x: float, *, backwards: bool) -> float:
    buffer = uharfbuzz.Buffer()
    buffer.add_str(piece.text)
    buffer.script = piece.script
    buffer.direction = "rtl" if backwards else "ltr"
    uharfbuzz.shape(font, buffer)
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        glyphs.append(Glyph(font=font, number=info.codepoint, x=x + place.x_offset, y=place.y_offset))
        x += place.x_advance
    return x


@lru_cache(maxsize=6)
def _font(family: str, *, bold: bool) -> uharfbuzz.Font:
    blob = uharfbuzz.Blob.from_file_path(str(font_file(family, bold=bold)))
    return uharfbuzz.Font(uharfbuzz.Face(blob))


@lru_cache(maxsize=6)
def _letters(family: str) -> frozenset[int]:
    """What a family can write, and the marks that no font needs to have."""
    return frozenset(_font(family, bold=False).face.unicodes) | frozenset((*range(0x200B, 0x2010), 0x2066, 0x2069))
