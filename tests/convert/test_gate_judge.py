"""The gate: three verdicts, and what leads to each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from convert.gate.judge import LEAST_OF_A_CLASS, Comparison, Indices, Judgement, Question, figures_of, judge
from convert.metrics import area_under_roc
from edge.errors import UsageError
from tests.convert.questions import asked, changes, flipped, qualities, unanswered

WORSE_FIRST = ("rejected", "inconclusive", "passed")


def the(judgement: Judgement, metric: str = "quality", group: str = "all") -> Comparison:
    (found,) = [item for item in judgement.comparisons if (item.metric, item.group) == (metric, group)]
    return found


# Three verdicts --------------------------------------------------------------------------------------------


def test_the_reference_itself_passes() -> None:
    values = qualities()
    judgement = judge([asked(values, values)], [flipped(0, 400)])
    assert judgement.verdict == "passed"
    assert (the(judgement).bound, the(judgement).room) == (0.0, 0.01)
    assert the(judgement, "flips").candidate == 0.0


def test_a_better_candidate_passes() -> None:
    values = qualities()
    judgement = judge([asked(values, values + 0.2 + changes())])
    assert judgement.verdict == "passed"
    assert the(judgement).bound > 0


def test_harm_that_is_proven_is_rejected() -> None:
    judgement = judge([asked(qualities(), qualities() + changes(mean=-0.05))])
    assert judgement.verdict == "rejected"
    assert the(judgement).n_needed is None


def test_harm_within_the_margin_passes() -> None:
    assert judge([asked(qualities(), qualities() + changes(mean=-0.004))]).verdict == "passed"


def test_what_few_scans_cannot_tell_is_inconclusive_and_the_number_needed_would_do() -> None:
    few = the(judge([asked(qualities(50), qualities(50) + changes(50))]))
    assert few.verdict == "inconclusive"
    assert few.n_needed is not None
    assert few.n_needed == pytest.approx((1.645 * 0.05 / 0.01) ** 2, rel=0.15)
    wanted = math.ceil(1.15 * few.n_needed)  # with the number itself, chance decides
    again = judge([asked(qualities(wanted), qualities(wanted) + changes(wanted))])
    assert again.verdict == "passed"


def test_no_number_of_scans_would_prove_a_candidate_that_looks_worse_than_its_margin() -> None:
    found = the(judge([asked(qualities(20), qualities(20) + changes(20, mean=-0.011))]))
    assert (found.verdict, found.n_needed) == ("inconclusive", None)
    assert found.room < 0


def test_the_bound_is_that_of_the_normal_distribution_for_means() -> None:
    found = the(judge([asked(qualities(), qualities() + changes(mean=-0.02))]))
    assert found.bound == pytest.approx(-0.02 - 1.645 * 0.05 / 20, abs=0.1 * 1.645 * 0.05 / 20)


def test_the_bound_is_not_that_of_two_sets_apart() -> None:
    """Both saw the same scans: what differs between scans and not between models is no doubt."""
    values = np.random.default_rng(3).normal(scale=100.0, size=400)
    assert judge([asked(values, values + changes(spread=0.01))]).verdict == "passed"


def test_the_worst_comparison_is_the_verdict() -> None:
    values = qualities(50)
    same, unsure, worse = (
        asked(values, values + change, metric=name)
        for name, change in (("same", np.zeros(50)), ("unsure", changes(50)), ("worse", changes(50, mean=-0.1)))
    )
    assert judge([same]).verdict == "passed"
    assert judge([same, unsure]).verdict == "inconclusive"
    assert judge([unsure, worse, same]).verdict == "rejected"


def test_nothing_asked_is_nothing_proven() -> None:
    assert judge([]).verdict == "inconclusive"


def test_a_number_of_scans_that_nobody_has_is_not_told() -> None:
    found = the(judge([asked(qualities(20), qualities(20) + changes(20, mean=-0.01 + 1e-9))]))
    assert (found.verdict, found.n_needed) == ("inconclusive", None)
    assert found.room > 0


# Lower is better -------------------------------------------------------------------------------------------


def test_of_an_error_the_upper_end_must_stay_within_the_margin() -> None:
    errors = qualities()
    lower = judge([asked(errors, errors + changes(mean=-0.05), higher_is_better=False)])
    higher = judge([asked(errors, errors + changes(mean=0.05), higher_is_better=False)])
    assert (lower.verdict, higher.verdict) == ("passed", "rejected")
    assert the(higher).bound > the(higher).candidate - the(higher).reference > the(higher).margin
    assert [the(lower).room, the(higher).room] == pytest.approx([0.06, -0.04])


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.03, 0.03), st.floats(0.0, 0.1), st.integers(2, 60))
def test_an_error_is_judged_as_its_opposite_would_be(mean: float, spread: float, n: int) -> None:
    before, after = qualities(n), qualities(n) + mean + spread * qualities(n, seed=5)
    up = the(judge([asked(before, after)]))
    down = the(judge([asked(-before, -after, higher_is_better=False)]))
    assert (down.verdict, down.n_needed) == (up.verdict, up.n_needed)
    assert [down.bound, down.room] == pytest.approx([-up.bound, up.room])


# Flips -----------------------------------------------------------------------------------------------------


def test_the_bound_of_flips_is_exact() -> None:
    found = the(judge([], [flipped(7, 500)]), "flips")
    exact = stats.binomtest(7, 500, alternative="less").proportion_ci(0.95, method="exact").high
    assert found.bound == pytest.approx(exact)
    assert (found.candidate, found.reference, found.n) == (0.014, 0.0, 500)
    assert not found.higher_is_better


@pytest.mark.parametrize(
    ("count", "n", "verdict"),
    [(0, 299, "passed"), (0, 298, "inconclusive"), (10, 4000, "passed"), (90, 4000, "rejected"), (5, 5, "rejected")],
)
def test_flips_have_three_verdicts(count: int, n: int, verdict: str) -> None:
    assert judge([], [flipped(count, n)]).verdict == verdict  # 0.95 = 1 - 0.99 ** 298.1


def test_too_few_scans_to_count_flips_in_tell_how_many_would_do() -> None:
    found = the(judge([], [flipped(0, 60)]), "flips")
    assert found.verdict == "inconclusive"
    assert found.n_needed is not None
    assert 299 <= found.n_needed <= 329


def test_one_flip_among_few_scans_is_no_proof_of_harm() -> None:
    found = the(judge([], [flipped(1, 40)]), "flips")
    assert (found.candidate, found.verdict, found.n_needed) == (0.025, "inconclusive", None)


def test_the_number_needed_to_count_flips_would_have_been_enough() -> None:
    needed = the(judge([], [flipped(2, 400)]), "flips").n_needed
    assert needed is not None
    times = -(-needed // 400)
    assert judge([], [flipped(2 * times, 400 * times)]).verdict == "passed"


def test_a_share_of_flips_that_next_to_no_number_would_prove_is_told_without_one() -> None:
    found = the(judge([], [flipped(99_999, 10_000_000)]), "flips")
    assert (found.verdict, found.n_needed) == ("inconclusive", None)


def test_flips_alone_can_reject() -> None:
    values = qualities()
    judgement = judge([asked(values, values)], [flipped(40, 400)])
    assert (the(judgement).verdict, judgement.verdict) == ("passed", "rejected")


# Subgroups -------------------------------------------------------------------------------------------------


def test_an_identical_candidate_is_not_held_back_by_small_subgroups() -> None:
    values = qualities()
    judgement = judge([asked(values, values)], [flipped(0, 400)], groups={"sex": ["F", "F", "M", "M"] * 100})
    assert judgement.verdict == "passed"
    assert [(item.metric, item.group) for item in judgement.comparisons] == [
        ("quality", "all"),
        ("quality", "sex=F"),
        ("quality", "sex=M"),
        ("flips", "all"),
    ]


def test_harm_to_one_subgroup_is_seen_though_the_whole_passes() -> None:
    values, small = qualities(8000), np.arange(8000) < 100
    site = np.where(small, "small", "large").tolist()
    judgement = judge([asked(values, values + np.where(small, -0.2, 0.0))], groups={"site": site})
    assert the(judgement).verdict == "passed"
    assert the(judgement, group="site=large").verdict == "passed"
    assert the(judgement, group="site=small").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_a_subgroup_is_measured_by_its_own_scans() -> None:
    values = qualities()
    inside = np.arange(400) % 4 == 0
    judgement = judge([asked(values, values + changes())], groups={"sex": np.where(inside, "F", "M").tolist()})
    found = the(judgement, group="sex=F")
    assert found.n == 100
    assert found.reference == pytest.approx(values[inside].mean())
    assert found.candidate == pytest.approx((values + changes())[inside].mean())


def test_a_subgroup_too_small_to_judge_is_named_once() -> None:
    values, site = qualities(), ["tiny"] * 19 + ["rest"] * 381
    questions = [asked(values, values, metric=metric) for metric in ("quality", "beauty")]
    judgement = judge(questions, groups={"site": site})
    assert judgement.skipped == ("x: site=tiny (19 scans)",)
    assert {item.group for item in judgement.comparisons} == {"all", "site=rest"}
    assert judgement.verdict == "passed"


def test_a_subgroup_needs_enough_scans_of_every_class() -> None:
    values = qualities()
    strata = (np.arange(400) % 20 == 0).astype(np.int64)  # ten of them in either half
    judgement = judge([asked(values, values, strata=strata)], groups={"sex": ["F"] * 200 + ["M"] * 200})
    assert judgement.skipped == ("x: sex=F (200 scans)", "x: sex=M (200 scans)")


def test_scans_of_an_unknown_subgroup_make_none() -> None:
    values = qualities()
    judgement = judge([asked(values, values)], groups={"sex": ["F"] * 200 + [""] * 200})
    assert [item.group for item in judgement.comparisons] == ["all", "sex=F"]
    assert not judgement.skipped


# Patients --------------------------------------------------------------------------------------------------


def test_a_patient_with_many_scans_is_one_witness() -> None:
    """Forty patients of ten scans that all change alike: the doubt is that of forty, not of four hundred."""
    change = np.repeat(changes(40, mean=0.0), 10)
    values, patients = qualities(), [f"p{index // 10}" for index in range(400)]
    alone = the(judge([asked(values, values + change)]))
    together = the(judge([asked(values, values + change)], patients=patients))
    assert (together.candidate, together.n) == (alone.candidate, 400)
    assert together.bound == pytest.approx(math.sqrt(10) * alone.bound, rel=0.1)
    assert (alone.verdict, together.verdict) == ("passed", "inconclusive")


def test_patients_of_one_scan_each_change_nothing_but_the_draws() -> None:
    question = asked(qualities(), qualities() + changes())
    patients = [f"p{index}" for index in range(400)]
    alone, together = the(judge([question])), the(judge([question], patients=patients))
    assert together.bound == pytest.approx(alone.bound, rel=0.1)


def test_patients_are_drawn_together_in_subgroups_too() -> None:
    change = np.repeat(changes(40, mean=0.0), 10)
    values, groups = qualities(), {"site": ["a"] * 200 + ["b"] * 200}
    patients = [f"p{index // 10}" for index in range(400)]
    alone = judge([asked(values, values + change)], groups=groups)
    together = judge([asked(values, values + change)], groups=groups, patients=patients)
    for group in ("site=a", "site=b"):
        was, became = (the(item, group=group) for item in (alone, together))
        assert became.candidate - became.reference - became.bound > 2 * (was.candidate - was.reference - was.bound)


# What no resample answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(math.nan, math.nan), (0.9, math.nan), (math.nan, 0.9), (0.9, math.inf)])
def test_a_question_that_no_resample_answers_is_inconclusive_and_named(values: tuple[float, float]) -> None:
    good = asked(qualities(40), qualities(40), metric="beauty")
    judgement = judge([good, unanswered(reference=values[0], candidate=values[1])])
    assert judgement.verdict == "inconclusive"
    assert judgement.skipped == ("x quality: all (40 scans)",)
    assert [item.metric for item in judgement.comparisons] == ["beauty"]


def test_a_question_without_an_answer_does_not_hide_a_rejection() -> None:
    worse = asked(qualities(40), qualities(40) - 0.5)
    assert judge([unanswered(), worse]).verdict == "rejected"


def test_resamples_without_an_answer_are_left_out() -> None:
    """Patients who have positives only can be drawn alone; the area under the curve is of the others."""
    truth = np.array(([True] * 10 + [False] * 10) * 2 + [True] * 40)
    scores = np.random.default_rng(0).random(80) + truth
    patients = ["a"] * 20 + ["b"] * 20 + ["c"] * 20 + ["d"] * 20

    def auc(scans: Indices) -> float:
        return area_under_roc(truth[scans], scores[scans])

    everything = np.ones(80, dtype=np.bool_)
    question = Question(
        metric="auc", label="x", margin=0.01, reference=auc, candidate=auc, counted=everything,
        strata=truth.astype(np.int64),
    )  # fmt: skip
    judgement = judge([question], patients=patients)
    assert (judgement.verdict, the(judgement, "auc").bound) == ("passed", 0.0)


# Problems, and what is told --------------------------------------------------------------------------------


def test_a_problem_rejects_whatever_the_figures_are() -> None:
    values = qualities()
    judgement = judge([asked(values, values + 0.1)], [flipped(0, 400)], problems=["Its map is constant."])
    assert judgement.verdict == "rejected"
    assert {item.verdict for item in judgement.comparisons} == {"passed"}
    assert judgement.problems == ("Its map is constant.",)
    assert judge([], problems=["It died."]).verdict == "rejected"


def test_what_is_told_is_not_judged() -> None:
    values = qualities()
    judgement = judge([asked(values, values)], told={"calibration-error x": 0.9})
    assert (judgement.verdict, dict(judgement.told)) == ("passed", {"calibration-error x": 0.9})


# Properties ------------------------------------------------------------------------------------------------


def test_the_verdict_is_the_same_every_time() -> None:
    question = asked(qualities(), qualities() + changes())
    assert judge([question]) == judge([question])
    assert judge([question], seed=1) != judge([question], seed=2)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=60),
    st.booleans(),
)
def test_a_candidate_equal_to_the_reference_is_never_rejected(
    scans: Sequence[tuple[float, int, str]], by_patient: bool
) -> None:
    values, strata = np.array([item[0] for item in scans]), np.array([item[1] for item in scans])
    patients = [item[2] for item in scans] if by_patient else None
    judgement = judge(
        [asked(values, values, strata=strata)], [flipped(0, len(scans))], groups={"sex": patients or []} if by_patient
        else None, patients=patients,
    )  # fmt: skip
    least = min(int((strata == value).sum()) for value in np.unique(strata))
    assert the(judgement).verdict == ("passed" if least >= LEAST_OF_A_CLASS else "inconclusive")
    assert the(judgement, "flips").verdict != "rejected"


def test_nothing_passes_on_a_handful_of_scans_though_none_changed() -> None:
    values = np.linspace(0.5, 1.0, 5)
    found = the(judge([asked(values, values)]))
    assert (found.verdict, found.n_needed) == ("inconclusive", LEAST_OF_A_CLASS)


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.03, 0.03), st.floats(0.0, 0.03), st.floats(0.0, 0.03))
def test_a_wider_margin_never_makes_a_verdict_worse(mean: float, margin: float, more: float) -> None:
    values, change = qualities(60), changes(60, mean=mean)
    narrow, wide = (judge([asked(values, values + change, margin=width)]).verdict for width in (margin, margin + more))
    assert WORSE_FIRST.index(narrow) <= WORSE_FIRST.index(wide)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_scans_matters_no_more_than_the_draws(seed: int) -> None:
    before, after = qualities(), qualities() + changes(mean=-0.008, seed=seed)
    strata = (before > 0.9).astype(np.int64)
    order = np.random.default_rng(seed).permutation(400)
    was = the(judge([asked(before, after, strata=strata)]))
    shuffled = the(judge([asked(before[order], after[order], strata=strata[order])]))
    assert [shuffled.reference, shuffled.candidate] == pytest.approx([was.reference, was.candidate])
    assert shuffled.bound - was.bound == pytest.approx(0, abs=0.15 * (was.candidate - was.reference - was.bound))


# Lengths ---------------------------------------------------------------------------------------------------


def test_subgroups_of_other_scans_are_refused() -> None:
    with pytest.raises(UsageError, match="Judging by sex: found 3 values, expected 40"):
        judge([asked(qualities(40), qualities(40))], groups={"sex": ["F"] * 3})


@pytest.mark.parametrize("count", [39, 41])
def test_patients_of_other_scans_are_refused(count: int) -> None:
    question = asked(qualities(40), qualities(40))
    with pytest.raises(UsageError, match=f"found {count} patients, expected one for each of 40"):
        judge([question], patients=["a"] * count)
    with pytest.raises(UsageError, match=f"found {count} patients, expected one for each of 40"):
        list(figures_of([question], patients=["a"] * count, seed=0))


def test_questions_about_other_scans_are_refused() -> None:
    with pytest.raises(UsageError, match=r"found questions about \[40, 41\] scans"):
        judge([asked(qualities(40), qualities(40))], [flipped(0, 41)])
