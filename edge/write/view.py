"""A slice of a scan -> grey or colours for a screen, windowed for the eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.findings import Findings
from edge.geometry import Grid, slice_seen
from edge.prepare.image import Image
from edge.prepare.pieces import pieces_of
from edge.prepare.spread import counted
from edge.prepare.values import voi_window
from edge.scan import Scan
from edge.words import message, say
from edge.write.canvas import Box, Pixels, fitted
from edge.write.planes import ACROSS, COUNTED, crossing, cut, upright

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A slice as grey or colours for a screen, shape (rows, columns, 3), and where it lies: (1, rows, columns).

    Grey pixels may have one channel in memory that is read three times; then they cannot be written to.
    `where` tells in words where its lengths are those of the grid; None: their unit is not known.
    """

    pixels: Pixels
    grid: Grid
    where: str | None = "in the patient"

    @property
    def size(self) -> tuple[float, float]:
        """Height and width: in millimetres where the spacing is known, else in pixels."""
        rows, columns = self.pixels.shape[:2]
        height_mm, width_mm = self.grid.pixel_spacing_mm or (1.0, 1.0)
        return rows * height_mm, columns * width_mm

    def fitted(self, panel: Box) -> Box:
        """Return where the slice is drawn in a panel: in its true proportions, where the spacing tells them."""
        return fitted(*self.size, panel)

    def shrunk(self, room: Box) -> View:
        """Return the slice no larger than it is drawn: nobody sees what is laid over the rest of it."""
        rows, columns = self.pixels.shape[:2]
        if rows <= room.height or columns <= room.width:
            return self
        one = self.pixels[..., 0] if self.pixels.strides[-1] == 0 else self.pixels
        small = cv2.resize(np.ascontiguousarray(one), (room.width, room.height), interpolation=cv2.INTER_AREA)
        pixels = small if small.ndim == 3 else cv2.merge([small] * 3)
        grid = self.grid.resized((1, room.height, room.width))
        return replace(self, pixels=np.asarray(pixels, dtype=np.uint8), grid=grid)


def slice_shown(scan: Scan, findings: Findings | None) -> Grid:
    """Return the slice that was examined, or the middle one."""
    nz, ny, nx = scan.grid.shape
    plane = scan.grid.cropped((nz // 2, 0, 0), (1, ny, nx))
    if findings is not None and findings.grid.shape[0] == 1:
        plane = slice_seen(scan.grid, findings.grid)
    return as_looked_at(scan, plane)


def as_looked_at(scan: Scan, plane: Grid) -> Grid:
    """Return a slice of a volume upright; a picture stays as it was received."""
    return upright(plane) if scan.stack == "volume" else plane


def which_slice(scan: Scan, plane: Grid) -> str:
    """Return which slice of how many a plane is, counted from 1."""
    axis, at = crossing(scan.grid, plane)
    name = "frame" if scan.stack == "frames" and axis == 0 else ACROSS[axis]
    return say(COUNTED[name], number=at + 1, total=scan.grid.shape[axis])


def where_measured(scan: Scan) -> str | None:
    """Return in words where a length is measured that the scan's grid tells; None where its unit is not known.

    A picture that does not lie in the patient is a projection, unless it is one of slide microscopy.
    """
    if not scan.lengths_told:
        return None
    if scan.grid.space == "patient":
        return message("in the patient")
    on_slide = scan.slide is not None or scan.acquisition.modality == "SM"
    return message("on the slide") if on_slide else message("at the detector")


def views_of(scan: Scan, planes: Sequence[Grid]) -> tuple[View, ...]:
    """Return slices of a scan, all of them in the same window: its own, else from the 1st to the 99th percentile."""
    cuts = [cut(scan.voxels, scan.grid, plane) for plane in planes]
    if scan.voxels.ndim == 4:
        pictures = [part if part.dtype == np.uint8 else eight_bit(stretched(part, 0.0, 100.0)) for part in cuts]
        return tuple(
            View(pixels=np.ascontiguousarray(part[..., ::-1]), grid=plane, where=where_measured(scan))
            for part, plane in zip(pictures, planes, strict=True)
        )
    where, shown = where_measured(scan), _shown_by(scan, cuts)
    return tuple(
        View(pixels=_grey_of(part, plane, scan, shown), grid=plane, where=where)
        for part, plane in zip(cuts, planes, strict=True)
    )


def _shown_by(scan: Scan, cuts: Sequence[NDArray[Any]]) -> Callable[[Image], NDArray[Any]]:
    """What makes a share, 0 to 1, of the values of slices that are looked at together."""
    if scan.window is not None or scan.voxels.dtype == np.uint8:
        return lambda image: voi_window(image).voxels
    low, high = limits(np.concatenate([part.ravel() for part in cuts]), 1.0, 99.0) or (0.0, 1.0)
    return lambda image: between(image.voxels, low, high)


def _grey_of(part: NDArray[Any], plane: Grid, scan: Scan, shown: Callable[[Image], NDArray[Any]]) -> Pixels:
    """One slice as grey pixels, made some rows at a time."""
    pixels = np.empty(part.shape, dtype=np.uint8)
    for rows in pieces_of(part):
        share = shown(Image(voxels=part[np.newaxis, rows], grid=plane, scan=scan))[0]
        pixels[rows] = eight_bit(1.0 - share if scan.acquisition.photometric == "MONOCHROME1" else share)
    return _repeated(pixels)


def stretched(values: NDArray[Any], least: float, greatest: float) -> Floats:
    """Return values without a window of their own, from one percentile to another as 0 to 1."""
    return between(values, *(limits(values, least, greatest) or (0.0, 1.0)))


def limits(values: NDArray[Any], least: float, greatest: float) -> tuple[float, float] | None:
    """Return two percentiles of what are numbers; None where nothing is."""
    whole = counted(values, (least, greatest))
    if whole is not None:
        return whole[0], whole[1]
    numbers = np.asarray(values, dtype=np.float32)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    low, high = np.percentile(numbers, [least, greatest])
    return float(low), float(high)


def between(values: NDArray[Any], low: float, high: float) -> Floats:
    """Return values from `low` to `high` as 0 to 1, and what lies outside as the nearer of both."""
    share = (np.asarray(values, dtype=np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-12))
    return np.asarray(share.clip(0.0, 1.0), dtype=np.float32)


def eight_bit(share: NDArray[Any]) -> Pixels:
    """Return 0 to 1 as 0 to 255; what is no number is black."""
    numbers = share if np.isfinite(share.sum()) else np.nan_to_num(share)
    scaled = numbers * 255
    return np.asarray(np.rint(scaled, out=scaled), dtype=np.uint8)


def grey(share: NDArray[Any]) -> Pixels:
    """Return 0 to 1, shape (rows, columns), as grey pixels with three channels, which share their memory."""
    return _repeated(eight_bit(share))


def _repeated(picture: Pixels) -> Pixels:
    return np.broadcast_to(picture[..., np.newaxis], (*picture.shape, 3))
