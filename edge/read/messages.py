"""What the parent asks of the reading process and what it answers: checked types in, checked types out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edge.geometry import Grid
from edge.read.contract import Header
from edge.read.halved import is_halved
from edge.scan import Acquisition, Format, Identity, ReadRegion, Scan, Series, Slide, Source, Stack, Window

DType = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the child is told when it is started: its limits, and the table of readers as ``module:name``."""

    limit_bytes: int
    seconds: float
    readers: str
    prefetch: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Say what the headers of these files say: one `Described` or `Failed` for each, in this order."""

    kind: Literal["describe"] = "describe"
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Decode a series: an `At` before each file, then one `Loaded` or `Failed`. `seconds` is for each file."""

    kind: Literal["load"] = "load"
    series: Series
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The child has set its limits and waits for requests."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One file is an image, and this is its header."""

    kind: Literal["described"] = "described"
    header: Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One file or series cannot be read, for the reason with this code."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """The file that is decoded next."""

    kind: Literal["at"] = "at"
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pyramid:
    """What is said of `edge.scan.Slide`."""

    grid: Grid
    levels: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A scan without its voxels, which follow as raw bytes in C order and the machine's byte order."""

    kind: Literal["loaded"] = "loaded"
    dtype: DType
    shape: tuple[int, ...]
    grid: Grid
    stack: Stack
    unit: str
    value_range: tuple[float, float] | None
    window: Window | None
    identity: Identity
    acquisition: Acquisition
    sources: tuple[Source, ...]
    places: tuple[tuple[int, int], ...]
    regions: tuple[tuple[int, int, int, int], ...]
    warnings: tuple[str, ...]
    lengths_told: bool
    slide: Pyramid | None
    stored: Grid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Read one region of a tiled picture: `Region` or `Failed`. See `edge.read.tiling.Regions.read`."""

    kind: Literal["cut"] = "cut"
    format: Format
    paths: tuple[str, ...]
    level: int
    place: tuple[int, int]
    size: tuple[int, int]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The region that was asked for, whose bytes follow: RGB of uint8, row by row."""

    kind: Literal["region"] = "region"


Request = Describe | Load | Cut
Answer = Ready | Described | Failed | At | Loaded | Region


def loaded_of(scan: Scan) -> Loaded:
    """Return what is said of `scan` ahead of its voxels."""
    return Loaded(
        dtype=scan.voxels.dtype.name,
        shape=scan.voxels.shape,
        grid=scan.grid,
        stack=scan.stack,
        unit=scan.unit,
        value_range=scan.value_range,
        window=scan.window,
        identity=scan.identity,
        acquisition=scan.acquisition,
        sources=scan.sources,
        places=scan.places,
        regions=scan.regions,
        warnings=scan.warnings,
        lengths_told=scan.lengths_told,
        slide=None if scan.slide is None else Pyramid(grid=scan.slide.grid, levels=scan.slide.levels),
        stored=scan.stored,
    )


def raw_of(scan: Scan) -> Iterator[memoryview]:
    """Yield the voxels as bytes, one z at a time, so that at most one slice is copied."""
    native = scan.voxels.dtype.newbyteorder("=")
    for picture in scan.voxels:
        yield np.ascontiguousarray(picture, dtype=native).data.cast("B")


def scan_of(loaded: Loaded, raw: bytearray, series: Series, read: ReadRegion) -> Scan:
    """Return the scan that the child sent in answer to a request for `series`; its voxels share memory with `raw`.

    Parameters
    ----------
    read : callable
        Asks the child for a region, where the scan is a slide.

    Raises
    ------
    ValueError
        Its parts contradict each other or the request: the child cannot be trusted any more.
    """
    dtype = np.dtype(loaded.dtype)
    z = loaded.shape[0] if loaded.shape else 0
    sound = (
        loaded.shape[:3] == loaded.grid.shape
        and loaded.shape[3:] in ((), (3,))
        and min(loaded.shape) > 0
        and math.prod(loaded.shape) * dtype.itemsize == len(raw)
        and len(loaded.places) == z
        and all(0 <= source < len(loaded.sources) and frame >= 0 for source, frame in loaded.places)
        and {source.path for source in loaded.sources} <= set(series.paths)
        and abs(float(np.linalg.det(loaded.grid.matrix[:3, :3]))) > 0
        and (loaded.slide is None or _is_sound(loaded.slide, loaded.grid))
        and (loaded.stored is None or is_halved(loaded.grid, loaded.stored, series.least_side))
    )
    if not sound:
        raise ValueError("The parts of the scan contradict each other.")
    apart = ("kind", "dtype", "shape", "slide")
    fields: dict[str, Any] = {name: getattr(loaded, name) for name in Loaded.__dataclass_fields__ if name not in apart}
    told = loaded.slide
    slide = None if told is None else Slide(grid=told.grid, levels=told.levels, read=read)
    return Scan(voxels=np.frombuffer(raw, dtype=dtype).reshape(loaded.shape), slide=slide, **fields)


def _is_sound(slide: Pyramid, overview: Grid) -> bool:
    """Whether a slide has levels, and its picture lies in its space."""
    return (
        bool(slide.levels)
        and all(min(level) > 0 for level in slide.levels)
        and slide.grid.shape == (1, *slide.levels[0])
        and slide.grid.space == overview.space
        and abs(float(np.linalg.det(slide.grid.matrix[:3, :3]))) > 0
    )
