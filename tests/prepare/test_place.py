"""Steps that move voxels, each against what it should give."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.errors import PackError
from edge.geometry import Interpolation, resample
from edge.testing import phantom
from tests.prepare.images import apply, picture, scan_of, step, volume_scan

COUNTING = picture(np.arange(20).reshape(4, 5))


@pytest.mark.parametrize(
    ("count", "at", "index"),
    [(5, 0.5, 2), (4, 0.5, 2), (5, 0.0, 0), (5, 1.0, 4), (1, 0.5, 0), (1, 1.0, 0), (4, 0.26, 1)],
)
def test_a_frame_is_selected_by_its_share_of_the_way(count: int, at: float, index: int) -> None:
    voxels = np.arange(count, dtype=np.int16).repeat(6).reshape(count, 2, 3)
    image = apply(scan_of(voxels), step("select_frame", at=at))
    assert image.voxels.shape == (1, 2, 3)
    assert np.all(image.voxels == index)
    assert (image.grid.matrix @ [0, 0, 0, 1])[2] == index


def test_a_sagittal_volume_is_turned_so_that_z_rises_to_the_head() -> None:
    sagittal = np.array([[5.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2], [0, 0, 0, 1]])
    voxels = phantom((2, 3, 4))
    image = apply(volume_scan(voxels, sagittal), step("orient"))
    assert np.array_equal(image.voxels, voxels.transpose(1, 2, 0)[::-1])
    assert np.allclose(image.grid.matrix[:3, :3], [[0, 0, 5], [0, 1, 0], [1, 0, 0]])


def test_the_middle_square_gives_up_one_more_pixel_at_the_top_or_left() -> None:
    assert apply(scan_of(COUNTING), step("center_square")).voxels[0].tolist() == [
        [1, 2, 3, 4],
        [6, 7, 8, 9],
        [11, 12, 13, 14],
        [16, 17, 18, 19],
    ]


def test_of_a_tall_picture_too_the_first_row_is_given_up_first() -> None:
    tall = picture(np.arange(10).reshape(5, 2))
    assert apply(scan_of(tall), step("center_square")).voxels[0].tolist() == [[4, 5], [6, 7]]


def test_cropping_and_padding_may_happen_at_once() -> None:
    image = apply(scan_of(COUNTING), step("center_crop_or_pad", height=2, width=7, fill=-1.0))
    assert image.voxels[0].tolist() == [[-1, 5, 6, 7, 8, 9, -1], [-1, 10, 11, 12, 13, 14, -1]]


def test_padding_bytes_with_air_of_a_ct_stays_air() -> None:
    image = apply(scan_of(picture([[7]], "uint8")), step("center_crop_or_pad", height=1, width=3, fill=-1024.0))
    assert image.voxels.ravel().tolist() == [-1024, 7, -1024]


def test_area_averages_every_pixel_once() -> None:
    voxels = phantom((2, 8, 12))
    image = apply(scan_of(voxels), step("resize", height=4, width=3, interpolation="area"))
    wanted = voxels.reshape(2, 4, 2, 3, 4).mean(axis=(2, 4))
    assert image.voxels.dtype == np.float32
    assert np.allclose(image.voxels, wanted, rtol=1e-6)


def test_area_averages_also_where_the_other_side_grows() -> None:
    scan = scan_of(picture([[0, 30], [10, 40], [20, 50]]))
    image = apply(scan, step("resize", height=1, width=4, interpolation="area"))
    assert image.voxels.ravel().tolist() == [10, 10, 40, 40]


def test_linear_takes_pixel_centres_at_half() -> None:
    image = apply(scan_of(picture([[0, 10, 20, 30]])), step("resize", height=1, width=2, interpolation="linear"))
    assert image.voxels.ravel().tolist() == [5.0, 25.0]


@pytest.mark.parametrize("size", [(3, 5), (9, 16), (6, 8)])
@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
def test_resizing_is_the_same_as_resampling_to_the_grid_that_the_step_says(
    interpolation: Interpolation, size: tuple[int, int]
) -> None:
    scan = scan_of(phantom((1, 6, 8)))
    image = apply(scan, step("resize", height=size[0], width=size[1], interpolation=interpolation))
    wanted = resample(scan.voxels, scan.grid, image.grid, interpolation=interpolation)
    differ = np.abs(image.voxels - wanted) > 1e-2
    # Where a centre lies exactly between two pixels, either is the nearest one.
    assert differ.sum() <= (0 if interpolation == "linear" else differ.size // 4)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (5, 5), (1, 9), (9, 1), (50, 2)])
def test_a_letterbox_keeps_the_aspect_and_centres_the_picture(shape: tuple[int, int]) -> None:
    scan = scan_of(np.ones((1, *shape), np.uint8))
    image = apply(scan, step("letterbox", height=20, width=20, interpolation="linear", fill=-2.0))
    rows, columns = np.nonzero(image.voxels[0] > 0)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    scale = min(20 / shape[0], 20 / shape[1])
    assert max(height, width) == 20
    assert (height, width) == (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    assert abs(rows.min() - (19 - rows.max())) <= 1
    assert abs(columns.min() - (19 - columns.max())) <= 1
    assert (image.voxels == -2.0).sum() == 400 - height * width


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (101, 37), (64, 64)])
def test_a_letterbox_is_undone_exactly(shape: tuple[int, int]) -> None:
    scan = scan_of(np.ones((1, *shape), np.float32))
    image = apply(scan, step("letterbox", height=64, width=64, interpolation="area", fill=0.0))
    inside = image.voxels[0] > 0.5
    back = np.linalg.solve(scan.grid.matrix, image.grid.matrix)
    rows, columns = np.nonzero(inside)
    first = back @ [0, rows.min() - 0.5, columns.min() - 0.5, 1]
    last = back @ [0, rows.max() + 0.5, columns.max() + 0.5, 1]
    assert np.allclose(first[1:3], (-0.5, -0.5), atol=1e-9)
    assert np.allclose(last[1:3], (shape[0] - 0.5, shape[1] - 0.5), atol=1e-9)
    assert np.allclose(resample(image.voxels, image.grid, scan.grid, interpolation="nearest"), 1.0)


@pytest.mark.parametrize(
    "named",
    [
        step("resize", height=5, width=6, interpolation="linear"),
        step("letterbox", height=9, width=9, interpolation="area", fill=1.0),
        step("center_square"),
        step("center_crop_or_pad", height=3, width=20, fill=2.0),
        step("orient"),
        step("select_frame", at=1.0),
    ],
    ids=lambda item: str(item["step"]),
)
def test_every_channel_of_a_colour_picture_is_moved_alike(named: dict[str, object]) -> None:
    channels = [phantom((2, 8, 11), seed=seed) for seed in range(3)]
    together = apply(scan_of(np.stack(channels, axis=-1), photometric="RGB"), named)
    for index, channel in enumerate(channels):
        assert np.array_equal(together.voxels[..., index], apply(scan_of(channel), named).voxels)


def test_a_colour_picture_of_one_pixel_keeps_its_axes() -> None:
    image = apply(scan_of(np.ones((1, 1, 1, 3), np.uint8)), step("resize", height=1, width=1, interpolation="area"))
    assert image.voxels.shape == (1, 1, 1, 3)


def test_turned_voxels_can_be_resized() -> None:
    turned = np.diag([1.0, -1.0, -1.0, 1.0])[[2, 1, 0, 3]]
    scan = volume_scan(phantom((1, 6, 8)), turned)
    image = apply(scan, step("orient"), step("resize", height=3, width=4, interpolation="area"))
    wanted = cv2.resize(
        np.ascontiguousarray(scan.voxels[0, ::-1, ::-1], np.float32), (4, 3), interpolation=cv2.INTER_AREA
    )
    assert np.array_equal(image.voxels[0], wanted)


@pytest.mark.parametrize(
    ("named", "path"),
    [
        (step("resize", height=0, width=4, interpolation="area"), "height"),
        (step("resize", height=4, width=4.5, interpolation="area"), "width"),
        (step("resize", height=4, width=4, interpolation="bilinear"), "interpolation"),
        (step("resize", height=4, width=4), "interpolation"),
        (step("select_frame", at=1.5), "at"),
        (step("letterbox", height=True, width=4, interpolation="area"), "height"),
        (step("center_crop_or_pad", height=4, width=4, fill="black"), "fill"),
    ],
)
def test_an_impossible_option_is_refused_with_its_path(named: dict[str, object], path: str) -> None:
    with pytest.raises(PackError, match=rf"\$\.inputs\[0\]\.steps\[0\]\.{path}: ") as caught:
        apply(scan_of(COUNTING), named)
    assert caught.value.reason.code == "P401"
