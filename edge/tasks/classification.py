"""Classification: scores, thresholds, urgency, and the influence map where the graph gives one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Classification, InfluenceMap, LabelScore, Tilewise
from edge.pack.manifest import Calibration, ClassificationTask, Label, Manifest, Model, Zone
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs, activate, finite_output
from edge.tasks.tilewise import best_tiles, gather, maps_of, skipped_of, window_of
from edge.tasks.urgency import urgency_of

Results = Iterable[tuple[Feed, Outputs]]


def classify(
    results: Results,
    scans: Mapping[str, Scan],
    manifest: Manifest,
    model: Model,
) -> Classification:
    """Return the labels of the scan. See `edge.tasks.conclude`.

    A label that is a finding is said to be there when its score reaches its threshold; in a multi-class task also
    when it is the highest of all, so that no report says "no finding" of a scan that looks most like a finding.
    In an ordinal task the score of a grade is that of this grade or a worse one, and the scan has the worst
    grade whose score reaches its threshold (0.5 for grades that are no finding). Of a picture that is seen in windows
    the score of a label is the highest of all windows. A label is uncertain when its score lies in the zone that the
    pack leaves to a reader, or when it is the highest of all without reaching its threshold and there is a zone.
    """
    task = manifest.task
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"classifying with a task of kind {task.kind}")
    if task.windows is not None:
        return _tilewise(results, scans[manifest.inputs[0].name], task, model)
    feed, outputs = _only(results)
    labels, grade = _concluded(scores_of(outputs, task), task, model)
    maps = _maps(task, outputs, feed, _values(task), first=1 if _is_graded(task) else 0)
    return Classification(labels=labels, grade=grade, maps=maps, grid=feed.grid)


def _tilewise(results: Results, scan: Scan, task: ClassificationTask, model: Model) -> Classification:
    """The labels of a picture seen in windows: of each the highest score."""
    seen = gather((feed, scores_of(outputs, task)) for feed, outputs in results)
    labels, grade = _concluded(seen.scores.max(axis=0), task, model)
    first = 1 if task.mode == "ordinal" else 0
    names = [label.name for label in task.labels][first:]
    apart = replace(seen, scores=seen.scores[:, first:])
    tilewise = Tilewise(tiles=len(seen.starts), best=best_tiles(apart, names, (scan.slide or scan).grid))
    return Classification(
        labels=labels,
        grade=grade,
        maps=maps_of(apart, names),
        grid=seen.feed.grid,
        tilewise=tilewise,
        skipped=skipped_of(window_of(seen.feed)),
    )


def _is_graded(task: ClassificationTask) -> bool:
    """Whether each value of the output is the score of a grade or a worse one; the first grade has none."""
    return task.mode == "ordinal" and task.activation != "softmax"


def _values(task: ClassificationTask) -> int:
    return len(task.labels) - 1 if _is_graded(task) else len(task.labels)


def scores_of(outputs: Outputs, task: ClassificationTask) -> NDArray[np.float64]:
    """Return the score of each label, or of each grade or a worse one: float64 (label,), 0 to 1.

    Raises
    ------
    EngineError
        ``E503``: the output is missing, or is not what the manifest says.
    """
    raw = finite_output(outputs, task.output, (1, _values(task)))
    scores = activate(raw, task.activation, task.output, axis=1)[0]
    return _at_least(scores, cumulative=_is_graded(task)) if task.mode == "ordinal" else scores


def _concluded(
    scores: NDArray[np.float64], task: ClassificationTask, model: Model
) -> tuple[tuple[LabelScore, ...], str | None]:
    """What is said of each label, and the name of the grade."""
    labels = tuple(
        _label(label, float(score), model, highest=task.mode == "multi-class" and bool(score == scores.max()))
        for label, score in zip(task.labels, scores, strict=True)
    )
    if task.mode != "ordinal":
        return labels, None
    grade = _grade(labels)
    return tuple(_within_grade(item, index, grade) for index, item in enumerate(labels)), labels[grade].name


def _only(results: Results) -> tuple[Feed, Outputs]:
    """The one result of a model that sees the whole scan at once."""
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Classifying: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    return found[0]


def _at_least(scores: NDArray[np.float64], *, cumulative: bool) -> NDArray[np.float64]:
    """Score of each grade or worse, the first being certain, and never rising from one grade to the next."""
    if not cumulative:
        return np.clip(np.cumsum(scores[::-1])[::-1], 0.0, 1.0)
    return np.minimum.accumulate(np.concatenate([[1.0], scores]))


def _label(label: Label, score: float, model: Model, *, highest: bool) -> LabelScore:
    threshold = model.thresholds[label.name].value if label.finding else None
    reached = threshold is not None and _reaches(score, threshold)
    there = label.finding and (highest or reached)
    urgency, reason = urgency_of(label, {"score": score}) if there else (None, None)
    calibration, zone = model.calibration.get(label.name), model.uncertain.get(label.name)
    said = LabelScore(
        name=label.name,
        title=label.title,
        code=label.code,
        score=score,
        threshold=threshold,
        positive=highest or reached,
        finding=label.finding,
        urgency=urgency,
        urgency_reason=reason,
        uncertain=zone is not None and (_lies_in(score, zone) or (highest and not reached)),
        zone=None if zone is None else (zone.low, zone.high),
    )
    if calibration is None:
        return said
    return replace(said, probability=calibration.probability(score), calibrated_on=on_what(calibration))


def on_what(calibration: Calibration) -> str:
    """Return on how many scans of what a probability rests, and how frequent the label is among them.

    Examples
    --------
    >>> on_what(Calibration(
    ...     method="logistic", slope=1.0, intercept=0.0, rule="-", chosen_on="films of a clinic", n=40, positives=10
    ... ))
    'films of a clinic (40 scans, 25% positive)'
    """
    return f"{calibration.chosen_on} ({calibration.n} scans, {calibration.positives / calibration.n:.0%} positive)"


def _lies_in(score: float, zone: Zone) -> bool:
    return _reaches(score, zone.low) and not _reaches(score, zone.high)


def _grade(labels: tuple[LabelScore, ...]) -> int:
    limits = [0.5 if item.threshold is None else item.threshold for item in labels]
    return max(index for index, item in enumerate(labels) if index == 0 or _reaches(item.score, limits[index]))


def _reaches(score: float, threshold: float) -> bool:
    """Compare as float32, which is what the model gave: 0.7 of a graph's own sigmoid reaches a threshold of 0.7."""
    return bool(np.float32(score) >= np.float32(threshold))


def _within_grade(item: LabelScore, index: int, grade: int) -> LabelScore:
    """Of an ordinal task only the grade that the scan has is said to be there."""
    positive = index == grade
    if not positive:
        return replace(item, positive=False, urgency=None, urgency_reason=None)
    return replace(item, positive=True)


def _maps(
    task: ClassificationTask, outputs: Outputs, feed: Feed, count: int, *, first: int
) -> tuple[InfluenceMap, ...]:
    """The class activation map of each label; a map without any contrast explains nothing and is left out."""
    if task.map_output is None:
        return ()
    axes = next(iter(feed.tensors.values())).ndim - 2
    values = finite_output(outputs, task.map_output, (1, count, *(None,) * axes))[0]
    stacked = values if axes == 3 else values[:, np.newaxis]
    return tuple(
        InfluenceMap(label=label.name, values=part, grid=feed.grid.resized(part.shape))
        for label, part in zip(task.labels[first:], stacked, strict=True)
        if float(np.ptp(part)) > 0.0
    )
