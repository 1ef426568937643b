"""VL Whole Slide Microscopy Image (PS3.3 A.32.8): the levels of a slide, one instance each, read region by region."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.read.contract import Header, Progress
from edge.read.dicom.acquisition import identity_of, patients_differ
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.frames import Frames, frames_of
from edge.read.dicom.header import LOADED, PER_FRAME, FileHeader, read_header
from edge.read.dicom.place import instance_number
from edge.read.dicom.values import bad_value, first_item, items, numbers, raw, text, texts, whole
from edge.read.group import agreed
from edge.read.slide import slide_scan, slide_sha256
from edge.read.tiling import TILE_BYTES, TILES, About, Pixels, Regions, is_smaller, microscopic, tiles_of
from edge.reasons import (
    BAD_HEADER,
    DAMAGED,
    MIXED_PICTURES,
    NO_LEVEL,
    TOO_LARGE,
    TWO_PATIENTS,
    UNSUPPORTED_PICTURE,
)
from edge.scan import Scan, Series, Source

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""(0008,0016) of VL Whole Slide Microscopy Image Storage."""

LEVEL = "VOLUME"
"""(0008,0008) Image Type, value 3, of what is a level; else LABEL, OVERVIEW or THUMBNAIL (PS3.3 C.8.12.4.1.1)."""

ABSENT = 255
"""Where TILED_SPARSE has no frame, nothing was scanned: the glass is shown white."""

_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "MONOCHROME2")
_SEVERAL = {"NumberOfOpticalPaths": "optical paths", "TotalPixelMatrixFocalPlanes": "focal planes"}
_SHARED = {"ContainerIdentifier": "glasses", "ImageOrientationSlide": "orientations"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlideLevel:
    """One resolution.

    Parameters
    ----------
    rows, columns : int
        Of the total pixel matrix.
    tile_rows, tile_columns : int
        Of a frame.
    frame_of : ndarray of int32, shape (tile,)
        Which frame each tile is; -1 where there is none.
    frames : Frames
    """

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    frame_of: NDArray[np.int32]
    frames: Frames

    def tile(self, index: int) -> Pixels:
        """Return a tile, shape (tile rows, tile columns, 3)."""
        frame = int(self.frame_of[index])
        shape = (self.tile_rows, self.tile_columns, 3)
        if frame < 0:
            return np.full(shape, ABSENT, dtype=np.uint8)
        found = self.frames.decoded(frame)
        return np.broadcast_to(found[..., np.newaxis] if found.ndim == 2 else found, shape)


def is_slide(dataset: Dataset) -> bool:
    """Return whether a file is one of a whole slide."""
    return text(dataset, "SOPClassUID") == SLIDE


def describe_slide(file: FileHeader) -> Header:
    """Return what the header of one file of a slide says: a level of it.

    Raises
    ------
    ReadError
        ``NO_LEVEL``: a picture of the label or of the whole glass; and what a level cannot be read for.
    """
    rows, columns = _size(file)
    dataset = file.dataset
    return Header(
        format="dicom",
        path=file.path,
        study=text(dataset, "StudyInstanceUID") or file.path,
        series=text(dataset, "SeriesInstanceUID") or file.path,
        identity=identity_of(dataset),
        acquisition=file.acquisition,
        pictures=1,
        bytes=rows * columns * 3,
        sop_instance_uid=file.sop_instance_uid,
        order=instance_number(dataset),
        in_tiles=True,
    )


def load_dicom_slide(series: Series, limit_bytes: int, progress: Progress) -> Scan:
    """Return a slide: with all its pixels where they fit in `limit_bytes`, else region by region.

    Raises
    ------
    ReadError
        As `open_slide`; ``TWO_PATIENTS``; ``DAMAGED``: the files are others by now.
    """
    files = _files(series.paths)
    datasets = [file.dataset for file in files]
    if patients_differ(datasets):
        raise ReadError("Reading the levels of a slide: they may not be of the same patient.", TWO_PATIENTS)
    identity = agreed([identity_of(dataset) for dataset in datasets])
    if identity != series.identity:
        raise ReadError("Reading the headers again: they are of another scan, the files were replaced.", DAMAGED)
    sources = tuple(_source(file, progress) for file in files)
    with _opened(files) as regions:
        return slide_scan(
            regions,
            limit_bytes,
            lambda: progress(series.paths[0]),
            identity=identity,
            acquisition=agreed([file.acquisition for file in files]),
            sources=sources,
        )


def open_slide(paths: Sequence[str]) -> Regions:
    """Open the levels of a slide; no frame is decoded yet.

    TILED_FULL and TILED_SPARSE (PS3.3 C.7.6.17.3), of 8-bit colour or grey, with one optical path and one focal plane,
    in any transfer syntax that is not deflated as a whole.

    Parameters
    ----------
    paths : sequence of str
        Of one series, in any order. Levels of other proportions than the largest one's are left out.

    Raises
    ------
    edge.errors.ReadError
        ``MIXED_PICTURES``: several glasses, orientations, optical paths, focal planes, or levels of one size;
        ``UNSUPPORTED_PICTURE``;
        ``BAD_HEADER`` or ``DAMAGED``.
    OSError
        A file cannot be opened.
    """
    return _opened(_files(paths))


def _files(paths: Sequence[str]) -> list[FileHeader]:
    """The headers, that of the largest level first."""
    files = [read_header(path, LOADED) for path in paths]
    return sorted(files, key=_size, reverse=True)


def _opened(files: Sequence[FileHeader]) -> Regions:
    with contextlib.ExitStack() as opened:
        sizes = [_size(file) for file in files]
        if len(set(sizes)) < len(sizes):
            raise ReadError("It has several levels of the same size, expected one of each.", MIXED_PICTURES)
        _check_shared([file.dataset for file in files])
        levels: list[SlideLevel] = []
        for file, size in zip(files, sizes, strict=True):
            if not levels or is_smaller(sizes[0], (levels[-1].rows, levels[-1].columns), size):
                stream = opened.enter_context(Path(file.path).open("rb"))
                levels.append(_level(file, size, frames_of(file, stream)))
        about = About(
            is_grey=not files[0].image.in_colour,
            is_lossy=any(file.acquisition.lossy for file in files),
            left_out=len(files) - len(levels),
            spacing_mm=microscopic(_spacing_mm(files[0].dataset)),
            words=_absent(levels[0]),
        )
        return Regions(levels, partial(_tile, levels), opened.pop_all().close, about)


def _tile(levels: Sequence[SlideLevel], level: int, index: int) -> Pixels:
    return levels[level].tile(index)


def _absent(level: SlideLevel) -> tuple[str, ...]:
    missing = int((level.frame_of < 0).sum())
    return (f"{missing} of its {len(level.frame_of)} tiles were not scanned and are white.",) if missing else ()


def _size(file: FileHeader) -> tuple[int, int]:
    """Rows and columns of the total pixel matrix of a file that is a level and can be read."""
    dataset = file.dataset
    kind = (*texts(dataset, "ImageType"), "", "", "")[2].upper()
    if kind != LEVEL:
        shown = kind if kind in ("LABEL", "OVERVIEW", "THUMBNAIL") else "another kind"
        raise ReadError(f"Reading (0008,0008) Image Type: found {shown}, expected {LEVEL}.", NO_LEVEL)
    _check_kind(file.image)
    for keyword, words in _SEVERAL.items():
        if (whole(dataset, keyword) or 1) > 1:
            raise ReadError(f"It has several {words}, expected one.", MIXED_PICTURES)
    if raw(dataset, "ConcatenationUID") is not None:
        raise ReadError("It is a part of a level (a concatenation), expected it whole.", UNSUPPORTED_PICTURE)
    if text(dataset, "Modality") != "SM":
        raise bad_value("Modality", "none or another", "SM, as of every whole slide")
    rows, columns = whole(dataset, "TotalPixelMatrixRows"), whole(dataset, "TotalPixelMatrixColumns")
    if not rows or not columns or min(rows, columns) < 1:
        raise bad_value("TotalPixelMatrixRows", "none, or none for columns", "the size of the level")
    return rows, columns


def _check_shared(datasets: Sequence[Dataset]) -> None:
    """Levels are one glass, seen one way round: of what they tell of that, nothing differs."""
    for keyword, words in _SHARED.items():
        told = {tuple(found) for dataset in datasets if (found := texts(dataset, keyword))}
        if len(told) > 1:
            raise ReadError(f"Its levels tell of several {words}, expected one.", MIXED_PICTURES)


def _check_kind(image: PixelDescription) -> None:
    """Only 8-bit grey and colour."""
    if image.photometric not in _COLOURS or image.bits_stored != 8 or image.signed or image.is_float:
        raise ReadError(
            f"It has {image.bits_stored} bits of {image.photometric}, expected 8 of grey or colour.",
            UNSUPPORTED_PICTURE,
        )
    if image.frame_values > TILE_BYTES:
        raise ReadError(f"Its frames have {image.frame_values} values, expected at most {TILE_BYTES}.", TOO_LARGE)


def _level(file: FileHeader, size: tuple[int, int], frames: Frames) -> SlideLevel:
    image = file.image
    tiling = SlideLevel(
        rows=size[0],
        columns=size[1],
        tile_rows=image.rows,
        tile_columns=image.columns,
        frame_of=np.arange(image.frames, dtype=np.int32),
        frames=frames,
    )
    count = tiles_of(tiling)
    if count > TILES:
        raise ReadError(f"It declares {count} tiles, expected at most {TILES}.", BAD_HEADER)
    full = text(file.dataset, "DimensionOrganizationType") == "TILED_FULL"
    if full or count == image.frames == 1:
        if image.frames != count:
            raise ReadError(f"It has {image.frames} frames, expected {count} for all of its tiles.", DAMAGED)
        return tiling
    return SlideLevel(
        rows=tiling.rows,
        columns=tiling.columns,
        tile_rows=tiling.tile_rows,
        tile_columns=tiling.tile_columns,
        frame_of=_sparse(file, tiling, count),
        frames=frames,
    )


def _sparse(file: FileHeader, level: SlideLevel, count: int) -> NDArray[np.int32]:
    """Which frame each tile is, by the places that the frames tell, which count from 1 (PS3.3 C.8.12.6.1)."""
    groups = items(file.dataset, PER_FRAME)
    if len(groups) != file.image.frames:
        raise ReadError(f"It tells the places of {len(groups)} frames, expected {file.image.frames}.", BAD_HEADER)
    across = -(-level.columns // level.tile_columns)
    frame_of = np.full(count, -1, dtype=np.int32)
    for number, group in enumerate(groups):
        down, along = _place(group, level)
        index = down * across + along
        if frame_of[index] >= 0:
            raise ReadError(
                "Two of its frames lie at the same place, expected one optical path and plane.", MIXED_PICTURES
            )
        frame_of[index] = number
    return frame_of


def _place(group: Dataset, level: SlideLevel) -> tuple[int, int]:
    """Row and column of a frame among the tiles."""
    told = first_item(group, "PlanePositionSlideSequence")
    if told is None:
        raise ReadError("A frame does not tell its place (0048,021A).", BAD_HEADER)
    row, column = (whole(told, f"{axis}PositionInTotalImagePixelMatrix") for axis in ("Row", "Column"))
    if row is None or column is None:
        raise ReadError("A frame does not tell its row or its column (0048,021F, 0048,021E).", BAD_HEADER)
    if not (1 <= row <= level.rows and 1 <= column <= level.columns):
        raise ReadError("A frame lies outside its level.", BAD_HEADER)
    if (row - 1) % level.tile_rows or (column - 1) % level.tile_columns:
        raise ReadError(
            "Its frames overlap or have gaps between them, expected them side by side.", UNSUPPORTED_PICTURE
        )
    return (row - 1) // level.tile_rows, (column - 1) // level.tile_columns


def _spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """(0028,0030) Pixel Spacing of all frames, else of the first, which share it."""
    for keyword in ("SharedFunctionalGroupsSequence", PER_FRAME):
        group = first_item(dataset, keyword)
        measures = None if group is None else first_item(group, "PixelMeasuresSequence")
        spacing = None if measures is None else numbers(measures, "PixelSpacing", 2)
        if spacing is not None:
            return spacing[0], spacing[1]
    return None


def _source(file: FileHeader, progress: Progress) -> Source:
    return Source(
        path=file.path,
        sha256=slide_sha256(file.path, progress),
        sop_class_uid=text(file.dataset, "SOPClassUID"),
        sop_instance_uid=file.sop_instance_uid,
    )
