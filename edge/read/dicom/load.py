"""Series -> `Scan`: all headers first, then every frame decoded straight into its place."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import ReadError
from edge.geometry import Array, Grid, Shape
from edge.read.contract import Progress
from edge.read.dicom.acquisition import identity_of
from edge.read.dicom.arrange import arrange
from edge.read.dicom.colour import palette_of, require_palette_type, to_rgb
from edge.read.dicom.consistency import check_one_kind
from edge.read.dicom.decode import stored_frames
from edge.read.dicom.description import PALETTE
from edge.read.dicom.header import LOADED, FileHeader, read_header
from edge.read.dicom.modality import apply_transform, output_dtype
from edge.read.dicom.parse import content
from edge.read.dicom.picture import picture_grid, tissue_regions
from edge.read.dicom.place import Place, places_of, spacing_between_slices
from edge.read.dicom.reduced import may_be_smaller, smaller_frame, times_of, words_of
from edge.read.dicom.suv import in_suv
from edge.read.dicom.values import text
from edge.read.finite import finite_words
from edge.read.group import agreed
from edge.read.halved import halved_grid
from edge.reasons import BAD_HEADER, DAMAGED, NO_POSITION, TOO_LARGE
from edge.scan import Scan, Series, Source, Stack, Window

Frame = tuple[int, int]
"""Index of the file, and the frame's number in it, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the frames go: the frame for each z, and the grid of all."""

    stack: Stack
    grid: Grid
    frames: tuple[Frame, ...]
    warnings: tuple[str, ...] = ()


def load_scan(series: Series, limit_bytes: int, progress: Progress) -> Scan:
    """Return the scan of a series; see `DicomReader.load`."""
    files = [read_header(path, LOADED) for path in series.paths]
    located = {
        (index, number): place
        for index, file in enumerate(files)
        for number, place in enumerate(places_of(file.dataset, file.image, little=file.parsed.little_endian))
    }
    check_one_kind(files, tuple(located.values()))
    located, not_suv = in_suv([file.dataset for file in files], located)
    places = tuple(located.values())
    identity = agreed([identity_of(file.dataset) for file in files])
    if identity != series.identity:
        raise ReadError("Reading the headers again: they are of another scan, the files were replaced.", DAMAGED)
    layout = _layout(files, located)
    times = _times(series, files, places, limit_bytes)
    grid = halved_grid(layout.grid, times)
    voxels = _empty(files[0], places, limit_bytes, grid.shape)
    sources = _fill(voxels, files, layout, located, limit_bytes, progress, times)
    return Scan(
        voxels=voxels,
        grid=grid,
        stored=layout.grid if times else None,
        stack=layout.stack,
        unit="unknown" if any(place.transform.unit == "unknown" for place in places) else places[0].transform.unit,
        value_range=_value_range(files[0], places),
        window=_common_window(places) if voxels.ndim == 3 else None,  # of grey pictures alone: PS3.3 C.11.2.1.2
        identity=identity,
        acquisition=agreed([file.acquisition for file in files]),
        sources=sources,
        places=layout.frames,
        regions=tissue_regions([file.dataset for file in files], files[0].image),
        warnings=(*layout.warnings, *not_suv, *_depth_warning(files[0]), *finite_words(voxels), *words_of(times, grid)),
    )


def _times(series: Series, files: Sequence[FileHeader], places: Sequence[Place], limit_bytes: int) -> int:
    """How often the picture is to be halved while it is decoded."""
    file = files[0]
    if not series.least_side or len(files) > 1 or not may_be_smaller(file, places[0]):
        return 0
    return times_of(content(file.path, limit_bytes, file.parsed.stamp)[1], file, series.least_side)


def _layout(files: Sequence[FileHeader], located: dict[Frame, Place]) -> Layout:
    """A volume where the frames lie in the patient, else pictures."""
    frames, places = tuple(located), tuple(located.values())
    single = len(frames) == 1
    with_place = [place for place in places if place.is_located]
    if len(with_place) == len(places) and not (single and places[0].spacing is None):
        try:
            return _volume(files[0], frames, places)
        except ReadError as error:
            if not (single and error.reason is BAD_HEADER):
                raise
            return _pictures(files[0], frames, places[0], f"its place in the patient is not used: {error.message}")
    if (with_place and not single) or len(files) > 1:
        raise ReadError(
            f"Stacking {len(places)} images: {len(places) - len(with_place)} of them do not say where they lie in the "
            "patient, expected all to.",
            NO_POSITION,
        )
    return _pictures(files[0], frames, places[0])


def _volume(file: FileHeader, frames: tuple[Frame, ...], places: tuple[Place, ...]) -> Layout:
    arrangement = arrange(places)
    shape = (len(frames), file.image.rows, file.image.columns)
    declared = spacing_between_slices(file.dataset)
    warnings: list[str] = []
    if len(frames) > 1 and declared is not None and abs(declared - arrangement.step_mm) > 0.01 * arrangement.step_mm:
        warnings.append(
            f"the slices lie {arrangement.step_mm:.4g} mm apart, not {declared:.4g} mm as (0018,0088) Spacing Between "
            "Slices says; their positions are used"
        )
    return Layout(
        stack="volume" if len(frames) > 1 else "picture",
        grid=Grid.of(shape, arrangement.matrix, "patient"),
        frames=tuple(frames[index] for index in arrangement.order),
        warnings=tuple(warnings),
    )


def _pictures(file: FileHeader, frames: tuple[Frame, ...], place: Place, *warnings: str) -> Layout:
    grid, notes = picture_grid(file.dataset, file.image, place.spacing)
    stack: Stack = "frames" if len(frames) > 1 else "picture"
    return Layout(stack=stack, grid=grid, frames=frames, warnings=(*warnings, *notes))


def _empty(file: FileHeader, places: Sequence[Place], limit_bytes: int, size: Shape) -> Array:
    """The array to fill, if there is room for it."""
    image = file.image
    shape = (*size, *((3,) if image.in_colour else ()))
    dtype = output_dtype(image, [place.transform for place in places])
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed > limit_bytes:
        raise ReadError(
            f"Reading {len(places)} pictures of {image.rows} x {image.columns}: they need {needed} bytes, expected at "
            f"most {limit_bytes}.",
            TOO_LARGE,
        )
    return np.empty(shape, dtype=dtype)


def _fill(
    voxels: Array,
    files: Sequence[FileHeader],
    layout: Layout,
    located: dict[Frame, Place],
    limit_bytes: int,
    progress: Progress,
    times: int,
) -> tuple[Source, ...]:
    """Decode file after file into `voxels`."""
    z_of = {frame: z for z, frame in enumerate(layout.frames)}
    sources = []
    for index, file in enumerate(files):
        progress(file.path)
        data, inflated = content(file.path, limit_bytes, file.parsed.stamp)
        sources.append(_source(file, data))
        palette = None
        if file.image.photometric == PALETTE:
            require_palette_type(file.image)
            palette = palette_of(file.dataset, file.image, little=file.parsed.little_endian)
        uid = file.parsed.transfer_syntax_uid
        whole = stored_frames(inflated, file.pixels, file.image, file.dataset, uid)
        decoded = whole if not times else [smaller_frame(inflated, file.pixels, file.image, uid, times)]
        for number, (stored, photometric) in enumerate(decoded):
            target = voxels[z_of[index, number]]
            if palette is not None:
                target[...] = palette.look_up(stored)
            elif file.image.in_colour:
                target[...] = to_rgb(stored, photometric, file.image.bits_stored)
            else:
                apply_transform(stored, located[index, number].transform, target)
    return tuple(sources)


def _source(file: FileHeader, data: bytes) -> Source:
    return Source(
        path=file.path,
        sha256=hashlib.sha256(data).hexdigest(),
        sop_class_uid=text(file.dataset, "SOPClassUID"),
        sop_instance_uid=file.sop_instance_uid,
    )


def _value_range(file: FileHeader, places: Sequence[Place]) -> tuple[float, float] | None:
    if file.image.in_colour:
        return 0.0, 255.0
    ranges = [place.transform.output_range(file.image.stored_range) for place in places]
    known = [found for found in ranges if found is not None]
    return (min(r[0] for r in known), max(r[1] for r in known)) if known else None


def _common_window(places: Sequence[Place]) -> Window | None:
    windows = {place.window for place in places}
    return windows.pop() if len(windows) == 1 else None


def _depth_warning(file: FileHeader) -> list[str]:
    """What the result cannot hold."""
    if file.pixels.keyword == "DoubleFloatPixelData":
        return ["values were rounded from double to single precision"]
    if file.image.samples == 3 and file.image.bits_stored > 8:
        return [f"colours were cut from {file.image.bits_stored} to 8 bits"]
    return []
