"""Plots as SVG without any text of the user's: titles and legends are the page's, so that no name can break a plot.

The same data give the same bytes: one style whatever the user's settings, one salt for the ids, no date. Glyphs are
paths, so a plot looks the same on a machine without fonts.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from convert.document import Curves, FrocCurve, FrocPoint, ReliabilityBin, TrailStep

SETTINGS: Mapping[str, object] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "edgerun",
    "text.parse_math": False,
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.labelcolor": "#222222",
    "figure.constrained_layout.use": True,
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#A67C00", "#3A8FBF")
"""Okabe and Ito (2008), the yellowish and the light ones darker: told apart by those who are colour-blind."""
DASHES = ((0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2)), (0, (3, 1.2, 1, 1.2, 1, 1.2)))
MARKERS = ("s", "^", "D", "v", "P", "X", "p")
REFERENCE_COLOUR, REFERENCE_MARKER = "#111111", "o"
FEW = 20
"""A bin of fewer scans is drawn hollow: its share says little."""
BIN = 0.1
FALSE_POSITIVES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Per scan, on the axis of a free-response curve; what is outside is drawn at its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """How one candidate is drawn in every plot: by colour, by dash and by marker, any of which tells it."""

    colour: str
    dash: tuple[int, tuple[float, ...]] | str
    marker: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """Where a candidate stands at its threshold."""

    false_positive_rate: float
    sensitivity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What one candidate's curves of one label are drawn from; its name is for the page, not for the plot."""

    name: str
    pen: Pen
    curves: Curves
    operating: Operating | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBoxes:
    """What one candidate's free-response curve of one label is drawn from, and where it stands at its threshold."""

    name: str
    pen: Pen
    curve: FrocCurve
    operating: FrocPoint | None


def pen_of(index: int | None) -> Pen:
    """Return the pen of the candidate with this number; of the reference for None."""
    if index is None:
        return Pen(colour=REFERENCE_COLOUR, dash="solid", marker=REFERENCE_MARKER, width=2.2)
    return Pen(
        colour=COLOURS[index % len(COLOURS)],
        dash=DASHES[index % len(DASHES)],
        marker=MARKERS[index % len(MARKERS)],
        width=1.3,
    )


def swatch(pen: Pen) -> bytes:
    """Return a legend's picture of a pen, as SVG."""
    with _settled():
        figure, axes = _figure(0.62, 0.2)
        axes.plot([0, 0.5, 1], [0, 0, 0], color=pen.colour, linestyle=pen.dash, linewidth=pen.width)
        axes.plot([0.5], [0], marker=pen.marker, color=pen.colour, markersize=6)
        axes.set_axis_off()
        return _svg(figure)


def roc(drawn: Sequence[Drawn]) -> bytes:
    """Return receiver operating characteristics with their operating points, as SVG; the first lies at the bottom."""
    with _settled():
        figure, axes = _figure(2.5, 2.5)
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for item in drawn:
            pen, points = item.pen, item.curves.roc
            across, up = [point.false_positive_rate for point in points], [point.sensitivity for point in points]
            axes.plot(across, up, color=pen.colour, linestyle=pen.dash, linewidth=pen.width)
        for item in drawn:
            _operating_point(axes, item)
        _share_axes(axes)
        axes.set_ylim(-0.02, 1.03)
        axes.set_aspect("equal")
        axes.set_xlabel("1 \N{MINUS SIGN} specificity")
        axes.set_ylabel("sensitivity")
        return _svg(figure)


def _operating_point(axes: Axes, item: Drawn) -> None:
    if item.operating is None:
        return
    at = [item.operating.false_positive_rate], [item.operating.sensitivity]
    axes.plot(*at, marker=item.pen.marker, color=item.pen.colour, markersize=6.5, mec="white", mew=0.6, zorder=3)


def free_response(drawn: Sequence[DrawnBoxes]) -> bytes:
    """Return free-response curves with their operating points, as SVG; the first lies at the bottom."""
    with _settled():
        figure, axes = _figure(2.5, 2.5)
        axes.set_xscale("log", base=2)
        for item in drawn:
            across = [_on_axis(point) for point in item.curve.points]
            up = [point.sensitivity for point in item.curve.points]
            pen = item.pen
            axes.plot(across, up, color=pen.colour, linestyle=pen.dash, linewidth=pen.width, drawstyle="steps-post")
        for item in drawn:
            if item.operating is not None:
                at = [_on_axis(item.operating)], [item.operating.sensitivity]
                pen = item.pen
                axes.plot(*at, marker=pen.marker, color=pen.colour, markersize=6.5, mec="white", mew=0.6, zorder=3)
        axes.set_xlim(FALSE_POSITIVES[0] * 0.9, FALSE_POSITIVES[-1] * 1.1)
        axes.set_xticks(FALSE_POSITIVES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_ylim(-0.02, 1.03)
        axes.set_xlabel("false positives per scan")
        axes.set_ylabel("sensitivity")
        return _svg(figure)


def _on_axis(point: FrocPoint) -> float:
    return min(max(point.false_positives, FALSE_POSITIVES[0]), FALSE_POSITIVES[-1])


def reliability(drawn: Sequence[Drawn]) -> bytes:
    """Return what share of the scans of each score is positive, over how many scans that rests on, as SVG."""
    with _settled():
        figure = Figure(figsize=(2.5, 3.1))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for item in drawn:
            _calibration(above, item)
        for number, item in enumerate(drawn):
            _histogram(below, item, filled=number == 0)
        _share_axes(above)
        above.set_ylim(-0.03, 1.04)
        above.set_ylabel("share that is positive")
        below.set_yscale("log")
        below.set_ylim(0.7, max([bin_.n for item in drawn for bin_ in item.curves.reliability], default=1) * 2)
        below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        below.yaxis.set_minor_locator(NullLocator())
        below.set_ylabel("scans (log)")
        below.set_xlabel("score")
        return _svg(figure)


def _calibration(axes: Axes, item: Drawn) -> None:
    bins, pen = item.curves.reliability, item.pen
    axes.plot(
        [bin_.mean_score for bin_ in bins],
        [bin_.positive_share for bin_ in bins],
        color=pen.colour,
        linestyle=pen.dash,
        linewidth=pen.width * 0.7,
    )
    for bin_ in bins:
        face = pen.colour if bin_.n >= FEW else "white"
        axes.plot([bin_.mean_score], [bin_.positive_share], marker=pen.marker, markersize=5, color=pen.colour, mfc=face)


def _histogram(axes: Axes, item: Drawn, *, filled: bool) -> None:
    """The first as bars, all others as marks across them."""
    bins = item.curves.reliability
    middles, counts = [_middle(bin_) for bin_ in bins], [bin_.n for bin_ in bins]
    if filled:
        axes.bar(middles, counts, width=BIN * 0.92, color="#d0d0d0", edgecolor="#888888", linewidth=0.5)
    else:
        axes.plot(middles, counts, marker=item.pen.marker, markersize=3.5, linestyle="none", color=item.pen.colour)


def _middle(bin_: ReliabilityBin) -> float:
    return (min(int(bin_.mean_score / BIN + 1e-9), 9) + 0.5) * BIN


def trail(steps: Sequence[TrailStep], losses: Sequence[float]) -> bytes:
    """Return what each step lost, in percent of its margin, its size and its time, as SVG.

    Parameters
    ----------
    losses : sequence of float
        By step: how much worse it is, in margins.
    """
    with _settled():
        figure = Figure(figsize=(9.2, 2.2))
        lost, size, time = figure.subplots(1, 3)
        _stepped(lost, steps, [100 * loss for loss in losses])
        lost.axhline(100, color="#111111", linewidth=1.2, linestyle=(0, (4, 2)))
        low, high = lost.get_ylim()
        lost.set_ylim(min(low, -5), max(high, 118))
        lost.annotate("margin", (1.02, 100), xycoords=("axes fraction", "data"), ha="left", va="center")
        lost.set_ylabel("loss, % of the margin")
        _stepped(size, steps, [step.bytes / 1e6 for step in steps])
        size.set_ylabel("size, MB")
        _stepped(time, steps, [step.latency_ms for step in steps])
        time.set_ylabel("time, ms")
        for axes in (size, time):
            axes.set_ylim(0, axes.get_ylim()[1] * 1.08)
        return _svg(figure)


def _stepped(axes: Axes, steps: Sequence[TrailStep], values: Sequence[float]) -> None:
    at = list(range(len(steps)))
    axes.plot(at, values, color="#888888", linewidth=1)
    for where, step, value in zip(at, steps, values, strict=True):
        colour, marker = (COLOURS[0], "o") if step.accepted else (COLOURS[1], "X")
        axes.plot([where], [value], marker=marker, color=colour, markersize=8, markeredgecolor="white", clip_on=False)
    axes.set_xticks(at, [str(len(step.given_back)) for step in steps])
    axes.set_xlim(-0.4, len(steps) - 0.6)
    axes.set_xlabel("layers given back to float")


def _share_axes(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def _settled() -> AbstractContextManager[None]:
    return style.context(["default", dict(SETTINGS)])


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue()
