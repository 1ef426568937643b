"""Percentiles that are counted are those of numpy, in every type; what cannot be counted is left to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.prepare.spread import LARGE, counted
from edge.testing import phantom_scan
from edge.write.view import limits
from tests.prepare.images import apply, step

PERCENTS = (0.0, 0.5, 1.0, 37.3, 50.0, 99.0, 99.5, 100.0)


def film(dtype: str, spread_by: float, size: int = LARGE + 999) -> NDArray[Any]:
    values = np.random.default_rng(int(spread_by)).normal(100.0, spread_by, size)
    ends = np.iinfo(dtype)
    return values.clip(ends.min, ends.max).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("spread_by", [3.0, 400.0])
def test_they_are_those_of_numpy(dtype: str, spread_by: float) -> None:
    values = film(dtype, spread_by)
    told = [(percent, found[0]) for percent in PERCENTS if (found := counted(values, [percent])) is not None]
    assert len(told) >= 4
    for as_type in (values, values.astype(np.float32)):
        assert [found for _, found in told] == [float(np.percentile(as_type, percent)) for percent, _ in told]


def test_one_that_cannot_be_counted_leaves_all_to_numpy() -> None:
    halves: NDArray[np.uint16] = np.repeat(np.array([7, 9], np.uint16), LARGE)
    assert counted(halves, [10.0]) == (7.0,)
    assert counted(halves, [10.0, 50.0]) is None
    assert limits(halves, 10.0, 50.0) == (7.0, 8.0)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_types_with_too_many_values_to_count_are_left_to_numpy(dtype: str) -> None:
    assert counted(film("int16", 30.0).astype(dtype), [1.0]) is None


def test_few_values_are_left_to_numpy() -> None:
    assert counted(film("int16", 30.0, LARGE - 1), [1.0]) is None


def test_a_large_film_is_clipped_to_the_same_percentiles() -> None:
    voxels = film("uint16", 30.0, 512 * 512).reshape(1, 512, 512)
    scan = replace(phantom_scan((1, 512, 512)), voxels=voxels)
    low, high = (np.float32(end) for end in np.percentile(voxels, [2.0, 98.0]))
    clipped = apply(scan, step("percentile_clip", low=2.0, high=98.0)).voxels
    assert np.array_equal(clipped, voxels.astype(np.float32).clip(low, high))
