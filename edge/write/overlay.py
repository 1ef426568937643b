"""The result as one picture that a person can read on a cheap screen: what was seen, what it rests on, what it means.

The words carry the meaning; colour only repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.findings import Classification, Findings, InfluenceMap, LabelScore, Region, Segmentation, State
from edge.geometry import Grid, resample
from edge.prepare.image import Image
from edge.prepare.values import monochrome2, voi_window
from edge.scan import Scan
from edge.write.canvas import (
    BLACK,
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PALE,
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
from edge.write.report import DISCLAIMER, UNCALIBRATED, ResultReport

WIDTH, HEIGHT = 1024, 768
BANNER = Box(left=0, top=0, width=WIDTH, height=64)
PANELS = (Box(left=16, top=104, width=488, height=440), Box(left=520, top=104, width=488, height=440))
LINES = Box(left=16, top=584, width=WIDTH - 32, height=120)
FOOT = Box(left=16, top=712, width=WIDTH - 32, height=48)
LINE = 30
CAPTION = 32

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

    pixels: NDArray[Any]
    grid: Grid


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
        reasons = result.refusals or ((result.failure,) if result.failure else ())
        return "".join(f"  {reason.code}" for reason in reasons[:1])
    said = found.labels if found.kind == "classification" else found.regions
    positive = [item for item in said if item.positive and item.finding]
    urgent = next((word for word in ("urgent", "soon") if any(item.urgency == word for item in positive)), None)
    names = ", ".join(item.title for item in positive)
    return f": {names}" * bool(names) + f"  ({urgent})" * bool(urgent)


def _view(scan: Scan, findings: Findings | None) -> View:
    """The slice that was examined, or the middle one, windowed for the eye."""
    z = scan.grid.shape[0] // 2
    if findings is not None:
        z = _nearest_slice(scan.grid, findings.grid)
    grid = scan.grid.cropped((z, 0, 0), (1, *scan.grid.shape[1:]))
    if scan.voxels.ndim == 4:
        return View(pixels=_eight_bit(scan.voxels[z])[..., ::-1], grid=grid)
    image = Image(voxels=scan.voxels[z : z + 1], grid=grid, scan=scan)
    if scan.window is None and scan.voxels.dtype != np.uint8:
        image = _stretched(image)
    shown = (
        voi_window(monochrome2(image)).voxels[0] if scan.window or scan.voxels.dtype == np.uint8 else image.voxels[0]
    )
    grey = np.rint(np.nan_to_num(shown) * 255).astype(np.uint8)
    return View(pixels=cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), grid=grid)


def _stretched(image: Image) -> Image:
    """A picture without a window of its own, from its 1st to its 99th percentile, 0 to 1."""
    values = np.asarray(image.voxels, dtype=np.float32)
    low, high = np.nanpercentile(values, [1.0, 99.0])
    return image.with_voxels(((values - low) / max(float(high - low), 1e-12)).clip(0.0, 1.0))


def _eight_bit(voxels: NDArray[Any]) -> Pixels:
    if voxels.dtype == np.uint8:
        return voxels
    low, high = float(voxels.min()), float(voxels.max())
    return np.asarray(np.rint((voxels - low) / max(high - low, 1e-12) * 255), dtype=np.uint8)


def _nearest_slice(scan: Grid, fed: Grid) -> int:
    """The z of the scan on which the fed picture lies."""
    middle = fed.matrix @ np.array([(n - 1) / 2 for n in fed.shape] + [1.0])
    z = int(np.rint(np.linalg.solve(scan.matrix, middle)[0]))
    return min(max(z, 0), scan.shape[0] - 1)


def _no_picture(canvas: Pixels) -> None:
    box = PANELS[0]
    cv2.rectangle(canvas, (box.left, box.top), (box.left + box.width, box.top + box.height), GREY, 1)
    write(canvas, "No picture was decoded.", Box(left=box.left + 16, top=box.top, width=456, height=box.height))


def _panels(canvas: Pixels, view: View, findings: Findings | None) -> None:
    rows, columns = view.pixels.shape[:2]
    boxes = [fitted(rows, columns, panel) for panel in PANELS]
    _caption(canvas, PANELS[0], f"Picture as received, {columns} x {rows}")
    place(canvas, view.pixels, boxes[0])
    _scale_bar(canvas, view, boxes[0], PANELS[0])
    if isinstance(findings, Segmentation):
        _caption(canvas, PANELS[1], "Outlines drawn by the model")
        place(canvas, view.pixels, boxes[1])
        _outlines(canvas, findings, boxes[1])
    elif isinstance(findings, Classification) and findings.maps:
        chosen = _map_to_show(findings)
        _caption(canvas, PANELS[1], "Influence map, not the outline of a lesion")
        place(canvas, _tinted(view, chosen), boxes[1])
    elif findings is not None:
        _caption(canvas, PANELS[1], "The model gives no influence map for this picture.")


def _caption(canvas: Pixels, panel: Box, text: str) -> None:
    above = Box(left=panel.left, top=panel.top - CAPTION, width=panel.width, height=CAPTION)
    write(canvas, text, above, scale=0.55, colour=PALE)


def _map_to_show(findings: Classification) -> InfluenceMap:
    """The map of the positive finding with the highest score, else of the label with the highest score."""
    by_name = {item.name: item for item in findings.labels}
    return max(
        findings.maps,
        key=lambda shown: (by_name[shown.label].positive and by_name[shown.label].finding, by_name[shown.label].score),
    )


def _tinted(view: View, shown: InfluenceMap) -> Pixels:
    """The picture with what raised the score in cividis' yellow, and a contour at half of the largest influence."""
    raised = resample(shown.values, shown.grid, view.grid, interpolation="linear")[0].clip(0.0, None)
    largest = float(raised.max())
    if largest <= 0.0:
        return np.ascontiguousarray(view.pixels)
    share = raised / largest
    heat = cv2.applyColorMap(np.rint(share * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    weight = (0.6 * share)[..., np.newaxis]
    return np.asarray(np.rint(view.pixels * (1.0 - weight) + heat * weight), dtype=np.uint8)


def _outlines(canvas: Pixels, findings: Segmentation, box: Box) -> None:
    for index, (region, mask) in enumerate(zip(findings.regions, findings.masks, strict=True)):
        if not region.positive:
            continue
        grown = cv2.resize(mask[0].astype(np.uint8), (box.width, box.height), interpolation=cv2.INTER_NEAREST_EXACT)
        contours, _ = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(box.left, box.top))
        colour = REGION_COLOURS[index % len(REGION_COLOURS)]
        cv2.drawContours(canvas, contours, -1, colour, 2, cv2.LINE_AA)
        largest = max(contours, key=cv2.contourArea)
        x, y, _, _ = cv2.boundingRect(largest)
        tag = Box(left=min(x, box.left + box.width - 40), top=max(y - 22, box.top), width=200, height=20)
        write(canvas, f"{index + 1}", tag, scale=0.6, colour=colour, bold=True)


def _scale_bar(canvas: Pixels, view: View, box: Box, panel: Box) -> None:
    """A bar of a round length, where the distance between pixels is known."""
    spacing = view.grid.pixel_spacing_mm
    note = Box(left=panel.left, top=panel.top + panel.height + 4, width=panel.width, height=24)
    if spacing is None:
        write(canvas, "No scale: the file does not give the size of a pixel.", note, scale=0.5, colour=PALE)
        return
    mm_per_pixel = spacing[1] * view.pixels.shape[1] / box.width
    length_mm = max((n for n in (1, 2, 5, 10, 20, 50, 100, 200) if n / mm_per_pixel <= box.width / 3), default=None)
    if length_mm is None:
        return
    pixels = round(length_mm / mm_per_pixel)
    left, top = box.left + 12, box.top + box.height - 14
    cv2.rectangle(canvas, (left - 1, top - 1), (left + pixels + 1, top + 5), BLACK, -1)
    cv2.rectangle(canvas, (left, top), (left + pixels, top + 4), WHITE, -1)
    where = "at the detector" if view.grid.space == "detector" else "in the patient"
    write(canvas, f"Bar: {length_mm} mm {where}", note, scale=0.5, colour=PALE)


def _lines(canvas: Pixels, result: ResultReport) -> None:
    """Each label with its score and threshold; or each reason with what to do."""
    room = LINES.height // LINE
    lines = _label_lines(result, room) if result.findings else _reason_lines(result)
    for index, line in enumerate(lines[:room]):
        write(canvas, line, Box(left=LINES.left, top=LINES.top + index * LINE, width=LINES.width, height=LINE))


def _label_lines(result: ResultReport, room: int) -> list[str]:
    found = result.findings
    if found is None:
        return []
    if found.kind == "segmentation":
        lines = [f"{index + 1}  {_region_line(region)}" for index, region in enumerate(found.regions)]
        last = []
    else:
        ranked = sorted(found.labels, key=lambda item: (not (item.positive and item.finding), -item.score))
        lines = [_score_line(item) for item in ranked]
        last = [UNCALIBRATED]
    last += [f"Warning {item.code}: {item.words}" for item in result.warnings]
    kept = max(1, room - len(last))
    more = [f"and {len(lines) - kept + 1} more: see report.json"] if len(lines) > kept else []
    return lines[: kept - len(more)] + more + last


def _score_line(item: LabelScore) -> str:
    if item.threshold is None:
        return f"{item.title}: score {item.score:.2f}{', the highest' if item.positive else ''}"
    side = "reaches" if item.score >= item.threshold else "below"
    return f"{item.title}: score {item.score:.2f}, {side} the threshold {item.threshold:.2f}"


def _region_line(region: Region) -> str:
    if not region.positive:
        return f"{region.title}: not found"
    area = "area unknown (no pixel size)" if region.area_mm2 is None else f"{region.area_mm2:.0f} mm2"
    return f"{region.title}: {region.pixels} pixels, {area}"


def _reason_lines(result: ResultReport) -> list[str]:
    reasons = result.refusals or ((result.failure,) if result.failure else ())
    return [
        line
        for reason in reasons
        for line in wrap(f"{reason.code}: {reason.words} {reason.detail} {reason.action}", LINES.width, scale=0.6)
    ]


def _foot(canvas: Pixels, result: ResultReport) -> None:
    fill(canvas, Box(left=0, top=FOOT.top - 8, width=WIDTH, height=HEIGHT - FOOT.top + 8), DARK)
    half = FOOT.height // 2
    write(canvas, DISCLAIMER, Box(left=16, top=FOOT.top, width=FOOT.width, height=half), scale=0.55, colour=YELLOW)
    if result.pack and result.engine:
        pack, engine = result.pack, result.engine
        ran = f"{engine.precision} on {engine.name} {engine.version}"
        made = f"{pack.title} {pack.version}, {ran}, pack {pack.sha256[:12]}"
        below = Box(left=16, top=FOOT.top + half, width=FOOT.width, height=half)
        write(canvas, made, below, scale=0.45, colour=PALE)
