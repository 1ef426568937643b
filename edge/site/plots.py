"""Drawings of an evaluation: plain SVG, drawn by numbers, narrow enough to be read on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from edge.page import svg
from edge.page.markup import Markup, element
from edge.page.svg import ACCENT, INK, LINE, SHADES, SOFT, box, line, text, ticks
from edge.site.curves import Bin, Column, RocPoint

SIDE, LEFT, TOP, RIGHT, BELOW = 320, 62, 14, 14, 48
WIDTH = LEFT + SIDE + RIGHT
COUNTS = 66
"""Height of the counts below the reliability plot."""
BLUE, ORANGE = SHADES[0], SHADES[5]


def roc_plot(points: Sequence[RocPoint], at: tuple[float, float], title: str) -> Markup:
    """Return the curve, and on it the threshold in force.

    Parameters
    ----------
    at : tuple of float
        False alarms and sensitivity at the threshold.
    """
    path = " ".join(f"{x_of(point.false_alarms):.1f},{y_of(point.sensitivity):.1f}" for point in points)
    drawn = [
        *framed("false alarms: 1 - specificity", "sensitivity"),
        line(x_of(0), y_of(0), x_of(1), y_of(1), SOFT, dashed=True),
        element("polyline", points=path, fill="none", stroke=BLUE, stroke_width=2.5),
        element("circle", cx=x_of(at[0]), cy=y_of(at[1]), r=6, fill="#fff", stroke=ACCENT, stroke_width=3),
        *_beside(at, f"at the threshold: {at[1]:.2f}, {1 - at[0]:.2f}"),
    ]
    return drawing(drawn, TOP + SIDE + BELOW, title)


def reliability_plot(bins: Sequence[Bin], judged: str, title: str) -> Markup:
    """Return the observed share by bin of what was said, with 95% intervals, and below how many scans each bin has."""
    drawn: list[str] = [
        *framed(judged, "share that has it"),
        line(x_of(0), y_of(0), x_of(1), y_of(1), SOFT, dashed=True),
    ]
    for each in bins:
        seen = each.observed
        if each.mean is None or seen.value is None or seen.low is None or seen.high is None:
            continue
        x = x_of(each.mean)
        drawn += [
            line(x, y_of(seen.low), x, y_of(seen.high), BLUE, width=1.5),
            line(x - 4, y_of(seen.low), x + 4, y_of(seen.low), BLUE, width=1.5),
            line(x - 4, y_of(seen.high), x + 4, y_of(seen.high), BLUE, width=1.5),
            element("circle", cx=x, cy=y_of(seen.value), r=5, fill=BLUE),
        ]
    below = TOP + SIDE + BELOW
    return drawing([*drawn, *_counts(bins, below)], below + COUNTS, title)


def _counts(bins: Sequence[Bin], top: float) -> list[str]:
    """A column for each bin, with its number of scans above it."""
    most = max((each.observed.n for each in bins), default=0) or 1
    room, base = COUNTS - 22, top + COUNTS - 4
    drawn: list[str] = [line(LEFT, base, LEFT + SIDE, base, INK), text(LEFT - 8, base - 4, "scans", "end", SOFT)]
    for each in bins:
        height = room * each.observed.n / most
        x, width = x_of(each.low), (each.high - each.low) * SIDE
        drawn += [
            box(x + 1, base - height, width - 2, height, "#b9d5e8"),
            text(x + width / 2, base - height - 4, str(each.observed.n), "middle"),
        ]
    return drawn


def score_plot(columns: Sequence[Column], threshold: float | None, title: str) -> Markup:
    """Return how many scans have which score: those with the label upwards, those without downwards."""
    most = max(max(each.positives, each.negatives) for each in columns) or 1
    half = SIDE / 2
    middle = TOP + half
    drawn: list[str] = []
    for each in columns:
        x, width = x_of(each.low), (each.high - each.low) * SIDE
        up, down = (half - 22) * each.positives / most, (half - 22) * each.negatives / most
        drawn += [
            box(x + 0.5, middle - up, width - 1, up, ORANGE),
            box(x + 0.5, middle, width - 1, down, BLUE),
        ]
    drawn.append(line(LEFT, middle, LEFT + SIDE, middle, INK))
    drawn += [text(x_of(value), TOP + SIDE + 20, f"{value:.1f}", "middle") for value in ticks(0.0, 1.0, 5)]
    drawn += [
        text(LEFT - 8, TOP + 20, "with it", "end"),
        text(LEFT - 8, TOP + 36, f"up to {max(each.positives for each in columns)}", "end", SOFT),
        text(LEFT - 8, TOP + SIDE - 20, "without", "end"),
        text(LEFT - 8, TOP + SIDE - 4, f"up to {max(each.negatives for each in columns)}", "end", SOFT),
        text(LEFT + SIDE, TOP + SIDE + 40, "score", "end", SOFT),
    ]
    if threshold is not None:
        side = "end" if threshold > 0.5 else "start"
        drawn += [
            line(x_of(threshold), TOP, x_of(threshold), TOP + SIDE, ACCENT, width=2),
            text(x_of(threshold) + (-6 if side == "end" else 6), TOP + 10, f"threshold {threshold:.3g}", side),
        ]
    return drawing(drawn, TOP + SIDE + BELOW, title)


def framed(across: str, upwards: str, *, most: float = 1.0) -> list[str]:
    """Return a square from 0 to 1, across to `most`, with the words for both axes."""
    drawn: list[str] = []
    for value in ticks(0.0, 1.0, 5):
        drawn += [
            line(x_of(0), y_of(value), x_of(1), y_of(value), LINE),
            text(LEFT - 8, y_of(value) + 4, f"{value:.1f}", "end"),
        ]
    drawn += [text(x_of(value / most), TOP + SIDE + 20, f"{value:.3g}", "middle") for value in ticks(0.0, most, 5)]
    turned = f"rotate(-90 16 {TOP + SIDE / 2:g})"
    return [
        *drawn,
        line(x_of(0), y_of(0), x_of(1), y_of(0), INK),
        line(x_of(0), y_of(0), x_of(0), y_of(1), INK),
        text(LEFT + SIDE, TOP + SIDE + 40, across, "end", SOFT),
        element("text", upwards, x=16, y=TOP + SIDE / 2, text_anchor="middle", fill=SOFT, transform=turned),
    ]


def _beside(at: tuple[float, float], words: str) -> list[str]:
    """Words below and to the right of a point, or to its left where they would leave the drawing."""
    right = at[0] < 0.45
    x = x_of(at[0]) + (12 if right else -12)
    y = min(y_of(at[1]) + 22, y_of(0) - 8)
    return [text(x, y, words, "start" if right else "end")]


def x_of(value: float) -> float:
    """Return where a share lies across."""
    return LEFT + SIDE * value


def y_of(value: float) -> float:
    """Return where a share lies upwards."""
    return TOP + SIDE * (1.0 - value)


def drawing(drawn: Sequence[str], height: float, title: str) -> Markup:
    """Return a drawing of parts."""
    return svg.drawing(drawn, WIDTH, height, title)
