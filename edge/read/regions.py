"""Tiled TIFF, such as a slide of histology: its levels, checked, and their tiles one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edge.errors import ReadError
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
    JPEG_2000,
    JPEG_2000_YCBCR,
    LZW,
    NONE,
    RGB,
    TABLES_BYTES,
    WHITE_IS_ZERO,
    YCBCR,
    Level,
    decoded_tile,
    is_lossy,
)
from edge.read.tiling import TILE_BYTES, TILES, About, Pixels, Regions, is_smaller, microscopic
from edge.reasons import BAD_HEADER, DAMAGED, MIXED_PICTURES, NOT_TILED, UNSUPPORTED_COMPRESSION, UNSUPPORTED_PICTURE

_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANAR, _PREDICTOR = 274, 277, 284, 317
_PER_COLUMN, _PER_ROW, _RESOLUTION_UNIT = 282, 283, 296
_TILE_COLUMNS, _TILE_ROWS, _TILE_PLACES, _TILE_LENGTHS, _FORMAT, _TABLES = 322, 323, 324, 325, 339, 347
_REDUCED, _MASK = 0b001, 0b100
_INCH, _CENTIMETRE = 2, 3
_MILLIMETRES = {_INCH: 25.4, _CENTIMETRE: 10.0}


def open_regions(path: str | Path) -> Regions:
    """Open a tiled TIFF or BigTIFF of 8-bit grey or colour, with all its levels; no pixel is decoded yet.

    The levels are the sub-directories of the first full picture, else those of the following pictures that are tiled
    and have its proportions.

    Raises
    ------
    edge.errors.ReadError
        ``NOT_TILED``; ``UNSUPPORTED_COMPRESSION``: other than none, LZW, deflate, JPEG and JPEG 2000;
        ``UNSUPPORTED_PICTURE``: palettes, transparency, other than 8 bits; ``MIXED_PICTURES``: several full pictures,
        such as focal planes; ``BAD_HEADER`` or ``DAMAGED``.
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
        about = About(
            is_grey=found[0].samples == 1,
            is_lossy=is_lossy(file, found[0]),
            left_out=left_out,
            spacing_mm=microscopic(_spacing_mm(file, levels[0])),
        )
        return Regions(found, partial(_decoded, file, found), stream.close, about)
    except BaseException:
        stream.close()
        raise


def open_tiff(paths: Sequence[str]) -> Regions:
    """Return `open_regions` of the one file of a series."""
    (path,) = paths
    return open_regions(path)


def _decoded(file: TiffFile, levels: list[Level], level: int, index: int) -> Pixels:
    return decoded_tile(file, levels[level], index)


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
        if _TILE_PLACES in page and is_smaller(_size(file, base), _size(file, levels[-1]), _size(file, page)):
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
    return unit / rows, unit / columns


def _size(file: TiffFile, page: Directory) -> tuple[int, int]:
    rows, columns = number(file, page, _ROWS), number(file, page, _COLUMNS)
    if not rows or not columns:
        raise ReadError(f"It declares {rows} rows and {columns} columns.", BAD_HEADER)
    return rows, columns


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
    if compression not in (NONE, LZW, JPEG, *DEFLATE, *JPEG_2000):
        raise ReadError(
            f"It is compressed by scheme {compression}, expected none, LZW (5), JPEG (7), deflate (8) or JPEG 2000.",
            UNSUPPORTED_COMPRESSION,
        )
    in_ycbcr = compression in (JPEG, JPEG_2000_YCBCR)
    wanted = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, **({YCBCR: 3} if in_ycbcr else {})}
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
