"""Proof of place on a slide: a segmentation in tiles is read back and compared with what was found, on the glass.

Every pixel must be there once, in its segment, and each tile must lie, by what it says itself and by what the whole
object says, where the largest level's own header puts it: PS3.3 C.8.12.2 and C.8.12.6.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Segmentation
from edge.geometry import index_map
from edge.objects.reread import Frame, Tile, frames_in
from edge.objects.subject import Subject
from edge.reasons import WRONG_PLACE

AS_TOLD = 0.1
"""Pixels: how far a tile may lie from where the source's own header puts it; decimals of DICOM have 16 characters."""


def prove_tiles(subject: Subject, findings: Segmentation, files: Mapping[str, bytes]) -> None:
    """Compare every pixel of the segmentations in `files` with what was found.

    Raises
    ------
    OutputError
        ``W803``: a pixel is missing, is there twice, or lies in another place than it was found in.
    """
    found = [index for index in range(len(findings.regions)) if bool(_mask(findings, index, slice(None)).any())]
    left = {index: int(_mask(findings, index, slice(None)).sum()) for index in found}
    seen: set[tuple[int, int, int]] = set()
    for frame in frames_in(files):
        tile = frame.tile
        if tile is None or frame.segment >= len(found) or (frame.segment, tile.row, tile.column) in seen:
            raise _wrong("a tile does not say where it lies, outlines what was not found, or is there twice")
        seen.add((frame.segment, tile.row, tile.column))
        index = found[frame.segment]
        if not frame.label.startswith(findings.regions[index].title[:50]):
            raise _wrong("a segment has the name of another one")
        if not np.array_equal(frame.pixels, _cut(findings, index, frame, tile)):
            raise _wrong("a tile has other pixels than were found")
        left[index] -= int(frame.pixels.sum())
        _check_place(subject, findings, tile)
    if any(left.values()):
        raise _wrong("pixels are missing, or are there twice")


def _wrong(words: str) -> OutputError:
    return OutputError(f"Reading the segmentation back: {words}.", WRONG_PLACE)


def _mask(findings: Segmentation, index: int, rows: slice) -> NDArray[np.bool_]:
    """Some rows of a region, bool (y, x)."""
    codes: NDArray[Any] = findings.codes[0, rows]
    return np.asarray(codes == index + 1 if findings.exclusive else (codes >> codes.dtype.type(index)) & 1, np.bool_)


def _cut(findings: Segmentation, index: int, frame: Frame, tile: Tile) -> NDArray[np.bool_]:
    """What a tile should hold: beyond the last row and column nothing."""
    rows, columns = frame.pixels.shape
    part = _mask(findings, index, slice(tile.row, tile.row + rows))[:, tile.column : tile.column + columns]
    whole = np.zeros((rows, columns), np.bool_)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole


def _check_place(subject: Subject, findings: Segmentation, tile: Tile) -> None:
    level, whole = subject.sources[0], subject.result.scan.grid
    if whole is None:
        raise _wrong("the size of the slide is not known")
    _, y, x, _ = index_map(whole, findings.grid) @ np.array([0.0, tile.row, tile.column, 1.0])
    expected = np.array(list(_on_glass_mm(level, float(y), float(x))))
    pixel = min(float(value) for value in _measures(level).PixelSpacing)
    for words, told in (("itself", tile.told_mm), ("the whole object", tile.reckoned_mm)):
        apart = float(np.abs(np.array(told) - expected).max()) / pixel
        if not apart <= AS_TOLD:
            raise _wrong(f"by what {words} says a tile lies {apart:.2f} pixels from where the slide's header puts it")


def _measures(level: Dataset) -> Dataset:
    measures: Dataset = level.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    return measures


def _on_glass_mm(level: Dataset, y: float, x: float) -> Iterator[float]:
    """X and y, in millimetres, of the pixel of a level at this row and column, from 0: PS3.3 C.8.12.4.1."""
    down_mm, along_mm = (float(value) for value in _measures(level).PixelSpacing)
    origin = level.TotalPixelMatrixOriginSequence[0]
    cosines = [float(value) for value in level.ImageOrientationSlide]
    for axis, name in enumerate("XY"):
        start = float(origin[f"{name}OffsetInSlideCoordinateSystem"].value)
        yield start + cosines[axis] * along_mm * x + cosines[axis + 3] * down_mm * y
