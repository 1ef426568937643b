"""NIfTI: every voxel lies in the same millimetres of the patient for whoever reads the file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid, Turn, resample
from edge.read import read_study
from edge.testing import phantom
from edge.write.nifti import nifti, nifti_field
from tests.write.planted import SHAPE, TURNS, body, oblique_grid, upright_grid

Array = NDArray[Any]


def loaded(data: bytes) -> Any:
    """The image as nibabel reads it."""
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(data))


def places(grid: Grid) -> Array:
    """Millimetres in LPS of every voxel, (z, y, x, 3)."""
    indices = np.moveaxis(np.indices(grid.shape), 0, -1)
    return np.asarray(indices @ grid.matrix[:3, :3].T + grid.matrix[:3, 3])


@pytest.mark.parametrize("turn", TURNS, ids=str)
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_nibabel_finds_every_voxel_where_the_source_has_it(turn: Turn, form: str) -> None:
    grid, voxels = turn.apply_grid(oblique_grid()), turn.apply(phantom(SHAPE))
    image = loaded(nifti(voxels, grid, "phantom"))
    affine, code = getattr(image, f"get_{form}")(coded=True)
    assert code == 1
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), voxels)
    indices = np.moveaxis(np.indices(image.shape), 0, -1)
    ras = indices @ affine[:3, :3].T + affine[:3, 3]
    lps = (ras * [-1, -1, 1]).transpose(2, 1, 0, 3)
    assert np.abs(lps - places(grid)).max() < 1e-3


@pytest.mark.parametrize("turn", TURNS[::7], ids=str)
def test_our_own_reader_reads_back_what_was_written(turn: Turn, tmp_path: Path) -> None:
    grid, voxels = turn.apply_grid(oblique_grid()), turn.apply(phantom(SHAPE))
    (tmp_path / "a.nii.gz").write_bytes(nifti(voxels, grid, "phantom"))
    (scan,) = read_study(tmp_path / "a.nii.gz").scans
    assert np.array_equal(scan.voxels, voxels)
    assert scan.grid.shape == grid.shape
    assert np.allclose(scan.grid.matrix, grid.matrix, atol=1e-4)
    assert scan.warnings == ()


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_itk_finds_every_voxel_where_the_source_has_it(turn: Turn, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    grid, voxels = turn.apply_grid(oblique_grid()), turn.apply(phantom(SHAPE))
    (tmp_path / "a.nii.gz").write_bytes(nifti(voxels, grid, "phantom"))
    image = itk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(itk.GetArrayFromImage(image), voxels)
    for index in ((0, 0, 0), (3, 5, 7), tuple(size - 1 for size in grid.shape)):
        point = image.TransformIndexToPhysicalPoint(tuple(int(n) for n in reversed(index)))
        assert np.allclose(point, places(grid)[index], atol=1e-3)


def test_lengths_are_millimetres_and_values_are_not_scaled() -> None:
    header = loaded(nifti(phantom(SHAPE), upright_grid(), "words")).header
    assert header.get_xyzt_units()[0] == "mm"
    assert np.allclose(header.get_zooms(), (2.0, 2.5, 4.0))
    assert header.get_slope_inter() in ((None, None), (1.0, 0.0))
    assert bytes(header["descrip"].tobytes()).rstrip(b"\0") == b"words"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", ">i2"])
def test_values_keep_their_type(dtype: str) -> None:
    values = (phantom(SHAPE) % 200).astype(dtype)
    image = loaded(nifti(values, upright_grid(), ""))
    assert image.get_data_dtype() == np.dtype(dtype).newbyteorder("<")
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), values)


def test_the_same_voxels_give_the_same_bytes_at_any_time() -> None:
    once = nifti(phantom(SHAPE), upright_grid(), "words")
    assert nifti(phantom(SHAPE), upright_grid(), "words") == once
    assert once[4:8] == bytes(4)  # the time in a gzip header, RFC 1952
    assert once[3] == 0  # and no name of a file


def test_a_description_is_cut_and_told_in_ascii() -> None:
    header = loaded(nifti(phantom(SHAPE), upright_grid(), "Łódź " + 200 * "x")).header
    said = bytes(header["descrip"].tobytes())
    assert said.startswith(b"??d? xxx")
    assert len(said.rstrip(b"\0")) == 79


def test_what_does_not_lie_in_the_patient_is_not_written() -> None:
    with pytest.raises(ValueError, match="lies in pixel space, expected the patient"):
        nifti(np.zeros((1, 2, 3), np.uint8), Grid.of_picture(2, 3), "")


def test_values_of_another_shape_than_their_grid_are_not_written() -> None:
    with pytest.raises(ValueError, match="its grid has"):
        nifti(np.zeros((1, 2, 3), np.uint8), upright_grid(), "")
    with pytest.raises(ValueError, match="its grid has"):
        nifti_field(np.zeros((2, *SHAPE), np.float32), upright_grid(), "")


# Displacements -------------------------------------------------------------------------------------------


def field_on(grid: Grid) -> Array:
    """Displacements in LPS that differ along each axis and from place to place."""
    x, y, z = np.moveaxis(places(grid), -1, 0)
    return np.stack([9 + 0.02 * y, -4 + 0.01 * x, 6 - 0.02 * z]).astype(np.float32)


def test_a_field_has_five_dimensions_and_the_intent_of_vectors() -> None:
    grid = oblique_grid()
    field = field_on(grid)
    image = loaded(nifti_field(field, grid, "field"))
    assert image.shape == (*SHAPE[::-1], 1, 3)
    assert int(image.header["intent_code"]) == 1007
    assert np.array_equal(np.asarray(image.dataobj)[..., 0, :].transpose(3, 2, 1, 0), field)


@pytest.mark.parametrize("turn", TURNS[::5], ids=str)
def test_itk_moves_points_by_the_field_as_we_do(turn: Turn, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    grid = turn.apply_grid(oblique_grid())
    field = field_on(grid)
    (tmp_path / "field.nii.gz").write_bytes(nifti_field(field, grid, "field"))
    read = itk.ReadImage(str(tmp_path / "field.nii.gz"), itk.sitkVectorFloat64)
    transform = itk.DisplacementFieldTransform(read)
    for index in ((2, 3, 4), (11, 9, 6), (20, 13, 17)):
        point = places(grid)[index]
        moved = np.array(transform.TransformPoint(point.tolist())) - point
        assert np.allclose(moved, np.moveaxis(field, 0, -1)[index], atol=1e-3)


def test_itk_resamples_the_moving_scan_onto_the_fixed_one_with_the_field(tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    fixed, moving = oblique_grid(), upright_grid()
    (tmp_path / "moving.nii.gz").write_bytes(nifti(body().astype(np.float32), moving, ""))
    shift = np.array([4.0, -5.0, 8.0], dtype=np.float32)
    field = np.broadcast_to(shift.reshape(3, 1, 1, 1), (3, *SHAPE)).copy()
    (tmp_path / "field.nii.gz").write_bytes(nifti_field(field, fixed, ""))
    read = itk.ReadImage(str(tmp_path / "field.nii.gz"), itk.sitkVectorFloat64)
    theirs = itk.GetArrayFromImage(
        itk.Resample(
            itk.ReadImage(str(tmp_path / "moving.nii.gz")),
            itk.VectorIndexSelectionCast(read, 0),
            itk.DisplacementFieldTransform(read),
            itk.sitkLinear,
            np.nan,
            itk.sitkFloat32,
        )
    )
    matrix = fixed.matrix
    matrix[:3, 3] += shift
    ours = resample(body().astype(np.float32), moving, Grid.of(SHAPE, matrix, "patient"), fill=np.nan)
    both = np.isfinite(theirs) & np.isfinite(ours)
    assert both.mean() > 0.5
    assert np.abs(theirs[both] - ours[both]).max() < 0.5
