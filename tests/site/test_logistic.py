"""A calibration gives back the probabilities that were planted, and none where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from edge.pack.trust import Calibration
from edge.site.judged import Flags, Values
from edge.site.logistic import calibration_of
from tests.site.cases import drawn


def line(truth: Flags, scores: Values) -> Calibration:
    """The calibration, which there is."""
    found = calibration_of(truth, scores, "films")
    assert isinstance(found, Calibration)
    return found


def test_planted_probabilities_are_found() -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=20_000) * 2
    truth = generator.random(20_000) < 1 / (1 + np.exp(-(0.6 * logits - 1.1)))
    found = line(truth, 1 / (1 + np.exp(-logits)))
    assert found.slope == pytest.approx(0.6, abs=0.03)
    assert found.intercept == pytest.approx(-1.1, abs=0.05)
    assert (found.n, found.positives, found.chosen_on) == (20_000, int(truth.sum()), "films")


def test_it_is_the_maximum_of_the_likelihood_with_platts_targets() -> None:
    scores, truth = drawn(60, seed=2, apart=0.8)
    x = np.log(scores / (1 - scores))
    k, m = truth.sum(), (~truth).sum()
    target = np.where(truth, (k + 1) / (k + 2), 1 / (m + 2))

    def loss(parameters: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        z = parameters[0] * x + parameters[1]
        return float((np.logaddexp(0.0, z) - target * z).sum())

    expected = minimize(loss, [1.0, 0.0], tol=1e-12).x
    found = line(truth, scores)
    assert [found.slope, found.intercept] == pytest.approx(expected, abs=1e-3)


def test_scores_without_an_error_do_not_become_certainties() -> None:
    found = line(np.arange(40) >= 20, np.where(np.arange(40) >= 20, 0.9, 0.1))
    assert found.probability(0.9) == pytest.approx(21 / 22, abs=1e-4)
    assert found.probability(0.1) == pytest.approx(1 / 22, abs=1e-4)


def test_scores_of_exactly_0_and_1_are_taken() -> None:
    found = line(np.array([True, True, False, False]), np.array([1.0, 0.4, 0.6, 0.0]))
    assert 0.0 < found.probability(0.0) < found.probability(1.0) < 1.0


def test_scores_that_fall_with_the_truth_give_none() -> None:
    scores, truth = drawn(100, seed=3)
    found = calibration_of(~truth, scores, "films")
    assert isinstance(found, str)
    assert "expected a rising one" in found
