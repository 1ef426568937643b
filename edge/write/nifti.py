"""Voxels on a grid -> NIfTI-1 in one gzipped file. Here, and nowhere else that writes, LPS becomes RAS.

The standard is nifti1.h of the NIfTI Data Format Working Group. sform and qform say the same, both as scanner
coordinates; lengths are millimetres. The same voxels give the same bytes: the gzip header holds no time.
"""

from __future__ import annotations

import gzip
import io
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Grid

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
DESCRIPTION_BYTES = 79
VECTOR: Literal[1007] = 1007
"""NIFTI_INTENT_VECTOR. Its components lie along the fifth dimension."""
SCANNER = 1
COMPRESSION = 1
"""Labels shrink well at once, and level 6 takes several times as long."""


def nifti(values: NDArray[Any], grid: Grid, description: str, *, lengths_told: bool = True) -> bytes:
    """Return a volume as the bytes of a ``.nii.gz``.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        Of a dtype that NIfTI knows.
    grid : Grid
        In patient space.
    description : str
        At most 79 characters of it are kept, in ASCII; no patient data.
    lengths_told : bool
        Whether the unit of lengths is known to be the millimetre; else the file says that it is not known.

    Raises
    ------
    ValueError
        The grid does not lie in the patient, or has another shape than the values.
    """
    if values.shape != grid.shape:
        raise ValueError(f"Writing a NIfTI volume of shape {values.shape}: its grid has {grid.shape}.")
    dimensions = tuple(values.shape[::-1])
    return _zipped(values, _header(values.dtype, grid, dimensions, description, lengths_told=lengths_told))


def nifti_field(field_mm: NDArray[Any], grid: Grid, description: str, *, lengths_told: bool = True) -> bytes:
    """Return a displacement field as the bytes of a ``.nii.gz``, as ITK and ANTs exchange them.

    Five dimensions (x, y, z, 1, 3) with the intent 1007 (vector), whose components stay along x, y and z of LPS in
    millimetres: those programs turn the affine of a NIfTI file to LPS and take such vectors as they are. A program
    that keeps to RAS must change the sign of the first two components.

    Parameters
    ----------
    field_mm : ndarray of float32, shape (3, z, y, x)
        From a voxel's place to the place in the moving scan that belongs to it.
    grid : Grid
        In patient space.
    lengths_told : bool
        As in `nifti`.
    """
    if field_mm.shape != (3, *grid.shape):
        raise ValueError(f"Writing a displacement field of shape {field_mm.shape}: its grid has {grid.shape}.")
    dimensions = (*grid.shape[::-1], 1, 3)
    header = _header(field_mm.dtype, grid, dimensions, description, lengths_told=lengths_told, intent=VECTOR)
    return _zipped(field_mm, header)


def _zipped(values: NDArray[Any], header: bytes) -> bytes:
    """Values in C order are in NIfTI's order already: x fastest, components slowest. No second copy is made."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=out, mtime=0) as file:
        file.write(header + bytes(4))
        for part in values:
            file.write(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes())
    return out.getvalue()


def _header(
    dtype: np.dtype[Any],
    grid: Grid,
    dimensions: tuple[int, ...],
    description: str,
    *,
    lengths_told: bool,
    intent: Literal[1007] | None = None,
) -> bytes:
    from nibabel import Nifti1Header  # noqa: PLC0415 -- takes long to load, and most results need none

    if grid.space != "patient":
        raise ValueError(f"Writing a NIfTI volume: its grid lies in {grid.space} space, expected the patient.")
    kind: Any = Nifti1Header
    header = kind(endianness="<")
    header.set_data_shape(dimensions)
    header.set_data_dtype(dtype.newbyteorder("<"))
    affine = (LPS_TO_RAS @ grid.matrix)[:, [2, 1, 0, 3]]
    header.set_qform(affine, code=SCANNER)
    header.set_sform(affine, code=SCANNER)
    header.set_xyzt_units("mm" if lengths_told else "unknown")
    header.set_slope_inter(1.0, 0.0)
    header["descrip"] = description.encode("ascii", "replace")[:DESCRIPTION_BYTES]
    if intent is not None:
        header["intent_code"] = intent
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock)
