"""The gate of segmentation: what is asked, what passes and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convert.gate.judge import Comparison, Judgement, Margins, Question, judge
from convert.gate.segmentation import questions
from edge.errors import UsageError
from edge.geometry import Grid
from edge.truth.overlap import Overlap, Overlaps, overlap

Sides = Mapping[str, Overlaps]
N = 400


def outlines(
    n: int = N, *, with_it: float = 1.0, seed: int = 0, worse: float = 0.0, noise: float = 0.0, away_mm: float = 0.0
) -> Overlaps:
    """A good model's figures; `worse` is taken from Dice and added to the error of the volume."""
    generator = np.random.default_rng(seed)
    present = np.arange(n) < round(with_it * n)
    dice = np.where(present, generator.beta(30, 3, n), 1.0)
    hd95 = np.where(present, generator.gamma(4, 1, n), 0.0)
    volume = np.where(present, generator.beta(2, 30, n), 0.0)
    shaken = np.random.default_rng(seed + 1000).normal(scale=noise, size=n) * present
    return Overlaps(
        dice=np.clip(dice - worse * present + shaken, 0, 1),
        hd95=hd95 + away_mm * present,
        volume_error=np.clip(volume + worse * present, 0, 1),
        present=present,
        pixel=np.full(n, 0.7),
        unit="mm",
    )


def verdict(reference: Overlaps, candidate: Overlaps, margins: Margins | None = None) -> Judgement:
    return judge(questions(["lung"], {"lung": reference}, {"lung": candidate}, margins or Margins()))


def the(judgement: Judgement, metric: str, label: str = "lung", group: str = "all") -> Comparison:
    (found,) = [
        item for item in judgement.comparisons if (item.metric, item.label, item.group) == (metric, label, group)
    ]
    return found


def asked(found: Sequence[Question], metric: str, label: str) -> Question:
    (question,) = [item for item in found if (item.metric, item.label) == (metric, label)]
    return question


def test_the_reference_itself_passes() -> None:
    side = outlines()
    judgement = verdict(side, side)
    assert judgement.verdict == "passed"
    assert [(item.metric, item.label) for item in judgement.comparisons] == [
        ("dice", "all"),
        ("dice", "lung"),
        ("hd95-mm", "lung"),
        ("volume-error", "lung"),
    ]


def test_tiny_noise_passes() -> None:
    assert verdict(outlines(), outlines(noise=0.005)).verdict == "passed"


def test_a_better_candidate_passes() -> None:
    assert verdict(outlines(worse=0.05, away_mm=2.0), outlines()).verdict == "passed"


def test_worse_outlines_are_rejected_for_every_metric() -> None:
    judgement = verdict(outlines(), outlines(worse=0.1, away_mm=2.0))
    assert judgement.verdict == "rejected"
    assert {item.verdict for item in judgement.comparisons} == {"rejected"}


def test_outlines_that_only_lie_farther_are_rejected_by_their_distance_alone() -> None:
    judgement = verdict(outlines(), outlines(away_mm=1.0))
    assert the(judgement, "hd95-mm").verdict == "rejected"
    assert {item.metric for item in judgement.comparisons if item.verdict == "passed"} == {"dice", "volume-error"}


def test_few_scans_are_inconclusive_and_the_number_needed_would_do() -> None:
    few = verdict(outlines(30), outlines(30, noise=0.05))
    needed = the(few, "dice", "all").n_needed
    assert few.verdict == "inconclusive"
    assert needed is not None
    assert needed > 30
    times = 2 * -(-needed // 30)  # with the number itself, chance decides
    more = [_repeated(side, times) for side in (outlines(30), outlines(30, noise=0.05))]
    assert the(verdict(more[0], more[1]), "dice", "all").verdict == "passed"


def _repeated(side: Overlaps, times: int) -> Overlaps:
    return Overlaps(
        dice=np.tile(side.dice, times),
        hd95=np.tile(side.hd95, times),
        volume_error=np.tile(side.volume_error, times),
        present=np.tile(side.present, times),
        pixel=np.tile(side.pixel, times),
        unit=side.unit,
    )


def test_one_lost_label_among_many_is_rejected_though_the_mean_is_within_its_margin() -> None:
    labels = [f"organ {index}" for index in range(12)]
    reference = {label: outlines(seed=index) for index, label in enumerate(labels)}
    candidate = {**reference, "organ 7": outlines(seed=7, worse=0.05)}
    judgement = judge(questions(labels, reference, candidate, Margins()))
    assert the(judgement, "dice", "all").verdict == "passed"
    assert the(judgement, "dice", "organ 7").verdict == "rejected"
    assert judgement.verdict == "rejected"


def test_a_rare_lesion_that_is_lost_is_not_hidden_by_the_scans_without_it() -> None:
    reference = outlines(2000, with_it=0.02)
    lost = replace(reference, dice=np.where(reference.present, reference.dice - 0.4, 1.0))
    judgement = verdict(reference, lost)
    assert (reference.dice - lost.dice).mean() < Margins().worst_dice
    assert the(judgement, "dice").verdict == "rejected"
    assert the(judgement, "dice").n == 40


def test_marks_where_nothing_is_are_rejected() -> None:
    reference = outlines(1000, with_it=0.5)
    marked = np.arange(1000) >= 950
    candidate = replace(reference, dice=np.where(marked, 0.0, reference.dice))
    judgement = verdict(reference, candidate)
    specificity = the(judgement, "specificity")
    assert (specificity.reference, specificity.candidate, specificity.n) == (1.0, 0.9, 500)
    assert specificity.verdict == "rejected"
    assert the(judgement, "dice").verdict == "passed"


def test_margins_are_those_asked_for() -> None:
    margins = Margins(dice=0.01, worst_dice=0.02, volume=0.03, specificity=0.04)
    side = {"lung": outlines(40, with_it=0.5)}
    found = questions(["lung"], side, side, margins)
    assert {(item.metric, item.label): item.margin for item in found if item.metric != "hd95-mm"} == {
        ("dice", "all"): 0.01,
        ("dice", "lung"): 0.02,
        ("volume-error", "lung"): 0.03,
        ("specificity", "lung"): 0.04,
    }


def test_the_margin_of_the_distance_is_a_share_of_the_references_own() -> None:
    side, margins = outlines(), Margins(hd95=0.2)
    found = asked(questions(["lung"], {"lung": side}, {"lung": side}, margins), "hd95-mm", "lung")
    assert found.margin == pytest.approx(0.2 * side.hd95.mean())
    assert not found.higher_is_better


def test_a_reference_without_any_distance_leaves_a_share_of_a_pixel() -> None:
    exact = replace(outlines(), hd95=np.zeros(N))
    found = asked(questions(["lung"], {"lung": exact}, {"lung": exact}, Margins(hd95=0.2)), "hd95-mm", "lung")
    assert found.margin == pytest.approx(0.2 * 0.7)
    one_off = replace(exact, hd95=np.where(np.arange(N) == 0, 0.7, 0.0))
    assert the(verdict(exact, one_off), "hd95-mm").verdict == "passed"
    all_off = replace(exact, hd95=np.full(N, 0.7))
    assert the(verdict(exact, all_off), "hd95-mm").verdict == "rejected"


def test_harm_to_one_site_is_seen_though_the_whole_passes() -> None:
    reference = outlines(4000, with_it=0.5)
    small = np.arange(4000) % 40 == 0
    candidate = replace(reference, dice=reference.dice - 0.1 * (small & reference.present))
    site = np.where(small, "small", "large").tolist()
    sides: tuple[Sides, Sides] = ({"lung": reference}, {"lung": candidate})
    judgement = judge(questions(["lung"], *sides, Margins()), groups={"site": site})
    assert the(judgement, "dice").verdict == "passed"
    assert the(judgement, "dice", group="site=small").verdict == "rejected"


def test_a_site_without_the_label_is_skipped_and_named() -> None:
    side = outlines(200, with_it=0.5)
    site = ["ill"] * 100 + ["healthy"] * 100
    judgement = judge(questions(["lung"], {"lung": side}, {"lung": side}, Margins()), groups={"site": site})
    assert judgement.verdict == "passed"
    assert {"all: site=healthy (100 scans)", "lung: site=healthy (100 scans)"} <= set(judgement.skipped)
    assert "site=healthy" not in {item.group for item in judgement.comparisons if item.metric == "dice"}


def test_a_few_scans_without_the_label_keep_no_site_from_being_judged() -> None:
    side = outlines(200, with_it=0.95)
    site = ["a", "b"] * 100
    judgement = judge(questions(["lung"], {"lung": side}, {"lung": side}, Margins()), groups={"site": site})
    assert {item.group for item in judgement.comparisons if item.metric == "dice"} == {"all", "site=a", "site=b"}
    assert {item.group for item in judgement.comparisons if item.metric == "specificity"} == {"all"}


def test_a_label_with_few_scans_is_judged_in_no_site() -> None:
    side = outlines(30, with_it=0.5)
    found = questions(["lung"], {"lung": side}, {"lung": side}, Margins())
    assert asked(found, "dice", "lung").strata.tolist() == side.present.tolist()
    judgement = judge(found, groups={"site": ["a"] * 25 + ["b"] * 5})
    assert {item.group for item in judgement.comparisons} == {"all"}


def test_a_resample_is_measured_as_those_very_scans_are() -> None:
    generator = np.random.default_rng(4)
    grid = Grid.of_picture(16, 16, spacing_mm=(0.5, 0.4))
    masks = generator.random((3, 30, 1, 16, 16)) < np.array([0.3, 0.2, 0.0])[:, None, None, None, None]
    truths = np.where(np.arange(30)[:, None, None, None] % 3 == 0, masks[2], masks[0])
    scans = [overlap(drawn, true, grid) for drawn, true in zip(masks[1], truths, strict=True)]
    side = {"x": Overlaps.of(scans), "y": Overlaps.of(scans[::-1])}
    found = questions(["x", "y"], side, side, Margins())
    sample = generator.integers(0, 30, 50)
    chosen = {"x": [scans[index] for index in sample], "y": [scans[::-1][index] for index in sample]}
    means = {label: _mean(own, lambda scan: scan.dice) for label, own in chosen.items()}
    assert asked(found, "dice", "all").candidate(sample) == pytest.approx((means["x"] + means["y"]) / 2)
    for label, own in chosen.items():
        assert asked(found, "dice", label).candidate(sample) == pytest.approx(means[label])
        assert asked(found, "hd95-mm", label).candidate(sample) == pytest.approx(_mean(own, lambda scan: scan.hd95))
        volume = asked(found, "volume-error", label).candidate(sample)
        assert volume == pytest.approx(_mean(own, lambda scan: scan.volume_error))


def _mean(scans: Sequence[Overlap], value: Callable[[Overlap], float]) -> float:
    return float(np.mean([value(scan) for scan in scans if scan.present]))


def test_a_sample_without_the_label_says_nothing() -> None:
    side = outlines(60, with_it=0.5)
    found = questions(["lung"], {"lung": side}, {"lung": side}, Margins())
    assert np.isnan(asked(found, "dice", "lung").candidate(np.arange(30, 60)))
    assert np.isnan(asked(found, "specificity", "lung").candidate(np.arange(30)))


@pytest.mark.parametrize("field", ["dice", "hd95", "volume_error", "pixel"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["reference", "candidate"])
def test_no_numbers_are_refused_by_name(field: str, value: float, name: str) -> None:
    good = outlines(10)
    values = getattr(good, field).copy()
    values[[3, 5]] = value
    broken: dict[str, Any] = {field: values}
    sides = {"reference": good, "candidate": good, name: replace(good, **broken)}
    with pytest.raises(UsageError, match=f"Judging lung: the {name} gave 2 values that are no finite numbers"):
        verdict(sides["reference"], sides["candidate"])


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (outlines(11), r"other truths \(10 and 11 scans\)"),
        (outlines(10, with_it=0.5), r"other truths \(10 and 10 scans\)"),
        (replace(outlines(10), unit="pixel"), "found mm against pixel"),
        (replace(outlines(10), dice=np.ones(9)), "the candidate has values of shapes"),
    ],
)
def test_sides_that_are_not_of_the_same_scans_are_refused(candidate: Overlaps, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        verdict(outlines(10), candidate)


def test_a_label_that_no_scan_has_is_refused() -> None:
    with pytest.raises(UsageError, match="Judging lung: none of 10 scans has it"):
        verdict(outlines(10, with_it=0.0), outlines(10, with_it=0.0))


def test_labels_over_different_scans_are_refused() -> None:
    side = {"a": outlines(10), "b": outlines(12)}
    with pytest.raises(UsageError, match=r"Judging 2 labels: found \[10, 12\] scans"):
        questions(["a", "b"], side, side, Margins())
