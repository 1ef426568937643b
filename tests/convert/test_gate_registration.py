"""The gate of registration: what is asked, what passes and what does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from convert.displacement import Registrations, folded_share, target_registration_error
from convert.gate.judge import Comparison, Judgement, Margins, judge
from convert.gate.registration import FINEST_MM, questions
from edge.errors import UsageError
from edge.geometry import Grid

N = 300


def pairs(n: int = N, *, off_mm: float = 0.0, folds: float = 0.0, noise_mm: float = 0.0) -> Registrations:
    """A good model's figures, made worse."""
    generator = np.random.default_rng(0)
    noise = np.random.default_rng(1).normal(scale=noise_mm, size=n)
    # Without a mean, so that what few pairs show is how little they tell.
    errors = generator.gamma(4.0, 0.5, n) + 1.0 + off_mm + noise - noise.sum() / max(n, 1)
    folded = generator.beta(1, 2000, n) + folds
    return Registrations(target_registration_error_mm=errors, folded=folded)


def verdict(reference: Registrations, candidate: Registrations, margins: Margins | None = None) -> Judgement:
    return judge(questions(reference, candidate, margins or Margins()))


def the(judgement: Judgement, metric: str) -> Comparison:
    (found,) = [item for item in judgement.comparisons if item.metric == metric]
    return found


def test_the_reference_itself_passes() -> None:
    judgement = verdict(pairs(), pairs())
    assert judgement.verdict == "passed"
    assert [item.metric for item in judgement.comparisons] == ["target-registration-error", "folded"]
    assert not any(item.higher_is_better for item in judgement.comparisons)


def test_tiny_noise_passes() -> None:
    assert verdict(pairs(), pairs(noise_mm=0.02)).verdict == "passed"


def test_a_better_candidate_passes() -> None:
    assert verdict(pairs(off_mm=1.0, folds=0.01), pairs()).verdict == "passed"


def test_landmarks_farther_off_are_rejected() -> None:
    judgement = verdict(pairs(), pairs(off_mm=0.3))
    assert the(judgement, "target-registration-error").verdict == "rejected"
    assert the(judgement, "folded").verdict == "passed"
    assert judgement.verdict == "rejected"


def test_more_folds_are_rejected_though_the_landmarks_are_as_near() -> None:
    judgement = verdict(pairs(), pairs(folds=0.005))
    assert the(judgement, "target-registration-error").verdict == "passed"
    assert the(judgement, "folded").verdict == "rejected"


def test_few_pairs_are_inconclusive_and_the_number_needed_would_do() -> None:
    few = the(verdict(pairs(12), pairs(12, noise_mm=0.8)), "target-registration-error")
    assert few.verdict == "inconclusive"
    assert few.n_needed is not None
    assert few.n_needed > 12
    times = 2 * -(-few.n_needed // 12)  # with the number itself, chance decides
    more = [
        Registrations(
            target_registration_error_mm=np.tile(side.target_registration_error_mm, times),
            folded=np.tile(side.folded, times),
        )
        for side in (pairs(12), pairs(12, noise_mm=0.8))
    ]
    assert the(verdict(more[0], more[1]), "target-registration-error").verdict == "passed"


def test_the_margin_of_the_error_is_a_share_and_that_of_folds_is_not() -> None:
    error, folded = questions(pairs(), pairs(), Margins(target_registration_error=0.1, folded=0.002))
    assert error.margin == pytest.approx(0.1 * pairs().target_registration_error_mm.mean())
    assert folded.margin == 0.002


def test_a_reference_without_any_error_leaves_a_share_of_what_can_be_placed() -> None:
    exact = replace(pairs(), target_registration_error_mm=np.zeros(N))
    error, _ = questions(exact, exact, Margins(target_registration_error=0.1))
    assert error.margin == pytest.approx(0.1 * FINEST_MM)
    rounded = replace(exact, target_registration_error_mm=np.full(N, 1e-6))
    assert verdict(exact, rounded).verdict == "passed"


def test_a_resample_is_measured_as_those_very_pairs_are() -> None:
    generator = np.random.default_rng(3)
    grid = Grid.of((4, 5, 6), np.eye(4)[[2, 1, 0, 3]], "patient")
    fields = generator.normal(scale=0.6, size=(15, 3, 4, 5, 6))
    landmarks = generator.random((15, 2, 8, 3))
    side = Registrations(
        target_registration_error_mm=np.array([target_registration_error(*both) for both in landmarks]),
        folded=np.array([folded_share(field, grid) for field in fields]),
    )
    sample = generator.integers(0, 15, 15)
    error, folded = questions(side, side, Margins())
    chosen = np.linalg.norm(landmarks[sample, 0] - landmarks[sample, 1], axis=-1)
    assert error.candidate(sample) == pytest.approx(chosen.mean())
    assert folded.candidate(sample) == pytest.approx(folded_share_of_all(fields[sample], grid))
    assert 0.0 < folded.candidate(sample) < 1.0


def folded_share_of_all(fields: np.ndarray, grid: Grid) -> float:
    return float(np.mean([folded_share(field, grid) for field in fields]))


@pytest.mark.parametrize("field", ["target_registration_error_mm", "folded"])
@pytest.mark.parametrize("name", ["reference", "candidate"])
def test_no_numbers_are_refused_by_name(field: str, name: str) -> None:
    good = pairs(10)
    values = getattr(good, field).copy()
    values[[2, 4]] = [np.nan, np.inf]
    sides = {"reference": good, "candidate": good, name: replace(good, **{field: values})}
    with pytest.raises(UsageError, match=f"the {name} gave 2 values that are no finite numbers"):
        verdict(sides["reference"], sides["candidate"])


@pytest.mark.parametrize(("first", "second"), [(10, 11), (0, 0)])
def test_sides_of_other_pairs_are_refused(first: int, second: int) -> None:
    with pytest.raises(UsageError, match=r"expected \(n,\) for all"):
        questions(pairs(first), pairs(second), Margins())
