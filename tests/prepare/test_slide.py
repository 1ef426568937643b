"""Pictures in windows: what the model is fed is what lies there, and no more is ever read."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import Grid, resample
from edge.pack.manifest import ClassificationTask, Manifest, Windows
from edge.prepare import Feed, prepare
from edge.reasons import INVERTED, MODEL_MISMATCH, UNKNOWN_SPACING, UNSUPPORTED_INPUT
from edge.scan import Acquisition, Scan, Slide
from edge.testing import phantom_scan, tiny_input, tiny_manifest
from tests.prepare.images import step
from tests.slides import halved, tissue
from tests.tasks.models import label

Array = NDArray[Any]
UM = 0.0005


def manifest(windows: Windows, *steps: dict[str, object], size: int = 8, channels: int = 3) -> Manifest:
    task = ClassificationTask(
        kind="classification", mode="binary", output="scores", activation="sigmoid", labels=(label("bright"),),
        windows=windows,
    )  # fmt: skip
    return tiny_manifest(task=task, inputs=(tiny_input(channels=channels, size=size, steps=steps),))


def picture(voxels: Array, spacing_mm: tuple[float, float] | None = None) -> Scan:
    rows, columns = voxels.shape[:2]
    photometric = "RGB" if voxels.ndim == 3 else "MONOCHROME2"
    scan = phantom_scan((1, rows, columns), acquisition=Acquisition(modality="SM", photometric=photometric))
    return replace(scan, voxels=voxels[np.newaxis], grid=Grid.of_picture(rows, columns, spacing_mm))


def slide(pixels: Array, levels: int = 1, spacing_mm: tuple[float, float] | None = None) -> tuple[Scan, list[int]]:
    """The picture as a slide with its levels, and the list into which each level that is read is written."""
    pyramid = [halved(pixels, level) for level in range(levels)]
    asked: list[int] = []

    def read(level: int, y: int, x: int, height: int, width: int) -> Array:
        asked.append(level)
        found = pyramid[level][y : y + height, x : x + width]
        assert found.shape == (height, width, 3)
        return found

    small = picture(pixels[::8, ::8], spacing_mm)
    grid = Grid.of_picture(pixels.shape[0], pixels.shape[1], spacing_mm)
    sizes = tuple((level.shape[0], level.shape[1]) for level in pyramid)
    return replace(small, grid=grid.resized(small.grid.shape), slide=Slide(grid=grid, levels=sizes, read=read)), asked


def fed(scan: Scan, made: Manifest) -> list[Feed]:
    return list(prepare({"image": scan}, made))


def tensors(feeds: list[Feed]) -> list[Array]:
    return [feed.tensors["image"] for feed in feeds]


def put_together(feeds: list[Feed], shape: tuple[int, int]) -> Array:
    """The windows where they lie, (channel, y, x)."""
    whole = np.full((feeds[0].tensors["image"].shape[1], *shape), np.nan, np.float32)
    for feed in feeds:
        assert feed.window is not None
        (rows, _, columns), (own_rows, _, own_columns) = feed.window.tiles.inside(feed.window.start)
        whole[:, rows, columns] = feed.tensors["image"][0, :, own_rows, own_columns]
    return whole


def test_windows_are_the_pixels_that_lie_there() -> None:
    pixels = tissue((21, 30), seed=1)
    scan, _ = slide(pixels)
    feeds = fed(scan, manifest(Windows(overlap=0.0)))
    np.testing.assert_array_equal(put_together(feeds, (21, 30)), pixels.transpose(2, 0, 1))
    assert len(feeds) == 3 * 4
    assert all(feed.seen == {"image": 1.0} for feed in feeds)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_a_slide_and_the_same_picture_in_memory_are_fed_alike(overlap: float) -> None:
    pixels = tissue((21, 30), seed=2)
    scan, _ = slide(pixels, spacing_mm=(UM, UM))
    made = manifest(Windows(overlap=overlap, mirror=("y", "x")), step("rescale", low=0.0, high=255.0))
    one, other = fed(scan, made), fed(picture(pixels, (UM, UM)), made)
    assert [feed.window.start for feed in one if feed.window] == [feed.window.start for feed in other if feed.window]
    for left, right in zip(tensors(one), tensors(other), strict=True):
        np.testing.assert_array_equal(left, right)


def test_windows_are_mirrored_as_their_flips_say() -> None:
    pixels = tissue((8, 8), seed=3)
    plain, along, down, both = tensors(fed(picture(pixels), manifest(Windows(mirror=("y", "x")))))
    np.testing.assert_array_equal(down, plain[:, :, ::-1])
    np.testing.assert_array_equal(along, plain[..., ::-1])
    np.testing.assert_array_equal(both, plain[:, :, ::-1, ::-1])


def test_a_picture_smaller_than_a_window_lies_in_its_middle() -> None:
    pixels = tissue((4, 20), seed=4)
    feeds = fed(picture(pixels), manifest(Windows(overlap=0.0, fill=-1.0)))
    first = tensors(feeds)[0]
    np.testing.assert_array_equal(first[0, :, 2:6], pixels[:, :8].transpose(2, 0, 1))
    assert (first[0, :, :2] == -1.0).all()
    assert (first[0, :, 6:] == -1.0).all()


def test_a_grey_slide_is_fed_one_channel() -> None:
    grey = tissue((16, 16), seed=5)[..., 0]
    scan, _ = slide(np.repeat(grey[..., np.newaxis], 3, axis=-1))
    small = replace(scan, voxels=scan.voxels[..., 0], acquisition=Acquisition(photometric="MONOCHROME2"))
    feeds = fed(small, manifest(Windows(overlap=0.0), channels=1))
    np.testing.assert_array_equal(put_together(feeds, (16, 16))[0], grey)


# Another resolution --------------------------------------------------------------------------------------


def resampled(times: float) -> dict[str, object]:
    return step("resample", spacing_mm=[1.0, UM * times, UM * times])


@pytest.mark.parametrize(("times", "level"), [(1.0, 0), (1.5, 0), (2.0, 1), (3.0, 1), (4.0, 2), (9.0, 2)])
def test_the_smallest_level_that_is_fine_enough_is_read(times: float, level: int) -> None:
    scan, asked = slide(tissue((64, 96)), levels=3, spacing_mm=(UM, UM))
    fed(scan, manifest(Windows(overlap=0.0), resampled(times)))
    assert set(asked) == {level}


def test_a_level_of_the_wanted_resolution_is_fed_as_it_is() -> None:
    pixels = tissue((64, 96), seed=6)
    scan, _ = slide(pixels, levels=3, spacing_mm=(UM, UM))
    feeds = fed(scan, manifest(Windows(overlap=0.0), resampled(2.0)))
    np.testing.assert_allclose(put_together(feeds, (32, 48)), halved(pixels, 1).transpose(2, 0, 1), atol=1e-3)


@pytest.mark.parametrize("times", [0.7, 1.3, 1.9])
def test_between_levels_windows_are_those_of_the_whole_picture(times: float) -> None:
    """Where windows meet, no pixel differs from what resampling the whole at once gives."""
    pixels = tissue((50, 70), seed=7)
    scan, _ = slide(pixels, spacing_mm=(UM, UM))
    feeds = fed(scan, manifest(Windows(overlap=0.25), resampled(times)))
    grid = feeds[0].grid
    whole = resample(pixels[np.newaxis], Grid.of_picture(50, 70, (UM, UM)), grid)[0]
    np.testing.assert_allclose(put_together(feeds, grid.shape[1:]), whole.transpose(2, 0, 1), atol=1e-3)


def test_without_a_known_size_of_pixels_nothing_is_resampled() -> None:
    with pytest.raises(ReadError) as caught:
        fed(picture(tissue((16, 16))), manifest(Windows(), resampled(1.0)))
    assert caught.value.reason is UNKNOWN_SPACING


# What cannot be done -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["min_max", "center_square", "orient"])
def test_a_step_that_needs_the_whole_picture_is_refused(name: str) -> None:
    with pytest.raises(PackError, match=f"found the step {name}") as caught:
        fed(picture(tissue((16, 16))), manifest(Windows(), step(name)))
    assert caught.value.reason is UNSUPPORTED_INPUT


def test_resampling_comes_before_every_other_step() -> None:
    made = manifest(Windows(), step("rescale", low=0.0, high=1.0), resampled(1.0))
    with pytest.raises(PackError, match="found the step resample, expected resample first"):
        fed(picture(tissue((16, 16)), (UM, UM)), made)


def test_another_number_of_channels_than_the_manifest_says_is_refused() -> None:
    with pytest.raises(PackError) as caught:
        fed(picture(tissue((16, 16))), manifest(Windows(), channels=1))
    assert caught.value.reason is MODEL_MISMATCH


def test_a_picture_whose_bright_is_dark_is_refused_unless_it_is_turned() -> None:
    scan = picture(tissue((8, 8))[..., 0])
    scan = replace(scan, acquisition=replace(scan.acquisition, photometric="MONOCHROME1"))
    with pytest.raises(ReadError) as caught:
        fed(scan, manifest(Windows(), channels=1))
    assert caught.value.reason is INVERTED
    assert fed(scan, manifest(Windows(), step("monochrome2"), channels=1))


def test_frames_are_no_picture() -> None:
    with pytest.raises(PackError) as caught:
        fed(phantom_scan((3, 8, 8)), manifest(Windows(), channels=1))
    assert caught.value.reason is MODEL_MISMATCH


def test_memory_does_not_grow_with_the_slide() -> None:
    """A slide of 30 GB, of which a hundred windows are fed: what is held is a few windows."""
    size = (100_000, 100_000)

    def read(_level: int, _y: int, _x: int, height: int, width: int) -> Array:
        return np.zeros((height, width, 3), np.uint8)

    grid = Grid.of_picture(*size)
    small = picture(np.zeros((10, 10, 3), np.uint8))
    scan = replace(small, slide=Slide(grid=grid, levels=(size,), read=read))
    tracemalloc.start()
    try:
        for number, _ in enumerate(prepare({"image": scan}, manifest(Windows(overlap=0.0), size=64)), start=1):
            if number == 100:
                break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
