"""Header -> one `Place` per frame: where it lies, what turns it into real values, how to look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.modality import Transform, transform_of
from edge.read.dicom.values import bad_value, first_item, items, number, numbers, text, whole
from edge.reasons import BAD_HEADER, DAMAGED
from edge.scan import Window

Vector = tuple[float, ...]
Z_AGREES_MM = 1e-3
FUNCTIONS: tuple[Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"], ...] = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One frame.

    Parameters
    ----------
    position : tuple of 3 float, optional
        (0020,0032), millimetres in LPS.
    orientation : tuple of 6 float, optional
        (0020,0037): direction of the rows, then of the columns.
    spacing : tuple of 2 float, optional
        (0028,0030), millimetres between (rows, columns); not yet checked to be positive.
    transform : Transform
    window : Window, optional
    """

    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    transform: Transform
    window: Window | None

    @property
    def is_located(self) -> bool:
        """Whether it lies in the patient."""
        return self.position is not None and self.orientation is not None


def places_of(dataset: Dataset, image: PixelDescription, *, little: bool) -> tuple[Place, ...]:
    """Return a place for each frame of a file.

    Raises
    ------
    ReadError
        ``BAD_HEADER`` or ``DAMAGED``: a value is malformed, or there are fewer functional groups than frames.
    """
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if per_frame and len(per_frame) < image.frames:
        raise ReadError(
            f"Reading the functional groups: found {len(per_frame)} items, expected {image.frames}, one per frame.",
            DAMAGED,
        )
    if not per_frame and not shared:
        return _classic(dataset, image, little=little)
    common = _frame_place(dataset, shared, image, little=little)
    if not per_frame:
        return (common,) * image.frames
    return tuple(_frame_place(dataset, (one, *shared), image, little=little) for one in per_frame[: image.frames])


def _classic(dataset: Dataset, image: PixelDescription, *, little: bool) -> tuple[Place, ...]:
    """A file without functional groups: its position is that of its only frame, or of the first of a dose grid."""
    window = _window(dataset)
    transform = transform_of(dataset, (), image, little=little)
    orientation = numbers(dataset, "ImageOrientationPatient", 6)
    spacing = _spacing(dataset)
    positions = _positions(dataset, image, orientation)
    return tuple(
        Place(position=position, orientation=orientation, spacing=spacing, transform=transform, window=window)
        for position in positions
    )


def _positions(dataset: Dataset, image: PixelDescription, orientation: Vector | None) -> Sequence[Vector | None]:
    position = numbers(dataset, "ImagePositionPatient", 3)
    offsets = numbers(dataset, "GridFrameOffsetVector")
    if position is None or orientation is None or image.frames == 1:
        return (position if image.frames == 1 else None,) * image.frames
    if offsets is None:
        return (None,) * image.frames
    if len(offsets) != image.frames:
        raise ReadError(
            f"Reading (3004,000C) Grid Frame Offset Vector: found {len(offsets)} values, expected {image.frames}.",
            BAD_HEADER,
        )
    # PS3.3 C.8.8.3.2: distances along the normal, of which the first is 0; or, in axial planes, the z coordinates.
    normal = np.cross(orientation[:3], orientation[3:])
    steps = np.array(offsets)
    if offsets[0] != 0:
        if abs(offsets[0] - position[2]) > Z_AGREES_MM or abs(abs(normal[2]) - 1) > Z_AGREES_MM:
            raise bad_value("GridFrameOffsetVector", "one that begins neither at 0 nor at the position", "either")
        steps = (steps - position[2]) * normal[2]
    return [tuple((np.array(position) + step * normal).tolist()) for step in steps]


def _frame_place(dataset: Dataset, groups: Sequence[Dataset], image: PixelDescription, *, little: bool) -> Place:
    """A frame of an object with functional groups, its own before the shared ones (PS3.3 C.7.6.16)."""
    position = _in_groups(groups, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = _in_groups(groups, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = _in_groups(groups, "PixelMeasuresSequence", "PixelSpacing", 2)
    windows = (_window(item) for group in groups if (item := first_item(group, "FrameVOILUTSequence")) is not None)
    return Place(
        position=position,
        orientation=orientation,
        spacing=spacing,
        transform=transform_of(dataset, groups, image, little=little),
        window=next(windows, None),
    )


def _in_groups(groups: Sequence[Dataset], sequence: str, keyword: str, count: int) -> Vector | None:
    for group in groups:
        item = first_item(group, sequence)
        if item is not None:
            return numbers(item, keyword, count)
    return None


def _spacing(dataset: Dataset) -> Vector | None:
    """(0028,0030); malformed counts as impossible, which is refused only where it is needed."""
    try:
        return numbers(dataset, "PixelSpacing", 2)
    except ReadError:
        return (0.0, 0.0)


def _window(place: Dataset) -> Window | None:
    """The first window; None where there is none, or one that C.11.2.1.2 does not allow."""
    try:
        center, width = number(place, "WindowCenter"), number(place, "WindowWidth")
    except ReadError:
        return None
    named = text(place, "VOILUTFunction")
    function = next((one for one in FUNCTIONS if one == named), "LINEAR" if named is None else None)
    least = 1.0 if function == "LINEAR" else 0.0
    if center is None or width is None or function is None or width < least or width == 0:
        return None
    return Window(center=center, width=width, function=function)


def spacing_between_slices(dataset: Dataset) -> float | None:
    """Return (0018,0088), of the file or of its shared pixel measures; None where it is absent or malformed."""
    try:
        shared = first_item(dataset, "SharedFunctionalGroupsSequence")
        measures = None if shared is None else first_item(shared, "PixelMeasuresSequence")
        declared = number(dataset if measures is None else measures, "SpacingBetweenSlices")
    except ReadError:
        return None
    return None if declared is None else abs(declared)  # negative where slices are counted backwards, PS3.3 C.8.4.15


def instance_number(dataset: Dataset) -> int:
    """Return (0020,0013), or 0 where it is absent or malformed."""
    try:
        return whole(dataset, "InstanceNumber") or 0
    except ReadError:
        return 0
