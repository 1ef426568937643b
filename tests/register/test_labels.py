"""Labels of the moving scan: whose they are, what they may hold, and on which voxels of the fixed one they land."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Registration
from edge.geometry import Grid
from edge.pack.manifest import Manifest, RegistrationTask
from edge.register.labels import (
    MOST,
    label_roles,
    labels_of,
    lies_on,
    said_of_labels,
    said_of_lost,
    told_lengths,
    warped,
)
from edge.register.warp import field_mm, warp, warp_labels
from edge.scan import Scan
from edge.testing import tiny_manifest
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import volume_input, volume_of
from tests.write.planted import registration, volume_scan

Array = NDArray[Any]
SHAPE = (6, 7, 8)
GRID = rotated(canonical_grid(SHAPE))
TURNS = list(all_turns())
VOXEL_ML = 2.5 * 1.25 * 0.75 / 1000


def drawn(dtype: str = "uint8") -> Array:
    """Label 3 in a box, 7 in another."""
    voxels = np.zeros(SHAPE, dtype)
    voxels[1:3, 2:5, 3:6], voxels[4:6, 0:2, 6:8] = 3, 7
    return voxels


def constant(*per_axis: float) -> NDArray[np.float32]:
    """The same displacement everywhere, given in voxels."""
    return field_mm(np.broadcast_to(np.array(per_axis, np.float32).reshape(3, 1, 1, 1), (3, *SHAPE)), GRID)


def manifest() -> Manifest:
    task = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="moving")
    return tiny_manifest(task=task, inputs=tuple(volume_input(name) for name in ("fixed", "moving")))


def said(labels: Scan, moving: Scan | None = None) -> list[str]:
    scan = moving or volume_of(drawn("int16"), GRID)
    scans = {"fixed": scan, "moving": scan, labels_of("moving"): labels}
    return [note.reason.code for note in said_of_labels(scans, manifest())]


# On which voxels they land -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64"])
def test_labels_move_by_whole_voxels_and_keep_their_values_and_their_type(dtype: str) -> None:
    found = warp_labels(drawn(dtype), GRID, constant(1, 0, -1), GRID)
    expected = np.zeros(SHAPE, dtype)
    expected[0:2, 2:5, 4:7], expected[3:5, 0:2, 7:8] = 3, 7
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("shift", [0.45, -0.45])
def test_less_than_half_a_voxel_moves_no_label(shift: float) -> None:
    assert np.array_equal(warp_labels(drawn(), GRID, constant(shift, shift, shift), GRID), drawn())


@pytest.mark.parametrize("index", range(0, 48, 7))
def test_how_labels_are_stored_makes_no_difference(index: int) -> None:
    field = field_mm(np.random.default_rng(3).uniform(-1.4, 1.4, (3, *SHAPE)), GRID)
    turn = TURNS[index]
    found = warp_labels(turn.apply(drawn()), turn.apply_grid(GRID), field, GRID)
    assert np.array_equal(found, warp_labels(drawn(), GRID, field, GRID))
    assert set(np.unique(found)) == {0, 3, 7}


def test_labels_lie_where_the_warped_scan_does() -> None:
    """The scan is bright in the box of label 3; its soft edge after the warp is half as bright."""
    field = field_mm(np.random.default_rng(4).uniform(-0.6, 0.6, (3, *SHAPE)), GRID)
    scan = warp(np.where(drawn() == 3, 100.0, 0.0), GRID, field, GRID)
    found = warp_labels(drawn(), GRID, field, GRID)
    assert (scan[found == 3] > 12.4).all()  # an eighth: the nearest voxel has that weight at least
    assert (found[scan > 99.9] == 3).all()


def test_beyond_the_moving_scan_is_no_label() -> None:
    everywhere = np.full(SHAPE, 5, np.uint8)
    found = warp_labels(everywhere, GRID, constant(2, 0, 0), GRID)
    assert (found[:4] == 5).all()
    assert not found[4:].any()


def test_a_finer_grid_keeps_the_volume() -> None:
    fine = GRID.resized((12, 14, 16))
    found = warped(volume_of(drawn(), GRID), np.zeros((3, *fine.shape), np.float32), fine, told=True)
    three, seven = found.counts
    assert (three.value, three.moving_voxels, three.warped_voxels) == (3, 18, 18 * 8)
    assert three.moving_ml == pytest.approx(18 * VOXEL_ML)
    assert three.warped_ml == pytest.approx(18 * VOXEL_ML)
    assert (seven.value, seven.moving_voxels, seven.warped_voxels) == (7, 8, 64)
    assert found.codes.shape == fine.shape


def test_labels_of_floats_become_whole_numbers_exactly() -> None:
    voxels = drawn("float32")
    voxels[0, 0, 0] = 70_001
    found = warped(volume_of(voxels, GRID), constant(0, 0, 0), GRID, told=True)
    assert found.codes.dtype == np.uint32
    assert [each.value for each in found.counts] == [3, 7, 70_001]


def test_volumes_are_withheld_where_lengths_are_not_told() -> None:
    found = warped(volume_of(drawn(), GRID), constant(0, 0, 0), GRID, told=False)
    assert {(each.moving_ml, each.warped_ml) for each in found.counts} == {(None, None)}


def test_a_label_that_is_lost_is_warned_of() -> None:
    found = warped(volume_of(drawn(), GRID), constant(0, 0, -3), GRID, told=True)
    assert [(each.value, each.warped_voxels > 0) for each in found.counts] == [(3, True), (7, False)]
    scan = volume_scan()
    of: Registration = replace(registration(scan, (0.0, 0.0, 0.0)), labels=found)
    assert [(note.reason.code, note.severity, note.detail) for note in said_of_lost(of)] == [
        ("C762", "warn", "Labels 7.")
    ]
    assert said_of_lost(replace(of, labels=None)) == ()


# Whose they are, and what they hold ----------------------------------------------------------------------


@pytest.mark.parametrize("turn", TURNS[::9])
def test_labels_may_be_stored_in_another_order_than_their_scan(turn: Any) -> None:
    assert said(volume_of(np.ascontiguousarray(turn.apply(drawn())), turn.apply_grid(GRID))) == []


@pytest.mark.parametrize(
    "other",
    [
        GRID.cropped((0, 0, 1), SHAPE),
        GRID.cropped((0, 0, 0), (6, 7, 7)),
        GRID.resized((6, 14, 8)),
        canonical_grid(SHAPE),
        Grid.of(SHAPE, np.eye(4), "detector"),
    ],
)
def test_labels_of_another_place_are_refused(other: Grid) -> None:
    assert not lies_on(other, GRID)
    assert said(volume_of(np.zeros(other.shape, np.uint8), other)) == ["C760"]


@pytest.mark.parametrize(("shift", "same"), [(0.04, True), (0.06, False)])
def test_written_decimals_make_no_other_place(shift: float, same: bool) -> None:
    moved = GRID.matrix
    moved[:3, 3] += moved[:3, 1] * shift
    assert lies_on(Grid.of(SHAPE, moved, "patient"), GRID) is same


def test_single_slices_lie_on_each_other() -> None:
    thin = canonical_grid((1, 7, 8))
    assert lies_on(thin, thin)
    assert not lies_on(thin, canonical_grid((2, 7, 8)))


@pytest.mark.parametrize(
    "voxels",
    [
        drawn("float32") + np.float32(0.5),
        np.where(drawn() == 3, np.float32(np.nan), 0).astype(np.float32),
        np.where(drawn() == 3, np.float32(1 << 24), 0).astype(np.float32),
        drawn("int16") - 1,
        np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE) * 0 - 3,
        np.zeros((*SHAPE, 3), np.uint8),
    ],
)
def test_what_is_no_label_is_refused(voxels: Array) -> None:
    assert said(volume_of(voxels, GRID)) == ["C761"]


@pytest.mark.parametrize(("different", "codes"), [(MOST, []), (MOST + 1, ["C761"])])
def test_a_scan_that_was_given_by_mistake_is_refused(different: int, codes: list[str]) -> None:
    grid = canonical_grid((5, 16, 16))
    voxels = (np.arange(5 * 256) % different).reshape(grid.shape)
    assert said(volume_of(voxels, grid), volume_of(voxels, grid)) == codes


def test_nothing_is_said_without_labels_or_without_a_registration() -> None:
    scan = volume_of(drawn(), GRID)
    assert said_of_labels({"fixed": scan, "moving": scan}, manifest()) == ()
    assert said_of_labels({"image": scan}, tiny_manifest()) == ()
    assert label_roles(tiny_manifest()) == ()
    assert label_roles(manifest()) == ("labels of moving",)


def test_the_unit_of_lengths_is_that_of_the_scans() -> None:
    assert told_lengths([("fixed", True), ("moving", True), ("labels of moving", False)])
    assert not told_lengths([("fixed", True), ("moving", False), ("labels of moving", True)])
