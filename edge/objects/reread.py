"""A segmentation as others read it: bytes -> frames, each with its segment, its pixels and its place.

What reads here is pydicom's parser and `edge.geometry` alone; highdicom, which writes, has no part in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.geometry import Grid

Reference = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a frame lies that is a part of a total pixel matrix.

    Parameters
    ----------
    row, column : int
        Of its first pixel, from 0.
    told_mm : tuple of float
        x and y of that pixel in the slide coordinate system, as the frame says.
    reckoned_mm : tuple of float
        The same by the origin, the orientation and the spacing that the object tells of the whole.
    """

    row: int
    column: int
    told_mm: tuple[float, float]
    reckoned_mm: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame of a segmentation.

    Parameters
    ----------
    segment : int
        From 0, counted on over the objects of a view.
    label : str
        (0062,0005) of its segment.
    pixels : ndarray of bool, shape (y, x)
        Empty where the file ends too early.
    grid : Grid, optional
        One slice whose z column is a unit normal; None where the object lies in no patient's space.
    refers : tuple, optional
        SOP Instance UID, and number of the frame from 1, of what it says it was derived from.
    tile : Tile, optional
        Where it is one of a slide.
    """

    segment: int
    label: str
    pixels: NDArray[np.bool_]
    grid: Grid | None
    refers: Reference | None
    tile: Tile | None = None


def frames_in(files: Mapping[str, bytes]) -> Iterator[Frame]:
    """Yield every frame of the segmentations of a view, in the order of their instance numbers."""
    first = 0
    for dataset in sorted((dcmread(io.BytesIO(data)) for data in files.values()), key=lambda each: each.InstanceNumber):
        labels = {int(item.SegmentNumber): str(item.SegmentLabel) for item in dataset.SegmentSequence}
        packed = np.frombuffer(dataset.PixelData, np.uint8)
        for number in range(int(dataset.NumberOfFrames)):
            segment = int(_told(dataset, number, "SegmentIdentificationSequence", "ReferencedSegmentNumber"))
            yield Frame(
                segment=first + segment - 1,
                label=labels[segment],
                pixels=_pixels(packed, number, int(dataset.Rows), int(dataset.Columns)),
                grid=plane_of(dataset, number),
                refers=_refers(dataset, number),
                tile=_tile(dataset, number),
            )
        first += len(labels)


def _tile(dataset: Dataset, number: int) -> Tile | None:
    row = _told(dataset, number, "PlanePositionSlideSequence", "RowPositionInTotalImagePixelMatrix")
    column = _told(dataset, number, "PlanePositionSlideSequence", "ColumnPositionInTotalImagePixelMatrix")
    if row is None or column is None:
        return None
    names = [f"{axis}OffsetInSlideCoordinateSystem" for axis in "XY"]
    x, y = (float(_told(dataset, number, "PlanePositionSlideSequence", name)) for name in names)
    down, along = (float(each) for each in _told(dataset, number, "PixelMeasuresSequence", "PixelSpacing"))
    steps = np.array(dataset.ImageOrientationSlide, np.float64).reshape(2, 3)[:, :2]
    moved = steps[0] * (int(column) - 1) * along + steps[1] * (int(row) - 1) * down
    start = [float(dataset.TotalPixelMatrixOriginSequence[0][name].value) for name in names]
    reckoned = (start[0] + float(moved[0]), start[1] + float(moved[1]))
    return Tile(row=int(row) - 1, column=int(column) - 1, told_mm=(x, y), reckoned_mm=reckoned)


def plane_of(dataset: Dataset, number: int) -> Grid | None:
    """Return where a frame of any image lies by its header (PS3.3 C.7.6.2.1.1); None where it does not say.

    Parameters
    ----------
    number : int
        From 0.
    """
    position = _told(dataset, number, "PlanePositionSequence", "ImagePositionPatient")
    cosines = _told(dataset, number, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _told(dataset, number, "PixelMeasuresSequence", "PixelSpacing")
    if not position or not cosines or not spacing:
        return None
    along, down = np.array(cosines[:3], np.float64), np.array(cosines[3:], np.float64)
    matrix = np.eye(4)
    columns = [
        np.cross(along, down),
        down * float(spacing[0]),
        along * float(spacing[1]),
        np.array(position, np.float64),
    ]
    matrix[:3] = np.stack(columns, axis=1)
    return Grid.of((1, int(dataset.Rows), int(dataset.Columns)), matrix, "patient")


def _told(dataset: Dataset, number: int, group: str, keyword: str) -> Any:
    """A value of one frame, else of all frames (PS3.3 C.7.6.16), else of a file of one frame; None where it is none."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for groups in (*per_frame[number : number + 1], *shared[:1]):
        for item in (groups.get(group) or [])[:1]:
            return item.get(keyword)
    alone = not per_frame and int(dataset.get("NumberOfFrames") or 1) == 1
    return dataset.get(keyword) if alone else None


def _pixels(packed: NDArray[np.uint8], number: int, rows: int, columns: int) -> NDArray[np.bool_]:
    """One frame of packed bits: the first pixel in the least significant one, no gap between frames (PS3.5 8.1.1)."""
    count = rows * columns
    start = number * count
    bits = np.unpackbits(packed[start // 8 : (start + count + 7) // 8], bitorder="little")[start % 8 :][:count]
    return bits.reshape(rows, columns).astype(np.bool_) if bits.size == count else np.zeros((0, 0), np.bool_)


def _refers(dataset: Dataset, number: int) -> Reference | None:
    for item in (dataset.PerFrameFunctionalGroupsSequence[number].get("DerivationImageSequence") or [])[:1]:
        source = item.SourceImageSequence[0]
        return str(source.ReferencedSOPInstanceUID), int(source.get("ReferencedFrameNumber") or 1)
    return None
