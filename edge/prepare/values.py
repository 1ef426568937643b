"""Steps that change values and leave every voxel in its place. All return float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError
from edge.prepare.image import Image
from edge.prepare.pieces import pieces_of
from edge.prepare.spread import counted
from edge.reasons import BAD_MANIFEST
from edge.scan import Window
from edge.typed import Between

Percent = Annotated[float, Between(0.0, 100.0)]
Positive = Annotated[float, Between(1e-12)]


def monochrome2(image: Image) -> Image:
    """Turn MONOCHROME1, where low values are shown bright, into MONOCHROME2 (PS3.3 C.7.6.3.1.2).

    A value becomes its mirror within the range that the stored bits can express.
    """
    if image.scan.acquisition.photometric != "MONOCHROME1" or image.inverted:
        return image
    low, high = value_range(image)
    return Image(voxels=low + high - _float(image), grid=image.grid, scan=image.scan, inverted=True)


def voi_window(image: Image) -> Image:
    """Apply the first window that the file proposes, else the whole range of its stored bits: 0 to 1.

    The window is in values before any MONOCHROME1 inversion (PS3.3 C.11.2.1.2), so it is applied to those.
    """
    found = image.scan.window
    if found is not None and not image.inverted:
        return image.with_voxels(apply_window(image.voxels, found))
    low, high = value_range(image)
    if found is None:
        return rescale(image, low=low, high=high if high > low else low + 1.0)
    stored = np.float32(low + high) - _float(image)
    return image.with_voxels(1.0 - apply_window(stored, found))


def window(image: Image, *, center: float, width: Positive) -> Image:
    """Map [center - width / 2, center + width / 2] to 0 to 1 and clip (LINEAR_EXACT, PS3.3 C.11.2.1.3.2).

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> scan = phantom_scan((1, 1, 3), values=[-160.0, 40.0, 900.0])
    >>> window(Image.of(scan), center=40.0, width=400.0).voxels.ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    return image.with_voxels(apply_window(image.voxels, Window(center=center, width=width, function="LINEAR_EXACT")))


def rescale(
    image: Image, *, low: float, high: float, to_low: float = 0.0, to_high: float = 1.0, clip: bool = True
) -> Image:
    """Map [low, high] to [to_low, to_high] linearly, and clip to it unless told not to."""
    if low == high:
        raise PackError(f"Preparing a scan: rescale found low = high = {low:g}, expected a range.", BAD_MANIFEST)

    def scaled(values: NDArray[np.float32]) -> None:
        values -= np.float32(low)
        values /= np.float32(high - low)
        if clip:
            np.clip(values, 0.0, 1.0, out=values)
        values *= np.float32(to_high - to_low)
        values += np.float32(to_low)

    return image.with_voxels(in_pieces(image.voxels, scaled))


def percentile_clip(image: Image, *, low: Percent, high: Percent) -> Image:
    """Clip to two percentiles of the scan's own values."""
    if low >= high:
        raise PackError(
            f"Preparing a scan: percentile_clip found low {low:g} and high {high:g}, expected low < high.", BAD_MANIFEST
        )
    least, greatest = counted(image.voxels, (low, high)) or np.percentile(image.voxels, [low, high])
    return image.with_voxels(_float(image).clip(np.float32(least), np.float32(greatest)))


def min_max(image: Image) -> Image:
    """Map the scan's own least and greatest value to 0 and 1. A constant scan becomes 0."""
    least, greatest = float(image.voxels.min()), float(image.voxels.max())
    return rescale(image, low=least, high=greatest if greatest > least else least + 1.0)


def z_score(image: Image, *, nonzero: bool = False) -> Image:
    """Subtract the mean and divide by the standard deviation, of all voxels or of those that are not 0.

    With `nonzero`, voxels that are 0 stay 0. A constant scan becomes 0.
    """
    values = _float(image)
    inside = values != 0 if nonzero else np.ones(values.shape, dtype=np.bool_)
    if not inside.any():
        return image.with_voxels(values)
    mean = values[inside].mean(dtype=np.float64)
    spread = values[inside].std(dtype=np.float64)
    scaled = (values - np.float32(mean)) / np.float32(spread if spread > 0 else 1.0)
    return image.with_voxels(np.where(inside, scaled, np.float32(0)))


def channels(image: Image, *, order: Literal["rgb", "bgr", "grey", "grey3"]) -> Image:
    """Give the picture the channels that the model wants.

    ``grey`` makes one of RGB by ITU-R BT.601 (0.299, 0.587, 0.114), ``grey3`` repeats that one three times;
    ``rgb`` and ``bgr`` order the channels of a colour picture and repeat a grey one.
    """
    voxels = _float(image)
    if order in ("grey", "grey3") and voxels.ndim == 4:
        voxels = voxels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    if order == "grey":
        return image.with_voxels(voxels)
    if voxels.ndim == 3:
        return image.with_voxels(np.repeat(voxels[..., np.newaxis], 3, axis=-1))
    if order == "bgr":
        return image.with_voxels(voxels[..., ::-1])
    return image.with_voxels(voxels)


def normalise(image: Image, *, mean: tuple[float, ...], std: tuple[Positive, ...]) -> Image:
    """Subtract `mean` and divide by `std`: one number each, or one per channel.

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> scan = phantom_scan((1, 1, 2), values=[0.0, 1.0])
    >>> normalise(Image.of(scan), mean=(0.5,), std=(0.25,)).voxels.ravel().tolist()
    [-2.0, 2.0]
    """
    values = _float(image)
    here = values.shape[3] if values.ndim == 4 else 1
    if len(mean) not in (1, here) or len(std) not in (1, here):
        found = f"{len(mean)} means and {len(std)} deviations"
        raise PackError(f"Preparing a scan: normalise found {found}, expected 1 or {here} of each.", BAD_MANIFEST)
    return image.with_voxels((values - np.array(mean, np.float32)) / np.array(std, np.float32))


def apply_window(values: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Return `values`, shape (z, y, x[, channel]), seen through `window`, 0 to 1 (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    center, width = window.center, window.width
    if window.function == "SIGMOID" and width > 0:
        # 1 / (1 + exp(-4 (x - c) / w)), written with tanh, which does not overflow.
        share = np.tanh(np.float32(2.0) * ((_as_float(values) - np.float32(center)) / np.float32(width)))
        return np.asarray(np.float32(0.5) + np.float32(0.5) * share, dtype=np.float32)
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    if width <= 0:  # LINEAR with a width of 1 is a step (C.11.2.1.2.1)
        return (_as_float(values) > center).astype(np.float32)

    def seen(part: NDArray[np.float32]) -> None:
        part -= np.float32(center)
        part /= np.float32(width)
        part += np.float32(0.5)
        np.clip(part, 0.0, 1.0, out=part)

    return in_pieces(values, seen)


def in_pieces(values: NDArray[Any], change: Callable[[NDArray[np.float32]], None]) -> NDArray[np.float32]:
    """Return `values`, shape (z, y, ...), in float32 after `change`, which changes some rows at a time in place."""
    changed = np.empty(values.shape, dtype=np.float32)
    for plane, target in zip(values, changed, strict=True):
        for rows in pieces_of(plane):
            piece = target[rows]
            piece[...] = plane[rows]
            change(piece)
    return changed


def value_range(image: Image) -> tuple[float, float]:
    """Return the least and greatest value that the scan's format can express, else those that it has."""
    if image.scan.value_range is not None:
        return image.scan.value_range
    return float(image.scan.voxels.min()), float(image.scan.voxels.max())


def _float(image: Image) -> NDArray[np.float32]:
    return _as_float(image.voxels)


def _as_float(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)
