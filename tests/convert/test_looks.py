"""A template and its limits are learnt from films, and only where these lie upright; how often they err is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert import looks
from convert.build import Built, Plan
from convert.describe import Description
from convert.document import CandidateTold
from convert.labels import LabelledSet
from convert.looks import BEYOND, SIZE, Seen, look_of, mirrored, negative, template_of, turned, with_look
from convert.radiograph import radiograph
from convert.tune import Labelled
from edge.check.look import Position, position_of, reduced
from edge.errors import UsageError
from edge.pack.manifest import Accepts
from edge.read import read_study
from edge.scan import Scan
from edge.testing import tiny_manifest
from tests.check.films import LOOK, film, scan_of, square
from tests.conftest import ROOT
from tests.convert.scans import Heard

LYING = Position(likeness=0.8, lead=0.3, side=0.1, negative=False)
GOOD = Seen(position=LYING, filled=1.0, saturated=0.0)


def limits_from(seen: Sequence[Seen]) -> Any:
    return look_of(LOOK.template, seen, "some", "others")


def write(folder: Path, films: Sequence[NDArray[Any]]) -> tuple[Path, ...]:
    folder.mkdir()
    paths = []
    for index, each in enumerate(films):
        paths.append(folder / f"{index:03}.dcm")
        paths[-1].write_bytes(radiograph((each // 16).astype(np.uint8), f"{folder.name}-{index}"))
    return tuple(paths)


def workshop(folder: Path, films: Sequence[NDArray[Any]]) -> tuple[Description, Plan, Built, list[tuple[Path]]]:
    """A description, what is built from it, and scans: fifty to learn from, a hundred to choose on, ten to judge."""
    manifest = tiny_manifest()
    kept = ("name", "version", "title", "status", "intended_use", "limits", "licence", "inputs", "task")
    description = Description(**{name: getattr(manifest, name) for name in kept}, thresholds={})
    learnt, chosen, judged = (
        write(folder / name, films[first:last]) for name, first, last in (("a", 0, 50), ("b", 50, 150), ("c", 150, 160))
    )
    told = CandidateTold(
        name="fp32 on onnxruntime", precision="fp32", engine="onnxruntime", engine_version="0", file="m", sha256="0",
        bytes=1, latency_ms=0.0, peak_bytes=None, thresholds={}, evidence=(), curves=(), judgement=None,
    )  # fmt: skip
    sets = [Labelled(scans=LabelledSet.of([(path,) for path in paths]), words="words") for paths in (chosen, judged)]
    plan = Plan(
        draft=manifest, onnx=b"", calibrate=(), tune=sets[0], evaluate=sets[1], rules={}, engines=("onnxruntime",)
    )
    built = Built(candidates=(told,), files={}, sets=(), layers=(), trails=(), notes=("before",))
    return description, plan, built, [(path,) for path in learnt]


# The template --------------------------------------------------------------------------------------------


def test_a_template_has_a_mean_of_nought_and_a_length_of_one() -> None:
    template = np.array(LOOK.template)
    assert template.shape == (SIZE * SIZE,)
    assert template.sum() == pytest.approx(0.0, abs=0.01)
    assert np.linalg.norm(template) == pytest.approx(1.0, abs=0.01)


def test_the_same_films_give_the_same_template() -> None:
    squares = [square(film(seed)) for seed in range(5)]
    assert template_of(squares) == template_of(squares)


def test_films_without_anything_in_common_give_none() -> None:
    one = square(film())
    with pytest.raises(UsageError, match="nothing that they have in common"):
        template_of([one, -one])


def test_the_template_of_real_films_tells_how_another_lies() -> None:
    """Of each of the six example films by the template of the other five."""
    squares = []
    for path in sorted((ROOT / "examples").glob("chest-*.dcm")):
        found = reduced(read_study([path]).scans[0], SIZE)
        assert found is not None
        squares.append(found)
    assert len(squares) == 6
    for index, one in enumerate(squares):
        template = template_of(squares[:index] + squares[index + 1 :])
        assert position_of(one, template).lead > 0
        assert position_of(-one, template).negative
        assert position_of(-one, template).lead < 0
        assert all(position_of(np.rot90(one, quarter), template).lead < 0 for quarter in (1, 2, 3))


# The limits ----------------------------------------------------------------------------------------------


def test_so_few_pictures_lie_beyond_a_limit_as_may() -> None:
    seen = [replace(GOOD, position=replace(LYING, likeness=0.5 + 0.001 * index)) for index in range(400)]
    limit = limits_from(seen).least_likeness
    assert sum(each.position.likeness < limit for each in seen) == BEYOND * 400 == 2


def test_limits_are_never_stricter_than_what_lies_better_upright() -> None:
    look = limits_from([GOOD] * 100)
    assert (look.least_lead, look.least_side, look.least_filled, look.most_saturated) == (0.0, 0.0, 0.75, 0.25)
    assert (look.n, look.learnt_from, look.chosen_on) == (100, "some", "others")


def test_where_good_pictures_have_borders_and_plain_parts_limits_give_way() -> None:
    look = limits_from([replace(GOOD, filled=0.4, saturated=0.6)] * 100)
    assert (look.least_filled, look.most_saturated) == (0.4, 0.6)


def test_where_pictures_lie_anyhow_there_is_no_look() -> None:
    lying = replace(GOOD, position=replace(LYING, lead=-0.1))
    with pytest.raises(UsageError, match=r"of 100 pictures, 97\.0% look upright"):
        limits_from([GOOD] * 97 + [lying] * 3)


def test_where_pictures_have_little_in_common_there_is_no_look() -> None:
    with pytest.raises(UsageError, match=r"a likeness of 0\.2 or more|a likeness of 0\.20 or more"):
        limits_from([replace(GOOD, position=replace(LYING, likeness=0.2))] * 100)


# In a conversion -----------------------------------------------------------------------------------------


def test_a_conversion_gives_the_pack_its_look_and_says_how_often_it_errs(tmp_path: Path) -> None:
    description, plan, built, learnt = workshop(tmp_path, [film(seed, side=32) for seed in range(160)])
    looked, told = with_look(description, plan, built, learnt, Heard())
    look = looked.inputs[0].accepts.look
    assert look is not None
    assert (look.n, look.chosen_on, look.learnt_from) == (100, "words", "50 pictures such as the model learnt from")
    figures = {figure.metric: figure for figure in told.candidates[0].evidence}
    assert figures["refused-as-they-are"].value == 0.0
    assert figures["refused-as-negatives"].value == figures["refused-turned"].value == 1.0
    assert figures["warned-mirrored"].value == 1.0
    assert figures["refused-turned"].interval == (0.691503, 1.0)
    assert {figure.n for figure in figures.values()} == {10}
    assert told.notes == ("before",)


def test_a_look_tells_how_many_pictures_it_was_really_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than there may be, every second one is taken, or fewer: not as many as there may be."""
    description, plan, built, learnt = workshop(tmp_path, [film(seed, side=32) for seed in range(160)])
    monkeypatch.setattr(looks, "MOST_LEARNT", 40)
    look = with_look(description, plan, built, learnt, Heard())[0].inputs[0].accepts.look
    assert look is not None
    assert look.learnt_from == "25 pictures such as the model learnt from"


def test_pictures_that_lie_anyhow_give_none_and_it_is_noted(tmp_path: Path) -> None:
    films = [np.rot90(film(seed, side=32), seed) for seed in range(160)]
    description, plan, built, learnt = workshop(tmp_path, films)
    looked, told = with_look(description, plan, built, learnt, Heard())
    assert looked == description
    assert "does not tell how a picture lies" in told.notes[-1]
    assert told.candidates == built.candidates


def test_what_judges_or_chooses_is_not_learnt_from(tmp_path: Path) -> None:
    description, plan, built, learnt = workshop(tmp_path, [film(seed, side=32) for seed in range(160)])
    assert plan.tune is not None
    mixed = [*learnt[:49], *plan.tune.scans.cases]
    assert with_look(description, plan, built, mixed, Heard()) == (description, built)


def test_few_scans_volumes_and_what_was_looked_at_before_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description, plan, built, learnt = workshop(tmp_path, [film(seed, side=32) for seed in range(160)])
    monkeypatch.setattr(looks, "template_of", None)  # nothing gets so far
    (item,) = description.inputs
    known = replace(description, inputs=(replace(item, accepts=replace(item.accepts, look=LOOK)),))
    volume = replace(description, inputs=(replace(item, accepts=Accepts(stack="volume", colour="grey")),))
    for each in (known, volume):
        assert with_look(each, plan, built, learnt, Heard()) == (each, built)
    assert with_look(description, replace(plan, tune=None), built, learnt, Heard()) == (description, built)
    assert with_look(description, plan, built, learnt[:49], Heard()) == (description, built)


# What films are changed into -----------------------------------------------------------------------------


def scan() -> Scan:
    return scan_of(film())


def test_a_negative_of_a_negative_is_the_film() -> None:
    assert np.array_equal(negative(negative(scan())).voxels, scan().voxels)
    assert negative(scan()).voxels.dtype == scan().voxels.dtype


def test_four_quarters_and_two_mirrors_are_nothing() -> None:
    assert np.array_equal(turned(turned(scan(), 1), 3).voxels, scan().voxels)
    assert np.array_equal(mirrored(mirrored(scan())).voxels, scan().voxels)
    assert not np.array_equal(mirrored(scan()).voxels, scan().voxels)
