"""Classification -> the picture as received, and where in it the score comes from."""

from __future__ import annotations

import cv2
import numpy as np

from edge.findings import Classification, InfluenceMap
from edge.geometry import Grid, index_map, resample
from edge.scan import Scan
from edge.write.canvas import Pixels, place
from edge.write.panels import TWO, as_received, draw_scale_bar, show, write_caption, write_sides
from edge.write.view import View, as_looked_at, slice_shown, views_of


def draw_classification(canvas: Pixels, scan: Scan, findings: Classification) -> None:
    """Draw the picture twice: as it was received, and tinted where it raised the score.

    Of a volume that was seen whole it is the slice with the strongest influence.
    """
    chosen = _map_to_show(findings)
    (view,) = views_of(scan, [_plane(scan, findings, chosen)])
    boxes = [view.fitted(panel) for panel in TWO.panels]
    write_caption(canvas, TWO.panels[0], as_received(scan, view, boxes[0]))
    show(canvas, view, boxes[0])
    write_sides(canvas, view, boxes[0])
    draw_scale_bar(canvas, view, boxes[0], TWO.panels[0])
    if chosen is None:
        write_caption(canvas, TWO.panels[1], "The model gives no influence map for this picture.")
        return
    said = next(item for item in findings.labels if item.name == chosen.label)
    words = "Influence map (no finding): what raised the score"
    if said.positive and said.finding:
        words = "Influence map, not the outline of a lesion"
    write_caption(canvas, TWO.panels[1], f"{words}: {said.title}" if len(findings.labels) > 1 else words)
    place(canvas, _tinted(view, chosen), boxes[1])
    write_sides(canvas, view, boxes[1])


def _map_to_show(findings: Classification) -> InfluenceMap | None:
    """The map of the positive finding with the highest score; where nothing was found, of the likeliest finding."""
    maps = {shown.label: shown for shown in findings.maps}
    found = [item for item in findings.labels if item.positive and item.finding]
    mapped = [item for item in found or findings.labels if item.name in maps]
    chosen = max(mapped, key=lambda item: (item.finding, item.score), default=None)
    return None if chosen is None else maps[chosen.name]


def _plane(scan: Scan, findings: Classification, shown: InfluenceMap | None) -> Grid:
    if findings.grid.shape[0] == 1:
        return slice_shown(scan, findings)
    nz, ny, nx = scan.grid.shape
    at = nz // 2 if shown is None else _strongest_slice(scan, shown)
    return as_looked_at(scan, scan.grid.cropped((at, 0, 0), (1, ny, nx)))


def _strongest_slice(scan: Scan, shown: InfluenceMap) -> int:
    """The scan's slice through the voxel of the map that raised the score most."""
    strongest = np.unravel_index(int(np.argmax(shown.values)), shown.values.shape)
    place_of = index_map(scan.grid, shown.grid) @ np.array([*strongest, 1.0])
    return min(max(round(float(place_of[0])), 0), scan.grid.shape[0] - 1)


def _tinted(view: View, shown: InfluenceMap) -> Pixels:
    """The picture with what raised the score in cividis' yellow."""
    raised = resample(shown.values, shown.grid, view.grid, interpolation="linear")[0].clip(0.0, None)
    largest = float(raised.max())
    if largest <= 0.0:
        return np.ascontiguousarray(view.pixels)
    share = raised / largest
    heat = cv2.applyColorMap(np.rint(share * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    weight = (0.6 * share)[..., np.newaxis]
    return np.asarray(np.rint(view.pixels * (1.0 - weight) + heat * weight), dtype=np.uint8)
