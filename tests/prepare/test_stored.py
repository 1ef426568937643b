"""A picture that was decoded smaller is fed to the steps as if the whole one had been made small: in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.prepare.image import Image
from edge.prepare.place import resize
from edge.prepare.stored import as_stored
from edge.read.dicom.reduced import LONGEST
from edge.read.halved import halved_grid
from edge.scan import Scan
from edge.testing import phantom_scan

SIDE = 256


def whole(size: tuple[int, ...] = (SIDE, SIDE)) -> Scan:
    """Waves that are long beside a pixel, and not symmetric."""
    y, x = np.mgrid[: size[0], : size[1]]
    values: NDArray[Any] = 100 * np.sin(x / 40) + 60 * np.cos(y / 29 + x / 90) + 200
    if len(size) == 3:
        values = np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    return replace(phantom_scan((1, size[0], size[1])), voxels=values[np.newaxis].astype(np.float32))


def small(scan: Scan, times: int) -> Scan:
    """Every 2^n-th pixel, as the wavelet leaves what has no detail."""
    step = 1 << times
    grid = halved_grid(scan.grid, times)
    return replace(scan, voxels=np.ascontiguousarray(scan.voxels[:, ::step, ::step]), grid=grid, stored=scan.grid)


def fed(image: Image) -> NDArray[Any]:
    return np.asarray(resize(image, height=12, width=12, interpolation="area").voxels[0])


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("size", [(SIDE, SIDE), (250, 243), (SIDE, SIDE, 3)])
def test_the_model_sees_what_it_would_see_of_the_whole_picture(size: tuple[int, ...], times: int) -> None:
    scan = whole(size)
    expected = fed(Image.of(scan))
    apart, moved = (
        np.abs(fed(image) - expected).mean() for image in (as_stored(small(scan, times)), Image.of(small(scan, times)))
    )
    assert apart < 0.25 * moved


def test_its_place_is_that_of_the_whole_picture_from_edge_to_edge() -> None:
    scan = whole()
    image = as_stored(small(scan, 2))
    assert image.grid == scan.grid.resized((1, SIDE // 4, SIDE // 4))
    assert image.scan.stored == scan.grid


def test_the_longest_picture_that_is_decoded_smaller_can_be_moved() -> None:
    scan = phantom_scan((1, 2, LONGEST))
    assert as_stored(small(scan, 1)).grid.shape == (1, 1, LONGEST // 2)


def test_no_value_is_made_that_the_picture_does_not_have() -> None:
    scan = small(whole(), 1)
    edges = replace(scan, voxels=np.where(scan.voxels > 200, np.uint16(4095), np.uint16(0)))
    found = as_stored(edges).voxels
    assert (found.min(), found.max()) == (0.0, 4095.0)


def test_a_scan_that_was_decoded_whole_is_left_as_it_is() -> None:
    scan = whole()
    assert as_stored(scan).voxels is scan.voxels
    assert as_stored(scan).grid is scan.grid
