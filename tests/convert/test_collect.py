"""What is kept of findings, scan by scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.collect import Collector, Seen, Thresholds, Truth, collector_of
from convert.labels import LabelledSet
from convert.landmarks import Landmarks
from convert.measured import Measured
from edge.detect.place import place_box
from edge.errors import EngineError, UsageError
from edge.findings import Detection, Detections, Findings, LookedFor, Registration
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask, Manifest
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.testing import phantom_scan, tiny_input, tiny_manifest, tiny_segmentation
from edge.truth.boxes import FLOOR, IN_VOLUMES, average_precision
from edge.truth.true_boxes import TrueBox
from tests.convert.planted_sets import PAIR
from tests.tasks.models import label, volume_input, volume_of

TASK = DetectionTask(kind="detection", layout="yolov5", output="o", activation="none", labels=(label("x"), label("y")))
PICTURE = phantom_scan((1, 20, 20))


def manifest_of(*, volume: bool = False) -> Manifest:
    return tiny_manifest(task=TASK, inputs=(volume_input("image") if volume else tiny_input(),))


def collector(manifest: Manifest, floor: float = FLOOR) -> Collector:
    found = collector_of(manifest, manifest.models[0], LabelledSet(paths=(), boxes=((),)), limits=(), floor=floor)
    assert found is not None
    return found


def box(name: str, score: float, *edges: float, scan: Scan = PICTURE) -> Detection:
    place = place_box(edges, scan.grid, scan.grid)
    assert place is not None
    return Detection(
        name=name, title=name, code=None, score=score, threshold=0.5, positive=True, finding=True, urgency=None,
        place=place,
    )  # fmt: skip


def detections(*boxes: Detection) -> Detections:
    looked = tuple(LookedFor(name=item.name, title=item.title, finding=True) for item in TASK.labels)
    return Detections(boxes=boxes, labels=looked, grid=PICTURE.grid)


def seen(said: Findings, again: Callable[[Thresholds], Findings], *boxes: TrueBox, scan: Scan = PICTURE) -> Seen:
    return Seen(path=Path("a.png"), scans={"image": scan}, said=said, truth=Truth(boxes=boxes), again=again)


def true(name: str, *edges: float) -> TrueBox:
    return TrueBox(label=name, edges=edges, where="labels.csv, line 2")


def test_boxes_are_collected_from_far_below_the_threshold_on() -> None:
    asked: list[Thresholds] = []

    def again(thresholds: Thresholds) -> Findings:
        asked.append(thresholds)
        return detections(box("x", 0.9, 1, 1, 5, 5), box("x", 0.2, 10, 10, 15, 15), box("y", 0.3, 1, 1, 5, 5))

    kept = collector(manifest_of())
    kept.see(seen(detections(), again, true("x", 1, 1, 5, 5), true("x", 10, 10, 15, 15)))
    matches = kept.into(Measured()).matches
    assert [{name: item.value for name, item in each.items()} for each in asked] == [{"x": FLOOR, "y": FLOOR}]
    assert (matches["x"].scores.tolist(), matches["x"].hits.tolist()) == ([0.9, 0.2], [[True, True]])
    assert (matches["y"].truths.tolist(), matches["y"].hits.tolist()) == ([0], [[False]])


def test_where_a_box_below_the_threshold_makes_no_sense_what_the_runtime_says_counts() -> None:
    def again(_: Thresholds) -> Findings:
        raise EngineError("found 1 boxes that end before they start", BAD_OUTPUT)

    kept = collector(manifest_of())
    kept.see(seen(detections(box("x", 0.8, 1, 1, 5, 5)), again, true("x", 1, 1, 5, 5)))
    assert kept.into(Measured()).matches["x"].scores.tolist() == [0.8]


def test_boxes_in_volumes_are_matched_in_space_and_at_smaller_overlaps() -> None:
    scan = volume_of(np.zeros((8, 8, 8), np.int16))
    x, y, z = (scan.grid.matrix @ [0.5, 0.5, 0.5, 1.0])[:3]
    found = detections(box("x", 0.8, 1, 1, 1, 3, 3, 3, scan=scan))
    kept = collector(manifest_of(volume=True))
    kept.see(seen(found, lambda _: found, true("x", z, y, x, z + 2, y + 2, x + 2), scan=scan))
    matches = kept.into(Measured()).matches["x"]
    assert matches.thresholds == IN_VOLUMES
    assert average_precision(matches).tolist() == [1.0, 1.0]


def test_nothing_is_collected_where_the_set_tells_nothing() -> None:
    nothing = LabelledSet(paths=())
    for task in (TASK, PAIR, tiny_segmentation()):
        manifest = tiny_manifest(task=task)
        assert collector_of(manifest, manifest.models[0], nothing, limits=(), floor=FLOOR) is None


# Landmarks -----------------------------------------------------------------------------------------------

VOLUME = volume_of(np.zeros((8, 8, 8), np.int16))
SHIFT_MM = (1.0, -0.5, 2.0)


def registered(grid: Grid = VOLUME.grid, folded: float = 0.25) -> Registration:
    """Everything is moved alike."""
    nothing = np.zeros(grid.shape, np.float32)
    field = np.broadcast_to(np.array(SHIFT_MM).reshape(3, 1, 1, 1), (3, *grid.shape))
    return Registration(
        displacement_mm=field, warped=nothing, fixed=nothing, before=nothing, mean_mm=0.0, largest_mm=0.0,
        folded_share=folded, grid=grid,
    )  # fmt: skip


def marked(*indices: float, away_mm: float = 0.0) -> Landmarks:
    """A landmark at an index of the fixed scan, and where it is in the moving one, or so far from it along x."""
    fixed = (VOLUME.grid.matrix @ [*indices, 1.0])[np.newaxis, :3]
    return Landmarks(file=Path("marks.csv"), fixed=fixed, moving=fixed + np.add(SHIFT_MM, (away_mm, 0.0, 0.0)))


def pair(said: Registration, marks: Landmarks) -> Seen:
    scans = {"fixed": VOLUME, "moving": VOLUME}
    return Seen(path=Path("a"), scans=scans, said=said, truth=Truth(landmarks=marks), again=lambda _: said)


def pairs() -> Collector:
    manifest = tiny_manifest(task=PAIR)
    told = LabelledSet(paths=(Path("a"),), landmarks=(marked(1, 2, 3),))
    kept = collector_of(manifest, manifest.models[0], told, limits=(), floor=FLOOR)
    assert kept is not None
    return kept


def test_landmarks_are_taken_to_the_moving_scan_and_their_distance_is_kept() -> None:
    kept = pairs()
    for away_mm in (0.0, 1.5):
        kept.see(pair(registered(), marked(3, 3.5, 4, away_mm=away_mm)))
    found = kept.into(Measured()).registrations
    assert found is not None
    assert found.target_registration_error_mm == pytest.approx([0.0, 1.5])
    assert found.folded.tolist() == [0.25, 0.25]


def test_a_landmark_beyond_its_scan_is_told_with_its_line_and_scan() -> None:
    with pytest.raises(UsageError, match=r"marks\.csv, line 2: the landmark at .* lies beyond the scan 'fixed'"):
        pairs().see(pair(registered(), marked(9, 3, 3)))
    with pytest.raises(UsageError, match="lies beyond the scan 'moving'"):
        pairs().see(pair(registered(), marked(3, 3, 3, away_mm=50.0)))


def test_a_landmark_that_the_model_does_not_see_is_told_with_its_file() -> None:
    part = registered(VOLUME.grid.cropped((0, 0, 0), (2, 8, 8)))
    with pytest.raises(UsageError, match=r"marks\.csv: the model sees only a part of the scan 'fixed'\. Warping 1"):
        pairs().see(pair(part, marked(5, 3, 3)))
