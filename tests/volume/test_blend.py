"""Blending slab by slab gives what blending the whole volume at once gives, and holds far less."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import EngineError
from edge.testing import phantom
from edge.volume.blend import THICKNESS, Blocks, Slab, blend
from edge.volume.tiles import Start, Tiles, Weighting
from tests.volume.truth import MIRRORED, OVERLAPS, PATCHES, SHAPES, Array, Output, outputs_of, slow_blend

WEIGHTINGS = st.sampled_from(["gaussian", "constant"])


def joined(slabs: list[Slab]) -> Array:
    return np.concatenate([slab.scores for slab in slabs], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES, patch=PATCHES, overlap=OVERLAPS, mirrored=MIRRORED, classes=st.integers(1, 3), weighting=WEIGHTINGS
)
def test_slabs_equal_the_blend_of_the_whole_volume(
    shape: Start, patch: Start, overlap: float, mirrored: tuple[int, ...], classes: int, weighting: Weighting
) -> None:
    tiles = Tiles.of(shape, patch, overlap, mirrored)
    outputs = outputs_of(tiles, classes)
    slabs = list(blend(outputs, tiles, classes, weighting=weighting))
    expected = slow_blend(outputs, shape, patch, weighting)
    np.testing.assert_allclose(joined(slabs), expected, atol=1e-6, rtol=1e-6)


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS)
def test_slabs_follow_each_other_without_a_gap(shape: Start, patch: Start, overlap: float) -> None:
    tiles = Tiles.of(shape, patch, overlap)
    z = 0
    for slab in blend(outputs_of(tiles, 1), tiles, 1):
        assert slab.z == z
        assert slab.scores.dtype == np.float32
        assert 1 <= slab.scores.shape[1] <= THICKNESS
        z += slab.scores.shape[1]
    assert z == shape[0]


def test_a_slab_is_yielded_as_soon_as_no_later_window_touches_it() -> None:
    tiles = Tiles.of((12, 4, 4), (4, 4, 4), 0.5)
    asked = []

    def outputs() -> Iterator[Output]:
        for output in outputs_of(tiles, 1):
            asked.append(output[0][0])
            yield output

    last_asked = [(slab.z, slab.scores.shape[1], asked[-1]) for slab in blend(outputs(), tiles, 1)]
    assert last_asked == [(0, 2, 0), (2, 2, 2), (4, 2, 4), (6, 2, 6), (8, 4, 8)]


@pytest.mark.parametrize("weighting", ["gaussian", "constant"])
def test_a_model_that_copies_its_input_gives_the_volume_back(weighting: Weighting) -> None:
    volume = np.stack([phantom((9, 7, 11)), phantom((9, 7, 11), seed=3)]).astype(np.float32) / 1000
    tiles = Tiles.of((9, 7, 11), (4, 8, 5), 0.5, mirrored=(0, 1, 2))
    found = joined(list(blend(tiles.cut(volume), tiles, 2, weighting=weighting)))
    np.testing.assert_allclose(found, volume, atol=2e-6)


def test_a_mirrored_model_is_not_the_same_as_a_plain_one() -> None:
    volume = phantom((4, 4, 4))[np.newaxis].astype(np.float32)
    tiles = Tiles.of((4, 4, 4), (4, 4, 4), 0.0, mirrored=(2,))
    outputs = [(start, (False, False, False), window) for start, _, window in tiles.cut(volume)]
    with pytest.raises(ValueError, match=r"expected that of \(\(0, 0, 0\), \(False, False, True\)\)"):
        list(blend(outputs, tiles, 1))


def test_each_mirrored_run_counts_the_same() -> None:
    tiles = Tiles.of((2, 3, 4), (2, 3, 4), 0.0, mirrored=(1,))
    plain, mirrored = outputs_of(tiles, 1)
    (slab,) = blend([plain, mirrored], tiles, 1)
    np.testing.assert_allclose(slab.scores, (plain[2] + mirrored[2][:, :, ::-1]) / 2, atol=1e-6)


@given(shape=SHAPES, patch=PATCHES, overlap=OVERLAPS, classes=st.integers(1, 5), block=st.integers(1, 6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_of_classes_give_the_same_bits(
    tmp_path: Path, shape: Start, patch: Start, overlap: float, classes: int, block: int
) -> None:
    tiles = Tiles.of(shape, patch, overlap)
    outputs = outputs_of(tiles, classes)
    in_blocks = list(blend(outputs, tiles, classes, blocks=Blocks(classes=block, folder=tmp_path)))
    assert np.array_equal(joined(in_blocks), joined(list(blend(outputs, tiles, classes))))


def test_no_temporary_file_stays_behind(tmp_path: Path) -> None:
    tiles = Tiles.of((8, 4, 4), (4, 4, 4), 0.5)
    slabs = blend(outputs_of(tiles, 2), tiles, 2, blocks=Blocks(classes=1, folder=tmp_path))
    next(slabs)
    slabs.close()
    assert list(tmp_path.iterdir()) == []


def test_half_precision_is_summed_as_single() -> None:
    tiles = Tiles.of((4, 4, 9), (4, 4, 4), 0.5)
    halves = [(start, flips, scores.astype(np.float16)) for start, flips, scores in outputs_of(tiles, 2)]
    singles = [(start, flips, scores.astype(np.float32)) for start, flips, scores in halves]
    assert np.array_equal(joined(list(blend(halves, tiles, 2))), joined(list(blend(singles, tiles, 2))))


def test_memory_is_that_of_a_window_s_depth_and_not_of_the_volume() -> None:
    tiles = Tiles.of((160, 48, 48), (16, 24, 24), 0.5)
    window = np.ones((6, *tiles.patch), dtype=np.float32)
    outputs = ((start, flips, window) for z in tiles.starts_along[0] for start, flips in tiles.row(z))
    sums = 4 * 6 * 16 * 48 * 48
    tracemalloc.start()
    slices = sum(slab.scores.shape[1] for slab in blend(outputs, tiles, 6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert slices == 160
    assert sums < peak < 2.2 * sums
    assert peak < 0.25 * 4 * 6 * 160 * 48 * 48


def test_sums_on_the_disk_take_no_memory(tmp_path: Path) -> None:
    tiles = Tiles.of((160, 48, 48), (32, 24, 24), 0.5)
    window = np.ones((8, *tiles.patch), dtype=np.float32)
    outputs = ((start, flips, window) for z in tiles.starts_along[0] for start, flips in tiles.row(z))
    tracemalloc.start()
    slices = sum(slab.scores.shape[1] for slab in blend(outputs, tiles, 8, blocks=Blocks(classes=1, folder=tmp_path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert slices == 160
    assert peak < 0.7 * 4 * 8 * 32 * 48 * 48


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_ends_it(value: float) -> None:
    tiles = Tiles.of((4, 4, 8), (4, 4, 4), 0.5)
    outputs = outputs_of(tiles, 2)
    outputs[1][2][1, 2, 3, 0] = value
    with pytest.raises(EngineError, match=r"E503: .* scores around slice 0 are no numbers"):
        list(blend(outputs, tiles, 2))


def test_outputs_that_end_early_are_refused() -> None:
    tiles = Tiles.of((4, 4, 8), (4, 4, 4), 0.5)
    with pytest.raises(ValueError, match=r"the outputs end before \(\(0, 0, 4\), .*expected 3 of them"):
        list(blend(outputs_of(tiles, 1)[:-1], tiles, 1))


def test_outputs_that_are_left_over_are_refused() -> None:
    tiles = Tiles.of((4, 4, 8), (4, 4, 4), 0.5)
    outputs = outputs_of(tiles, 1)
    with pytest.raises(ValueError, match="more outputs than the expected 3"):
        list(blend([*outputs, outputs[-1]], tiles, 1))


def test_outputs_out_of_order_are_refused() -> None:
    tiles = Tiles.of((4, 4, 8), (4, 4, 4), 0.5)
    first, *others = outputs_of(tiles, 1)
    with pytest.raises(ValueError, match=r"found the output of \(\(0, 0, 2\), .* expected that of \(\(0, 0, 0\)"):
        list(blend([*others, first], tiles, 1))


def test_an_output_of_another_shape_is_refused() -> None:
    tiles = Tiles.of((4, 4, 8), (4, 4, 4), 0.5)
    with pytest.raises(ValueError, match=r"with shape \(1, 4, 4, 4\), expected .* with shape \(2, 4, 4, 4\)"):
        list(blend(outputs_of(tiles, 1), tiles, 2))


@pytest.mark.parametrize(("shape", "overlap"), [((21, 18, 25), 0.5), ((9, 20, 30), 0.25), ((33, 16, 16), 0.0)])
@pytest.mark.parametrize("weighting", ["gaussian", "constant"])
def test_it_equals_monai(shape: Start, overlap: float, weighting: Weighting) -> None:
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.inferers")
    kernel = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 1, 3, 3, 3)).astype(np.float32))
    volume = phantom(shape).astype(np.float32) / 1000

    def network(windows: Any) -> Any:
        return torch.nn.functional.conv3d(windows, kernel, padding=1)

    patch = (16, 16, 16)
    tensor = torch.from_numpy(volume[None, None])
    expected = monai.sliding_window_inference(tensor, patch, 1, network, overlap=overlap, mode=weighting)[0]
    tiles = Tiles.of(shape, patch, overlap)
    outputs = (
        (start, flips, network(torch.from_numpy(window[None, None]))[0].numpy())
        for start, flips, window in tiles.cut(volume)
    )
    found = joined(list(blend(outputs, tiles, 3, weighting=weighting)))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
