"""Steps that find the part of a picture that shows the patient, and blank the rest. Both return float32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import resample
from edge.prepare.image import Image
from edge.reasons import BAD_MANIFEST, NO_FIELD, NO_SECTOR, NOT_NUMBERS, Reason
from edge.scan import Scan
from edge.typed import Between

Share = Annotated[float, Between(0.0, 1.0)]
Otherwise = Literal["refuse", "keep"]
Mask = NDArray[np.bool_]

OUTLIER = 0.02
"""Share of the radius by which a point of the edge may miss the circle: beyond lie notches, labels and eyelids."""

ROUND = 0.6
"""Least share of the edge's points that must lie on the circle."""

ARC_DEGREES = 120.0
"""Least part of the circle that must be seen; cameras often cut it off above and below."""

EDGE_PIXELS = 0.5
"""The circle goes through the centres of the outermost pixels of the field; it ends where these do."""

SECTOR_SHARES = (0.05, 0.95)
"""Least and greatest part of the picture that an ultrasound sector takes; beyond lie a caption, and a clip whose noise
moves captions and all."""

MOVES = 0.02
"""Share of the 99th percentile of the deviation over time above which a pixel moves: what a machine draws stands still
to the last bit, and the faintest speckle does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """A circle in pixels, (y, x) of its centre from the centre of the first one."""

    y: float
    x: float
    radius: float


def fundus_field(
    image: Image, *, margin: Share = 0.0, dark: Share = 0.06, fill: float = 0.0, otherwise: Otherwise = "refuse"
) -> Image:
    """Crop a fundus photograph to its round field of view, and blank what lies outside.

    Every picture becomes the square around the circle, also where the camera has cut the circle off; the grid moves
    along. The rule is the one that the preparation of the Kaggle diabetic retinopathy pictures (2015) made common, a
    brightness that the dark surround does not reach, with a circle fitted to the edge in place of a box around it.

    Parameters
    ----------
    margin : float
        What is left around the circle, as a share of its radius.
    dark : float
        The field is brighter than this share of the way from the darkest pixel to the 99th percentile, in the brightest
        channel.
    fill : float
        Value outside the circle.
    otherwise : {"refuse", "keep"}
        What happens to a picture in which no circle is found.

    Raises
    ------
    ReadError
        ``C720``: there is no circle, and pictures without are to be refused. ``C717``: values are no numbers.

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> y, x = np.indices((50, 80))
    >>> disc = np.hypot(y - 24, x - 40) <= 20
    >>> field = fundus_field(Image.of(phantom_scan((1, 50, 80), values=(100.0 * disc).ravel().tolist())))
    >>> field.grid.shape, (field.grid.matrix @ [0, 0, 0, 1])[:2].tolist()
    ((1, 41, 41), [20.0, 4.0])
    """
    circle = field_circle(_brightness(image.voxels), dark)
    if circle is None:
        return _without(image, otherwise, "a bright disc in a dark surround", NO_FIELD)
    half = circle.radius * (1.0 + margin)
    start = (0, math.floor(circle.y - half + 0.5), math.floor(circle.x - half + 0.5))
    side = math.ceil(2 * half) + 1
    grid = image.grid.cropped(start, (image.grid.shape[0], side, side))
    cut = resample(_float(image), image.grid, grid, fill=fill)
    y, x = np.ogrid[:side, :side]
    inside = np.hypot(y + (start[1] - circle.y), x + (start[2] - circle.x)) <= circle.radius + EDGE_PIXELS
    return image.moved(_masked(cut, inside, fill), grid)


def field_circle(brightness: NDArray[np.float32], dark: float) -> Circle | None:
    """Return the circle around the largest bright part of a picture, shape (y, x); None where it is not round.

    The circle is the least-squares one (Kåsa, IEEE Trans. Instrum. Meas. 25, 1976) through the edge's points, without
    those on the picture's own border and, from the second pass on, those that miss the last circle by `OUTLIER`.
    """
    least, most = float(brightness.min()), float(np.percentile(brightness, 99))
    bright = brightness > least + dark * (most - least)
    points = _edge_points(_largest(bright))
    kept, circle = points, None
    for _ in range(5):
        circle = _fit(kept)
        if circle is None:
            return None
        miss = np.abs(np.hypot(points[:, 0] - circle.y, points[:, 1] - circle.x) - circle.radius)
        kept = points[miss <= np.maximum(OUTLIER * circle.radius, 1.5)]
    return circle if circle is not None and _is_round(circle, points, kept, brightness.shape) else None


def ultrasound_sector(image: Image, *, fill: float = 0.0, otherwise: Otherwise = "refuse") -> Image:
    """Blank everything outside the sector of an ultrasound picture or clip: burned-in names, scales and logos.

    The sector is, by what is known: the 2-D tissue regions that (0018,6011) Sequence of Ultrasound Regions describes
    (PS3.3 C.8.5.5), which may hold scales and settings; in a clip without them, the convex hull of what moves; in a
    still picture, the convex hull of the largest solid part that is not background, which fails where the tissue is
    dark and may take in captions that touch it. It must come before every step that moves pixels.

    Parameters
    ----------
    fill : float
        Value outside the sector.
    otherwise : {"refuse", "keep"}
        What happens to a scan in which no sector is found.

    Raises
    ------
    ReadError
        ``C721``: there is no sector, and scans without are to be refused. ``C717``: values are no numbers.
    PackError
        ``P401``: the pixels were moved before.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from edge.testing import phantom_scan
    >>> scan = replace(phantom_scan((1, 3, 3), values=[7.0] * 9), regions=((1, 0, 2, 1),))
    >>> ultrasound_sector(Image.of(scan)).voxels[0].tolist()
    [[0.0, 0.0, 0.0], [7.0, 7.0, 0.0], [7.0, 7.0, 0.0]]
    """
    change = np.linalg.solve(image.scan.grid.matrix, image.grid.matrix)[1:3, 1:]
    if image.grid.shape[1:] != image.scan.grid.shape[1:] or not np.allclose(change, np.eye(3)[:2], atol=1e-6):
        raise PackError(
            "Preparing a scan: ultrasound_sector found pixels that were moved, expected it before such steps.",
            BAD_MANIFEST,
        )
    sector = _sector(image.scan)
    if sector is None:
        return _without(image, otherwise, "a sector", NO_SECTOR)
    return image.with_voxels(_masked(_float(image), sector, fill))


def _sector(scan: Scan) -> Mask | None:
    """Where the scan shows the patient, shape (y, x)."""
    if scan.regions:
        inside = np.zeros(scan.grid.shape[1:], dtype=np.bool_)
        for top, left, bottom, right in scan.regions:
            inside[top : bottom + 1, left : right + 1] = True
        return inside
    side = min(scan.grid.shape[1:])
    if scan.grid.shape[0] > 1:
        moving = _deviation(scan.voxels)
        inside = _opened(moving > MOVES * np.percentile(moving, 99), side // 80)
        inside = _opened(_closed(inside, side // 26), side // 26)
    else:
        still = _brightness(scan.voxels)
        inside = _opened(still > _background(still), side // 48)
    return _hull(inside)


def _deviation(voxels: NDArray[Any]) -> NDArray[np.float64]:
    """Standard deviation over z of the channel that varies most, frame by frame."""
    first = voxels[0].astype(np.float64)
    total, squares = np.zeros_like(first), np.zeros_like(first)
    with np.errstate(invalid="ignore", over="ignore"):  # refused below
        for frame in voxels:
            differs = frame - first  # of near numbers, so that the squares below lose no digits
            total += differs
            squares += differs**2
    variance = squares / len(voxels) - (total / len(voxels)) ** 2
    deviation = np.sqrt(variance.clip(0.0))
    _require_numbers(deviation)
    return np.asarray(deviation if deviation.ndim == 2 else deviation.max(axis=-1))


def _background(still: NDArray[np.float32]) -> float:
    """A twentieth of the way from what is most common on the picture's border to its brightest pixel."""
    border = np.concatenate([still[0], still[-1], still[:, 0], still[:, -1]])
    values, counts = np.unique(border, return_counts=True)
    common = float(values[counts.argmax()])
    return common + 0.05 * (float(still.max()) - common)


def _opened(inside: Mask, size: int) -> Mask:
    """Without what is thinner than `size` pixels: letters and lines."""
    return np.asarray(cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, _round_kernel(size)) > 0)


def _closed(inside: Mask, size: int) -> Mask:
    """With gaps narrower than `size` pixels filled: the dark grains of speckle."""
    return np.asarray(cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, _round_kernel(size)) > 0)


def _round_kernel(size: int) -> NDArray[np.uint8]:
    odd = max(3, size | 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd, odd)), dtype=np.uint8)


def _hull(inside: Mask) -> Mask | None:
    """The convex hull of the largest part; None where it is too small or too large for a sector."""
    part = _largest(inside).astype(np.uint8)
    if not part.any():
        return None
    filled = cv2.fillConvexPoly(np.zeros(part.shape, np.uint8), cv2.convexHull(cv2.findNonZero(part)), 1)
    return np.asarray(filled > 0) if SECTOR_SHARES[0] <= filled.mean() <= SECTOR_SHARES[1] else None


def _largest(inside: Mask) -> Mask:
    """The largest connected part of a mask; an empty mask where there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(inside.shape, dtype=np.bool_)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _edge_points(part: Mask) -> NDArray[np.float64]:
    """First and last pixel of each row and column of a mask, (y, x), without those on the picture's border."""
    found = []
    for mask, turned in ((part, False), (part.T, True)):
        lines = np.flatnonzero(mask.any(axis=1))
        first = mask[lines].argmax(axis=1)
        last = mask.shape[1] - 1 - mask[lines, ::-1].argmax(axis=1)
        for ends in (first, last):
            pairs = np.stack([ends, lines] if turned else [lines, ends], axis=1)
            found.append(pairs)
    points = np.unique(np.concatenate(found), axis=0)
    within = ((points > 0) & (points < np.array(part.shape) - 1)).all(axis=1)
    return points[within].astype(np.float64)


def _fit(points: NDArray[np.float64]) -> Circle | None:
    """The algebraic least-squares circle; None for fewer than three points or a line."""
    if len(points) < 3:
        return None
    middle = points.mean(axis=0)
    near = points - middle
    system = np.column_stack([2 * near, np.ones(len(near))])
    (y, x, rest), _, rank, _ = np.linalg.lstsq(system, (near**2).sum(axis=1), rcond=None)
    square = rest + y**2 + x**2
    if rank < 3 or not square > 0:
        return None
    return Circle(y=float(y + middle[0]), x=float(x + middle[1]), radius=float(np.sqrt(square)))


def _is_round(circle: Circle, points: NDArray[np.float64], kept: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether enough of the edge lies on the circle, and enough of the circle in the picture."""
    if not min(shape) / 8 <= circle.radius <= max(shape) or len(kept) < ROUND * len(points):
        return False
    degrees = np.degrees(np.arctan2(kept[:, 0] - circle.y, kept[:, 1] - circle.x))
    return len(np.unique(degrees // 10)) * 10.0 >= ARC_DEGREES


def _brightness(voxels: NDArray[Any]) -> NDArray[np.float32]:
    """The greatest value of every pixel over z and channels."""
    axes = (0,) if voxels.ndim == 3 else (0, 3)
    brightness = voxels.max(axis=axes).astype(np.float32)
    _require_numbers(brightness)
    return np.asarray(brightness)


def _require_numbers(found: NDArray[Any]) -> None:
    if not np.isfinite(found).all():
        raise ReadError("Preparing a scan: looking for its field, found values that are no numbers.", NOT_NUMBERS)


def _without(image: Image, otherwise: Otherwise, what: str, reason: Reason) -> Image:
    if otherwise == "refuse":
        rows, columns = image.grid.shape[1:]
        raise ReadError(f"Preparing a scan: looked for {what} in {columns} x {rows} pixels, found none.", reason)
    return image.with_voxels(_float(image))


def _masked(values: NDArray[Any], inside: Mask, fill: float) -> NDArray[np.float32]:
    """The values, shape (z, y, x[, channel]), with `fill` outside a mask of shape (y, x)."""
    shown = inside if values.ndim == 3 else inside[..., np.newaxis]
    return np.asarray(np.where(shown, values, np.float32(fill)), dtype=np.float32)


def _float(image: Image) -> NDArray[np.float32]:
    return np.asarray(image.voxels, dtype=np.float32)
