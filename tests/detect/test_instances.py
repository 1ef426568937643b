"""Patches pasted into their boxes give the outline that was planted, on the source's own pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask, bring_mask, paste_patch
from edge.detect.layouts import BoxTensors, separate_boxes
from edge.detect.planted import BOXES, LABELS, MASKS, SCORES, boxes_net
from edge.geometry import Grid, Turn, slice_seen
from tests.detect.planting import fed, planted_scan, run
from tests.read.dicom_files import all_turns, canonical_grid, rotated

Array = NDArray[Any]
PICTURE = Grid.of_picture(40, 50)
NAMES = BoxTensors(boxes=BOXES, scores=SCORES, labels=LABELS, masks=MASKS)


def within(shape: tuple[int, int], box: tuple[int, int, int, int]) -> Array:
    """Ones in a box, zeros elsewhere."""
    mask = np.zeros(shape, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def uneven(height: int = 28, width: int = 28, seed: int = 0) -> Array:
    """Smooth probabilities without any symmetry."""
    y, x = np.mgrid[:height, :width]
    waves = np.sin(y / 4 + seed) + np.cos(x / 5 - seed) + y / height - x / width
    return np.asarray(1 / (1 + np.exp(-2 * waves)), np.float32)


def looked_up(patch: Array, box: tuple[float, float, float, float], y: float, x: float) -> float:
    """The patch at a point of the picture given as edges: linear between centres, zero beyond the border."""
    row = (y - box[0]) / (box[2] - box[0]) * patch.shape[0] - 0.5
    column = (x - box[1]) / (box[3] - box[1]) * patch.shape[1] - 0.5
    total = 0.0
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < patch.shape[0] and 0 <= j < patch.shape[1]:
                total += float(patch[i, j]) * (1 - abs(row - i)) * (1 - abs(column - j))
    return total


def test_a_patch_of_ones_fills_its_box_and_no_pixel_more() -> None:
    mask = paste_patch(np.ones((28, 28)), (3, 7, 21, 16), PICTURE, PICTURE)
    assert np.array_equal(mask.whole()[0], within((40, 50), (3, 7, 21, 16)))


def test_a_pixel_belongs_to_a_full_patch_where_its_centre_does() -> None:
    mask = paste_patch(np.ones((28, 28)), (3.4, 7.6, 21.4, 16.6), PICTURE, PICTURE)
    assert np.array_equal(mask.whole()[0], within((40, 50), (3, 8, 21, 17)))


@pytest.mark.parametrize(
    "box", [(3.0, 7.0, 31.0, 35.0), (2.3, 5.9, 33.7, 41.2), (10.5, 20.5, 13.0, 24.25), (-6.0, -9.5, 30.0, 70.0)]
)
def test_pasting_follows_the_aligned_rule(box: tuple[float, float, float, float]) -> None:
    patch = uneven()
    mask = paste_patch(patch, box, PICTURE, PICTURE).whole()[0]
    for y, x in np.ndindex(mask.shape):
        value = looked_up(patch, box, y + 0.5, x + 0.5)
        assert abs(value - 0.5) < 1e-5 or mask[y, x] == (value >= 0.5)
    assert 0 < mask.sum() < mask.size


@pytest.mark.parametrize("box", [(2.3, 5.9, 33.7, 41.2), (-6.0, -9.5, 30.0, 70.0)])
def test_pasting_is_what_torch_samples(box: tuple[float, float, float, float]) -> None:
    torch = pytest.importorskip("torch")
    patch = uneven(seed=3)
    y = (np.arange(40) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    x = (np.arange(50) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    places = torch.tensor(np.stack(np.broadcast_arrays(x[np.newaxis], y[:, np.newaxis]), axis=-1)[np.newaxis])
    sampled = torch.nn.functional.grid_sample(
        torch.tensor(patch[np.newaxis, np.newaxis], dtype=torch.float64), places, align_corners=False
    ).numpy()[0, 0]
    mask = paste_patch(patch, box, PICTURE, PICTURE).whole()[0]
    clear = np.abs(sampled - 0.5) > 1e-5
    assert np.array_equal(mask[clear], (sampled >= 0.5)[clear])


@pytest.mark.parametrize("box", [(2.3, 5.9, 33.7, 41.2), (12.6, 3.3, 18.4, 9.8)])
def test_below_half_a_coarse_patch_reaches_beyond_its_box(box: tuple[float, float, float, float]) -> None:
    patch = uneven()[::9, ::7]
    mask = paste_patch(patch, box, PICTURE, PICTURE, threshold=0.02).whole()[0]
    values = np.array([looked_up(patch, box, y + 0.5, x + 0.5) for y, x in np.ndindex(mask.shape)])
    assert np.array_equal(mask.ravel(), values >= 0.02)
    assert mask.sum() > (box[2] - box[0]) * (box[3] - box[1])


def test_a_lower_threshold_gives_a_larger_mask() -> None:
    sizes = [
        paste_patch(uneven(), (5, 5, 35, 45), PICTURE, PICTURE, threshold=threshold).pixels.sum()
        for threshold in (0.2, 0.5, 0.8)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize("turn", list(all_turns()), ids=str)
def test_on_a_turned_oblique_volume_the_outline_lies_on_the_scans_own_rows_and_columns(turn: Turn) -> None:
    straight = rotated(canonical_grid((5, 20, 24)))
    shape = np.zeros((6, 9), bool)
    shape[0, :] = shape[:, 2] = shape[5, 7] = True
    lesion = np.zeros(straight.shape, bool)
    lesion[3, 4:10, 8:17] = shape
    seen = straight.cropped((3, 0, 0), (1, 20, 24))
    source = turn.apply_grid(straight)
    mask = paste_patch(shape.astype(np.float32), (4, 8, 10, 17), seen, source)
    truth = turn.apply(lesion)
    across = turn.axes.index(0)
    assert mask.grid == slice_seen(source, seen)
    assert np.array_equal(mask.whole()[0], truth.max(axis=across))


def test_a_letterbox_is_undone_before_the_outline_is_cut() -> None:
    source = Grid.of_picture(60, 80)
    halved = source.resized((1, 30, 40)).cropped((0, -5, 0), (1, 40, 40))
    shape = np.kron(np.eye(3, dtype=bool), np.ones((4, 4), bool))
    mask = paste_patch(shape.astype(np.float32), (10, 6, 16, 12), halved, source)
    truth = np.zeros((60, 80), bool)
    truth[10:22, 12:24] = shape
    assert np.array_equal(mask.whole()[0], truth)


def test_only_the_part_around_the_detection_is_kept() -> None:
    mask = paste_patch(np.ones((28, 28)), (10, 20, 15, 24), Grid.of_picture(2000, 2000), Grid.of_picture(2000, 2000))
    assert mask.pixels.shape <= (8, 7)
    assert mask.start >= (9, 19)


def empty(mask: InstanceMask) -> bool:
    return not mask.whole().any() and mask.whole().shape == mask.grid.shape


@pytest.mark.parametrize("box", [(-30, 0, -5, 9), (41, 0, 50, 9), (5, 5, 5, 9), (5, 9, 9, 9)])
def test_of_what_is_not_on_the_source_there_is_no_pixel(box: tuple[int, int, int, int]) -> None:
    assert empty(paste_patch(np.ones((28, 28)), box, PICTURE, PICTURE))


def test_a_part_beyond_the_border_is_cut_off() -> None:
    mask = paste_patch(np.ones((28, 28)), (30, -4, 60, 9), PICTURE, PICTURE)
    assert np.array_equal(mask.whole()[0], within((40, 50), (30, 0, 40, 9)))


# Masks of the whole picture ------------------------------------------------------------------------------


def test_a_mask_of_the_whole_picture_is_itself() -> None:
    truth = within((40, 50), (3, 7, 21, 16)) | within((40, 50), (0, 0, 2, 50))
    assert np.array_equal(bring_mask(truth.astype(np.float32), PICTURE, PICTURE).whole()[0], truth)


def test_a_mask_that_reaches_the_border_reaches_it_at_any_scale() -> None:
    source = Grid.of_picture(80, 100)
    mask = bring_mask(within((40, 50), (20, 30, 40, 50)).astype(np.float32), source.resized((1, 40, 50)), source)
    assert np.array_equal(mask.whole()[0], within((80, 100), (40, 60, 80, 100)))


def test_of_a_cropped_picture_the_mask_holds_the_pixels_whose_centre_was_fed() -> None:
    source = Grid.of_picture(80, 100)
    cropped = source.resized((1, 33, 50)).cropped((0, 2, 0), (1, 19, 50))
    first, last = 2 * 80 / 33, 21 * 80 / 33
    centres = np.arange(80) + 0.5
    mask = bring_mask(np.ones((19, 50)), cropped, source).whole()[0]
    assert np.array_equal(mask.all(axis=1), (centres > first) & (centres < last))
    assert np.array_equal(mask.any(axis=1), mask.all(axis=1))


def test_cutting_out_the_part_that_is_not_zero_changes_nothing() -> None:
    source = Grid.of_picture(93, 71)
    part = np.zeros((40, 50), np.float32)
    part[6:30, 11:40] = uneven(24, 29)
    ground = part + np.float32(1e-9)  # not zero anywhere, so that nothing is cut out
    small, large = (bring_mask(values, source.resized((1, 40, 50)), source) for values in (part, ground))
    assert small.pixels.size < large.pixels.size
    assert np.array_equal(small.whole(), large.whole())


def test_of_a_mask_without_any_pixel_none_is_left() -> None:
    assert empty(bring_mask(np.zeros((40, 50)), PICTURE, PICTURE))


@pytest.mark.parametrize("whole_masks", [False, True])
def test_the_outline_of_a_planted_lesion_comes_back_on_its_pixels(whole_masks: bool) -> None:
    truths = [(0, 8, 12, 1, 24, 28), (0, 44, 40, 1, 60, 56)]
    scan = planted_scan((1, 64, 96), truths)
    steps = {"step": "letterbox", "height": 48, "width": 48, "interpolation": "area", "fill": 0.0}
    feed = fed(scan, 48, steps)
    given = separate_boxes(
        run(boxes_net((48, 48), (8,), whole_masks=whole_masks), feed.tensors["image"][0, 0]), NAMES, [0.5]
    )
    assert given.masks is not None
    masks = [
        bring_mask(mask, feed.grid, scan.grid) if whole_masks else paste_patch(mask, box, feed.grid, scan.grid)
        for mask, box in zip(given.masks, given.boxes, strict=True)
    ]
    assert len(masks) == 2
    assert np.array_equal(masks[0].whole() | masks[1].whole(), scan.voxels > 0)
