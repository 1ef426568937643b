"""The result as one picture that a person can read on a cheap screen: what was seen, what it rests on, what it means.

The words carry the meaning; colour only repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.findings import Classification, Findings, InfluenceMap, LabelScore, Region, Segmentation, State
from edge.geometry import Grid, resample, slice_seen
from edge.prepare.image import Image
from edge.prepare.values import voi_window
from edge.scan import Scan
from edge.write.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PALE_YELLOW,
    PURPLE,
    SKY,
    VERMILION,
    WHITE,
    YELLOW,
    Box,
    Colour,
    Pixels,
    blank_canvas,
    encode_png,
    fill,
    fitted,
    place,
    wrap,
    write,
)
from edge.write.report import DISCLAIMER, UNCALIBRATED, ResultReport, vouched

WIDTH, HEIGHT = 1024, 768
BANNER = Box(left=0, top=0, width=WIDTH, height=64)
PANELS = (Box(left=16, top=104, width=488, height=440), Box(left=520, top=104, width=488, height=440))
LINES = Box(left=16, top=578, width=WIDTH - 32, height=112)
FOOT = Box(left=16, top=696, width=WIDTH - 32, height=66)
LINE = 28
CAPTION = 32
ROUND_MM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)

BANNERS: dict[State, tuple[str, Colour, Colour]] = {
    "finding": ("FINDING", VERMILION, WHITE),
    "no-finding": ("NO FINDING", BLUE, WHITE),
    "not-analysed": ("NOT ANALYSED", GREY, WHITE),
    "failed": ("FAILED", YELLOW, BLACK),
}
REGION_COLOURS: tuple[Colour, ...] = (ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """The slice of a scan that a result is about, as grey or RGB for a screen."""

    pixels: Pixels
    grid: Grid

    def fitted(self, panel: Box) -> Box:
        """Return where the slice is drawn in a panel: in its true proportions, where the spacing tells them."""
        rows, columns = self.pixels.shape[:2]
        height_mm, width_mm = self.grid.pixel_spacing_mm or (1.0, 1.0)
        return fitted(rows * height_mm, columns * width_mm, panel)


def overlay(result: ResultReport, scan: Scan | None, findings: Findings | None) -> dict[str, bytes]:
    """Return ``overlay.png``, 1024 x 768.

    Parameters
    ----------
    result : ResultReport
        What the words say.
    scan : Scan, optional
        None where no pixel was decoded; the panels then say so.
    findings : Findings, optional
        With influence maps or masks; None where the scan was not analysed.
    """
    canvas = blank_canvas(WIDTH, HEIGHT)
    _banner(canvas, result)
    if scan is None:
        _no_picture(canvas)
    else:
        _panels(canvas, _view(scan, findings), findings)
    _reasons(canvas, result)
    _lines(canvas, result)
    _foot(canvas, result)
    return {"overlay.png": encode_png(canvas)}


def _banner(canvas: Pixels, result: ResultReport) -> None:
    words, colour, ink = BANNERS[result.state]
    fill(canvas, BANNER, colour)
    text = Box(left=16, top=0, width=WIDTH - 32, height=BANNER.height)
    write(canvas, f"{words}{_headline(result)}", text, scale=1.0, colour=ink, bold=True)


def _headline(result: ResultReport) -> str:
    found = result.findings
    if found is None:
        reasons = result.reasons
        return "".join(f": {reason.code}" for reason in reasons[:1])
    said = found.labels if found.kind == "classification" else found.regions
    positive = [item for item in said if item.positive and item.finding]
    urgent = next((word for word in ("urgent", "soon") if any(item.urgency == word for item in positive)), None)
    if not positive:
        return f": looked for {', '.join(item.title for item in said if item.finding)} only"
    return f" ({urgent})" * bool(urgent) + f": {', '.join(item.title for item in positive)}"


def _view(scan: Scan, findings: Findings | None) -> View:
    """The slice that was examined, or the middle one, windowed for the eye."""
    nz, ny, nx = scan.grid.shape
    grid = scan.grid.cropped((nz // 2, 0, 0), (1, ny, nx))
    if findings is not None:
        grid = slice_seen(scan.grid, findings.grid)
    voxels = resample(scan.voxels, scan.grid, grid, interpolation="nearest")
    if voxels.ndim == 4:
        colours: Pixels = voxels[0] if voxels.dtype == np.uint8 else _eight_bit(_stretched(voxels[0], 0.0, 100.0))
        return View(pixels=np.ascontiguousarray(colours[..., ::-1]), grid=grid)
    if scan.window is not None or voxels.dtype == np.uint8:
        shown: NDArray[Any] = voi_window(Image(voxels=voxels, grid=grid, scan=scan)).voxels[0]
    else:
        shown = _stretched(voxels[0], 1.0, 99.0)
    if scan.acquisition.photometric == "MONOCHROME1":
        shown = 1.0 - shown
    return View(pixels=np.repeat(_eight_bit(shown)[..., np.newaxis], 3, axis=-1), grid=grid)


def _stretched(values: NDArray[Any], least: float, greatest: float) -> NDArray[np.float32]:
    """Values without a window of their own, from one percentile to another as 0 to 1."""
    exact = np.asarray(values, dtype=np.float32)
    numbers = exact[np.isfinite(exact)]
    low, high = np.percentile(numbers, [least, greatest]) if numbers.size else (0.0, 1.0)
    share = (exact - np.float32(low)) / np.float32(max(float(high - low), 1e-12))
    return np.asarray(share.clip(0.0, 1.0), dtype=np.float32)


def _eight_bit(share: NDArray[Any]) -> Pixels:
    """0 to 1 as 0 to 255; what is no number is black."""
    return np.asarray(np.rint(np.nan_to_num(share) * 255), dtype=np.uint8)


def _no_picture(canvas: Pixels) -> None:
    box = PANELS[0]
    cv2.rectangle(canvas, (box.left, box.top), (box.left + box.width, box.top + box.height), GREY, 1)
    write(canvas, "No picture was decoded.", Box(left=box.left + 16, top=box.top, width=456, height=box.height))


def _panels(canvas: Pixels, view: View, findings: Findings | None) -> None:
    rows, columns = view.pixels.shape[:2]
    boxes = [view.fitted(panel) for panel in PANELS]
    enlarged = max(boxes[0].width / columns, boxes[0].height / rows)
    size = f"{columns} x {rows}" + (f", enlarged {enlarged:.1f} times" if enlarged > 1.05 else "")
    _caption(canvas, PANELS[0], f"Picture as received, {size}")
    place(canvas, view.pixels, boxes[0])
    _scale_bar(canvas, view, boxes[0], PANELS[0])
    if isinstance(findings, Segmentation):
        _caption(canvas, PANELS[1], "Outlines drawn by the model")
        place(canvas, view.pixels, boxes[1])
        _outlines(canvas, findings, view, boxes[1])
    elif isinstance(findings, Classification):
        _influence(canvas, findings, view, boxes[1])


def _influence(canvas: Pixels, findings: Classification, view: View, box: Box) -> None:
    chosen = _map_to_show(findings)
    if chosen is None:
        _caption(canvas, PANELS[1], "The model gives no influence map for this picture.")
        return
    said = next(item for item in findings.labels if item.name == chosen.label)
    words = "Influence map (no finding): what raised the score"
    if said.positive and said.finding:
        words = "Influence map, not the outline of a lesion"
    _caption(canvas, PANELS[1], f"{words}: {said.title}" if len(findings.labels) > 1 else words)
    place(canvas, _tinted(view, chosen), box)


def _caption(canvas: Pixels, panel: Box, text: str) -> None:
    above = Box(left=panel.left, top=panel.top - CAPTION, width=panel.width, height=CAPTION)
    write(canvas, text, above, scale=0.55, colour=PALE)


def _map_to_show(findings: Classification) -> InfluenceMap | None:
    """The map of the positive finding with the highest score; where nothing was found, of the likeliest finding."""
    maps = {shown.label: shown for shown in findings.maps}
    found = [item for item in findings.labels if item.positive and item.finding]
    mapped = [item for item in found or findings.labels if item.name in maps]
    chosen = max(mapped, key=lambda item: (item.finding, item.score), default=None)
    return None if chosen is None else maps[chosen.name]


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


def _outlines(canvas: Pixels, findings: Segmentation, view: View, box: Box) -> None:
    """Every region's outline, then their numbers on top of all of them."""
    tags: list[tuple[int, Box, Colour]] = []
    for index, (region, mask) in enumerate(zip(findings.regions, findings.masks, strict=True)):
        if not region.positive:
            continue
        drawn = resample(mask.astype(np.uint8), findings.grid, view.grid, interpolation="nearest")[0]
        contours, _ = cv2.findContours(_covered(drawn, box), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        colour = REGION_COLOURS[index % len(REGION_COLOURS)]
        cv2.drawContours(canvas, contours, -1, BLACK, 4, cv2.LINE_AA, offset=(box.left, box.top))
        cv2.drawContours(canvas, contours, -1, colour, 2, cv2.LINE_AA, offset=(box.left, box.top))
        x, y, _, _ = cv2.boundingRect(max(contours, key=cv2.contourArea))
        left, top = min(box.left + x, box.left + box.width - 32), max(box.top + y - 24, box.top)
        tags.append((index + 1, Box(left=left, top=top, width=64, height=20), colour))
    for number, tag, colour in tags:
        write(canvas, f"{number}", tag, scale=0.65, colour=colour, bold=True, outlined=True)


def _covered(mask: Pixels, box: Box) -> Pixels:
    """The pixels of the box that a mask touches; a single pixel of a large picture is not lost."""
    grown = cv2.resize(mask, (box.width, box.height), interpolation=cv2.INTER_NEAREST_EXACT)
    touched = np.array(grown, dtype=np.uint8)
    y, x = np.nonzero(mask)
    touched[y * box.height // mask.shape[0], x * box.width // mask.shape[1]] = 1
    return touched


def _scale_bar(canvas: Pixels, view: View, box: Box, panel: Box) -> None:
    """A bar of a round length, where the distance between pixels is known; words where there is none."""
    spacing = view.grid.pixel_spacing_mm
    mm_per_pixel = 0.0 if spacing is None else spacing[1] * view.pixels.shape[1] / box.width
    fitting = [n for n in ROUND_MM if spacing is not None and 1.0 <= n / mm_per_pixel <= box.width / 3]
    if spacing is None:
        words = "No scale: the file does not give the size of a pixel."
    elif not fitting:
        words = "No scale: the picture is too small to draw a bar."
    else:
        pixels = round(fitting[-1] / mm_per_pixel)
        bar = Box(left=box.left + 12, top=box.top + box.height - 14, width=pixels, height=5)
        fill(canvas, Box(left=bar.left - 1, top=bar.top - 1, width=bar.width + 2, height=bar.height + 2), BLACK)
        fill(canvas, bar, WHITE)
        where = "at the detector" if view.grid.space == "detector" else "in the patient"
        words = f"Bar: {fitting[-1]:g} mm {where}"
    note = Box(left=panel.left, top=panel.top + panel.height + 4, width=panel.width, height=24)
    write(canvas, words, note, scale=0.5, colour=PALE)


def _reasons(canvas: Pixels, result: ResultReport) -> None:
    """Why there is no finding to show, in the place where it would be."""
    reasons = result.reasons
    panel, room = PANELS[1], PANELS[1].height // LINE
    lines: list[tuple[str, Colour]] = []
    for reason in reasons:
        said = ((f"{reason.code}: {reason.words}", WHITE), (reason.detail, PALE), (reason.action, YELLOW))
        lines += [(line, colour) for text, colour in said for line in wrap(text, panel.width, scale=0.6, most=3)]
    if len(lines) > room:
        lines = [*lines[: room - 1], ("More stands in report.json.", PALE)]
    for index, (line, colour) in enumerate(lines):
        below = Box(left=panel.left, top=panel.top + index * LINE, width=panel.width, height=LINE)
        write(canvas, line, below, colour=colour)


def _lines(canvas: Pixels, result: ResultReport) -> None:
    """Each label with its score and threshold, what was found first; then what must be said beside it."""
    room = LINES.height // LINE
    lines, last = _label_lines(result)
    if result.confirmed:
        last.insert(0, f"Vouched for by a person: {vouched(result)}")
    last += [f"Warning {item.code}: {item.words}" for item in result.warnings]
    last += [f"Note: {note}" for note in result.notes]
    kept = max(2, room - len(last))
    if len(lines) > kept:
        lines = [*lines[: kept - 1], f"and {len(lines) - kept + 1} more: see report.json"]
    left = room - len(lines)
    if len(last) > left:
        last = [*last[: left - 1], f"and {len(last) - left + 1} more warnings: see report.json"]
    for index, line in enumerate(lines + last):
        write(canvas, line, Box(left=LINES.left, top=LINES.top + index * LINE, width=LINES.width, height=LINE))


def _label_lines(result: ResultReport) -> tuple[list[str], list[str]]:
    """A line for each label, and what all scores have in common."""
    found = result.findings
    if found is None:
        return [], []
    if found.kind == "segmentation":
        numbered = sorted(enumerate(found.regions, start=1), key=lambda pair: not pair[1].positive)
        return [f"{number}. {_region_line(region)}" for number, region in numbered], []
    ranked = sorted(found.labels, key=lambda item: (not (item.positive and item.finding), -item.score))
    return [_score_line(item) for item in ranked], [UNCALIBRATED]


def _score_line(item: LabelScore) -> str:
    score, limit = item.score, item.threshold
    if limit is None:
        return f"{item.title}: score {score:.2f}{', said to be there' if item.positive else ''}"
    digits = next((n for n in (2, 3, 4, 5) if f"{score:.{n}f}" != f"{limit:.{n}f}"), 2)
    reaches = np.float32(score) >= np.float32(limit)
    side = "reaches" if reaches else "the highest, though below" if item.positive else "below"
    return f"{item.title}: score {score:.{digits}f}, {side} the threshold {limit:.{digits}f}"


def _region_line(region: Region) -> str:
    if not region.positive:
        return f"{region.title}: not found"
    if region.area_mm2 is None:
        return f"{region.title}: {region.pixels} pixels, area unknown (no pixel size)"
    digits = 0 if region.area_mm2 >= 10.0 else 2
    return f"{region.title}: {region.pixels} pixels, {region.area_mm2:.{digits}f} mm2"


def _file(result: ResultReport) -> str:
    """Which file this is a picture of."""
    sources = result.scan.sources
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"{Path(sources[0].path).name}{more}. " if sources else ""


def _foot(canvas: Pixels, result: ResultReport) -> None:
    """What it is for, and what made it."""
    lines = [(DISCLAIMER, 0.55, YELLOW)]
    if result.pack:
        lines.append((result.pack.intended_use, 0.5, PALE_YELLOW))
    if result.pack and result.engine:
        pack, engine = result.pack, result.engine
        ran = f"{engine.precision} on {engine.name} {engine.version}"
        lines.append((f"{_file(result)}{pack.title} {pack.version}, {ran}, pack {pack.sha256[:12]}", 0.45, PALE))
    else:
        lines.append((f"{_file(result)}This is not 'no finding'.", 0.5, PALE))
    height = FOOT.height // 3
    for index, (text, scale, colour) in enumerate(lines):
        below = Box(left=FOOT.left, top=FOOT.top + index * height, width=FOOT.width, height=height)
        write(canvas, text, below, scale=scale, colour=colour)
