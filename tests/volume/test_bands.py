"""Labels of pictures by bands: the same numbers as of the whole, and none lost where they are made small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Segmentation
from edge.geometry import Grid
from edge.volume import bands
from edge.volume.bands import brought_small, measure_picture
from edge.volume.measure import measure

Array = NDArray[Any]


def labelled(codes: Array, *, exclusive: bool = True) -> Segmentation:
    grid = Grid.of_picture(*codes.shape)
    return Segmentation(regions=(), codes=codes[np.newaxis], exclusive=exclusive, grid=grid, in_windows=True)


def random_codes(seed: int, labels: int, shape: tuple[int, int] = (37, 53)) -> Array:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, labels + 1, shape).astype(np.uint8)
    codes[generator.random(shape) < 0.9] = 0
    return codes


@pytest.mark.parametrize("band_bytes", [1, 53 * 5, 1 << 20])
@pytest.mark.parametrize("exclusive", [True, False])
def test_numbers_do_not_depend_on_the_bands(
    monkeypatch: pytest.MonkeyPatch, band_bytes: int, *, exclusive: bool
) -> None:
    monkeypatch.setattr(bands, "BAND_BYTES", band_bytes)
    found = labelled(random_codes(1, 7), exclusive=exclusive)
    for index, item in enumerate(measure_picture(found, 3)):
        whole = measure(np.asarray(found.mask(index)), found.grid)
        assert (item.voxels, item.box) == (whole.voxels, whole.box)


def test_a_label_that_is_nowhere_has_no_box() -> None:
    (found,) = measure_picture(labelled(np.zeros((5, 6), np.uint8)), 1)
    assert (found.voxels, found.box) == (0, None)


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_no_single_pixel_is_lost_where_a_picture_is_made_small(factor: int) -> None:
    codes = np.zeros((42, 42), np.uint8)
    codes[29, 8] = 1
    found = labelled(codes)
    small = brought_small(found, found.grid.resized((1, 42 // factor, 42 // factor)))
    assert np.argwhere(small.codes[0]).tolist() == [[29 // factor, 8 // factor]]


def test_where_labels_may_overlap_all_are_kept() -> None:
    codes = np.zeros((4, 4), np.uint8)
    codes[0, 0], codes[1, 1] = 0b01, 0b10
    found = labelled(codes, exclusive=False)
    assert brought_small(found, found.grid.resized((1, 2, 2))).codes[0].tolist() == [[3, 0], [0, 0]]


def test_a_finer_plane_repeats_labels() -> None:
    found = labelled(np.array([[0, 1], [2, 0]], np.uint8))
    small = brought_small(found, found.grid.resized((1, 4, 4)))
    assert small.codes[0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 0, 0]]


def test_a_plane_that_reaches_beyond_the_picture_shows_all_of_it() -> None:
    codes = np.zeros((7, 7), np.uint8)
    codes[6, 6] = 5
    found = labelled(codes)
    plane = found.grid.cropped((0, 0, 0), (1, 8, 8)).resized((1, 2, 2))
    assert brought_small(found, plane).codes[0].tolist() == [[0, 0], [0, 5]]
