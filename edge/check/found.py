"""What must be said beside findings, once the model has run: what it did not see, and what its answer lacks."""

from __future__ import annotations

from collections.abc import Mapping

from edge.findings import Classification, Detections, Findings, Notice, Registration, Translation
from edge.pack.manifest import ClassificationTask, Manifest, RegistrationTask, TranslationTask
from edge.prepare.together import frames_differ
from edge.reasons import BOXES_OUTSIDE, CONSTANT_MAP, FOLDED, GLASS_SKIPPED, MORE_BOXES, NO_COMMON_PLACE, PART_SEEN
from edge.register.labels import said_of_lost
from edge.scan import Scan

SEEN = 0.99
"""Of a scan at least: less is a part of it, which must be said; what rounding cuts off is not."""


def said_of_frames(scans: Mapping[str, Scan], manifest: Manifest) -> tuple[Notice, ...]:
    """Return a warning where two scans that are registered start from headers that cannot be compared."""
    task = manifest.task
    if not isinstance(task, RegistrationTask) or not frames_differ(scans[task.fixed], scans[task.moving]):
        return ()
    detail = "Found two frames of reference (0020,0052): the headers give no more than a start."
    return (Notice(reason=NO_COMMON_PLACE, severity="warn", detail=detail),)


def said_of_findings(findings: Findings, seen: Mapping[str, float], manifest: Manifest) -> tuple[Notice, ...]:
    """Return the warnings that findings bring along.

    Parameters
    ----------
    seen : mapping
        By name of input: how much of the scan the model saw, from 0 to 1.
    """
    said = _of_part(seen, manifest) + _of_maps(findings, manifest) + _of_folds(findings) + _of_boxes(findings)
    return said + said_of_lost(findings) + _of_glass(findings)


def _of_glass(findings: Findings) -> tuple[Notice, ...]:
    """A warning where windows of a slide were not fed."""
    skipped = None if isinstance(findings, (Registration, Translation)) else findings.skipped
    if skipped is None:
        return ()
    detail = f"{skipped.windows} of {skipped.of} windows."
    return (Notice(reason=GLASS_SKIPPED, severity="warn", detail=detail),)


def _of_part(seen: Mapping[str, float], manifest: Manifest) -> tuple[Notice, ...]:
    """A warning where something was looked for in a part of the scan only."""
    if isinstance(manifest.task, (RegistrationTask, TranslationTask)):
        return ()
    missed = [f"{share:.0%} of the scan as {name!r}" for name, share in seen.items() if share < SEEN]
    detail = f"The model saw {', '.join(missed)}."
    return (Notice(reason=PART_SEEN, severity="warn", detail=detail),) if missed else ()


def _of_maps(findings: Findings, manifest: Manifest) -> tuple[Notice, ...]:
    """A warning where the pack promises an influence map and the model gave one without any contrast."""
    task = manifest.task
    if not isinstance(findings, Classification) or not isinstance(task, ClassificationTask) or not task.map_output:
        return ()
    mapped = {shown.label for shown in findings.maps}
    flat = [item.title for item in findings.labels if item.finding and item.name not in mapped]
    return tuple(Notice(reason=CONSTANT_MAP, severity="warn", detail=f"Label {title!r}.") for title in flat)


def _of_folds(findings: Findings) -> tuple[Notice, ...]:
    """A warning where a registration turns space inside out."""
    if not isinstance(findings, Registration) or findings.folded_share == 0.0:
        return ()
    detail = f"{findings.folded_share:.2%} of the voxels."
    return (Notice(reason=FOLDED, severity="warn", detail=detail),)


def _of_boxes(findings: Findings) -> tuple[Notice, ...]:
    """Warnings where a detector marked what lies outside the picture, or more than its pack keeps."""
    if not isinstance(findings, Detections):
        return ()
    said = []
    if findings.outside:
        detail = f"{findings.outside} left out, {len(findings.boxes)} kept."
        said.append(Notice(reason=BOXES_OUTSIDE, severity="warn", detail=detail))
    if findings.more:
        detail = f"The surest {len(findings.boxes)} are kept."
        said.append(Notice(reason=MORE_BOXES, severity="warn", detail=detail))
    return tuple(said)
