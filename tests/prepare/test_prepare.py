"""From a scan to the tensor that the manifest declares, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import CodedError, PackError, ReadError
from edge.pack.manifest import Manifest
from edge.prepare import Feed, prepare
from edge.scan import Scan
from edge.testing import phantom, phantom_scan, tiny_input, tiny_manifest
from tests.prepare.images import picture, scan_of, step

RESIZE = step("resize", height=4, width=4, interpolation="area")


def manifest_with(*steps: Mapping[str, object], channels: int = 1, **changes: object) -> Manifest:
    item = tiny_input(channels=channels, steps=steps)
    return tiny_manifest(inputs=(replace(item, **changes),))  # type: ignore[arg-type]


def feed_of(scan: Scan, manifest: Manifest) -> Feed:
    (feed,) = prepare({"image": scan}, manifest)
    return feed


def test_a_grey_picture_is_fed_as_batch_channel_row_column() -> None:
    scan = phantom_scan((1, 4, 4))
    tensor = feed_of(scan, manifest_with()).tensors["image"]
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert np.array_equal(tensor, scan.voxels[np.newaxis])


def test_a_colour_picture_is_fed_with_its_channels_where_the_manifest_wants_them() -> None:
    colours = np.stack([phantom((1, 4, 4), seed=seed) for seed in range(3)], axis=-1)
    scan = scan_of(colours, photometric="RGB")
    first = feed_of(scan, manifest_with(channels=3)).tensors["image"]
    assert np.array_equal(first, colours.transpose(0, 3, 1, 2))
    last = feed_of(scan, manifest_with(axes="NHWC", shape=(4, 4, 3))).tensors["image"]
    assert np.array_equal(last, colours)


def test_steps_are_applied_in_the_order_of_the_manifest() -> None:
    window, shift = step("window", center=500.0, width=100.0), step("rescale", low=0.0, high=2.0, clip=False)
    scan = phantom_scan((1, 4, 4))
    one = feed_of(scan, manifest_with(window, shift)).tensors["image"]
    other = feed_of(scan, manifest_with(shift, window)).tensors["image"]
    assert np.array_equal(one, ((scan.voxels[np.newaxis] - 500.0) / 100.0 + 0.5).clip(0, 1) / 2)
    assert not np.array_equal(one, other)


def test_the_feed_says_where_its_picture_lies_in_the_scan() -> None:
    scan = phantom_scan((1, 8, 16), spacing_mm=(0.5, 0.5))
    feed = feed_of(scan, manifest_with(step("center_square"), RESIZE))
    assert feed.grid.shape == (1, 4, 4)
    assert feed.grid.pixel_spacing_mm == (1.0, 1.0)
    assert (feed.grid.matrix @ [0, -0.5, -0.5, 1])[:2].tolist() == [4 * 0.5 - 0.25, -0.25]


def test_preparing_twice_gives_the_same_bytes() -> None:
    manifest = tiny_manifest()
    scan = phantom_scan((1, 99, 101))
    assert feed_of(scan, manifest).tensors["image"].tobytes() == feed_of(scan, manifest).tensors["image"].tobytes()


def code_of(scans: Mapping[str, Scan], manifest: Manifest) -> str:
    with pytest.raises(CodedError) as caught:
        list(prepare(scans, manifest))
    assert isinstance(caught.value, PackError)
    return caught.value.reason.code


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 5, 4), (2, 4, 4), (1, 1, 16)])
def test_steps_that_end_in_another_shape_than_declared_are_a_mismatch(shape: tuple[int, int, int]) -> None:
    assert code_of({"image": phantom_scan(shape)}, manifest_with()) == "P407"


def test_a_colour_picture_for_a_grey_model_is_a_mismatch() -> None:
    assert code_of({"image": scan_of(np.zeros((1, 4, 4, 3)))}, manifest_with()) == "P407"


@pytest.mark.parametrize("named", [{"step": "resise"}, {"step": 7}, {}, {"step": None}])
def test_a_step_that_is_none_is_refused_with_its_path(named: dict[str, object]) -> None:
    with pytest.raises(PackError, match=r"\$\.inputs\[0\]\.steps\[1\]\.step: found") as caught:
        feed_of(phantom_scan((1, 4, 4)), manifest_with(RESIZE, named))
    assert caught.value.reason.code == "P401"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["min_max", "z_score", "monochrome2"])
def test_what_is_no_number_never_reaches_the_model(name: str, bad: float) -> None:
    voxels = picture(np.arange(16.0).reshape(4, 4))
    voxels[0, 1, 2] = bad
    with (
        pytest.raises(ReadError, match="values that are no numbers") as caught,
        np.errstate(invalid="ignore"),
    ):
        feed_of(
            scan_of(voxels, photometric="MONOCHROME1" if name == "monochrome2" else "MONOCHROME2"),
            manifest_with(step(name)),
        )
    assert caught.value.reason.code == "C717"


def test_what_is_no_number_and_is_cut_away_does_no_harm() -> None:
    voxels = np.ones((1, 4, 6), np.float32)
    voxels[0, :, 0] = np.nan
    assert np.all(feed_of(scan_of(voxels), manifest_with(step("center_square"))).tensors["image"] == 1.0)
