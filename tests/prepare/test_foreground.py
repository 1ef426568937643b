"""Statistics of the foreground, and the unit that a model asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.prepare.foreground import foreground, otsu
from edge.scan import Acquisition
from tests.prepare.images import apply, picture, scan_of, step, volume_scan

Array = NDArray[Any]


def head(seed: int = 0) -> tuple[Array, Array]:
    """A noisy ball of tissue in noisy air, and where the tissue is."""
    z, y, x = np.indices((8, 24, 24))
    tissue = (2 * (z - 3.5)) ** 2 + (y - 12) ** 2 + (x - 11) ** 2 < 70
    rng = np.random.default_rng(seed)
    return np.where(tissue, rng.normal(900, 60, z.shape), rng.normal(60, 15, z.shape)).astype(np.float32), tissue


def best_split(values: Array) -> set[float]:
    """Every value below or at which a split gives the greatest variance between the two parts, by trying them all."""
    spreads = {}
    for threshold in np.unique(values)[:-1]:
        low, high = values[values <= threshold], values[values > threshold]
        spreads[float(threshold)] = len(low) * len(high) * (low.mean() - high.mean()) ** 2
    most = max(spreads.values())
    return {threshold for threshold, spread in spreads.items() if spread > most * (1 - 1e-9)}


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_parts_the_values_as_trying_every_one_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(10, 3, 200), rng.normal(30, 4, 90)])
    found = otsu(values)
    assert any(np.array_equal(values > found, values > best) for best in best_split(values))


def test_one_bright_voxel_does_not_hide_the_tissue() -> None:
    voxels, tissue = head()
    voxels[0, 0, 0] = 6000.0
    found = foreground(voxels, "otsu")
    found[0, 0, 0] = False
    assert np.array_equal(found, tissue)


def test_the_foreground_gets_mean_0_and_deviation_1_and_air_keeps_its_distance() -> None:
    voxels, tissue = head()
    scaled = apply(volume_scan(voxels, np.eye(4)), step("foreground_z_score")).voxels
    assert scaled.dtype == np.float32
    assert scaled[tissue].mean() == pytest.approx(0.0, abs=1e-5)
    assert scaled[tissue].std() == pytest.approx(1.0, abs=1e-5)
    inside = voxels[tissue].astype(np.float64)
    assert np.allclose(scaled[~tissue], (voxels[~tissue] - inside.mean()) / inside.std(), atol=1e-4)


def test_what_lies_outside_becomes_0_where_the_pack_says_so() -> None:
    voxels, tissue = head()
    scaled = apply(volume_scan(voxels, np.eye(4)), step("foreground_z_score", outside="zero")).voxels
    assert np.all(scaled[~tissue] == 0.0)
    assert scaled[tissue].std() == pytest.approx(1.0, abs=1e-5)


def test_scaling_the_scanner_changes_nothing() -> None:
    voxels, _ = head()
    for name, options in (("foreground_z_score", {}), ("foreground_percentile", {"low": 1.0, "high": 99.0})):
        once = apply(volume_scan(voxels, np.eye(4)), step(name, **options)).voxels
        other = apply(volume_scan(voxels * 3.5 + 100, np.eye(4)), step(name, **options)).voxels
        assert np.allclose(once, other, atol=1e-3)


def test_above_zero_is_all_that_is_positive() -> None:
    image = apply(scan_of(picture([[-5, 0, 2, 4]])), step("foreground_z_score", above="zero", outside="zero"))
    assert image.voxels.ravel().tolist() == [0.0, 0.0, -1.0, 1.0]


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_scan_has_no_foreground_above_otsu_and_stays_finite(value: float) -> None:
    scan = scan_of(np.full((2, 3, 4), value, np.float32))
    assert np.all(apply(scan, step("foreground_z_score")).voxels == value)
    assert np.all(apply(scan, step("foreground_percentile", low=1.0, high=99.0)).voxels == 0.0)


def test_a_foreground_of_one_value_becomes_0() -> None:
    image = apply(scan_of(picture([[0, 0, 8, 8]])), step("foreground_z_score"))
    assert image.voxels.ravel().tolist() == [-8.0, -8.0, 0.0, 0.0]


def test_percentiles_are_those_of_the_foreground_alone() -> None:
    voxels, tissue = head()
    image = apply(volume_scan(voxels, np.eye(4)), step("foreground_percentile", low=10.0, high=90.0))
    low, high = np.percentile(voxels[tissue], [10, 90])
    assert np.allclose(image.voxels, ((voxels - low) / (high - low)).clip(0, 1), atol=1e-5)
    assert np.all(image.voxels[~tissue] == 0.0)


def test_percentiles_that_fall_together_part_what_is_above_them() -> None:
    image = apply(scan_of(picture([[0, 5, 5, 5, 9]])), step("foreground_percentile", low=0.0, high=50.0, above="zero"))
    assert image.voxels.ravel().tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_percentiles_in_the_wrong_order_are_the_packs_fault() -> None:
    with pytest.raises(PackError, match="expected low < high") as caught:
        apply(scan_of(picture([[0, 1]])), step("foreground_percentile", low=90.0, high=10.0))
    assert caught.value.reason.code == "P401"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ReadError) as caught:
        apply(scan_of(picture([[0, 1, bad]])), step("foreground_z_score"))
    assert caught.value.reason.code == "C717"


def test_a_scan_in_the_unit_that_is_asked_for_passes_untouched() -> None:
    scan = replace(scan_of(picture([[0, 1]], "int16")), unit="HU")
    assert apply(scan, step("require_unit", unit="HU")).voxels is scan.voxels


def test_a_scan_in_another_unit_is_refused() -> None:
    scan = replace(scan_of(picture([[0, 1]])), unit="unknown")
    with pytest.raises(ReadError, match="its values are in 'unknown', expected 'HU'") as caught:
        apply(scan, step("require_unit", unit="HU"))
    assert caught.value.reason.code == "C718"


def test_a_pet_scan_without_uptake_values_is_refused_with_what_was_missing() -> None:
    missing = "values are not in SUVbw: (0010,1030) Patient's Weight is missing"
    scan = replace(scan_of(picture([[0, 1]])), unit="BQML", acquisition=Acquisition(modality="PT"), warnings=(missing,))
    with pytest.raises(ReadError, match="Patient's Weight is missing") as caught:
        apply(scan, step("require_unit", unit="SUVbw"))
    assert caught.value.reason.code == "C719"


def test_a_ct_in_a_pack_for_pet_is_of_the_wrong_unit() -> None:
    scan = replace(scan_of(picture([[0, 1]])), unit="HU", acquisition=Acquisition(modality="CT"))
    with pytest.raises(ReadError) as caught:
        apply(scan, step("require_unit", unit="SUVbw"))
    assert caught.value.reason.code == "C718"


def test_clipping_hounsfield_units_needs_no_step_of_its_own() -> None:
    clip = step("rescale", low=-1000.0, high=400.0, to_low=-1000.0, to_high=400.0)
    image = apply(scan_of(picture([[-2000, -1000, -35, 400, 3000]])), clip)
    assert np.allclose(image.voxels.ravel(), [-1000, -1000, -35, 400, 400], atol=1e-3)
