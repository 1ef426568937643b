"""Registration -> checkerboards of the fixed and the moving scan in three planes, before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import Registration
from edge.geometry import Grid
from edge.scan import Scan
from edge.write.canvas import Box, Pixels, place
from edge.write.panels import (
    TWICE_THREE,
    draw_scale_bar,
    in_one_scale,
    write_caption,
    write_note,
    write_sides,
)
from edge.write.planes import Plane, cut, planes_through
from edge.write.view import View, grey, stretched, where_measured

SQUARES = 8
"""Along the longer side."""


def draw_registration(canvas: Pixels, scan: Scan, findings: Registration) -> None:
    """Draw three planes through the middle, twice: the fixed scan with the moving one as received, and as moved."""
    grid, where = findings.grid, where_measured(scan)
    planes = middle_planes(grid)
    fixed, before, after = (
        [_view(volume, grid, plane.grid, where) for plane in planes]
        for volume in (findings.fixed, findings.before, findings.warped)
    )
    upper, lower = TWICE_THREE.panels[:3], TWICE_THREE.panels[3:]
    for name, moving, panels in (("Before", before, upper), ("After", after, lower)):
        boxes = in_one_scale(fixed, panels)
        for index, plane in enumerate(planes):
            write_caption(canvas, panels[index], f"{name}: {plane.words}")
            _draw_squares(canvas, fixed[index], moving[index], boxes[index])
            write_sides(canvas, fixed[index], boxes[index])
    draw_scale_bar(canvas, fixed[0], boxes[0], lower[0], further=", the same for all")
    write_note(canvas, lower[1], "Squares: fixed and moving in turns.")
    write_note(canvas, lower[2], "Edges that break are not aligned.")


def middle_planes(grid: Grid) -> tuple[Plane, ...]:
    """Return the axial, the coronal and the sagittal plane through the middle."""
    nz, ny, nx = grid.shape
    return planes_through(grid, (nz // 2, ny // 2, nx // 2))


def _view(volume: NDArray[Any], source: Grid, plane: Grid, where: str | None) -> View:
    """Each scan in a window of its own: the two may be of different kinds."""
    return View(pixels=grey(stretched(cut(volume, source, plane), 1.0, 99.0)), grid=plane, where=where)


def _draw_squares(canvas: Pixels, fixed: View, moving: View, box: Box) -> None:
    one, other = (np.zeros((box.height, box.width, 3), dtype=np.uint8) for _ in range(2))
    whole = Box(left=0, top=0, width=box.width, height=box.height)
    place(one, fixed.pixels, whole)
    place(other, moving.pixels, whole)
    side = -(-max(box.height, box.width) // SQUARES)
    y, x = np.indices((box.height, box.width)) // side
    mixed = np.where(((y + x) % 2 == 1)[..., np.newaxis], other, one)
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = mixed
