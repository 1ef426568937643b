"""PNG, JPEG and TIFF pictures: upright, grey or RGB, with all their bits, and without any invented size.

The resolution that such files may state is that of a print (PNG pHYs, JFIF density, TIFF 282 and 283), not of the
patient, so it is not used; but for tiled TIFFs, see `edge.read.slide`.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read import jpeg, png, tiff
from edge.read.contract import Header, Progress
from edge.read.declared import Data, Declared
from edge.read.finite import finite_words
from edge.read.slide import Told, load_slide, tiled
from edge.reasons import BAD_HEADER, DAMAGED, TOO_LARGE, UNSUPPORTED_PICTURE
from edge.scan import Acquisition, Identity, Scan, Series, Source


@dataclass(frozen=True, slots=True)
class _Codec:
    inspect: Callable[[Data], Declared]
    decode: Callable[[bytes, Declared], NDArray[Any]]


_CODECS: tuple[tuple[bytes, _Codec], ...] = (
    (png.SIGNATURE, _Codec(png.inspect, png.decode)),
    (jpeg.SIGNATURE, _Codec(jpeg.inspect, jpeg.decode)),
    *((signature, _Codec(tiff.inspect, tiff.decode)) for signature in tiff.SIGNATURES),
)

# For each value of EXIF tag 274: transpose rows and columns first, then read rows, then columns, backwards.
_UPRIGHT = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

_DELIVERED = {"float16": "float32", "float64": "float32"}


class PictureReader:
    """Reads PNG, JPEG and TIFF. Each file is a study of its own; a TIFF of like pages is a stack of frames."""

    def recognises(self, head: bytes, path: str) -> bool:  # noqa: ARG002 -- pictures have a magic
        """Return whether the file begins as a picture, and is not a DICOM file that hides in a TIFF's skin."""
        return head[128:132] != b"DICM" and any(head.startswith(signature) for signature, _ in _CODECS)

    def describe(self, path: str) -> Header:
        """Return what the header declares.

        Raises
        ------
        edge.errors.ReadError
            As for `load`, as far as the header tells.
        """
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            in_tiles = _in_tiles(path, data[:4])
            told = in_tiles or _told(_inspect(data, _codec(data[:8])))
        return Header(
            format="picture",
            path=path,
            study=path,
            series=path,
            identity=Identity(),
            acquisition=told.acquisition,
            pictures=told.pictures,
            bytes=told.bytes,
            in_tiles=in_tiles is not None,
        )

    def load(self, series: Series, limit_bytes: int, progress: Progress) -> Scan:
        """Return the decoded picture or frames; a tiled TIFF that is too large for that as a slide.

        Raises
        ------
        edge.errors.ReadError
            ``DAMAGED``, ``BAD_HEADER``, ``TOO_LARGE``, ``MIXED_PICTURES``, ``UNSUPPORTED_COMPRESSION`` or
            ``UNSUPPORTED_PICTURE``.
        """
        (path,) = series.paths
        progress(path)
        with Path(path).open("rb") as file:
            if _in_tiles(path, file.read(4)):
                return load_slide(path, limit_bytes, progress)
        size = Path(path).stat().st_size
        if size > limit_bytes:
            raise ReadError(f"The file has {size} bytes, the limit is {limit_bytes}.", TOO_LARGE)
        data = Path(path).read_bytes()
        codec = _codec(data[:8])
        declared = _inspect(data, codec)
        if declared.bytes > limit_bytes:
            raise ReadError(
                f"It declares {declared.bytes} bytes of pixels ({declared.rows} rows, {declared.columns} columns), the "
                f"limit is {limit_bytes}.",
                TOO_LARGE,
            )
        return _scan(path, data, declared, _decode(data, declared, codec))


def _in_tiles(path: str, head: bytes) -> Told | None:
    """What is declared by a TIFF whose regions can be read one by one; of any other file None."""
    return tiled(path) if head in tiff.SIGNATURES else None


def _told(declared: Declared) -> Told:
    return Told(bytes=declared.bytes, pictures=len(declared.pages), acquisition=_acquisition(declared))


def _codec(head: bytes) -> _Codec:
    for signature, codec in _CODECS:
        if head.startswith(signature):
            return codec
    raise ReadError("It does not begin as a picture any more.", DAMAGED)


def _inspect(data: Data, codec: _Codec) -> Declared:
    try:
        declared = codec.inspect(data)
    except struct.error as error:
        raise ReadError("It ends in the middle of its header.", DAMAGED) from error
    if declared.rows < 1 or declared.columns < 1:
        raise ReadError(f"It declares {declared.rows} rows and {declared.columns} columns.", BAD_HEADER)
    return declared


def _decode(data: bytes, declared: Declared, codec: _Codec) -> NDArray[Any]:
    try:
        pixels = codec.decode(data, declared)
    except struct.error as error:
        raise ReadError("It ends in the middle of its pixels.", DAMAGED) from error
    expected = (len(declared.pages), declared.rows, declared.columns, declared.channels)
    if pixels.shape != expected or pixels.dtype.itemsize != declared.itemsize:
        raise ReadError(f"It decodes to {pixels.shape}, {pixels.dtype}; its header says {expected}.", DAMAGED)
    return pixels


def _acquisition(declared: Declared) -> Acquisition:
    return Acquisition(photometric=declared.photometric, lossy=declared.lossy)


def _scan(path: str, data: bytes, declared: Declared, pixels: NDArray[Any]) -> Scan:
    voxels = _upright(_opaque(pixels, declared), declared.orientation)
    voxels = voxels.astype(_DELIVERED.get(voxels.dtype.name, voxels.dtype), copy=False)
    count, rows, columns = voxels.shape[:3]
    flat = Grid.of_picture(rows, columns)
    return Scan(
        voxels=voxels,
        grid=Grid.of((count, rows, columns), flat.matrix, "pixel"),
        stack="picture" if count == 1 else "frames",
        unit="stored value",
        value_range=_value_range(voxels.dtype),
        identity=Identity(),
        acquisition=_acquisition(declared),
        sources=(Source(path=path, sha256=hashlib.sha256(data).hexdigest()),),
        places=tuple((0, page) for page in declared.pages),
        warnings=(*declared.warnings, *finite_words(voxels)),
    )


def _opaque(pixels: NDArray[Any], declared: Declared) -> NDArray[Any]:
    """The pixels without their alpha, shape (z, y, x) or (z, y, x, 3); what shines through is not known."""
    colours = 3 if declared.photometric == "RGB" else 1
    if pixels.shape[-1] > colours:
        alpha = pixels[..., colours]
        full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
        if not (alpha == full).all():
            raise ReadError("Parts of the picture are transparent.", UNSUPPORTED_PICTURE)
    return pixels[..., :3] if colours == 3 else pixels[..., 0]


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The pixels as the camera was meant to be held (CIPA DC-008 4.6.4, tag 274)."""
    transposed, rows_back, columns_back = _UPRIGHT[orientation]
    turned = pixels.swapaxes(1, 2) if transposed else pixels
    return turned[:, :: -1 if rows_back else 1, :: -1 if columns_back else 1]


def _value_range(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    if dtype.kind not in "ui":
        return None
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)
