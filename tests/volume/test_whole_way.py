"""The whole way: a lesion planted in a scan is cut, scored, blended, decided and measured where it was planted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.geometry import Turn, canonical_turn, resample
from edge.volume.blend import Blocks, blend
from edge.volume.measure import measure
from edge.volume.source import Decision, labels_on_source
from edge.volume.tiles import Flips, Start, Tiles
from tests.read.dicom_files import all_turns
from tests.volume.truth import Array, body

LESION = np.zeros((16, 28, 34), dtype=np.float32)
LESION[3:9, 5:16, 20:31] = 1
LESION[9:12, 5:9, 20:25] = 1
STEPS_MM = (2.5, 1.25, 1.0)


def scored(tiles: Tiles, volume: Array) -> Iterator[tuple[Start, Flips, Array]]:
    """A model of two classes that knows the lesion by its brightness."""
    for start, flips, window in tiles.cut(volume):
        yield start, flips, np.stack([1 - window, window])


def found_in(stored: Array, turn: Turn, blocks: Blocks | None = None, folder: Path | None = None) -> Array:
    source = turn.apply_grid(body(LESION.shape, STEPS_MM))
    to_model = canonical_turn(source)
    upright = to_model.apply_grid(source)
    fed = upright.resized((20, 18, 17))
    prepared = resample(to_model.apply(stored), upright, fed)
    tiles = Tiles.of(fed.shape, (8, 24, 8), 0.5, mirrored=(0, 2))
    slabs = blend(scored(tiles, prepared), tiles, 2, blocks=blocks)
    return labels_on_source(slabs, fed, source, Decision(classes=2), folder=folder)


@pytest.mark.parametrize("turn", list(all_turns()), ids=str)
def test_a_lesion_is_found_and_measured_alike_however_the_scan_is_stored(turn: Turn) -> None:
    grid = body(LESION.shape, STEPS_MM)
    plain = found_in(LESION, Turn(axes=(0, 1, 2), flips=(False, False, False)))
    found = found_in(turn.apply(LESION), turn)
    assert np.array_equal(found, turn.apply(plain))
    overlap = 2 * np.sum(plain * LESION) / (plain.sum() + LESION.sum())
    assert overlap > 0.93
    truth, measured = measure(LESION > 0, grid), measure(found > 0, turn.apply_grid(grid))
    assert measured.volume_ml == pytest.approx(truth.volume_ml, rel=0.1)
    assert (measured.components, measured.largest_share) == (1, 1.0)


def test_a_plan_s_steps_down_change_nothing(tmp_path: Path) -> None:
    turn = Turn(axes=(2, 0, 1), flips=(True, False, True))
    stored = turn.apply(LESION)
    spilt = found_in(stored, turn, Blocks(classes=1, folder=tmp_path), tmp_path)
    assert np.array_equal(spilt, found_in(stored, turn))
    assert isinstance(spilt, np.memmap)
