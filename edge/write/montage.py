"""A volume and what was found in it -> slices through the finding, side by side, as a radiologist looks at them."""

from __future__ import annotations

import math

import numpy as np

from edge.findings import Classification, Detections, Findings, Segmentation
from edge.geometry import Grid, index_map
from edge.scan import Scan
from edge.words import say
from edge.write.boxes import draw_boxes, lies_on
from edge.write.canvas import Box, Pixels, place, write
from edge.write.influence import map_to_show, tinted
from edge.write.outlines import draw_outlines
from edge.write.panels import THREE, WIDTH, draw_scale_bar, in_one_scale, show, write_caption, write_sides
from edge.write.planes import planes_through
from edge.write.regions import Point, largest_region, outlined, point_to_show
from edge.write.view import View, as_looked_at, views_of, which_slice

MONTAGE = Box(left=0, top=0, width=WIDTH, height=216)
SLICES = 6
CAPTION = 24
GAP = 8


def has_montage(scan: Scan, findings: Findings) -> bool:
    """Return whether something was looked for in a whole volume."""
    looked = isinstance(findings, (Segmentation, Detections, Classification))
    return looked and scan.stack == "volume" and findings.grid.shape[0] > 1


def draw_planes(canvas: Pixels, scan: Scan, findings: Findings) -> None:
    """Draw the three planes through what was found, in the panels of `edge.write.panels.THREE`."""
    grid = findings.grid if isinstance(findings, Segmentation) else scan.grid
    planes = planes_through(grid, point_shown(scan, findings))
    views = views_of(scan, [plane.grid for plane in planes])
    rooms = in_one_scale(views, THREE.panels)
    for plane, view, room, panel in zip(planes, views, rooms, THREE.panels, strict=True):
        write_caption(canvas, panel, plane.words)
        _draw(canvas, scan, findings, view, room)
        write_sides(canvas, view, room)
    draw_scale_bar(canvas, views[0], rooms[0], THREE.panels[0], further=say(", the same for all three"))


def point_shown(scan: Scan, findings: Findings) -> Point:
    """Return the voxel through which the planes go: in the middle of the surest thing that was found.

    Where the model gives no place, or none was found, it is the middle of the volume.
    """
    nz, ny, nx = scan.grid.shape
    if isinstance(findings, Segmentation):
        return point_to_show(findings)
    if isinstance(findings, Detections) and findings.boxes:
        edges = max(findings.boxes, key=lambda box: (box.finding, box.score)).place.edges
        at = [(edges[axis] + edges[axis + 3]) / 2 for axis in range(3)]
    elif isinstance(findings, Classification) and (shown := map_to_show(findings)) is not None:
        strongest = np.unravel_index(int(np.argmax(shown.values)), shown.values.shape)
        at = (index_map(scan.grid, shown.grid) @ np.array([*strongest, 1.0]))[:3].tolist()
    else:
        return nz // 2, ny // 2, nx // 2
    z, y, x = (min(max(int(value), 0), size - 1) for value, size in zip(at, (nz, ny, nx), strict=True))
    return z, y, x


def draw_montage(canvas: Pixels, scan: Scan, findings: Findings) -> None:
    """Draw slices across what was found, from its first to its last; across the whole volume where nothing was."""
    planes = [_plane(scan, at) for at in slices_shown(scan, findings)]
    views = views_of(scan, planes)
    wide = (MONTAGE.width - GAP * (SLICES - 1)) // SLICES
    for index, view in enumerate(views):
        left = index * (wide + GAP)
        caption = Box(left=left, top=0, width=wide, height=CAPTION)
        write(canvas, which_slice(scan, view.grid), caption, scale=0.5)
        room = view.fitted(Box(left=left, top=CAPTION, width=wide, height=MONTAGE.height - CAPTION))
        _draw(canvas, scan, findings, view, room)


def slices_shown(scan: Scan, findings: Findings) -> list[int]:
    """Return which slices of the scan are shown, evenly from the first to the last with a finding.

    Where the model gives no place, or none was found, they are spread over the volume.
    """
    total = scan.grid.shape[0]
    first, last = extent(scan, findings) or (0, total - 1)
    count = min(SLICES, last - first + 1)
    if count == 1:
        return [first]
    return [first + round(index * (last - first) / (count - 1)) for index in range(count)]


def extent(scan: Scan, findings: Findings) -> tuple[int, int] | None:
    """Return the first and the last slice of what was found, findings before what is none; None where nothing was.

    Of a score they are those where its influence map is at least half as strong as where it is strongest.
    """
    last = scan.grid.shape[0] - 1
    if isinstance(findings, Segmentation):
        index = largest_region(findings.regions)
        return None if index is None else findings.regions[index].slices
    if isinstance(findings, Detections) and findings.boxes:
        surest = max(findings.boxes, key=lambda box: (box.finding, box.score))
        edges = surest.place.edges
        return max(math.floor(edges[0]), 0), min(max(math.ceil(edges[3]) - 1, 0), last)
    if isinstance(findings, Classification) and (shown := map_to_show(findings)) is not None:
        strong = np.argwhere(shown.values >= max(0.5 * float(shown.values.max()), 1e-12))
        if strong.size:
            slices = index_map(scan.grid, shown.grid)[0] @ np.c_[strong, np.ones(len(strong))].T
            return min(max(round(slices.min()), 0), last), min(max(round(slices.max()), 0), last)
    return None


def _plane(scan: Scan, at: int) -> Grid:
    _, rows, columns = scan.grid.shape
    return as_looked_at(scan, scan.grid.cropped((at, 0, 0), (1, rows, columns)))


def _draw(canvas: Pixels, scan: Scan, findings: Findings, view: View, room: Box) -> None:
    """One slice with what was found in it."""
    if isinstance(findings, Classification) and (shown := map_to_show(findings)) is not None:
        place(canvas, tinted(view, shown, tilewise=findings.tilewise is not None), room)
        return
    show(canvas, view, room)
    if isinstance(findings, Segmentation):
        draw_outlines(canvas, outlined(findings, view.grid), room)
    elif isinstance(findings, Detections):
        here = [index for index, box in enumerate(findings.boxes) if lies_on(box, scan.grid, view.grid)]
        draw_boxes(canvas, scan.grid, findings, here, (view.grid, room))
