"""NIfTI: every voxel at its place in the patient, every value exact, or a reason why not."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Turn, canonical_turn, resample
from edge.read.contract import HEAD_BYTES
from edge.read.isolate import ScanReader
from edge.read.nifti import NiftiReader
from edge.reasons import (
    BAD_HEADER,
    DAMAGED,
    DUPLICATE_SLICES,
    NO_POSITION,
    NOT_A_GRID,
    NOT_AN_IMAGE,
    TOO_LARGE,
    UNSUPPORTED_PICTURE,
    Reason,
)
from edge.scan import Scan, Series
from tests.read.files import nibabel

Array = NDArray[Any]
Read = Callable[..., Scan]
LIMIT = 1 << 28

AFFINE = np.array([[0.8, 0, 0, -10], [0, 0.9, 0, 20], [0, 0, 2.5, -30], [0, 0, 0, 1]])


def phantom(*shape: int, dtype: str = "int16") -> Array:
    """No two voxels alike."""
    shape = shape or (4, 5, 6)
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def image(data: Array, affine: Array | None = AFFINE, version: int = 1, **fields: Any) -> Any:
    """A NIfTI image in millimetres with both codes set, and header fields as given."""
    kind = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    made = kind(data, affine)
    made.header.set_xyzt_units("mm")
    for name, value in fields.items():
        made.header[name] = value
    return made


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Saves an image (or writes bytes) to a file, describes and loads it, and checks that the two agree."""

    def read_image(made: Any, name: str = "volume.nii") -> Scan:
        path = tmp_path / name
        if isinstance(made, bytes):
            path.write_bytes(made)
        else:
            nibabel.save(made, path)
        reader = NiftiReader()
        assert reader.recognises(path.read_bytes()[:HEAD_BYTES], str(path))
        header = reader.describe(str(path))
        series = Series(
            format=header.format,
            paths=(header.path,),
            identity=header.identity,
            acquisition=header.acquisition,
            pictures=header.pictures,
            bytes=header.bytes,
        )
        scan = reader.load(series, LIMIT, lambda _: None)
        assert scan.acquisition == header.acquisition
        assert scan.voxels.shape[:3] == scan.grid.shape
        assert scan.voxels.nbytes <= header.bytes
        assert len(scan.places) == header.pictures
        assert scan.sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        return scan

    return read_image


def reason_of(read: Read, made: Any, name: str = "volume.nii") -> Reason:
    with pytest.raises(ReadError) as caught:
        read(made, name)
    return caught.value.reason


def raw(made: Any) -> bytearray:
    """The file as bytes, to be spoilt; the single-file layout puts voxels at 352."""
    return bytearray(made.to_bytes())


def spoilt(made: Any, **fields: Any) -> bytes:
    """The file with header fields changed without nibabel's tidying."""
    data = raw(made)
    header = made.header_class(bytes(data[: made.header.sizeof_hdr]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[: made.header.sizeof_hdr] = header.binaryblock
    return bytes(data)


# Place -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["volume.nii", "volume.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
def test_every_voxel_lies_where_nibabel_puts_it_but_in_lps(read: Read, version: int, name: str) -> None:
    data = phantom()
    turn = nibabel.eulerangles.euler2mat(0.3, -0.2, 0.1)
    affine = nibabel.affines.from_matvec(turn @ np.diag([0.8, 0.9, 2.5]), [5, -6, 7])
    scan = read(image(data, affine, version), name)
    for i, j, k in itertools.product(*map(range, data.shape)):
        assert scan.voxels[k, j, i] == data[i, j, k]
        ras = affine @ [i, j, k, 1]
        np.testing.assert_allclose(scan.grid.matrix @ [k, j, i, 1], ras * [-1, -1, 1, 1], atol=1e-4)
    assert scan.stack == "volume"
    assert scan.grid.space == "patient"


ORIENTATIONS = [
    Turn(axes=axes, flips=flips)  # type: ignore[arg-type]
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize("turn", ORIENTATIONS, ids=str)
def test_all_48_orientations_give_the_same_volume_and_masks_come_home(read: Read, turn: Turn) -> None:
    """The phantom is stored with its axes in every order and direction; canonical axes undo that exactly."""
    straight = phantom(4, 5, 6)
    ornt = np.array([[axis, -1 if flip else 1] for axis, flip in zip(turn.axes, turn.flips, strict=True)])
    stored = nibabel.orientations.apply_orientation(straight, ornt)
    affine = AFFINE @ nibabel.orientations.inv_ornt_aff(ornt, straight.shape)
    scan = read(image(np.ascontiguousarray(stored), affine))

    canonical = canonical_turn(scan.grid)
    grid = canonical.apply_grid(scan.grid)
    expected = straight[::-1, ::-1, :].transpose(2, 1, 0)  # z to the head, y to the back, x to the left
    np.testing.assert_array_equal(canonical.apply(scan.voxels), expected)
    np.testing.assert_allclose(grid.steps, (2.5, 0.9, 0.8), rtol=1e-6)

    mask = (expected % 7 == 0).astype(np.uint8)
    home = resample(mask, grid, scan.grid, interpolation="nearest")
    np.testing.assert_array_equal(home, scan.voxels % 7 == 0)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("mm", 1), ("micron", 0.001)])
def test_lengths_are_millimetres_whatever_the_unit(read: Read, unit: str, factor: float) -> None:
    made = image(phantom(), np.diag([1 / factor, 2 / factor, 3 / factor, 1.0]))
    made.header.set_xyzt_units(unit)
    scan = read(made)
    np.testing.assert_allclose(scan.grid.steps, (3, 2, 1), rtol=1e-6)
    assert scan.warnings == ()


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_a_head_that_is_as_large_as_a_street_or_a_cell_is_refused(read: Read, unit: str) -> None:
    made = image(phantom(), np.diag([1.0, 2.0, 3.0, 1.0]))
    made.header.set_xyzt_units(unit)
    assert reason_of(read, made) is NOT_A_GRID


def test_two_sizes_of_a_voxel_that_differ_are_refused(read: Read) -> None:
    assert reason_of(read, spoilt(image(phantom()), qform_code=0, pixdim=[1, 3, 3, 3, 0, 0, 0, 0])) is NOT_A_GRID


def test_a_place_in_a_template_of_another_size_is_refused(read: Read) -> None:
    """Millilitres would be those of the template and not of the patient."""
    made = image(phantom())
    made.set_qform(AFFINE, code=1)
    made.set_sform(AFFINE @ np.diag([1.15, 1.15, 1.15, 1.0]), code=4)
    assert reason_of(read, made) is NOT_A_GRID


def test_an_unknown_unit_is_taken_for_millimetres_and_said(read: Read) -> None:
    scan = read(spoilt(image(phantom()), xyzt_units=0))
    assert not scan.lengths_told
    np.testing.assert_allclose(scan.grid.steps, (2.5, 0.9, 0.8), rtol=1e-6)


def test_the_sform_comes_before_the_qform_and_a_contradiction_is_told(read: Read) -> None:
    made = image(phantom())
    moved = AFFINE.copy()
    moved[0, 3] += 5
    made.set_qform(moved, code=1)
    made.set_sform(AFFINE, code=2)
    scan = read(made)
    np.testing.assert_allclose(scan.grid.matrix[:3, 3], (10, -20, -30), atol=1e-5)
    assert any("sform" in warning for warning in scan.warnings)


def test_an_sform_that_mirrors_the_qform_is_refused(read: Read) -> None:
    made = image(phantom())
    made.set_qform(AFFINE @ np.diag([-1, 1, 1, 1]), code=1)
    made.set_sform(AFFINE, code=2)
    assert reason_of(read, made) is NOT_A_GRID


def test_the_qform_counts_where_there_is_no_sform(read: Read) -> None:
    made = image(phantom())
    made.set_qform(AFFINE, code=1)
    made.set_sform(None, code=0)
    scan = read(made)
    np.testing.assert_allclose(scan.grid.matrix[:3, 3], (10, -20, -30), atol=1e-5)
    assert scan.warnings == ()


def test_a_volume_without_any_place_is_refused(read: Read) -> None:
    assert reason_of(read, spoilt(image(phantom()), sform_code=0, qform_code=0)) is NO_POSITION


@pytest.mark.parametrize(
    "fields",
    [
        {"srow_x": [1, 0.5, 0, 0]},
        {"srow_x": [0, 0, 0, 0]},
        {"srow_y": [np.nan, 1, 0, 0]},
        {"srow_x": [3e38, 3e38, 0, 0], "srow_y": [-3e38, 3e38, 0, 0]},
        {"sform_code": 0, "qform_code": 1, "quatern_b": 1.0, "quatern_c": 1.0},
    ],
    ids=["sheared", "singular", "no number", "endless", "no rotation"],
)
def test_what_is_no_rectangular_grid_is_refused(read: Read, fields: dict[str, Any]) -> None:
    assert reason_of(read, spoilt(image(phantom()), **fields)) is NOT_A_GRID


def test_a_single_slice_has_a_unit_normal(read: Read) -> None:
    scan = read(image(phantom(4, 5, 1)))
    assert scan.stack == "picture"
    assert scan.grid.shape == (1, 5, 4)
    np.testing.assert_allclose(scan.grid.steps, (1.0, 0.9, 0.8), rtol=1e-6)


def test_a_trailing_axis_of_one_volume_is_no_obstacle_but_a_time_series_is(read: Read) -> None:
    assert read(image(phantom(3, 4, 5, 1))).grid.shape == (5, 4, 3)
    assert reason_of(read, image(phantom(3, 4, 5, 2))) is DUPLICATE_SLICES
    assert reason_of(read, image(phantom(3, 4, 5, 1, 3))) is DUPLICATE_SLICES


# Values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "int64", "uint64"])
def test_values_keep_their_type_in_either_byte_order(read: Read, kind: str, order: str) -> None:
    data = phantom(dtype=kind)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(kind)
    made = nibabel.Nifti1Image(data, AFFINE, header)
    made.header.set_data_dtype(kind)
    scan = read(made)
    assert scan.voxels.dtype.name == kind
    np.testing.assert_array_equal(scan.voxels, data.T)
    assert scan.unit == "unknown"


@pytest.mark.parametrize(
    ("kind", "slope", "inter", "expected"),
    [
        ("int16", 1, 0, "int16"),
        ("int16", 0, 7, "int16"),
        ("int16", np.nan, 7, "int16"),
        ("int16", 1, -1024, "int16"),
        ("uint16", 1, -1024, "int16"),
        ("uint8", 2, 0, "uint8"),
        ("uint8", 300, 0, "uint16"),
        ("uint8", -300, 0, "int32"),
        ("int16", 0.5, 0, "float32"),
        ("float32", 2, 1, "float32"),
        ("uint8", 3e30, 0, "float32"),
    ],
)
def test_scaling_is_exact_in_the_smallest_type(
    read: Read, kind: str, slope: float, inter: float, expected: str
) -> None:
    data = phantom(dtype=kind)
    scan = read(spoilt(image(data), scl_slope=slope, scl_inter=inter))
    none = slope == 0 or np.isnan(slope)
    wanted = data.astype(np.float64) if none else data.astype(np.float64) * np.float32(slope) + inter
    assert scan.voxels.dtype.name == expected
    np.testing.assert_allclose(scan.voxels, wanted.T, rtol=1e-7)


def test_the_range_is_that_of_the_stored_type(read: Read) -> None:
    assert read(spoilt(image(phantom(dtype="uint8")), scl_slope=2, scl_inter=-10)).value_range == (-10.0, 500.0)
    assert read(image(phantom(dtype="float32"))).value_range is None


def test_what_is_no_number_is_told(read: Read) -> None:
    data = phantom(dtype="float32")
    data[1, 2, 3] = np.nan
    scan = read(image(data))
    assert any("NaN" in warning for warning in scan.warnings)
    assert np.isnan(scan.voxels[3, 2, 1])


def test_float64_becomes_float32_and_what_does_not_fit_is_told(read: Read) -> None:
    data = phantom(dtype="float64")
    assert read(image(data)).voxels.dtype == np.float32
    data[0, 0, 0] = 1e300
    assert any("infinite" in warning for warning in read(image(data)).warnings)


def colours(names: str) -> Array:
    return np.zeros((3, 4, 5), dtype=[(name, "u1") for name in names])


def test_colours_stay_colours(read: Read) -> None:
    data = colours("RGB")
    for channel, name in enumerate("RGB"):
        data[name] = phantom(3, 4, 5) + channel
    scan = read(image(data))
    assert scan.voxels.shape == (5, 4, 3, 3)
    assert scan.acquisition.photometric == "RGB"
    np.testing.assert_array_equal(scan.voxels[..., 1], data["G"].T)


def test_transparent_colours_are_refused(read: Read) -> None:
    data = colours("RGBA")
    assert reason_of(read, image(data)) is UNSUPPORTED_PICTURE
    data["A"] = 255
    assert read(image(data)).voxels.shape == (5, 4, 3, 3)


@pytest.mark.parametrize("code", [1, 32, 1536, 1792, 2048, 77])
def test_other_kinds_of_numbers_are_refused(read: Read, code: int) -> None:
    assert reason_of(read, spoilt(image(phantom()), datatype=code)) is UNSUPPORTED_PICTURE


def test_nothing_is_told_of_the_patient_or_the_machine(read: Read) -> None:
    scan = read(image(phantom(), descrip=b"PATIENT^NAME", intent_name=b"PATIENT^NAME"))
    assert "PATIENT" not in repr(scan)
    assert scan.acquisition.modality is None


# Damage and bombs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"scl_slope": 2, "scl_inter": np.inf},
        {"vox_offset": 0},
        {"vox_offset": 1e9},
        {"vox_offset": 352.5},
        {"dim": [9, 4, 5, 6, 1, 1, 1, 1]},
        {"dim": [3, 4, 0, 6, 1, 1, 1, 1]},
        {"dim": [3, 4, -5, 6, 1, 1, 1, 1]},
        {"xyzt_units": 5},
    ],
    ids=str,
)
def test_an_impossible_header_is_refused(read: Read, fields: dict[str, Any]) -> None:
    assert reason_of(read, spoilt(image(phantom()), **fields)) is BAD_HEADER


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["volume.nii", "volume.nii.gz"])
def test_a_file_cut_short_anywhere_is_damaged(read: Read, name: str, version: int) -> None:
    data = bytes(raw(image(phantom(9, 9, 9), version=version)))
    header = 348 if version == 1 else 540
    if name.endswith(".gz"):
        data, header = gzip.compress(data), 260
    for cut in (header, header + 20, len(data) // 2 + header // 2, len(data) - 9, len(data) - 1):
        assert reason_of(read, data[:cut], name) is DAMAGED, cut


def test_a_wrong_checksum_is_damage(read: Read) -> None:
    data = bytearray(gzip.compress(bytes(raw(image(phantom(9, 9, 9))))))
    data[-6] ^= 1
    assert reason_of(read, bytes(data), "volume.nii.gz") is DAMAGED


def test_padding_is_taken_but_more_data_than_declared_is_damage(read: Read) -> None:
    data = bytes(raw(image(phantom())))
    assert read(data + b"\0" * 100).voxels.size == 120
    assert reason_of(read, data + b"\0" * 5000) is DAMAGED
    assert reason_of(read, gzip.compress(data) + b"rubbish", "volume.nii.gz") is DAMAGED


def test_half_a_pair_is_refused_by_name(read: Read) -> None:
    assert reason_of(read, spoilt(image(phantom()), magic=b"ni1")) is NOT_AN_IMAGE


@pytest.mark.parametrize(
    "head", [b"", b"\x1f\x8b", b"\x1f\x8brubbish", gzip.compress(b"text", mtime=0), b"\x5c\1\0\0" * 200]
)
def test_other_files_are_not_recognised(head: bytes) -> None:
    assert not NiftiReader().recognises(head, "x.nii.gz")


def test_a_file_that_is_small_and_declares_too_much_is_refused(read: Read) -> None:
    assert reason_of(read, spoilt(image(phantom()), dim=[3, 9000, 9000, 9000, 1, 1, 1, 1])) is TOO_LARGE


def zeros(size: int) -> bytes:
    """A gzip member of so many zeros, a thousandth of the size."""
    return gzip.compress(bytes(1 << 24), 1) * (size >> 24)


@pytest.mark.parametrize(("depth", "reason"), [(40, DAMAGED), (20_000, TOO_LARGE)])
def test_a_bomb_is_stopped_in_no_time_whatever_it_declares(tmp_path: Path, depth: int, reason: Reason) -> None:
    """4 GiB of zeros behind a header that declares little, or behind one that declares nearly all of them."""
    head = spoilt(image(phantom()), dim=[3, 512, 512, depth, 1, 1, 1, 1])[:352]
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(head) + zeros(4 << 30))
    nibabel.save(image(phantom()), tmp_path / "good.nii.gz")
    started = time.monotonic()
    with ScanReader(limit_bytes=256 << 20) as reader:
        bomb, good = reader.index(tmp_path).result().studies
        assert reader.load(good.series[0]).result().voxels.size == 120
        if reason is TOO_LARGE:
            assert bomb.left_out[0].reason is reason
        else:
            pending = reader.load(bomb.series[0])
            with pytest.raises(ReadError) as caught:
                pending.result()
            assert caught.value.reason is reason
    assert time.monotonic() - started < 5
