"""Proof that the regions of a structured report lie where boxes and outlines were found, in patient millimetres."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Detections, Segmentation
from edge.objects.regions_place import TOLERANCE_MM, TOLERANCE_PIXELS, Points, points_mm, same_points
from edge.objects.subject import Subject
from edge.reasons import WRONG_PLACE

GROUP, TRACKING, REFERENCED_SEGMENT = "125007", "112040", "121191"
"""Of the scheme DCM: Measurement Group, Tracking Unique Identifier, Referenced Segment."""
Bounds = tuple[float, float, float, float, float, float]


def prove(subject: Subject, files: Mapping[str, bytes]) -> None:
    """Read the report again and compare every region with the findings.

    Raises
    ------
    edge.errors.OutputError
        ``W803``: a region lies elsewhere, is missing, or is one too many.
    """
    expected = {subject.identity.uid("tracking", kind, number): edges for kind, number, edges in _expected(subject)}
    found: set[str] = set()
    for data in files.values():
        for group in _groups(pydicom.dcmread(io.BytesIO(data))):
            uid = next(str(item.UID) for item in group if _code(item) == TRACKING)
            space = [item for item in group if item.ValueType == "SCOORD3D"]
            flat = [item for item in group if item.ValueType == "SCOORD"]
            segment = any(_code(item) == REFERENCED_SEGMENT for item in group)
            if not (space or flat or segment):
                continue
            found.add(uid)
            if uid not in expected:
                raise OutputError("Proving sr.dcm: a region lies where nothing was found.", WRONG_PLACE)
            if not segment and not (_in_space if space else _on_pictures)(subject, [*space, *flat], expected[uid]):
                raise OutputError("Proving sr.dcm: a region lies elsewhere than what was found.", WRONG_PLACE)
    if missing := len(set(expected) - found):
        raise OutputError(f"Proving sr.dcm: {missing} regions are missing.", WRONG_PLACE)


def _groups(dataset: Dataset) -> Iterator[list[Dataset]]:
    """The items of every measurement group."""
    for item in dataset.get("ContentSequence") or []:
        if _code(item) == GROUP:
            yield list(item.ContentSequence)
        else:
            yield from _groups(item)


def _code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].get("CodeValue", "")) if "ConceptNameCodeSequence" in item else ""


def _expected(subject: Subject) -> Iterator[tuple[str, int, Bounds]]:
    """The edges of every box, and of the least box around the voxels of every region, on the whole scan."""
    findings = subject.findings
    if isinstance(findings, Detections):
        for number, box in enumerate(findings.boxes, start=1):
            yield "box", number, box.place.edges
    elif isinstance(findings, Segmentation) and (findings.in_windows or subject.is_slide):
        yield from _expected_in_windows(subject, findings)
    elif isinstance(findings, Segmentation):
        to_scan = np.linalg.solve(subject.scan.grid.matrix, findings.grid.matrix)
        for index, region in enumerate(findings.regions):
            ends = _ends(findings.mask(index)) if region.positive else None
            if ends is not None:
                moved = ends @ to_scan[:3, :3].T + to_scan[:3, 3]
                low, high = moved.min(axis=0) - 0.5, moved.max(axis=0) + 0.5
                z0, y0, x0, z1, y1, x1 = (float(edge) + 0.5 for edge in (*low, *high))
                yield "region", index + 1, (z0, y0, x0, z1, y1, x1)


def _expected_in_windows(subject: Subject, findings: Segmentation) -> Iterator[tuple[str, int, Bounds]]:
    """By the least boxes of the report, as the labels of what was seen in windows may lie on the disk."""
    whole = subject.result.scan.grid or subject.scan.grid
    to_whole = np.linalg.solve(whole.matrix, findings.grid.matrix)
    for number, region in enumerate(findings.regions, start=1):
        if region.positive and region.box is not None:
            top, left, bottom, right = region.box
            ends = np.array([[-0.5, top - 0.5, left - 0.5], [0.5, bottom + 0.5, right + 0.5]])
            moved = ends @ to_whole[:3, :3].T + to_whole[:3, 3] + 0.5
            z0, y0, x0 = np.clip(moved.min(axis=0), 0.0, whole.shape)
            z1, y1, x1 = np.clip(moved.max(axis=0), 0.0, whole.shape)
            yield "region", number, (float(z0), float(y0), float(x0), float(z1), float(y1), float(x1))


def _ends(mask: NDArray[np.bool_]) -> Points | None:
    """The first and the last index of what is set, along each axis; None where nothing is."""
    along = [np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    if not along[0].size:
        return None
    return np.array([[each[0] for each in along], [each[-1] for each in along]], dtype=np.float64)


def _in_space(subject: Subject, items: list[Dataset], edges: Bounds) -> bool:
    """By the headers of the first and the last slice alone: each corner, or those of the plane through the middle."""
    uid = str(subject.sources[0].FrameOfReferenceUID)
    if any(str(item.ReferencedFrameOfReferenceUID) != uid for item in items):
        return False
    found = np.concatenate([np.array(item.GraphicData, dtype=np.float64).reshape(-1, 3) for item in items])
    whole = [(edges[axis], edges[axis + 3]) for axis in range(3)]
    if same_points(found, _corners_mm(subject, whole), TOLERANCE_MM):
        return True
    unknown = _axes_unknown(subject, items, edges)
    flat = [((low + high) / 2,) * 2 if axis in unknown else (low, high) for axis, (low, high) in enumerate(whole)]
    return bool(unknown) and same_points(found, _corners_mm(subject, flat), TOLERANCE_MM)


def _axes_unknown(subject: Subject, items: list[Dataset], edges: Bounds) -> list[int]:
    """Along which axes a box has no size: then, and only then, one plane stands for it."""
    findings = subject.findings
    if len(items) != 1:
        return []
    if not isinstance(findings, Detections):
        return [0] if subject.scan.grid.shape[0] == 1 else []
    box = next(box for box in findings.boxes if box.place.edges == edges)
    return [axis for axis, size in enumerate(box.place.size_mm) if size is None]


def _corners_mm(subject: Subject, edges: Sequence[tuple[float, ...]]) -> Points:
    """Corners of a box in LPS; what lies between or beyond the slices is on the line through the outermost two."""
    columns, rows = edges[2], edges[1]
    flat = np.array([[x, y] for y in rows for x in columns])
    return np.concatenate([_at_edge_mm(subject, z, flat) for z in edges[0]])


def _at_edge_mm(subject: Subject, edge: float, points: Points) -> Points:
    """Points of the plane at this edge across the slices; slice z is centred at z + 1/2."""
    places = subject.scan.places
    (first, first_frame), (last, last_frame) = places[0], places[-1]
    start = points_mm(subject.sources[first], first_frame + 1, points)
    if len(places) == 1:
        normal = np.array(subject.scan.grid.affine)[:3, 0]
        return np.asarray(start + (edge - 0.5) * normal)
    end = points_mm(subject.sources[last], last_frame + 1, points)
    return np.asarray(start + (edge - 0.5) / (len(places) - 1) * (end - start))


def _on_pictures(subject: Subject, items: list[Dataset], edges: Bounds) -> bool:
    """On every picture that the box reaches into, and on no other, the rectangle of its edges."""
    z0, y0, x0, z1, y1, x1 = edges
    crossed = [z for z in range(len(subject.scan.places)) if min(z1, z + 1) - max(z0, z) > TOLERANCE_PIXELS]
    wanted = [subject.scan.places[z] for z in crossed]
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    found = []
    for item in items:
        reference = item.ContentSequence[0].ReferencedSOPSequence[0]
        on_whole = item.get("PixelOriginInterpretation") == "VOLUME" and "ReferencedFrameNumber" not in reference
        if on_whole != subject.is_slide:
            return False
        uids = [str(source.SOPInstanceUID) for source in subject.sources]
        frame = int(reference.get("ReferencedFrameNumber") or 1) - 1
        found.append((uids.index(str(reference.ReferencedSOPInstanceUID)), frame))
        points = np.array(item.GraphicData, dtype=np.float64).reshape(-1, 2)
        if not same_points(points, corners, TOLERANCE_PIXELS):
            return False
    return sorted(found) == sorted(wanted)
