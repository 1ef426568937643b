"""The report as the template reads it: every word, number and picture, in the order of the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convert.document import CandidateTold, Conversion, FrocPoint, SetUsed, Trail, TrailStep
from convert.gate.judge import ALL
from convert.report import figures, plots, tables
from convert.report.plots import Drawn, DrawnBoxes, Operating, Pen
from convert.report.wording import Titles, Verdict, label_title, metric_title, words_of
from edge.pack.manifest import Manifest

USES = {
    "calibrate": "to show INT8 the range of every layer",
    "tune": "to choose thresholds and layers",
    "evaluate": "to judge",
}
"""Metrics of a step of the search, which does not say itself what worse is."""
FEW_LABELS = 2
"""So many labels get large plots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSection:
    """One candidate: its row in the table of verdicts, and its own section where it was judged."""

    anchor: str
    told: CandidateTold
    verdict: Verdict
    smaller: str
    time_ratio: str
    comparisons: tuple[tables.ComparisonTable, ...]
    extra: tuple[tables.Told, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """A candidate's line in plots; `swatch` is a data URI."""

    name: str
    swatch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlot:
    """A plot of one label.

    Parameters
    ----------
    picture : str
        Data URI.
    values : tuple of (Legend, str)
        By candidate: what to say of it.
    """

    title: str
    picture: str
    values: tuple[tuple[Legend, str], ...]

    @property
    def words(self) -> str:
        """What a reader who does not see the plot must know."""
        return "; ".join(f"{legend.name}: {value}" for legend, value in self.values)

    @property
    def caption(self) -> str:
        """The same words, but once where they are the same of all."""
        said = {value for _, value in self.values}
        return f"{said.pop()} each" if len(said) == 1 else self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailSection:
    """The search for one engine."""

    engine: str
    picture: str
    words: str
    rows: tuple[tables.StepRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """A set of scans, and by label how many of them are positive."""

    told: SetUsed
    use: str
    positives: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on the page."""

    conversion: Conversion
    manifest: Manifest
    candidates: tuple[CandidateSection, ...]
    legend: tuple[Legend, ...]
    roc: tuple[LabelPlot, ...]
    reliability: tuple[LabelPlot, ...]
    free_response: tuple[LabelPlot, ...]
    few_labels: bool
    thresholds: tuple[tables.CrossTable, ...]
    evidence: tuple[tables.CrossTable, ...]
    layers: tables.LayerTable | None
    trails: tuple[TrailSection, ...]
    sets: tuple[SetRow, ...]

    @property
    def judged(self) -> tuple[CandidateSection, ...]:
        """The candidates with a section of their own."""
        return tuple(item for item in self.candidates if item.told.judgement is not None)

    @property
    def judged_on(self) -> tuple[str, ...]:
        """Sets that candidates were judged on."""
        return tuple(item.told.words for item in self.sets if item.told.use == "evaluate")

    @property
    def counted(self) -> bool:
        """Whether any set says how many of its scans are positive."""
        return any(item.positives for item in self.sets)


def page_of(conversion: Conversion, manifest: Manifest) -> Page:
    """Return the page of a conversion."""
    titles = {label.name: label.title for label in manifest.task.labels}
    reference = next((told for told in conversion.candidates if told.judgement is None), None)
    drawn = _drawn(conversion.candidates, reference)
    boxes = _drawn_boxes(conversion.candidates, reference)
    labels = tuple(dict.fromkeys(item.curves.label for item in drawn))
    boxed = tuple(dict.fromkeys(item.curve.label for item in boxes))
    by_label = {label: [item for item in drawn if item.curves.label == label] for label in labels}
    binned = {label: items for label, items in by_label.items() if any(item.curves.reliability for item in items)}
    legend = _legend({**{item.name: item.pen for item in drawn}, **{item.name: item.pen for item in boxes}})
    return Page(
        conversion=conversion,
        manifest=manifest,
        candidates=tuple(
            _section(told, reference, titles, f"candidate-{number}")
            for number, told in enumerate(conversion.candidates, start=1)
        ),
        legend=tuple(legend.values()),
        roc=tuple(_roc(label_title(titles, label), items, legend) for label, items in by_label.items()),
        reliability=tuple(_reliability(label_title(titles, label), items, legend) for label, items in binned.items()),
        free_response=tuple(
            _free_response(label_title(titles, label), [item for item in boxes if item.curve.label == label], legend)
            for label in boxed
        ),
        few_labels=max(len(labels), len(boxed)) <= FEW_LABELS,
        thresholds=tables.threshold_tables(conversion, titles),
        evidence=tables.evidence_tables(conversion, titles),
        layers=tables.layer_table(conversion.layers),
        trails=tuple(_trail(trail, titles) for trail in conversion.trails if trail.steps),
        sets=tuple(_set(item, titles) for item in conversion.sets),
    )


def _section(told: CandidateTold, reference: CandidateTold | None, titles: Titles, anchor: str) -> CandidateSection:
    judgement = told.judgement
    is_reference = told is reference
    compared = reference is not None and not is_reference
    return CandidateSection(
        anchor=anchor,
        told=told,
        verdict=words_of(told, titles, is_reference=is_reference),
        smaller=figures.smaller(told.bytes, reference.bytes) if reference and compared else "",
        time_ratio=figures.ratio(told.latency_ms, reference.latency_ms)
        if reference and compared and told.latency_ms
        else "",
        comparisons=() if judgement is None else tables.comparison_tables(judgement, titles),
        extra=() if judgement is None else tables.told_rows(judgement, titles),
    )


def _drawn(candidates: Sequence[CandidateTold], reference: CandidateTold | None) -> list[Drawn]:
    """Every curve of every candidate, the reference's first: it lies below all others."""
    return [
        Drawn(name=told.name, pen=pen, curves=curves, operating=_operating(told, curves.label))
        for told, pen in _pens(candidates, reference)
        for curves in told.curves
    ]


def _drawn_boxes(candidates: Sequence[CandidateTold], reference: CandidateTold | None) -> list[DrawnBoxes]:
    return [
        DrawnBoxes(name=told.name, pen=pen, curve=curve, operating=_operating_boxes(told, curve.label))
        for told, pen in _pens(candidates, reference)
        for curve in told.free_response
    ]


def _pens(candidates: Sequence[CandidateTold], reference: CandidateTold | None) -> list[tuple[CandidateTold, Pen]]:
    others = [told for told in candidates if told is not reference]
    first = [(reference, plots.pen_of(None))] if reference else []
    return [*first, *((told, plots.pen_of(index)) for index, told in enumerate(others))]


def _legend(pens: Mapping[str, Pen]) -> dict[str, Legend]:
    return {name: Legend(name=name, swatch=_uri(plots.swatch(pen))) for name, pen in pens.items()}


def _figures_of(told: CandidateTold, label: str) -> dict[str, float]:
    """A label's metrics over all scans: by the candidate's evidence, else by what it was compared by."""
    found = {item.metric: item.value for item in told.evidence if item.label == label}
    for row in told.judgement.comparisons if told.judgement else ():
        if row.label == label and row.group == ALL:
            found.setdefault(row.metric, row.candidate)
    return found


def _operating(told: CandidateTold, label: str) -> Operating | None:
    """Where the candidate stands at its threshold."""
    found = _figures_of(told, label)
    if "sensitivity" not in found or "specificity" not in found:
        return None
    return Operating(false_positive_rate=1 - found["specificity"], sensitivity=found["sensitivity"])


def _operating_boxes(told: CandidateTold, label: str) -> FrocPoint | None:
    found = _figures_of(told, label)
    if "sensitivity" not in found or "false-positives" not in found:
        return None
    return FrocPoint(false_positives=found["false-positives"], sensitivity=found["sensitivity"])


def _free_response(title: str, drawn: Sequence[DrawnBoxes], legend: Mapping[str, Legend]) -> LabelPlot:
    values = tuple((legend[item.name], f"FROC {figures.fixed(item.curve.froc, 3)}") for item in drawn)
    return LabelPlot(title=title, picture=_uri(plots.free_response(drawn)), values=values)


def _roc(title: str, drawn: Sequence[Drawn], legend: Mapping[str, Legend]) -> LabelPlot:
    values = tuple((legend[item.name], f"AUC {figures.fixed(item.curves.auc, 3)}") for item in drawn)
    return LabelPlot(title=title, picture=_uri(plots.roc(drawn)), values=values)


def _reliability(title: str, drawn: Sequence[Drawn], legend: Mapping[str, Legend]) -> LabelPlot:
    counts = (sum(bin_.n for bin_ in item.curves.reliability) for item in drawn)
    values = tuple((legend[item.name], f"{figures.count(n)} scans") for item, n in zip(drawn, counts, strict=True))
    return LabelPlot(title=title, picture=_uri(plots.reliability(drawn)), values=values)


def _trail(trail: Trail, titles: Titles) -> TrailSection:
    losses = [_loss(step) for step in trail.steps]
    words = "; ".join(
        f"{len(step.given_back)} layers given back: {metric_title(step.metric)} loses"
        f" {figures.fixed(100 * loss, 0)}% of its margin"
        for step, loss in zip(trail.steps, losses, strict=True)
    )
    return TrailSection(
        engine=trail.engine,
        picture=_uri(plots.trail(trail.steps, losses)),
        words=words,
        rows=tables.step_rows(trail, titles),
    )


def _loss(step: TrailStep) -> float:
    """In margins; without a margin, no number."""
    worse = -step.difference if step.higher_is_better else step.difference
    return worse / step.margin if step.margin > 0 else float("nan")


def _set(told: SetUsed, titles: Titles) -> SetRow:
    positives = tuple((label_title(titles, label), figures.count(n)) for label, n in told.positives.items())
    return SetRow(told=told, use=USES[told.use], positives=positives)


def _uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
