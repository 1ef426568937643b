"""Occlusion: what a model looks at lights up where it lies on the scan, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.explain.occlusion import occlude, patches_of
from edge.findings import InfluenceMap
from edge.geometry import Turn
from edge.pack.manifest import Manifest
from edge.scan import Scan
from edge.testing import phantom_scan
from tests.explain.planted import (
    BRIGHT,
    SQUARE,
    looks_at,
    looks_at_nothing,
    looks_at_what_is_bright,
    manifest_of,
    on_scan,
    probe_of,
    with_square,
)
from tests.prepare.images import step
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import classification, volume_input, volume_of

Array = NDArray[Any]
STEPS: dict[str, list[Mapping[str, object]]] = {
    "shrunk": [step("resize", height=28, width=28, interpolation="area")],
    "cropped": [step("center_square"), step("resize", height=28, width=28, interpolation="area")],
    "letterbox": [step("letterbox", height=28, width=28, interpolation="area")],
    "cut": [step("center_crop_or_pad", height=28, width=28)],
    "padded": [
        step("center_crop_or_pad", height=112, width=140),
        step("resize", height=28, width=28, interpolation="area"),
    ],
}


def mapped(scan: Scan, manifest: Manifest, net: Any = looks_at_what_is_bright) -> tuple[InfluenceMap, ...]:
    probe = probe_of(scan, manifest, net)
    return occlude(probe, patches_of(probe.feed.grid.shape), ["bright"])


@pytest.mark.parametrize("steps", STEPS)
def test_the_square_lights_up_on_the_pixels_of_the_scan_whatever_the_steps_did(steps: str) -> None:
    scan = with_square((70, 90), SQUARE)
    (shown,) = mapped(scan, manifest_of(*STEPS[steps]))
    on = on_scan(shown, scan.grid)[0]
    top, left, bottom, right = SQUARE
    row, column = (float((on * index).sum() / on.sum()) for index in np.indices(on.shape))
    assert top <= row <= bottom
    assert left <= column <= right
    assert on[top : bottom + 1, left : right + 1].max() == on.max()
    pixel = max(shown.grid.steps[1:]) / scan.grid.steps[1]
    reach = int(np.ceil(5 * pixel))  # a patch of 4 of the model's pixels, and what shrinking mixes
    beside = on.copy()
    beside[max(top - reach, 0) : bottom + 1 + reach, max(left - reach, 0) : right + 1 + reach] = 0.0
    assert np.abs(beside).max() < 1e-3 < on.max()


def test_a_place_that_lowers_the_score_is_negative() -> None:
    scan = with_square((28, 28), (4, 4, 11, 11))
    (shown,) = mapped(scan, manifest_of(), lambda image: [-looks_at((4, 4, 11, 11))(image)[0]])
    assert shown.values.min() < -1.0
    assert shown.values.max() < 1e-3


def test_the_value_is_the_fall_of_the_log_odds_when_the_whole_square_is_hidden() -> None:
    """28 pixels have patches of 4 at every second pixel: one lies on this square exactly."""
    scan = with_square((28, 28), (8, 8, 11, 11), value=255)
    manifest, net = manifest_of(), looks_at((8, 8, 11, 11))
    probe = probe_of(scan, manifest, net)
    hidden = np.zeros((1, 28, 28), np.bool_)
    hidden[0, 8:12, 8:12] = True
    mean = float(probe.feed.tensors["image"].mean())
    assert (probe.whole - probe.without(hidden))[0] == pytest.approx(8.0 * (1.0 - mean), abs=1e-4)


def test_a_model_that_looks_at_nothing_has_no_map() -> None:
    assert mapped(with_square((28, 28), (8, 8, 11, 11)), manifest_of(), looks_at_nothing) == ()


def test_a_scan_that_is_the_same_everywhere_has_no_map() -> None:
    scan = replace(phantom_scan((1, 28, 28)), voxels=np.full((1, 28, 28), 255, np.uint8), value_range=(0.0, 255.0))
    assert mapped(scan, manifest_of()) == ()


# Volumes -------------------------------------------------------------------------------------------------

TURNS = list(all_turns())


def deep(steps: tuple[Mapping[str, object], ...], shape: tuple[int, int, int]) -> Manifest:
    plain = classification("binary", [BRIGHT], {"bright": 0.5}, activation="sigmoid")
    return replace(plain, inputs=(volume_input(shape=(1, *shape), steps=steps),))


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_cube_lights_up_in_place_in_a_volume_that_lies_anyhow(turn: Turn) -> None:
    grid = rotated(canonical_grid((5, 6, 7)))
    voxels = np.zeros((5, 6, 7), np.float32)
    voxels[1, 3, 5] = 1.0
    turned = volume_of(turn.apply(voxels), turn.apply_grid(grid))
    manifest = deep((step("orient"),), (5, 6, 7))
    (shown,) = mapped(turned, manifest, lambda image: [float(40.0 * image.mean() - 0.1)])
    on = on_scan(shown, turned.grid)
    assert turned.voxels[np.unravel_index(int(on.argmax()), on.shape)] == 1.0
    assert (on > 1e-3).sum() == 1


def test_the_axes_of_a_tensor_may_end_in_its_channels() -> None:
    """The same picture, the same map."""
    scan = with_square((28, 28), (4, 8, 11, 15))
    last = manifest_of()
    (item,) = last.inputs
    last = replace(last, inputs=(replace(item, axes="NHWC", shape=(28, 28, 1)),))
    (one,) = mapped(scan, manifest_of())
    (other,) = mapped(scan, last, lambda image: looks_at_what_is_bright(np.moveaxis(image, -1, 0)))
    assert np.allclose(one.values, other.values)
    assert one.values.shape == (1, 28, 28)


def test_each_label_has_its_own_map_from_the_same_runs() -> None:
    both = classification(
        "multi-label",
        [BRIGHT, replace(BRIGHT, name="right")],
        {"bright": 0.5, "right": 0.5},
        activation="sigmoid",
        steps=[step("voi_window")],
        size=28,
    )
    scan = with_square((28, 28), (4, 4, 9, 9))
    scan.voxels[0, 18:24, 18:24] = 255
    probe = probe_of(scan, both, lambda image: [*looks_at((4, 4, 9, 9))(image), *looks_at((18, 18, 23, 23))(image)])
    one, other = occlude(probe, patches_of((1, 28, 28)), ["bright", "right"])
    assert np.unravel_index(int(one.values.argmax()), (28, 28))[0] < 10
    assert np.unravel_index(int(other.values.argmax()), (28, 28))[0] >= 18


# Patches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (1, 5, 300), (1, 224, 224), (4, 4, 4), (20, 96, 31)])
def test_patches_reach_every_voxel_and_are_at_most_as_many_as_was_said(shape: tuple[int, int, int]) -> None:
    patches = patches_of(shape)
    seen = np.zeros(shape, np.int64)
    for place in patches:
        seen[place] += 1
        assert seen[place].shape == patches.size
    assert seen.min() >= 1
    assert len(patches) == len(list(patches)) <= 343


def test_the_rule_says_what_was_done() -> None:
    assert patches_of((14, 70, 70)).rule == (
        "occlusion: 343 patches of 2 x 10 x 10 out of 14 x 70 x 70 points hidden by the mean, one at a time"
    )
