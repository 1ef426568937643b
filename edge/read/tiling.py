"""A picture in tiles, whatever its file: any region of any level, with no more in memory than that and one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

Pixels = NDArray[np.uint8]

TILES = 1 << 22
"""Of one level: at 256 x 256 pixels they make a slide of half a million pixels on each side."""

TILE_BYTES = 1 << 26
"""Of one decoded tile."""

FINEST_MM, COARSEST_MM = 5e-5, 1e-2
"""Between neighbouring pixels of what a microscope sees. A resolution outside, such as 72 dpi, is that of a print."""


class Tiling(Protocol):
    """How one resolution is cut into tiles of one size; those at the right and lower end reach beyond it."""

    @property
    def rows(self) -> int:
        """Of the level."""

    @property
    def columns(self) -> int:
        """Of the level."""

    @property
    def tile_rows(self) -> int:
        """Of each tile."""

    @property
    def tile_columns(self) -> int:
        """Of each tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a tiled picture says of itself.

    Parameters
    ----------
    is_grey : bool
        Whether it has one channel, of which `Regions.read` makes three equal ones.
    is_lossy : bool
        Whether the compression of the largest level loses detail.
    left_out : int
        How many other pictures the file has: labels, which may show the patient's name, overviews and thumbnails.
    spacing_mm : tuple of float, optional
        Distance between rows and between columns of the largest level; None where it is not told, or is one that no
        microscope has.
    words : tuple of str
        What else is to be said of it.
    """

    is_grey: bool
    is_lossy: bool
    left_out: int = 0
    spacing_mm: tuple[float, float] | None = None
    words: tuple[str, ...] = ()


class Regions:
    """A tiled picture with its levels, opened by its format; close it, or use it in a ``with`` statement.

    Parameters
    ----------
    levels : sequence of Tiling
        From the largest to the smallest.
    decode : callable
        From the number of a level and that of a tile in it, row by row, to the tile, shape (rows, columns, 3).
    close : callable
        Closes the files.
    about : About
    """

    def __init__(
        self,
        levels: Sequence[Tiling],
        decode: Callable[[int, int], Pixels],
        close: Callable[[], object],
        about: About,
    ) -> None:
        self._levels = tuple(levels)
        self._decode = decode
        self.close = close
        self.about = about
        self._last: tuple[int, int, Pixels] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the largest level."""
        return self.levels[0]

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of every level, from the largest to the smallest."""
        return tuple((level.rows, level.columns) for level in self._levels)

    def read(self, level: int, y: int, x: int, height: int, width: int) -> Pixels:
        """Return a region as RGB.

        Parameters
        ----------
        level : int
            0 is the largest.
        y, x : int
            The first row and column, in pixels of that level.
        height, width : int

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Newly made; grey pictures have three equal channels.

        Raises
        ------
        edge.errors.UsageError
            The region is empty or does not lie within the level.
        edge.errors.ReadError
            ``DAMAGED``, ``UNSUPPORTED_COMPRESSION`` or ``UNSUPPORTED_PICTURE``: a tile that it touches cannot be
            decoded, or is not what its file says.
        """
        if not 0 <= level < len(self._levels):
            raise UsageError(f"Reading a region of level {level}: expected 0 to {len(self._levels) - 1}.")
        chosen = self._levels[level]
        if min(y, x) < 0 or min(height, width) < 1 or y + height > chosen.rows or x + width > chosen.columns:
            raise UsageError(
                f"Reading {height} x {width} pixels at row {y}, column {x}: expected a region within the "
                f"{chosen.rows} x {chosen.columns} of level {level}."
            )
        out = np.empty((height, width, 3), dtype=np.uint8)
        for index, top, left in _touched(chosen, y, x, height, width):
            tile = self._tile(level, index)
            first, last = max(top, y), min(top + chosen.tile_rows, y + height)
            near, far = max(left, x), min(left + chosen.tile_columns, x + width)
            out[first - y : last - y, near - x : far - x] = tile[first - top : last - top, near - left : far - left]
        return out

    def _tile(self, level: int, index: int) -> Pixels:
        """A decoded tile; the last one is kept, as regions that follow each other often lie in the same."""
        if self._last is None or self._last[:2] != (level, index):
            self._last = None  # before the next one is decoded: never two in memory
            self._last = level, index, self._decode(level, index)
        return self._last[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tiles_of(level: Tiling) -> int:
    """Return how many tiles cover a level."""
    return -(-level.rows // level.tile_rows) * -(-level.columns // level.tile_columns)


def microscopic(spacing_mm: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a distance of rows and of columns where a microscope may have it, else None.

    Examples
    --------
    >>> microscopic((0.0005, 0.0005)), microscopic((0.35, 0.35))
    ((0.0005, 0.0005), None)
    """
    plausible = spacing_mm is not None and all(FINEST_MM <= step <= COARSEST_MM for step in spacing_mm)
    return spacing_mm if plausible else None


def is_smaller(base: tuple[int, int], last: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether `size` is `base` divided by one number, each side rounded to a pixel, and smaller than `last`.

    Examples
    --------
    >>> is_smaller((150, 210), (150, 210), (75, 105)), is_smaller((150, 210), (75, 105), (60, 60))
    (True, False)
    """
    same = abs(size[0] * base[1] - size[1] * base[0]) <= base[0] + base[1]
    return same and size[0] <= last[0] and size[1] <= last[1] and size != last


def _touched(level: Tiling, y: int, x: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Number, first row and first column of each tile that a region touches."""
    across = -(-level.columns // level.tile_columns)
    for down in range(y // level.tile_rows, (y + height - 1) // level.tile_rows + 1):
        for along in range(x // level.tile_columns, (x + width - 1) // level.tile_columns + 1):
            yield down * across + along, down * level.tile_rows, along * level.tile_columns
