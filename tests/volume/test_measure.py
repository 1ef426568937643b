"""What is read off a mask: against definitions that go through every pair of voxels, and against scipy."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from edge.geometry import Grid, Shape
from edge.volume.measure import Measure, measure
from tests.read.dicom_files import all_turns, rotated
from tests.volume.truth import Array, body

MASK_SHAPES = st.tuples(*[st.integers(1, 8)] * 3)
DENSITIES = st.sampled_from([0.02, 0.1, 0.2, 0.3, 0.6, 1.0])


def noise(shape: Shape, density: float, seed: int) -> Array:
    return np.random.default_rng(seed).random(shape) < density


def slow_diameter(mask: Array, spacing: tuple[float, float]) -> tuple[float, int] | None:
    """The farthest two middles of edges between a piece of a slice and what is around it, through all pairs."""
    best: tuple[float, int] | None = None
    for z, plane in enumerate(mask):
        numbers, count = ndimage.label(plane, np.ones((3, 3)))
        for index in range(1, count + 1):
            pixels = set(map(tuple, np.argwhere(numbers == index).tolist()))
            steps = ((0, 1), (0, -1), (1, 0), (-1, 0))
            edges = [(y + dy / 2, x + dx / 2) for y, x in pixels for dy, dx in steps if (y + dy, x + dx) not in pixels]
            points = np.array(edges) * spacing
            length = float(np.linalg.norm(points[:, None] - points[None], axis=-1).max())
            if best is None or length > best[0] + 1e-9:
                best = (length, z)
    return best


def slow_box(mask: Array) -> tuple[int, ...]:
    places = np.argwhere(mask)
    return (*places.min(axis=0).tolist(), *places.max(axis=0).tolist())


@settings(max_examples=150, deadline=None)
@given(shape=MASK_SHAPES, density=DENSITIES, seed=st.integers(0, 999))
def test_pieces_are_those_that_touch_at_no_corner(shape: Shape, density: float, seed: int) -> None:
    mask = noise(shape, density, seed)
    numbers, count = ndimage.label(mask, np.ones((3, 3, 3)))
    found = measure(mask, body(shape))
    assert found.components == count
    assert found.voxels == mask.sum()
    if count:
        assert found.largest_share == np.bincount(numbers.ravel())[1:].max() / mask.sum()
        assert found.box == slow_box(mask)


@settings(max_examples=100, deadline=None)
@given(shape=MASK_SHAPES, density=DENSITIES, seed=st.integers(0, 999), wide=st.floats(0.2, 5))
def test_the_diameter_is_the_longest_of_all_pairs(shape: Shape, density: float, seed: int, wide: float) -> None:
    mask = noise(shape, density, seed)
    found = measure(mask, body(shape, (2.5, 1.25, wide)))
    expected = slow_diameter(mask, (1.25, wide))
    if expected is None:
        assert found.diameter_mm is None
    else:
        assert found.diameter_mm == pytest.approx(expected[0], rel=1e-9)
        assert found.diameter_slice == expected[1]


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_row_of_n_pixels_is_n_pixels_long(length: int) -> None:
    mask = np.zeros((3, 5, 9), dtype=bool)
    mask[1, 2, 1 : 1 + length] = True
    assert measure(mask, body(mask.shape, (3.0, 0.5, 0.5))).diameter_mm == pytest.approx(length * 0.5)
    upright = np.ascontiguousarray(mask.transpose(0, 2, 1))
    assert measure(upright, body(upright.shape, (3.0, 0.5, 0.5))).diameter_mm == pytest.approx(length * 0.5)


def test_a_disc_measures_its_diameter() -> None:
    z, y, x = np.ogrid[:5, :100, :100]
    mask = (y - 50) ** 2 + (x - 48) ** 2 <= (40 - 4 * abs(z - 3)) ** 2
    found = measure(mask, body(mask.shape, (2.0, 0.7, 0.7)))
    assert found.diameter_mm == pytest.approx(81 * 0.7, rel=0.01)
    assert found.diameter_slice == 3


def test_two_lesions_of_one_slice_are_not_measured_as_one() -> None:
    mask = np.zeros((1, 10, 30), dtype=bool)
    mask[0, 2:5, 1:5] = mask[0, 2:5, 20:29] = True
    found = measure(mask, body(mask.shape, (1.0, 1.0, 1.0)))
    assert found.components == 2
    assert found.diameter_mm == pytest.approx(np.hypot(9, 2))


def test_a_lesion_is_measured_along_its_slant() -> None:
    mask = np.eye(20, dtype=bool)[np.newaxis]
    found = measure(mask, body(mask.shape, (1.0, 1.0, 1.0)))
    assert found.components == 1
    assert found.diameter_mm == pytest.approx(np.hypot(19, 20))


@pytest.mark.parametrize("step", list(itertools.product((-1, 0, 1), repeat=3)), ids=str)
def test_voxels_that_touch_at_a_face_an_edge_or_a_corner_are_one_piece(step: Shape) -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[1, 1, 1] = mask[tuple(1 + part for part in step)] = True
    assert measure(mask, body(mask.shape)).components == 1


@pytest.mark.parametrize("step", [(2, 0, 0), (0, 2, 1), (1, 2, 0), (0, 0, 2), (2, 2, 2), (1, 1, 2)], ids=str)
def test_voxels_two_apart_are_two_pieces(step: Shape) -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 0, 0] = mask[step] = True
    assert measure(mask, body(mask.shape)).components == 2


def test_rows_do_not_run_into_each_other() -> None:
    mask = np.zeros((2, 4, 5), dtype=bool)
    mask[0, 1, 4] = mask[1, 2, 0] = True
    assert measure(mask, body(mask.shape)).components == 2


def test_a_long_snake_through_many_slices_is_one_piece() -> None:
    mask = np.zeros((41, 6, 12), dtype=bool)
    for z in range(41):
        columns = slice(None) if z % 2 == 0 else (0 if z % 4 == 1 else 11)
        mask[z, abs(z % 8 - 4), columns] = True
    assert measure(mask, body(mask.shape)).components == ndimage.label(mask, np.ones((3, 3, 3)))[1] == 1


def test_the_volume_is_that_of_the_voxels() -> None:
    mask = np.zeros((4, 20, 20), dtype=bool)
    mask[1:3, 5:15, 5:15] = True
    assert measure(mask, body(mask.shape, (5.0, 0.5, 0.8))).volume_ml == pytest.approx(200 * 5 * 0.5 * 0.8 / 1000)
    assert measure(mask, rotated(body(mask.shape, (5.0, 0.5, 0.8)))).volume_ml == pytest.approx(0.4)


def test_a_single_slice_has_a_diameter_and_no_volume() -> None:
    mask = np.ones((1, 3, 4), dtype=bool)
    found = measure(mask, body(mask.shape, (1.0, 2.0, 2.0)))
    assert found.volume_ml is None
    assert found.diameter_mm == pytest.approx(2 * np.hypot(2, 4))


def test_a_picture_without_spacing_has_neither() -> None:
    grid = Grid.of_picture(3, 4)
    found = measure(np.ones(grid.shape, dtype=bool), grid)
    assert (found.volume_ml, found.diameter_mm, found.diameter_slice) == (None, None, None)
    assert (found.voxels, found.components, found.largest_share, found.box) == (12, 1, 1.0, (0, 0, 0, 0, 2, 3))


def test_a_projection_is_measured_on_its_detector() -> None:
    grid = Grid.of_picture(3, 4, spacing_mm=(0.5, 0.5))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[0, 1, 0:3] = True
    found = measure(mask, grid)
    assert (found.volume_ml, found.diameter_mm) == (None, 1.5)


def test_an_empty_mask_has_no_place_and_no_volume() -> None:
    assert measure(np.zeros((4, 5, 6), dtype=bool), body((4, 5, 6))) == Measure(
        voxels=0,
        volume_ml=0.0,
        diameter_mm=None,
        diameter_slice=None,
        box=None,
        components=0,
        largest_share=None,
    )


def test_an_empty_single_slice_has_an_unknown_volume() -> None:
    assert measure(np.zeros((1, 5, 6), dtype=bool), body((1, 5, 6))).volume_ml is None


def test_turning_the_volume_keeps_volume_and_pieces() -> None:
    mask = noise((6, 7, 8), 0.15, 5)
    plain = measure(mask, body(mask.shape))
    for turn in all_turns():
        found = measure(turn.apply(mask), turn.apply_grid(body(mask.shape)))
        assert found.volume_ml == pytest.approx(plain.volume_ml)
        assert (found.components, found.largest_share) == (plain.components, plain.largest_share)
        if turn.axes[0] == 0:
            assert found.diameter_mm == pytest.approx(plain.diameter_mm)


def test_memory_is_that_of_a_few_slices() -> None:
    mask = np.zeros((100, 128, 128), dtype=bool)
    mask[10:90, 20:100, 30:90] = True
    tracemalloc.start()
    measure(mask, body(mask.shape))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * mask.nbytes


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask of shape \(4, 5, 6\) on a grid of shape \(4, 5, 7\)"):
        measure(np.zeros((4, 5, 6), dtype=bool), body((4, 5, 7)))
