"""Classification: scores, thresholds, urgency, and the influence map where the graph gives one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Classification, InfluenceMap, LabelScore
from edge.pack.manifest import ClassificationTask, Label, Manifest, Model
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs, activate, finite_output


def classify(
    results: Iterable[tuple[Feed, Outputs]],
    scans: Mapping[str, Scan],  # noqa: ARG001 - every task is given them
    manifest: Manifest,
    model: Model,
) -> Classification:
    """Return the labels of the scan. See `edge.tasks.conclude`.

    A label that is a finding is said to be there when its score reaches its threshold; in a multi-class task also
    when it is the highest of all, so that no report says "no finding" of a scan that looks most like a finding.
    In an ordinal task the score of a grade is that of this grade or a worse one, and the scan has the worst
    grade whose score reaches its threshold (0.5 for grades that are no finding).
    """
    task = manifest.task
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"classifying with a task of kind {task.kind}")
    feed, outputs = _only(results)
    graded = task.mode == "ordinal" and task.activation != "softmax"
    count = len(task.labels) - 1 if graded else len(task.labels)
    raw = finite_output(outputs, task.output, (1, count))
    scores = activate(raw, task.activation, task.output, axis=1)[0]
    if task.mode == "ordinal":
        scores = _at_least(scores, cumulative=graded)
    labels = tuple(
        _label(label, float(score), model, highest=task.mode == "multi-class" and bool(score == scores.max()))
        for label, score in zip(task.labels, scores, strict=True)
    )
    grade = _grade(labels) if task.mode == "ordinal" else None
    if grade is not None:
        labels = tuple(_within_grade(item, index, grade) for index, item in enumerate(labels))
    return Classification(
        labels=labels,
        grade=None if grade is None else labels[grade].name,
        maps=_maps(task, outputs, feed, count, first=1 if graded else 0),
        grid=feed.grid,
    )


def _only(results: Iterable[tuple[Feed, Outputs]]) -> tuple[Feed, Outputs]:
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
    positive = highest or (threshold is not None and _reaches(score, threshold))
    return LabelScore(
        name=label.name,
        title=label.title,
        code=label.code,
        score=score,
        threshold=threshold,
        positive=positive,
        finding=label.finding,
        urgency=label.urgency if positive and label.finding else None,
    )


def _grade(labels: tuple[LabelScore, ...]) -> int:
    limits = [0.5 if item.threshold is None else item.threshold for item in labels]
    return max(index for index, item in enumerate(labels) if index == 0 or _reaches(item.score, limits[index]))


def _reaches(score: float, threshold: float) -> bool:
    """Compare as float32, which is what the model gave: 0.7 of a graph's own sigmoid reaches a threshold of 0.7."""
    return bool(np.float32(score) >= np.float32(threshold))


def _within_grade(item: LabelScore, index: int, grade: int) -> LabelScore:
    """Of an ordinal task only the grade that the scan has is said to be there."""
    positive = index == grade
    return LabelScore(
        name=item.name,
        title=item.title,
        code=item.code,
        score=item.score,
        threshold=item.threshold,
        positive=positive,
        finding=item.finding,
        urgency=item.urgency if positive else None,
    )


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
