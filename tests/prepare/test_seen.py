"""How much of a scan a model sees."""

from __future__ import annotations

import numpy as np
import pytest

from edge.geometry import Grid, Turn
from edge.prepare import prepare
from edge.prepare.seen import seen_share
from edge.testing import phantom_scan, tiny_input, tiny_manifest
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated

GRID = rotated(canonical_grid((8, 9, 10)))


@pytest.mark.parametrize("turn", list(all_turns())[::7])
def test_a_turned_scan_is_seen_whole(turn: Turn) -> None:
    assert seen_share(turn.apply_grid(GRID), GRID) == 1.0


@pytest.mark.parametrize(
    ("start", "shape", "share"),
    [
        ((0, 0, 0), (4, 9, 10), 0.5),
        ((2, 0, 0), (4, 9, 5), 0.25),
        ((-3, -3, -3), (20, 20, 20), 1.0),
        ((8, 0, 0), (4, 9, 10), 0.0),
    ],
)
def test_a_box_of_a_scan_is_seen_as_far_as_it_goes(
    start: tuple[int, int, int], shape: tuple[int, int, int], share: float
) -> None:
    assert seen_share(GRID.cropped(start, shape), GRID) == pytest.approx(share)


def test_another_spacing_of_the_same_extent_sees_all() -> None:
    assert seen_share(GRID.resized((3, 30, 7)), GRID) == 1.0


def test_half_of_a_long_axis_is_half() -> None:
    long = Grid.of((1000, 4, 4), np.eye(4), "patient")
    assert seen_share(long.cropped((500, 0, 0), (500, 4, 4)), long) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("steps", "share"),
    [
        ([], 1.0),
        ([step("center_square")], 0.5),
        ([step("center_crop_or_pad", height=4, width=4)], 16 / 128),
        ([step("letterbox", height=8, width=8, interpolation="area")], 1.0),
    ],
)
def test_a_feed_tells_what_its_steps_cut_away(steps: list[dict[str, object]], share: float) -> None:
    resized = step("resize", height=4, width=4, interpolation="area")
    manifest = tiny_manifest(inputs=(tiny_input(steps=[*steps, resized]),))
    (feed,) = prepare({"image": phantom_scan((1, 8, 16))}, manifest)
    assert feed.seen == pytest.approx({"image": share})
