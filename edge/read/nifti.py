"""NIfTI-1 and NIfTI-2 in a single file, plain or gzipped. Here, and nowhere else, RAS becomes LPS.

The standard is nifti1.h and nifti2.h of the NIfTI Data Format Working Group. A NIfTI file tells neither modality nor
patient; its free-text fields are not read, for they may name one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read.contract import Header, Progress
from edge.read.extent import check_extent, lengths_differ, places_differ
from edge.read.finite import finite_words
from edge.reasons import (
    BAD_HEADER,
    DAMAGED,
    DUPLICATE_SLICES,
    NO_POSITION,
    NOT_A_GRID,
    NOT_AN_IMAGE,
    TOO_LARGE,
    UNSUPPORTED_PICTURE,
)
from edge.scan import Acquisition, Identity, Scan, Series, Source

Matrix = NDArray[np.float64]

_GZIP = b"\x1f\x8b"
_MAGIC = {b"n+1\0": 348, b"ni1\0": 348, b"n+2\0": 540, b"ni2\0": 540}
_PAIRS = (b"ni1\0", b"ni2\0")
_LARGEST_OFFSET = 1 << 24
_SLACK = 4096
"""Bytes behind the voxels that are still taken for padding."""

_SHEAR = 1e-3
"""Largest cosine between two axes of a grid that is still called rectangular: half a voxel over 500."""

_SHORTEST, _LONGEST = 1e-6, 1e4
"""Millimetres: no voxel is thinner than a molecule or longer than a house."""

_EXACT = 2.0**53
"""Beyond this not every whole number is a float64."""

_UNKNOWN = 0
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001, _UNKNOWN: 1.0}
"""By the spatial part of xyzt_units: metre, millimetre, micrometre, unknown."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Volume:
    """What a header declares: `shape` is (z, y, x), `dtype` that of one stored value."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    channels: int
    offset: int
    slope: float
    inter: float
    grid: Grid
    lengths_told: bool
    warnings: tuple[str, ...]

    @property
    def stored_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.channels * self.dtype.itemsize

    @property
    def is_scaled(self) -> bool:
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def bytes(self) -> int:
        """Memory of the voxels as stored or as delivered, whichever is more."""
        widened = max(1.0, 4 / self.dtype.itemsize) if self.is_scaled else 1.0
        return int(self.stored_bytes * widened)


class NiftiReader:
    """Reads ``.nii`` and ``.nii.gz``. Each file is a study of its own."""

    def recognises(self, head: bytes, path: str) -> bool:  # noqa: ARG002 -- NIfTI has a magic
        """Return whether the file, unzipped if it is zipped, begins as a NIfTI header."""
        try:
            return _magic(_unzipped(head)) is not None
        except zlib.error:
            return False

    def describe(self, path: str) -> Header:
        """Return what the header declares.

        Raises
        ------
        edge.errors.ReadError
            As for `load`, as far as the header tells.
        """
        with Path(path).open("rb") as file:
            volume = _volume(_read_header(_opened(file)))
        return Header(
            format="nifti",
            path=path,
            study=path,
            series=path,
            identity=Identity(),
            acquisition=_acquisition(volume),
            pictures=volume.shape[0],
            bytes=volume.bytes,
        )

    def load(self, series: Series, limit_bytes: int, progress: Progress) -> Scan:
        """Return the decoded volume.

        Raises
        ------
        edge.errors.ReadError
            ``TOO_LARGE``, ``DAMAGED``, ``BAD_HEADER``, ``NOT_AN_IMAGE`` for half a pair, ``NO_POSITION`` where
            neither sform nor qform is set, ``NOT_A_GRID`` for a sheared or singular one, ``DUPLICATE_SLICES`` for
            several volumes in one file, or ``UNSUPPORTED_PICTURE`` for complex numbers and the like.
        """
        (path,) = series.paths
        progress(path)
        size = Path(path).stat().st_size
        if size > limit_bytes:
            raise ReadError(f"The file has {size} bytes, the limit is {limit_bytes}.", TOO_LARGE)
        data = Path(path).read_bytes()
        source = Source(path=path, sha256=hashlib.sha256(data).hexdigest())
        stream = _opened(io.BytesIO(data))
        volume = _volume(_read_header(stream))
        if volume.bytes > limit_bytes:
            raise ReadError(f"It declares {volume.bytes} bytes of voxels, the limit is {limit_bytes}.", TOO_LARGE)
        check_extent(volume.grid)
        return _scan(volume, _stored(stream, volume), source)


def _unzipped(head: bytes) -> bytes:
    """The beginning of what may be a gzip file."""
    return zlib.decompressobj(31).decompress(head, 544) if head.startswith(_GZIP) else head


def _magic(head: bytes) -> bytes | None:
    """The four bytes that make it NIfTI, if they and the header's size agree, in either byte order."""
    for at, magic in ((344, head[344:348]), (4, head[4:8])):
        size = _MAGIC.get(magic)
        if size is not None and (size == 348) == (at == 344) and size in _either_order(head[:4]):
            return magic
    return None


def _either_order(number: bytes) -> tuple[int, int]:
    return int.from_bytes(number, "little"), int.from_bytes(number, "big")


def _opened(file: BinaryIO) -> BinaryIO:
    """The file, unzipped as it is read; nothing beyond what is asked for is ever inflated."""
    zipped = file.read(2) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[return-value]


def _read(stream: BinaryIO, target: memoryview) -> None:
    """Fill `target` from the stream."""
    at = 0
    try:
        while at < len(target):
            got = stream.readinto(target[at:])  # type: ignore[attr-defined]
            if not got:
                raise ReadError(f"It ends after {at} of {len(target)} bytes.", DAMAGED)
            at += got
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReadError("Its compressed data are damaged or cut short.", DAMAGED) from error


def _read_header(stream: BinaryIO) -> Any:
    """The header as nibabel's class, unchecked."""
    import nibabel  # noqa: PLC0415 -- only the reading process needs it, and only for this format

    block = bytearray(540)
    _read(stream, memoryview(block)[:348])
    kind: Any = nibabel.Nifti1Header
    magic = _magic(bytes(block))
    if magic in _PAIRS:
        raise ReadError("It is one half of a pair (.hdr and .img); save it as a single .nii file.", NOT_AN_IMAGE)
    if magic is None:
        raise ReadError("It does not begin as a NIfTI file any more.", DAMAGED)
    if _MAGIC[magic] == 540:
        _read(stream, memoryview(block)[348:])
        kind = nibabel.Nifti2Header
    return kind(bytes(block[: _MAGIC[magic]]), check=False)


def _volume(header: Any) -> _Volume:
    """Everything that is needed of the header, checked."""
    shape = _shape([int(n) for n in header["dim"]])
    dtype, channels = _dtype(header)
    offset = float(header["vox_offset"])
    if not header.sizeof_hdr + 4 <= offset <= _LARGEST_OFFSET or offset != int(offset):
        raise ReadError(f"It says that its voxels begin at byte {offset:g} (vox_offset).", BAD_HEADER)
    slope, inter = _slope_inter(header)
    if channels > 1 and (slope, inter) != (1.0, 0.0):
        raise ReadError("It scales the values of colours (scl_slope).", BAD_HEADER)
    matrix, warnings = _matrix(header, shape)
    return _Volume(
        shape=shape,
        dtype=dtype,
        channels=channels,
        offset=int(offset),
        slope=slope,
        inter=inter,
        grid=_grid(shape, matrix),
        lengths_told=_unit(header) != _UNKNOWN,
        warnings=warnings,
    )


def _shape(dim: Sequence[int]) -> tuple[int, int, int]:
    """(z, y, x) from ``dim``; NIfTI counts (i, j, k), i fastest, so z is k."""
    used = dim[1 : dim[0] + 1] if 1 <= dim[0] <= 7 else []
    if not used or min(used) < 1:
        raise ReadError(f"It declares the dimensions {list(dim)}.", BAD_HEADER)
    if any(n > 1 for n in used[3:]):
        raise ReadError(f"It holds several volumes: its dimensions are {used}, expected three.", DUPLICATE_SLICES)
    i, j, k = (*used[:3], 1, 1)[:3]
    return k, j, i


def _dtype(header: Any) -> tuple[np.dtype[Any], int]:
    """The type of one stored value and the number of values in a voxel."""
    try:
        dtype = header.get_data_dtype()
    except KeyError as error:
        raise ReadError(f"It has the unknown datatype {int(header['datatype'])}.", UNSUPPORTED_PICTURE) from error
    if dtype.names is not None:
        return np.dtype(np.uint8), len(dtype.names)
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or dtype.itemsize < 1:
        raise ReadError(f"Its values are {dtype.name}, expected integers or 32 or 64 bit floats.", UNSUPPORTED_PICTURE)
    return dtype, 1


def _slope_inter(header: Any) -> tuple[float, float]:
    """scl_slope and scl_inter; a slope that is 0 or no number means that there is none."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0
    if not np.isfinite(inter):
        raise ReadError(f"It says that its values are offset by {inter} (scl_inter).", BAD_HEADER)
    return slope, inter


def _matrix(header: Any, shape: tuple[int, int, int]) -> tuple[Matrix, tuple[str, ...]]:
    """The map from (i, j, k) to RAS in millimetres: method 3 (sform) before method 2 (qform), as in nifti1.h."""
    warnings: list[str] = []
    scale = np.diag([_MILLIMETRES[_unit(header)]] * 3 + [1.0])
    sform = header.get_sform() if header["sform_code"] > 0 else None
    qform = _qform(header) if header["qform_code"] > 0 else None
    chosen = sform if sform is not None else qform
    if chosen is None:
        raise ReadError("Neither its sform nor its qform is set, so its place is unknown.", NO_POSITION)
    if sform is not None and qform is not None and np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise ReadError("Its sform and its qform mirror each other, so left and right are unknown.", NOT_A_GRID)
    if sform is not None and qform is not None and places_differ(sform, qform, shape):
        warnings.append("The file gives two places for its voxels that differ (sform, qform); the sform was taken.")
    if lengths_differ(header["pixdim"][1:4], np.asarray(chosen), shape):
        raise ReadError("It gives two sizes for its voxels that differ (pixdim, and its sform or qform).", NOT_A_GRID)
    return scale @ np.asarray(chosen, dtype=np.float64), tuple(warnings)


def _unit(header: Any) -> int:
    """The spatial part of xyzt_units."""
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        raise ReadError(f"It gives lengths in the unknown unit {unit} (xyzt_units).", BAD_HEADER)
    return unit


def _qform(header: Any) -> Matrix:
    from nibabel.spatialimages import HeaderDataError  # noqa: PLC0415 -- as above

    try:
        return np.asarray(header.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise ReadError("The rotation in its qform is no rotation.", NOT_A_GRID) from error


def _grid(shape: tuple[int, int, int], ras: Matrix) -> Grid:
    """The grid in LPS with axes (z, y, x)."""
    matrix = (_RAS_TO_LPS @ ras)[:, [2, 1, 0, 3]]
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or steps.min() < _SHORTEST or steps.max() > _LONGEST:
        raise ReadError("Its affine has values that are no numbers, or an axis without a sensible length.", NOT_A_GRID)
    directions = matrix[:3, :3] / steps
    if np.abs(directions.T @ directions - np.eye(3)).max() > _SHEAR:
        raise ReadError("The axes of its affine are not at right angles.", NOT_A_GRID)
    if shape[0] == 1:
        matrix[:3, 0] = directions[:, 0]
    return Grid.of(shape, matrix, "patient")


def _stored(stream: BinaryIO, volume: _Volume) -> NDArray[Any]:
    """The voxels as stored; the stream must end with them."""
    _read(stream, memoryview(bytearray(volume.offset - stream.tell())))
    raw = bytearray(volume.stored_bytes)
    _read(stream, memoryview(raw))
    try:
        beyond = len(stream.read(_SLACK + 1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReadError("Its compressed data are damaged or cut short.", DAMAGED) from error
    if beyond > _SLACK:
        raise ReadError(f"It goes on behind the {len(raw)} bytes of voxels that it declares.", DAMAGED)
    channels = (volume.channels,) if volume.channels > 1 else ()
    return np.frombuffer(raw, dtype=volume.dtype).reshape(*volume.shape, *channels)


def _scan(volume: _Volume, stored: NDArray[Any], source: Source) -> Scan:
    voxels = _opaque(stored) if volume.channels > 1 else _scaled(stored, volume.slope, volume.inter)
    return Scan(
        voxels=voxels,
        grid=volume.grid,
        stack="picture" if volume.shape[0] == 1 else "volume",
        unit="unknown",
        value_range=_value_range(volume),
        identity=Identity(),
        acquisition=_acquisition(volume),
        sources=(source,),
        places=tuple((0, z) for z in range(volume.shape[0])),
        warnings=(*volume.warnings, *finite_words(voxels)),
        lengths_told=volume.lengths_told,
    )


def _acquisition(volume: _Volume) -> Acquisition:
    return Acquisition(photometric="MONOCHROME2" if volume.channels == 1 else "RGB")


def _opaque(stored: NDArray[Any]) -> NDArray[Any]:
    """RGB voxels; what shines through where RGBA is not opaque is not known."""
    if stored.shape[-1] == 4 and not (stored[..., 3] == 255).all():
        raise ReadError("Parts of the volume are transparent.", UNSUPPORTED_PICTURE)
    return stored[..., :3]


def _scaled(stored: NDArray[Any], slope: float, inter: float) -> NDArray[Any]:
    """``stored * slope + inter``: the smallest integer type that holds it exactly, else float32."""
    dtype = _target(stored, slope, inter)
    if (slope, inter) == (1.0, 0.0):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is warned of
            return stored.astype(dtype, copy=False)
    exact = np.int64 if dtype.kind in "iu" else np.float64
    result = np.empty(stored.shape, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for z, picture in enumerate(stored):
            result[z] = picture.astype(exact) * exact(slope) + exact(inter)
    return result


def _target(stored: NDArray[Any], slope: float, inter: float) -> np.dtype[Any]:
    """The type in which the scaled values are delivered."""
    if stored.dtype.kind == "f":
        return np.dtype(np.float32)
    native: np.dtype[Any] = stored.dtype.newbyteorder("=")
    if (slope, inter) == (1.0, 0.0):
        return native
    if slope != int(slope) or inter != int(inter) or max(abs(slope), abs(inter)) > _EXACT:
        return np.dtype(np.float32)
    ends = [int(end) * int(slope) + int(inter) for end in (stored.min(), stored.max())]
    wider: list[np.dtype[Any]] = [
        np.dtype(f"{kind}{size}")
        for size, kind in itertools.product((1, 2, 4, 8), (native.kind, "i"))
        if size >= native.itemsize and f"{kind}{size}" != "u8"
    ]
    for dtype in (native, *wider):
        limits = np.iinfo(dtype)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return dtype
    return np.dtype(np.float32)


def _value_range(volume: _Volume) -> tuple[float, float] | None:
    """The ends of the stored type, scaled."""
    if volume.dtype.kind == "f":
        return None
    limits = np.iinfo(volume.dtype)
    ends = [end * volume.slope + volume.inter for end in (float(limits.min), float(limits.max))]
    return (min(ends), max(ends)) if np.isfinite(ends).all() else None
