"""Segmentation -> outlines: beside the picture as received, or of a volume on three planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.findings import Region, Segmentation
from edge.geometry import Grid
from edge.scan import Scan
from edge.volume.bands import brought_small
from edge.words import say
from edge.write.canvas import Box, Pixels
from edge.write.outlines import Outlined, draw_outlines
from edge.write.panels import (
    LABEL_COLOURS,
    THREE,
    TWO,
    as_received,
    draw_scale_bar,
    in_one_scale,
    show,
    write_caption,
    write_sides,
)
from edge.write.planes import cut, planes_through
from edge.write.view import View, slice_shown, views_of

Point = tuple[int, int, int]


def draw_segmentation(canvas: Pixels, scan: Scan, findings: Segmentation) -> None:
    """Draw the outlines of every label that is there."""
    if findings.grid.shape[0] > 1:
        _three_planes(canvas, scan, findings)
        return
    (view,) = views_of(scan, [slice_shown(scan, findings)])
    boxes = [view.fitted(panel) for panel in TWO.panels]
    write_caption(canvas, TWO.panels[0], as_received(scan, view, boxes[0]))
    write_caption(canvas, TWO.panels[1], say("Outlines drawn by the model"))
    for box in boxes:
        show(canvas, view, box)
    draw_outlines(canvas, outlined(findings, view.grid), boxes[1])
    for box in boxes:
        write_sides(canvas, view, box)
    draw_scale_bar(canvas, view, boxes[0], TWO.panels[0])


def _three_planes(canvas: Pixels, scan: Scan, findings: Segmentation) -> None:
    planes = planes_through(findings.grid, point_to_show(findings))
    views = views_of(scan, [plane.grid for plane in planes])
    boxes = in_one_scale(views, THREE.panels)
    for plane, view, box, panel in zip(planes, views, boxes, THREE.panels, strict=True):
        write_caption(canvas, panel, plane.words)
        _draw_plane(canvas, findings, view, box)
    draw_scale_bar(canvas, views[0], boxes[0], THREE.panels[0], further=say(", the same for all three"))


def _draw_plane(canvas: Pixels, findings: Segmentation, view: View, box: Box) -> None:
    show(canvas, view, box)
    draw_outlines(canvas, outlined(findings, view.grid), box)
    write_sides(canvas, view, box)


def outlined(findings: Segmentation, plane: Grid) -> list[Outlined]:
    """Return the masks of what is there on a plane, numbered as the labels are."""
    if findings.in_windows:
        there = brought_small(findings, plane)
    else:
        there = replace(findings, codes=cut(findings.codes, findings.grid, plane)[np.newaxis])
    return [
        Outlined(mask=there.mask(index)[0], tag=f"{index + 1}", colour=LABEL_COLOURS[index % len(LABEL_COLOURS)])
        for index, region in enumerate(findings.regions)
        if region.positive
    ]


def point_to_show(findings: Segmentation) -> Point:
    """Return the voxel through which the planes go: the middle of the largest region's largest slice.

    Regions that are findings come before others. Of several slices of one size it is the one in their middle, and in
    it the region's own voxel nearest to the centre of gravity, so that every plane goes through the region. Where
    nothing was found it is the middle of the volume.
    """
    index = largest_region(findings.regions)
    nz, ny, nx = findings.grid.shape
    if index is None:
        return nz // 2, ny // 2, nx // 2
    first, last = findings.regions[index].slices or (0, nz - 1)
    counts = np.array([int(_slice_mask(findings, index, z).sum()) for z in range(first, last + 1)])
    largest = np.flatnonzero(counts == counts.max())
    z = first + int(largest[len(largest) // 2])
    rows, columns = np.nonzero(_slice_mask(findings, index, z))
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return z, int(rows[nearest]), int(columns[nearest])


def largest_region(regions: Sequence[Region]) -> int | None:
    """Return the index of the largest region that is there, findings before others; None where none is."""
    there = [index for index, region in enumerate(regions) if region.positive and region.pixels]
    return max(there, key=lambda index: (regions[index].finding, regions[index].pixels), default=None)


def _slice_mask(findings: Segmentation, index: int, z: int) -> Pixels:
    return np.asarray(replace(findings, codes=findings.codes[z : z + 1]).mask(index)[0])
