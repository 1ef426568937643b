"""Slices become a volume in its place, whatever their order, or are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.geometry import Array, Grid, Turn, canonical_turn, resample
from edge.reasons import (
    BAD_HEADER,
    DUPLICATE_SLICES,
    MISSING_SLICES,
    MIXED_ORIENTATION,
    MIXED_PICTURES,
    NO_POSITION,
    TILTED,
    TWO_FRAMES_OF_REFERENCE,
    TWO_PATIENTS,
    UNEVEN_SPACING,
    Reason,
)
from edge.scan import Scan
from tests.read.dicom_files import (
    all_turns,
    canonical_grid,
    describe,
    enhanced,
    item,
    load,
    phantom,
    rotated,
    save,
    save_all,
    series,
)

Slices = list[Dataset]


def check_is_phantom(scan: Scan, voxels: Array, grid: Grid) -> None:
    """The scan, turned to canonical axes, is the phantom, and a mask on them finds its way back to the file's axes."""
    turn = canonical_turn(scan.grid)
    turned, turned_grid = turn.apply(scan.voxels), turn.apply_grid(scan.grid)
    assert np.array_equal(turned, voxels)
    assert np.allclose(turned_grid.matrix, grid.matrix, atol=1e-6)
    mask = (turned > 20).astype(np.uint8)
    back = resample(mask, turned_grid, scan.grid, interpolation="nearest")
    assert np.array_equal(back, (scan.voxels > 20).astype(np.uint8))


def written_turned(voxels: Array, grid: Grid, turn: Turn) -> tuple[Array, Grid]:
    """The phantom in other axes. Slices run along rows x columns, so a left-handed grid is one sorted downwards."""
    return np.ascontiguousarray(turn.apply(voxels)), turn.apply_grid(grid)


@pytest.mark.parametrize("oblique", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("layout", ["classic", "enhanced"])
def test_a_phantom_in_all_48_orientations_gives_the_same_scan(tmp_path: Path, layout: str, *, oblique: bool) -> None:
    voxels, grid = phantom(), rotated(canonical_grid()) if oblique else canonical_grid()
    for number, turn in enumerate(all_turns()):
        turned, turned_grid = written_turned(voxels, grid, turn)
        folder = tmp_path / str(number)
        if layout == "classic":
            paths = save_all(series(turned, turned_grid, modality="MR"), folder)
        else:
            paths = save_all([enhanced(turned, turned_grid, modality="MR")], folder)
        scan = load(*paths)
        assert scan.stack == "volume"
        check_is_phantom(scan, voxels, grid)


def test_the_order_of_files_does_not_matter_and_places_name_each_slice(tmp_path: Path) -> None:
    voxels, grid = phantom(), canonical_grid()
    paths = save_all(series(voxels, grid), tmp_path)
    mixed = [paths[index] for index in (2, 0, 3, 1)]
    scan = load(*mixed)
    assert np.array_equal(scan.voxels, voxels)
    assert [scan.sources[source].path for source, _ in scan.places] == paths
    assert np.allclose(scan.grid.matrix, grid.matrix, atol=1e-9)


def test_an_enhanced_object_names_its_frames_in_the_order_of_their_places(tmp_path: Path) -> None:
    voxels, grid = phantom(), canonical_grid()
    ds = enhanced(voxels, grid)
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    ds.PerFrameFunctionalGroupsSequence = groups[::-1]
    scan = load(save(ds, tmp_path / "enhanced.dcm"))
    assert scan.places == ((0, 3), (0, 2), (0, 1), (0, 0))
    assert np.array_equal(scan.voxels, voxels[::-1])


def test_rescale_and_window_of_an_enhanced_object_come_from_its_functional_groups(tmp_path: Path) -> None:
    ds = enhanced(phantom(), canonical_grid())
    shared = ds.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence = [item(RescaleSlope=2, RescaleIntercept=-5, RescaleType="HU")]
    shared.FrameVOILUTSequence = [item(WindowCenter=40, WindowWidth=400)]
    scan = load(save(ds, tmp_path / "enhanced.dcm"))
    assert np.array_equal(scan.voxels, phantom().astype(np.int32) * 2 - 5)
    assert scan.unit == "HU"
    assert scan.window is not None
    assert (scan.window.center, scan.window.width) == (40, 400)


def test_slopes_that_differ_between_slices_are_each_applied(tmp_path: Path) -> None:
    slices = series(phantom(), canonical_grid(), modality="PT", Units="BQML")
    for z, ds in enumerate(slices):
        ds.RescaleSlope, ds.RescaleIntercept = f"{0.5 + z}", "0"
    scan = load(*save_all(slices, tmp_path))
    assert scan.voxels.dtype == np.float32
    assert scan.unit == "BQML"
    assert np.array_equal(scan.voxels, phantom() * (0.5 + np.arange(4)).reshape(4, 1, 1))


def test_positions_win_over_a_declared_spacing_with_a_warning(tmp_path: Path) -> None:
    slices = series(phantom(), canonical_grid(), SpacingBetweenSlices="5")
    scan = load(*save_all(slices, tmp_path))
    assert scan.grid.steps[0] == pytest.approx(2.5)
    assert any("(0018,0088)" in warning for warning in scan.warnings)


def test_a_window_that_differs_between_slices_is_not_reported(tmp_path: Path) -> None:
    slices = series(phantom(), canonical_grid(), WindowCenter="40", WindowWidth="400")
    slices[1].WindowCenter = "50"
    assert load(*save_all(slices, tmp_path)).window is None


def test_rounded_positions_are_no_irregularity(tmp_path: Path) -> None:
    matrix = canonical_grid().matrix
    matrix[2, 0] = 0.625
    slices = series(phantom((12, 5, 6)), Grid.of((12, 5, 6), matrix, "patient"))
    for ds in slices:
        ds.ImagePositionPatient = [round(float(v), 1) for v in ds.ImagePositionPatient]
    assert load(*save_all(slices, tmp_path)).grid.steps[0] == pytest.approx(0.625, abs=0.01)


def _another_patient(slices: Slices) -> None:
    slices[1].PatientID = "somebody else"


def _nameless_patients(slices: Slices) -> None:
    for ds in slices:
        del ds.PatientID
    slices[1].PatientBirthDate = "19500101"


def _another_frame(slices: Slices) -> None:
    slices[1].FrameOfReferenceUID = "1.2.3"


def _another_direction(slices: Slices) -> None:
    slices[1].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def _gantry_tilt(slices: Slices) -> None:
    for z, ds in enumerate(slices):
        ds.ImagePositionPatient[1] += 0.9 * z


def _a_gap(slices: Slices) -> None:
    for ds in slices[2:]:
        ds.ImagePositionPatient[2] += 2.5


def _two_at_one_place(slices: Slices) -> None:
    slices[2].ImagePositionPatient = slices[1].ImagePositionPatient


def _uneven(slices: Slices) -> None:
    slices[2].ImagePositionPatient[2] += 0.9


def _another_size(slices: Slices) -> None:
    slices[1].Rows, slices[1].Columns = slices[1].Columns, slices[1].Rows


def _another_modality(slices: Slices) -> None:
    slices[1].Modality = "MR"


def _another_unit(slices: Slices) -> None:
    for ds in slices:
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
    slices[1].RescaleType = "MGML"


def _another_photometric(slices: Slices) -> None:
    slices[1].PhotometricInterpretation = "MONOCHROME1"


def _another_spacing(slices: Slices) -> None:
    slices[1].PixelSpacing = [2, 2]


def _no_positions(slices: Slices) -> None:
    for ds in slices:
        del ds.ImagePositionPatient


def _one_without_position(slices: Slices) -> None:
    del slices[1].ImagePositionPatient


def _no_spacing(slices: Slices) -> None:
    for ds in slices:
        del ds.PixelSpacing


def _zero_spacing(slices: Slices) -> None:
    for ds in slices:
        ds.PixelSpacing = [0, 1]


def _skewed_axes(slices: Slices) -> None:
    for ds in slices:
        ds.ImageOrientationPatient = [1, 0, 0, 0.2, 1, 0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_another_patient, TWO_PATIENTS),
        (_nameless_patients, TWO_PATIENTS),
        (_another_frame, TWO_FRAMES_OF_REFERENCE),
        (_another_direction, MIXED_ORIENTATION),
        (_gantry_tilt, TILTED),
        (_a_gap, MISSING_SLICES),
        (_two_at_one_place, DUPLICATE_SLICES),
        (_uneven, UNEVEN_SPACING),
        (_another_size, MIXED_PICTURES),
        (_another_modality, MIXED_PICTURES),
        (_another_unit, MIXED_PICTURES),
        (_another_photometric, MIXED_PICTURES),
        (_another_spacing, MIXED_PICTURES),
        (_no_positions, NO_POSITION),
        (_one_without_position, NO_POSITION),
        (_no_spacing, BAD_HEADER),
        (_zero_spacing, BAD_HEADER),
        (_skewed_axes, BAD_HEADER),
    ],
)
def test_a_spoilt_series_is_refused_by_name(tmp_path: Path, spoil: Callable[[Slices], None], reason: Reason) -> None:
    slices = series(phantom(), canonical_grid())
    spoil(slices)
    with pytest.raises(ReadError) as refused:
        load(*save_all(slices, tmp_path))
    assert refused.value.reason is reason
    assert "somebody" not in str(refused.value)


def test_an_enhanced_object_with_two_echoes_at_each_place_is_refused(tmp_path: Path) -> None:
    voxels, grid = phantom(), canonical_grid()
    ds = enhanced(np.concatenate([voxels, voxels]), grid, modality="MR")
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    ds.PerFrameFunctionalGroupsSequence = groups[:4] + groups[:4]
    with pytest.raises(ReadError) as refused:
        load(save(ds, tmp_path / "echoes.dcm"))
    assert refused.value.reason is DUPLICATE_SLICES
    assert "4 places" in refused.value.message


def test_slices_share_a_series_and_a_screenshot_among_them_stands_alone(tmp_path: Path) -> None:
    paths = save_all(series(phantom(), canonical_grid()), tmp_path)
    shot = series(phantom(), canonical_grid())[0]
    del shot.ImagePositionPatient
    shot.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    keys = {describe(path).series for path in paths}
    assert len(keys) == 1
    assert describe(save(shot, tmp_path / "shot.dcm")).series not in keys


def test_a_lone_located_slice_is_a_picture_in_the_patient_with_a_unit_normal(tmp_path: Path) -> None:
    scan = load(save(series(phantom(), canonical_grid())[2], tmp_path / "one.dcm"))
    assert scan.stack == "picture"
    assert scan.grid.space == "patient"
    assert scan.grid.steps == pytest.approx((1.0, 1.25, 0.75))
    assert scan.grid.voxel_volume_mm3 is None


def test_a_dose_grid_is_a_volume_by_its_frame_offsets(tmp_path: Path) -> None:
    voxels, grid = phantom().astype(np.uint16), canonical_grid()
    ds = series(voxels, grid)[0]
    ds.PixelData, ds.NumberOfFrames, ds.PixelRepresentation = voxels.tobytes(), 4, 0
    ds.Modality, ds.DoseGridScaling, ds.DoseUnits = "RTDOSE", "0.5", "GY"
    ds.GridFrameOffsetVector = [0, 2.5, 5, 7.5]
    scan = load(save(ds, tmp_path / "dose.dcm"))
    assert np.allclose(scan.grid.matrix, grid.matrix)
    assert np.array_equal(scan.voxels, voxels.astype(np.float32) * np.float32(0.5))
    assert scan.unit == "GY"
