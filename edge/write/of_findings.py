"""Findings -> what the report says of them; lengths are withheld where their unit is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from edge.findings import (
    Classification,
    Detection,
    Detections,
    Findings,
    Region,
    Registration,
    Segmentation,
)
from edge.geometry import slice_seen
from edge.scan import Scan
from edge.write.planes import crossing
from edge.write.report import (
    BoxReport,
    ClassificationReport,
    DetectionReport,
    FindingsReport,
    RegistrationReport,
    SegmentationReport,
    SliceReport,
    TranslationReport,
    score_meaning,
)

ACROSS: tuple[Literal["slice"], Literal["row"], Literal["column"]] = ("slice", "row", "column")


def findings_report(findings: Findings, *, lengths_told: bool = True) -> FindingsReport:
    """Return the findings in the report's types.

    Parameters
    ----------
    lengths_told : bool
        Whether the unit of the scan's lengths is known; else no length, area, volume or place in millimetres is given.
    """
    if isinstance(findings, Classification):
        mapped = tuple(shown.label for shown in findings.maps)
        return ClassificationReport(
            labels=findings.labels,
            grade=findings.grade,
            mapped=mapped,
            tilewise=findings.tilewise,
            score_meaning=score_meaning(findings.labels),
            map_rule=findings.map_rule,
            faithfulness=findings.faithfulness,
        )
    if isinstance(findings, Segmentation):
        regions = tuple(item if lengths_told else _without_lengths(item) for item in findings.regions)
        grid = findings.grid if findings.in_windows else None
        return SegmentationReport(regions=regions, exclusive=findings.exclusive, grid=grid)
    if isinstance(findings, Detections):
        boxes = tuple(_box_report(box, lengths_told=lengths_told) for box in findings.boxes)
        return DetectionReport(boxes=boxes, labels=findings.labels, outside=findings.outside)
    if isinstance(findings, Registration):
        return RegistrationReport(
            mean_mm=findings.mean_mm if lengths_told else None,
            largest_mm=findings.largest_mm if lengths_told else None,
            folded_share=findings.folded_share,
            labels=() if findings.labels is None else findings.labels.counts,
        )
    return TranslationReport(makes=findings.makes, unit=findings.unit, range=findings.range)


def slice_report(scan: Scan, findings: Findings) -> SliceReport | None:
    """Return which slice or frame was seen; None where it was the whole scan."""
    if scan.grid.shape[0] == 1 or findings.grid.shape[0] != 1:
        return None
    axis, at = crossing(scan.grid, slice_seen(scan.grid, findings.grid))
    source, frame = scan.places[at] if axis == 0 else (None, None)
    return SliceReport(
        across="frame" if scan.stack == "frames" and axis == 0 else ACROSS[axis],
        index=at,
        count=scan.grid.shape[axis],
        source=source,
        frame=frame,
    )


def _without_lengths(region: Region) -> Region:
    return replace(region, area_mm2=None, volume_ml=None, diameter_mm=None, diameter_slice=None)


def _box_report(box: Detection, *, lengths_told: bool) -> BoxReport:
    return BoxReport(
        name=box.name,
        title=box.title,
        code=box.code,
        score=box.score,
        threshold=box.threshold,
        positive=box.positive,
        finding=box.finding,
        urgency=box.urgency,
        edges=box.place.edges,
        size_mm=box.place.size_mm if lengths_told else (None, None, None),
        centre_mm=box.place.centre_mm if lengths_told else None,
        enclosing=box.place.enclosing,
        clipped=box.place.clipped,
        mask_pixels=None if box.mask is None else int(box.mask.pixels.sum()),
        urgency_reason=box.urgency_reason,
    )
