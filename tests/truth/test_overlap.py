"""Overlap against shapes whose answer is known and against the definitions written out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from edge.errors import UsageError
from edge.geometry import Grid
from edge.truth.overlap import Mask, Overlap, Overlaps, overlap

SIDES_MM = (5.0, 0.5, 0.8)


def volume(shape: tuple[int, int, int], sides: tuple[float, float, float] = SIDES_MM) -> Grid:
    """A scan in the patient, x and y turned as in LPS."""
    dz, dy, dx = sides
    return Grid.of(shape, np.array([[0, 0, dx, -40], [0, dy, 0, 7], [dz, 0, 0, 90], [0, 0, 0, 1]]), "patient")


def block(shape: tuple[int, int, int], first: tuple[int, int, int], size: tuple[int, int, int]) -> Mask:
    mask = np.zeros(shape, dtype=np.bool_)
    mask[tuple(slice(start, start + length) for start, length in zip(first, size, strict=True))] = True
    return mask


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float) -> Mask:
    places = np.indices(shape) - np.array(centre)[:, None, None, None]
    return np.asarray((places**2).sum(axis=0) <= radius**2)


def outline(mask: Mask) -> NDArray[np.float64]:
    """Voxels with a neighbour, along any axis, that is not of the mask or not of the picture."""
    axes = [axis for axis in range(mask.ndim) if mask.ndim == 2 or mask.shape[axis] > 1]
    found = []
    for place in np.argwhere(mask):
        for axis, way in itertools.product(axes, (-1, 1)):
            other = place.copy()
            other[axis] += way
            if not 0 <= other[axis] < mask.shape[axis] or not mask[tuple(other)]:
                found.append(place)
                break
    return np.array(found, dtype=np.float64)


def directed(predicted: Mask, true: Mask, sides: tuple[float, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """All distances from each outline to the nearest voxel of the other, by trying all pairs."""
    between = cdist(outline(predicted) * sides, outline(true) * sides)
    return between.min(axis=1), between.min(axis=0)


@pytest.mark.parametrize("shift", [0, 1, 3, 7])
def test_a_square_beside_its_place_is_off_by_the_shift(shift: int) -> None:
    shape, size = (1, 40, 40), (1, 20, 20)
    found = overlap(block(shape, (0, 5, 5 + shift), size), block(shape, (0, 5, 5), size), Grid.of_picture(40, 40))
    assert found == Overlap(
        dice=(20 - shift) / 20, hd95=float(shift), volume_error=0.0, present=True, pixel=1.0, unit="pixel"
    )


@pytest.mark.parametrize(("axis", "expected_mm"), [(0, 10.0), (1, 1.0), (2, 1.6)])
def test_distances_follow_the_spacing_of_each_axis(axis: int, expected_mm: float) -> None:
    shape = (16, 16, 16)
    true = block(shape, (3, 3, 3), (10, 10, 10))
    found = overlap(np.roll(true, 2, axis=axis), true, volume(shape))
    assert (found.unit, found.pixel) == ("mm", 0.5)
    assert found.hd95 == pytest.approx(expected_mm)
    assert found.dice == pytest.approx(0.8)


def test_balls_within_each_other_differ_by_their_radii() -> None:
    shape, centre = (41, 41, 41), (20.0, 20.0, 20.0)
    found = overlap(ball(shape, centre, 12.0), ball(shape, centre, 18.0), volume(shape, (0.5, 0.5, 0.5)))
    assert found.hd95 == pytest.approx(0.5 * (18 - 12), abs=0.5)
    assert found.dice == pytest.approx(2 * 12**3 / (12**3 + 18**3), abs=0.01)
    assert found.volume_error == pytest.approx(1 - 12**3 / 18**3, abs=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_the_outline_distance_is_that_of_all_pairs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = (6, 9, 11)
    predicted, true = (
        np.logical_or.reduce([ball(shape, tuple(generator.random(3) * shape), 3.0) for _ in range(2)]) for _ in range(2)
    )
    there, back = directed(predicted, true, SIDES_MM)
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert overlap(predicted, true, volume(shape)).hd95 == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_scattered_pixels_of_a_picture_are_their_own_outlines(seed: int) -> None:
    predicted, true = np.random.default_rng(seed).random((2, 1, 12, 15)) < 0.4
    there, back = directed(predicted[0], true[0], (1.0, 1.0))
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert overlap(predicted, true, Grid.of_picture(12, 15)).hd95 == pytest.approx(expected)


def test_an_island_far_off_counts_though_the_pooled_percentile_forgives_it() -> None:
    shape = (1, 60, 100)
    true = block(shape, (0, 5, 5), (1, 50, 20))
    predicted = true | block(shape, (0, 30, 80), (1, 3, 4))
    there, back = directed(predicted[0], true[0], (1.0, 1.0))
    assert np.percentile(np.concatenate([there, back]), 95) == 0.0
    assert overlap(predicted, true, Grid.of_picture(60, 100)).hd95 >= 80 - 24


def test_few_stray_pixels_do_not_count() -> None:
    shape = (1, 60, 60)
    true = block(shape, (0, 5, 5), (1, 40, 40))
    predicted = true | block(shape, (0, 55, 55), (1, 2, 2))
    assert overlap(predicted, true, Grid.of_picture(60, 60)).hd95 == 0.0


def test_a_hole_is_an_outline_too() -> None:
    shape = (1, 30, 30)
    true = block(shape, (0, 5, 5), (1, 20, 20))
    predicted = true & ~block(shape, (0, 10, 10), (1, 10, 10))
    assert overlap(predicted, true, Grid.of_picture(30, 30)).hd95 == 9 - 5


def test_which_mask_is_the_truth_changes_no_number() -> None:
    first, second = np.random.default_rng(9).random((2, 4, 8, 8)) < 0.3
    grid = volume((4, 8, 8))
    assert overlap(first, second, grid) == overlap(second, first, grid)


def test_empty_room_around_changes_nothing() -> None:
    predicted, true = np.random.default_rng(3).random((2, 4, 6, 6)) < 0.5
    around = [np.pad(mask, 3) for mask in (predicted, true)]
    assert overlap(around[0], around[1], volume((10, 12, 12))) == overlap(predicted, true, volume((4, 6, 6)))


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((3, 4, 5), dtype=np.bool_)
    found = overlap(nothing, nothing, volume((3, 4, 5)))
    assert (found.dice, found.hd95, found.volume_error, found.present) == (1.0, 0.0, 0.0, False)


@pytest.mark.parametrize("missed", [True, False])
def test_one_empty_mask_is_as_wrong_as_can_be(missed: bool) -> None:
    shape = (3, 4, 5)
    nothing, something = np.zeros(shape, dtype=np.bool_), block(shape, (1, 1, 1), (1, 1, 1))
    found = overlap(nothing, something, volume(shape)) if missed else overlap(something, nothing, volume(shape))
    assert (found.dice, found.volume_error, found.present) == (0.0, 1.0, missed)
    assert found.hd95 == pytest.approx(np.sqrt((3 * 5.0) ** 2 + (4 * 0.5) ** 2 + (5 * 0.8) ** 2))


def test_a_missed_label_is_farther_than_one_in_the_opposite_corner() -> None:
    shape = (3, 4, 5)
    first, last = block(shape, (0, 0, 0), (1, 1, 1)), block(shape, (2, 3, 4), (1, 1, 1))
    nothing = np.zeros(shape, dtype=np.bool_)
    grid = volume(shape)
    assert overlap(nothing, last, grid).hd95 > overlap(first, last, grid).hd95 > 0


def test_the_thickness_of_a_single_slice_plays_no_part() -> None:
    shape = (1, 20, 20)
    true = block(shape, (0, 4, 4), (1, 10, 10))
    predicted = np.roll(true, 2, axis=2)
    thin, thick = (overlap(predicted, true, volume(shape, (dz, 0.5, 0.8))) for dz in (0.1, 50.0))
    assert thin == thick
    assert thin.hd95 == pytest.approx(1.6)
    missed = overlap(np.zeros_like(true), true, volume(shape, (50.0, 0.5, 0.8)))
    assert missed.hd95 == pytest.approx(np.hypot(20 * 0.5, 20 * 0.8))


def test_a_radiograph_is_measured_on_its_detector() -> None:
    true = block((1, 20, 20), (0, 4, 4), (1, 10, 10))
    found = overlap(np.roll(true, 3, axis=1), true, Grid.of_picture(20, 20, spacing_mm=(0.14, 0.2)))
    assert (found.unit, found.pixel) == ("mm", 0.14)
    assert found.hd95 == pytest.approx(3 * 0.14)


@pytest.mark.parametrize(("predicted", "expected"), [(4, 0.0), (2, 0.5), (8, 0.5), (3, 0.25)])
def test_twice_and_half_the_volume_are_the_same_error(predicted: int, expected: float) -> None:
    shape = (1, 1, 10)
    sizes = [block(shape, (0, 0, 0), (1, 1, count)) for count in (predicted, 4)]
    assert overlap(sizes[0], sizes[1], Grid.of_picture(1, 10)).volume_error == expected


@pytest.mark.parametrize(
    ("predicted", "true", "words"),
    [
        (
            np.zeros((1, 4, 4), dtype=np.bool_),
            np.zeros((1, 4, 5), dtype=np.bool_),
            r"true mask: found bool \(1, 4, 5\)",
        ),
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4), dtype=np.bool_), "predicted mask: found float64"),
    ],
)
def test_masks_of_another_shape_or_kind_are_refused(predicted: Mask, true: Mask, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        overlap(predicted, true, Grid.of_picture(4, 4))


def test_overlaps_keep_the_order_of_the_scans() -> None:
    shape = (1, 20, 20)
    true = block(shape, (0, 4, 4), (1, 10, 10))
    grid = Grid.of_picture(20, 20)
    scans = [overlap(np.roll(true, shift, axis=2), true, grid) for shift in (3, 0)]
    scans.append(overlap(true, np.zeros_like(true), grid))
    found = Overlaps.of(scans)
    assert found.hd95.tolist() == [3.0, 0.0, float(np.hypot(20, 20))]
    assert found.dice.tolist() == [0.7, 1.0, 0.0]
    assert found.volume_error.tolist() == [0.0, 0.0, 1.0]
    assert found.present.tolist() == [True, True, False]
    assert found.pixel.tolist() == [1.0, 1.0, 1.0]
    assert found.unit == "pixel"


def test_millimetres_and_pixels_have_no_mean() -> None:
    mask = block((1, 4, 4), (0, 1, 1), (1, 2, 2))
    scans = [overlap(mask, mask, Grid.of_picture(4, 4, spacing_mm=spacing)) for spacing in (None, (0.1, 0.1))]
    with pytest.raises(UsageError, match="2 scans: found distances in mm and pixel"):
        Overlaps.of(scans)
    with pytest.raises(UsageError, match="found distances in no unit"):
        Overlaps.of([])
