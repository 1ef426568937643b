"""Ratios and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bench.paired import Paired, paired_ratio, ratio_of_medians


def test_pairs_that_drift_together_have_a_sharp_ratio() -> None:
    drift = np.exp(np.random.default_rng(0).normal(size=60))
    base = drift.tolist()
    paired, apart = paired_ratio((2 * drift).tolist(), base), ratio_of_medians((2 * drift).tolist(), base)
    assert (paired.low, paired.high) == pytest.approx((2.0, 2.0))
    assert apart.low < 1.8
    assert apart.high > 2.2


def test_the_interval_holds_the_true_ratio_in_most_runs() -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        of, base = (generator.gamma(9.0, size=40) for _ in range(2))
        found = ratio_of_medians((1.5 * of).tolist(), base.tolist())
        held += found.low <= 1.5 <= found.high
    assert held >= 88


def test_the_same_values_give_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0, 3.0]
    assert paired_ratio(values, values[::-1]) == paired_ratio(values, values[::-1])


def test_runs_of_two_lengths_can_be_compared() -> None:
    assert ratio_of_medians([2.0] * 3, [1.0] * 9).middle == 2.0


def test_commands_in_turn_give_their_ratio() -> None:
    measured = Paired(seconds={"a": [2.0, 4.0], "b": [1.0, 2.0]})
    assert measured.median("a") == 3.0
    assert measured.ratio("a", "b") == (2.0, 2.0, 2.0)
