"""Headers that highdicom builds on: one for each slice, with nothing in them but UIDs and numbers of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pydicom.valuerep import DS

from edge.geometry import Grid
from edge.objects.frames import PlaneTold, SourceFrame, plane_told
from edge.objects.subject import Subject

FRAME_OF_REFERENCE = "frame-of-reference"
"""Role of the UID of the space in which a scan lies that has a place, and no name for where it is."""

_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
SINGLE_FRAME = SecondaryCaptureImageStorage
"""A class of one frame, which may lie in the patient and need not."""

_NOWHERE = PlaneTold(position=None, orientation=None, spacing=None, thickness=None)


def clean_source(source: Dataset) -> Dataset:
    """Return what refers to a source and says nothing of the patient: highdicom refuses values that others accept."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, str(source[keyword].value))
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.Modality = str(source.get("Modality") or "OT")
    return dataset


def clean_slices(subject: Subject, grid: Grid, frames: Sequence[SourceFrame | None]) -> list[Dataset]:
    """Return one header of a single frame for each z of `grid`, which lies where the source's own header puts it.

    Where a slice is no frame of a source, or that frame does not say where it lies, it lies where `grid` puts it.
    """
    first = _told(subject, frames[0])
    return [_slice(subject, grid, z, _told(subject, frame), first) for z, frame in enumerate(frames)]


def _told(subject: Subject, frame: SourceFrame | None) -> PlaneTold:
    return _NOWHERE if frame is None else plane_told(subject.sources[frame.source], frame.frame)


def _slice(subject: Subject, grid: Grid, z: int, told: PlaneTold, first: PlaneTold) -> Dataset:
    source = subject.sources[0]
    dataset = clean_source(source)
    # Several may be frames of one file, which highdicom would ask for as such; what is referred to is written anew.
    dataset.SOPClassUID, dataset.SOPInstanceUID = SINGLE_FRAME, subject.identity.uid("slice", z)
    _, dataset.Rows, dataset.Columns = grid.shape
    if grid.space != "patient":
        return dataset
    dataset.FrameOfReferenceUID = str(source.get("FrameOfReferenceUID") or subject.identity.uid(FRAME_OF_REFERENCE))
    dataset.PositionReferenceIndicator = source.get("PositionReferenceIndicator")
    _, dy, dx = grid.steps
    position = (grid.matrix @ np.array([z, 0.0, 0.0, 1.0]))[:3]
    cosines = [*(grid.matrix[:3, 2] / dx), *(grid.matrix[:3, 1] / dy)]
    whole = told.position is not None and first.orientation is not None and first.spacing is not None
    dataset.ImagePositionPatient = _decimals(told.position if whole else position)
    dataset.ImageOrientationPatient = _decimals(first.orientation if whole else cosines)
    dataset.PixelSpacing = _decimals(first.spacing if whole else (dy, dx))
    dataset.SliceThickness = DS(first.thickness or grid.steps[0], auto_format=True)
    if grid.shape[0] > 1:
        dataset.SpacingBetweenSlices = DS(grid.steps[0], auto_format=True)
    return dataset


def _decimals(values: Iterable[Any] | None) -> list[Any]:
    return [DS(float(value), auto_format=True) for value in (() if values is None else values)]
