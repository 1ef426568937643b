"""Detection: planted lesions are found on the voxels on which they were planted, whatever the steps did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.planted import DETECTIONS, LABELS, MASKS, SCORES, boxes_net, one_per_label_net, painted, yolov5_net
from edge.errors import EngineError, PackError
from edge.findings import Detections, state_of
from edge.geometry import Turn
from edge.pack.manifest import DetectionTask, Manifest, Windows
from edge.pipeline import examine
from edge.prepare import prepare
from edge.reasons import BAD_MANIFEST
from edge.scan import Scan
from edge.tasks import conclude
from edge.testing import FakeEngine, phantom_scan, tiny_input
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import answered, label, model_of, volume_input, volume_of, with_task
from tests.tasks.nets import findings

Array = NDArray[Any]
Layout = Literal["yolov5", "anchor-free", "boxes", "one-per-label"]
TURNS = list(all_turns())
SMALL, LARGE = label("small"), label("large")
LETTERBOX = step("letterbox", height=32, width=32, interpolation="area")


def manifest_of(
    layout: Layout, *steps: Mapping[str, object], size: int = 32, least: float = 0.5, **changes: Any
) -> Manifest:
    """Small and large squares on a picture of `size` pixels."""
    named = {"output": DETECTIONS}
    if layout == "boxes":
        named = {"output": "boxes", "scores_output": SCORES, "labels_output": LABELS, "masks_output": MASKS}
    task = DetectionTask(kind="detection", layout=layout, activation="none", labels=(SMALL, LARGE), **named)  # type: ignore[arg-type]
    limits = {"small": least, "large": least}
    return with_task(replace(task, **changes), limits, steps=[step("voi_window"), *steps], size=size)


def picture_of(shape: tuple[int, int], boxes: Sequence[Sequence[int]], **options: Any) -> Scan:
    scan = phantom_scan((1, *shape), **options)
    return replace(scan, voxels=painted(shape, boxes)[np.newaxis], value_range=(0.0, 255.0))


def detected(scan: Scan, manifest: Manifest, net: bytes) -> Detections:
    found = findings({"image": scan}, manifest, net)
    assert isinstance(found, Detections)
    return found


def edges(found: Detections) -> dict[str, list[tuple[float, ...]]]:
    """Of the boxes of each label, in the order of their places."""
    names = sorted({box.name for box in found.boxes})
    return {name: sorted(box.place.edges for box in found.boxes if box.name == name) for name in names}


@pytest.mark.parametrize("layout", ["yolov5", "boxes"])
def test_squares_are_found_on_their_own_pixels_each_with_its_label(layout: Layout) -> None:
    scan = picture_of((32, 32), [(3, 4, 6, 7), (20, 10, 25, 15)])
    net = yolov5_net((32, 32), (3, 5)) if layout == "yolov5" else boxes_net((32, 32), (3, 5))
    found = detected(scan, manifest_of(layout), net)
    assert edges(found) == {"small": [(0, 3, 4, 1, 6, 7)], "large": [(0, 20, 10, 1, 25, 15)]}
    assert all(box.score == pytest.approx(1.0, abs=1e-5) and box.threshold == 0.5 for box in found.boxes)
    assert [(item.name, item.finding) for item in found.labels] == [("small", True), ("large", True)]
    assert state_of(found) == "finding"


def test_masks_lie_on_the_pixels_of_the_source() -> None:
    scan = picture_of((64, 64), [(8, 12, 14, 18), (40, 20, 50, 30)])
    steps = step("resize", height=32, width=32, interpolation="area")
    for whole in (False, True):
        found = detected(scan, manifest_of("boxes", steps), boxes_net((32, 32), (3, 5), whole_masks=whole))
        masks = [box.mask.whole() for box in found.boxes if box.mask is not None]
        assert len(masks) == 2
        assert np.array_equal(sum(masks), scan.voxels > 0)


@pytest.mark.parametrize("shape", [(64, 32), (32, 64), (64, 64), (96, 48)])
def test_the_letterbox_is_undone(shape: tuple[int, int]) -> None:
    scale = max(shape) // 32
    box = (8 * scale, 4 * scale, 11 * scale, 7 * scale)
    scan = picture_of(shape, [box], spacing_mm=(0.5, 0.25))
    found = detected(scan, manifest_of("yolov5", LETTERBOX), yolov5_net((32, 32), (3, 5)))
    (one,) = found.boxes
    assert one.place.edges == pytest.approx((0, *box[:2], 1, *box[2:]), abs=1e-6)
    assert one.place.size_mm == pytest.approx((None, 3 * scale * 0.5, 3 * scale * 0.25))


def test_a_box_in_the_padding_is_left_out() -> None:
    scan = picture_of((16, 32), [(4, 4, 7, 7)])
    beside = np.zeros((1, 2, 7), np.float32)
    beside[0, :, :5] = [[16, 2, 4, 4, 1], [16, 16, 4, 4, 1]]  # middles and sizes; the first in the bar above
    beside[0, :, 5] = 1.0
    found = answered(manifest_of("yolov5", LETTERBOX), {"image": scan}, lambda _: {DETECTIONS: beside})
    assert isinstance(found, Detections)
    assert [box.place.edges for box in found.boxes] == [(0.0, 6.0, 14.0, 1.0, 10.0, 18.0)]
    assert found.outside == 1


def test_what_is_left_out_is_warned_of_with_its_count() -> None:
    scan = picture_of((16, 32), [(4, 4, 7, 7)])
    engine = FakeEngine(lambda _: {DETECTIONS: given}, outputs=[DETECTIONS])
    manifest = manifest_of("yolov5", LETTERBOX)
    given = np.zeros((1, 3, 7), np.float32)
    given[0, :, :5] = [[16, 2, 4, 4, 1], [16, 30, 3, 3, 1], [16, 16, 4, 4, 1]]
    given[0, :, 5] = 1.0
    (warning,) = examine({"image": scan}, manifest, model_of(manifest), engine).warnings
    assert (warning.reason.code, warning.detail) == ("C732", "2 left out, 1 kept.")
    given = given[:, 2:]
    assert examine({"image": scan}, manifest, model_of(manifest), engine).warnings == ()


@pytest.mark.parametrize(("most", "expected"), [(1, [("C734", "The surest 1 are kept.")]), (2, [])])
def test_more_boxes_than_the_pack_keeps_are_warned_of(most: int, expected: list[tuple[str, str]]) -> None:
    given = np.zeros((1, 2, 7), np.float32)
    given[0] = [[10, 10, 8, 8, 0.9, 1, 0], [24, 24, 8, 8, 0.7, 1, 0]]
    engine = FakeEngine(lambda _: {DETECTIONS: given}, outputs=[DETECTIONS])
    manifest = manifest_of("yolov5", most=most)
    scan = picture_of((32, 32), [(1, 1, 2, 2)])
    examination = examine({"image": scan}, manifest, model_of(manifest), engine)
    assert isinstance(examination.findings, Detections)
    assert len(examination.findings.boxes) == most
    assert [(warning.reason.code, warning.detail) for warning in examination.warnings] == expected


# Windows -------------------------------------------------------------------------------------------------


def windowed(overlap: float = 0.5, **changes: Any) -> Manifest:
    """Windows of 16 x 16 pixels, each as it is."""
    scaled = step("rescale", low=0.0, high=255.0)
    made = manifest_of("yolov5", windows=Windows(overlap=overlap), **changes)
    return replace(made, inputs=(tiny_input(size=16, steps=[scaled]),))


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.75])
def test_squares_of_a_large_picture_are_each_found_once(overlap: float) -> None:
    boxes = [(y, x, y + 3, x + 3) for y, x in ((1, 1), (8, 20), (14, 14), (30, 44), (40, 30))]
    scan = picture_of((45, 50), boxes)
    found = detected(scan, windowed(overlap), yolov5_net((16, 16), (3, 5)))
    assert edges(found)["small"] == [(0, *box[:2], 1, *box[2:]) for box in sorted(boxes)]
    assert found.grid.shape == (1, 45, 50)


@pytest.mark.parametrize(("most", "more"), [(2, True), (3, False)])
def test_more_in_the_windows_than_the_pack_keeps_is_told(most: int, more: bool) -> None:
    scan = picture_of((45, 50), [(1, 1, 4, 4), (14, 14, 17, 17), (40, 30, 43, 33)])
    found = detected(scan, windowed(most=most), yolov5_net((16, 16), (3, 5)))
    assert (len(found.boxes), found.more) == (most, more)


def test_windows_at_another_resolution_give_boxes_on_the_pictures_own_pixels() -> None:
    scan = picture_of((90, 100), [(20, 40, 26, 46)], spacing_mm=(0.5, 0.5))
    made = windowed()
    coarser = step("resample", spacing_mm=[1.0, 1.0, 1.0])
    made = replace(made, inputs=(replace(made.inputs[0], steps=(coarser, *made.inputs[0].steps)),))
    (box,) = detected(scan, made, yolov5_net((16, 16), (3, 5))).boxes
    assert box.place.edges == pytest.approx((0, 20, 40, 1, 26, 46))
    assert box.place.size_mm == pytest.approx((None, 3.0, 3.0))


def test_a_model_that_did_not_see_every_window_gives_no_answer() -> None:
    made = windowed()
    scans = {"image": picture_of((45, 50), [])}
    nothing = {DETECTIONS: np.zeros((1, 1, 7), np.float32)}
    results = [(feed, nothing) for feed in prepare(scans, made)][:-1]
    with pytest.raises(EngineError, match="expected once a window"):
        conclude(results, scans, made, model_of(made))


@pytest.mark.parametrize(("least", "names"), [(0.4, ["large", "small"]), (0.8, ["large"]), (0.95, [])])
def test_only_scores_that_reach_the_threshold_count_the_highest_first(least: float, names: list[str]) -> None:
    given = np.zeros((1, 2, 7), np.float32)
    given[0, 0] = [8, 8, 4, 4, 0.5, 1.0, 0.0]
    given[0, 1] = [20, 20, 4, 4, 0.9, 0.0, 1.0]
    scans = {"image": picture_of((32, 32), [(1, 1, 2, 2)])}
    found = answered(manifest_of("yolov5", least=least), scans, lambda _: {DETECTIONS: given})
    assert isinstance(found, Detections)
    assert [box.name for box in found.boxes] == names
    assert state_of(found) == ("finding" if names else "no-finding")


def test_overlapping_boxes_of_a_label_become_the_surest_and_no_more_than_the_most() -> None:
    given = np.zeros((1, 3, 7), np.float32)
    given[0] = [[10, 10, 8, 8, 0.9, 1, 0], [11, 10, 8, 8, 0.8, 1, 0], [24, 24, 8, 8, 0.7, 1, 0]]
    scans = {"image": picture_of((32, 32), [(1, 1, 2, 2)])}
    for most, expected in ((300, 2), (1, 1)):
        found = answered(manifest_of("yolov5", most=most), scans, lambda _: {DETECTIONS: given})
        assert isinstance(found, Detections)
        assert len(found.boxes) == expected
        assert found.boxes[0].place.edges == (0, 6, 6, 1, 14, 14)


def test_a_label_that_is_no_finding_is_found_at_half_and_has_no_urgency() -> None:
    manifest = manifest_of("yolov5", labels=(SMALL, label("large", finding=False)))
    limits = {"small": manifest.models[0].thresholds["small"]}
    manifest = replace(manifest, models=(replace(manifest.models[0], thresholds=limits),))
    found = detected(picture_of((32, 32), [(20, 10, 25, 15)]), manifest, yolov5_net((32, 32), (3, 5)))
    (one,) = found.boxes
    assert (one.name, one.threshold, one.urgency, one.finding) == ("large", None, None, False)
    assert state_of(found) == "no-finding"


def test_the_layout_of_separate_boxes_needs_its_tensors() -> None:
    broken = manifest_of("boxes", scores_output=None)
    with pytest.raises(PackError) as caught:
        answered(broken, {"image": picture_of((32, 32), [(1, 1, 2, 2)])}, lambda _: {})
    assert caught.value.reason is BAD_MANIFEST


# In volumes ----------------------------------------------------------------------------------------------

SHAPE, CUBES = (10, 11, 12), ((1, 2, 3, 4, 5, 6), (5, 5, 6, 9, 9, 10))


def volume_manifest() -> Manifest:
    manifest = manifest_of("one-per-label")
    item = volume_input(shape=(1, *SHAPE), steps=(step("orient"), step("rescale", low=0.0, high=255.0)))
    return replace(manifest, inputs=(item,))


def turned(turn: Turn) -> tuple[Scan, list[tuple[float, ...]]]:
    """An oblique volume stored with its axes in any order, and the edges of the cubes in it."""
    voxels = [turn.apply(painted(SHAPE, [cube])) for cube in CUBES]
    places = [np.argwhere(part) for part in voxels]
    truth = [(*at.min(axis=0).tolist(), *(at.max(axis=0) + 1).tolist()) for at in places]
    whole = np.ascontiguousarray(voxels[0] + voxels[1])
    return volume_of(whole, turn.apply_grid(rotated(canonical_grid(SHAPE)))), truth


@pytest.mark.parametrize("index", range(48))
def test_cubes_are_found_on_their_own_voxels_however_the_volume_is_stored(index: int) -> None:
    scan, (small, large) = turned(TURNS[index])
    found = detected(scan, volume_manifest(), one_per_label_net(SHAPE, (3, 4)))
    by_name = {box.name: box.place for box in found.boxes}
    assert by_name["small"].edges == pytest.approx(small, abs=1e-4)
    assert by_name["large"].edges == pytest.approx(large, abs=1e-4)
    middle = (np.array(small[:3]) + np.array(small[3:])) / 2 - 0.5
    assert by_name["small"].centre_mm == pytest.approx((scan.grid.matrix @ [*middle, 1.0])[:3], abs=1e-3)
    assert sorted(by_name["small"].size_mm, key=float) == pytest.approx([3 * 0.75, 3 * 1.25, 3 * 2.5], abs=1e-3)  # type: ignore[arg-type]


def test_a_detector_of_pictures_finds_the_lesion_of_the_slice_that_it_sees() -> None:
    grid = canonical_grid((5, 32, 32))
    voxels = np.zeros(grid.shape, np.uint8)
    voxels[2, 8:11, 20:23] = 255
    scan = replace(volume_of(voxels, grid), value_range=(0.0, 255.0))
    manifest = manifest_of("yolov5", step("select_frame", at=0.5))
    accepts = replace(manifest.inputs[0].accepts, stack="volume")
    manifest = replace(manifest, inputs=(replace(manifest.inputs[0], accepts=accepts),))
    (one,) = detected(scan, manifest, yolov5_net((32, 32), (3, 5))).boxes
    assert one.place.edges == (2, 8, 20, 3, 11, 23)
    assert one.place.centre_mm == pytest.approx((grid.matrix @ [2, 9, 21, 1])[:3])
