"""Windows that cover a volume: where they start, how much each of their voxels counts, and how they are mirrored."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Start = tuple[int, int, int]
Flips = tuple[bool, bool, bool]
Weighting = Literal["gaussian", "constant"]

SIGMA = 0.125
"""Width of the Gaussian as a share of the window, along each axis (Isensee et al., Nature Methods 18, 2021)."""

LEAST_WEIGHT = 1e-3
"""What a corner counts at least; without it, what only corners saw would be divided by nearly nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The windows of a volume, in the order in which they are run: by z, then y, then x.

    Parameters
    ----------
    shape, patch : tuple of int
        Of the volume and of every window, (z, y, x).
    starts_along : tuple of 3 tuples of int
        First index of the windows along each axis, rising. Below zero where the volume is smaller than a window:
        what lies outside the volume is padding, as much before as behind, the odd voxel behind.
    mirrors : tuple of tuples of bool
        Along which of (z, y, x) each run of a window is mirrored; the first run never is.
    """

    shape: Start
    patch: Start
    starts_along: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    mirrors: tuple[Flips, ...]

    @classmethod
    def of(
        cls, shape: Sequence[int], patch: Sequence[int], overlap: float | Sequence[float], mirrored: Sequence[int] = ()
    ) -> Tiles:
        """Return the windows of size `patch` that cover `shape` densely.

        Windows follow each other by ``int(patch * (1 - overlap))`` voxels, at least one; the last one is moved back
        to end with the volume. This is the rule of MONAI's ``sliding_window_inference``; nnU-Net spreads the same
        number of windows evenly instead.

        Parameters
        ----------
        shape, patch : sequence of int
            (z, y, x).
        overlap : float or sequence of float
            Of neighbours, as a share of the window, 0 to below 1; one for all axes or one each.
        mirrored : sequence of int
            Axes of (z, y, x) = (0, 1, 2) along which windows are mirrored too: n axes give 2**n runs of each window.

        Raises
        ------
        ValueError
            A size below one, an overlap outside its range, or an axis that is none.

        Examples
        --------
        >>> Tiles.of((10, 4, 2), (4, 4, 4), 0.5).starts_along
        ((0, 2, 4, 6), (0,), (-1,))
        >>> len(Tiles.of((10, 4, 2), (4, 4, 4), 0.5, mirrored=(1, 2)).mirrors)
        4
        """
        nz, ny, nx = (int(size) for size in shape)
        pz, py, px = (int(size) for size in patch)
        oz, oy, ox = (overlap,) * 3 if isinstance(overlap, (int, float)) else overlap
        if min(nz, ny, nx, pz, py, px) < 1 or not all(0 <= part < 1 for part in (oz, oy, ox)):
            raise ValueError(
                f"Covering a volume of {(nz, ny, nx)} with windows of {(pz, py, px)} that overlap by {(oz, oy, ox)}: "
                "expected sizes of at least 1 and overlaps from 0 to below 1."
            )
        if not set(mirrored) <= {0, 1, 2}:
            raise ValueError(f"Mirroring windows along the axes {tuple(mirrored)}: expected some of 0, 1 and 2.")
        return cls(
            shape=(nz, ny, nx),
            patch=(pz, py, px),
            starts_along=(_starts(nz, pz, oz), _starts(ny, py, oy), _starts(nx, px, ox)),
            mirrors=_mirrors(mirrored),
        )

    @property
    def runs(self) -> int:
        """How often the model is run."""
        z, y, x = (len(starts) for starts in self.starts_along)
        return z * y * x * len(self.mirrors)

    @property
    def depth(self) -> int:
        """How many slices are unfinished at any time, at most."""
        return min(self.patch[0], self.shape[0])

    def row(self, z: int) -> Iterator[tuple[Start, Flips]]:
        """Yield every run of the windows that start at `z`, in order."""
        _, along_y, along_x = self.starts_along
        for y, x, flips in itertools.product(along_y, along_x, self.mirrors):
            yield (z, y, x), flips

    def cut(self, volume: NDArray[Any], fill: float = 0.0) -> Iterator[tuple[Start, Flips, NDArray[Any]]]:
        """Yield where each run's window starts, how it is mirrored, and its voxels, mirrored.

        Parameters
        ----------
        volume : ndarray, shape (..., z, y, x)
        fill : float
            Value of padding.

        Yields
        ------
        tuple of Start, Flips, ndarray of shape (..., pz, py, px)
            C-contiguous; may share memory with `volume`, so it is not to be written to.
        """
        if volume.shape[-3:] != self.shape:
            raise ValueError(f"Cutting windows: found a volume of {volume.shape[-3:]}, expected {self.shape}.")
        for z in self.starts_along[0]:
            for start, flips in self.row(z):
                yield start, flips, np.ascontiguousarray(mirror(self._window(volume, start, fill), flips))

    def inside(self, start: Start) -> tuple[tuple[slice, slice, slice], tuple[slice, slice, slice]]:
        """Return which voxels of the volume a window covers, and which of its own those are."""
        in_volume, in_window = [], []
        for first, size, length in zip(start, self.shape, self.patch, strict=True):
            low, high = max(first, 0), min(first + length, size)
            in_volume.append(slice(low, high))
            in_window.append(slice(low - first, high - first))
        return (in_volume[0], in_volume[1], in_volume[2]), (in_window[0], in_window[1], in_window[2])

    def weights(self, weighting: Weighting) -> NDArray[np.float32]:
        """Return what each voxel of a window counts, float32 of shape (pz, py, px), above 0 and up to 1.

        The Gaussian is the product of one for each axis, of width `SIGMA`, and at least `LEAST_WEIGHT`.
        """
        if weighting == "constant":
            return np.ones(self.patch, dtype=np.float32)
        z, y, x = (_bell(length) for length in self.patch)
        weights: NDArray[np.float32] = np.maximum(z[:, None, None] * y[:, None] * x, np.float32(LEAST_WEIGHT))
        return weights

    def _window(self, volume: NDArray[Any], start: Start, fill: float) -> NDArray[Any]:
        in_volume, in_window = self.inside(start)
        seen: NDArray[Any] = _within(volume, in_volume)
        if seen.shape[-3:] == self.patch:
            return seen
        padded = np.full((*volume.shape[:-3], *self.patch), fill, dtype=volume.dtype)
        _within(padded, in_window)[...] = seen
        return padded


def mirror(voxels: NDArray[Any], flips: Flips) -> NDArray[Any]:
    """Return a view of `voxels`, shape (..., z, y, x), mirrored along the flipped axes; twice gives the same again."""
    z, y, x = (slice(None, None, -1) if flip else slice(None) for flip in flips)
    return _within(voxels, (z, y, x))


def _within(voxels: NDArray[Any], box: tuple[slice, slice, slice]) -> NDArray[Any]:
    z, y, x = box
    view: NDArray[Any] = voxels[..., z, y, x]
    return view


def _starts(size: int, length: int, overlap: float) -> tuple[int, ...]:
    if size <= length:
        return (-((length - size) // 2),)
    step = max(int(length * (1 - overlap)), 1)
    return (*range(0, size - length, step), size - length)


def _mirrors(axes: Sequence[int]) -> tuple[Flips, ...]:
    choices = [(False, True) if axis in axes else (False,) for axis in range(3)]
    return tuple((z, y, x) for z, y, x in itertools.product(*choices))


def _bell(length: int) -> NDArray[np.float32]:
    """A Gaussian over `length` voxels, 1 at their middle."""
    offsets = np.arange(length, dtype=np.float64) - (length - 1) / 2
    return np.exp(offsets**2 / (-2 * (SIGMA * length) ** 2)).astype(np.float32)
