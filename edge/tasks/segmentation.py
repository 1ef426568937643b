"""Segmentation of a picture: masks on the source's own pixels, areas where the spacing is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Region, Segmentation
from edge.geometry import Grid, resample, slice_seen
from edge.pack.manifest import Label, Manifest, Model, SegmentationTask
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs, activate, finite_output

Mask = NDArray[np.bool_]


def segment(
    results: Iterable[tuple[Feed, Outputs]], scans: Mapping[str, Scan], manifest: Manifest, model: Model
) -> Segmentation:
    """Return every label's mask on the pixels of the source slice. See `edge.tasks.conclude`.

    Scores are brought to the source linearly and decided there, so that outlines follow the source's pixels and
    not the model's coarser ones. What the model did not see (cropped away) is no label.
    """
    task = manifest.task
    if not isinstance(task, SegmentationTask):
        raise TypeError(f"segmenting with a task of kind {task.kind}")
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Segmenting: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    feed, outputs = found[0]
    count = len(task.labels) + (1 if task.activation == "softmax" else 0)
    raw = finite_output(outputs, task.output, (1, count, None, None))
    scores = activate(raw, task.activation, task.output, axis=1)[0]
    source = slice_seen(next(iter(scans.values())).grid, feed.grid)
    on_source = _bring_back(scores, feed.grid, source)
    masks = _decide(on_source, task, model)
    regions = tuple(
        _region(label, mask, source, model, task.least_pixels) for label, mask in zip(task.labels, masks, strict=True)
    )
    return Segmentation(regions=regions, masks=masks, grid=source)


def _bring_back(scores: NDArray[np.float64], fed: Grid, source: Grid) -> NDArray[np.float32]:
    """Scores on the source, shape (channel, 1, y, x); NaN where the model saw nothing."""
    stacked = scores.transpose(1, 2, 0)[np.newaxis].astype(np.float32)
    grid = fed.resized(stacked.shape[:3])
    return np.moveaxis(resample(stacked, grid, source, fill=np.nan), -1, 0)


def _decide(scores: NDArray[np.float32], task: SegmentationTask, model: Model) -> Mask:
    seen = np.isfinite(scores).all(axis=0)
    if task.activation == "softmax":
        winner = np.argmax(np.where(seen, scores, -1.0), axis=0)
        return np.stack([seen & (winner == index + 1) for index in range(len(task.labels))])
    limits = [_threshold(label, model) for label in task.labels]
    return np.stack([seen & (part >= limit) for part, limit in zip(scores, limits, strict=True)])


def _threshold(label: Label, model: Model) -> float:
    return model.thresholds[label.name].value if label.name in model.thresholds else 0.5


def _region(label: Label, mask: Mask, grid: Grid, model: Model, least_pixels: int) -> Region:
    pixels = int(mask.sum())
    positive = pixels >= least_pixels
    area = grid.pixel_area_mm2
    threshold = model.thresholds.get(label.name)
    return Region(
        name=label.name,
        title=label.title,
        code=label.code,
        threshold=None if threshold is None else threshold.value,
        positive=positive,
        finding=label.finding,
        urgency=label.urgency if positive and label.finding else None,
        pixels=pixels,
        share=pixels / mask.size,
        area_mm2=None if area is None else pixels * area,
        box=_box(mask),
    )


def _box(mask: Mask) -> tuple[int, int, int, int] | None:
    """First row, first column, last row, last column."""
    _, rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return None
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())
