"""The report's tables as rows of text: what the template writes down without a thought."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from convert.document import CandidateTold, Conversion, LayerTold, Trail
from convert.gate.judge import ALL, Comparison, Judgement, Verdict
from convert.report import figures
from convert.report.forest import Axis, Whisker, axis_of, whisker_of
from convert.report.wording import Titles, label_title, metric_title, shortfall

MOST_COLUMNS = 6
"""Candidates side by side in one table; more follow in another below."""
WORST_LAYERS = 20
MOST_NODES = 6
"""Layers that a step of the search names."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One comparison."""

    metric: str
    group: str
    n: str
    reference: str
    candidate: str
    difference: str
    bound: str
    margin: str
    verdict: Verdict
    needed: str
    whisker: Whisker | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRows:
    """The comparisons of one label."""

    label: str
    rows: tuple[ComparisonRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """Comparisons that share an axis."""

    axis: Axis
    labels: tuple[LabelRows, ...]
    subgroups: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A figure that is told and not judged."""

    metric: str
    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossRow:
    """What heads a row, and a cell for each candidate."""

    head: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossTable:
    """Candidates side by side.

    Parameters
    ----------
    common : tuple of (str, str)
        What heads all rows alike: it is said once, above the table.
    heads : tuple of str
        Of the columns before the candidates'.
    """

    common: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    candidates: tuple[str, ...]
    rows: tuple[CrossRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """A layer, and the ends of its bar in percent of the axis."""

    node: str
    operator: str
    snr: str
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTable:
    """The worst layers of so many; `zero` is the place of 0 dB in percent of the axis."""

    rows: tuple[LayerRow, ...]
    n: int
    zero: float
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step of the search."""

    number: int
    given_back: str
    nodes: str
    subject: str
    difference: str
    margin: str
    size: str
    latency: str
    accepted: bool


def comparison_tables(judgement: Judgement, titles: Titles) -> tuple[ComparisonTable, ...]:
    """Return the comparisons over all scans, and those in subgroups; a table without rows is left out."""
    parts = ([row for row in judgement.comparisons if (row.group != ALL) is inside] for inside in (False, True))
    axis = axis_of(judgement.comparisons)
    return tuple(
        ComparisonTable(axis=axis, labels=_by_label(rows, titles, axis), subgroups=rows[0].group != ALL)
        for rows in parts
        if rows
    )


def _by_label(rows: Sequence[Comparison], titles: Titles, axis: Axis) -> tuple[LabelRows, ...]:
    return tuple(
        LabelRows(label=label_title(titles, label), rows=tuple(_row(row, axis) for row in rows if row.label == label))
        for label in dict.fromkeys(row.label for row in rows)
    )


def _row(row: Comparison, axis: Axis) -> ComparisonRow:
    places = figures.decimals(row.margin)
    return ComparisonRow(
        metric=metric_title(row.metric),
        group="all scans" if row.group == ALL else row.group,
        n=figures.count(row.n),
        reference=figures.fixed(row.reference, places),
        candidate=figures.fixed(row.candidate, places),
        difference=figures.signed(row.candidate - row.reference, places),
        bound=figures.signed(row.bound, places),
        margin=figures.signed(-row.margin if row.higher_is_better else row.margin, places),
        verdict=row.verdict,
        needed=shortfall(row) if row.verdict == "inconclusive" else "",
        whisker=whisker_of(row, axis),
    )


def told_rows(judgement: Judgement, titles: Titles) -> tuple[Told, ...]:
    """Return what is told and not judged."""
    found = []
    for key, value in judgement.told.items():
        metric, _, label = key.partition(" ")
        title = label_title(titles, label) if label else ""
        found.append(Told(metric=metric_title(metric), label=title, value=figures.measure(value)))
    return tuple(found)


def threshold_tables(conversion: Conversion, titles: Titles) -> tuple[CrossTable, ...]:
    """Return each candidate's thresholds, the scores that it leaves to a reader, and its calibration.

    Where rule, set or number differ they stand in rows of their own.
    """

    def cells(told: CandidateTold) -> Iterable[tuple[tuple[str, ...], str]]:
        for label, item in told.thresholds.items():
            head = (label_title(titles, label), item.rule, item.chosen_on, figures.count(item.n))
            yield head, figures.fixed(item.value, 4)
        for label, zone in told.uncertain.items():
            head = (label_title(titles, label), f"left to a reader; {zone.rule}", zone.chosen_on, figures.count(zone.n))
            yield head, f"{figures.fixed(zone.low, 4)} to {figures.fixed(zone.high, 4)}"
        for label, line in told.calibration.items():
            head = (label_title(titles, label), f"calibration; {line.rule}", line.chosen_on, figures.count(line.n))
            yield head, f"slope {figures.fixed(line.slope, 4)}, intercept {figures.fixed(line.intercept, 4)}"

    return _crossed(conversion.candidates, ("Label", "Rule", "Chosen on", "n"), cells)


def evidence_tables(conversion: Conversion, titles: Titles) -> tuple[CrossTable, ...]:
    """Return each candidate's figures with their intervals."""

    def cells(told: CandidateTold) -> Iterable[tuple[tuple[str, ...], str]]:
        for item in told.evidence:
            head = (label_title(titles, item.label), metric_title(item.metric), figures.count(item.n), item.data)
            between = "" if item.interval is None else " to ".join(figures.measure(end) for end in item.interval)
            yield (*head, item.method or ""), figures.measure(item.value) + (f"\n{between}" if between else "")

    return _crossed(conversion.candidates, ("Label", "Metric", "n", "Data", "Intervals"), cells)


def _crossed(
    candidates: Sequence[CandidateTold],
    heads: tuple[str, ...],
    cells: Callable[[CandidateTold], Iterable[tuple[tuple[str, ...], str]]],
) -> tuple[CrossTable, ...]:
    found = []
    for some in _chunks([told for told in candidates if any(True for _ in cells(told))], MOST_COLUMNS):
        columns = [dict(cells(told)) for told in some]
        keys = list(dict.fromkeys(key for column in columns for key in column))
        varied = [at for at in range(len(heads)) if not at or len({key[at] for key in keys}) > 1]
        rows = tuple(
            CrossRow(
                head=tuple(key[at] for at in varied),
                cells=tuple(column.get(key, figures.NOTHING) for column in columns),
            )
            for key in keys
        )
        common = tuple((heads[at], keys[0][at]) for at in range(len(heads)) if at not in varied and keys[0][at])
        names = tuple(told.name for told in some)
        found.append(CrossTable(common=common, heads=tuple(heads[at] for at in varied), candidates=names, rows=rows))
    return tuple(found)


def _chunks(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """As even as can be: six of at most five are three and three."""
    parts = math.ceil(len(items) / most)
    each = math.ceil(len(items) / parts) if parts else 1
    return [items[start : start + each] for start in range(0, len(items), each)]


def layer_table(layers: Sequence[LayerTold]) -> LayerTable | None:
    """Return the layers that INT8 hurts most, the worst first; None where none is hurt."""
    hurt = sorted(((layer.snr_db, layer) for layer in layers if layer.snr_db is not None), key=lambda pair: pair[0])
    worst = hurt[:WORST_LAYERS]
    if not worst:
        return None
    low, high = min(0.0, worst[0][0]), max(worst[-1][0], 1.0)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    rows = tuple(
        LayerRow(
            node=layer.node,
            operator=layer.operator,
            snr=figures.fixed(snr, 1),
            start=place(min(snr, 0.0)),
            width=round(abs(place(snr) - place(0.0)), 2),
        )
        for snr, layer in worst
    )
    ends = figures.fixed(low, 0), figures.fixed(high, 0)
    return LayerTable(rows=rows, n=len(layers), zero=place(0.0), low=ends[0], high=ends[1])


def step_rows(trail: Trail, titles: Titles) -> tuple[StepRow, ...]:
    """Return the steps of a search, each naming the layers that the one before did not give back."""
    found = []
    before: set[str] = set()
    for number, step in enumerate(trail.steps, start=1):
        places = figures.decimals(step.margin)
        fresh = [name for name in step.given_back if name not in before]
        before.update(fresh)
        found.append(
            StepRow(
                number=number,
                given_back=figures.count(len(step.given_back)),
                nodes=_named(fresh),
                subject=f"{metric_title(step.metric)} of {label_title(titles, step.label)}",
                difference=figures.signed(step.difference, places),
                margin=figures.fixed(step.margin, places),
                size=figures.size(step.bytes),
                latency=figures.milliseconds(step.latency_ms),
                accepted=step.accepted,
            )
        )
    return tuple(found)


def _named(nodes: Sequence[str]) -> str:
    left = len(nodes) - MOST_NODES
    return ", ".join(nodes[:MOST_NODES]) + (f" and {figures.count(left)} more" if left > 0 else "")
