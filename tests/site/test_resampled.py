"""Figures of many samples at once are those of each sample by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score

from edge.site import resampled
from edge.site.resampled import Split, auc_of, chance_of_less, f1_of, interval, kappa_of, mean_of, share_of
from tests.site.cases import drawn

SCORES, TRUTH = drawn(50, seed=1, apart=0.5)
SCORES = np.round(SCORES, 1)
WEIGHTS = np.random.default_rng(2).integers(0, 4, (5, 50)).astype(float)
SAID = SCORES >= 0.5


def test_areas_are_those_of_scikit_learn_with_weights_and_ties() -> None:
    found = auc_of(TRUTH, SCORES)(WEIGHTS)
    assert found == pytest.approx([roc_auc_score(TRUTH, SCORES, sample_weight=each) for each in WEIGHTS])


def test_f1_is_that_of_scikit_learn_with_weights() -> None:
    assert f1_of(TRUTH, SAID)(WEIGHTS) == pytest.approx([f1_score(TRUTH, SAID, sample_weight=each) for each in WEIGHTS])


def test_kappa_is_that_of_scikit_learn_with_weights() -> None:
    truth, said = (SCORES * 3).astype(np.intp), (np.roll(SCORES, 1) * 3).astype(np.intp)
    expected = [cohen_kappa_score(truth, said, weights="quadratic", sample_weight=each) for each in WEIGHTS]
    assert kappa_of(truth, said, 4)(WEIGHTS) == pytest.approx(expected)


def test_shares_and_means_are_weighted() -> None:
    weights = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    hits, among = np.array([True, True, False]), np.array([True, False, True])
    share = share_of(hits, among)(weights)
    assert share[0] == 0.25
    assert np.isnan(share[1])
    assert mean_of(np.array([4.0, 1.0, 0.0]))(weights).tolist() == [1.0, 1.0]


def test_every_draw_has_as_many_patients_of_each_class_as_there_are() -> None:
    for weights in resampled._drawn(TRUTH, np.arange(50)):
        assert (weights @ TRUTH == TRUTH.sum()).all()
        assert (weights.sum(axis=1) == 50).all()


def test_all_scans_of_a_patient_are_drawn_together() -> None:
    patients = np.arange(50) // 5
    for weights in resampled._drawn(TRUTH, patients):
        assert (weights.reshape(-1, 10, 5) == weights.reshape(-1, 10, 5)[:, :, :1]).all()


def test_chunks_do_not_change_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = interval(mean_of(SCORES), TRUTH, np.arange(50))
    monkeypatch.setattr(resampled, "CELLS", 50 * 300)
    parts = interval(mean_of(SCORES), TRUTH, np.arange(50))
    assert whole is not None
    assert parts is not None
    assert parts == pytest.approx(whole, abs=0.01)


def test_an_interval_of_nothing_is_none() -> None:
    assert interval(share_of(SAID, np.zeros(50, np.bool_)), TRUTH, np.arange(50)) is None


def test_the_chance_of_a_lower_share_is_fishers() -> None:
    """A permutation with fixed margins of yes and no is Fisher's exact test."""
    truth = np.ones(60, np.bool_)
    inside = np.arange(60) < 25
    hits = np.where(inside, np.arange(60) < 17, np.arange(60) < 56)
    split = Split(inside=inside, truth=truth, patients=np.arange(60))
    found = chance_of_less({"share": share_of(hits, truth)}, split)["share"]
    expected = fisher_exact([[17, 8], [31, 4]], alternative="less").pvalue
    assert found == pytest.approx(expected, abs=0.02)
    assert found == pytest.approx(expected, rel=0.2)


def test_a_group_without_the_figure_has_no_chance() -> None:
    inside = np.arange(50) < 10
    split = Split(inside=inside, truth=TRUTH, patients=np.arange(50))
    assert chance_of_less({"share": share_of(SAID, ~inside)}, split) == {"share": 1.0}


def test_patients_are_dealt_whole() -> None:
    patients = np.arange(50) // 5
    inside = patients < 4
    for dealt in resampled._dealt(Split(inside=inside, truth=TRUTH, patients=patients)):
        blocks = dealt.reshape(-1, 10, 5)
        assert (blocks == blocks[:, :, :1]).all()
        assert (blocks[:, :, 0].sum(axis=1) == 4).all()
