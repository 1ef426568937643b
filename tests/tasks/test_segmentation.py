"""Segmentation: a planted shape comes back on the pixels that it was planted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Segmentation, state_of
from edge.geometry import Grid
from edge.pack.manifest import Manifest
from edge.prepare import prepare
from edge.scan import Scan
from edge.tasks import conclude
from edge.testing import phantom_scan, tiny_manifest, tiny_segmentation
from tests.tasks.models import feed_of, label, segmented, with_task

Array = NDArray[Any]


def step(name: str, **options: object) -> dict[str, object]:
    return {"step": name, **options}


def resize(size: int) -> dict[str, object]:
    return step("resize", height=size, width=size, interpolation="area")


def bright_square(shape: tuple[int, int], box: tuple[int, int, int, int], **options: Any) -> Scan:
    """A black picture with a white box: first row, first column, last row, last column."""
    scan = phantom_scan((1, *shape), **options)
    voxels = np.zeros((1, *shape), np.uint8)
    voxels[0, box[0] : box[2] + 1, box[1] : box[3] + 1] = 255
    return replace(scan, voxels=voxels, value_range=(0.0, 255.0))


def manifest_with(*steps: dict[str, object], size: int = 16, threshold: float = 0.5, **changes: Any) -> Manifest:
    task = replace(tiny_segmentation(), **changes)
    thresholds = {} if task.activation == "softmax" else {item.name: threshold for item in task.labels if item.finding}
    return with_task(task, thresholds, steps=steps, size=size)


def logit_of_brightness(scan: Scan, manifest: Manifest) -> Array:
    """What a model that marks bright pixels would give for what it is fed, (1, h, w)."""
    (feed,) = prepare({"image": scan}, manifest)
    return np.asarray(20.0 * (feed.tensors["image"][0] - 0.5))


def found_in(scan: Scan, manifest: Manifest) -> Segmentation:
    return segmented(manifest, logit_of_brightness(scan, manifest), scan)


def test_a_mask_on_the_models_own_grid_is_exact() -> None:
    scan = bright_square((16, 16), (3, 5, 8, 12))
    found = found_in(scan, manifest_with(step("voi_window")))
    assert np.array_equal(found.mask(0), scan.voxels == 255)
    assert found.mask(0).dtype == np.bool_
    assert found.grid == scan.grid
    (region,) = found.regions
    assert region.box == (3, 5, 8, 12)
    assert region.pixels == 6 * 8
    assert region.share == 48 / 256
    assert region.positive
    assert region.urgency == "routine"
    assert state_of(found) == "finding"


@pytest.mark.parametrize(
    ("shape", "steps"),
    [
        ((64, 64), [resize(16)]),
        ((64, 32), [resize(16)]),
        ((64, 32), [step("letterbox", height=16, width=16, interpolation="area")]),
        ((32, 64), [step("letterbox", height=16, width=16, interpolation="area")]),
        ((64, 64), [step("center_square"), resize(16)]),
    ],
    ids=["resize", "squeeze", "letterbox-tall", "letterbox-wide", "square"],
)
def test_a_square_comes_back_on_its_own_pixels(shape: tuple[int, int], steps: list[dict[str, object]]) -> None:
    scan = bright_square(shape, (8, 12, 23, 27))
    found = found_in(scan, manifest_with(step("voi_window"), *steps))
    assert found.mask(0).shape == (1, *shape)
    true = scan.voxels == 255
    assert found.regions[0].box == (8, 12, 23, 27)
    # Scores are brought back linearly, so that corners are a little round.
    assert (found.mask(0) & true).sum() / (found.mask(0) | true).sum() > 0.95


def test_what_was_cropped_away_has_no_label() -> None:
    scan = bright_square((64, 32), (0, 0, 63, 31))
    found = found_in(scan, manifest_with(step("voi_window"), step("center_square"), resize(16)))
    rows = np.flatnonzero(found.mask(0)[0].any(axis=1))
    assert (rows.min(), rows.max()) == (16, 47)
    assert found.regions[0].pixels == 32 * 32


def test_what_the_model_did_not_see_has_no_label_though_any_score_would_do() -> None:
    manifest = manifest_with(step("center_square"), resize(16), threshold=0.0)
    found = segmented(manifest, np.full((1, 16, 16), -9.0), phantom_scan((1, 64, 32)))
    assert found.regions[0].pixels == 32 * 32


def test_padding_adds_no_pixels_to_a_mask() -> None:
    scan = bright_square((32, 64), (0, 0, 31, 63))
    manifest = manifest_with(step("voi_window"), step("letterbox", height=16, width=16, interpolation="area"))
    everywhere = segmented(manifest, np.full((1, 16, 16), 9.0), scan)
    assert everywhere.mask(0).all()
    assert everywhere.regions[0].share == 1.0


def test_a_monochrome1_picture_is_marked_where_it_is_shown_bright() -> None:
    scan = bright_square((16, 16), (3, 5, 8, 12))
    negative = replace(scan, voxels=255 - scan.voxels, acquisition=replace(scan.acquisition, photometric="MONOCHROME1"))
    manifest = manifest_with(step("monochrome2"), step("voi_window"))
    assert np.array_equal(found_in(negative, manifest).mask(0), scan.voxels == 255)


@pytest.mark.parametrize("size", [4, 32])
def test_a_model_may_answer_in_another_resolution_than_it_was_asked(size: int) -> None:
    scan = bright_square((16, 16), (4, 8, 11, 15))
    scores = np.full((1, size, size), -9.0)
    scores[0, size // 4 : 3 * size // 4, size // 2 :] = 9.0
    found = segmented(manifest_with(), scores, scan)
    true = scan.voxels == 255
    assert (found.mask(0) & true).sum() / (found.mask(0) | true).sum() > 0.9


# Which voxels of a volume --------------------------------------------------------------------------------


def test_of_frames_the_one_that_was_seen_is_marked() -> None:
    frames = phantom_scan((5, 16, 16))
    manifest = manifest_with(step("select_frame", at=1.0))
    scores = np.full((1, 16, 16), -9.0)
    scores[0, 2, 3] = 9.0
    found = segmented(manifest, scores, frames)
    assert found.mask(0).shape == (1, 16, 16)
    assert np.argwhere(found.mask(0)).tolist() == [[0, 2, 3]]
    assert (found.grid.matrix @ [0, 0, 0, 1])[2] == 4.0


def test_a_slice_across_the_stored_axes_has_rows_columns_and_area_of_its_own() -> None:
    # Stored sagittally: index z goes to the left, y to the head, x to the back.
    sagittal = np.array([[3.0, 0, 0, 0], [0, 0, 0.5, 0], [0, 0.25, 0, 0], [0, 0, 0, 1]])
    scan = replace(phantom_scan((1, 2, 2)), voxels=np.zeros((6, 4, 5), np.int16), stack="volume")
    scan = replace(scan, grid=Grid.of((6, 4, 5), sagittal, "patient"))
    manifest = with_task(tiny_segmentation(), {"bright": 0.5}, steps=[step("orient"), step("select_frame", at=0.0)])
    item = replace(manifest.inputs[0], shape=(1, 5, 6))
    manifest = replace(manifest, inputs=(item,))
    assert feed_of(scan, manifest).tensors["image"].shape == (1, 1, 5, 6)  # rows to the back, columns to the left
    scores = np.full((1, 5, 6), -9.0)
    scores[0, 1, 4] = 9.0
    found = segmented(manifest, scores, scan)
    assert found.mask(0).shape == (1, 6, 5)
    assert np.argwhere(found.mask(0)).tolist() == [[0, 4, 1]]
    assert found.regions[0].box == (4, 1, 4, 1)
    assert found.regions[0].area_mm2 == pytest.approx(3.0 * 0.5)


# Areas, thresholds and labels ----------------------------------------------------------------------------


def test_an_area_is_that_of_the_sources_own_unequal_pixels() -> None:
    scan = bright_square((32, 64), (8, 16, 15, 23), spacing_mm=(0.5, 0.2))
    found = found_in(scan, manifest_with(step("voi_window"), step("center_crop_or_pad", height=32, width=32), size=32))
    assert found.regions[0].pixels == 64
    assert found.regions[0].area_mm2 == pytest.approx(64 * 0.5 * 0.2)


def test_no_area_is_told_where_the_size_of_a_pixel_is_unknown() -> None:
    scan = bright_square((16, 16), (3, 5, 8, 12))
    assert found_in(scan, manifest_with(step("voi_window"))).regions[0].area_mm2 is None


@pytest.mark.parametrize(("least", "positive"), [(48, True), (49, False)])
def test_fewer_pixels_than_the_least_are_no_finding(least: int, positive: bool) -> None:
    scan = bright_square((16, 16), (3, 5, 8, 12))
    found = found_in(scan, manifest_with(step("voi_window"), least_pixels=least))
    assert found.regions[0].pixels == 48
    assert found.regions[0].positive is positive
    assert (found.regions[0].urgency is not None) is positive
    assert state_of(found) == ("finding" if positive else "no-finding")


def test_a_label_without_any_pixel_has_no_box() -> None:
    found = segmented(manifest_with(), np.full((1, 16, 16), -9.0), phantom_scan((1, 16, 16)))
    (region,) = found.regions
    assert (region.box, region.pixels, region.share, region.positive) == (None, 0, 0.0, False)


def test_a_score_that_reaches_its_threshold_exactly_belongs_to_the_label() -> None:
    logits = np.zeros((1, 16, 16), np.float32)
    logits[0, 0, 0] = -1e-3
    found = segmented(manifest_with(), logits, phantom_scan((1, 16, 16)))
    assert found.regions[0].pixels == 255


def test_labels_with_sigmoid_scores_may_overlap_and_have_their_own_thresholds() -> None:
    task = tiny_segmentation(names=("lung", "lesion"))
    manifest = with_task(task, {"lung": 0.5, "lesion": 0.9}, size=16)
    logits = np.full((2, 16, 16), -9.0)
    logits[0, :8], logits[1, 4:12], logits[1, 12:] = 1.0, 3.0, 1.0
    found = segmented(manifest, logits, phantom_scan((1, 16, 16)))
    assert [region.pixels for region in found.regions] == [128, 128]
    assert (found.mask(0) & found.mask(1)).sum() == 64
    assert [region.threshold for region in found.regions] == [0.5, 0.9]


def test_a_label_that_is_no_finding_needs_no_threshold() -> None:
    task = replace(tiny_segmentation(), labels=(label("lung", finding=False),))
    found = segmented(with_task(task, {}, size=16), np.full((1, 16, 16), 9.0), phantom_scan((1, 16, 16)))
    assert found.regions[0].positive
    assert found.regions[0].urgency is None
    assert found.regions[0].threshold is None
    assert state_of(found) == "done"


def test_with_softmax_every_pixel_belongs_to_one_label_or_to_the_background() -> None:
    manifest = manifest_with(activation="softmax", labels=(label("lung"), label("heart")))
    logits = np.zeros((3, 16, 16))
    logits[0, :4], logits[1, 4:10], logits[2, 10:] = 5.0, 5.0, 5.0
    found = segmented(manifest, logits, phantom_scan((1, 16, 16)))
    assert [region.pixels for region in found.regions] == [6 * 16, 6 * 16]
    assert not (found.mask(0) & found.mask(1)).any()
    assert not found.codes[0, :4].any()


def test_a_small_lead_over_the_background_is_enough_for_softmax() -> None:
    manifest = manifest_with(activation="softmax", labels=(label("lung"), label("heart")))
    logits = np.zeros((3, 16, 16))
    logits[1, 0, 0] = 0.01
    found = segmented(manifest, logits, phantom_scan((1, 16, 16)))
    assert np.argwhere(found.mask(0)).tolist() == [[0, 0, 0]]


def test_scores_that_the_graph_made_itself_are_taken_as_they_are() -> None:
    logits = np.linspace(-4, 4, 16).reshape(4, 4)
    scan = phantom_scan((1, 4, 4), values=logits.ravel().tolist())
    said = [
        conclude(
            [(next(iter(prepare({"image": scan}, manifest))), {"scores": values[np.newaxis, np.newaxis]})],
            {"image": scan}, manifest, manifest.models[0],
        )
        for manifest, values in (
            (manifest_of("sigmoid"), logits.astype(np.float32)),
            (manifest_of("none"), (1 / (1 + np.exp(-logits))).astype(np.float32)),
        )
    ]  # fmt: skip
    assert isinstance(said[0], Segmentation)
    assert isinstance(said[1], Segmentation)
    assert np.array_equal(said[0].mask(0), said[1].mask(0))
    assert 0 < said[0].mask(0).sum() < 16


def manifest_of(activation: str) -> Manifest:
    return tiny_manifest(task=tiny_segmentation(activation=activation))
