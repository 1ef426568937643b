"""Who is served worse is named, who is not is left alone, and of few scans nothing is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.site import resampled
from edge.site.examine import Examined
from edge.site.figures import Figure, share
from edge.site.judged import Judged
from edge.site.subgroups import ALPHA, LEAST, MARGIN, NOT_TOLD, RULE, SCORES, Subgroup, difference, holm, levels_of
from edge.site.subgroups import subgroups as grouped
from tests.site.cases import case, cases, drawn, label_of

N = 300


@pytest.fixture(autouse=True)
def fewer_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for the few comparisons of each test."""
    monkeypatch.setattr(resampled, "SHUFFLES", 999)
    monkeypatch.setattr(resampled, "DRAWS", 500)


def subgroups(label: Judged) -> tuple[Subgroup, ...]:
    return grouped(label, SCORES)


def planted(seed: int, worse_by: float, *, share: float = 0.3) -> list[Examined]:
    """Scans of two devices; on the second, scores of those with it are lower."""
    scores, truth = drawn(N, seed=seed)
    other = np.random.default_rng(seed + 1000).random(N) < share
    logits = np.log(scores / (1 - scores)) - worse_by * (other & truth)
    told = [{"device": "other" if each else "usual"} for each in other]
    return cases(1 / (1 + np.exp(-logits)), truth, told=told)


def verdicts(found: tuple[Subgroup, ...], level: str) -> dict[str, str]:
    (group,) = [each for each in found if each.level == level]
    return {name: each.verdict for name, each in group.figures.items()}


def test_a_group_that_is_served_worse_is_named_and_by_what() -> None:
    found = subgroups(label_of(planted(1, 2.0)))
    assert verdicts(found, "other")["sensitivity"] == "worse"
    assert verdicts(found, "other")["auc"] == "worse"
    assert verdicts(found, "other")["specificity"] != "worse"
    assert "worse" not in verdicts(found, "usual").values()


def test_an_equal_group_is_hardly_ever_called_worse() -> None:
    """Of twenty sets without any difference one is expected to be called so, by chance."""
    called = 0
    for seed in range(20):
        label = label_of(planted(100 + seed, 0.0)[:120])
        called += any(each.verdict == "worse" for group in subgroups(label) for each in group.figures.values())
    assert called <= 2


def test_a_large_equal_group_is_no_worse_and_a_small_one_too_few_to_tell() -> None:
    scores, truth = drawn(1200, seed=3, apart=2.5)
    told = [{"site": "large" if index % 2 else "other"} for index in range(1200)]
    assert set(verdicts(subgroups(label_of(cases(scores, truth, told=told))), "large").values()) == {"no worse"}
    few = label_of(cases(scores[:60], truth[:60], told=told[:60]))
    assert verdicts(subgroups(few), "large")["sensitivity"] == "too few to tell"


def test_of_fewer_than_five_scans_nothing_is_compared_however_bad_they_are() -> None:
    scores = np.array([0.9] * 40 + [0.1] * 40 + [0.01] * (LEAST - 1))
    truth = np.array([True] * 40 + [False] * 40 + [True] * (LEAST - 1))
    told = [{"sex": "F"}] * 80 + [{"sex": "M"}] * (LEAST - 1)
    (group,) = [each for each in subgroups(label_of(cases(scores, truth, told=told))) if each.level == "M"]
    assert group.figures["sensitivity"].verdict == "too few to tell"
    assert group.figures["sensitivity"].p is None
    assert group.figures["sensitivity"].group.value == 0.0


def test_one_more_is_enough_to_see_it() -> None:
    scores = np.array([0.9] * 40 + [0.1] * 40 + [0.01] * LEAST)
    truth = np.array([True] * 40 + [False] * 40 + [True] * LEAST)
    told = [{"sex": "F"}] * 80 + [{"sex": "M"}] * LEAST
    assert verdicts(subgroups(label_of(cases(scores, truth, told=told))), "M")["sensitivity"] == "worse"


def test_many_scans_of_one_unlucky_patient_make_no_worse_group() -> None:
    """Twelve misses of one patient are one miss; of twelve patients they are twelve."""
    scores = np.array([0.9] * 60 + [0.1] * 12 + [0.05] * 60)
    truth = np.array([True] * 72 + [False] * 60)
    told = [{"sex": "F"}] * 60 + [{"sex": "M"}] * 12 + [{"sex": "F"}] * 60
    one = [f"f{index}" for index in range(60)] + ["m"] * 12 + [f"g{index}" for index in range(60)]
    alone = subgroups(label_of(cases(scores, truth, told=told)))
    together = subgroups(label_of(cases(scores, truth, told=told, patients=one)))
    assert verdicts(alone, "M")["sensitivity"] == "worse"
    assert verdicts(together, "M")["sensitivity"] == "too few to tell"


def test_scans_that_do_not_tell_are_counted_and_not_compared() -> None:
    scores, truth = drawn(60, seed=5)
    told = [{"device": "a"} if index % 2 else {} for index in range(60)]
    found = subgroups(label_of(cases(scores, truth, told=told)))
    assert [(group.level, group.n) for group in found] == [("a", 30), (NOT_TOLD, 30)]
    assert found[1].figures == {}
    assert found[0].figures["sensitivity"].rest.n == 0


def test_where_nothing_is_told_there_are_no_groups() -> None:
    assert subgroups(label_of(cases([0.1, 0.9], [False, True]))) == ()


def test_the_table_goes_before_the_header_and_ages_become_bands() -> None:
    header = Examined(case=case(2, 0.5, truth=True).case, sex="M", age_years=3.0)
    both = Examined(case=case(3, 0.5, truth=True, told={"sex": "F", "age": "70.0"}).case, sex="M", age_years=3.0)
    banded = Examined(case=case(4, 0.5, truth=True, told={"age_band": "children"}).case, age_years=30.0)
    told = [header, both, banded]
    assert levels_of("sex", told) == ["M", "F", NOT_TOLD]
    assert levels_of("age_band", told) == ["1 to 4 years", "65 years and more", "children"]


def test_holms_correction_is_the_textbooks() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)

    def figure(p: float, n: int) -> Figure:
        hits: NDArray[np.bool_] = generator.random(n) < p
        return share(hits, np.arange(n))

    limits = [difference(figure(0.9, 60), figure(0.8, 90)) for _ in range(400)]
    covered = [low <= 0.1 <= high for _, low, high in (each for each in limits if each)]
    assert len(covered) == 400
    assert 0.94 <= np.mean(covered) <= 1.0


def test_the_rule_stands_on_the_page_as_it_is_applied() -> None:
    assert f"{ALPHA:.0%}" in RULE
    assert f"-{MARGIN:.2f}" in RULE
    assert f"fewer than {LEAST} patients" in RULE
