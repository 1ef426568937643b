"""A tiled TIFF -> a scan: decoded whole where that fits, else shown small and read region by region when asked to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError, UsageError
from edge.geometry import Grid
from edge.hashes import hashed
from edge.read.contract import Progress
from edge.read.regions import open_regions
from edge.read.tiling import Pixels, Regions
from edge.scan import Acquisition, Identity, Scan, Slide, Source

OVERVIEW = 1536
"""Pixels along the longer side of the picture that stands for a slide, at least, and fewer than twice as many: three
times what a report shows, and 28 MB at the most."""

BLOCK = 2048
"""Pixels along each side of what is shrunk at a time."""

HASHED_BYTES = 1 << 26
"""Between two signs of life, while a file is hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a file says of its pictures before any of them is decoded.

    Parameters
    ----------
    bytes : int
        Memory that they would take, decoded; of a tiled one its largest level.
    pictures : int
    acquisition : Acquisition
    """

    bytes: int
    pictures: int
    acquisition: Acquisition


def tiled(path: str) -> Told | None:
    """Return what a file declares whose regions can be read one by one, or None where they cannot."""
    try:
        with open_regions(path) as regions:
            rows, columns = regions.shape
            return Told(bytes=rows * columns * 3, pictures=1, acquisition=_acquisition(regions))
    except ReadError:
        return None


def load_slide(path: str, limit_bytes: int, progress: Progress) -> Scan:
    """Return a tiled TIFF as `slide_scan` does.

    Raises
    ------
    edge.errors.ReadError
        As for `edge.read.regions.open_regions` and `Regions.read`.
    """
    digest = slide_sha256(path, progress)
    with open_regions(path) as regions:
        return slide_scan(
            regions,
            limit_bytes,
            lambda: progress(path),
            identity=Identity(),
            acquisition=_acquisition(regions),
            sources=(Source(path=path, sha256=digest),),
        )


def slide_scan(
    regions: Regions,
    limit_bytes: int,
    alive: Callable[[], object],
    *,
    identity: Identity,
    acquisition: Acquisition,
    sources: tuple[Source, ...],
) -> Scan:
    """Return a tiled picture: with all its pixels where they fit in `limit_bytes`, else as a slide.

    A slide's voxels are its picture in small: of the smallest level that has `OVERVIEW` pixels along its longer side,
    averaged in blocks where that is still too large. Its `read` is for the process that asks this one.

    Parameters
    ----------
    alive : callable
        Called now and then, as long as it goes on.
    sources : tuple of Source
        That of the largest level first.

    Raises
    ------
    edge.errors.ReadError
        As for `Regions.read`.
    """
    whole = _grid(regions)
    rows, columns = regions.shape
    slide, words = None, regions.about.words
    if rows * columns * 3 <= limit_bytes:
        pixels, grid = regions.read(0, 0, 0, rows, columns), whole
    else:
        pixels, grid = _overview(regions, whole, limit_bytes, alive)
        slide = Slide(grid=whole, levels=regions.levels, read=_not_here)
        shown = f"{grid.shape[2]} x {grid.shape[1]}"
        words += (f"It has {columns} x {rows} pixels and was read region by region; it is shown as {shown}.",)
    if regions.about.left_out:
        other = "labels, thumbnails, or parts in other proportions"
        words += (f"{regions.about.left_out} other pictures ({other}) were left out: the model saw none of them.",)
    return Scan(
        voxels=(pixels[..., 0] if regions.about.is_grey else pixels)[np.newaxis],
        grid=grid,
        stack="picture",
        unit="stored value",
        value_range=(0.0, 255.0),
        identity=identity,
        acquisition=acquisition,
        sources=sources,
        places=((0, 0),),
        warnings=words,
        slide=slide,
    )


def _not_here(*_: int) -> NDArray[Any]:
    raise UsageError("Reading a region of a slide: the process that holds the scan asks the one that reads.")


def _acquisition(regions: Regions) -> Acquisition:
    return Acquisition(
        photometric="MONOCHROME2" if regions.about.is_grey else "RGB", lossy=regions.about.is_lossy or None
    )


def _grid(regions: Regions) -> Grid:
    rows, columns = regions.shape
    return Grid.of_picture(rows, columns, regions.about.spacing_mm)


def slide_sha256(path: str, progress: Progress) -> str:
    """Return the SHA-256 of a file, with a sign of life now and then: a slide may have many gigabytes."""
    return hashed(Path(path), lambda: progress(path), block=HASHED_BYTES)


def _overview(regions: Regions, whole: Grid, limit_bytes: int, alive: Callable[[], object]) -> tuple[Pixels, Grid]:
    """The whole picture in small, and where its pixels lie: at its end they may reach beyond the picture by a part."""
    level = max(
        (index for index, size in enumerate(regions.levels) if max(size) >= OVERVIEW), default=0
    )  # the levels become smaller
    rows, columns = regions.levels[level]
    factor = max(max(rows, columns) // OVERVIEW, math.isqrt(3 * rows * columns // limit_bytes) + 1)
    high, wide = -(-rows // factor), -(-columns // factor)
    out = np.empty((high, wide, 3), dtype=np.uint8)
    for top, left, size in _blocks(rows, columns, factor):
        alive()
        shrunk = _shrunk(regions.read(level, top, left, *size), factor)
        y, x = top // factor, left // factor
        out[y : y + shrunk.shape[0], x : x + shrunk.shape[1]] = shrunk
    grid = whole.resized((1, rows, columns)).cropped((0, 0, 0), (1, high * factor, wide * factor))
    return out, grid.resized((1, high, wide))


def _blocks(rows: int, columns: int, factor: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """First row, first column and size of blocks that cover a level, each a multiple of `factor` but for the last."""
    side = max(BLOCK // factor, 1) * factor
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            yield top, left, (min(side, rows - top), min(side, columns - left))


def _shrunk(pixels: Pixels, factor: int) -> Pixels:
    """The means of squares of `factor` pixels; what is missing at the end repeats the edge."""
    rows, columns = pixels.shape[:2]
    full = np.pad(pixels, ((0, -rows % factor), (0, -columns % factor), (0, 0)), mode="edge")
    squares = full.reshape(full.shape[0] // factor, factor, full.shape[1] // factor, factor, 3)
    return np.asarray(np.rint(squares.mean(axis=(1, 3), dtype=np.float32)), dtype=np.uint8)
