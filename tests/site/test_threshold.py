"""A threshold shows what it promises, on the scans that it was chosen on and on all others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from edge.site.threshold import (
    each_patient,
    found_share,
    least_positives,
    rule_words,
    spared_share,
    threshold_for,
)
from tests.site.cases import cases, drawn, label_of


def lower_bound(hits: int, n: int) -> float:
    """One-sided 95%."""
    return float(binomtest(hits, n, alternative="greater").proportion_ci(0.95, method="exact").low)


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_it_is_the_highest_whose_lower_bound_reaches_the_target(target: float) -> None:
    scores, truth = drawn(200, seed=1)
    positives, negatives = scores[truth], scores[~truth]
    threshold = threshold_for(positives, negatives, target)
    assert threshold is not None
    n = positives.size
    assert lower_bound(int((positives >= threshold).sum()), n) >= target
    higher = np.sort(positives[positives >= threshold])[1]
    assert lower_bound(int((positives >= higher).sum()), n) < target


def test_it_keeps_its_promise_on_all_other_patients_nineteen_times_in_twenty() -> None:
    """Scores of patients with it are uniform here, so that the sensitivity of a threshold is 1 less it."""
    generator = np.random.default_rng(2)
    kept = []
    for _ in range(2000):
        threshold = threshold_for(generator.random(60), np.zeros(1), 0.9)
        assert threshold is not None
        kept.append(1 - threshold >= 0.9)
    assert np.mean(kept) >= 0.95 - 0.01


@pytest.mark.parametrize("target", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_with_fewer_patients_than_it_takes_there_is_none(target: float) -> None:
    needed = least_positives(target)
    scores = np.linspace(0.4, 0.9, needed)
    assert threshold_for(scores, np.zeros(1), target) is not None
    assert threshold_for(scores[1:], np.zeros(1), target) is None
    assert lower_bound(needed, needed) >= target > lower_bound(needed - 1, needed - 1)


def test_no_patient_stands_on_the_threshold_itself() -> None:
    positives, negatives = np.full(40, 0.8), np.array([0.2, 0.6, 0.9])
    assert threshold_for(positives, negatives, 0.9) == pytest.approx(0.7)


def test_neighbours_in_float32_are_told_apart() -> None:
    low = float(np.float32(0.7))
    high = float(np.nextafter(np.float32(0.7), np.float32(1.0)))
    threshold = threshold_for(np.full(40, high), np.full(40, low), 0.9)
    assert threshold is not None
    assert found_share(np.full(40, high), threshold).value == 1.0
    assert spared_share(np.full(40, low), threshold).value == 1.0


def test_scores_are_compared_in_float32_as_by_the_runtime() -> None:
    assert found_share(np.array([float(np.float32(0.7))]), 0.7).hits == 1
    assert spared_share(np.array([float(np.float32(0.7))]), 0.7).hits == 0


def test_shares_have_scipys_exact_interval() -> None:
    found = found_share(np.array([0.1, 0.6, 0.7, 0.9]), 0.5)
    expected = binomtest(3, 4).proportion_ci(0.95, method="exact")
    assert (found.value, found.hits, found.n) == (0.75, 3, 4)
    assert (found.low, found.high) == (expected.low, expected.high)


def test_of_a_patient_the_scan_that_is_hardest_counts() -> None:
    examined = cases(
        [0.9, 0.3, 0.1, 0.6, 0.8],
        [True, True, False, False, True],
        patients=["a", "a", "a", "b", "c"],
    )
    positives, negatives = each_patient(label_of(examined))
    assert sorted(positives.tolist()) == [0.3, 0.8]
    assert sorted(negatives.tolist()) == [0.1, 0.6]


def test_the_rule_is_told_in_words() -> None:
    assert "95% confidence, at least 92.5% of patients" in rule_words(0.925)
