"""A true mask is used where it lies on its scan, in whatever order its program wrote it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.geometry import Grid
from edge.scan import Acquisition, Scan
from edge.testing import phantom_scan
from edge.truth.masks import holds_labels, laid_on

GRID = Grid.of((3, 4, 5), np.array([[0, 0.1, 0.8, -20], [0, 0.8, -0.1, 7], [2.5, 0, 0, 3], [0, 0, 0, 1]]), "patient")
VALUES = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


def mask(values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], grid: Grid) -> Scan:
    return replace(phantom_scan(grid.shape), voxels=values, grid=grid)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2)])
def test_whatever_the_order_of_its_axes_each_voxel_keeps_its_place(
    axes: tuple[int, ...], flipped: tuple[int, ...]
) -> None:
    matrix, values = GRID.matrix, VALUES
    for axis in flipped:
        values = np.flip(values, axis)
        matrix[:, 3] += matrix[:, axis] * (GRID.shape[axis] - 1)
        matrix[:, axis] *= -1
    values = values.transpose(axes)
    turned = Grid.of(values.shape, matrix[:, [*axes, 3]], "patient")
    found = laid_on(mask(np.ascontiguousarray(values), turned), GRID)
    assert found is not None
    assert np.array_equal(found, VALUES)


def test_a_mask_that_lies_elsewhere_is_none() -> None:
    for shift in ((0.5, 0, 0), (0, 0, 2.5)):
        matrix = GRID.matrix
        matrix[:3, 3] += shift
        assert laid_on(mask(VALUES, Grid.of(GRID.shape, matrix, "patient")), GRID) is None
    assert laid_on(mask(VALUES[:2], GRID.cropped((0, 0, 0), (2, 4, 5))), GRID) is None


@pytest.mark.parametrize("thickness", [1.0, -5.0])
def test_of_a_single_slice_the_thickness_decides_nothing(thickness: float) -> None:
    slice_ = GRID.cropped((1, 0, 0), (1, 4, 5))
    matrix = slice_.matrix
    matrix[:, 0] *= thickness / 2.5
    thick = Grid.of((4, 5, 1), matrix[:, [1, 2, 0, 3]], "patient")
    found = laid_on(mask(np.ascontiguousarray(VALUES[1][..., np.newaxis]), thick), slice_)
    assert found is not None
    assert np.array_equal(found, VALUES[1:2])
    assert laid_on(mask(VALUES[1:2], GRID.cropped((2, 0, 0), (1, 4, 5))), slice_) is None


def test_a_picture_that_has_no_place_needs_the_shape_alone() -> None:
    picture = Grid.of_picture(4, 5, (0.5, 0.5))
    plain = mask(VALUES[:1], Grid.of_picture(4, 5))
    assert np.array_equal(laid_on(plain, picture), VALUES[:1])  # type: ignore[arg-type]
    coloured = replace(plain, voxels=np.stack([VALUES[:1] // 2, VALUES[:1], VALUES[:1] * 0], axis=-1))
    assert np.array_equal(laid_on(coloured, picture), VALUES[:1])  # type: ignore[arg-type]
    assert laid_on(plain, Grid.of_picture(5, 4)) is None


def test_pages_without_a_place_are_no_mask_of_a_volume_as_they_may_be_stored_from_either_end() -> None:
    assert laid_on(mask(VALUES, Grid.of(GRID.shape, np.eye(4), "pixel")), GRID) is None
    slice_ = GRID.cropped((1, 0, 0), (1, 4, 5))
    assert np.array_equal(laid_on(mask(VALUES[1:2], Grid.of_picture(4, 5)), slice_), VALUES[1:2])  # type: ignore[arg-type]


def test_labels_are_whole_numbers_from_0_on_that_were_stored_without_loss() -> None:
    plain = mask(VALUES % 3, GRID)
    assert holds_labels(plain)
    assert holds_labels(plain, 2)
    assert holds_labels(mask(VALUES % 3 + np.uint8(1), GRID), 2)
    for values in (VALUES % 3 + 1.0, VALUES % 3 - 1.0, VALUES / 2, np.where(VALUES == 7, np.nan, VALUES)):
        assert not holds_labels(replace(plain, voxels=values))
    assert not holds_labels(replace(plain, acquisition=Acquisition(lossy=True)))


def test_colours_are_labels_on_black_and_have_no_number() -> None:
    red = np.stack([VALUES % 2, VALUES * 0, VALUES * 0], axis=-1)
    assert holds_labels(replace(mask(VALUES, GRID), voxels=red))
    assert not holds_labels(replace(mask(VALUES, GRID), voxels=red), 1)
    on_white = np.stack([VALUES * 0 + 1, 1 - VALUES % 2, 1 - VALUES % 2], axis=-1)
    assert not holds_labels(replace(mask(VALUES, GRID), voxels=on_white))
