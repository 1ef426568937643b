"""Which frame of which source a slice is, how an object refers to it, and where it lies by its own header."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from edge.objects.subject import Subject

SOURCE = Code("121322", "DCM", "Source image for image processing operation")
"""CID 7202, PS3.16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFrame:
    """One frame of one source.

    Parameters
    ----------
    source : int
        Index into ``Subject.sources``.
    frame : int
        From 0.
    """

    source: int
    frame: int


def frames_seen(subject: Subject) -> tuple[SourceFrame | None, ...]:
    """Return the source's frame for each slice that the model saw.

    All of the scan's, in the order of z, or the one that was seen of it; None in the place of that one where it is a
    plane across the slices as they were acquired, which is no frame of any source. There are none where no pixel was
    decoded.
    """
    if subject.decoded is None:
        return ()
    seen = subject.result.seen
    if seen is None:
        return tuple(SourceFrame(source=source, frame=frame) for source, frame in subject.scan.places)
    if seen.source is None or seen.frame is None:
        return (None,)
    return (SourceFrame(source=seen.source, frame=seen.frame),)


def is_multi_frame(source: Dataset) -> bool:
    """Whether frames of a source are referred to by number: where it has several (PS3.3 table 10-3)."""
    return int(source.get("NumberOfFrames") or 1) > 1


def image_reference(source: Dataset, frames: Iterable[int] = ()) -> Dataset:
    """Return an item that refers to a source, or to some of its frames, numbered from 0 here (PS3.3 table 10-3)."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    numbers = [frame + 1 for frame in frames]
    if is_multi_frame(source) and numbers:
        item.ReferencedFrameNumber = numbers if len(numbers) > 1 else numbers[0]
    return item


def code_item(code: Code) -> Dataset:
    """Return an item of a code sequence (PS3.3 table 8.8-1); a value of more than 16 characters is a long one."""
    item = Dataset()
    setattr(item, "CodeValue" if len(code.value) <= 16 else "LongCodeValue", code.value)
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning[:64]
    return item


def source_items(subject: Subject) -> list[Dataset]:
    """Return the items of (0008,2112) Source Image Sequence: every source, and of it the frames that were seen."""
    seen: dict[int, list[int]] = {}
    for place in frames_seen(subject):
        if place is not None:
            seen.setdefault(place.source, []).append(place.frame)
    if not seen:
        seen = {index: [] for index in range(len(subject.sources))}
    items = []
    for index, frames in sorted(seen.items()):
        item = image_reference(subject.sources[index], sorted(frames))
        item.PurposeOfReferenceCodeSequence = [code_item(SOURCE)]
        items.append(item)
    return items


def derivation(source: Dataset, frame: int | None = None) -> Dataset:
    """Return an item of (0008,9124) Derivation Image Sequence: one frame, or all of them, where the outlined lies."""
    reference = image_reference(source, [] if frame is None else [frame])
    reference.SpatialLocationsPreserved = "YES"
    reference.PurposeOfReferenceCodeSequence = [code_item(SOURCE)]
    item = Dataset()
    item.DerivationCodeSequence = [code_item(codes.cid7203.SegmentationImageDerivation)]
    item.SourceImageSequence = [reference]
    return item


def referenced_series(sources: Sequence[Dataset]) -> Dataset:
    """Return the item of (0008,1115) Referenced Series Sequence with every source (PS3.3 C.12.2)."""
    series = Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = [image_reference(source) for source in sources]
    return series


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneTold:
    """Where a frame lies by its own header; None where that stands nowhere in it.

    Parameters
    ----------
    position : tuple of 3 float, optional
        (0020,0032), LPS millimetres.
    orientation : tuple of 6 float, optional
        (0020,0037).
    spacing : tuple of 2 float, optional
        (0028,0030).
    thickness : float, optional
        (0018,0050).
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    thickness: float | None


def plane_told(source: Dataset, frame: int) -> PlaneTold:
    """Return where a frame lies by its functional groups (PS3.3 C.7.6.16), or by a classic header of a single frame."""
    thickness = _numbers(source, frame, "PixelMeasuresSequence", "SliceThickness", 1)
    return PlaneTold(
        position=_numbers(source, frame, "PlanePositionSequence", "ImagePositionPatient", 3),
        orientation=_numbers(source, frame, "PlaneOrientationSequence", "ImageOrientationPatient", 6),
        spacing=_numbers(source, frame, "PixelMeasuresSequence", "PixelSpacing", 2),
        thickness=thickness[0] if thickness is not None and thickness[0] > 0 else None,
    )


def _numbers(source: Dataset, frame: int, group: str, keyword: str, count: int) -> tuple[float, ...] | None:
    """So many finite numbers: of the frame, else of all frames, else of a file that has no functional groups."""
    per_frame = source.get("PerFrameFunctionalGroupsSequence") or []
    shared = source.get("SharedFunctionalGroupsSequence") or []
    holders = [
        item for groups in (*per_frame[frame : frame + 1], *shared[:1]) for item in (groups.get(group) or [])[:1]
    ]
    if not per_frame and not shared and (count != 3 or int(source.get("NumberOfFrames") or 1) == 1):
        holders = [source]
    for holder in holders:
        value = holder.get(keyword)
        parts = list(value) if isinstance(value, MultiValue) else [value]
        if len(parts) == count and all(part not in (None, "") for part in parts):
            numbers = tuple(float(part) for part in parts)
            if all(math.isfinite(number) for number in numbers):
                return numbers
    return None
