"""The arithmetic of the choice: what starting costs, and from how many scans on it is paid back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ready.choose import MARGIN, crossover, fastest
from tests.ready.found import took

seconds = st.floats(1e-4, 100.0)


def test_the_cheapest_is_the_fastest() -> None:
    assert fastest([3.0, 1.0, 2.0], float) == 1.0


def test_what_is_hardly_faster_does_not_take_the_place_of_what_is_preferred() -> None:
    assert fastest([1.0, 1.0 - MARGIN / 2], float) == 1.0
    assert fastest([1.0, 1.0 - 2 * MARGIN], float) == 1.0 - 2 * MARGIN


@pytest.mark.parametrize(("cost", "chosen"), [(1.049, 1.049), (1.051, 1.0)])
def test_a_choice_costs_no_more_than_a_twentieth_above_the_best(cost: float, chosen: float) -> None:
    assert fastest([cost, 1.0], float) == chosen


@pytest.mark.parametrize(
    ("one", "many", "scans"),
    [
        (took(0.43, 0.0418), took(1.08, 0.0143), 24),  # DenseNet-121 in FP32 on ONNX Runtime, in INT8 on OpenVINO
        (took(0.5, 1.0), took(1.0, 0.5), 2),
        (took(0.5, 1.0), took(2.5, 0.5), 5),
        (took(0.5, 1.0), took(0.4, 0.5), 2),
    ],
)
def test_a_slow_start_is_paid_back_after_so_many_scans(one: object, many: object, scans: int) -> None:
    assert crossover(one, many) == scans  # type: ignore[arg-type]


@given(seconds, seconds, seconds, seconds)
def test_before_it_the_one_costs_no_more_and_from_it_on_the_other_costs_less(
    start: float, scan: float, later: float, quicker: float
) -> None:
    one, many = took(start, scan), took(start + later, scan / (1 + quicker))
    if (scans := crossover(one, many)) > 1 and scans < 10**6:
        assert many.cost_seconds(scans + 1) < one.cost_seconds(scans + 1)
        if scans > 2:
            assert many.cost_seconds(scans - 1) >= one.cost_seconds(scans - 1) * (1 - 1e-9)


def test_what_is_never_faster_is_never_crossed_over_to() -> None:
    assert crossover(took(0.5, 0.1), took(1.0, 0.1)) == 1
    assert crossover(took(0.5, 0.1), took(1.0, 0.2)) == 1


def test_what_is_paid_back_after_a_lifetime_has_a_number_that_a_record_can_hold() -> None:
    assert crossover(took(0.0, 0.1), took(1000.0, 0.1 - 1e-10)) == 10**9


def test_the_first_scan_may_cost_more_than_the_others() -> None:
    assert took(1.0, 0.1, first=0.5).cost_seconds(3) == pytest.approx(1.7)
