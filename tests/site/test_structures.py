"""Outlines of many scans: figures of those that have it, others told apart, units never mixed, a worse group found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.site import resampled
from edge.site.case import Case
from edge.site.examine import Examined
from edge.site.figures import ALIKE, DRAWN, FEW, LEAST
from edge.site.meeting import Outlined
from edge.site.structures import StructureEvaluation, structures
from edge.testing import tiny_segmentation
from edge.truth.overlap import Overlap
from tests.site.cases import ENGINE

TASK = tiny_segmentation(names=("liver", "lesion"))


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampled, "SHUFFLES", 499)
    monkeypatch.setattr(resampled, "DRAWS", 200)


def outlined(
    dice: float, *, present: bool = True, said: bool = True, size: float = 9.0, true: float = 10.0
) -> Outlined:
    met = Overlap(dice=dice, hd95=10 * (1 - dice), volume_error=0.1, present=present, pixel=1.0, unit="mm")
    return Outlined(overlap=met, said=said, size=size, true_size=true if present else 0.0, unit="ml")


def scan(row: int, each: Mapping[str, Outlined], *, patient: str = "", **told: str) -> Examined:
    case = Case(row=row, path=Path(f"/{row}"), masks=dict.fromkeys(each), patient=patient or f"{row}", told=told)
    return Examined(case=case, engine=ENGINE, outlined=each)


def one(*each: Outlined) -> StructureEvaluation:
    scans = [scan(row, {"liver": outline}) for row, outline in enumerate(each, start=2)]
    (found,) = structures(scans, TASK)
    return found


def test_outlines_are_judged_on_the_scans_that_have_it_and_the_others_by_whether_they_are_left_alone() -> None:
    there = [outlined(dice) for dice in (0.9, 0.8, 0.7, 0.6, 0.0)]
    found = one(*there, outlined(1.0, present=False, said=False), outlined(0.0, present=False))
    values = {name: figure.value for name, figure in found.figures.items()}
    assert (found.n, found.present, found.missed, found.false_alarms) == (7, 5, 0, 1)
    assert values["dice"] == pytest.approx(0.6)
    measured = [values[name] for name in ("hd95", "hd95_median", "volume_error", "volume_bias")]
    assert measured == pytest.approx([4.0, 3.0, 0.1, -1.0])
    assert (values["outlined_share"], values["left_alone_share"]) == (1.0, 0.5)
    assert (found.false_alarm_rows, found.worst_rows) == ((8,), (6,))
    low, high = found.figures["dice"].low, found.figures["dice"].high
    assert low is not None
    assert high is not None
    assert 0.2 < low < 0.6 < high < 0.9
    assert found.figures["dice"].method == DRAWN


def test_what_is_missed_counts_as_no_overlap_and_is_told_by_its_line() -> None:
    found = one(outlined(0.9), outlined(0.0, said=False, size=0.0))
    assert (found.missed, found.missed_rows) == (1, (3,))
    assert found.figures["dice"].value == pytest.approx(0.45)


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    figure = one(*[outlined(dice) for dice in (0.9, 0.7, 0.5, 0.3)]).figures["hd95_median"]
    assert figure.value == pytest.approx(4.0)


def test_scans_of_one_patient_tell_less_than_those_of_many() -> None:
    each = [outlined(dice) for dice in np.linspace(0.4, 0.9, 24)]
    alone, together = (
        structures([scan(n, {"liver": one}, patient=f"{n // size}") for n, one in enumerate(each)], TASK)[0]
        for size in (1, 4)
    )
    widths = [figure.high - figure.low for figure in (alone.figures["dice"], together.figures["dice"])]  # type: ignore[operator]
    assert widths[1] > 1.3 * widths[0]


def test_a_few_patients_or_figures_that_are_all_alike_give_no_interval() -> None:
    few = one(*[outlined(0.5 + 0.1 * n) for n in range(LEAST - 1)]).figures["dice"]
    alike = one(*[outlined(0.75)] * 9).figures["dice"]
    assert (few.low, few.method) == (None, FEW.format(LEAST))
    assert (alike.value, alike.low, alike.method) == (0.75, None, ALIKE)


def test_units_are_never_mixed() -> None:
    plain = outlined(0.9)
    pixels = replace(plain, unit="pixels", overlap=replace(plain.overlap, unit="pixel"))
    found = one(plain, pixels)
    assert (found.unit, found.distance_unit) == (None, None)
    assert {name for name, figure in found.figures.items() if figure.value is None} == {
        *("hd95", "hd95_median", "volume_bias", "left_alone_share"),
    }
    assert (one(pixels).unit, one(pixels).distance_unit) == ("pixels", "pixel")


def test_a_structure_whose_truth_nobody_knows_is_not_judged() -> None:
    scans = [scan(2, {"lesion": outlined(0.9)}), replace(scan(3, {"liver": outlined(0.9)}), engine=None)]
    assert [each.name for each in structures(scans, TASK)] == ["lesion"]


def test_a_group_that_is_outlined_worse_is_found() -> None:
    generator = np.random.default_rng(1)
    scans = [
        scan(n, {"liver": outlined(float(generator.normal(0.6 if n % 2 else 0.85, 0.05)))}, site="ab"[n % 2])
        for n in range(40)
    ]
    (found,) = structures(scans, TASK)
    assert {group.level: group.figures["dice"].verdict for group in found.subgroups} == {"a": "no worse", "b": "worse"}
    assert {group.figures["left_alone_share"].verdict for group in found.subgroups} == {"too few to tell"}
