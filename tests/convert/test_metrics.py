"""Metrics and thresholds against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convert.metrics import (
    area_under_roc,
    calibration_error,
    interval,
    resamples,
    sensitivity_at,
    specificity_at,
    threshold_for_sensitivity,
    threshold_for_specificity,
    threshold_of_youden,
)

scored = st.lists(st.tuples(st.booleans(), st.integers(0, 99)), min_size=2, max_size=60).filter(
    lambda pairs: len({truth for truth, _ in pairs}) == 2
)


def split(pairs: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    truth, scores = zip(*pairs, strict=True)
    return np.array(truth), np.array(scores) / 100.0


@given(scored)
def test_auc_is_the_share_of_pairs_in_order_with_ties_half(pairs: list[tuple[bool, int]]) -> None:
    truth, scores = split(pairs)
    differences = np.sign(scores[truth][:, None] - scores[~truth][None, :])
    assert area_under_roc(truth, scores) == pytest.approx(((differences + 1) / 2).mean())


@given(scored, st.floats(0.05, 1.0))
def test_the_threshold_for_a_sensitivity_reaches_it_and_a_higher_score_does_not(
    pairs: list[tuple[bool, int]], wanted: float
) -> None:
    truth, scores = split(pairs)
    threshold = threshold_for_sensitivity(truth, scores, wanted)
    assert sensitivity_at(threshold)(truth, scores) >= wanted
    higher = [score for score in np.unique(scores) if score > threshold][1:]
    assert all(sensitivity_at(score)(truth, scores) < wanted for score in higher if (scores[truth] < score).any()) or (
        wanted <= sensitivity_at(higher[0])(truth, scores) == sensitivity_at(threshold)(truth, scores)
    )


@given(scored, st.floats(0.05, 1.0))
def test_the_threshold_for_a_specificity_reaches_it(pairs: list[tuple[bool, int]], wanted: float) -> None:
    truth, scores = split(pairs)
    assert specificity_at(threshold_for_specificity(truth, scores, wanted))(truth, scores) >= wanted


@given(scored)
def test_youdens_threshold_is_as_good_as_any(pairs: list[tuple[bool, int]]) -> None:
    truth, scores = split(pairs)

    def youden(threshold: float) -> float:
        return sensitivity_at(threshold)(truth, scores) + specificity_at(threshold)(truth, scores)

    assert youden(threshold_of_youden(truth, scores)) >= max(youden(score) for score in scores) - 1e-12


def test_scores_that_are_the_true_shares_have_no_calibration_error() -> None:
    truth = np.array([True] * 8 + [False] * 2 + [True] * 1 + [False] * 9)
    scores = np.array([0.8] * 10 + [0.1] * 10)
    assert calibration_error(truth, scores) == pytest.approx(0.0)


def test_overconfident_scores_have_their_gap_as_calibration_error() -> None:
    assert calibration_error(np.array([True, False]), np.array([0.95, 0.95])) == pytest.approx(0.45)


def test_resamples_keep_the_number_of_each_class() -> None:
    truth = np.array([True] * 7 + [False] * 13)
    assert all(truth[sample].sum() == 7 and sample.size == 20 for sample in resamples(truth, seed=1, count=50))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """AUC of two normal distributions one apart is Phi(1 / sqrt(2)) = 0.760."""
    generator = np.random.default_rng(7)
    truth = np.arange(120) < 60
    covered = 0
    for number in range(60):
        scores = generator.normal(size=120) + truth
        low, high = interval(truth, scores, area_under_roc, seed=number, count=200)
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60
