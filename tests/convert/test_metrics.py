"""Metrics and thresholds against counts by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from convert.metrics import (
    area_under_roc,
    calibration_error,
    quadratic_weighted_kappa,
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


@given(scored)
def test_auc_is_that_of_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    truth, scores = split(pairs)
    assert area_under_roc(truth, scores) == pytest.approx(sklearn.roc_auc_score(truth, scores))


@pytest.mark.parametrize("kind", [True, False])
def test_scans_of_one_class_have_no_auc(kind: bool) -> None:
    assert np.isnan(area_under_roc(np.full(3, kind), np.array([0.1, 0.2, 0.3])))


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


def test_a_score_of_1_is_in_the_last_bin_of_the_calibration() -> None:
    assert calibration_error(np.array([True, False]), np.array([1.0, 0.9])) == pytest.approx(0.45)


def test_resamples_keep_the_number_of_each_class() -> None:
    truth = np.array([True] * 7 + [False] * 13)
    assert all(truth[sample].sum() == 7 and sample.size == 20 for sample in resamples(truth, seed=1, count=50))


def test_another_seed_draws_other_scans_and_the_same_seed_the_same() -> None:
    truth = np.arange(20) < 7
    first, again, other = (np.array(resamples(truth, seed=seed, count=5)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_every_scan_is_drawn_about_as_often_as_any_other() -> None:
    drawn = np.bincount(np.concatenate(resamples(np.arange(20) < 7, seed=1, count=2000)), minlength=20)
    assert np.abs(drawn / 2000 - 1).max() < 0.1


# Patients --------------------------------------------------------------------------------------------------

cohorts = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcdefg")), min_size=1, max_size=40)


def highest_of(strata: np.ndarray, clusters: np.ndarray) -> dict[str, int]:
    return {str(name): int(strata[clusters == name].max()) for name in clusters}


@given(cohorts, st.integers(0, 5))
def test_patients_are_drawn_whole_and_as_many_of_each_class(cohort: list[tuple[int, str]], seed: int) -> None:
    """A patient who is drawn twice has all of his scans twice; a patient's class is the worst of his scans."""
    strata, clusters = np.array([grade for grade, _ in cohort]), np.array([name for _, name in cohort])
    highest = highest_of(strata, clusters)
    for sample in resamples(strata, seed=seed, count=5, clusters=clusters):
        times = np.bincount(sample, minlength=strata.size)
        by_patient = {name: set(times[clusters == name]) for name in highest}
        assert all(len(each) == 1 for each in by_patient.values())
        drawn = Counter(highest[name] for name, each in by_patient.items() for _ in range(next(iter(each))))
        assert drawn == Counter(highest.values())


def test_patients_of_one_scan_each_are_drawn_as_scans_are() -> None:
    truth = np.arange(20) < 7
    samples = resamples(truth, seed=1, count=50, clusters=np.array([f"p{index}" for index in range(20)]))
    assert all(truth[sample].sum() == 7 and sample.size == 20 for sample in samples)


# Agreement of grades ---------------------------------------------------------------------------------------


def kappa_by_hand(truth: np.ndarray, grades: np.ndarray) -> float:
    """One less the mean squared miss over that of every pair of a truth and a grade (Cohen 1968)."""
    return float(1 - ((truth - grades) ** 2).mean() / ((truth[:, None] - grades[None, :]) ** 2).mean())


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_kappa_is_the_miss_against_that_of_chance(pairs: list[tuple[int, int]]) -> None:
    truth, grades = (np.array(side) for side in zip(*pairs, strict=True))
    found = quadratic_weighted_kappa(truth, grades, 5)
    if len({*truth.tolist(), *grades.tolist()}) == 1:
        assert np.isnan(found)
        return
    assert found == pytest.approx(kappa_by_hand(truth, grades))
    assert found == pytest.approx(sklearn.cohen_kappa_score(truth, grades, weights="quadratic", labels=range(5)))


def test_far_misses_weigh_more_than_near_ones() -> None:
    truth = np.arange(40) % 4
    near, far = (np.where(truth == 0, miss, truth) for miss in (1, 3))
    assert quadratic_weighted_kappa(truth, truth, 4) == 1.0
    assert quadratic_weighted_kappa(truth, far, 4) < quadratic_weighted_kappa(truth, near, 4) < 1.0


def test_one_grade_for_all_agrees_no_better_than_chance() -> None:
    assert quadratic_weighted_kappa(np.arange(40) % 4, np.full(40, 2), 4) == pytest.approx(0.0)


def test_opposite_grades_agree_less_than_chance() -> None:
    truth = np.arange(40) % 4
    assert quadratic_weighted_kappa(truth, 3 - truth, 4) == pytest.approx(-1.0)
