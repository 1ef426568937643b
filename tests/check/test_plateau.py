"""What is plain at an end of the scale stays the end, however a wavelet overshoots beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.check.film import saturated_share
from edge.check.plateau import without_overshoot
from edge.read.halved import halved, halved_grid
from edge.scan import Scan
from edge.testing import phantom_scan

SIDE = 256


def smaller(picture: NDArray[Any], times: int = 1) -> Scan:
    """A picture of 12 bits as it is decoded smaller."""
    data = bytes(imagecodecs.jpeg2k_encode(picture, codecformat="j2k", level=0, bitspersample=12))
    scan = phantom_scan((1, *picture.shape))
    found = np.asarray(imagecodecs.jpeg2k_decode(halved(data, times)))
    return replace(scan, voxels=found[np.newaxis], grid=halved_grid(scan.grid, times), stored=scan.grid)


def shaded() -> NDArray[np.uint16]:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    noise = np.random.default_rng(0).normal(0, 10, (SIDE, SIDE))
    return np.asarray(1000 + 2000 * x * y + 400 * np.sin(7 * x) + noise, dtype=np.uint16)


@pytest.mark.parametrize("end", ["white", "dark"])
def test_a_picture_that_is_mostly_plain_is_so_when_it_is_small(end: str) -> None:
    level = np.uint16(np.percentile(shaded(), 40 if end == "white" else 60))
    plain = np.minimum(shaded(), level) if end == "white" else np.maximum(shaded(), level)
    scan = smaller(plain)
    assert saturated_share(plain) > 0.4
    assert saturated_share(scan.voxels[0]) < 0.01
    assert saturated_share(without_overshoot(scan)) > 0.4


def test_a_picture_without_a_plateau_is_left_as_it_is() -> None:
    scan = smaller(shaded())
    assert np.array_equal(without_overshoot(scan), scan.voxels[0])


def test_a_plateau_in_the_middle_is_no_end() -> None:
    picture = shaded()
    picture[64:192, 64:192] = 1500
    scan = smaller(picture)
    assert np.array_equal(without_overshoot(scan), scan.voxels[0])


def test_a_picture_of_one_value_stays_one() -> None:
    scan = smaller(np.full((SIDE, SIDE), 700, np.uint16))
    assert np.array_equal(without_overshoot(scan), scan.voxels[0])


def test_a_picture_that_was_decoded_whole_is_the_scans_own() -> None:
    scan = replace(smaller(shaded()), stored=None)
    assert np.shares_memory(without_overshoot(scan), scan.voxels)
