"""Steps that move voxels: each takes the grid along."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import canonical_turn, resample
from edge.prepare.area import averaged
from edge.prepare.image import Image
from edge.typed import Between

Size = Annotated[int, Between(1, 65536)]
Kind = Literal["nearest", "linear", "area", "cubic", "lanczos"]

_KINDS = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


def select_frame(image: Image, *, at: Annotated[float, Between(0.0, 1.0)] = 0.5) -> Image:
    """Keep one slice or frame: `at` 0 is the first, 1 the last, 0.5 the middle one (the later of two).

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> select_frame(Image.of(phantom_scan((5, 4, 4))), at=0.5).grid.shape
    (1, 4, 4)
    """
    count = image.grid.shape[0]
    index = min(int(at * count), count - 1)
    grid = image.grid.cropped((index, 0, 0), (1, *image.grid.shape[1:]))
    return image.moved(image.voxels[index : index + 1], grid)


def orient(image: Image) -> Image:
    """Turn the axes so that z rises to the head, y to the back, x to the left; pictures without a place stay."""
    turn = canonical_turn(image.grid)
    return image.moved(turn.apply(image.voxels), turn.apply_grid(image.grid))


def center_square(image: Image) -> Image:
    """Keep the largest square in the middle."""
    side = min(image.grid.shape[1:])
    return center_crop_or_pad(image, height=side, width=side)


def center_crop_or_pad(image: Image, *, height: Size, width: Size, fill: float = 0.0) -> Image:
    """Cut or extend each side equally; where the difference is odd, the top or left edge gives up one pixel more."""
    nz, ny, nx = image.grid.shape
    start = (0, (ny - height + 1) // 2, (nx - width + 1) // 2)
    grid = image.grid.cropped(start, (nz, height, width))
    if height <= ny and width <= nx:  # a piece of it: nothing is copied
        _, top, left = start
        return image.moved(image.voxels[:, top : top + height, left : left + width], grid)
    return image.moved(resample(image.voxels, image.grid, grid, fill=fill), grid)


def resize(image: Image, *, height: Size, width: Size, interpolation: Kind) -> Image:
    """Make every slice `height` by `width`, as float32; ``area`` averages when it shrinks and so does not alias."""
    grid = image.grid.resized((image.grid.shape[0], height, width))
    return image.moved(_resize(image.voxels, height, width, interpolation), grid)


def letterbox(image: Image, *, height: Size, width: Size, interpolation: Kind, fill: float = 0.0) -> Image:
    """Scale with the aspect kept until one side fits, then extend the other side equally with `fill`."""
    _, ny, nx = image.grid.shape
    scale = min(height / ny, width / nx)
    inner_height = min(height, max(1, round(ny * scale)))
    inner_width = min(width, max(1, round(nx * scale)))
    scaled = resize(image, height=inner_height, width=inner_width, interpolation=interpolation)
    return center_crop_or_pad(scaled, height=height, width=width, fill=fill)


def _resize(voxels: NDArray[Any], height: int, width: int, kind: Kind) -> NDArray[np.float32]:
    slices = [_resize_slice(part, height, width, kind) for part in voxels]
    stacked = np.asarray(slices, dtype=np.float32)
    return stacked.reshape(len(slices), height, width, *voxels.shape[3:])


def _resize_slice(pixels: NDArray[Any], height: int, width: int, kind: Kind) -> NDArray[np.float32]:
    if kind == "area":
        # Where one side shrinks while the other grows, OpenCV's area neither averages nor keeps pixels in their place.
        pixels = averaged(pixels, min(height, pixels.shape[0]), min(width, pixels.shape[1]))
    else:
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=_KINDS[kind]), dtype=np.float32)
