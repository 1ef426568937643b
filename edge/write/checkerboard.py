"""Registration -> the fixed scan, and checkerboards of it with the moving one, before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import Registration
from edge.geometry import Grid
from edge.write.canvas import Box, Pixels, place
from edge.write.panels import (
    THREE,
    draw_scale_bar,
    in_one_scale,
    show,
    write_caption,
    write_note,
    write_sides,
)
from edge.write.planes import Plane, cut, planes_through
from edge.write.view import View, grey, stretched

SQUARES = 8
"""Along the longer side."""


def draw_registration(canvas: Pixels, findings: Registration) -> None:
    """Draw the axial plane through the middle: fixed alone, with the moving scan as received, and with it as moved."""
    plane = middle_plane(findings.grid)
    fixed, before, warped = (
        _view(volume, findings.grid, plane.grid) for volume in (findings.fixed, findings.before, findings.warped)
    )
    boxes = in_one_scale([fixed] * 3, THREE.panels)
    captions = (f"Fixed: {plane.words}", "Before: fixed and moving, in squares", "After: fixed and moving, in squares")
    for panel, caption in zip(THREE.panels, captions, strict=True):
        write_caption(canvas, panel, caption)
    show(canvas, fixed, boxes[0])
    for moving, box in ((before, boxes[1]), (warped, boxes[2])):
        _draw_squares(canvas, fixed, moving, box)
    for box in boxes:
        write_sides(canvas, fixed, box)
    draw_scale_bar(canvas, fixed, boxes[0], THREE.panels[0])
    write_note(canvas, THREE.panels[1], "Edges that run on from square to square")
    write_note(canvas, THREE.panels[2], "lie on each other; broken ones do not.")


def middle_plane(grid: Grid) -> Plane:
    """Return the axial plane through the middle."""
    nz, ny, nx = grid.shape
    return planes_through(grid, (nz // 2, ny // 2, nx // 2))[0]


def _view(volume: NDArray[Any], source: Grid, plane: Grid) -> View:
    """Each scan in a window of its own: the two may be of different kinds."""
    return View(pixels=grey(stretched(cut(volume, source, plane), 1.0, 99.0)), grid=plane)


def _draw_squares(canvas: Pixels, fixed: View, moving: View, box: Box) -> None:
    one, other = (np.zeros((box.height, box.width, 3), dtype=np.uint8) for _ in range(2))
    whole = Box(left=0, top=0, width=box.width, height=box.height)
    place(one, fixed.pixels, whole)
    place(other, moving.pixels, whole)
    side = -(-max(box.height, box.width) // SQUARES)
    y, x = np.indices((box.height, box.width)) // side
    mixed = np.where(((y + x) % 2 == 1)[..., np.newaxis], other, one)
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = mixed
