"""The report of a result -> the phrases that a picture and a screen say of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.findings import LabelScore, Region
from edge.geometry import Grid
from edge.site.named import SiteReport, threshold_word
from edge.words import kept_in_order, message, number, say, with_decimal_sign
from edge.write.planes import COUNTED
from edge.write.report import (
    NEEDS_A_READER,
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
    score_meaning,
    there_in,
    uncertain_in,
)

LEAST_MM2, LEAST_MM = 0.01, 0.1
"""Below, areas are told in square micrometres, and lengths in micrometres."""

REACHES = message("reaches the {threshold} {limit}")
HIGHEST_THOUGH_BELOW = message("the highest, though below the {threshold} {limit}")
BELOW = message("below the {threshold} {limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of words; `label` is the number of the label, from 0, whose colour repeats it."""

    text: str
    label: int | None = None


def headline(result: ResultReport) -> str:
    """Return what follows the state: what was found, looked for or made, or why there is nothing."""
    found = result.findings
    if found is None:
        return "".join(say(": {words}", words=reason.code) for reason in result.reasons[:1])
    if found.kind == "registration":
        return say(": two scans registered. Nothing was looked for")
    if found.kind == "translation":
        return say(": {synthetic} {makes}. Nothing was looked for", synthetic=SYNTHETIC, makes=found.makes)
    if not looked_for(found):
        return say(": {there}. Nothing was looked for", there=listed(there_in(found)) or say("nothing marked"))
    said, unsure = found_in(found), uncertain_in(found)
    if not said and unsure:
        return say(": needs a reader for {titles}", titles=listed(unsure))
    if not said:
        return say(": looked for {titles} only", titles=listed(looked_for(found)))
    urgencies = {urgency for _, urgency in said}
    urgent = next((word for word in ("urgent", "soon") if word in urgencies), None)
    names = [title for title, _ in said]
    there = listed(_with(name, NEEDS_A_READER) if name in unsure else name for name in names)
    told = say(": {words}", words=there)
    others = [name for name in unsure if name not in names]
    doubt = say("; needs a reader for {titles}", titles=listed(others)) if others else ""
    return (f" ({say(urgent)})" if urgent else "") + told + doubt


def listed(items: Iterable[str]) -> str:
    """Return several words in one line."""
    return say(", ").join(kept_in_order(item) for item in items)


def _with(title: str, remark: str) -> str:
    return say("{title} ({remark})", title=title, remark=say(remark))


def label_lines(result: ResultReport) -> tuple[list[Line], list[str]]:
    """Return a line for each thing that was said, what was found first; and what they have in common."""
    found = result.findings
    if found is None:
        return [], []
    lines, common = _lines(found, result.scan.grid, result.site)
    return lines, common if looked_for(found) else [*common, say(NOTHING_LOOKED_FOR)]


def _lines(found: FindingsReport, grid: Grid | None, site: SiteReport | None) -> tuple[list[Line], list[str]]:
    if found.kind == "segmentation":
        numbered = sorted(enumerate(found.regions), key=lambda pair: _gravity(pair[1]))
        told = [(n, f"{region_words(region, grid)}{_urgency_words(region)}") for n, region in numbered]
        lines = [Line(text=f"{n + 1}. {text}", label=n) for n, text in told]
        return lines, []
    if found.kind == "detection":
        return _box_lines(found, grid), [say(UNCALIBRATED)]
    if found.kind == "registration":
        return [Line(text=text) for text in registration_words(found)], []
    if found.kind == "translation":
        return [Line(text=text) for text in translation_words(found)], []
    ranked = sorted(found.labels, key=_gravity_of_label)
    lines = [Line(text=_score_words(item, threshold_word(site, item.name))) for item in ranked]
    return lines, [*tile_words(found, ranked[0].name), score_meaning(found.labels)]


def map_words(found: ClassificationReport) -> list[str]:
    """Return what the deletion test said of the influence maps, where it was asked for."""
    titles = {item.name: item.title for item in found.labels}
    passed = message("Deletion test of the map of {title}: passed, it beats all {orders} random orders.")
    failed = message("Deletion test of the map of {title}: failed, it beats {beaten} of {orders} random orders.")
    return [
        say(passed if item.holds else failed, title=titles[item.label], beaten=item.beaten, orders=item.orders)
        for item in found.faithfulness
    ]


def _urgency_words(item: LabelScore | Region | BoxReport) -> str:
    """Why a finding is as urgent as it is, where the pack has rules for that."""
    if item.urgency is None or item.urgency_reason is None:
        return ""
    return f"{say('; ')}{say('{urgency}: {reason}', urgency=say(item.urgency), reason=item.urgency_reason)}"


def tile_words(found: ClassificationReport, label: str) -> list[str]:
    """Return the rule by which the scores of windows became that of the picture, and where the best of a label lies."""
    if found.tilewise is None:
        return []
    tiles = found.tilewise.tiles
    best = next((tile for tile in found.tilewise.best if tile.label == label), None)
    if best is None:
        return [say("The score is the highest of {tiles} windows.", tiles=tiles)]
    top, left, bottom, right = best.box
    words = message(
        "The score is the highest of {tiles} windows: "
        "at row {top} to {bottom}, column {left} to {right} of the picture."
    )
    return [say(words, tiles=tiles, top=top + 1, bottom=bottom + 1, left=left + 1, right=right + 1)]


def _gravity_of_label(item: LabelScore) -> tuple[bool, bool, float]:
    """What was found comes first, then what a reader must settle, then what has the higher score."""
    return not (item.positive and item.finding), not item.uncertain, -item.score


def _gravity(region: Region) -> tuple[bool, bool, int]:
    """What was found comes first, then what is a finding, then what is larger, as on the pictures."""
    return not region.positive, not region.finding, -region.pixels


def _score_words(item: LabelScore, called: str) -> str:
    score, limit = item.score, item.threshold
    likely = [probability_words(item)] if item.probability is not None else []
    if limit is None:
        there = [say("said to be there")] if item.positive else []
        return _said(item.title, [*likely, say("score {score}", score=number(score, 2)), *there])
    digits = next((n for n in (2, 3, 4, 5) if f"{score:.{n}f}" != f"{limit:.{n}f}"), 2)
    reaches = np.float32(score) >= np.float32(limit)
    words = REACHES if reaches else HIGHEST_THOUGH_BELOW if item.positive else BELOW
    side = say(words, threshold=say(called), limit=number(limit, digits))
    doubt = f"{say('; ')}{say(NEEDS_A_READER)}" if item.uncertain else ""
    told = _said(item.title, [*likely, say("score {score}", score=number(score, digits)), side])
    return f"{told}{_urgency_words(item)}{doubt}"


def _said(title: str, words: Sequence[str]) -> str:
    return say("{title}: {words}", title=title, words=say(", ").join(words))


def probability_words(item: LabelScore) -> str:
    """Return the calibrated probability, never as a certainty; of a label without one, that there is none.

    Examples
    --------
    >>> said = LabelScore(
    ...     name="a", title="A", code=None, score=1.0, threshold=None, positive=True, finding=True, urgency=None
    ... )
    >>> probability_words(said)
    'uncalibrated score'
    """
    if item.probability is None:
        return say("uncalibrated score")
    inside = min(max(item.probability, 0.01), 0.99)
    words = message("calibrated probability {number}")
    if inside != item.probability:
        above = message("calibrated probability above {number}")
        words = message("calibrated probability below {number}") if item.probability < inside else above
    return say(words, number=number(inside, 2))


def region_words(region: Region, grid: Grid | None) -> str:
    """Return what was measured of a region: an area, or of a volume millilitres, longest diameter and slices."""
    if not region.positive:
        return _said(region.title, [say("not found")])
    if region.slices is not None:
        return _said(region.title, _volume_words(region, region.slices, grid))
    if region.area_mm2 is None:
        return _said(region.title, [pixel_words(region.pixels), say("area unknown (no pixel size)")])
    return _said(region.title, [pixel_words(region.pixels), area_words(region.area_mm2)])


def pixel_words(pixels: int) -> str:
    """Return a count of pixels."""
    return say("{count} pixels", count=pixels)


def area_words(area_mm2: float) -> str:
    """Return an area as a person reads it; what a microscope shows in square micrometres.

    Examples
    --------
    >>> area_words(431.7), area_words(2.345), area_words(0.000153)
    ('432 mm2', '2.35 mm2', '153 um2')
    """
    if area_mm2 < LEAST_MM2:
        return kept_in_order(f"{area_mm2 * 1e6:.0f} um2")
    return kept_in_order(f"{number(area_mm2, 0 if area_mm2 >= 10.0 else 2)} mm2")


def _volume_words(region: Region, slices: tuple[int, int], grid: Grid | None) -> list[str]:
    """Slices are counted from 1 here, as a viewer counts them."""
    first, last = slices
    told = say("{count} voxels", count=region.pixels) if region.volume_ml is None else _millilitres(region.volume_ml)
    words = [told]
    if region.diameter_mm is not None and region.diameter_slice is not None:
        length = f"{number(region.diameter_mm, 1)} mm"
        words.append(say("longest diameter {length} (slice {slice})", length=length, slice=region.diameter_slice + 1))
    if grid is None:
        words.append(say("slices {first} to {last}", first=first + 1, last=last + 1))
    else:
        total = grid.shape[0]
        words.append(say("slices {first} to {last} of {total}", first=first + 1, last=last + 1, total=total))
    if region.components is not None and region.components > 1:
        words.append(say("{count} pieces", count=region.components))
    return words


def _millilitres(volume_ml: float) -> str:
    """Three digits at least, as far as a volume is told at all."""
    digits = next((n for least, n in ((100.0, 0), (10.0, 1), (1.0, 2)) if volume_ml >= least), 3)
    return kept_in_order(f"{number(volume_ml, digits)} mL")


def _box_lines(found: DetectionReport, grid: Grid | None) -> list[Line]:
    names = [label.name for label in found.labels]
    return [
        Line(text=f"{number}. {box_words(box, grid)}{_urgency_words(box)}", label=names.index(box.name))
        for number, box in enumerate(found.boxes, start=1)
    ]


def box_words(box: BoxReport, grid: Grid | None) -> str:
    """Return the score and the size of a box, and of a volume its slices."""
    words = [scored(box.score, box.threshold), _size_words(box)]
    if grid is not None and grid.shape[0] > 1:
        words.append(_slices_words(box, grid.shape[0]))
    if box.enclosing:
        words.append(say("at most: it lies obliquely"))
    if box.clipped:
        words.append(say("cut off at the border"))
    return _said(box.title, words)


def scored(score: float, threshold: float | None, called: str = "threshold") -> str:
    """Return a score, with its threshold where it has one."""
    if threshold is None:
        return say("score {score}", score=number(score, 2))
    told = number(score, 2), number(threshold, 2)
    return say("score {score} ({threshold} {limit})", score=told[0], threshold=say(called), limit=told[1])


def _size_words(box: BoxReport) -> str:
    """Width first, as pictures are measured, then height, then depth."""
    known = [length for length in reversed(box.size_mm) if length is not None]
    if known and max(known) < LEAST_MM:
        sizes = " x ".join(number(length * 1000, int(length < LEAST_MM / 10)) for length in known)
        return kept_in_order(f"{sizes} um")
    if known:
        return kept_in_order(f"{' x '.join(number(length, 1) for length in known)} mm")
    _, height, width = (box.edges[axis + 3] - box.edges[axis] for axis in range(3))
    return say("{size} pixels, size in mm unknown", size=f"{width:.0f} x {height:.0f}")


def _slices_words(box: BoxReport, total: int) -> str:
    first, last = math.floor(box.edges[0]) + 1, math.ceil(box.edges[3])
    if first >= last:
        return say("slice {number} of {total}", number=first, total=total)
    return say("slices {first} to {last} of {total}", first=first, last=last, total=total)


def seen_words(seen: SliceReport) -> str:
    """Return which slice or frame of how many the model saw, counted from 1 as a viewer counts them."""
    return say(COUNTED[seen.across], number=seen.index + 1, total=seen.count)


def seen_alone_words(seen: SliceReport) -> str:
    """Return that the model saw this slice or frame, and no more."""
    return say("Seen: {slice}, and nothing else of the scan.", slice=seen_words(seen))


def moved_words(found: RegistrationReport) -> str:
    """Return by how much the moving scan was moved."""
    if found.mean_mm is None or found.largest_mm is None:
        return say("a length that is not told, as the files do not give its unit")
    mean, largest = f"{number(found.mean_mm, 1)} mm", f"{number(found.largest_mm, 1)} mm"
    return say("{mean} on average, {largest} at most", mean=mean, largest=largest)


def registration_words(found: RegistrationReport) -> list[str]:
    """Return how far the moving scan was moved, and where space was turned inside out."""
    folds = say("Space is folded nowhere.")
    if found.folded_share > 0.0:
        share = with_decimal_sign("0.01%" if found.folded_share < 0.0001 else f"{found.folded_share:.2%}")
        share = say("less than {share}", share=share) if found.folded_share < 0.0001 else share
        folds = say("Space is folded in {share} of the voxels, where the alignment cannot be right.", share=share)
    return [say("The moving scan was moved by {moved}.", moved=moved_words(found)), folds]


def translation_words(found: TranslationReport) -> list[str]:
    """Return what was made, and that nobody measured it."""
    low, high = found.range
    unit = "" if found.unit == "none" else f" ({found.unit})"
    made = message("{synthetic} {makes}: made by a model, not by a scanner. What the source does not show is made up.")
    ends = (with_decimal_sign(f"{value:g}") for value in (low, high))
    return [
        say(made, synthetic=SYNTHETIC, makes=found.makes),
        say("Values from {low} to {high}.", low=next(ends), high=f"{next(ends)}{unit}"),
    ]


def file_words(result: ResultReport) -> str:
    """Return which files this is a result of."""
    scans = [result.scan, *result.others.values()]
    return "".join(f"{_files([source.path for source in scan.sources])}. " for scan in scans if scan.sources)


def _files(paths: Sequence[str]) -> str:
    name = Path(paths[0]).name
    return say("{file} and {count} more", file=name, count=len(paths) - 1) if len(paths) > 1 else name
