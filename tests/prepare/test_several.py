"""Several scans and windows: channels in their order, scans brought together, pieces cut as planned."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import CodedError, PackError, ReadError
from edge.geometry import Grid, resample
from edge.pack.manifest import Input, Manifest, Windows
from edge.prepare import prepare
from edge.prepare.together import brought_to, frames_differ, is_same
from edge.scan import Acquisition, Scan
from edge.testing import phantom_scan, tiny_input, tiny_manifest, tiny_segmentation
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import volume_input, volume_of

Array = NDArray[Any]
SHAPE = (4, 5, 6)
GRID = rotated(canonical_grid(SHAPE))


def values(seed: int, shape: tuple[int, ...] = SHAPE) -> Array:
    return np.random.default_rng(seed).uniform(0, 100, shape).astype(np.float32)


def volumes(*names: str, tensor: str = "", windows: Windows | None = None, **changes: Any) -> Manifest:
    """A segmentation of volumes; all inputs are channels of one tensor where it is named."""
    inputs = tuple(replace(volume_input(name, tensor=tensor, shape=(1, *SHAPE)), **changes) for name in names)
    return tiny_manifest(task=replace(tiny_segmentation(), windows=windows), inputs=inputs)


def code_of(scans: Mapping[str, Scan], manifest: Manifest) -> str:
    with pytest.raises(CodedError) as caught:
        list(prepare(scans, manifest))
    return caught.value.reason.code


def test_inputs_of_one_tensor_are_its_channels_in_the_order_of_the_manifest() -> None:
    scans = {name: volume_of(values(seed), GRID) for seed, name in enumerate("abc")}
    manifest = volumes("a", "b", "c", tensor="image")
    for order in itertools.permutations("abc"):
        (feed,) = prepare({name: scans[name] for name in order}, manifest)
        assert list(feed.tensors) == ["image"]
        assert np.array_equal(feed.tensors["image"], np.stack([scans[name].voxels for name in "abc"])[np.newaxis])


def test_inputs_of_several_tensors_are_fed_side_by_side() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    (feed,) = prepare(scans, volumes("a", "b"))
    assert {name: tensor.shape for name, tensor in feed.tensors.items()} == {"a": (1, 1, *SHAPE), "b": (1, 1, *SHAPE)}
    assert np.array_equal(feed.tensors["b"][0, 0], scans["b"].voxels)


def test_channels_may_come_last() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    (feed,) = prepare(scans, volumes("a", "b", tensor="image", axes="NDHWC", shape=(*SHAPE, 1)))
    assert feed.tensors["image"].shape == (1, *SHAPE, 2)
    assert np.array_equal(feed.tensors["image"][0, ..., 1], scans["b"].voxels)


def test_each_input_has_steps_of_its_own() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    manifest = volumes("a", "b", tensor="image")
    scaled = replace(manifest.inputs[1], steps=(step("rescale", low=0.0, high=100.0),))
    (feed,) = prepare(scans, replace(manifest, inputs=(manifest.inputs[0], scaled)))
    assert np.array_equal(feed.tensors["image"][0, 0], scans["a"].voxels)
    assert feed.tensors["image"][0, 1] == pytest.approx(scans["b"].voxels / 100, abs=1e-6)


# One place -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", list(all_turns())[::5])
def test_a_scan_stored_in_other_axes_is_brought_to_the_first_exactly(turn: Any) -> None:
    first, voxels = volume_of(values(1), GRID), values(2)
    stored = volume_of(np.ascontiguousarray(turn.apply(voxels)), turn.apply_grid(GRID))
    moved = brought_to(stored, first)
    assert np.array_equal(moved.voxels, voxels)
    assert moved.grid == GRID
    (feed,) = prepare({"a": first, "b": stored}, volumes("a", "b", tensor="image"))
    assert np.array_equal(feed.tensors["image"][0, 1], voxels)


def test_a_scan_of_another_spacing_is_interpolated_at_the_voxels_of_the_first() -> None:
    finer = GRID.resized((8, 10, 12))
    first, other = volume_of(values(1), GRID), volume_of(values(2, finer.shape), finer)
    moved = brought_to(other, first)
    assert np.array_equal(moved.voxels, resample(other.voxels, finer, GRID))


def test_where_a_scan_has_nothing_its_least_value_stands() -> None:
    half = GRID.cropped((2, 0, 0), SHAPE)
    first, other = volume_of(values(1), GRID), volume_of(values(2) - 1000, half)
    moved = brought_to(other, first)
    assert np.array_equal(moved.voxels[2:], other.voxels[:2])
    assert (moved.voxels[:2] == other.voxels.min()).all()


def test_written_decimals_make_no_other_grid() -> None:
    matrix = GRID.matrix
    matrix[:3] += np.random.default_rng(0).uniform(-1e-6, 1e-6, (3, 4))
    jittered = volume_of(values(2), Grid.of(SHAPE, matrix, "patient"))
    assert brought_to(jittered, volume_of(values(1), GRID)) is jittered


@pytest.mark.parametrize(("shift", "same"), [(0.001, True), (0.02, False), (1.0, False)])
def test_grids_are_one_to_a_hundredth_of_a_voxel(shift: float, same: bool) -> None:
    matrix = GRID.matrix
    matrix[:, 3] += matrix[:, 2] * shift
    assert is_same(GRID, Grid.of(SHAPE, matrix, "patient")) is same
    stretched = GRID.matrix
    stretched[:, 2] *= 1 + shift / SHAPE[2]
    assert is_same(GRID, Grid.of(SHAPE, stretched, "patient")) is same


def test_scans_in_different_places_have_no_common_place() -> None:
    away = GRID.cropped((50, 0, 0), SHAPE)
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), away)}
    assert code_of(scans, volumes("a", "b", tensor="image")) == "C722"


def test_two_frames_of_reference_have_no_common_place() -> None:
    one, other = (volume_of(values(1), GRID, frame_of_reference_uid=uid) for uid in ("1.2", "1.3"))
    assert frames_differ(one, other)
    assert code_of({"a": one, "b": other}, volumes("a", "b", tensor="image")) == "C722"
    unknown = volume_of(values(2), GRID)
    assert not frames_differ(one, unknown)
    assert len(list(prepare({"a": one, "b": unknown}, volumes("a", "b", tensor="image")))) == 1


def test_a_volume_without_a_place_is_refused_even_where_the_sizes_agree() -> None:
    nowhere = replace(phantom_scan(SHAPE), stack="volume")
    for scans in ({"a": volume_of(values(1), GRID), "b": nowhere}, {"a": nowhere, "b": replace(nowhere)}):
        assert code_of(scans, volumes("a", "b", tensor="image")) == "C722"


def pictures() -> tuple[Input, Input]:
    item = tiny_input(steps=[])
    return item, replace(item, name="other")


def test_pictures_of_one_size_lie_on_each_other_and_others_do_not() -> None:
    manifest = tiny_manifest(inputs=pictures())
    (feed,) = prepare({"image": phantom_scan((1, 4, 4)), "other": phantom_scan((1, 4, 4), seed=1)}, manifest)
    assert feed.tensors["image"].shape == (1, 2, 4, 4)
    assert code_of({"image": phantom_scan((1, 4, 4)), "other": phantom_scan((1, 5, 4))}, manifest) == "C722"


def test_steps_that_lead_inputs_to_different_grids_are_the_packs_mistake() -> None:
    manifest = volumes("a", "b", tensor="image")
    cut = replace(manifest.inputs[1], steps=(step("pad_or_crop_volume", shape=[4, 5, 5]),))
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    assert code_of(scans, replace(manifest, inputs=(manifest.inputs[0], cut))) == "P407"


def test_another_shape_than_declared_is_the_packs_mistake() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    assert code_of(scans, volumes("a", "b", tensor="image", shape=(1, 4, 5, 7))) == "P407"
    assert code_of(scans, volumes("a", "b", tensor="image", axes="NCHW", shape=(1, 5, 6))) == "P407"


# Windows -------------------------------------------------------------------------------------------------


def test_windows_are_cut_from_all_channels_and_say_where_they_lie() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    manifest = volumes("a", "b", tensor="image", windows=Windows(overlap=0.5, mirror=("x",)), shape=(1, 2, 3, 4))
    both = np.stack([scans["a"].voxels, scans["b"].voxels])
    feeds = list(prepare(scans, manifest))
    seen = np.zeros(SHAPE, dtype=bool)
    for feed in feeds:
        assert feed.window is not None
        assert feed.grid == GRID
        (z, y, x), flips = feed.window.start, feed.window.flips
        expected = both[:, z : z + 2, y : y + 3, x : x + 4]
        assert flips[:2] == (False, False)
        assert np.array_equal(feed.tensors["image"][0], expected[..., ::-1] if flips[2] else expected)
        seen[z : z + 2, y : y + 3, x : x + 4] = True
    assert seen.all()
    assert len(feeds) == feeds[0].window.tiles.runs == 3 * 3 * 2 * 2  # type: ignore[union-attr]


def test_around_a_volume_smaller_than_its_window_lies_the_manifests_value() -> None:
    manifest = volumes("a", windows=Windows(fill=-7.0), shape=(1, 6, 7, 8))
    (feed,) = prepare({"a": volume_of(values(1), GRID)}, manifest)
    expected = np.pad(values(1), 1, constant_values=-7.0)
    assert np.array_equal(feed.tensors["a"][0, 0], expected)


def test_windows_are_cut_when_they_are_asked_for() -> None:
    feeds = prepare({"a": volume_of(values(1), GRID)}, volumes("a", windows=Windows(), shape=(1, 2, 2, 2)))
    first, second = next(feeds), next(feeds)
    assert first.window is not None
    assert second.window is not None
    assert first.window.start < second.window.start


def test_windows_of_several_tensors_are_for_another_version() -> None:
    scans = {"a": volume_of(values(1), GRID), "b": volume_of(values(2), GRID)}
    assert code_of(scans, volumes("a", "b", windows=Windows())) == "P409"


def test_more_channels_than_declared_are_the_packs_mistake() -> None:
    colours = replace(volume_of(values(1), GRID), voxels=values(1, (*SHAPE, 3)))
    with pytest.raises(PackError, match="found 3 channels, expected 1"):
        next(prepare({"a": colours}, volumes("a", windows=Windows())))


def test_a_picture_that_the_model_would_see_inverted_is_refused() -> None:
    scan = phantom_scan((1, 4, 4), acquisition=Acquisition(photometric="MONOCHROME1"))
    turned = tiny_manifest()
    assert next(iter(prepare({"image": scan}, turned))).tensors["image"].shape == (1, 1, 4, 4)
    unturned = tiny_manifest(inputs=(tiny_input(steps=[{"step": "voi_window"}]),))
    with pytest.raises(ReadError) as caught:
        list(prepare({"image": scan}, unturned))
    assert caught.value.reason.code == "C730"
