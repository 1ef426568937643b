"""Registration -> checkerboards of the fixed and the moving scan in three planes, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import Registration
from edge.geometry import Grid
from edge.scan import Scan
from edge.words import message, say
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
from edge.write.view import View, between, grey, limits, where_measured

SQUARES = 8
"""Along the longer side."""


def draw_registration(canvas: Pixels, scan: Scan, findings: Registration) -> None:
    """Draw three planes through the middle, twice: the fixed scan with the moving one as received, and as moved."""
    grid, where = findings.grid, where_measured(scan)
    planes = middle_planes(grid)
    (fixed,) = _views((findings.fixed,), grid, planes, where)
    before, after = _views((findings.before, findings.warped), grid, planes, where)
    upper, lower = TWICE_THREE.panels[:3], TWICE_THREE.panels[3:]
    for name, moving, panels in ((message("Before"), before, upper), (message("After"), after, lower)):
        boxes = in_one_scale(fixed, panels)
        for index, plane in enumerate(planes):
            write_caption(canvas, panels[index], say("{title}: {words}", title=say(name), words=plane.words))
            _draw_squares(canvas, fixed[index], moving[index], boxes[index])
            write_sides(canvas, fixed[index], boxes[index])
    draw_scale_bar(canvas, fixed[0], boxes[0], lower[0], further=say(", the same for all"))
    write_note(canvas, lower[1], say("Squares: fixed and moving in turns."))
    write_note(canvas, lower[2], say("Edges that break are not aligned."))


def middle_planes(grid: Grid) -> tuple[Plane, ...]:
    """Return the axial, the coronal and the sagittal plane through the middle."""
    nz, ny, nx = grid.shape
    return planes_through(grid, (nz // 2, ny // 2, nx // 2))


def _views(
    volumes: Sequence[NDArray[Any]], source: Grid, planes: Sequence[Plane], where: str | None
) -> list[list[View]]:
    """All planes of one scan, as received and as moved, in one window, the widest that one of the volumes asks for.

    Fixed and moving have a window each: the two may be of different kinds.
    """
    cuts = [[cut(volume, source, plane.grid) for plane in planes] for volume in volumes]
    found = [limits(np.concatenate([part.ravel() for part in parts]), 1.0, 99.0) for parts in cuts]
    told = [pair for pair in found if pair is not None] or [(0.0, 1.0)]
    low, high = min(low for low, _ in told), max(high for _, high in told)
    return [
        [
            View(pixels=grey(between(part, low, high)), grid=plane.grid, where=where)
            for part, plane in zip(parts, planes, strict=True)
        ]
        for parts in cuts
    ]


def _draw_squares(canvas: Pixels, fixed: View, moving: View, box: Box) -> None:
    one, other = (np.zeros((box.height, box.width, 3), dtype=np.uint8) for _ in range(2))
    whole = Box(left=0, top=0, width=box.width, height=box.height)
    place(one, fixed.pixels, whole)
    place(other, moving.pixels, whole)
    side = -(-max(box.height, box.width) // SQUARES)
    y, x = np.indices((box.height, box.width)) // side
    mixed = np.where(((y + x) % 2 == 1)[..., np.newaxis], other, one)
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = mixed
