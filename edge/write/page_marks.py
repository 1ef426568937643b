"""The state of a result as a form: each differs from the others on any printer, to any eye, before a word is read.

Solid black is a finding and nothing else; what was not analysed is hatched and broken, unlike any result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.findings import State
from edge.write.page_sheet import BLACK, WHITE, Area, Sheet, Type

ROOM_FOR_MARK = 17.0
RIM = 2.8
"""Around the words of a band, which no hatching reaches."""
TRIANGLE = [(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)]
DIAMOND = [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)]
SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
CROSS = [
    *((0.0, 0.15), (0.15, 0.0), (0.5, 0.35), (0.85, 0.0), (1.0, 0.15), (0.65, 0.5)),
    *((1.0, 0.85), (0.85, 1.0), (0.5, 0.65), (0.15, 1.0), (0.0, 0.85), (0.35, 0.5)),
]


def draw_band(sheet: Sheet, area: Area, state: State, words: str) -> None:
    """Draw the band that tells the state: its form, its mark, its words."""
    BANDS[state](sheet, area)
    side = area.height - 5.0
    mark = Area(left=area.left + 3.5, top=area.top + 2.5, width=side, height=side)
    MARKS[state](sheet, mark)
    left, room = area.left + ROOM_FOR_MARK, area.width - ROOM_FOR_MARK - 4.0
    text = Area(left=left, top=area.top + RIM, width=room, height=area.height - 2 * RIM)
    ink = WHITE if state == "finding" else BLACK
    sheet.write(words, text, Type(points=15, bold=True, ink=ink), middle=True)


def _solid(sheet: Sheet, area: Area) -> None:
    sheet.box(area, fill=BLACK)


def _double(sheet: Sheet, area: Area) -> None:
    sheet.box(area, thick=1.2)
    sheet.box(area.inset(1.4), thick=0.4)


def _single(sheet: Sheet, area: Area) -> None:
    sheet.box(area, thick=0.4)


def _pale(sheet: Sheet, area: Area) -> None:
    sheet.box(area, thick=0.4, fill=235)


def _hatched(sheet: Sheet, area: Area) -> None:
    """Around a plate for the words."""
    sheet.hatch(area)
    sheet.box(area.inset(2.2), thick=0, fill=WHITE)
    sheet.box(area, thick=1.0, dashed=True)


def _cross_hatched(sheet: Sheet, area: Area) -> None:
    sheet.hatch(area, both=True)
    sheet.box(area.inset(2.2), thick=0, fill=WHITE)
    sheet.box(area, thick=1.0, dashed=True)


def _warning(sheet: Sheet, area: Area) -> None:
    sheet.shape(TRIANGLE, area, fill=True, ink=WHITE)
    low = Area(left=area.left, top=area.top + area.height * 0.2, width=area.width, height=area.height * 0.8)
    _letter(sheet, low, "!")


def _question(sheet: Sheet, area: Area) -> None:
    sheet.shape(DIAMOND, area, fill=False)
    _letter(sheet, area, "?")


def _empty_ring(sheet: Sheet, area: Area) -> None:
    sheet.ring(area)


def _empty_square(sheet: Sheet, area: Area) -> None:
    sheet.shape(SQUARE, area.inset(0.8), fill=False)


def _barred_square(sheet: Sheet, area: Area) -> None:
    inner = area.inset(1.6)
    sheet.box(inner, thick=0.9, fill=WHITE)
    sheet.shape([(0.0, 1.0), (1.0, 0.0)], inner, fill=False)
    sheet.shape([(0.0, 0.0), (1.0, 1.0)], inner, fill=False)


def _cross(sheet: Sheet, area: Area) -> None:
    sheet.shape(CROSS, area.inset(1.8), fill=True)


def _letter(sheet: Sheet, area: Area, letter: str) -> None:
    """In the middle, from left to right: a sign stands so in every language."""
    with sheet.from_left():
        sheet.centre(letter, area, Type(points=15, bold=True))


Drawing = Callable[[Sheet, Area], None]
BANDS: Mapping[State, Drawing] = {
    "finding": _solid,
    "uncertain": _double,
    "no-finding": _single,
    "done": _pale,
    "not-analysed": _hatched,
    "failed": _cross_hatched,
}
MARKS: Mapping[State, Drawing] = {
    "finding": _warning,
    "uncertain": _question,
    "no-finding": _empty_ring,
    "done": _empty_square,
    "not-analysed": _barred_square,
    "failed": _cross,
}
