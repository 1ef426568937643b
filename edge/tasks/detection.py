"""Detection: boxes with scores, in the place of the scan; masks of instances where the graph gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask, bring_mask, paste_patch
from edge.detect.layouts import BoxTensors, Candidates, anchor_free, one_per_label, separate_boxes, yolov5
from edge.detect.place import place_box
from edge.detect.suppress import suppress
from edge.detect.windows import put_together
from edge.errors import EngineError, PackError
from edge.findings import Detection, Detections, LookedFor
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask, Label, Manifest, Model
from edge.prepare import Feed
from edge.reasons import BAD_MANIFEST, BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs
from edge.tasks.tilewise import skipped_of, window_of
from edge.tasks.urgency import urgency_of
from edge.volume.tiles import Start

Results = Iterable[tuple[Feed, Outputs]]

UNSET = 0.5
"""Threshold of a label that is no finding."""


def detect(results: Results, scans: Mapping[str, Scan], manifest: Manifest, model: Model) -> Detections:
    """Return what was found, the highest score first. See `edge.tasks.conclude`.

    Of the boxes of one label that overlap by more than the manifest's ``overlap`` the surest stays. A box of which
    nothing lies on the source (it is in the letterbox's padding) is left out and counted. Boxes of a picture that is
    seen in windows are put together first, see `edge.detect.windows`. Where there are more than the manifest's
    ``most``, the result says so.
    """
    task = manifest.task
    if not isinstance(task, DetectionTask):
        raise TypeError(f"detecting with a task of kind {task.kind}")
    limits = [_limit(label, model) for label in task.labels]
    found, feed, more = (_once if task.windows is None else _in_windows)(results, task, limits)
    fed = feed.grid
    stay = suppress(found, overlap=task.overlap, most=task.most + 1)
    kept = stay.taken(np.arange(min(len(stay.scores), task.most)))
    scan = scans[manifest.inputs[0].name]
    source = (scan.slide or scan).grid
    drawn = (_detection(kept, index, task.labels, model, fed, source) for index in range(len(kept.scores)))
    labels = {label.name: label for label in task.labels}
    boxes = tuple(_urgent(box, labels[box.name], told=scan.lengths_told) for box in drawn if box is not None)
    return Detections(
        boxes=boxes,
        labels=tuple(LookedFor(name=label.name, title=label.title, finding=label.finding) for label in task.labels),
        grid=fed,
        outside=len(kept.scores) - len(boxes),
        more=more or len(stay.scores) > task.most,
        skipped=None if feed.window is None else skipped_of(feed.window),
    )


def _once(results: Results, task: DetectionTask, limits: Sequence[float]) -> tuple[Candidates, Feed, bool]:
    """The candidates of a model that sees everything at once, what it saw, and that none is missing."""
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Detecting: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    feed, outputs = found[0]
    return _candidates(outputs, task, limits, feed.grid), feed, False


def _in_windows(results: Results, task: DetectionTask, limits: Sequence[float]) -> tuple[Candidates, Feed, bool]:
    """The candidates of all windows on the picture, the last feed, and whether a window had more."""
    parts: list[tuple[Start, Candidates]] = []
    last: Feed | None = None
    for feed, outputs in results:
        last, window = feed, window_of(feed)
        found = _candidates(outputs, task, limits, feed.grid)
        parts.append((window.start, suppress(found, overlap=task.overlap, most=task.most + 1)))
    if last is None or len(parts) != window_of(last).runs:
        raise EngineError(f"Detecting: the model ran {len(parts)} times, expected once a window.", BAD_OUTPUT)
    more = any(len(found.scores) > task.most for _, found in parts)
    return put_together(parts, window_of(last).tiles), last, more


def _limit(label: Label, model: Model) -> float:
    return model.thresholds[label.name].value if label.name in model.thresholds else UNSET


def _candidates(outputs: Outputs, task: DetectionTask, limits: Sequence[float], fed: Grid) -> Candidates:
    if task.layout == "yolov5":
        return yolov5(outputs, task.output, limits, activation=task.activation)
    if task.layout == "anchor-free":
        return anchor_free(outputs, task.output, limits, activation=task.activation)
    if task.layout == "one-per-label":
        return one_per_label(outputs, task.output, limits, fed.shape, activation=task.activation)
    if task.scores_output is None or task.labels_output is None:
        raise PackError("Detecting: the layout 'boxes' needs scores_output and labels_output.", BAD_MANIFEST)
    names = BoxTensors(boxes=task.output, scores=task.scores_output, labels=task.labels_output, masks=task.masks_output)
    return separate_boxes(outputs, names, limits)


def _detection(
    kept: Candidates, index: int, labels: Sequence[Label], model: Model, fed: Grid, source: Grid
) -> Detection | None:
    place = place_box(kept.boxes[index], fed, source)
    if place is None:
        return None
    label, threshold = labels[kept.labels[index]], model.thresholds.get(labels[kept.labels[index]].name)
    return Detection(
        name=label.name,
        title=label.title,
        code=label.code,
        score=float(kept.scores[index]),
        threshold=None if threshold is None else threshold.value,
        positive=True,
        finding=label.finding,
        urgency=label.urgency if label.finding else None,
        place=place,
        mask=None if kept.masks is None else _mask(kept.masks[index], kept.boxes[index], fed, source),
    )


def _urgent(box: Detection, label: Label, *, told: bool) -> Detection:
    """With the urgency that the pack's rules give it; where no unit of lengths is told, its size is not known."""
    if box.urgency is None:
        return box
    sides = [length for length in box.place.size_mm if length is not None] if told else []
    urgency, reason = urgency_of(label, {"score": box.score, "size-mm": max(sides, default=None)})
    return replace(box, urgency=urgency, urgency_reason=reason)


def _mask(values: NDArray[np.float32], box: NDArray[np.float64], fed: Grid, source: Grid) -> InstanceMask:
    """A mask as large as what was fed covers all of it; a smaller one fills its box."""
    if values.shape == fed.shape[1:]:
        return bring_mask(values, fed, source)
    return paste_patch(values, box, fed, source)
