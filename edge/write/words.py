"""The report of a result -> the phrases that a picture and a screen say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.findings import LabelScore, Region
from edge.geometry import Grid
from edge.write.report import (
    NOTHING_LOOKED_FOR,
    SYNTHETIC,
    UNCALIBRATED,
    BoxReport,
    ClassificationReport,
    DetectionReport,
    FindingsReport,
    RegistrationReport,
    ResultReport,
    SliceReport,
    TranslationReport,
    found_in,
    looked_for,
    there_in,
)

LEAST_MM2, LEAST_MM = 0.01, 0.1
"""Below, areas are told in square micrometres, and lengths in micrometres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of words; `label` is the number of the label, from 0, whose colour repeats it."""

    text: str
    label: int | None = None


def headline(result: ResultReport) -> str:
    """Return what follows the state: what was found, looked for or made, or why there is nothing."""
    found = result.findings
    if found is None:
        return "".join(f": {reason.code}" for reason in result.reasons[:1])
    if found.kind == "registration":
        return ": two scans registered. Nothing was looked for"
    if found.kind == "translation":
        return f": {SYNTHETIC} {found.makes}. Nothing was looked for"
    if not looked_for(found):
        return f": {', '.join(there_in(found)) or 'nothing marked'}. Nothing was looked for"
    said = found_in(found)
    if not said:
        return f": looked for {', '.join(looked_for(found))} only"
    urgencies = {urgency for _, urgency in said}
    urgent = next((word for word in ("urgent", "soon") if word in urgencies), None)
    return f" ({urgent})" * bool(urgent) + f": {', '.join(title for title, _ in said)}"


def label_lines(result: ResultReport) -> tuple[list[Line], list[str]]:
    """Return a line for each thing that was said, what was found first; and what they have in common."""
    found = result.findings
    if found is None:
        return [], []
    lines, common = _lines(found, result.scan.grid)
    return lines, common if looked_for(found) else [*common, NOTHING_LOOKED_FOR]


def _lines(found: FindingsReport, grid: Grid | None) -> tuple[list[Line], list[str]]:
    if found.kind == "segmentation":
        numbered = sorted(enumerate(found.regions), key=lambda pair: _gravity(pair[1]))
        lines = [Line(text=f"{n + 1}. {region_words(region, grid)}", label=n) for n, region in numbered]
        return lines, []
    if found.kind == "detection":
        return _box_lines(found, grid), [UNCALIBRATED]
    if found.kind == "registration":
        return [Line(text=text) for text in registration_words(found)], []
    if found.kind == "translation":
        return [Line(text=text) for text in translation_words(found)], []
    ranked = sorted(found.labels, key=lambda item: (not (item.positive and item.finding), -item.score))
    return [Line(text=_score_words(item)) for item in ranked], [*tile_words(found, ranked[0].name), UNCALIBRATED]


def tile_words(found: ClassificationReport, label: str) -> list[str]:
    """Return the rule by which the scores of windows became that of the picture, and where the best of a label lies."""
    if found.tilewise is None:
        return []
    rule = f"The score is the highest of {found.tilewise.tiles} windows"
    best = next((tile for tile in found.tilewise.best if tile.label == label), None)
    if best is None:
        return [f"{rule}."]
    top, left, bottom, right = best.box
    return [f"{rule}: at row {top + 1} to {bottom + 1}, column {left + 1} to {right + 1} of the picture."]


def _gravity(region: Region) -> tuple[bool, bool, int]:
    """What was found comes first, then what is a finding, then what is larger, as on the pictures."""
    return not region.positive, not region.finding, -region.pixels


def _score_words(item: LabelScore) -> str:
    score, limit = item.score, item.threshold
    if limit is None:
        return f"{item.title}: score {score:.2f}{', said to be there' if item.positive else ''}"
    digits = next((n for n in (2, 3, 4, 5) if f"{score:.{n}f}" != f"{limit:.{n}f}"), 2)
    reaches = np.float32(score) >= np.float32(limit)
    side = "reaches" if reaches else "the highest, though below" if item.positive else "below"
    return f"{item.title}: score {score:.{digits}f}, {side} the threshold {limit:.{digits}f}"


def region_words(region: Region, grid: Grid | None) -> str:
    """Return what was measured of a region: an area, or of a volume millilitres, longest diameter and slices."""
    if not region.positive:
        return f"{region.title}: not found"
    if region.slices is not None:
        return f"{region.title}: {', '.join(_volume_words(region, region.slices, grid))}"
    if region.area_mm2 is None:
        return f"{region.title}: {region.pixels} pixels, area unknown (no pixel size)"
    return f"{region.title}: {region.pixels} pixels, {area_words(region.area_mm2)}"


def area_words(area_mm2: float) -> str:
    """Return an area as a person reads it; what a microscope shows in square micrometres.

    Examples
    --------
    >>> area_words(431.7), area_words(2.345), area_words(0.000153)
    ('432 mm2', '2.35 mm2', '153 um2')
    """
    if area_mm2 < LEAST_MM2:
        return f"{area_mm2 * 1e6:.0f} um2"
    return f"{area_mm2:.{0 if area_mm2 >= 10.0 else 2}f} mm2"


def _volume_words(region: Region, slices: tuple[int, int], grid: Grid | None) -> list[str]:
    """Slices are counted from 1 here, as a viewer counts them."""
    first, last = slices
    words = [f"{region.pixels} voxels" if region.volume_ml is None else _millilitres(region.volume_ml)]
    if region.diameter_mm is not None and region.diameter_slice is not None:
        words.append(f"longest diameter {region.diameter_mm:.1f} mm (slice {region.diameter_slice + 1})")
    total = "" if grid is None else f" of {grid.shape[0]}"
    words.append(f"slices {first + 1} to {last + 1}{total}")
    if region.components is not None and region.components > 1:
        words.append(f"{region.components} pieces")
    return words


def _millilitres(volume_ml: float) -> str:
    """Three digits at least, as far as a volume is told at all."""
    digits = next((n for least, n in ((100.0, 0), (10.0, 1), (1.0, 2)) if volume_ml >= least), 3)
    return f"{volume_ml:.{digits}f} mL"


def _box_lines(found: DetectionReport, grid: Grid | None) -> list[Line]:
    names = [label.name for label in found.labels]
    return [
        Line(text=f"{number}. {box_words(box, grid)}", label=names.index(box.name))
        for number, box in enumerate(found.boxes, start=1)
    ]


def box_words(box: BoxReport, grid: Grid | None) -> str:
    """Return the score and the size of a box, and of a volume its slices."""
    limit = "" if box.threshold is None else f" (threshold {box.threshold:.2f})"
    words = [f"score {box.score:.2f}{limit}", _size_words(box)]
    if grid is not None and grid.shape[0] > 1:
        words.append(_slices_words(box, grid.shape[0]))
    if box.enclosing:
        words.append("at most: it lies obliquely")
    if box.clipped:
        words.append("cut off at the border")
    return f"{box.title}: {', '.join(words)}"


def _size_words(box: BoxReport) -> str:
    """Width first, as pictures are measured, then height, then depth."""
    known = [length for length in reversed(box.size_mm) if length is not None]
    if known and max(known) < LEAST_MM:
        return f"{' x '.join(f'{length * 1000:.{int(length < LEAST_MM / 10)}f}' for length in known)} um"
    if known:
        return f"{' x '.join(f'{length:.1f}' for length in known)} mm"
    _, height, width = (box.edges[axis + 3] - box.edges[axis] for axis in range(3))
    return f"{width:.0f} x {height:.0f} pixels, size in mm unknown"


def _slices_words(box: BoxReport, total: int) -> str:
    first, last = math.floor(box.edges[0]) + 1, math.ceil(box.edges[3])
    return f"slice {first} of {total}" if first >= last else f"slices {first} to {last} of {total}"


def seen_words(seen: SliceReport) -> str:
    """Return which slice or frame of how many the model saw, counted from 1 as a viewer counts them."""
    return f"{seen.across} {seen.index + 1} of {seen.count}"


def moved_words(found: RegistrationReport) -> str:
    """Return by how much the moving scan was moved."""
    if found.mean_mm is None or found.largest_mm is None:
        return "a length that is not told, as the files do not give its unit"
    return f"{found.mean_mm:.1f} mm on average, {found.largest_mm:.1f} mm at most"


def registration_words(found: RegistrationReport) -> list[str]:
    """Return how far the moving scan was moved, and where space was turned inside out."""
    folds = "nowhere"
    if found.folded_share > 0.0:
        share = "less than 0.01%" if found.folded_share < 0.0001 else f"{found.folded_share:.2%}"
        folds = f"in {share} of the voxels, where the alignment cannot be right"
    return [
        f"The moving scan was moved by {moved_words(found)}.",
        f"Space is folded {folds}.",
    ]


def translation_words(found: TranslationReport) -> list[str]:
    """Return what was made, and that nobody measured it."""
    low, high = found.range
    unit = "" if found.unit == "none" else f" ({found.unit})"
    return [
        f"{SYNTHETIC} {found.makes}: made by a model, not by a scanner. What the source does not show is made up.",
        f"Values from {low:g} to {high:g}{unit}.",
    ]


def file_words(result: ResultReport) -> str:
    """Return which files this is a result of."""
    scans = [result.scan, *result.others.values()]
    return "".join(f"{_files([source.path for source in scan.sources])}. " for scan in scans if scan.sources)


def _files(paths: Sequence[str]) -> str:
    return Path(paths[0]).name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
