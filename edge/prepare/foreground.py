"""Steps that scale a scan by statistics of its foreground, for MRI, whose values have no unit. All return float32."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.prepare.image import Image
from edge.prepare.values import Percent
from edge.reasons import BAD_MANIFEST, NOT_NUMBERS

Rule = Literal["otsu", "zero"]

LEVELS = 65535
"""Steps from the least to the greatest value in which Otsu's threshold is sought; few would let one bright voxel push
all others into one step."""


def foreground_z_score(image: Image, *, above: Rule = "otsu", outside: Literal["scale", "zero"] = "scale") -> Image:
    """Subtract the mean of the foreground and divide by its standard deviation.

    Parameters
    ----------
    above : {"otsu", "zero"}
        The foreground is what is greater than Otsu's threshold of the whole scan, or than 0.
    outside : {"scale", "zero"}
        Whether other voxels are scaled by the same numbers, or become 0 (the mean of the foreground), as nnU-Net does
        with what lies outside the body (Isensee et al., Nature Methods 18, 2021).

    Notes
    -----
    A scan whose foreground is empty or of one value is only shifted: the deviation is taken as 1, the mean of an empty
    foreground as 0.

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> scan = phantom_scan((1, 1, 4), values=[0.0, 0.0, 3.0, 5.0])
    >>> foreground_z_score(Image.of(scan), above="zero").voxels.ravel().tolist()
    [-4.0, -4.0, -1.0, 1.0]
    """
    values = _float(image)
    inside = foreground(values, above)
    chosen = values[inside]
    mean = chosen.mean(dtype=np.float64) if chosen.size else 0.0
    spread = chosen.std(dtype=np.float64) if chosen.size else 0.0
    scaled = (values - np.float32(mean)) / np.float32(spread if spread > 0 else 1.0)
    return image.with_voxels(scaled if outside == "scale" else np.where(inside, scaled, np.float32(0)))


def foreground_percentile(image: Image, *, low: Percent, high: Percent, above: Rule = "otsu") -> Image:
    """Map two percentiles of the foreground to 0 and 1, and clip to them.

    Parameters
    ----------
    low, high : float
        Percentiles, low < high; values between two voxels are interpolated linearly.
    above : {"otsu", "zero"}
        As for `foreground_z_score`. A scan without foreground becomes 0.

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> scan = phantom_scan((1, 1, 5), values=[0.0, 0.0, 10.0, 20.0, 30.0])
    >>> foreground_percentile(Image.of(scan), low=0.0, high=50.0, above="zero").voxels.ravel().tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0]
    """
    if low >= high:
        raise PackError(
            f"Preparing a scan: foreground_percentile found low {low:g} and high {high:g}, expected low < high.",
            BAD_MANIFEST,
        )
    values = _float(image)
    chosen = values[foreground(values, above)]
    if not chosen.size:
        return image.with_voxels(np.zeros_like(values))
    least, greatest = (np.float32(found) for found in np.percentile(chosen, [low, high]))
    if least == greatest:
        return image.with_voxels((values > greatest).astype(np.float32))
    return image.with_voxels(((values - least) / (greatest - least)).clip(0.0, 1.0))


def foreground(values: NDArray[Any], above: Rule) -> NDArray[np.bool_]:
    """Return where `values` are greater than Otsu's threshold, or than 0.

    Raises
    ------
    ReadError
        ``C717``: a value is no number.

    Examples
    --------
    >>> foreground(np.array([1.0, 2.0, 1.0, 50.0, 52.0]), "otsu").tolist()
    [False, False, False, True, True]
    """
    if not np.isfinite(values).all():
        raise ReadError("Preparing a scan: looking for its foreground, found values that are no numbers.", NOT_NUMBERS)
    return np.asarray(values > (0.0 if above == "zero" else otsu(values)), dtype=np.bool_)


def otsu(values: NDArray[Any]) -> float:
    """Return the threshold that best parts finite `values` in two (Otsu, IEEE Trans. SMC 9, 1979).

    It is sought among `LEVELS` equal steps from the least to the greatest value, by OpenCV; values above it belong to
    the brighter part. Of values that are all the same it is that value.

    Examples
    --------
    >>> otsu(np.array([3.0, 3.0]))
    3.0
    """
    least, greatest = float(values.min()), float(values.max())
    if least == greatest:
        return least
    step = (greatest - least) / LEVELS
    rows = values.reshape(len(values), -1)
    levels = np.empty(rows.shape, dtype=np.uint16)
    for row, level in zip(rows, levels, strict=True):  # one slice at a time in double precision
        level[...] = np.rint((row.astype(np.float64) - least) / step)
    threshold, _ = cv2.threshold(levels, 0, 1, cv2.THRESH_OTSU)
    return least + (float(threshold) + 0.5) * step


def _float(image: Image) -> NDArray[np.float32]:
    return np.asarray(image.voxels, dtype=np.float32)
