"""Outlines as a DICOM segmentation (PS3.3 A.51), binary, on the frames that the model saw, or on a slide in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from highdicom.seg import Segmentation as SegmentationObject
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.findings import Detections, Segmentation
from edge.objects.clean import clean_slices
from edge.objects.finish import NOT_FOR_DIAGNOSIS, finish
from edge.objects.frames import SourceFrame, derivation, frames_seen, referenced_series
from edge.objects.seg_slide import check_sent, glass_fed, shared_derivation, slide_source, tiling
from edge.objects.segments import NOTHING, Outlined, descriptions, grid_outlined, outlined
from edge.objects.subject import Subject
from edge.objects.unfit import UnfitError

MOST_FRAMES = 1
"""Of a scan whose frames lie in no common space: highdicom and the readers of others know one."""


def build(subject: Subject) -> list[Dataset]:
    """Return the segmentation: one object, or several where masks that may overlap are too large for one.

    Frames in which a segment has no pixel are left out; the distance between slices stands in the shared groups, so
    that a reader sees the gap. Segments without any pixel are left out, too.

    Raises
    ------
    edge.objects.unfit.UnfitError
        Nothing is outlined; boxes on a slide; a picture that was seen in windows and is no slide; several frames that
        lie in no common space.
    """
    findings = subject.findings
    if not isinstance(findings, (Segmentation, Detections)):
        raise UnfitError(NOTHING)
    if subject.is_slide and isinstance(findings, Segmentation):
        return _on_slide(subject, findings)
    if subject.is_slide or (isinstance(findings, Segmentation) and findings.in_windows):
        raise UnfitError("a picture that was seen in windows is not written as a DICOM segmentation yet")
    grid = grid_outlined(findings)
    if grid is None:
        raise UnfitError(NOTHING)
    if grid.space != "patient" and grid.shape[0] > MOST_FRAMES:
        raise UnfitError("the frames of the scan do not say where they lie to each other")
    frames = frames_seen(subject)
    slices = clean_slices(subject, grid, frames)
    return [_object(subject, lot, slices, frames, number) for number, lot in enumerate(outlined(findings), start=1)]


def _on_slide(subject: Subject, findings: Segmentation) -> list[Dataset]:
    """In tiles of the picture that the model was fed; see `edge.objects.seg_slide`."""
    check_sent(findings)
    how = tiling(glass_fed(subject, findings))
    source = slide_source(subject)
    objects = []
    for number, lot in enumerate(outlined(findings), start=1):
        made = _began(subject, lot, [source], number, **how)
        made.ReferencedSeriesSequence = [referenced_series(subject.sources)]
        made.pop("SourceImageSequence", None)
        made.pop("StudiesContainingOtherReferencedInstancesSequence", None)
        shared_derivation(made, derivation(subject.sources[0]))
        made.PatientOrientation = None
        objects.append(finish(made, subject, number))
    return objects


def _object(
    subject: Subject, lot: Outlined, slices: Sequence[Dataset], frames: Sequence[SourceFrame | None], number: int
) -> Dataset:
    made = _began(subject, lot, slices, number)
    _refer(made, subject, slices, frames)
    if "FrameOfReferenceUID" not in made:  # its rows and columns are the source's, which alone may say what they follow
        made.PatientOrientation = subject.sources[0].get("PatientOrientation")
    return finish(made, subject, number)


def _began(subject: Subject, lot: Outlined, sources: Sequence[Dataset], number: int, **how: Any) -> SegmentationObject:
    identity = subject.identity
    return SegmentationObject(
        source_images=sources,
        pixel_array=lot.pixels,
        segmentation_type="BINARY",
        segment_descriptions=descriptions(subject, lot.items),
        series_instance_uid=identity.series_instance_uid,
        series_number=identity.series_number,
        sop_instance_uid=identity.sop_instance_uid(number),
        instance_number=number,
        manufacturer="edgerun",
        manufacturer_model_name=identity.model_name,
        software_versions=list(identity.software_versions),  # type: ignore[arg-type]  # it takes any sequence
        device_serial_number=identity.serial_number,
        content_label="EDGERUN",
        content_description=f"Outlines by a model. {NOT_FOR_DIAGNOSIS}.",
        content_creator_name=None,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_date=identity.date,
        content_time=identity.time,
        **how,
    )


def _refer(made: Dataset, subject: Subject, slices: Sequence[Dataset], frames: Sequence[SourceFrame | None]) -> None:
    """Refer to the very frames of the sources, which highdicom was shown as files of one frame each."""
    made.ReferencedSeriesSequence = [referenced_series(subject.sources)]
    made.pop("SourceImageSequence", None)
    made.pop("StudiesContainingOtherReferencedInstancesSequence", None)
    at = {tuple(each.get("ImagePositionPatient", ())): frame for each, frame in zip(slices, frames, strict=True)}
    for group in made.PerFrameFunctionalGroupsSequence:
        group.pop("DerivationImageSequence", None)
        place = group.get("PlanePositionSequence")
        frame = at[tuple(place[0].ImagePositionPatient)] if place else frames[0]
        if frame is not None:
            group.DerivationImageSequence = [derivation(subject.sources[frame.source], frame.frame)]
