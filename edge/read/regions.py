"""Tiled TIFF, such as a slide of histology: any region of any level, with no more in memory than that and one tile."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError, UsageError
from edge.read import jpeg
from edge.read.directories import Directory, TiffFile, directories, number, numbers, sub_directories, tiff_file
from edge.reasons import BAD_HEADER, DAMAGED, MIXED_PICTURES, NOT_TILED, UNSUPPORTED_COMPRESSION, UNSUPPORTED_PICTURE

if TYPE_CHECKING:
    from typing_extensions import Self

Pixels = NDArray[np.uint8]

TILES = 1 << 22
"""Of one level: at 256 x 256 pixels they make a slide of half a million pixels on each side."""

TILE_BYTES = 1 << 26
"""Of one decoded tile."""

TABLES_BYTES = 1 << 16

_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANAR, _PREDICTOR = 274, 277, 284, 317
_TILE_COLUMNS, _TILE_ROWS, _TILE_PLACES, _TILE_LENGTHS, _FORMAT, _TABLES = 322, 323, 324, 325, 339, 347
_REDUCED, _MASK = 0b001, 0b100
_NONE, _LZW, _JPEG = 1, 5, 7
_DEFLATE = (8, 32946)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR = 0, 1, 2, 6
_DIFFERENCES = 2
_START, _QUANTISATION, _HUFFMAN, _RESTART, _SCAN = b"\xff\xd8", 0xDB, 0xC4, 0xDD, 0xDA
_APP0, _ADOBE = 0xE0, 0xEE
_NO_COLOUR = {0xFE, *range(0xE0, 0xF0)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One resolution: its size, how its tiles are coded, and where each stands in the file."""

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    samples: int
    photometric: int
    compression: int
    predictor: int
    tables: bytes
    places: NDArray[np.uint64]
    lengths: NDArray[np.uint64]

    @property
    def tile_bytes(self) -> int:
        """Of one tile, decoded."""
        return self.tile_rows * self.tile_columns * self.samples


class Regions:
    """A tiled picture with its levels, opened by `open_regions`; close it, or use it in a ``with`` statement.

    Parameters
    ----------
    file : TiffFile
    levels : sequence of Level
        From the largest to the smallest.
    left_out : int
        How many other pictures the file has: labels, which may show the patient's name, overviews and thumbnails.
    """

    def __init__(self, file: TiffFile, levels: list[Level], left_out: int) -> None:
        self._file = file
        self._levels = tuple(levels)
        self.left_out = left_out

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
            tile = _tile(self._file, chosen, index)
            first, last = max(top, y), min(top + chosen.tile_rows, y + height)
            near, far = max(left, x), min(left + chosen.tile_columns, x + width)
            out[first - y : last - y, near - x : far - x] = tile[first - top : last - top, near - left : far - left]
        return out

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
        return Regions(file, [_level(file, directory) for directory in levels], left_out)
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
    return levels


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
    compression = number(file, page, _COMPRESSION, _NONE)
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
    if compression not in (_NONE, _LZW, _JPEG, *_DEFLATE):
        raise ReadError(
            f"It is compressed by scheme {compression}, expected none, LZW (5), JPEG (7) or deflate (8).",
            UNSUPPORTED_COMPRESSION,
        )
    wanted = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, **({_YCBCR: 3} if compression == _JPEG else {})}
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
    if number(file, page, _PREDICTOR, 1) not in (1, _DIFFERENCES):
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


def _tile(file: TiffFile, level: Level, index: int) -> Pixels:
    """One decoded tile, (tile rows, tile columns, 3)."""
    data = file.bytes_at(int(level.places[index]), int(level.lengths[index]))
    shape = (level.tile_rows, level.tile_columns, level.samples)
    if level.compression == _JPEG:
        pixels = _jpeg_tile(data, level)
    else:
        pixels = np.frombuffer(_unpacked(data, level), dtype=np.uint8).reshape(shape)
        if level.predictor == _DIFFERENCES and level.compression != _NONE:
            pixels = np.cumsum(pixels, axis=1, dtype=np.uint8)
    if level.photometric == _WHITE_IS_ZERO:
        pixels = 255 - pixels
    return np.broadcast_to(pixels, (*shape[:2], 3))


def _unpacked(data: bytes, level: Level) -> bytes:
    """Exactly as many bytes as the tile has, and never more in memory."""
    size = level.tile_bytes
    if level.compression == _LZW:
        found = _lzw(data, size)
    elif level.compression in _DEFLATE:
        found = _inflated(data, size)
    else:
        found = data[:size]
    if len(found) != size:
        raise ReadError(f"A tile holds {len(found)} bytes, expected {size}.", DAMAGED)
    return found


def _lzw(data: bytes, size: int) -> bytes:
    import imagecodecs  # noqa: PLC0415 -- only the reading process needs it, and only for this scheme

    try:
        return bytes(imagecodecs.lzw_decode(data, out=size))
    except (imagecodecs.LzwError, ValueError) as error:
        raise ReadError("The LZW decoder found a tile damaged.", DAMAGED) from error


def _inflated(data: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, size)
        more = unpacker.decompress(unpacker.unconsumed_tail, 1)  # to the checksum behind the last byte
    except zlib.error as error:
        raise ReadError("A deflated tile is damaged.", DAMAGED) from error
    if more or not unpacker.eof:
        raise ReadError(f"A deflated tile is cut short or has more than {size} bytes.", DAMAGED)
    return found


def _jpeg_tile(data: bytes, level: Level) -> Any:
    """A tile coded as abbreviated JPEG, whose tables stand in tag 347 (TIFF Technical Note 2)."""
    whole = _whole_jpeg(data, level)
    try:
        declared = jpeg.inspect(whole)
        if (declared.rows, declared.columns, declared.channels) == (
            level.tile_rows,
            level.tile_columns,
            level.samples,
        ):
            return jpeg.decode(whole, declared)[0]
    except struct.error as error:
        raise ReadError("A tile ends in the middle of its JPEG header.", DAMAGED) from error
    raise ReadError(f"A tile is a JPEG of {declared.rows} x {declared.columns} pixels, not of its own size.", DAMAGED)


def _whole_jpeg(data: bytes, level: Level) -> bytes:
    """The tile with its tables, and with the one marker that says what its colours are: the directory's word."""
    kept = [segment for kind, segment in _segments(level.tables) if kind in (_QUANTISATION, _HUFFMAN, _RESTART)]
    for kind, segment in _segments(data):
        if level.photometric == _RGB and _says_ycbcr(kind, segment):
            raise ReadError(
                "A tile says that its colours are YCbCr, its directory that they are RGB.", UNSUPPORTED_PICTURE
            )
        if kind not in _NO_COLOUR:
            kept.append(segment)
    transform = int(level.photometric == _YCBCR)
    adobe = struct.pack(">HH5sHHHB", 0xFF00 | _ADOBE, 14, b"Adobe", 100, 0, 0, transform)
    return b"".join([_START, adobe, *kept])


def _says_ycbcr(kind: int, segment: bytes) -> bool:
    """JFIF allows nothing else; Adobe's marker names its transform in its last byte."""
    jfif = kind == _APP0 and segment[4:9] == b"JFIF\0"
    return jfif or (kind == _ADOBE and segment[4:9] == b"Adobe" and segment[15:16] == b"\1")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG, each with its marker; the last, from the first scan on, holds all the rest."""
    if not data:
        return
    if data[:2] != _START:
        raise ReadError("A tile or its tables do not begin as a JPEG.", DAMAGED)
    at = 2
    while data[at + 1 : at + 2] not in (b"\xd9", b""):
        if data[at] != 0xFF or at + 4 > len(data):
            raise ReadError("A tile or its tables are damaged: a JPEG segment begins with no marker.", DAMAGED)
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        kind, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = len(data) if kind == _SCAN else at + 2 + size
        if size < 2 or end > len(data):
            raise ReadError("A tile or its tables are damaged: a JPEG segment is cut short.", DAMAGED)
        yield kind, data[at:end]
        at = end
