"""Tiled TIFF, such as a slide of histology: any region of any level, with no more in memory than that and one tile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ReadError, UsageError
from edge.read.directories import (
    Directory,
    TiffFile,
    directories,
    number,
    numbers,
    rational,
    sub_directories,
    tiff_file,
)
from edge.read.tile import (
    BLACK_IS_ZERO,
    DEFLATE,
    DIFFERENCES,
    JPEG,
    LZW,
    NONE,
    RGB,
    TABLES_BYTES,
    WHITE_IS_ZERO,
    YCBCR,
    Level,
    Pixels,
    decoded_tile,
)
from edge.reasons import BAD_HEADER, DAMAGED, MIXED_PICTURES, NOT_TILED, UNSUPPORTED_COMPRESSION, UNSUPPORTED_PICTURE

if TYPE_CHECKING:
    from typing_extensions import Self

TILES = 1 << 22
"""Of one level: at 256 x 256 pixels they make a slide of half a million pixels on each side."""

TILE_BYTES = 1 << 26
"""Of one decoded tile."""

FINEST_MM, COARSEST_MM = 5e-5, 1e-2
"""Between neighbouring pixels of what a microscope sees. A resolution outside, such as 72 dpi, is that of a print."""

_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANAR, _PREDICTOR = 274, 277, 284, 317
_PER_COLUMN, _PER_ROW, _RESOLUTION_UNIT = 282, 283, 296
_TILE_COLUMNS, _TILE_ROWS, _TILE_PLACES, _TILE_LENGTHS, _FORMAT, _TABLES = 322, 323, 324, 325, 339, 347
_REDUCED, _MASK = 0b001, 0b100
_INCH, _CENTIMETRE = 2, 3
_MILLIMETRES = {_INCH: 25.4, _CENTIMETRE: 10.0}


class Regions:
    """A tiled picture with its levels, opened by `open_regions`; close it, or use it in a ``with`` statement.

    Parameters
    ----------
    file : TiffFile
    levels : sequence of Level
        From the largest to the smallest.
    left_out : int
        How many other pictures the file has: labels, which may show the patient's name, overviews and thumbnails.
    spacing_mm : tuple of float, optional
        Distance between rows and between columns of the largest level; None where the file does not tell, or tells one
        that no microscope has.
    """

    def __init__(
        self, file: TiffFile, levels: list[Level], left_out: int, spacing_mm: tuple[float, float] | None = None
    ) -> None:
        self._file = file
        self._levels = tuple(levels)
        self.left_out = left_out
        self.spacing_mm = spacing_mm
        self._last: tuple[Level, int, Pixels] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the largest level."""
        return self.levels[0]

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of every level, from the largest to the smallest."""
        return tuple((level.rows, level.columns) for level in self._levels)

    @property
    def is_grey(self) -> bool:
        """Whether the picture has one channel, of which `read` makes three equal ones."""
        return self._levels[0].samples == 1

    @property
    def is_lossy(self) -> bool:
        """Whether the compression of the largest level loses detail."""
        return self._levels[0].compression == JPEG

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
            decoded, or is not what the directory says.
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
            tile = self._tile(chosen, index)
            first, last = max(top, y), min(top + chosen.tile_rows, y + height)
            near, far = max(left, x), min(left + chosen.tile_columns, x + width)
            out[first - y : last - y, near - x : far - x] = tile[first - top : last - top, near - left : far - left]
        return out

    def _tile(self, level: Level, index: int) -> Pixels:
        """A decoded tile; the last one is kept, as regions that follow each other often lie in the same."""
        if self._last is None or self._last[0] is not level or self._last[1] != index:
            self._last = None  # before the next one is decoded: never two in memory
            self._last = level, index, decoded_tile(self._file, level, index)
        return self._last[2]

    def close(self) -> None:
        """Close the file."""
        self._file.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_regions(path: str | Path) -> Regions:
    """Open a tiled TIFF or BigTIFF of 8-bit grey or colour, with all its levels; no pixel is decoded yet.

    The levels are the sub-directories of the first full picture, else those of the following pictures that are tiled
    and have its proportions.

    Raises
    ------
    edge.errors.ReadError
        ``NOT_TILED``; ``UNSUPPORTED_COMPRESSION``: other than none, LZW, deflate and JPEG; ``UNSUPPORTED_PICTURE``:
        palettes, transparency, other than 8 bits; ``MIXED_PICTURES``: several full pictures, such as focal planes;
        ``BAD_HEADER`` or ``DAMAGED``.
    OSError
        The file cannot be opened.
    """
    stream = Path(path).open("rb")  # noqa: SIM115 -- Regions closes it
    try:
        file = tiff_file(stream)
        pages = directories(file)
        levels = _pyramid(file, pages)
        left_out = sum(all(page is not level for level in levels) for page in pages)
        found = [_level(file, directory) for directory in levels]
        return Regions(file, found, left_out, _spacing_mm(file, levels[0]))
    except BaseException:
        stream.close()
        raise


def _pyramid(file: TiffFile, pages: list[Directory]) -> list[Directory]:
    """The directories of all levels, from the first full picture down."""
    tiled = [page for page in pages if _TILE_PLACES in page and not number(file, page, _SUBFILE, 0) & _MASK]
    full = [page for page in tiled if not number(file, page, _SUBFILE, 0) & _REDUCED]
    if not full:
        raise ReadError(f"It has {len(pages)} pictures, none of them in tiles and in full size.", NOT_TILED)
    base = full[0]
    if any(_size(file, page) == _size(file, base) for page in full[1:]):
        raise ReadError("It has several pictures of the same full size, expected one.", MIXED_PICTURES)
    levels = [base]
    for page in sub_directories(file, base) or [page for page in tiled if page is not base]:
        if _TILE_PLACES in page and _is_smaller(_size(file, base), _size(file, levels[-1]), _size(file, page)):
            levels.append(page)
    if any(all(page is not level for level in levels) for page in full):
        raise ReadError("It has several pictures in full size, expected one and smaller copies of it.", MIXED_PICTURES)
    return levels


def _spacing_mm(file: TiffFile, page: Directory) -> tuple[float, float] | None:
    """Millimetres from row to row and from column to column, as tags 282, 283 and 296 tell (TIFF 6.0 section 8)."""
    unit = _MILLIMETRES.get(number(file, page, _RESOLUTION_UNIT, _INCH))
    rows, columns = rational(file, page, _PER_ROW), rational(file, page, _PER_COLUMN)
    if unit is None or not rows or not columns:
        return None
    found = unit / rows, unit / columns
    return found if all(FINEST_MM <= step <= COARSEST_MM for step in found) else None


def _size(file: TiffFile, page: Directory) -> tuple[int, int]:
    rows, columns = number(file, page, _ROWS), number(file, page, _COLUMNS)
    if not rows or not columns:
        raise ReadError(f"It declares {rows} rows and {columns} columns.", BAD_HEADER)
    return rows, columns


def _is_smaller(base: tuple[int, int], last: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether `size` is `base` divided by one number, each side rounded to a pixel, and smaller than the last level."""
    same = abs(size[0] * base[1] - size[1] * base[0]) <= base[0] + base[1]
    return same and size[0] <= last[0] and size[1] <= last[1] and size != last


def _level(file: TiffFile, page: Directory) -> Level:
    """The checked description of one level."""
    rows, columns = _size(file, page)
    high, wide = number(file, page, _TILE_ROWS), number(file, page, _TILE_COLUMNS)
    photometric, samples = number(file, page, _PHOTOMETRIC), number(file, page, _SAMPLES, 1)
    compression = number(file, page, _COMPRESSION, NONE)
    _check_kind(file, page, photometric, samples, compression)
    if not high or not wide or high * wide * samples > TILE_BYTES:
        raise ReadError(f"Its tiles have {high} x {wide} pixels, expected at most {TILE_BYTES} bytes.", BAD_HEADER)
    count = -(-rows // high) * -(-columns // wide)
    if count > TILES:
        raise ReadError(f"It declares {count} tiles, expected at most {TILES}.", BAD_HEADER)
    level = Level(
        rows=rows,
        columns=columns,
        tile_rows=high,
        tile_columns=wide,
        samples=samples,
        photometric=photometric,
        compression=compression,
        predictor=number(file, page, _PREDICTOR, 1),
        tables=numbers(file, page, _TABLES, most=TABLES_BYTES).astype(np.uint8).tobytes() if _TABLES in page else b"",
        places=numbers(file, page, _TILE_PLACES, most=TILES),
        lengths=numbers(file, page, _TILE_LENGTHS, most=TILES),
    )
    _check_tiles(level, count, file.size)
    return level


def _check_kind(file: TiffFile, page: Directory, photometric: int, samples: int, compression: int) -> None:
    """Only 8-bit grey and colour, upright, the colours side by side, by a scheme that is decoded here."""
    if compression not in (NONE, LZW, JPEG, *DEFLATE):
        raise ReadError(
            f"It is compressed by scheme {compression}, expected none, LZW (5), JPEG (7) or deflate (8).",
            UNSUPPORTED_COMPRESSION,
        )
    wanted = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, **({YCBCR: 3} if compression == JPEG else {})}
    if wanted.get(photometric) != samples:
        raise ReadError(
            f"It has photometric interpretation {photometric} with {samples} samples, expected grey, RGB, or YCbCr in "
            "JPEG.",
            UNSUPPORTED_PICTURE,
        )
    bits, formats = (numbers(file, page, tag, most=samples) if tag in page else None for tag in (_BITS, _FORMAT))
    if bits is None or (bits != 8).any() or (formats is not None and (formats != 1).any()):
        raise ReadError("Its samples are other than whole numbers of 8 bits.", UNSUPPORTED_PICTURE)
    if samples > 1 and number(file, page, _PLANAR, 1) != 1:
        raise ReadError("It stores its colours as separate planes, expected them side by side.", UNSUPPORTED_PICTURE)
    if number(file, page, _ORIENTATION, 1) != 1:
        raise ReadError("It is stored turned or mirrored (tag 274), expected it upright.", UNSUPPORTED_PICTURE)
    if number(file, page, _PREDICTOR, 1) not in (1, DIFFERENCES):
        raise ReadError("Its predictor (tag 317) is neither none nor of differences.", UNSUPPORTED_COMPRESSION)


def _check_tiles(level: Level, count: int, size: int) -> None:
    """Every tile is there, within the file, and not longer than coding could make it."""
    if len(level.places) != count or len(level.lengths) != count:
        raise ReadError(f"It lists {len(level.places)} places of tiles, expected {count}.", DAMAGED)
    if level.places.max() > size or (level.lengths > size - level.places).any() or not level.lengths.all():
        raise ReadError("A tile is missing or lies beyond the end of the file.", DAMAGED)
    if level.lengths.max() > 2 * level.tile_bytes + TABLES_BYTES:
        raise ReadError(f"A tile has {level.lengths.max()} bytes, for {level.tile_bytes} decoded ones.", DAMAGED)


def _touched(level: Level, y: int, x: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Number, first row and first column of each tile that a region touches."""
    across = -(-level.columns // level.tile_columns)
    for down in range(y // level.tile_rows, (y + height - 1) // level.tile_rows + 1):
        for along in range(x // level.tile_columns, (x + width - 1) // level.tile_columns + 1):
            yield down * across + along, down * level.tile_rows, along * level.tile_columns
