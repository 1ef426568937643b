"""Pictures in windows are judged by their best window, which is named and mapped where it lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Classification, Segmentation, state_of
from edge.geometry import index_map
from edge.pack.manifest import ClassificationTask, Label, Manifest, Windows
from edge.prepare import prepare
from edge.scan import Scan
from edge.tasks import conclude
from edge.testing import phantom_scan, tiny_input, tiny_segmentation
from tests.prepare.images import step
from tests.tasks.models import Activation, Mode, answered, label, model_of, positives, with_task
from tests.tasks.nets import findings, threshold_net

Array = NDArray[Any]
Answer = Callable[[Mapping[str, Array]], Mapping[str, Array]]
NONE, MILD, GRAVE = label("none", finding=False), label("mild"), label("grave")


def manifest(
    labels: Sequence[Label] = (label("bright"),),
    *,
    mode: Mode = "binary",
    activation: Activation = "none",
    windows: Windows = Windows(overlap=0.0),  # noqa: B008 - frozen
) -> Manifest:
    task = ClassificationTask(
        kind="classification", mode=mode, output="scores", activation=activation, labels=tuple(labels), windows=windows
    )
    made = with_task(task, {item.name: 0.5 for item in labels if item.finding})
    return replace(made, inputs=(tiny_input(size=8, steps=[step("rescale", low=0.0, high=100.0)]),))


def picture(shape: tuple[int, int], spots: Mapping[tuple[int, int], float]) -> Scan:
    """Dark but for some pixels."""
    voxels = np.zeros((1, *shape), np.float32)
    for (row, column), value in spots.items():
        voxels[0, row, column] = value
    return replace(phantom_scan((1, *shape)), voxels=voxels)


def brightest(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"scores": tensors["image"].max(axis=(1, 2, 3)).reshape(1, 1)}


def found_in(made: Manifest, scan: Scan, answer: Answer = brightest) -> Classification:
    found = answered(made, {"image": scan}, answer)
    assert isinstance(found, Classification)
    return found


def test_the_score_is_that_of_the_best_window_which_is_named() -> None:
    found = found_in(manifest(), picture((20, 30), {(3, 4): 30.0, (11, 17): 80.0}))
    assert found.labels[0].score == pytest.approx(0.8)
    assert state_of(found) == "finding"
    assert found.tilewise is not None
    assert (found.tilewise.rule, found.tilewise.tiles) == ("maximum", 12)
    (best,) = found.tilewise.best
    assert (best.label, best.box) == ("bright", (8, 16, 15, 23))
    assert best.score == found.labels[0].score


def test_no_window_that_reaches_the_threshold_is_no_finding() -> None:
    assert state_of(found_in(manifest(), picture((20, 30), {(3, 4): 49.0}))) == "no-finding"


@pytest.mark.parametrize("spot", [(0, 0), (19, 29), (17, 3), (8, 28)])
def test_no_pixel_is_missed_wherever_it_lies(spot: tuple[int, int]) -> None:
    found = found_in(manifest(), picture((20, 30), {spot: 90.0}))
    assert found.labels[0].score == pytest.approx(0.9)
    assert found.tilewise is not None
    top, left, bottom, right = found.tilewise.best[0].box
    assert top <= spot[0] <= bottom
    assert left <= spot[1] <= right


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_the_map_shows_each_score_where_its_window_lies(overlap: float) -> None:
    scan = picture((20, 30), {(3, 4): 30.0, (18, 28): 80.0})
    (shown,) = found_in(manifest(windows=Windows(overlap=overlap)), scan).maps
    assert shown.label == "bright"
    for (row, column), value in {(3, 4): 0.3, (18, 28): 0.8, (11, 12): 0.0}.items():
        at = np.floor(index_map(shown.grid, scan.grid) @ [0, row, column, 1] + 0.5).astype(int)
        assert shown.values[tuple(at[:3])] == pytest.approx(value)


def test_labels_have_their_best_windows_each() -> None:
    made = manifest([label("left"), label("right")], mode="multi-label")

    def halves(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        image = tensors["image"][0, 0]
        return {"scores": np.array([[image[:, :4].max(), image[:, 4:].max()]])}

    found = found_in(made, picture((16, 16), {(2, 1): 70.0, (12, 14): 90.0}), halves)
    assert positives(found) == ["left", "right"]
    assert found.tilewise is not None
    assert [tile.box for tile in found.tilewise.best] == [(0, 0, 7, 7), (8, 8, 15, 15)]
    assert [shown.label for shown in found.maps] == ["left", "right"]


def test_a_picture_has_the_worst_grade_of_its_windows() -> None:
    made = manifest([NONE, MILD, GRAVE], mode="ordinal")

    def graded(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        most = tensors["image"].max()
        return {"scores": np.array([[min(1.0, 2 * most), max(0.0, 2 * most - 1.0)]])}

    found = found_in(made, picture((16, 16), {(2, 1): 40.0, (12, 14): 90.0}), graded)
    assert (found.grade, positives(found)) == ("grave", ["grave"])
    assert found.tilewise is not None
    assert [tile.label for tile in found.tilewise.best] == ["mild", "grave"]


def test_of_windows_and_their_mirrors_the_mean_counts() -> None:
    made = manifest(windows=Windows(overlap=0.0, mirror=("x",)))

    def left(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"scores": tensors["image"][..., :4].max(axis=(1, 2, 3)).reshape(1, 1)}

    found = found_in(made, picture((8, 8), {(3, 1): 80.0}), left)
    assert found.labels[0].score == pytest.approx(0.4)
    assert found.tilewise is not None
    assert found.tilewise.tiles == 1


def test_a_model_that_did_not_see_every_window_gives_no_answer() -> None:
    made, scans = manifest(), {"image": picture((20, 30), {})}
    results = [(feed, brightest(feed.tensors)) for feed in prepare(scans, made)]
    for part in (results[:-1], []):
        with pytest.raises(EngineError, match="windows"):
            conclude(part, scans, made, model_of(made))


# Segmentation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("mirror", [(), ("y", "x")])
def test_labels_in_windows_are_those_of_the_whole_picture(overlap: float, mirror: tuple[Any, ...]) -> None:
    values = np.random.default_rng(3).integers(0, 100, (1, 21, 30)).astype(np.float32)
    scan = replace(phantom_scan((1, 21, 30), spacing_mm=(0.5, 0.25)), voxels=values)
    windows = Windows(overlap=overlap, mirror=mirror)
    made = with_task(replace(tiny_segmentation(), windows=windows), {"bright": 0.5})
    made = replace(made, inputs=(tiny_input(size=8, steps=[step("rescale", low=0.0, high=100.0)]),))
    found = findings({"image": scan}, made, threshold_net(0.505, axes=2))
    assert isinstance(found, Segmentation)
    assert found.in_windows
    np.testing.assert_array_equal(found.mask(0), values > 50)
    (region,) = found.regions
    assert region.pixels == int((values > 50).sum())
    assert region.area_mm2 == pytest.approx(region.pixels * 0.125)
    assert (region.volume_ml, region.components) == (None, None)
