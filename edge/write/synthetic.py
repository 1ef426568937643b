"""Translation -> the image that was made, with the word SYNTHETIC burnt into its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.findings import Findings, Translation
from edge.geometry import Grid, resample
from edge.scan import Scan
from edge.wanted import PLAIN, Wanted
from edge.words import say
from edge.write.canvas import BLACK, FONT, WHITE, YELLOW, Box, Pixels, encode_png, fill, write
from edge.write.nifti import nifti
from edge.write.panels import TWO, as_received, draw_scale_bar, show, write_caption, write_sides
from edge.write.planes import cut, upright
from edge.write.report import SYNTHETIC, ResultReport
from edge.write.view import View, eight_bit, grey, slice_shown, stretched, views_of, where_measured

LEAST_PIXELS = 512
"""Along the longer side of the file: fewer could not hold the word in letters that can be read."""
ACROSS_WEIGHT = 0.6
"""Of the word in the middle: what lies below it can still be seen."""


def synthetic(
    result: ResultReport,
    scan: Scan | None,  # noqa: ARG001
    findings: Findings | None,
    wanted: Wanted = PLAIN,  # noqa: ARG001
) -> dict[str, bytes]:
    """Return ``synthetic.png`` with the word burnt in, and of a volume ``synthetic.nii.gz`` with it in its header.

    The picture is enlarged by a whole factor where it is small; of a volume it is the middle slice. Frames that have
    no place in the patient make no volume.
    """
    if not isinstance(findings, Translation):
        return {}
    view = made_view(findings, _plane(findings, turned=findings.grid.space == "patient"))
    rows, columns = view.pixels.shape[:2]
    factor = max(1, -(-LEAST_PIXELS // max(rows, columns)))
    enlarged = np.ascontiguousarray(view.pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    files = {"synthetic.png": encode_png(burn(enlarged, findings.makes))}
    if findings.grid.shape[0] > 1 and findings.grid.space == "patient":
        words = f"{SYNTHETIC} {findings.makes}, {findings.unit}"
        told = result.scan.lengths_told
        files["synthetic.nii.gz"] = nifti(findings.values, findings.grid, words, lengths_told=told)
    return files


def draw_translation(canvas: Pixels, scan: Scan, findings: Translation) -> None:
    """Draw the source on the left, and on the right what was made of it."""
    plane = _plane(findings, turned=scan.stack == "volume")
    made = made_view(findings, plane)
    source = _source_view(scan, findings, plane)
    boxes = source.fitted(TWO.panels[0]), made.fitted(TWO.panels[1])
    whole = findings.grid.shape[0] > 1
    words = say("Source, brought to the place of the other") if whole else as_received(scan, source, boxes[0])
    write_caption(canvas, TWO.panels[0], words)
    show(canvas, source, boxes[0])
    made_words = say("{synthetic}, made by the model: {makes}", synthetic=SYNTHETIC, makes=findings.makes)
    write_caption(canvas, TWO.panels[1], made_words)
    show(canvas, made, boxes[1])
    _burn_into(canvas, boxes[1], findings.makes)
    write_sides(canvas, source, boxes[0])
    band = _band_height(boxes[1].height)
    write_sides(canvas, made, replace(boxes[1], top=boxes[1].top + band, height=max(boxes[1].height - 2 * band, 1)))
    draw_scale_bar(canvas, source, boxes[0], TWO.panels[0])


def burn(pixels: Pixels, makes: str) -> Pixels:
    """Return pixels with bands at the top and the bottom and the word across the middle, so that no crop loses it.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 3)
    makes : str
        What the image is to be called, after the word.
    """
    burnt = np.array(pixels, dtype=np.uint8, order="C")
    rows, columns = burnt.shape[:2]
    _write_across(burnt)
    height = _band_height(rows)
    for top in (0, rows - height):
        band = Box(left=0, top=max(top, 0), width=columns, height=height)
        fill(burnt, band, YELLOW)
        text = Box(left=6, top=band.top, width=max(columns - 12, 1), height=height)
        write(burnt, f"{SYNTHETIC} {makes}", text, scale=height / 40, colour=BLACK, bold=height >= 24)
    return burnt


def made_view(findings: Translation, plane: Grid) -> View:
    """Return a slice of what was made: grey from the 1st to the 99th percentile, colours over the whole range."""
    part = cut(findings.values, findings.grid, plane)
    if part.ndim == 2:
        return View(pixels=grey(stretched(part, 1.0, 99.0)), grid=plane)
    low, high = findings.range
    share = ((part - np.float32(low)) / np.float32(max(high - low, 1e-12))).clip(0.0, 1.0)
    return View(pixels=np.ascontiguousarray(eight_bit(share)[..., ::-1]), grid=plane)


def _plane(findings: Translation, *, turned: bool) -> Grid:
    """The one slice that was made, or the middle one."""
    nz, ny, nx = findings.grid.shape
    plane = findings.grid.cropped((nz // 2, 0, 0), (1, ny, nx))
    return upright(plane) if turned else plane


def _source_view(scan: Scan, findings: Translation, plane: Grid) -> View:
    if findings.grid.shape[0] == 1:
        (view,) = views_of(scan, [slice_shown(scan, findings)])
        return view
    there: NDArray[Any] = resample(scan.voxels.astype(np.float32), scan.grid, plane, fill=np.nan)[0]
    return View(pixels=grey(stretched(there, 1.0, 99.0)), grid=plane, where=where_measured(scan))


def _burn_into(canvas: Pixels, box: Box, makes: str) -> None:
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    canvas[rows, columns] = burn(np.ascontiguousarray(canvas[rows, columns]), makes)


def _band_height(rows: int) -> int:
    return max(min(rows // 8, 36), 12)


def _write_across(pixels: Pixels) -> None:
    """The word over four fifths of the width, through which the picture can be seen."""
    rows, columns = pixels.shape[:2]
    (width, height), _ = cv2.getTextSize(SYNTHETIC, FONT, 1.0, 2)
    scale = min(0.8 * columns / width, 0.5 * rows / height)
    thickness = max(1, round(2 * scale))
    at = round((columns - width * scale) / 2), round((rows + height * scale) / 2)
    marked = pixels.copy()
    cv2.putText(marked, SYNTHETIC, at, FONT, scale, BLACK, thickness + 2, cv2.LINE_AA)
    cv2.putText(marked, SYNTHETIC, at, FONT, scale, WHITE, thickness, cv2.LINE_AA)
    mixed = ACROSS_WEIGHT * marked + (1.0 - ACROSS_WEIGHT) * pixels
    pixels[:] = np.rint(mixed).astype(np.uint8)
