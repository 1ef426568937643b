"""Classification -> the picture as received, and where in it the score comes from."""

from __future__ import annotations

import cv2
import numpy as np

from edge.findings import Classification, InfluenceMap, LabelScore, Tilewise
from edge.geometry import Grid, Interpolation, index_map, resample
from edge.scan import Scan
from edge.words import say
from edge.write.canvas import BLACK, VERMILION, Box, Pixels, place
from edge.write.panels import TWO, as_received, draw_scale_bar, show, write_caption, write_sides
from edge.write.view import View, as_looked_at, slice_shown, views_of

FRAME = 2
"""Pixels between a window and the frame that marks it."""


def draw_classification(canvas: Pixels, scan: Scan, findings: Classification) -> None:
    """Draw the picture twice: as it was received, and tinted where it raised the score.

    Of a volume that was seen whole it is the slice with the strongest influence.
    """
    chosen = map_to_show(findings)
    (view,) = views_of(scan, [_plane(scan, findings, chosen)])
    boxes = [view.fitted(panel) for panel in TWO.panels]
    small = view.shrunk(boxes[0])
    write_caption(canvas, TWO.panels[0], as_received(scan, view, boxes[0]))
    show(canvas, small, boxes[0])
    write_sides(canvas, view, boxes[0])
    draw_scale_bar(canvas, view, boxes[0], TWO.panels[0])
    if chosen is None:
        write_caption(canvas, TWO.panels[1], _no_map_words(findings))
        return
    said = next(item for item in findings.labels if item.name == chosen.label)
    words = _map_words(findings, said)
    if any(item.label == chosen.label for item in findings.faithfulness):
        words = say("{words}; tested", words=words)
    elif findings.tilewise is None:
        words = say("{words}; not tested", words=words)
    named = say("{title}: {words}", title=words, words=said.title) if len(findings.labels) > 1 else words
    write_caption(canvas, TWO.panels[1], named)
    place(canvas, tinted(small, chosen, tilewise=findings.tilewise is not None), boxes[1])
    if findings.tilewise is not None:
        _mark_best(canvas, findings.tilewise, chosen.label, ((scan.slide or scan).grid, boxes[1]))
    write_sides(canvas, view, boxes[1])


def _map_words(findings: Classification, said: LabelScore) -> str:
    if findings.tilewise is not None:
        return say("Scores of the windows, the highest framed; no outline")
    if said.positive and said.finding:
        return say("Influence map, not the outline of a lesion")
    if said.uncertain:
        return say("Influence map (uncertain): what raised the score")
    return say("Influence map (no finding): what raised the score")


def _no_map_words(findings: Classification) -> str:
    if any(not item.holds for item in findings.faithfulness):
        return say("The influence map failed its test and is not drawn.")
    if findings.maps and not _worth_a_map(findings):
        return say("The influence map is drawn only where there is a finding or a doubt.")
    return say("The model gives no influence map for this picture.")


def _mark_best(canvas: Pixels, tilewise: Tilewise, label: str, shown: tuple[Grid, Box]) -> None:
    """Draw a frame around the window with the highest score."""
    grid, room = shown
    _, rows, columns = grid.shape
    top, left, bottom, right = next(tile.box for tile in tilewise.best if tile.label == label)
    y0, y1 = (room.top + round(edge * room.height / rows) for edge in (top, bottom + 1))
    x0, x1 = (room.left + round(edge * room.width / columns) for edge in (left, right + 1))
    first, last = (x0 - FRAME, y0 - FRAME), (max(x1, x0 + 1) + FRAME - 1, max(y1, y0 + 1) + FRAME - 1)
    cv2.rectangle(canvas, first, last, BLACK, 4, cv2.LINE_8)
    cv2.rectangle(canvas, first, last, VERMILION, 2, cv2.LINE_8)


def map_to_show(findings: Classification) -> InfluenceMap | None:
    """Return the map of the positive finding with the highest score; where nothing was found, of one worth it, or None.

    Without a finding a class activation map says next to nothing of where the score comes from (measured in
    ``docs/telling.md``). So there it is shown only of a finding that a reader must settle, which comes first, or of one
    whose map passed the deletion test. The scores of windows need no test, and are shown of the likeliest finding.
    """
    maps = {shown.label: shown for shown in findings.maps}
    mapped = [item for item in _worth_a_map(findings) if item.name in maps]
    chosen = max(mapped, key=lambda item: (item.finding, item.uncertain, item.score), default=None)
    return None if chosen is None else maps[chosen.name]


def _worth_a_map(findings: Classification) -> list[LabelScore]:
    """What was found; where that is nothing, what may have a map all the same."""
    found = [item for item in findings.labels if item.positive and item.finding]
    if found or findings.tilewise is not None:
        return found or list(findings.labels)
    passed = {item.label for item in findings.faithfulness if item.holds}
    return [item for item in findings.labels if item.finding and (item.uncertain or item.name in passed)]


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


def tinted(view: View, shown: InfluenceMap, *, tilewise: bool) -> Pixels:
    """Return the picture with what raised the score in cividis' yellow.

    Windows are squares, as yellow as their scores are high.
    """
    kind: Interpolation = "nearest" if tilewise else "linear"
    raised = resample(shown.values, shown.grid, view.grid, interpolation=kind)[0].clip(0.0, None)
    largest = 1.0 if tilewise else float(raised.max())
    if largest <= 0.0:
        return np.ascontiguousarray(view.pixels)
    share = raised / largest
    heat = cv2.applyColorMap(np.rint(share * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    weight = (0.6 * share)[..., np.newaxis]
    mixed = view.pixels * (1.0 - weight)
    mixed += heat * weight
    return np.asarray(np.rint(mixed, out=mixed), dtype=np.uint8)
