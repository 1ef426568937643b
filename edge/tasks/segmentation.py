"""Segmentation: labels on the source's own pixels or voxels; areas and volumes where the spacing is known."""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Region, Segmentation
from edge.geometry import Grid, slice_seen
from edge.pack.manifest import Label, Manifest, Model, SegmentationTask
from edge.pack.tasks import Quantity
from edge.prepare import Feed, Window
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs, activate, finite_output, shares
from edge.tasks.tilewise import skipped_of
from edge.tasks.urgency import urgency_of
from edge.volume.bands import measure_picture
from edge.volume.blend import Blocks, Scores, Slab, blend
from edge.volume.measure import Measure, measure
from edge.volume.source import Codes, Decision, labels_as_fed, labels_on_source
from edge.volume.tiles import Flips, Start

Results = Iterable[tuple[Feed, Outputs]]

UNSET = 0.5
"""Threshold of a label that is no finding."""


def segment(results: Results, scans: Mapping[str, Scan], manifest: Manifest, model: Model) -> Segmentation:
    """Return every label on the source: the first input's scan. See `edge.tasks.conclude`.

    Scores are brought to the source linearly and decided there, so that outlines follow the source's voxels and
    not the model's coarser ones. What the model did not see (cropped away) is no label. Of a volume seen in windows,
    scores are blended and decided slab by slab: a volume of scores never lies in memory whole. A picture in windows is
    labelled as it was prepared, row by row.
    """
    task = manifest.task
    if not isinstance(task, SegmentationTask):
        raise TypeError(f"segmenting with a task of kind {task.kind}")
    running = iter(results)
    first = next(running, None)
    if first is None:
        raise EngineError("Segmenting: the model ran 0 times, expected once at least.", BAD_OUTPUT)
    feed, scan = first[0], scans[manifest.inputs[0].name]
    flat = next(iter(feed.tensors.values())).ndim == 4
    source = slice_seen(scan.grid, feed.grid) if flat else scan.grid
    decision = _decision(task, model)
    every = itertools.chain([first], running)
    if feed.window is not None and flat:
        codes = _in_windows(every, task, decision, None, feed)
        shown = replace(_of_picture(codes, feed.grid, task, model), skipped=skipped_of(feed.window))
        return _more_urgent(shown, task, told=scan.lengths_told)
    if feed.window is None:
        codes = _at_once(every, task, decision, source)
    else:
        codes = _in_windows(every, task, decision, source, feed)
    found = _found(codes, source, task, model, volume=not flat and scan.stack == "volume")
    return _more_urgent(found, task, told=scan.lengths_told)


def _decision(task: SegmentationTask, model: Model) -> Decision:
    if task.activation == "softmax":
        return Decision(classes=len(task.labels) + 1)
    return Decision(classes=len(task.labels), limits=tuple(_threshold(label, model) for label in task.labels))


def _threshold(label: Label, model: Model) -> float:
    return model.thresholds[label.name].value if label.name in model.thresholds else UNSET


def _scores(outputs: Outputs, task: SegmentationTask, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """Scores from 0 to 1, shape (class, spatial ...)."""
    raw = finite_output(outputs, task.output, (1, *shape))
    if task.activation == "none":
        return np.asarray(activate(raw, "none", task.output, axis=1)[0], dtype=np.float32)
    return shares(raw[0], task.activation, axis=0)


def _at_once(results: Results, task: SegmentationTask, decision: Decision, source: Grid) -> Codes:
    """Labels from the one answer of a model that sees everything, in whatever resolution it answers."""
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Segmenting: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    feed, outputs = found[0]
    flat = next(iter(feed.tensors.values())).ndim == 4
    scores = _scores(outputs, task, (decision.classes, *(None,) * (2 if flat else 3)))
    stacked = scores[:, np.newaxis] if flat else scores
    slab = Slab(z=0, scores=np.ascontiguousarray(stacked))
    return labels_on_source([slab], feed.grid.resized(stacked.shape[1:]), source, decision)


def _in_windows(
    results: Results, task: SegmentationTask, decision: Decision, source: Grid | None, first: Feed
) -> Codes:
    """Labels from overlapping answers, within the memory that was planned; what lies on the disk is gone afterwards.

    Without a source, they are those of the windows' own axes.
    """
    window = _window(first)
    memory = window.memory
    if memory is None:
        raise EngineError("Segmenting: the windows come without a plan of memory.", BAD_OUTPUT)
    with tempfile.TemporaryDirectory(prefix="edgerun-", dir=_on_disk(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        blocks = None if memory.block_classes is None else Blocks(classes=memory.block_classes, folder=folder)
        scored = _with_bare(_scored(results, task, decision.classes), window, task, decision.classes)
        slabs = blend(scored, window.tiles, decision.classes, blocks=blocks)
        labels = folder if memory.labels_on_disk else None
        if source is None:
            return labels_as_fed(slabs, window.tiles.shape, decision, folder=labels)
        return labels_on_source(slabs, first.grid, source, decision, folder=labels)


def _on_disk() -> Path:
    """Where temporary files go: TMPDIR, else /var/tmp, as /tmp lies in memory on many systems."""
    lasting = Path("/var/tmp")  # noqa: S108 - a folder of its own is made in it
    return lasting if "TMPDIR" not in os.environ and lasting.is_dir() else Path(tempfile.gettempdir())


def _scored(results: Results, task: SegmentationTask, classes: int) -> Iterator[tuple[Start, Flips, Scores]]:
    """The scores of each window, as they come."""
    for feed, outputs in results:
        window = _window(feed)
        flat = next(iter(feed.tensors.values())).ndim == 4
        patch = window.tiles.patch
        scores = _scores(outputs, task, (classes, patch[0], patch[2]) if flat else (classes, *patch))
        yield window.start, window.flips, scores[:, :, np.newaxis] if flat else scores


def _with_bare(
    scored: Iterator[tuple[Start, Flips, Scores]], window: Window, task: SegmentationTask, classes: int
) -> Iterator[tuple[Start, Flips, Scores]]:
    """The scores of all windows in their order: where one was not fed, as it shows bare glass, there is no label."""
    if not window.bare:
        yield from scored
        return
    none = np.zeros((classes, *window.tiles.patch), dtype=np.float32)
    none[0] = task.activation == "softmax"  # the background
    for row in window.tiles.starts_along[0]:
        for start, flips in window.tiles.row(row):
            if start in window.bare:
                yield start, flips, none
            elif (found := next(scored, None)) is not None:
                yield found
    yield from scored  # one too many is told by `blend`


def _window(feed: Feed) -> Window:
    if feed.window is None:
        raise EngineError("Segmenting: the model was fed a window and then a whole scan.", BAD_OUTPUT)
    return feed.window


def _found(codes: Codes, source: Grid, task: SegmentationTask, model: Model, *, volume: bool) -> Segmentation:
    found = Segmentation(regions=(), codes=codes, exclusive=task.activation == "softmax", grid=source)
    regions = (
        _region(label, measure(np.asarray(found.mask(index)), source), source, model, task.least_pixels)
        for index, label in enumerate(task.labels)
    )
    # Frames tell no thickness, whatever the distance between them on their grid.
    return replace(found, regions=tuple(item if volume else replace(item, volume_ml=None) for item in regions))


def _of_picture(codes: Codes, grid: Grid, task: SegmentationTask, model: Model) -> Segmentation:
    """The regions of a picture whose labels, shape (row, 1, column), may lie on the disk."""
    plane = codes[:, 0][np.newaxis]
    exclusive = task.activation == "softmax"
    found = Segmentation(regions=(), codes=plane, exclusive=exclusive, grid=grid, in_windows=True)
    measures = measure_picture(found, len(task.labels))
    regions = (
        _region(label, measured, grid, model, task.least_pixels)
        for label, measured in zip(task.labels, measures, strict=True)
    )
    return replace(found, regions=tuple(regions))


def _more_urgent(found: Segmentation, task: SegmentationTask, *, told: bool) -> Segmentation:
    """With the urgency that the pack's rules give to each region; without a unit of lengths no size is known."""
    regions = []
    for label, item in zip(task.labels, found.regions, strict=True):
        sizes: dict[Quantity, float | None] = {
            "area-mm2": item.area_mm2 if told else None,
            "volume-ml": item.volume_ml if told else None,
            "diameter-mm": item.diameter_mm if told else None,
        }
        urgency, reason = urgency_of(label, sizes) if item.urgency else (None, None)
        regions.append(replace(item, urgency=urgency, urgency_reason=reason))
    return replace(found, regions=tuple(regions))


def _region(label: Label, measured: Measure, grid: Grid, model: Model, least_pixels: int) -> Region:
    pixels, box, volume = measured.voxels, measured.box, grid.shape[0] > 1
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
        share=pixels / math.prod(grid.shape),
        area_mm2=None if area is None or volume else pixels * area,
        box=None if box is None else (box[1], box[2], box[4], box[5]),
        slices=None if box is None or not volume else (box[0], box[3]),
        volume_ml=measured.volume_ml,
        diameter_mm=measured.diameter_mm if volume else None,
        diameter_slice=measured.diameter_slice if volume else None,
        components=measured.components if volume else None,
        largest_share=measured.largest_share if volume else None,
    )
