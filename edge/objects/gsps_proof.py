"""Proof that the lines of a presentation state lie on what was found, in patient millimetres where there are any."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Detections, Segmentation
from edge.objects.regions_place import (
    TOLERANCE_MM,
    TOLERANCE_PIXELS,
    Picture,
    Points,
    filled,
    is_in_space,
    near,
    on_grid_mm,
    points_mm,
    slice_of,
)
from edge.objects.subject import Subject
from edge.reasons import WRONG_PLACE

Key = tuple[str, int, int]
"""Kind, number and slice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One line as it was read back."""

    kind: str
    number: int
    picture: Picture
    points: Points


def prove(subject: Subject, files: Mapping[str, bytes]) -> None:
    """Read the files again and compare every box and outline with the findings.

    Raises
    ------
    edge.errors.OutputError
        ``W803``: a line lies elsewhere, is missing, or is one too many.
    """
    headers = {str(source.SOPInstanceUID): source for source in subject.sources}
    found: dict[Key, list[Drawn]] = {}
    slices: dict[Picture, int] = {}
    for data in files.values():
        for drawn in _drawn(pydicom.dcmread(io.BytesIO(data))):
            if drawn.picture not in slices:
                slices[drawn.picture] = _slice(subject, headers, drawn.picture)
            found.setdefault((drawn.kind, drawn.number, slices[drawn.picture]), []).append(drawn)
    expected = dict(_expected(subject))
    for key in {*found, *expected}:
        kind, number, z = key
        if key not in found or key not in expected:
            said = "is drawn where nothing was found" if key in found else "is not drawn"
            raise OutputError(f"Proving gsps.dcm: {kind} {number} {said}, on slice {z + 1}.", WRONG_PLACE)
        if not _agree(subject, headers, found[key], expected[key], z):
            raise OutputError(f"Proving gsps.dcm: {kind} {number} lies elsewhere, on slice {z + 1}.", WRONG_PLACE)


def _drawn(dataset: Dataset) -> Iterator[Drawn]:
    for annotation in dataset.GraphicAnnotationSequence:
        for reference in annotation.ReferencedImageSequence:
            picture = Picture(
                sop_instance_uid=str(reference.ReferencedSOPInstanceUID),
                frame=int(reference.get("ReferencedFrameNumber") or 1),
            )
            for line in annotation.get("GraphicObjectSequence") or []:
                if line.GraphicAnnotationUnits != "PIXEL":
                    raise OutputError("Proving gsps.dcm: a line is not in pixels of its picture.", WRONG_PLACE)
                _, kind, number = str(line.TrackingID).split()
                points = np.array(line.GraphicData, dtype=np.float64).reshape(-1, 2)
                yield Drawn(kind=kind, number=int(number), picture=picture, points=points)


def _slice(subject: Subject, headers: Mapping[str, Dataset], picture: Picture) -> int:
    """Which slice of the scan a picture is: in patient space by millimetres, else by the order of the frames."""
    header = headers.get(picture.sop_instance_uid)
    grid = subject.scan.grid
    if header is None:
        raise OutputError("Proving gsps.dcm: a line lies on a picture that was not examined.", WRONG_PLACE)
    if is_in_space(subject.scan):
        z = slice_of(header, picture, grid)
        if z is None:
            raise OutputError("Proving gsps.dcm: a line's picture lies in no slice of the scan.", WRONG_PLACE)
        return z
    source = next(n for n, each in enumerate(subject.sources) if str(each.SOPInstanceUID) == picture.sop_instance_uid)
    return subject.scan.places.index((source, picture.frame - 1))


def _expected(subject: Subject) -> Iterator[tuple[Key, Points | NDArray[np.bool_]]]:
    """The corners of each box on each slice that it reaches into, and the pixels of each outline."""
    findings = subject.findings
    shape = subject.scan.grid.shape
    if isinstance(findings, Detections):
        for number, box in enumerate(findings.boxes, start=1):
            z0, y0, x0, z1, y1, x1 = box.place.edges
            for z in range(shape[0]):
                if min(z1, z + 1) - max(z0, z) > TOLERANCE_PIXELS:
                    yield ("box", number, z), np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
            if box.mask is not None and box.mask.pixels.any():
                yield from _expected_masks(subject, number, box.mask.whole(), box.mask.grid.matrix)
    elif isinstance(findings, Segmentation):
        for index, region in enumerate(findings.regions):
            if region.positive:
                yield from _expected_masks(subject, index + 1, findings.mask(index), findings.grid.matrix)


def _expected_masks(
    subject: Subject, number: int, mask: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> Iterator[tuple[Key, NDArray[np.bool_]]]:
    """Slice by slice; of a plane across the slices nothing is drawn."""
    grid = subject.scan.grid
    if mask.shape[1:] != grid.shape[1:]:
        return
    for first in np.flatnonzero(mask.any(axis=(1, 2))):
        corner = np.linalg.solve(grid.matrix, matrix @ np.array([first, 0.0, 0.0, 1.0]))
        opposite = np.linalg.solve(grid.matrix, matrix @ np.array([first, grid.shape[1] - 1, grid.shape[2] - 1, 1.0]))
        z = round(float(corner[0]))
        if np.allclose(corner[:3], [z, 0, 0], atol=TOLERANCE_PIXELS) and np.allclose(
            opposite[:3], [z, grid.shape[1] - 1, grid.shape[2] - 1], atol=TOLERANCE_PIXELS
        ):
            yield ("outline", number, z), mask[first]


def _agree(
    subject: Subject,
    headers: Mapping[str, Dataset],
    drawn: list[Drawn],
    expected: Points | NDArray[np.bool_],
    z: int,
) -> bool:
    if expected.dtype == np.bool_:
        inside = filled([line.points for line in drawn], subject.scan.grid.shape[1:])
        return bool(np.array_equal(inside, expected))
    rectangle = np.asarray(expected, dtype=np.float64)
    corners = [line.points[:-1] for line in drawn]
    if len(corners) != 1 or corners[0].shape != rectangle.shape:
        return False
    if not is_in_space(subject.scan):
        return near(corners[0], rectangle, TOLERANCE_PIXELS)
    picture = drawn[0].picture
    measured = points_mm(headers[picture.sop_instance_uid], picture.frame, corners[0])
    return near(measured, on_grid_mm(subject.scan.grid, z, rectangle), TOLERANCE_MM)
