"""Drawings of what was outlined and boxed: how Dice is spread, sizes beside the true ones, the free-response curve."""

from __future__ import annotations

from collections.abc import Sequence

from edge.page.markup import Markup, element
from edge.page.svg import ACCENT, INK, LINE, SHADES, SOFT, box, line, text, ticks
from edge.site.finds import FrocPoint
from edge.site.plots import BELOW, LEFT, SIDE, TOP, drawing, framed, x_of, y_of

COLUMNS = 20


def columns_plot(values: Sequence[float], title: str) -> Markup:
    """Return how often which share, 0 to 1, was found."""
    counts = [0] * COLUMNS
    for value in values:
        counts[min(int(value * COLUMNS), COLUMNS - 1)] += 1
    step, most = SIDE / COLUMNS, max(counts)
    drawn: list[str] = []
    for index, count in enumerate(counts):
        tall = SIDE * count / most
        if count:
            drawn.append(box(LEFT + index * step + 0.5, TOP + SIDE - tall, step - 1, tall, SHADES[0]))
    drawn.append(line(LEFT, TOP + SIDE, LEFT + SIDE, TOP + SIDE, INK))
    drawn += [text(x_of(value), TOP + SIDE + 20, f"{value:.1f}", "middle") for value in ticks(0.0, 1.0, 5)]
    drawn += [
        text(LEFT - 8, TOP + 12, f"{most}", "end"),
        text(LEFT - 8, TOP + SIDE, "0", "end"),
        text(LEFT - 8, TOP + 30, "scans", "end", SOFT),
        text(LEFT + SIDE, TOP + SIDE + 40, "Dice", "end", SOFT),
    ]
    return drawing(drawn, TOP + SIDE + BELOW, f"Dice of {title}")


def sizes_plot(pairs: Sequence[tuple[float, float]], unit: str, title: str) -> Markup:
    """Return each scan's outlined size over its true one; on the diagonal they are the same."""
    most = max((value for pair in pairs for value in pair), default=0.0) or 1.0
    drawn: list[str] = []
    for value in ticks(0.0, most, 4):
        across, upwards = x_of(value / most), y_of(value / most)
        drawn += [
            line(x_of(0), upwards, x_of(1), upwards, LINE),
            text(LEFT - 8, upwards + 4, f"{value:g}", "end"),
            text(across, TOP + SIDE + 20, f"{value:g}", "middle"),
        ]
    drawn += [
        line(x_of(0), y_of(0), x_of(1), y_of(0), INK),
        line(x_of(0), y_of(0), x_of(0), y_of(1), INK),
        line(x_of(0), y_of(0), x_of(1), y_of(1), SOFT, dashed=True),
        *(
            element("circle", cx=x_of(true / most), cy=y_of(said / most), r=4, fill=SHADES[0], fill_opacity="0.6")
            for true, said in pairs
        ),
        text(LEFT + SIDE, TOP + SIDE + 40, f"true size, {unit}", "end", SOFT),
        text(LEFT + 6, TOP + 12, f"outlined, {unit}", "start", SOFT),
    ]
    return drawing(drawn, TOP + SIDE + BELOW, title)


def free_response_plot(points: Sequence[FrocPoint], at: tuple[float, float], title: str) -> Markup:
    """Return the sensitivity over false boxes on a scan, and on it the threshold in force.

    Parameters
    ----------
    at : tuple of float
        False boxes on a scan and sensitivity at the threshold.
    """
    most = max((point.false_positives for point in points), default=0.0) or 1.0
    steps = [(0.0, 0.0), *((point.false_positives / most, point.sensitivity) for point in points)]
    path = " ".join(f"{x_of(across):.1f},{y_of(up):.1f}" for across, up in steps)
    drawn = [
        *framed("false boxes on a scan", "sensitivity", most=most),
        element("polyline", points=path, fill="none", stroke=SHADES[0], stroke_width=2.5),
        element("circle", cx=x_of(at[0] / most), cy=y_of(at[1]), r=6, fill="#fff", stroke=ACCENT, stroke_width=3),
    ]
    return drawing(drawn, TOP + SIDE + BELOW, title)
