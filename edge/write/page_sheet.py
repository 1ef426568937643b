"""One sheet of A4 to write and draw on, in millimetres; mirrored where the language runs from right to left."""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import segno
from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, TextDirection, XPos, YPos
from fpdf.fonts import TTFFont

from edge.fonts import FAMILIES, family_of, font_file
from edge.words import END, ISOLATE, language_spoken, lines_in_order, runs_right_to_left

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 12.0
INNER = WIDTH - 2 * MARGIN
NO_DATE = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
"""Of the file: the same result gives the same bytes, whenever it is written."""
MM_PER_POINT = 25.4 / 72
LEADING = {"NotoSans": 1.25, "NotoSansDevanagari": 1.4, "NotoSansArabic": 1.45}
"""From line to line, in heights of letters: so that marks above and below them do not meet."""
LEAST_POINTS = 5.5
BLACK, WHITE = 0, 255
UNSEEN = f"\n{ISOLATE}{END}"
ARABIC_VOWELS = dict.fromkeys(range(0x064B, 0x0653))
"""Marks that Arabic is mostly written without. fpdf2 takes them for another script than their letters', which then no
longer join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A place on the sheet as if it were written from left to right, in millimetres from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, by: float) -> Area:
        """Return the area without a rim."""
        left, top = self.left + by, self.top + by
        return Area(left=left, top=top, width=self.width - 2 * by, height=self.height - 2 * by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """How words look: points, weight, grey from 0 (black) to 255."""

    points: float = 9.0
    bold: bool = False
    ink: int = BLACK

    def shrunk(self, points: float) -> Type:
        """Return the same in another size."""
        return replace(self, points=points)


class Sheet:
    """One page. All words on it are in the language that is spoken."""

    def __init__(self, title: str) -> None:
        self._pdf = FPDF(format="A4", unit="mm")
        self._pdf.set_auto_page_break(auto=False)
        self._pdf.set_margin(0)
        self._pdf.c_margin = 0
        self._pdf.set_creation_date(NO_DATE)
        self._pdf.set_title(title)
        self._pdf.set_lang(language_spoken())
        self._family = family_of(language_spoken())
        self._mirrored = runs_right_to_left()
        self._others = tuple(family for family in FAMILIES if family != self._family)
        self._broken: dict[tuple[str, float, Type], list[str]] = {}
        self._add(self._family)
        self._pdf.set_text_shaping(
            use_shaping_engine=True, direction=TextDirection.RTL if self._mirrored else TextDirection.LTR
        )
        self._pdf.add_page()

    def file(self) -> bytes:
        """Return the file."""
        return bytes(self._pdf.output())

    def can_write(self, text: str) -> bool:
        """Return whether some font has every letter of a text."""
        self._cover(_writable(text))
        fonts = [font.cmap for font in self._pdf.fonts.values() if isinstance(font, TTFFont)]
        return all(any(ord(letter) in letters for letters in fonts) for letter in _writable(text))

    def height_of(self, text: str, width: float, how: Type) -> float:
        """Return how much room a paragraph takes."""
        return len(self._lines(text, width, how)) * self._line(how)

    def write(self, text: str, area: Area, how: Type, *, middle: bool = False, end: bool = False) -> float:
        """Write a paragraph, smaller where it is too long; cut with dots where even the smallest letters do not do.

        Returns
        -------
        float
            How much of the area's height it took.
        """
        while self.height_of(text, area.width, how) > area.height + 0.01 and how.points > LEAST_POINTS:
            how = how.shrunk(max(how.points - 0.5, LEAST_POINTS))
        lines = self._lines(text, area.width, how)
        room = max(int((area.height + 0.01) / self._line(how)), 1)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"{lines[room - 1][:-3].rstrip()} ..."]
        height = len(lines) * self._line(how)
        top = area.top + ((area.height - height) / 2 if middle else 0.0)
        self._set(how)
        for index, line in enumerate(lines):
            self._pdf.set_xy(self._left(area), top + index * self._line(how))
            self._pdf.cell(
                area.width, self._line(how), line, align=self._align(end=end), new_x=XPos.LEFT, new_y=YPos.TOP
            )
        return height

    def centre(self, letter: str, area: Area, how: Type) -> None:
        """Write one letter in the middle of an area."""
        self._set(how)
        self._pdf.set_xy(self._left(area), area.top)
        self._pdf.cell(area.width, area.height, letter, align=Align.C)

    def line(self, area: Area, *, thick: float = 0.2) -> None:
        """Draw a rule at the area's foot, to write on."""
        self._pen(thick)
        bottom, left = area.top + area.height, self._left(area)
        self._pdf.line(left, bottom, left + area.width, bottom)

    def box(self, area: Area, *, thick: float = 0.25, fill: int | None = None, dashed: bool = False) -> None:
        """Draw a rectangle."""
        self._pen(thick)
        if fill is not None:
            self._pdf.set_fill_color(fill)
        if dashed:
            self._pdf.set_dash_pattern(dash=3, gap=1.5)
        style = "F" if thick == 0 else "D" if fill is None else "DF"
        self._pdf.rect(self._left(area), area.top, area.width, area.height, style=style)
        self._pdf.set_dash_pattern()

    def hatch(self, area: Area, *, step: float = 2.4, both: bool = False) -> None:
        """Fill an area with slanting lines, in both directions where wanted."""
        self._pen(0.35)
        left = self._left(area)
        with self._pdf.rect_clip(left, area.top, area.width, area.height):
            count = int((area.width + area.height) / step) + 1
            for index in range(count):
                x = left + index * step
                self._pdf.line(x, area.top, x - area.height, area.top + area.height)
                if both:
                    self._pdf.line(x - area.height, area.top, x, area.top + area.height)

    def shape(self, points: list[tuple[float, float]], area: Area, *, fill: bool, ink: int = BLACK) -> None:
        """Draw a closed shape whose corners are shares of the area's width and height."""
        left = self._left(area)
        corners = [(left + x * area.width, area.top + y * area.height) for x, y in points]
        self._pen(0.9)
        self._pdf.set_draw_color(ink)
        self._pdf.set_fill_color(ink)
        self._pdf.polygon(corners, style="F" if fill else "D")

    def ring(self, area: Area, *, ink: int = BLACK) -> None:
        """Draw a circle that fills a square area."""
        self._pen(0.9)
        self._pdf.set_draw_color(ink)
        self._pdf.ellipse(self._left(area), area.top, area.width, area.height, style="D")

    def picture(self, png: bytes, area: Area) -> None:
        """Show a picture over the whole of an area. It is never mirrored."""
        self._pdf.image(io.BytesIO(png), self._left(area), area.top, area.width, area.height)

    def qr(self, text: str, area: Area) -> None:
        """Draw a QR code (ISO/IEC 18004) over a square area, with the quiet zone that it needs."""
        rows = list(segno.make(text, micro=False, error="m").matrix_iter(scale=1, border=4))
        side, left = area.width / len(rows), self._left(area)
        self._pdf.set_fill_color(BLACK)
        for y, row in enumerate(rows):
            for x, dark in enumerate(row):
                if dark:
                    self._pdf.rect(left + x * side, area.top + y * side, side, side, style="F")

    @contextmanager
    def from_left(self) -> Iterator[None]:
        """Write what is the same in every language, such as a number, from left to right."""
        self._pdf.set_text_shaping(use_shaping_engine=True, direction=TextDirection.LTR)
        try:
            yield
        finally:
            way = TextDirection.RTL if self._mirrored else TextDirection.LTR
            self._pdf.set_text_shaping(use_shaping_engine=True, direction=way)

    def _left(self, area: Area) -> float:
        return WIDTH - area.left - area.width if self._mirrored else area.left

    def _align(self, *, end: bool) -> Align:
        return Align.R if self._mirrored != end else Align.L

    def _line(self, how: Type) -> float:
        return how.points * MM_PER_POINT * LEADING[self._family]

    def _lines(self, text: str, width: float, how: Type) -> list[str]:
        asked = (_writable(text), width, how)
        if asked not in self._broken:
            self._cover(asked[0])
            self._set(how)
            said = self._pdf.multi_cell(
                width, self._line(how), asked[0], align=Align.L, dry_run=True, output=MethodReturnValue.LINES
            )
            self._broken[asked] = lines_in_order([str(line) for line in said] if isinstance(said, list) else [])
        return self._broken[asked]

    def _add(self, family: str) -> None:
        for bold in (False, True):
            self._pdf.add_font(family, "B" if bold else "", font_file(family, bold=bold))

    def _cover(self, text: str) -> None:
        """Load the other families, once, for letters that the language's own lacks."""
        own = self._pdf.fonts[self._family.lower()]
        letters = own.cmap if isinstance(own, TTFFont) else {}
        if self._others and any(ord(letter) not in letters for letter in text if letter not in UNSEEN):
            for family in self._others:
                self._add(family)
            self._pdf.set_fallback_fonts(list(self._others), exact_match=False)
            self._others = ()

    def _set(self, how: Type) -> None:
        self._pdf.set_font(self._family, "B" if how.bold else "", how.points)
        self._pdf.set_text_color(how.ink)

    def _pen(self, thick: float) -> None:
        self._pdf.set_draw_color(BLACK)
        self._pdf.set_line_width(thick)


def _writable(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(ARABIC_VOWELS)
