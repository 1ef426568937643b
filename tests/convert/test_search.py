"""Which layers INT8 hurts, and the models that give the worst of them back to float."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convert.quantise import Calibration, calibrate, head_nodes, quantise_int8
from convert.search import PICTURES, int8_steps, layer_errors, rank_layers
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


def calibrated(model: bytes) -> Calibration:
    return calibrate(model, feeds(), method="minmax")


def test_layers_are_ranked_as_they_are_measured() -> None:
    model = fragile_network()
    ranked = rank_layers(calibrated(model), feeds(4))
    assert ranked == layer_errors(model, quantise_int8(model, feeds(), method="minmax"), feeds(4))


def test_only_the_first_pictures_rank_the_layers() -> None:
    calibration = calibrated(residual_network())
    assert rank_layers(calibration, feeds(PICTURES + 8)) == rank_layers(calibration, feeds(PICTURES + 8)[:PICTURES])


def test_the_first_model_gives_nothing_back() -> None:
    model = residual_network()
    first = next(int8_steps(calibrated(model), (), max_steps=1))
    assert first.given_back == ()
    assert first.model == quantise_int8(model, feeds(), method="minmax")


def test_the_worst_layer_is_given_back_first() -> None:
    model = fragile_network()
    calibration = calibrated(model)
    _, second, *_ = int8_steps(calibration, rank_layers(calibration, feeds(4)), max_steps=5)
    assert second.given_back == ("node_second",)
    assert second.model == quantise_int8(model, feeds(), method="minmax", keep_float=("node_second",))


def test_each_model_gives_back_twice_as_many_and_the_last_has_a_layer_in_int8_still() -> None:
    calibration = calibrated(residual_network())
    ranked = rank_layers(calibration, feeds(4))
    steps = list(int8_steps(calibration, ranked, max_steps=9))
    assert [len(step.given_back) for step in steps] == [0, 1, 3]
    assert len(ranked) == 5
    names = [error.node for error in ranked]
    assert all(list(step.given_back) == names[: len(step.given_back)] for step in steps)


def test_what_stays_float_from_the_start_stays_so() -> None:
    model = residual_network()
    calibration, head = calibrated(model), head_nodes(model, ("logit", "cam"))
    ranked = rank_layers(calibration, feeds(4), keep_float=head)
    assert {error.node for error in ranked}.isdisjoint(head)
    for step in int8_steps(calibration, ranked, max_steps=5, keep_float=head):
        left = layer_errors(model, step.model, feeds(1))
        assert {error.node for error in left}.isdisjoint({*head, *step.given_back})


def test_there_are_no_more_models_than_asked_for() -> None:
    calibration = calibrated(residual_network())
    assert len(list(int8_steps(calibration, rank_layers(calibration, feeds(4)), max_steps=2))) == 2


def test_the_same_models_twice() -> None:
    first, second = (
        list(int8_steps(calibration, rank_layers(calibration, feeds(4)), max_steps=3))
        for calibration in (calibrated(u_network()) for _ in range(2))
    )
    assert first == second


def test_no_model_is_made_before_it_is_asked_for() -> None:
    """The ranking is of another model: only the second step would find that out."""
    ranked = rank_layers(calibrated(residual_network()), feeds(4))
    steps = int8_steps(calibrated(fragile_network()), ranked, max_steps=2)
    next(steps)
    with pytest.raises(UsageError, match="which no node has"):
        next(steps)


def test_no_step_is_refused() -> None:
    with pytest.raises(UsageError, match="found max_steps 0, expected at least 1"):
        next(int8_steps(calibrated(residual_network()), (), max_steps=0))
