"""Examined cases -> the boxes of each beside the true ones, on the pixels or voxels of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.errors import UsageError
from edge.pack.manifest import Manifest
from edge.reasons import BOX_BEYOND, NOT_COMPARED
from edge.site.examine import Examined, unjudged
from edge.site.meeting import Drawn
from edge.truth.boxes import Found
from edge.truth.true_boxes import placed
from edge.write.report import BoxReport, DetectionReport

FLAT = (1, 2, 4, 5)
"""Of z0, y0, x0, z1, y1, x1: those of a picture."""


def with_boxes(examined: Sequence[Examined], manifest: Manifest) -> tuple[Examined, ...]:
    """Return the cases with the boxes of each, found and true, by label.

    A case with a true box that lies beyond its scan (``C764``), or of which one of several pictures was seen
    (``C766``), has no answer any more.
    """
    labels = [label.name for label in manifest.task.labels]
    flat = manifest.inputs[0].accepts.stack != "volume"
    return tuple(_compared(each, labels, flat=flat) if each.answered else each for each in examined)


def _compared(each: Examined, labels: Sequence[str], *, flat: bool) -> Examined:
    result, true = each.result, each.case.boxes
    if result is None or result.scan.grid is None or result.seen is not None:
        return unjudged(each, NOT_COMPARED)
    if not isinstance(result.findings, DetectionReport) or true is None:
        return unjudged(each, NOT_COMPARED)
    grid, said = result.scan.grid, result.findings.boxes
    try:
        places = [(box.label, placed(box, grid)) for box in true]
    except UsageError:
        return unjudged(each, BOX_BEYOND)
    columns = 4 if flat else 6
    drawn = {
        name: Drawn(
            found=_found([box for box in said if box.name == name], flat=flat),
            true=np.array([edges for label, edges in places if label == name]).reshape(-1, columns),
        )
        for name in labels
    }
    return replace(each, drawn=drawn)


def _found(boxes: Sequence[BoxReport], *, flat: bool) -> Found:
    edges = np.array([box.edges for box in boxes], dtype=np.float64).reshape(-1, 6)
    scores = np.array([box.score for box in boxes], dtype=np.float64)
    return Found(boxes=edges[:, FLAT] if flat else edges, scores=scores)
