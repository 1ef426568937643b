"""Bare glass: told from tissue in the slide in small, however pale or small the tissue; nothing is skipped in doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Grid
from edge.prepare.glass import tissue_of, without_tissue
from edge.scan import Scan
from edge.testing import phantom_scan
from edge.volume.tiles import Start, Tiles
from tests.slides import GLASS, TISSUE

Pixels = NDArray[Any]


def glass(rows: int = 40, columns: int = 60, *, noise: int = 4) -> Pixels:
    generator = np.random.default_rng(2)
    grey = np.full((rows, columns, 3), GLASS, dtype=np.int16) + generator.integers(
        -noise, noise + 1, (rows, columns, 1)
    )
    return grey.astype(np.uint8)


def with_tissue(box: tuple[slice, slice] = (slice(10, 20), slice(30, 50)), colour: Any = TISSUE) -> Pixels:
    pixels = glass()
    pixels[box] = colour
    return pixels


def scan_of(pixels: Pixels, factor: int = 1) -> Scan:
    """A slide `factor` times as large as its picture in small."""
    rows, columns = pixels.shape[0] * factor, pixels.shape[1] * factor
    grid = Grid.of_picture(rows, columns, (0.0005, 0.0005)).resized((1, *pixels.shape[:2]))
    return replace(phantom_scan((1, 1, 1)), voxels=pixels[np.newaxis], grid=grid)


def bare(pixels: Pixels, *, factor: int = 1, window: int = 10, overlap: float = 0.0) -> frozenset[Start]:
    rows, columns = pixels.shape[0] * factor, pixels.shape[1] * factor
    tiles = Tiles.of((rows, 1, columns), (window, 1, window), overlap, ())
    return without_tissue(scan_of(pixels, factor), Grid.of_picture(rows, columns, (0.0005, 0.0005)), tiles)


# What is tissue ------------------------------------------------------------------------------------------


def test_tissue_is_found_with_a_pixel_around_it() -> None:
    found = tissue_of(with_tissue())
    expected = np.zeros((40, 60), bool)
    expected[9:21, 29:51] = True
    assert found is not None
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("colour", [(225, 205, 222), (236, 214, 226), (210, 210, 210)])
def test_pale_tissue_is_tissue_where_there_is_no_other(colour: tuple[int, int, int]) -> None:
    found = tissue_of(with_tissue(colour=colour))
    assert found is not None
    assert found[10:20, 30:50].all()


def test_pale_tissue_beside_dark_tissue_stays() -> None:
    """Half as far from white as the dark one, which Otsu's threshold alone would take for glass."""
    pixels = with_tissue()
    pixels[25:35, 5:15] = (200, 165, 200)
    found = tissue_of(pixels)
    assert found is not None
    assert found[25:35, 5:15].all()


@pytest.mark.parametrize("colour", [(200, 165, 200), (225, 195, 215), (228, 212, 222)])
@pytest.mark.parametrize("dark", [(10, 20, 30), (0, 0, 0), (120, 60, 120)])
def test_ink_and_dark_tissue_leave_no_pale_tissue_with_the_glass(
    colour: tuple[int, int, int], dark: tuple[int, int, int]
) -> None:
    pixels = with_tissue(colour=colour)
    pixels[30:38, 2:20] = dark
    found = tissue_of(pixels)
    assert found is not None
    assert found[10:20, 30:50].all()
    assert not found[:8, :28].any()


def test_glass_beside_tiles_that_were_not_scanned_is_no_tissue() -> None:
    pixels = with_tissue()
    pixels[:, :20] = 255
    found = tissue_of(pixels)
    assert found is not None
    assert found[10:20, 30:50].all()
    assert not found[:, :28].any()


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((40, 60, 3), TISSUE, np.uint8),
        np.full((40, 60, 3), GLASS, np.uint8),
        glass(),
        np.zeros((40, 60, 3), np.uint8),
        np.where(np.arange(60)[np.newaxis, :, np.newaxis] < 30, 5, 200).repeat(40, 0).repeat(3, 2).astype(np.uint8),
        np.where(np.arange(60)[np.newaxis, :] < 40, 8, 250).repeat(40, 0).astype(np.uint8),
        with_tissue().astype(np.uint16),
    ],
    ids=["tissue alone", "one value", "glass and its noise", "black", "dark field", "bright glow", "sixteen bits"],
)
def test_where_no_glass_can_be_told_from_tissue_there_is_none(pixels: Pixels) -> None:
    assert tissue_of(pixels) is None


def test_a_grey_slide_has_glass_too() -> None:
    found = tissue_of(with_tissue()[..., 1])
    assert found is not None
    assert found[10:20, 30:50].all()
    assert not found[:, :25].any()


# Which windows are bare ----------------------------------------------------------------------------------


def test_windows_that_touch_no_tissue_are_bare() -> None:
    found = bare(with_tissue((slice(12, 18), slice(32, 48))))
    every = {(row, 0, column) for row in range(0, 40, 10) for column in range(0, 60, 10)}
    assert every - found == {(10, 0, 30), (10, 0, 40)}


def test_tissue_at_the_border_of_a_window_keeps_its_neighbour() -> None:
    """A pixel around all tissue stays: what lies at the edge of one window may begin in the next."""
    kept = {(row, 0, column) for row in range(0, 40, 10) for column in range(0, 60, 10)} - bare(
        with_tissue((slice(10, 12), slice(32, 34)))
    )
    assert kept == {(10, 0, 30), (0, 0, 30)}


@pytest.mark.parametrize("factor", [2, 7, 16])
def test_windows_of_the_whole_slide_are_looked_up_in_its_picture_in_small(factor: int) -> None:
    found = bare(with_tissue((slice(12, 18), slice(32, 48))), factor=factor, window=10 * factor)
    every = {(row * factor, 0, column * factor) for row in range(0, 40, 10) for column in range(0, 60, 10)}
    assert every - found == {(10 * factor, 0, 30 * factor), (10 * factor, 0, 40 * factor)}


@given(
    st.tuples(st.integers(0, 39), st.integers(0, 59)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([(7, 0.0), (10, 0.5), (64, 0.25)]),
)
def test_no_window_that_holds_a_pixel_of_tissue_is_bare(
    corner: tuple[int, int], size: tuple[int, int], windows: tuple[int, float]
) -> None:
    box = slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])
    pixels, (window, overlap) = with_tissue(box), windows
    inside = np.zeros(pixels.shape[:2], bool)
    inside[box] = True
    for row, _, column in bare(pixels, window=window, overlap=overlap):
        top, left = max(row, 0), max(column, 0)
        assert not inside[top : row + window, left : column + window].any()


def test_a_slide_of_tissue_alone_has_no_bare_window() -> None:
    assert bare(np.full((40, 60, 3), TISSUE, np.uint8)) == frozenset()


def test_where_bright_values_mean_dark_no_window_is_bare() -> None:
    scan = scan_of(with_tissue()[..., 1])
    tiles, grid = Tiles.of((40, 1, 60), (10, 1, 10), 0.0, ()), Grid.of_picture(40, 60, (0.0005, 0.0005))
    assert without_tissue(scan, grid, tiles)
    inverted = replace(scan, acquisition=replace(scan.acquisition, photometric="MONOCHROME1"))
    assert without_tissue(inverted, grid, tiles) == frozenset()


def test_every_window_bare_is_refused_as_nothing_to_look_at() -> None:
    """The picture in small has tissue outside all windows only if there are none; made here by a cut grid."""
    pixels = with_tissue((slice(30, 40), slice(50, 60)))
    tiles = Tiles.of((20, 1, 20), (10, 1, 10), 0.0, ())
    with pytest.raises(ReadError) as caught:
        without_tissue(scan_of(pixels), Grid.of_picture(40, 60, (0.0005, 0.0005)), tiles)
    assert caught.value.reason.code == "R341"
