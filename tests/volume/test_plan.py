"""Plans of memory: what they promise is what is measured, and they step down in their stated order."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReadError
from edge.volume.blend import Blocks, blend
from edge.volume.plan import MemoryPlan, Volume, plan
from edge.volume.source import Decision, labels_on_source
from edge.volume.tiles import Tiles
from tests.read.dicom_files import rotated
from tests.volume.truth import body

ABDOMEN = Volume(
    tiles=Tiles.of((400, 240, 240), (128, 128, 128), 0.5), source=(600, 512, 512), decision=Decision(classes=14)
)
GB = 10**9


def measured(volume: Volume, found: MemoryPlan, folder: Path) -> int:
    """Peak bytes of a run to that plan."""
    source = body(volume.source)
    fed = source.resized(volume.tiles.shape)
    if volume.oblique:
        fed = rotated(body(volume.tiles.shape))
    blocks = None if found.block_classes is None else Blocks(classes=found.block_classes, folder=folder)
    tracemalloc.start()
    prepared = np.ones((volume.channels, *volume.tiles.shape), dtype=np.float32)
    shape = (volume.decision.classes, *volume.tiles.patch)
    # Rough scores, so that as many voxels as can be have to be interpolated.
    outputs = (
        (start, flips, np.random.default_rng(0).random(shape, dtype=np.float32))
        for start, flips, _ in volume.tiles.cut(prepared)
    )
    slabs = blend(outputs, volume.tiles, volume.decision.classes, blocks=blocks)
    labels_on_source(slabs, fed, source, volume.decision, folder=folder if found.labels_on_disk else None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "volume",
    [
        Volume(
            tiles=Tiles.of((60, 64, 60), (32, 32, 32), 0.25), source=(90, 110, 120), decision=Decision(classes=classes)
        )
        for classes in (1, 5, 14)
    ]
    + [
        Volume(
            tiles=Tiles.of((40, 64, 60), (32, 48, 48), 0.25),
            source=(20, 70, 60),
            decision=Decision(classes=10, limits=(0.5,) * 10),
            channels=4,
        ),
        Volume(
            tiles=Tiles.of((24, 40, 44), (32, 32, 32), 0.25),
            source=(20, 50, 45),
            decision=Decision(classes=6),
            oblique=True,
        ),
        Volume(
            tiles=Tiles.of((48, 64, 64), (48, 64, 64), 0.25, mirrored=(2,)),
            source=(48, 64, 64),
            decision=Decision(classes=14),
        ),
    ],
)
def test_the_peak_is_not_above_the_plan_and_the_plan_not_far_above_the_peak(volume: Volume, tmp_path: Path) -> None:
    found = plan(volume, GB)
    peak = measured(volume, found, tmp_path)
    assert found.block_classes is None
    assert peak <= found.peak_bytes <= 2.5 * peak


def test_plans_that_step_down_keep_their_promise_too(tmp_path: Path) -> None:
    volume = Volume(
        tiles=Tiles.of((60, 64, 60), (32, 32, 32), 0.25), source=(160, 110, 120), decision=Decision(classes=14)
    )
    whole = plan(volume, GB)
    spilt = plan(volume, whole.peak_bytes - 1)
    blocked = plan(volume, spilt.peak_bytes - 1)
    for found, before in ((spilt, whole), (blocked, spilt)):
        assert found.peak_bytes < before.peak_bytes
        # Pages of a mapped file are not counted here: the system takes them back when it needs them.
        assert measured(volume, found, tmp_path) <= found.peak_bytes


def test_the_steps_down_come_in_their_order() -> None:
    whole = plan(ABDOMEN, 100 * GB)
    assert (whole.labels_on_disk, whole.block_classes, whole.disk_bytes) == (False, None, 0)
    spilt = plan(ABDOMEN, whole.peak_bytes - 1)
    assert (spilt.labels_on_disk, spilt.block_classes) == (True, None)
    assert spilt.disk_bytes == 600 * 512 * 512
    blocked = plan(ABDOMEN, spilt.peak_bytes - 1)
    assert (blocked.labels_on_disk, blocked.block_classes) == (True, 13)
    assert blocked.disk_bytes == 600 * 512 * 512 + 4 * 14 * 128 * 240 * 240


@given(budget=st.integers(300_000_000, 2_000_000_000))
def test_a_plan_fits_its_budget_and_no_larger_block_would(budget: int) -> None:
    try:
        found = plan(ABDOMEN, budget)
    except ReadError:
        one = plan(ABDOMEN, GB // 2)
        least = one.peak_bytes - one.sums_bytes + 4 * 128 * 240 * 240
        assert budget < least
        return
    assert found.peak_bytes <= budget
    if found.block_classes is not None:
        assert found.peak_bytes + 4 * 128 * 240 * 240 > budget
        assert 1 <= found.block_classes < 14


def test_more_memory_never_makes_a_plan_slower() -> None:
    plans = [plan(ABDOMEN, budget) for budget in range(GB // 2, 2 * GB, GB // 50)]
    steps = [(found.labels_on_disk, -(found.block_classes or 99)) for found in plans]
    assert all(more <= less for less, more in itertools.pairwise(steps))
    assert len(set(steps)) > 4


def test_what_is_held_already_counts() -> None:
    held = plan(replace(ABDOMEN, held_bytes=300_000_000), 100 * GB)
    assert held.peak_bytes == plan(ABDOMEN, 100 * GB).peak_bytes + 300_000_000
    assert held.held_bytes == 300_000_000


def test_the_volume_of_the_brief_fits_on_a_small_board() -> None:
    assert plan(replace(ABDOMEN, held_bytes=600 * 512 * 512 * 2), 3 * GB // 2).block_classes is None


def test_wider_labels_take_more() -> None:
    nine = replace(ABDOMEN, decision=Decision(classes=9, limits=(0.5,) * 9))
    eight = replace(ABDOMEN, decision=Decision(classes=8, limits=(0.5,) * 8))
    assert plan(nine, 9 * GB).labels_bytes == 2 * plan(eight, 9 * GB).labels_bytes == 2 * 600 * 512 * 512


def test_an_oblique_grid_takes_every_score() -> None:
    more = plan(replace(ABDOMEN, oblique=True), 100 * GB).peak_bytes - plan(ABDOMEN, 100 * GB).peak_bytes
    assert more > 4 * 14 * 400 * 240 * 240


def test_a_volume_that_cannot_fit_is_refused_in_numbers() -> None:
    with pytest.raises(ReadError) as caught:
        plan(replace(ABDOMEN, held_bytes=200_000_000), 300_000_000)
    message = str(caught.value)
    assert "512 x 512 x 600 voxels and 14 classes" in message
    assert "0.20 GB held already" in message
    assert "0.30 GB may be used" in message
    assert "0.09 GB for the prepared scan" in message
    assert "temporary files of 0.57 GB" in message
