"""The gate: three verdicts, and what leads to each."""

from __future__ import annotations

import numpy as np
import pytest

from convert.gate import Answers, Comparison, Judgement, Margins, judge
from edge.errors import UsageError

N = 4000


def scans(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truths and the scores of a good model."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 2 == 0
    return truth, 1 / (1 + np.exp(-generator.normal(size=n) - np.where(truth, 2.0, -2.0)))


def verdict(
    truth: np.ndarray, reference: np.ndarray, candidate: np.ndarray, *, thresholds: tuple[float, float] = (0.5, 0.5)
) -> Judgement:
    return judge(
        {"x": truth},
        {"x": Answers(scores=reference, threshold=thresholds[0])},
        {"x": Answers(scores=candidate, threshold=thresholds[1])},
    )


def the(judgement: Judgement, metric: str, group: str = "all") -> Comparison:
    (found,) = [item for item in judgement.comparisons if (item.metric, item.group) == (metric, group)]
    return found


def test_the_reference_itself_passes() -> None:
    truth, scores = scans()
    judgement = verdict(truth, scores, scores)
    assert judgement.verdict == "passed"
    assert the(judgement, "flips").candidate == 0.0
    assert [item.metric for item in judgement.comparisons] == ["auc", "sensitivity", "specificity", "flips"]


def test_tiny_noise_passes() -> None:
    truth, scores = scans()
    noise = np.random.default_rng(1).normal(scale=1e-4, size=N)
    assert verdict(truth, scores, np.clip(scores + noise, 0, 1)).verdict == "passed"


def test_scores_at_random_are_rejected_for_every_metric() -> None:
    truth, scores = scans()
    judgement = verdict(truth, scores, np.random.default_rng(2).random(N))
    assert judgement.verdict == "rejected"
    assert {item.verdict for item in judgement.comparisons} == {"rejected"}


def test_a_lost_threshold_is_rejected_though_the_auc_is_the_same() -> None:
    """The scores keep their order and all become smaller: at the old threshold half of the findings are lost."""
    truth, scores = scans()
    judgement = verdict(truth, scores, scores**8)
    assert the(judgement, "auc").verdict == "passed"
    assert the(judgement, "sensitivity").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_the_same_shift_passes_with_a_threshold_of_its_own() -> None:
    truth, scores = scans()
    assert verdict(truth, scores, scores**8, thresholds=(0.5, 0.5**8)).verdict == "passed"


def test_too_few_scans_are_inconclusive_and_the_number_needed_is_told() -> None:
    truth, scores = scans(60)
    judgement = verdict(truth, scores, scores)
    flips = the(judgement, "flips")
    assert judgement.verdict == "inconclusive"
    assert flips.verdict == "inconclusive"
    assert flips.n_needed is not None
    assert 299 <= flips.n_needed <= 329  # 0.95 = 1 - 0.99 ** 298.1


def test_one_flip_among_few_scans_is_no_proof_of_harm() -> None:
    truth, scores = scans(40, seed=6)
    candidate = scores.copy()
    candidate[0] = 1 - candidate[0]
    judgement = verdict(truth, scores, candidate)
    assert the(judgement, "flips").candidate == 0.025
    assert judgement.verdict == "inconclusive"


def test_an_identical_candidate_is_not_held_back_by_small_subgroups() -> None:
    truth, scores = scans(400)
    side = {"x": Answers(scores=scores, threshold=0.5)}
    judgement = judge({"x": truth}, side, side, groups={"sex": ["F", "F", "M", "M"] * 100})
    assert judgement.verdict == "passed"
    assert {item.group for item in judgement.comparisons} == {"all", "sex=F", "sex=M"}


def test_the_number_needed_would_have_been_enough() -> None:
    truth, scores = scans(400, seed=3)
    candidate = scores.copy()
    candidate[:2] = 1 - candidate[:2]
    flips = the(verdict(truth, scores, candidate), "flips")
    assert flips.verdict == "inconclusive"
    assert flips.n_needed is not None
    times = -(-flips.n_needed // 400)
    again = verdict(np.tile(truth, times), np.tile(scores, times), np.tile(candidate, times))
    assert the(again, "flips").verdict == "passed"


def test_harm_to_one_subgroup_is_seen_though_the_whole_passes() -> None:
    truth, scores = scans(8000)
    site = ["small"] * 100 + ["large"] * 7900
    candidate = scores.copy()
    candidate[:100] = np.random.default_rng(4).random(100)
    sides = [{"x": Answers(scores=side, threshold=0.5)} for side in (scores, candidate)]
    judgement = judge({"x": truth}, sides[0], sides[1], groups={"site": site}, margins=Margins(flips=0.02))
    assert all(item.verdict == "passed" for item in judgement.comparisons if item.group == "all")
    assert the(judgement, "auc", "site=small").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_a_subgroup_too_small_to_judge_is_named() -> None:
    truth, scores = scans(400)
    site = ["tiny"] * 10 + ["rest"] * 390
    side = {"x": Answers(scores=scores, threshold=0.5)}
    judgement = judge({"x": truth}, side, side, groups={"site": site})
    assert judgement.skipped == ("x: site=tiny (10 scans)",)
    assert {item.group for item in judgement.comparisons} == {"all", "site=rest"}


def test_the_verdict_is_the_same_every_time() -> None:
    truth, scores = scans(300)
    noisy = np.clip(scores + np.random.default_rng(5).normal(scale=0.02, size=300), 0, 1)
    assert verdict(truth, scores, noisy) == verdict(truth, scores, noisy)


@pytest.mark.parametrize(
    ("truth", "scores", "words"),
    [
        (np.ones(5, dtype=bool), np.ones(5), "all 5 scans are positive"),
        (np.zeros(5, dtype=bool), np.ones(5), "all 5 scans are negative"),
        (np.array([True, False]), np.array([0.5, np.nan]), "1 scores that are no numbers"),
        (np.array([True, False]), np.array([0.5]), "expected as many truths as scores"),
    ],
)
def test_what_cannot_be_judged_is_refused(truth: np.ndarray, scores: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        verdict(truth, np.resize(scores, truth.size) if words.startswith("all") else scores, scores)
