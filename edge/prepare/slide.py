"""A picture seen in windows: each is read where it lies, prepared by itself and fed; a slide never lies in memory.

A picture that was decoded whole is seen in the same windows, so that a pack need not know how large its scans are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import Grid, index_map, resample
from edge.pack.manifest import Input, Manifest, SegmentationTask, Windows
from edge.prepare import Feed, Step, Window, bind_steps, tensor_of
from edge.prepare.glass import without_tissue
from edge.prepare.image import Image
from edge.prepare.memory import budget_bytes, plan_windows
from edge.reasons import INVERTED, MODEL_MISMATCH, UNKNOWN_SPACING, UNSUPPORTED_INPUT
from edge.scan import Scan, Slide
from edge.volume.plan import MemoryPlan
from edge.volume.tiles import Flips, Start, Tiles, mirror

RESAMPLE = "resample"
LOCAL = ("require_unit", "monochrome2", "voi_window", "window", "rescale", "channels", "normalise")
"""Steps that change a pixel by its own value alone: of a window they make what they would make of the whole."""

AS_FINE = 1.001
"""A level serves whose pixels are as large as those that are wanted, or larger by this factor: sides are rounded."""

MARGIN = 2
"""Pixels around a window that are read, too, where it is resampled, so that values between pixels are those of the
whole."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prepared:
    """How a picture is prepared: on which grid, from which level, by which steps."""

    scan: Scan
    slide: Slide
    level: int
    source: Grid
    grid: Grid
    steps: tuple[Step, ...]


def windows_of(scan: Scan, manifest: Manifest, windows: Windows) -> Iterator[Feed]:
    """Yield what the model is fed of a picture, window by window, from top to bottom; see `edge.prepare.prepare`.

    Memory: one window and what is read for it; for a segmentation what `edge.volume.plan` plans.

    Raises
    ------
    PackError
        ``P409``: a step that needs more of a picture than a window; ``P407``: the steps end in another shape.
    ReadError
        ``C727``: the pack resamples and the file does not give the size of a pixel. ``C728``, ``C730`` and ``C717`` as
        in `prepare`. ``R341``: glass is skipped and there is nothing else. Those of reading.
    """
    item = manifest.inputs[0]
    if scan.acquisition.photometric == "MONOCHROME1" and all(step["step"] != "monochrome2" for step in item.steps):
        raise ReadError(f"Preparing the scan {item.name!r}: found MONOCHROME1, expected MONOCHROME2.", INVERTED)
    prepared = _prepared(scan, item)
    _, rows, columns = prepared.grid.shape
    mirrored = tuple({"y": 0, "x": 2}[axis] for axis in windows.mirror)
    _, height, width = item.shape
    tiles = Tiles.of((rows, 1, columns), (height, 1, width), windows.overlap, mirrored)
    memory = _memory(tiles, manifest, scan)
    bare = without_tissue(scan, prepared.grid, tiles) if windows.skip_glass else frozenset()
    for row in tiles.starts_along[0]:
        for start, flips in tiles.row(row):
            if start in bare:
                continue
            if flips == tiles.mirrors[0]:
                tensor = _window(prepared, item, tiles, start, windows.fill)
            window = Window(start=start, flips=flips, tiles=tiles, memory=memory, bare=bare)
            yield Feed(
                tensors={item.tensor: _mirrored(tensor, flips)},
                grid=prepared.grid,
                window=window,
                seen={item.name: 1.0},
            )


def _prepared(scan: Scan, item: Input) -> _Prepared:
    """Which pixels are fed: those of the file, or those that the step ``resample`` asks for."""
    slide = scan.slide or _in_memory(scan)
    steps, named = bind_steps(item, "$.inputs[0]"), [str(step["step"]) for step in item.steps]
    grid = slide.grid
    if named[:1] == [RESAMPLE]:
        grid = _resampled(slide.grid, steps[0].keywords["spacing_mm"])  # type: ignore[attr-defined]
        steps, named = steps[1:], named[1:]
    if others := [name for name in named if name not in LOCAL]:
        raise PackError(
            f"Preparing windows of a picture: found the step {others[0]}, expected {RESAMPLE} first, then some of "
            f"{', '.join(LOCAL)}.",
            UNSUPPORTED_INPUT,
        )
    level = _level(slide, grid)
    source = slide.grid.resized((1, *slide.levels[level]))
    return _Prepared(scan=scan, slide=slide, level=level, source=source, grid=grid, steps=steps)


def _in_memory(scan: Scan) -> Slide:
    """A picture that was decoded whole, read as a slide is."""

    def read(_level: int, y: int, x: int, height: int, width: int) -> NDArray[Any]:
        return np.asarray(scan.voxels[0, y : y + height, x : x + width])

    if scan.grid.shape[0] != 1:
        raise PackError(
            f"Preparing windows of a picture: found {scan.grid.shape[0]} slices, expected one.", MODEL_MISMATCH
        )
    return Slide(grid=scan.grid, levels=((scan.grid.shape[1], scan.grid.shape[2]),), read=read)


def _resampled(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid that `edge.prepare.volume.resample_spacing` would give."""
    if grid.space == "pixel":
        raise ReadError(
            f"Resampling to {spacing_mm} mm: found a picture in pixel space, expected one whose spacing is known.",
            UNKNOWN_SPACING,
        )
    sizes = zip(grid.shape[1:], grid.steps[1:], spacing_mm[1:], strict=True)
    rows, columns = (max(1, round(count * step / wanted)) for count, step, wanted in sizes)
    return grid.resized((1, rows, columns))


def _level(slide: Slide, grid: Grid) -> int:
    """The smallest level that is as fine as what is wanted: the largest where none is."""
    fine = [
        index
        for index, size in enumerate(slide.levels)
        if all(have * AS_FINE >= want for have, want in zip(size, grid.shape[1:], strict=True))
    ]
    return max(fine, default=0)


def _memory(tiles: Tiles, manifest: Manifest, scan: Scan) -> MemoryPlan | None:
    task, channels = manifest.task, manifest.inputs[0].shape[0]
    if not isinstance(task, SegmentationTask):
        return None
    held, budget = scan.voxels.nbytes, budget_bytes()
    return plan_windows(tiles, tiles.shape, task, channels=channels, held_bytes=held, budget=budget, streamed=True)


def _window(prepared: _Prepared, item: Input, tiles: Tiles, start: Start, fill: float) -> NDArray[np.float32]:
    """One window as the graph wants it, shape (1, channel, y, x), with `fill` beyond the picture."""
    (rows, _, columns), (own_rows, _, own_columns) = tiles.inside(start)
    corner = (0, rows.start, columns.start)
    grid = prepared.grid.cropped(corner, (1, rows.stop - rows.start, columns.stop - columns.start))
    image = Image(voxels=_pixels(prepared, grid), grid=grid, scan=prepared.scan)
    for step in prepared.steps:
        image = step(image)
    seen = tensor_of(image, item)
    if seen.shape[1] != item.shape[0]:
        found = f"the steps end in {seen.shape[1]} channels, the manifest declares {item.shape[0]}"
        raise PackError(f"Preparing the scan {item.name!r}: {found}.", MODEL_MISMATCH)
    if seen.shape == (1, *item.shape):
        return seen
    padded = np.full((1, *item.shape), fill, dtype=np.float32)
    padded[..., own_rows, own_columns] = seen
    return padded


def _pixels(prepared: _Prepared, grid: Grid) -> NDArray[Any]:
    """The picture on `grid`, shape (1, y, x) or (1, y, x, 3), read from its level and brought there linearly."""
    _, rows, columns = prepared.source.shape
    margin = 0 if prepared.source == prepared.grid else MARGIN
    matrix = index_map(prepared.source, grid)
    first = matrix @ np.array([0.0, 0.0, 0.0, 1.0])
    last = matrix @ np.array([0.0, grid.shape[1] - 1.0, grid.shape[2] - 1.0, 1.0])
    top, left = (max(math.floor(value) - margin, 0) for value in first[1:3])
    bottom = min(math.ceil(last[1]) + margin + 1, rows)
    right = min(math.ceil(last[2]) + margin + 1, columns)
    found = prepared.slide.read(prepared.level, top, left, bottom - top, right - left)
    if prepared.scan.voxels.ndim == 3 and found.ndim == 3:  # a grey slide is read as three equal channels
        found = found[..., 0]
    read = prepared.source.cropped((0, top, left), (1, bottom - top, right - left))
    return resample(found[np.newaxis], read, grid)


def _mirrored(tensor: NDArray[np.float32], flips: Flips) -> NDArray[np.float32]:
    return np.ascontiguousarray(mirror(tensor[..., np.newaxis, :], flips)[..., 0, :])
