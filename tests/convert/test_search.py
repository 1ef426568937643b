"""Which layers INT8 hurts, and the search that gives them back to float."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convert.quantise import head_nodes, quantise_int8
from convert.search import layer_errors, search_int8
from edge.errors import UsageError
from tests.convert.graphs import NETWORKS, Builder, feeds, residual_network, u_network


def fragile_network() -> bytes:
    """Three convolutions; before the second, one channel is a thousand times as loud as the others."""
    net = Builder()
    loud = np.ones((1, 8, 1, 1), np.float32)
    loud[0, 3] = 1000
    value = net.conv("image", 2, 8, output="first")
    value = net.node("Tanh", value)
    value = net.node("Mul", value, net.constant(loud))
    quiet = np.random.default_rng(1).standard_normal((8, 8, 3, 3)).astype(np.float32)
    quiet[:, 3] = 0
    value = net.node("Conv", value, net.constant(quiet), output="second", pads=[1] * 4)
    net.conv(net.node("Tanh", value), 8, 2, output="third")
    return net.model({"third": ["batch", 2, 8, 8]})


def test_the_layer_that_suffers_is_the_worst() -> None:
    model = fragile_network()
    errors = layer_errors(model, quantise_int8(model, feeds(), method="minmax"), feeds(4))
    assert errors[0].node == "node_second"
    assert errors[0].snr_db < 10
    assert errors[1].snr_db > 30


@pytest.mark.parametrize("name", NETWORKS)
def test_every_quantised_layer_is_measured(name: str) -> None:
    model = NETWORKS[name]()
    errors = layer_errors(model, quantise_int8(model, feeds(), method="minmax"), feeds(4))
    values = [error.snr_db for error in errors]
    assert values == sorted(values)
    assert all(20 < value < 60 for value in values)
    assert {error.operator for error in errors} <= {"Conv", "ConvTranspose", "Gemm"}


def test_layers_in_float_are_not_measured() -> None:
    model = residual_network()
    head = head_nodes(model, ("logit", "cam"))
    errors = layer_errors(model, quantise_int8(model, feeds(), method="minmax", keep_float=head), feeds(2))
    assert {error.node for error in errors}.isdisjoint(head)
    assert len(errors) == 3


def test_a_layer_is_not_blamed_for_those_before_it() -> None:
    model = fragile_network()
    errors = layer_errors(model, quantise_int8(model, feeds(), method="minmax"), feeds(4))
    assert next(error.snr_db for error in errors if error.node == "node_third") > 30


def test_a_layer_that_is_always_zero_loses_nothing() -> None:
    net = Builder()
    net.node("Conv", "image", net.constant(np.zeros((2, 2, 1, 1), np.float32)), output="out")
    model = net.model({"out": ["batch", 2, 8, 8]})
    (error,) = layer_errors(model, quantise_int8(model, feeds(), method="minmax"), feeds(1))
    assert error.snr_db == math.inf


def test_no_feed_is_refused() -> None:
    model = residual_network()
    with pytest.raises(UsageError, match="found no feed"):
        layer_errors(model, quantise_int8(model, feeds(), method="minmax"), [])


def test_two_models_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(UsageError, match="Give the model that it was made from"):
        layer_errors(u_network(), quantise_int8(residual_network(), feeds(), method="minmax"), feeds(1))


def test_a_model_that_is_good_enough_at_once_is_taken() -> None:
    model = residual_network()
    trail = search_int8(model, feeds(), lambda _: True, max_steps=5, method="minmax")
    assert trail.model == quantise_int8(model, feeds(), method="minmax")
    assert [(step.keep_float, step.accepted) for step in trail.steps] == [((), True)]


def test_the_worst_layer_is_given_back_first() -> None:
    model = fragile_network()
    plain = quantise_int8(model, feeds(), method="minmax")
    trail = search_int8(model, feeds(), lambda tried: tried != plain, max_steps=5, method="minmax")
    assert [step.keep_float for step in trail.steps] == [(), ("node_second",)]
    assert [step.accepted for step in trail.steps] == [False, True]
    assert trail.model == quantise_int8(model, feeds(), method="minmax", keep_float=("node_second",))
    assert trail.steps[0].bytes == len(plain)


def test_what_stays_float_from_the_start_stays_so() -> None:
    model = residual_network()
    head = head_nodes(model, ("logit", "cam"))
    trail = search_int8(model, feeds(), lambda _: False, max_steps=5, keep_float=head)
    assert all(step.keep_float[: len(head)] == head for step in trail.steps)


def test_a_judge_who_is_never_content_gets_no_model_and_never_one_without_int8() -> None:
    trail = search_int8(residual_network(), feeds(), lambda _: False, max_steps=9, method="minmax")
    assert trail.model is None
    assert [len(step.keep_float) for step in trail.steps] == [0, 1, 3]


def test_the_search_ends_after_its_steps() -> None:
    trail = search_int8(residual_network(), feeds(), lambda _: False, max_steps=2, method="minmax")
    assert len(trail.steps) == 2


def test_the_same_trail_twice() -> None:
    trails = [search_int8(u_network(), feeds(), lambda _: False, max_steps=3) for _ in range(2)]
    assert trails[0] == trails[1]


def test_no_step_is_refused() -> None:
    with pytest.raises(UsageError, match="found max_steps 0, expected at least 1"):
        search_int8(residual_network(), feeds(), lambda _: True, max_steps=0)
