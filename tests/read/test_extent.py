"""Sizes that no patient has, and sizes that contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read.extent import check_extent, lengths_differ
from edge.reasons import NOT_A_GRID

MATRIX = np.diag([0.8, -0.9, 2.5, 1.0])


def grid(step_mm: float, count: int = 10) -> Grid:
    return Grid.of((count, 2, 2), np.diag([step_mm] * 3 + [1.0])[[2, 1, 0, 3]], "patient")


@pytest.mark.parametrize("step_mm", [0.1, 2.5, 500.0])
def test_what_a_patient_can_be_passes(step_mm: float) -> None:
    check_extent(grid(step_mm))


@pytest.mark.parametrize("step_mm", [0.0025, 0.09, 501.0, 2500.0])
def test_what_no_patient_can_be_is_refused(step_mm: float) -> None:
    with pytest.raises(ReadError, match="unit of its lengths") as caught:
        check_extent(grid(step_mm))
    assert caught.value.reason is NOT_A_GRID


@pytest.mark.parametrize(
    ("told", "differ"),
    [
        ((0.8, 0.9, 2.5), False),
        ((0.8, -0.9, 2.51), False),
        ((0.0, np.nan, 2.5), False),
        ((0.8, 0.9, 3.0), True),
        ((1.0, 0.9, 2.5), True),
    ],
)
def test_lengths_are_compared_with_those_of_the_affine(told: tuple[float, ...], differ: bool) -> None:
    assert lengths_differ(told, MATRIX, (4, 5, 6)) is differ


def test_an_axis_with_one_voxel_has_no_length_to_compare() -> None:
    assert not lengths_differ((0.8, 0.9, 99.0), MATRIX, (1, 5, 6))
    assert lengths_differ((0.8, 0.9, 99.0), MATRIX, (2, 5, 6))
