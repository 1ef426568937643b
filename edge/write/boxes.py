"""Detections -> numbered boxes and outlines on the slice with the surest of them, beside the slice as received."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from edge.findings import Detection, Detections
from edge.geometry import Grid, index_map
from edge.scan import Scan
from edge.words import kept_in_order, number, say
from edge.write.canvas import BLACK, Box, Colour, Pixels, overlap, write
from edge.write.outlines import Outlined, draw_outlines
from edge.write.panels import (
    LABEL_COLOURS,
    TWO_LISTED,
    as_received,
    draw_scale_bar,
    show,
    write_caption,
    write_sides,
)
from edge.write.planes import crossing, cut
from edge.write.view import as_looked_at, slice_shown, views_of

TAG = (62, 18)
"""Width and height of a number with its score."""


def draw_detections(canvas: Pixels, scan: Scan, findings: Detections) -> None:
    """Draw the slice twice: as it was received, and with every box that lies on it."""
    (view,) = views_of(scan, [plane_to_show(scan, findings)])
    source = (scan.slide or scan).grid
    here = [index for index, box in enumerate(findings.boxes) if lies_on(box, source, view.grid)]
    places = [view.fitted(panel) for panel in TWO_LISTED.panels]
    write_caption(canvas, TWO_LISTED.panels[0], as_received(scan, view, places[0]))
    write_caption(canvas, TWO_LISTED.panels[1], _caption(len(here), len(findings.boxes)))
    for place in places:
        show(canvas, view, place)
    draw_boxes(canvas, source, findings, here, (view.grid, places[1]))
    for place in places:
        write_sides(canvas, view, place)
    draw_scale_bar(canvas, view, places[0], TWO_LISTED.panels[0])


def plane_to_show(scan: Scan, findings: Detections) -> Grid:
    """Return the slice that was seen; of a volume seen whole, the middle one of the surest box, findings first."""
    if findings.grid.shape[0] == 1:
        return slice_shown(scan, findings)
    nz, ny, nx = scan.grid.shape
    surest = max(findings.boxes, key=lambda box: (box.finding, box.score), default=None)
    at = nz // 2 if surest is None else int((surest.place.edges[0] + surest.place.edges[3]) / 2)
    return as_looked_at(scan, scan.grid.cropped((min(at, nz - 1), 0, 0), (1, ny, nx)))


def lies_on(box: Detection, source: Grid, plane: Grid) -> bool:
    """Return whether a box reaches into a slice of the source."""
    axis, at = crossing(source, plane)
    first, last = box.place.edges[axis], box.place.edges[axis + 3]
    return first < at + 1 and last > at


def edges_on(box: Detection, source: Grid, plane: Grid) -> tuple[float, float, float, float]:
    """Return the edges of a box on a plane: top, left, bottom and right, where pixel i covers i to i + 1."""
    edges = np.array(box.place.edges).reshape(2, 3)
    corners = np.array(list(itertools.product(*edges.T))) - 0.5
    matrix = index_map(plane, source)
    moved = corners @ matrix[1:3, :3].T + matrix[1:3, 3] + 0.5
    (top, left), (bottom, right) = moved.min(axis=0).tolist(), moved.max(axis=0).tolist()
    return top, left, bottom, right


def _caption(here: int, total: int) -> str:
    if not total:
        return say("The model drew no box.")
    words = say("1 box") if total == 1 else say("{count} boxes", count=total)
    there = say(", {count} of them in this slice", count=here) if here < total else ""
    return say("Boxes drawn by the model: {count}", count=words) + there


def draw_boxes(
    canvas: Pixels, source: Grid, findings: Detections, here: Sequence[int], shown: tuple[Grid, Box]
) -> None:
    """Draw some of the boxes, by index, and their outlines on a plane that is shown over the whole of a box.

    The surest come last, so that they lie on top.
    """
    plane, room = shown
    names = [label.name for label in findings.labels]
    colours = {index: LABEL_COLOURS[names.index(findings.boxes[index].name) % len(LABEL_COLOURS)] for index in here}
    draw_outlines(canvas, [_outlined(findings.boxes[index], plane, colours[index]) for index in reversed(here)], room)
    drawn = {index: _on_canvas(edges_on(findings.boxes[index], source, plane), plane, room) for index in here}
    for index in reversed(here):
        _rectangle(canvas, drawn[index], colours[index], masked=findings.boxes[index].mask is not None)
    taken: list[Box] = []
    for index in here:
        others = [box for other, box in drawn.items() if other != index]
        taken.append(_free_place(drawn[index], taken, others, room))
        words = kept_in_order(f"{index + 1}: {number(findings.boxes[index].score, 2)}")
        write(canvas, words, taken[-1], scale=0.5, colour=colours[index], bold=True, outlined=True)


def _outlined(box: Detection, plane: Grid, colour: Colour) -> Outlined:
    if box.mask is None or not box.mask.pixels.any():
        return Outlined(mask=np.zeros(plane.shape[1:], dtype=np.bool_), tag="", colour=colour)
    return Outlined(mask=cut(box.mask.whole(), box.mask.grid, plane), tag="", colour=colour)


def _on_canvas(edges: tuple[float, float, float, float], plane: Grid, room: Box) -> Box:
    top, left, bottom, right = edges
    _, rows, columns = plane.shape
    y0, y1 = (room.top + edge * room.height / rows for edge in (top, bottom))
    x0, x1 = (room.left + edge * room.width / columns for edge in (left, right))
    first_x, first_y = min(round(x0), room.left + room.width - 2), min(round(y0), room.top + room.height - 2)
    return Box(left=first_x, top=first_y, width=max(round(x1) - first_x, 2), height=max(round(y1) - first_y, 2))


def _rectangle(canvas: Pixels, box: Box, colour: Colour, *, masked: bool) -> None:
    """Thinner where an outline tells more."""
    corners = (box.left, box.top), (box.left + box.width - 1, box.top + box.height - 1)
    cv2.rectangle(canvas, *corners, BLACK, 3 if masked else 4, cv2.LINE_8)
    cv2.rectangle(canvas, *corners, colour, 1 if masked else 2, cv2.LINE_8)


def _free_place(box: Box, taken: Sequence[Box], others: Sequence[Box], room: Box) -> Box:
    """Where a tag stands: above its box, below it, or beside it, the first that hides no tag and, at best, no box."""
    width, height = TAG
    right, bottom = box.left + box.width, box.top + box.height
    corners = (
        (box.left, box.top - height - 3),
        (box.left, bottom + 3),
        (right + 4, box.top),
        (box.left - width - 2, box.top),
        (box.left + 4, box.top + 4),
        (right + 4, bottom - height),
    )
    places = [_inside(Box(left=left, top=top, width=width, height=height), room) for left, top in corners]
    free = [place for place in places if not any(overlap(place, other) for other in taken)]
    return next((place for place in free if not any(overlap(place, other) for other in others)), (free or places)[0])


def _inside(box: Box, room: Box) -> Box:
    left = max(min(box.left, room.left + room.width - box.width), room.left)
    top = max(min(box.top, room.top + room.height - box.height), room.top)
    return Box(left=left, top=top, width=box.width, height=box.height)
