"""Figures of one candidate, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from convert.gate import judge as module
from convert.gate.judge import Figure, Indices, Question, figures_of
from convert.metrics import area_under_roc
from tests.convert.questions import Values, asked, changes, qualities, unanswered


def figure(question: Question, patients: Sequence[str] | None = None) -> Figure:
    (found,) = figures_of([question], patients=patients, seed=0)
    return found


def test_a_figure_is_the_candidates_with_an_interval_around_it() -> None:
    candidate = qualities() + changes()
    found = figure(asked(qualities(), candidate))
    low, high = found.interval
    assert (found.metric, found.label, found.n) == ("quality", "x", 400)
    assert low < found.value == candidate.mean() < high
    half = 1.96 * candidate.std() / 20
    assert [found.value - low, high - found.value] == pytest.approx([half, half], rel=0.1)


def test_the_interval_of_a_figure_is_wider_where_patients_have_many_scans() -> None:
    values = np.repeat(qualities(40), 10)
    question, patients = asked(values, values), [f"p{index // 10}" for index in range(400)]
    alone, together = (np.ptp(figure(question, each).interval) for each in (None, patients))
    assert together > 2.5 * alone


def test_a_figure_that_no_resample_gives_is_none() -> None:
    good = asked(qualities(40), qualities(40))
    found = list(figures_of([unanswered(), good], patients=None, seed=0))
    assert [item.value for item in found] == [qualities(40).mean()]


def test_the_interval_covers_the_truth_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUC of two normal distributions one apart is Phi(1 / sqrt(2)) = 0.760."""
    monkeypatch.setattr(module, "RESAMPLES", 200)
    generator = np.random.default_rng(7)
    truth = np.arange(120) < 60
    covered = 0
    for _ in range(60):
        scores = generator.normal(size=120) + truth

        def auc(scans: Indices, scores: Values = scores) -> float:
            return area_under_roc(truth[scans], scores[scans])

        question = Question(
            metric="auc", label="x", margin=0.0, reference=auc, candidate=auc, counted=np.ones_like(truth),
            strata=truth.astype(np.int64),
        )  # fmt: skip
        low, high = figure(question).interval
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60
