"""The key metrics of a card: usefulness, fairness, safety, each with what was measured on what, and how to read it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from convert.card.form import Result, Results, Row, Said, Section, Table, lines_of
from convert.card.subjects import Subject, subjects
from convert.card.words import (
    UNTRAINED,
    change_words,
    label_titles,
    label_words,
    limit_of,
    metric_words,
    number,
    set_words,
)
from convert.document import CandidateTold, Conversion, Trail
from convert.gate.judge import ALL, LEAST_OF_A_CLASS, RESAMPLES, Comparison
from convert.stated import Stated
from edge.pack.manifest import Evidence, Manifest, Threshold

_TEST_TYPE = (
    "Measured by edgerun's workshop on labelled scans, with every file on every engine over the same scans. No "
    "clinical study: nobody used the model on a patient for it."
)
_JUDGED = (
    "A file passes where the worst plausible change of each figure against the reference, the end of its one-sided "
    f"95% interval, stays within a margin (non-inferiority, ICH E9 3.3.2; {RESAMPLES} bootstrap resamples, the same "
    "for both, by patient where patients are named; for changed decisions an exact interval). It is rejected where the "
    "best plausible change lies beyond the margin, and inconclusive where the scans are too few to tell."
)
_COLUMNS = (
    "File and engine",
    "Figure",
    "Scans",
    "n",
    "Reference",
    "Here",
    "Worst plausible change",
    "Allowed",
    "Verdict",
)
_CHANGES = (
    "Worst plausible change: end of the one-sided 95% interval of the difference from the reference; of changed "
    "decisions, of their share."
)
_SAME_SCANS = "The same scans as under usefulness, usability and efficacy."
_ONLY_AGAINST_REFERENCE = (
    "The question here is whether a smaller file or another engine is worse than the reference in a subgroup. Whether "
    "the model itself serves the subgroups equally well was not judged: compare the column of the reference, which has "
    "no intervals here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMetric:
    """What one key metric asks, found, and rests on.

    Parameters
    ----------
    tested : bool
        Whether a figure of it is of labelled scans.
    read : tuple of str
        How to read the figures.
    process : tuple of str
        How they came to be.
    unjustified : str
        What of the process nobody justifies.
    """

    key: str
    title: str
    goal: str
    tested: bool
    tables: tuple[Table, ...]
    read: tuple[str, ...]
    process: tuple[str, ...]
    unjustified: str


def key_metrics(conversion: Conversion, manifest: Manifest, stated: Stated) -> Section:
    """Return the three key metrics."""
    every, titles = subjects(conversion, manifest), label_titles(manifest)
    untrained = (UNTRAINED,) if manifest.status == "architecture-only" else ()
    asked = (_usefulness(conversion, every, titles), _fairness(every, titles), _safety(conversion, every, titles))
    reasons = (stated.why_this_data, stated.why_these_subgroups, stated.why_these_margins)
    metrics = [_justified(metric, why or "") for metric, why in zip(asked, reasons, strict=True)]
    judged = tuple(set_words(item, titles) for item in conversion.sets if item.use == "evaluate")
    data = Said(
        key="TestingDataDescription",
        title="Testing data description",
        lines=(*judged, *lines_of(stated.testing_data or "")),
        lacking="" if stated.testing_data else "the patients, sites and devices in it, and who labelled it how",
    )
    again = replace(data, lines=(_SAME_SCANS,), lacking="") if data.lines else data
    parts = tuple(
        _section(metric, untrained, described) for metric, described in zip(metrics, (data, again, again), strict=True)
    )
    return Section(key="KeyMetrics", title="Key metrics", parts=parts)


def _justified(metric: KeyMetric, why: str) -> KeyMetric:
    """The metric with what its maker says for it."""
    return replace(metric, process=(*metric.process, *lines_of(why)), unjustified="") if why else metric


def _section(metric: KeyMetric, untrained: tuple[str, ...], data: Said) -> Section:
    return Section(
        key=metric.key,
        title=metric.title,
        parts=(
            Said(key="MetricGoal", title="Goal", lines=(metric.goal,)),
            Results(tables=metric.tables),
            Said(key="Interpretation", title="Interpretation", lines=(*untrained, *metric.read)),
            Said(key="TestType", title="Test type", lines=(_TEST_TYPE,) if metric.tested else ()),
            data,
            Said(
                key="ValidationProcessAndJustification",
                title="Validation process and justification",
                lines=metric.process,
                lacking=metric.unjustified,
            ),
        ),
    )


def _usefulness(conversion: Conversion, every: tuple[Subject, ...], titles: Mapping[str, str]) -> KeyMetric:
    measured = Table(
        title="what the model tells",
        columns=("File and engine", "Figure", "Value", "95% interval", "n", "Data"),
        rows=tuple(_evidence(row, item, titles) for item in every for row in item.evidence),
        note="n: the scans that a figure is over; for sensitivity those with the label, for specificity those without.",
    )
    unjudged = Table(
        title="told and not judged",
        columns=("File and engine", "Figure", "Value"),
        rows=tuple(row for item in every for row in _told(item, titles)),
    )
    costs = Table(
        title="size and speed",
        columns=("File and engine", "Size of the file", "Time for one scan", "Most memory"),
        rows=tuple(_cost(item, item.told) for item in every if item.told),
        note=f"Measured on: {conversion.machine}. Another machine gives other times. The time is the median of the "
        "engine alone.",
    )
    methods = dict.fromkeys(row.method for item in every for row in item.evidence if row.method)
    return KeyMetric(
        key="UsefulnessUsabilityEfficacy",
        title="Usefulness, usability and efficacy",
        goal="How well the model tells its labels, and what it costs in time and memory.",
        tested=bool(measured.rows or unjudged.rows),
        tables=(measured, unjudged, costs),
        read=_usefulness_read(conversion, every),
        process=tuple(f"95% intervals: {method}" for method in methods),
        unjustified="why this data set stands for the patients to come",
    )


def _usefulness_read(conversion: Conversion, every: tuple[Subject, ...]) -> tuple[str, ...]:
    if not any(item.evidence for item in every):
        return ("How well the model tells its labels was not measured.",)
    lines = ["The figures are of the data named beside them, and may be worse for other patients and devices."]
    judged = {item.words for item in conversion.sets if item.use == "evaluate"}
    judged |= {row.data for item in every for row in item.evidence}
    chosen = {threshold.chosen_on for item in every for threshold in _thresholds_of(item).values()}
    hashes = {use: {item.sha256 for item in conversion.sets if item.use == use} for use in ("tune", "evaluate")}
    if judged & chosen or hashes["tune"] & hashes["evaluate"]:
        lines.append(
            "Thresholds were chosen on the scans that the figures are of: elsewhere the figures will be worse."
        )
    if any(item.evidence and not item.in_pack for item in every):
        lines.append("Figures marked as not in the pack are of files that nobody receives.")
    return tuple(lines)


def _evidence(row: Evidence, subject: Subject, titles: Mapping[str, str]) -> Row:
    what = f"{metric_words(row.metric)} of {label_words(row.label, titles)}"
    between = f"{number(row.interval[0])} to {number(row.interval[1])}" if row.interval else "none"
    value: dict[str, object] = {"kind": "single", "value": _finite(row.value)}
    if row.interval:
        low, high = map(_finite, row.interval)
        value = {"kind": "estimate_ci", "estimate": _finite(row.value), "lower": low, "upper": high, "level": 95}
    value |= {**_of(subject), "metric": row.metric, "label": row.label, "n": row.n, "data": row.data}
    value |= {"method": row.method}
    return Row(
        cells=(subject.whose, what, number(row.value), between, str(row.n), row.data),
        results=(Result(label=f"{what}, {subject.whose}", value=value),),
    )


def _told(subject: Subject, titles: Mapping[str, str]) -> tuple[Row, ...]:
    rows = []
    for name, figure in subject.judgement.told.items() if subject.judgement else ():
        metric, _, label = name.partition(" ")
        what = f"{metric_words(metric)} of {label_words(label, titles)}" if label else metric_words(metric)
        value = {"kind": "single", "value": _finite(figure), **_of(subject), "metric": metric, "label": label}
        result = Result(label=f"{what}, {subject.whose}", value=value)
        rows.append(Row(cells=(subject.whose, what, number(figure)), results=(result,)))
    return tuple(rows)


def _cost(subject: Subject, told: CandidateTold) -> Row:
    latency = told.latency_ms or None
    figures: tuple[tuple[str, float | None, str], ...] = (
        ("size of the file", told.bytes, "bytes"),
        ("median time for one scan", latency, "ms"),
        ("most memory", told.peak_bytes, "bytes"),
    )
    return Row(
        cells=(
            subject.whose,
            f"{told.bytes / 1e6:.2f} MB",
            "could not be run" if latency is None else f"{latency:.2f} ms",
            "not measured" if told.peak_bytes is None else f"{told.peak_bytes / 1e6:.0f} MB",
        ),
        results=tuple(
            Result(
                label=f"{what}, {subject.whose}", value={"kind": "single", "value": value, "unit": unit, **_of(subject)}
            )
            for what, value, unit in figures
            if value is not None
        ),
    )


def _fairness(every: tuple[Subject, ...], titles: Mapping[str, str]) -> KeyMetric:
    rows = tuple(row for item in every for row in _comparisons(item, titles, whole=False))
    skipped = tuple(f"{item.whose}: {line}" for item in every if item.judgement for line in item.judgement.skipped)
    lines = [_ONLY_AGAINST_REFERENCE] if rows else []
    lines += [f"Too few scans to tell (fewer than {LEAST_OF_A_CLASS} of a class): {line}" for line in skipped]
    return KeyMetric(
        key="FairnessEquity",
        title="Fairness and equity",
        goal="Whether what was done to the model harms a subgroup of the patients.",
        tested=bool(rows),
        tables=(Table(title="by subgroup", columns=_COLUMNS, rows=rows, note=_CHANGES),),
        read=tuple(lines) or ("No subgroup was judged: how the model does in any group of patients is not known.",),
        process=(_JUDGED,) if rows else (),
        unjustified="why these subgroups were chosen",
    )


def _safety(conversion: Conversion, every: tuple[Subject, ...], titles: Mapping[str, str]) -> KeyMetric:
    compared = Table(
        title="all scans",
        columns=_COLUMNS,
        rows=tuple(row for item in every for row in _comparisons(item, titles, whole=True)),
        note=_CHANGES,
    )
    chosen = Table(
        title="from which score on a finding is said",
        columns=("File and engine", "Label", "Threshold", "Rule", "Chosen on", "n"),
        rows=tuple(row for item in every for row in _thresholds(item, titles)),
    )
    return KeyMetric(
        key="SafetyReliability",
        title="Safety and reliability",
        goal="Whether a smaller file or another engine is no worse than the reference, and what is said when.",
        tested=bool(compared.rows),
        tables=(compared, chosen),
        read=tuple(_verdict(item, titles) for item in every),
        process=_process(conversion, every),
        unjustified="why these margins are small enough for the intended use" if compared.rows else "",
    )


def _verdict(subject: Subject, titles: Mapping[str, str]) -> str:
    """The verdict with all that speaks against the file."""
    judgement = subject.judgement
    if subject.verdict == "reference":
        return f"{subject.whose}: the reference: the others are compared with it; it is not judged itself."
    if judgement is None:
        return f"{subject.whose}: {subject.verdict}, by the manifest; this conversion does not tell why."
    failed = [change_words(row, titles) for row in judgement.comparisons if row.verdict != "passed"]
    against = "; ".join([*judgement.problems, *failed])
    if against:
        return f"{subject.whose}: {judgement.verdict}, because: {against}."
    count = len(judgement.comparisons)
    rests = f"every one of its comparisons passed ({count})" if count else "nothing was compared"
    return f"{subject.whose}: {judgement.verdict}: {rests}."


def _process(conversion: Conversion, every: tuple[Subject, ...]) -> tuple[str, ...]:
    judged = (_JUDGED,) if any(item.judgement for item in every) else ()
    files = tuple(_file(item.told, item) for item in every if item.told)
    searched = tuple(_searched(trail) for trail in conversion.trails)
    packages = ", ".join(f"{name} {version}" for name, version in conversion.versions.items())
    return (*judged, *files, *searched, *conversion.notes, *([f"Made with {packages}"] if packages else []))


def _searched(trail: Trail) -> str:
    good = sum(step.accepted for step in trail.steps)
    return f"INT8 models tried for {trail.engine} on the scans to choose on: {len(trail.steps)}, good enough: {good}"


def _file(told: CandidateTold, subject: Subject) -> str:
    return f"{subject.whose}: {told.file}, SHA-256 {told.sha256}, run by {told.engine} {told.engine_version}"


def _comparisons(subject: Subject, titles: Mapping[str, str], *, whole: bool) -> tuple[Row, ...]:
    """Those over all scans, or those over subgroups."""
    rows = subject.judgement.comparisons if subject.judgement else ()
    return tuple(_comparison(row, subject, titles) for row in rows if (row.group == ALL) == whole)


def _comparison(row: Comparison, subject: Subject, titles: Mapping[str, str]) -> Row:
    what = f"{metric_words(row.metric)} of {label_words(row.label, titles)}"
    scans = "all" if row.group == ALL else row.group
    value = {
        "kind": "single", "value": _finite(row.candidate), **_of(subject), "metric": row.metric, "label": row.label,
        "group": row.group, "n": row.n, "reference": _finite(row.reference), "bound": _finite(row.bound),
        "margin": row.margin, "higher_is_better": row.higher_is_better, "verdict": row.verdict,
        "n_needed": row.n_needed,
    }  # fmt: skip
    return Row(
        cells=(
            subject.whose,
            what,
            scans,
            str(row.n),
            "none" if row.metric == "flips" else number(row.reference),
            number(row.candidate),
            number(row.bound, signed=True),
            number(limit_of(row), signed=True),
            row.verdict,
        ),
        results=(Result(label=f"{what}, {scans} scans, {subject.whose}", value=value),),
    )


def _thresholds_of(subject: Subject) -> Mapping[str, Threshold]:
    if subject.model is not None:
        return subject.model.thresholds
    return subject.told.thresholds if subject.told else {}


def _thresholds(subject: Subject, titles: Mapping[str, str]) -> tuple[Row, ...]:
    rows = []
    for label, item in _thresholds_of(subject).items():
        # A threshold that nobody measured has n = 1, the least that a manifest may say.
        n = item.n if item.n > 1 else None
        value = {
            "kind": "single", "value": item.value, **_of(subject), "label": label, "rule": item.rule,
            "chosen_on": item.chosen_on, "n": n,
        }  # fmt: skip
        words = label_words(label, titles)
        cells = (subject.whose, words, number(item.value), item.rule, item.chosen_on, "none" if n is None else str(n))
        rows.append(Row(cells=cells, results=(Result(label=f"threshold of {words}, {subject.whose}", value=value),)))
    return tuple(rows)


def _of(subject: Subject) -> dict[str, object]:
    return {"precision": subject.precision, "engine": subject.engine, "in_pack": subject.in_pack}


def _finite(value: float) -> float | None:
    """JSON has no word for what is no number."""
    return value if math.isfinite(value) else None
