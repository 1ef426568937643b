"""The deletion test: a map of the truth passes, a map of anything else fails, and it is the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.explain.faithfulness import ORDERS, STEPS, deletion_test, parts_of, runs_of_test
from edge.explain.told import Faithfulness
from edge.findings import InfluenceMap
from edge.geometry import Grid
from tests.explain.planted import Net, engine_of, looks_at, looks_at_nothing, manifest_of, probe_of, with_square

Array = NDArray[Any]
SQUARE = (4, 8, 11, 15)
SCAN = with_square((28, 28), SQUARE)
MANIFEST = manifest_of()


def map_of(values: Array, label: str = "bright") -> InfluenceMap:
    """A map of a picture of 28 x 28 pixels, in any resolution."""
    grid = Grid.of_picture(28, 28).resized((1, *values.shape))
    return InfluenceMap(label=label, values=values[np.newaxis].astype(np.float32), grid=grid)


def truth(size: int = 7) -> Array:
    """Hot where the square lies: four parts of 4 x 4 pixels."""
    values = np.zeros((size, size))
    scale = 28 // size
    values[4 // scale : 12 // scale, 8 // scale : 16 // scale] = 1.0
    return values


def judged(values: Array, net: Net | None = None) -> Faithfulness:
    (found,) = deletion_test(probe_of(SCAN, MANIFEST, net or looks_at(SQUARE)), [map_of(values)])
    return found


@pytest.mark.parametrize("size", [7, 14, 28])
def test_a_map_of_the_place_that_the_model_looks_at_passes(size: int) -> None:
    found = judged(truth(size))
    assert found.holds
    assert (found.beaten, found.orders) == (ORDERS, ORDERS)
    assert found.gain > 1.0


@pytest.mark.parametrize(
    "values",
    [truth()[::-1], np.roll(truth(), 3, axis=1), -truth(), np.arange(49.0).reshape(7, 7)],
    ids=["upside down", "beside", "negative", "ramp"],
)
def test_a_map_of_another_place_fails(values: Array) -> None:
    found = judged(values)
    assert not found.holds
    assert found.beaten < ORDERS


def test_no_map_of_a_model_that_looks_at_nothing_passes() -> None:
    found = judged(truth(), looks_at_nothing)
    assert (found.holds, found.beaten, found.gain) == (False, 0, 0.0)


def test_random_maps_pass_as_rarely_as_the_rule_says() -> None:
    """One in twenty: of 60 about 3, and 10 would be an accident of less than one in a thousand."""
    generator = np.random.default_rng(0)
    held = sum(judged(generator.permutation(49).reshape(7, 7)).holds for _ in range(60))
    assert held < 10


def test_it_is_the_same_each_time() -> None:
    assert judged(truth()) == judged(truth())


def test_several_maps_share_the_random_orders() -> None:
    engine = engine_of(looks_at(SQUARE))
    probe = probe_of(SCAN, MANIFEST, looks_at(SQUARE))
    probe.engine = engine
    both = deletion_test(probe, [map_of(truth()), map_of(-truth())])
    assert [item.holds for item in both] == [True, False]
    assert len(engine.runs) == runs_of_test(2) == (ORDERS + 2) * (STEPS - 1)  # type: ignore[attr-defined]


def test_without_a_map_nothing_runs() -> None:
    engine = engine_of(looks_at(SQUARE))
    probe = probe_of(SCAN, MANIFEST, looks_at(SQUARE))
    probe.engine = engine
    assert deletion_test(probe, []) == ()
    assert engine.runs == []  # type: ignore[attr-defined]
    assert runs_of_test(0) == 0


def test_the_rule_says_what_was_done() -> None:
    found = judged(truth())
    assert found.rule.startswith("deletion test: 49 parts hidden in 10 steps, the map's strongest first")
    assert "in 19 random orders" in found.rule


@pytest.mark.parametrize(("shape", "count"), [((1, 28, 28), 49), ((1, 3, 28), 21), ((14, 14, 14), 343), ((1, 1, 1), 1)])
def test_parts_are_blocks_that_share_out_the_voxels_evenly(shape: tuple[int, int, int], count: int) -> None:
    parts = parts_of(shape)
    sizes = np.bincount(parts.ravel())
    assert len(sizes) == count
    assert sizes.min() == sizes.max()
