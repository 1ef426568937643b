"""Drawings for the page: bars of stages, distributions of latencies, lines over time. Plain SVG, drawn by numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.page.markup import Markup, element

WIDTH = 960
INK, SOFT, LINE, FILL, ACCENT = "#1b1f24", "#555d66", "#cfd4da", "#56b4e9", "#d55e00"
SHADES = ("#0072b2", "#56b4e9", "#009e73", "#b8d9a8", "#f0e442", "#e69f00", "#d55e00", "#cc79a7", "#7a7a7a", "#d9dde1")
"""Of Okabe and Ito, which colour-blind eyes tell apart, and their greys; every bar is named in words, too."""
ROW, LEFT, RIGHT = 24, 110, 130
BINS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar with its name before it and its value behind it."""

    name: str
    value: float
    words: str
    shade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line across a drawing at some value, with a word."""

    value: float
    words: str


def bars(rows: Sequence[Bar], title: str) -> Markup:
    """Return horizontal bars, one a row, from 0; what is below 0 has no length, its words say it."""
    most = max((row.value for row in rows), default=0.0) or 1.0
    room = WIDTH - LEFT - RIGHT
    drawn: list[str] = []
    for index, row in enumerate(rows):
        y = index * ROW
        length = max(row.value, 0.0) / most * room
        drawn += [
            text(LEFT - 10, y + 18, row.name, "end"),
            box(LEFT, y + 4, max(length, 1.0), ROW - 8, SHADES[row.shade % len(SHADES)]),
            text(LEFT + length + 8, y + 18, row.words, "start"),
        ]
    return drawing(drawn, WIDTH, len(rows) * ROW + 4, title)


def distribution(values: Sequence[float], marks: Sequence[Mark], unit: str, title: str) -> Markup:
    """Return how often each value came: columns of equal width, and marks above them."""
    low, high = min(values), max(*values, *(mark.value for mark in marks))
    span = (high - low) or max(abs(high), 1.0)
    counts = [0] * BINS
    for value in values:
        counts[min(int((value - low) / span * BINS), BINS - 1)] += 1
    top, base, room = 16 * len(marks) + 10, 16 * len(marks) + 130, WIDTH - 80

    def across(value: float) -> float:
        return 40 + (value - low) / span * room

    step = room / BINS
    drawn: list[str] = []
    for index, count in enumerate(counts):
        height = (base - top) * count / max(counts)
        if count:
            drawn.append(box(40 + index * step + 0.5, base - height, step - 1, height, FILL))
    drawn.append(line(40, base, WIDTH - 40, base, INK))
    for row, mark in enumerate(sorted(marks, key=lambda mark: mark.value)):
        x, y = across(mark.value), 14 + 16 * row
        side = "end" if x > WIDTH / 2 else "start"
        drawn += [
            line(x, y - 8, x, base, ACCENT),
            text(x + (-6 if side == "end" else 6), y, mark.words, side),
        ]
    drawn += [text(across(value), base + 18, f"{value:.4g}", "middle") for value in ticks(low, low + span)]
    drawn.append(text(WIDTH - 40, base + 36, unit, "end", SOFT))
    return drawing(drawn, WIDTH, base + 42, title)


def lines(x: Sequence[float], y: Sequence[float], words: tuple[str, str], title: str) -> Markup:
    """Return values over time, from 0 upwards, with the words for both axes."""
    right, most = max(x) or 1.0, (max(y) or 1.0) * 1.25
    left, top, base = 70, 10, 170
    wide, tall = WIDTH - left - 20, base - top
    points = [(left + a / right * wide, base - b / most * tall) for a, b in zip(x, y, strict=True)]
    drawn: list[str] = [line(left, base, WIDTH - 20, base, INK), line(left, top, left, base, INK)]
    for value in ticks(0.0, most):
        height = base - value / most * tall
        drawn += [line(left, height, WIDTH - 20, height, LINE), text(left - 8, height + 4, f"{value:.4g}", "end")]
    drawn += [text(left + value / right * wide, base + 18, f"{value:.4g}", "middle") for value in ticks(0.0, right)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    drawn.append(element("polyline", points=path, fill="none", stroke=SHADES[0], stroke_width=2))
    drawn += [element("circle", cx=a, cy=b, r=3, fill=SHADES[0]) for a, b in points]
    drawn += [text(WIDTH - 20, base + 36, words[0], "end", SOFT), text(left + 8, top + 10, words[1], "start", SOFT)]
    return drawing(drawn, WIDTH, base + 42, title)


def swatch(shade: int) -> Markup:
    """Return a small square of a bar's shade."""
    return drawing([box(0, 0, 12, 12, SHADES[shade % len(SHADES)])], 12, 12, "")


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Return round numbers from `low` to `high`, about so many.

    Examples
    --------
    >>> ticks(0, 10), ticks(0.12, 0.31)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [0.15, 0.2, 0.25, 0.3])
    """
    if high <= low:
        return [float(low)]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def drawing(drawn: Sequence[str], width: float, height: float, title: str) -> Markup:
    """Return a drawing of parts; without a title it is small, and only looked at."""
    named = {"role": "img", "aria_label": title} if title else {"aria_hidden": "true"}
    size = {"width": width, "height": height} if not title else {}
    return element("svg", *drawn, viewBox=f"0 0 {width:g} {height:g}", **size, **named)


def text(x: float, y: float, words: str, anchor: str, colour: str = INK) -> Markup:
    """Return words in a drawing."""
    return element("text", words, x=float(x), y=float(y), text_anchor=anchor, fill=colour)


def box(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    """Return a filled box."""
    return element("rect", x=float(x), y=float(y), width=float(width), height=float(height), fill=colour)


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1.0, dashed: bool = False
) -> Markup:
    """Return a line."""
    dashes = "5 5" if dashed else None
    ends = {"x1": float(x1), "y1": float(y1), "x2": float(x2), "y2": float(y2)}
    return element("line", **ends, stroke=colour, stroke_width=width, stroke_dasharray=dashes)
