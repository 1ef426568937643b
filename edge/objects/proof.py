"""Proof of place: a segmentation is read back by other code than wrote it, and compared with what was found.

Every voxel must be there once, in its segment, and lie in the patient where it was found: on the grid of the findings,
and on the very frame of the source by that frame's own header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import OutputError
from edge.findings import Detections, Segmentation
from edge.geometry import Grid
from edge.objects.frames import frames_seen
from edge.objects.reread import Frame, Reference, frames_in, plane_of
from edge.objects.segments import grid_outlined
from edge.objects.subject import Subject
from edge.objects.tiles_proof import prove_tiles
from edge.reasons import WRONG_PLACE

Floats = NDArray[np.float64]
Outlines = Segmentation | Detections

ON_GRID = (0.25, 0.6, 0.6)
"""Voxels along z, y and x: how far a corner may lie from its place on the grid. Reading accepts slices that lie a
little beside an even stack (`edge.read.dicom.arrange`); a fault would be a whole voxel."""
AS_TOLD = 0.01
"""Pixels: how far a corner may lie from where the source's own header puts it."""


def prove_seg(subject: Subject, files: Mapping[str, bytes]) -> None:
    """Compare every voxel of the segmentations in `files` with what was found.

    Raises
    ------
    OutputError
        ``W803``: a voxel is missing, is there twice, or lies in another place than it was found in; or a frame refers
        to another one than it was drawn on.
    """
    findings = subject.findings
    if subject.is_slide and isinstance(findings, Segmentation):
        prove_tiles(subject, findings, files)
        return
    grid = grid_outlined(findings) if isinstance(findings, (Segmentation, Detections)) else None
    if grid is None or not isinstance(findings, (Segmentation, Detections)):
        raise _wrong("it outlines what was not found")
    missing = {(index, z) for index in range(_count(findings)) for z in _slices(findings, index)}
    order = sorted({index for index, _ in missing})
    corners = np.stack([_corners(grid, z) for z in range(grid.shape[0])])
    for frame in frames_in(files):
        index = order[frame.segment] if frame.segment < len(order) else -1
        z = _slice_of(frame, grid, corners)
        if (index, z) not in missing:
            raise _wrong("a frame outlines what was not found, or is there twice")
        missing.remove((index, z))
        if not frame.label.startswith(_title(findings, index)[:50]):
            raise _wrong("a segment has the name of another one")
        if not np.array_equal(frame.pixels, _mask(findings, index, z)):
            raise _wrong("a frame has other pixels than were found")
        _check_source(frame, subject, z)
    if missing:
        raise _wrong(f"{len(missing)} slices of segments are missing")


def _wrong(words: str) -> OutputError:
    return OutputError(f"Reading the segmentation back: {words}.", WRONG_PLACE)


def _count(findings: Outlines) -> int:
    return len(findings.regions) if isinstance(findings, Segmentation) else len(findings.boxes)


def _title(findings: Outlines, index: int) -> str:
    return findings.regions[index].title if isinstance(findings, Segmentation) else findings.boxes[index].title


def _slices(findings: Outlines, index: int) -> list[int]:
    """The slices in which a region or a box has any pixel."""
    if isinstance(findings, Segmentation):
        return [z for z in range(findings.grid.shape[0]) if bool(_mask(findings, index, z).any())]
    mask = findings.boxes[index].mask
    return [0] if mask is not None and bool(mask.pixels.any()) else []


def _mask(findings: Outlines, index: int, z: int) -> NDArray[np.bool_]:
    """One slice of a region or box, bool (y, x)."""
    if isinstance(findings, Segmentation):
        codes: NDArray[Any] = findings.codes[z]
        return np.asarray(
            codes == index + 1 if findings.exclusive else (codes >> codes.dtype.type(index)) & 1, np.bool_
        )
    mask = findings.boxes[index].mask
    return np.zeros((0, 0), np.bool_) if mask is None else mask.whole()[0]


def _corners(grid: Grid, z: int = 0) -> Floats:
    """The centres of the four corner pixels of a slice, in millimetres: shape (4, 3)."""
    _, rows, columns = grid.shape
    indices = np.array([[z, y, x, 1.0] for y in (0, rows - 1) for x in (0, columns - 1)])
    placed: Floats = (indices @ grid.matrix.T)[:, :3]
    return placed


def _slice_of(frame: Frame, grid: Grid, corners: Floats) -> int:
    """The slice on which a frame lies, corner by corner, in patient millimetres; `corners` are those of each slice."""
    if frame.pixels.shape != grid.shape[1:]:
        raise _wrong(f"a frame has {frame.pixels.shape} pixels, expected {grid.shape[1:]}")
    if grid.space != "patient":
        return 0
    if frame.grid is None:
        raise _wrong("a frame does not say where it lies in the patient")
    offsets = _corners(frame.grid) - corners
    z = int(np.argmin(np.abs(offsets).sum(axis=(1, 2))))
    _, dy, dx = grid.steps
    across = grid.steps[0] if grid.shape[0] > 1 else min(dy, dx)
    axes = grid.matrix[:3, :3] / np.array(grid.steps)
    apart = np.abs(offsets[z] @ np.linalg.inv(axes).T) / np.array([across, dy, dx])
    if bool(np.any(apart > np.array(ON_GRID))):
        worst = ", ".join(f"{value:.2f}" for value in apart.max(axis=0))
        raise _wrong(f"a frame lies {worst} voxels along z, y and x from where it was found")
    return z


def _check_source(frame: Frame, subject: Subject, z: int) -> None:
    """A frame must refer to the one that it was drawn on, and lie where that one's own header puts it."""
    seen = frames_seen(subject)[z]
    expected: Reference | None = None
    if seen is not None:
        source = subject.sources[seen.source]
        expected = str(source.SOPInstanceUID), seen.frame + 1
        told = plane_of(source, seen.frame)
        if told is not None and frame.grid is not None:
            apart = np.abs(_corners(frame.grid) - _corners(told)).max() / min(told.steps[1:])
            if apart > AS_TOLD:
                raise _wrong(f"a frame lies {apart:.2f} pixels from where the source's header puts it")
    if frame.refers != expected:
        raise _wrong("a frame refers to another one than it was drawn on")
