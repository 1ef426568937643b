"""Networks whose weights are set by hand: each does on a real engine what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")

from convert.demo_nets import (
    FIELD,
    FIXED,
    IMAGE,
    LOGITS,
    MADE,
    MOVING,
    above_net,
    curve_net,
    nearest_level_net,
    shift_net,
)
from convert.demo_scans import Ellipsoid, block
from edge.engines import open_engine

Array = NDArray[Any]


def ran(net: bytes, feeds: Mapping[str, Array], output: str) -> Array:
    engine = open_engine("onnxruntime", net, precision="fp32", threads=1)
    try:
        found = engine.infer(
            {name: np.asarray(feed, np.float32)[np.newaxis, np.newaxis] for name, feed in feeds.items()}
        )
    finally:
        engine.close()
    return np.asarray(found[output][0])


def test_what_is_above_the_limit_has_a_logit_above_zero() -> None:
    image = np.array([[0.0, 0.59, 0.61, 1.0]])
    assert (ran(above_net(image.shape, 0.6), {IMAGE: image}, LOGITS)[0] > 0).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("shape", [(1, 6), (1, 2, 3)])
def test_each_value_goes_to_the_level_that_is_nearest(shape: tuple[int, ...]) -> None:
    image = np.array([0.05, 0.24, 0.26, 0.5, 0.76, 1.2]).reshape(shape)
    logits = ran(nearest_level_net(shape, (0.5, 1.0, 0.0)), {IMAGE: image}, LOGITS)
    assert logits.argmax(axis=0).ravel().tolist() == [2, 2, 0, 0, 1, 1]


def test_a_thing_that_was_moved_is_moved_back_by_as_much() -> None:
    shape, by = (12, 14, 16), (1.0, -2.0, 3.0)
    thing = Ellipsoid(centre=(5, 7, 6), radii=(2, 3, 3), level=0.9)
    feeds = {FIXED: block(shape, 0.2, [thing]), MOVING: block(shape, 0.2, [thing.moved(by)])}
    field = ran(shift_net(shape, 0.7), feeds, FIELD)
    assert field.shape == (3, *shape)
    np.testing.assert_allclose(field, np.broadcast_to(np.reshape(by, (3, 1, 1, 1)), field.shape), atol=1e-3)


def test_two_scans_without_anything_bright_are_not_moved() -> None:
    dark = np.zeros((3, 4, 5))
    assert not ran(shift_net(dark.shape, 0.7), {FIXED: dark, MOVING: dark}, FIELD).any()


@pytest.mark.parametrize(
    ("value", "made"), [(0.0, 0.1), (0.1, 0.1), (0.35, 0.9), (0.475, 0.7), (0.6, 0.5), (0.75, 0.35), (0.9, 0.2)]
)
def test_a_curve_goes_through_its_points_and_straight_between_them(value: float, made: float) -> None:
    net = curve_net((1, 1), (0.1, 0.35, 0.6, 0.9), (0.1, 0.9, 0.5, 0.2))
    assert ran(net, {IMAGE: np.array([[value]])}, MADE).item() == pytest.approx(made, abs=1e-5)
