"""Windows: they cover every voxel, in the order of z, and mirroring undoes itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.testing import phantom
from edge.volume.tiles import Start, Tiles, Weighting, mirror
from tests.volume.truth import MIRRORED, OVERLAPS, PATCHES, SHAPES, slow_weights


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS)
def test_every_voxel_is_covered(shape: Start, patch: Start, overlap: float) -> None:
    tiles = Tiles.of(shape, patch, overlap)
    covered = np.zeros(shape, dtype=bool)
    for z in tiles.starts_along[0]:
        for start, _ in tiles.row(z):
            covered[tiles.inside(start)[0]] = True
    assert covered.all()


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS)
def test_windows_overlap_by_at_least_what_was_asked_for_and_the_last_ends_with_the_volume(
    shape: Start, patch: Start, overlap: float
) -> None:
    for starts, size, length in zip(Tiles.of(shape, patch, overlap).starts_along, shape, patch, strict=True):
        if size <= length:
            assert len(starts) == 1
        else:
            assert starts[0] == 0
            assert starts[-1] + length == size
            assert all(1 <= high - low <= max(length * (1 - overlap), 1) for low, high in itertools.pairwise(starts))


@pytest.mark.parametrize(
    ("size", "length", "overlap", "starts"),
    [
        (10, 4, 0.0, (0, 4, 6)),
        (12, 4, 0.0, (0, 4, 8)),
        (10, 4, 0.5, (0, 2, 4, 6)),
        (11, 4, 0.5, (0, 2, 4, 6, 7)),
        (9, 8, 0.25, (0, 1)),
        (8, 8, 0.5, (0,)),
        (7, 8, 0.5, (0,)),
        (5, 8, 0.5, (-1,)),
        (1, 8, 0.5, (-3,)),
        (5, 3, 0.9, (0, 1, 2)),
    ],
)
def test_starts_are_those_of_the_rule(size: int, length: int, overlap: float, starts: tuple[int, ...]) -> None:
    assert Tiles.of((size, 1, 1), (length, 1, 1), overlap).starts_along[0] == starts
    assert Tiles.of((1, 1, size), (1, 1, length), (0.0, 0.0, overlap)).starts_along[2] == starts


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS, mirrored=MIRRORED)
def test_windows_come_by_z_then_y_then_x_and_as_many_as_is_said(
    shape: Start, patch: Start, overlap: float, mirrored: tuple[int, ...]
) -> None:
    tiles = Tiles.of(shape, patch, overlap, mirrored)
    starts = [start for start, _, _ in tiles.cut(np.zeros(shape, np.float32))]
    assert starts == sorted(starts)
    assert len(starts) == tiles.runs
    assert len(set(starts)) * 2 ** len(mirrored) == tiles.runs


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS, mirrored=MIRRORED, channels=st.integers(0, 2))
def test_a_window_holds_the_voxels_of_its_place_and_padding_beyond_them(
    shape: Start, patch: Start, overlap: float, mirrored: tuple[int, ...], channels: int
) -> None:
    volume = np.broadcast_to(phantom(shape).astype(np.float32), (*[2] * channels, *shape))
    far = np.pad(volume, [(0, 0)] * channels + [(n, n) for n in patch], constant_values=-7)
    for start, flips, window in Tiles.of(shape, patch, overlap, mirrored).cut(volume, fill=-7):
        z, y, x = (slice(first + n, first + 2 * n) for first, n in zip(start, patch, strict=True))
        assert np.array_equal(mirror(window, flips), far[..., z, y, x])
        assert window.flags.c_contiguous


def test_padding_lies_on_both_sides_with_the_odd_voxel_behind() -> None:
    (_, _, window), = Tiles.of((1, 1, 2), (1, 1, 5), 0.5).cut(np.array([[[1, 2]]]))  # fmt: skip
    assert window.tolist() == [[[0, 1, 2, 0, 0]]]


@given(patch=PATCHES, weighting=st.sampled_from(["gaussian", "constant"]))
def test_weights_are_those_of_the_definition(patch: Start, weighting: Weighting) -> None:
    found = Tiles.of((20, 20, 20), patch, 0.5).weights(weighting)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_weights(patch, weighting), rtol=1e-5)


def test_weights_are_highest_in_the_middle_and_never_vanish() -> None:
    weights = Tiles.of((64, 64, 64), (32, 32, 32), 0.5).weights("gaussian")
    assert np.unravel_index(weights.argmax(), weights.shape) in set(itertools.product((15, 16), repeat=3))
    assert weights.min() == np.float32(1e-3)
    assert np.array_equal(weights, weights[::-1, ::-1, ::-1])


@pytest.mark.parametrize(("axes", "count"), [((), 1), ((1,), 2), ((0, 2), 4), ((0, 1, 2), 8)])
def test_every_combination_of_mirrored_axes_is_run_once_and_the_plain_one_first(
    axes: tuple[int, ...], count: int
) -> None:
    mirrors = Tiles.of((4, 4, 4), (4, 4, 4), 0.5, axes).mirrors
    assert mirrors[0] == (False, False, False)
    assert len(set(mirrors)) == len(mirrors) == count
    assert {axis for flips in mirrors for axis in range(3) if flips[axis]} == set(axes)


@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_mirroring_twice_gives_the_same_again(flips: tuple[bool, bool, bool]) -> None:
    volume = np.stack([phantom((3, 4, 5)), phantom((3, 4, 5), seed=1)])
    once = mirror(volume, flips)
    assert np.array_equal(mirror(once, flips), volume)
    assert np.array_equal(once, volume) == (not any(flips))
    assert np.array_equal(once[0], mirror(volume[0], flips))


@pytest.mark.parametrize(
    ("shape", "patch", "overlap"),
    [
        ((0, 4, 4), (2, 2, 2), 0.5),
        ((4, 4, 4), (2, 0, 2), 0.5),
        ((4, 4, 4), (2, 2, 2), 1.0),
        ((4, 4, 4), (2, 2, 2), -0.1),
        ((4, 4, 4), (2, 2, 2), (0.5, 0.5, 1.5)),
        ((4, 4, 4), (2, 2, 2), float("nan")),
    ],
)
def test_what_covers_nothing_is_refused(shape: Start, patch: Start, overlap: float) -> None:
    with pytest.raises(ValueError, match="expected sizes of at least 1 and overlaps from 0 to below 1"):
        Tiles.of(shape, patch, overlap)


def test_an_axis_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"along the axes \(0, 3\): expected some of 0, 1 and 2"):
        Tiles.of((4, 4, 4), (2, 2, 2), 0.5, mirrored=(0, 3))


def test_a_volume_of_another_shape_is_refused() -> None:
    tiles = Tiles.of((4, 4, 4), (2, 2, 2), 0.5)
    with pytest.raises(ValueError, match=r"found a volume of \(4, 4, 5\), expected \(4, 4, 4\)"):
        next(tiles.cut(np.zeros((1, 4, 4, 5))))
