"""Figures are those of scikit-learn and scipy, and their intervals are neither too narrow nor of no width."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score

from edge.site.figures import (
    BOOTSTRAP,
    CLUSTERED,
    EXACT,
    MISSING,
    SEPARATED,
    area,
    brier,
    effective_size,
    f1,
    kappa,
    separated,
    share,
)
from tests.site.cases import cases, drawn, label_of


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (95, 106), (1, 2)])
def test_a_share_has_the_exact_interval_of_scipy(k: int, n: int) -> None:
    found = share(np.arange(n) < k, np.arange(n))
    expected = binomtest(k, n).proportion_ci(0.95, method="exact")
    assert (found.value, found.hits, found.n, found.method) == (k / n, k, n, EXACT)
    assert (found.low, found.high) == (expected.low, expected.high)


def test_scans_of_the_same_patients_tell_less_than_as_many_patients() -> None:
    hits = np.repeat(np.arange(40) < 30, 5)
    found = share(hits, np.repeat(np.arange(40), 5))
    patients = binomtest(30, 40).proportion_ci(0.95, method="exact")
    scans = binomtest(150, 200).proportion_ci(0.95, method="exact")
    assert found.method == CLUSTERED
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(patients.low, abs=0.02)
    assert found.high == pytest.approx(patients.high, abs=0.02)
    assert found.high - found.low > 1.8 * (scans.high - scans.low)


def test_independent_scans_of_the_same_patients_tell_nearly_as_much_as_they_are() -> None:
    hits = np.random.default_rng(1).random(400) < 0.7
    assert effective_size(hits, np.arange(400) // 2) == pytest.approx(400, rel=0.2)


def test_where_all_are_hits_only_patients_count() -> None:
    found = share(np.ones(50, np.bool_), np.repeat(np.arange(5), 10))
    assert found.low == pytest.approx(binomtest(5, 5).proportion_ci(0.95, method="exact").low)
    assert found.high == 1.0


def test_of_one_patient_nothing_is_known() -> None:
    found = share(np.array([True, False]), np.array([3, 3]))
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 0.9


def test_of_nothing_there_is_no_share() -> None:
    found = share(np.zeros(0, np.bool_), np.zeros(0, np.intp))
    assert (found.value, found.n, found.method) == (None, 0, MISSING)


def test_the_area_is_that_of_scikit_learn_within_its_interval() -> None:
    scores, truth = drawn(120, seed=1, apart=0.7)
    found = area(label_of(cases(np.round(scores, 1), truth)))
    assert found.value == pytest.approx(roc_auc_score(truth, np.round(scores, 1)))
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    assert 0.5 < found.low < found.value < found.high < 1.0
    assert found.method == BOOTSTRAP


def test_the_interval_of_the_area_has_the_width_that_theory_gives() -> None:
    scores, truth = drawn(400, seed=2, apart=0.6)
    found = area(label_of(cases(scores, truth)))
    positives, negatives = int(truth.sum()), int((~truth).sum())
    wins = scores[truth][:, np.newaxis] > scores[~truth][np.newaxis, :]
    delong = wins.mean(axis=1).var(ddof=1) / positives + wins.mean(axis=0).var(ddof=1) / negatives
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * delong**0.5, rel=0.08)


def test_an_area_without_an_error_is_not_certain() -> None:
    found = area(label_of(cases([0.1, 0.2, 0.8, 0.9], [False, False, True, True])))
    assert (found.value, found.high, found.method) == (1.0, 1.0, SEPARATED)
    assert found.low is not None
    assert found.low < 0.7


def test_more_patients_make_an_area_without_an_error_surer_and_both_ends_are_alike() -> None:
    assert separated(1.0, 10, 10)[0] < separated(1.0, 100, 100)[0] < 1.0
    low, high = separated(1.0, 12, 30)
    worst = separated(0.0, 12, 30)
    assert worst[0] == 0.0
    assert worst[1] == pytest.approx(1 - low)
    assert high == 1.0


def test_there_is_no_area_of_one_class() -> None:
    assert area(label_of(cases([0.1, 0.9], [True, True]))).value is None


def test_many_scans_of_few_patients_make_the_area_less_sure() -> None:
    scores, truth = drawn(40, seed=3, apart=0.8)
    alone = area(label_of(cases(scores, truth)))
    repeated = area(
        label_of(cases(np.repeat(scores, 6), np.repeat(truth, 6), patients=[str(i // 6) for i in range(240)]))
    )
    taken_apart = area(label_of(cases(np.repeat(scores, 6), np.repeat(truth, 6))))
    assert repeated.low == pytest.approx(alone.low, abs=0.02)
    assert taken_apart.low is not None
    assert repeated.low is not None
    assert taken_apart.low > repeated.low + 0.02


def test_f1_is_that_of_scikit_learn() -> None:
    scores, truth = drawn(80, seed=4)
    label = label_of(cases(scores, truth))
    assert f1(label).value == pytest.approx(f1_score(truth, scores >= 0.5))
    assert f1(label_of(cases([0.1], [False]))).value is None


def test_the_brier_score_is_the_mean_squared_error() -> None:
    label = label_of(cases([0.2, 0.7, 0.9], [False, True, False]))
    assert brier(label, label.scores).value == pytest.approx((0.04 + 0.09 + 0.81) / 3)


def test_kappa_of_grades_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 4, 60)
    grades = np.clip(truth + generator.integers(-1, 2, 60), 0, 3)
    found = kappa(truth, grades, 4, np.arange(60))
    assert found.value == pytest.approx(cohen_kappa_score(truth, grades, weights="quadratic"))
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert kappa(np.zeros(3, np.intp), np.zeros(3, np.intp), 4, np.arange(3)).value is None
