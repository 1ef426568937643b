"""Translation: the image that the model made, in its range, on the grid of what it was fed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Translation, state_of
from edge.pack.manifest import Manifest, TranslationTask
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.testing import phantom_scan
from tests.prepare.images import step
from tests.read.dicom_files import canonical_grid
from tests.tasks.models import answered, volume_input, volume_of, with_task
from tests.tasks.nets import conv_net, findings

Array = NDArray[Any]
TASK = TranslationTask(kind="translation", output="scores", range=(-1.0, 2.0), unit="HU", makes="CT")
RAMP = np.arange(64.0, dtype=np.float32)


def pictures(*steps: dict[str, object], size: int = 8) -> Manifest:
    return with_task(TASK, {}, steps=steps, size=size)


def volumes(*steps: dict[str, object], shape: tuple[int, int, int] = (4, 4, 4)) -> Manifest:
    return replace(pictures(), inputs=(volume_input(shape=(1, *shape), steps=steps),))


def made(scan: Scan, manifest: Manifest, answer: Array) -> Translation:
    found = answered(manifest, {"image": scan}, lambda _: {"scores": answer})
    assert isinstance(found, Translation)
    return found


def test_values_outside_the_range_are_clipped_to_it() -> None:
    answer = np.linspace(-3.0, 4.0, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    found = made(phantom_scan((1, 8, 8)), pictures(), answer)
    assert np.array_equal(found.values, answer[0].clip(-1.0, 2.0))
    assert found.values.dtype == np.float32
    assert (found.range, found.unit, found.makes) == ((-1.0, 2.0), "HU", "CT")
    assert state_of(found) == "done"


def test_three_channels_are_colours() -> None:
    answer = np.random.default_rng(0).uniform(-1, 2, (1, 3, 8, 8)).astype(np.float32)
    found = made(phantom_scan((1, 8, 8)), pictures(), answer)
    assert np.array_equal(found.values[0], answer[0].transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [2, 4])
def test_another_number_of_channels_is_no_answer(channels: int) -> None:
    with pytest.raises(EngineError, match="expected 1 or 3 channels") as caught:
        made(phantom_scan((1, 8, 8)), pictures(), np.zeros((1, channels, 8, 8), np.float32))
    assert caught.value.reason is BAD_OUTPUT


def test_a_volume_has_one_channel() -> None:
    with pytest.raises(EngineError, match="expected 1 channel"):
        made(volume_of(RAMP.reshape(4, 4, 4)), volumes(), np.zeros((1, 3, 4, 4, 4), np.float32))


def test_an_answer_of_another_size_than_what_was_fed_is_none() -> None:
    with pytest.raises(EngineError, match="shape"):
        made(phantom_scan((1, 8, 8)), pictures(), np.zeros((1, 1, 4, 4), np.float32))


def test_a_picture_lies_where_what_was_fed_lies() -> None:
    scan = phantom_scan((1, 16, 16), spacing_mm=(0.5, 0.5))
    found = made(scan, pictures(step("center_crop_or_pad", height=8, width=8)), np.zeros((1, 1, 8, 8), np.float32))
    assert found.values.shape == found.grid.shape == (1, 8, 8)
    assert (found.grid.matrix @ [0, 0, 0, 1])[:2].tolist() == [2.0, 2.0]


def test_a_net_makes_a_volume_in_the_place_of_the_scan() -> None:
    grid = canonical_grid((4, 6, 8))
    voxels = np.random.default_rng(0).uniform(0, 1, grid.shape).astype(np.float32)
    manifest = volumes(step("orient"), step("resample", spacing_mm=[1.25, 1.25, 0.75]), shape=(8, 6, 8))
    net = conv_net(np.full((1, 1, 1, 1, 1), -1.0), [1.0])
    found = findings({"image": volume_of(voxels, grid)}, manifest, net)
    assert isinstance(found, Translation)
    assert found.values.shape == found.grid.shape == (8, 6, 8)
    assert found.grid.steps == pytest.approx((1.25, 1.25, 0.75))
    # Halfway between two slices, and a quarter of the way from the first to the next one.
    assert found.values[1] == pytest.approx(1.0 - (0.75 * voxels[0] + 0.25 * voxels[1]), abs=1e-6)
