"""Segmentation of volumes: in windows as at once, on the planted voxels, within the memory that was planned."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import EngineError, ReadError
from edge.findings import Segmentation
from edge.geometry import Grid, Turn
from edge.pack.manifest import Manifest, Windows
from edge.prepare import prepare
from edge.reasons import BAD_OUTPUT, NOT_ENOUGH_MEMORY
from edge.scan import Scan
from edge.tasks import conclude
from edge.testing import FakeEngine, tiny_manifest, tiny_segmentation, tiny_threshold
from edge.volume.plan import MemoryPlan
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import answered, model_of, volume_input, volume_of
from tests.tasks.nets import GAIN, conv_net, findings, threshold_net

Array = NDArray[Any]
TURNS = list(all_turns())
ORIENT = step("orient")


def manifest_of(
    windows: Windows | None,
    *,
    shape: tuple[int, int, int] = (4, 4, 4),
    names: Sequence[str] = ("bright",),
    activation: str = "sigmoid",
    steps: Sequence[Mapping[str, object]] = (),
    thresholds: Sequence[float] = (),
) -> Manifest:
    """A segmentation of volumes, every label a finding."""
    task = replace(tiny_segmentation(activation=activation, names=names), windows=windows)
    limits = {name: tiny_threshold(value) for name, value in zip(names, thresholds or [0.5] * len(names), strict=True)}
    manifest = tiny_manifest(task=task, inputs=(volume_input(shape=(1, *shape), steps=tuple(steps)),))
    models = (replace(manifest.models[0], thresholds=limits if activation == "sigmoid" else {}),)
    return replace(manifest, models=models)


def smooth(shape: tuple[int, int, int], *, seed: int = 3) -> Array:
    """Waves from 0 to 1 without any symmetry."""
    generator = np.random.default_rng(seed)
    places = np.indices(shape).reshape(3, -1)
    waves = sum(np.sin(generator.normal(size=3) * 0.6 @ places + generator.uniform(0, 7)) for _ in range(4))
    values = np.asarray(waves).reshape(shape)
    return np.asarray((values - values.min()) / np.ptp(values), dtype=np.float32)


def planted(shape: tuple[int, int, int], box: tuple[int, int, int, int, int, int]) -> Array:
    """0, and 1 in a box: first voxel, then last, all inside."""
    voxels = np.zeros(shape, np.float32)
    voxels[box[0] : box[3] + 1, box[1] : box[4] + 1, box[2] : box[5] + 1] = 1.0
    return voxels


def segmented(voxels: Array | Scan, manifest: Manifest, net: bytes) -> Segmentation:
    scan = voxels if isinstance(voxels, Scan) else volume_of(voxels)
    found = findings({"image": scan}, manifest, net)
    assert isinstance(found, Segmentation)
    return found


# In windows as at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 4, 4), (9, 10, 11), (5, 13, 4), (3, 9, 2), (1, 7, 7)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("mirror", [(), ("x",), ("z", "y", "x")])
def test_windows_give_the_labels_that_the_net_gives_for_the_whole_volume(
    shape: tuple[int, int, int], overlap: float, mirror: tuple[Any, ...]
) -> None:
    voxels = smooth(shape)
    found = segmented(voxels, manifest_of(Windows(overlap=overlap, mirror=mirror)), threshold_net(0.5))
    # The mean of equal scores is their like to a rounding, which no voxel here is near to.
    assert np.abs(voxels - 0.5).min() > 1e-5
    assert np.array_equal(found.mask(0), voxels > 0.5)
    at_once = segmented(voxels, manifest_of(None, shape=shape), threshold_net(0.5))
    assert np.array_equal(at_once.codes, found.codes)


def test_a_net_that_sees_its_neighbourhood_gives_nearly_the_same_in_windows() -> None:
    """It differs where a window ends and zeros begin, which counts little."""
    voxels = smooth((20, 22, 24))
    weights = np.random.default_rng(1).uniform(0.2, 1.0, (1, 1, 3, 3, 3))
    net = conv_net(GAIN * weights / weights.sum(), [-GAIN / 2])
    whole = segmented(voxels, manifest_of(None, shape=(20, 22, 24)), net)
    pieces = segmented(voxels, manifest_of(Windows(overlap=0.5), shape=(12, 12, 12)), net)
    assert 0.2 < whole.mask(0).mean() < 0.8
    agreed = np.mean(whole.codes == pieces.codes)
    assert agreed > 0.97
    assert all(np.mean(whole.codes == np.roll(pieces.codes, 1, axis)) < agreed - 0.02 for axis in range(3))


def test_a_mirrored_run_is_mirrored_back() -> None:
    """A net that looks to one side gives, with its mirror image, the mean of both sides."""
    voxels = np.zeros((4, 4, 8), np.float32)
    voxels[:, :, 3] = 1.0
    aside = np.zeros((1, 1, 1, 1, 3))
    aside[..., 2] = 8.0
    one = segmented(voxels, manifest_of(Windows(overlap=0.0), shape=(4, 4, 8)), conv_net(aside, [-4.0]))
    both = segmented(
        voxels,
        manifest_of(Windows(overlap=0.0, mirror=("x",)), shape=(4, 4, 8), thresholds=[0.4]),
        conv_net(aside, [-4.0]),
    )
    assert np.flatnonzero(one.mask(0)[0, 0]).tolist() == [2]
    assert np.flatnonzero(both.mask(0)[0, 0]).tolist() == [2, 4]


@pytest.mark.parametrize(("fill", "expected"), [(0.0, 0), (1.0, 8)])
def test_padding_has_the_value_of_the_manifest_and_no_label(fill: float, expected: int) -> None:
    """A net that marks what has a bright neighbour marks a dark volume's rim only where padding is bright."""
    voxels = np.zeros((2, 2, 2), np.float32)
    voxels[0, 0, 0] = 1e-3  # not blank
    net = conv_net(np.full((1, 1, 3, 3, 3), 2.0), [-2.0])
    found = segmented(voxels, manifest_of(Windows(fill=fill), shape=(4, 4, 4)), net)
    assert found.codes.shape == (2, 2, 2)
    assert found.regions[0].pixels == expected


def test_with_softmax_windows_give_one_label_or_the_background() -> None:
    voxels = smooth((9, 10, 11))
    weights = np.array([0.0, 3.0, 9.0]).reshape(3, 1, 1, 1, 1) * GAIN
    net = conv_net(weights, [0.0, -0.9 * GAIN, -5.1 * GAIN])  # crosses 0 at 0.3, and the one below at 0.7
    manifest = manifest_of(Windows(overlap=0.5), names=("middle", "high"), activation="softmax")
    found = segmented(voxels, manifest, net)
    assert found.exclusive
    assert np.array_equal(found.codes, np.digitize(voxels, [0.3, 0.7]))
    assert [region.pixels for region in found.regions] == [int((found.codes == code).sum()) for code in (1, 2)]


def test_with_sigmoid_labels_overlap_each_with_its_threshold() -> None:
    voxels = smooth((9, 10, 11))
    manifest = manifest_of(Windows(), names=("low", "high", "sure"), thresholds=[0.5, 0.5, 0.9])
    found = segmented(voxels, manifest, threshold_net(0.2, 0.6, 0.6))
    sure = 0.6 + np.log(9) / GAIN
    assert not found.exclusive
    for index, limit in enumerate((0.2, 0.6, sure)):
        assert np.abs(voxels - limit).min() > 1e-5
        assert np.array_equal(found.mask(index), voxels > limit)
    assert [region.threshold for region in found.regions] == [0.5, 0.5, 0.9]


# In their place ------------------------------------------------------------------------------------------

BOX = (1, 2, 3, 3, 4, 6)
SHAPE = (6, 7, 8)
HALVED = step("resample", spacing_mm=[1.25, 0.625, 0.375])


def turned_scan(turn: Turn) -> tuple[Scan, Array]:
    """An oblique volume stored with its axes in any order, and where its planted box lies."""
    grid, voxels = rotated(canonical_grid(SHAPE)), planted(SHAPE, BOX)
    return volume_of(np.ascontiguousarray(turn.apply(voxels)), turn.apply_grid(grid)), turn.apply(voxels) == 1.0


@pytest.mark.parametrize("index", range(48))
@pytest.mark.parametrize("windows", [Windows(overlap=0.5, mirror=("y",)), None], ids=["windows", "whole"])
def test_labels_land_on_the_planted_voxels_however_the_volume_is_stored(index: int, windows: Windows | None) -> None:
    scan, truth = turned_scan(TURNS[index])
    shape = (8, 9, 10) if windows else (12, 14, 16)
    found = segmented(scan, manifest_of(windows, shape=shape, steps=[ORIENT, HALVED]), threshold_net(0.5))
    assert np.array_equal(found.mask(0), truth)
    assert found.grid == scan.grid
    (region,) = found.regions
    assert region.pixels == 3 * 3 * 4
    assert region.volume_ml == pytest.approx(36 * 2.5 * 1.25 * 0.75 / 1000)
    assert region.components == 1
    assert region.area_mm2 is None
    first, last = np.argwhere(truth).min(axis=0), np.argwhere(truth).max(axis=0)
    assert region.slices == (first[0], last[0])
    assert region.box == (first[1], first[2], last[1], last[2])


def test_what_was_cut_away_has_no_label() -> None:
    steps = [step("pad_or_crop_volume", shape=[4, 4, 4])]
    found = segmented(smooth((8, 8, 8)), manifest_of(Windows(), steps=steps), threshold_net(-1.0))
    assert found.codes[2:6, 2:6, 2:6].all()
    assert found.codes.sum() == 64


def test_a_volume_whose_prepared_form_is_one_slice_is_labelled_whole() -> None:
    voxels = planted((6, 8, 8), (0, 2, 2, 5, 5, 5))
    found = segmented(
        voxels, manifest_of(Windows(), steps=[step("resize_volume", shape=[1, 8, 8])]), threshold_net(0.5)
    )
    assert np.array_equal(found.mask(0), voxels == 1.0)


def test_the_source_is_the_first_input_of_the_manifest_whatever_the_order_of_the_scans() -> None:
    grid = Grid.of((4, 4, 4), np.eye(4)[[2, 1, 0, 3]], "patient")
    first = volume_of(planted((4, 4, 4), (1, 1, 1, 2, 2, 2)), grid)
    finer = volume_of(smooth((8, 8, 8)), grid.resized((8, 8, 8)))
    manifest = manifest_of(Windows())
    inputs = (volume_input("a", tensor="image"), volume_input("b", tensor="image"))
    net = conv_net(np.array([GAIN, 0.0]).reshape(1, 2, 1, 1, 1), [-GAIN / 2])
    for scans in ({"a": first, "b": finer}, {"b": finer, "a": first}):
        found = findings(scans, replace(manifest, inputs=inputs), net)
        assert isinstance(found, Segmentation)
        assert np.array_equal(found.mask(0), first.voxels == 1.0)


def test_frames_tell_no_volume() -> None:
    scan = replace(volume_of(planted((4, 4, 4), (1, 1, 1, 2, 2, 2))), stack="frames")
    manifest = manifest_of(Windows())
    accepts = replace(manifest.inputs[0].accepts, stack="frames")
    manifest = replace(manifest, inputs=(replace(manifest.inputs[0], accepts=accepts),))
    (region,) = segmented(scan, manifest, threshold_net(0.5)).regions
    assert (region.pixels, region.volume_ml) == (8, None)


# Memory --------------------------------------------------------------------------------------------------


def budget(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("edge.prepare.memory.budget_bytes", lambda: count)


def several(shape: tuple[int, int, int] = (16, 16, 16)) -> Manifest:
    return manifest_of(Windows(), shape=shape, names=[f"l{i}" for i in range(6)])


def plan_of(scan: Scan, manifest: Manifest) -> MemoryPlan:
    window = next(prepare({"image": scan}, manifest)).window
    assert window is not None
    assert window.memory is not None
    return window.memory


LIMITS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("labels", "sums", "expected"),
    [(1.0, 1.0, (False, None)), (0.5, 1.0, (True, None)), (0.0, 0.5, (True, 3)), (0.0, 0.17, (True, 1))],
    ids=["all in memory", "labels on the disk", "three classes at a time", "one class at a time"],
)
def test_a_smaller_memory_gives_the_same_labels_and_leaves_nothing_on_the_disk(
    labels: float, sums: float, expected: tuple[bool, int | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    scan, manifest = volume_of(smooth((40, 60, 60))), several()
    roomy = plan_of(scan, manifest)
    spared = (1.0 - labels) * roomy.labels_bytes + (1.0 - sums) * roomy.sums_bytes
    budget(monkeypatch, roomy.peak_bytes - int(spared))
    planned = plan_of(scan, manifest)
    assert (planned.labels_on_disk, planned.block_classes) == expected
    found = segmented(scan, manifest, threshold_net(*LIMITS))
    for index, limit in enumerate(LIMITS):
        assert np.mean(found.mask(index) == (scan.voxels > limit)) > 0.9999
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_fails_half_way_leaves_nothing_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    seen: list[list[Path]] = []

    def answer(tensors: Mapping[str, Array]) -> dict[str, Array]:
        seen.append(list(tmp_path.iterdir()))
        if len(seen) == 3:
            raise EngineError("Running fake: no.", BAD_OUTPUT)
        return {"scores": np.repeat(tensors["image"], 6, axis=1)}

    with pytest.raises(EngineError, match="Running fake"):
        answered(several(), {"image": volume_of(smooth((20, 20, 20)))}, answer)
    assert [len(folders) for folders in seen] == [0, 1, 1]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_before_the_model_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    budget(monkeypatch, 1000)
    engine = FakeEngine(lambda _: pytest.fail("the model was run"))
    feeds = prepare({"image": volume_of(smooth((20, 20, 20)))}, several())
    with pytest.raises(ReadError, match=r"Planning memory for a scan of 20 x 20 x 20 voxels and 6 classes") as caught:
        engine.infer(next(feeds).tensors)
    assert caught.value.reason is NOT_ENOUGH_MEMORY


def test_scores_of_a_whole_volume_never_lie_in_memory() -> None:
    shape, labels = (160, 32, 32), 12
    scan, manifest = volume_of(smooth(shape)), manifest_of(
        Windows(), shape=(8, 32, 32), names=[f"l{i}" for i in range(labels)]
    )  # fmt: skip

    def answer(tensors: Mapping[str, Array]) -> dict[str, Array]:
        return {"scores": np.repeat(tensors["image"], labels, axis=1)}

    planned = plan_of(scan, manifest).peak_bytes - scan.voxels.nbytes
    tracemalloc.start()
    try:
        answered(manifest, {"image": scan}, answer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * 4 * labels * np.prod(shape)
    assert peak < 1.1 * planned


# What is no answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [(1, 1, 4, 4, 5), (1, 1, 4, 4), (1, 2, 4, 4, 4), (2, 1, 4, 4, 4)])
def test_an_answer_of_another_shape_than_the_window_is_none(wrong: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="shape") as caught:
        answered(
            manifest_of(Windows()),
            {"image": volume_of(smooth((6, 6, 6)))},
            lambda _: {"scores": np.zeros(wrong, np.float32)},
        )
    assert caught.value.reason is BAD_OUTPUT


def test_a_window_and_then_a_whole_volume_are_no_answer() -> None:
    manifest, scans = manifest_of(Windows()), {"image": volume_of(smooth((6, 6, 6)))}
    first, second, *_ = prepare(scans, manifest)
    outputs = {"scores": np.zeros((1, 1, 4, 4, 4), np.float32)}
    results = [(first, outputs), (replace(second, window=None), outputs)]
    with pytest.raises(EngineError, match="then a whole scan"):
        conclude(results, scans, manifest, model_of(manifest))
