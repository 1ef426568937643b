"""Which pack examines a study: the one that fits, and never one of several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.choose import choose
from edge.errors import UsageError
from edge.pack.manifest import Accepts
from edge.pack.store import Pack
from edge.scan import Acquisition, Series, StudyIndex
from edge.testing import tiny_input, tiny_manifest
from tests.write.outcomes import SERIES, pack_of

CHEST = Acquisition(modality="DX", body_part="CHEST", photometric="MONOCHROME2")


def pack(name: str, **accepts: Any) -> Pack:
    item = replace(tiny_input(), accepts=replace(Accepts(stack="picture", colour="grey"), **accepts))
    return pack_of(tiny_manifest(name=name, inputs=(item,)))


def series(path: str, pictures: int = 1, **changes: Any) -> Series:
    return replace(SERIES, paths=(path,), pictures=pictures, acquisition=replace(CHEST, **changes))


def study(*found: Series) -> StudyIndex:
    return StudyIndex(key="k", series=found)


CHEST_PACK = pack("chest", modality=("DX",), body_part=("CHEST",))
HAND_PACK = pack("hand", modality=("DX",), body_part=("HAND",))
BRAIN_PACK = pack("brain", modality=("MR",), stack="volume")


def test_the_one_pack_that_fits_is_chosen() -> None:
    choice = choose(study(series("a")), [HAND_PACK, CHEST_PACK, BRAIN_PACK], {}, named=False)
    assert choice.pack is CHEST_PACK
    assert [(name, item.paths) for of in choice.fitting for name, item in of.items()] == [("image", ("a",))]
    assert choice.refused == ()
    assert choice.passed_over == ()


def test_where_no_pack_fits_every_series_is_refused_with_what_is_installed() -> None:
    choice = choose(study(series("a", modality="US"), series("b")), [HAND_PACK, BRAIN_PACK], {}, named=False)
    assert choice.pack is None
    assert choice.fitting == ()
    assert [(item.paths[0], [n.reason.code for n in said]) for item, said in choice.refused] == [
        ("a", ["C700"]),
        ("b", ["C700"]),
    ]
    assert choice.refused[0][1][0].detail == "Installed: hand, brain."


def test_without_any_pack_the_refusal_says_so() -> None:
    choice = choose(study(series("a")), [], {}, named=False)
    assert [n.detail for _, said in choice.refused for n in said] == ["Installed: none."]


def test_of_several_packs_that_fit_none_is_taken() -> None:
    choice = choose(study(series("a")), [CHEST_PACK, HAND_PACK, pack("any")], {}, named=False)
    assert choice.pack is None
    ((_, (notice,)),) = choice.refused
    assert (notice.reason.code, notice.severity) == ("C701", "refuse")
    assert notice.detail == "These fit: chest, any."


def test_packs_that_fit_different_series_of_a_study_are_several() -> None:
    choice = choose(study(series("a"), series("b", body_part="HAND")), [CHEST_PACK, HAND_PACK], {}, named=False)
    assert choice.pack is None
    assert [said[0].reason.code for _, said in choice.refused] == ["C701", "C701"]


def test_a_named_pack_gives_its_own_reasons() -> None:
    choice = choose(study(series("a", modality="US", body_part=None)), [CHEST_PACK], {}, named=True)
    assert choice.pack is CHEST_PACK
    assert [n.reason.code for n in choice.refused[0][1]] == ["C702", "C705"]


def test_series_that_the_pack_is_not_made_for_are_passed_over_with_the_reason() -> None:
    for named in (True, False):
        choice = choose(study(series("a"), series("b", body_part="HAND")), [CHEST_PACK], {}, named=named)
        assert [item["image"].paths for item in choice.fitting] == [("a",)]
        assert [(out.paths, out.reason.code) for out in choice.passed_over] == [(("b",), "C704")]
        assert "'HAND'" in choice.passed_over[0].detail


@pytest.mark.parametrize(
    ("pictures", "stack", "fits"),
    [
        (1, "picture", True),
        (2, "picture", False),
        (1, "volume", False),
        (9, "volume", True),
        (9, "frames", True),
    ],
)
def test_the_number_of_pictures_is_checked_before_one_is_decoded(pictures: int, stack: str, fits: bool) -> None:
    choice = choose(study(series("a", pictures)), [pack("p", stack=stack)], {}, named=True)
    assert bool(choice.fitting) is fits
    if not fits:
        assert [n.reason.code for n in choice.refused[0][1]] == ["C711"]


def test_what_a_person_confirms_can_make_a_pack_fit() -> None:
    unknown = study(series("a", body_part=None))
    assert choose(unknown, [CHEST_PACK], {}, named=True).fitting == ()
    assert choose(unknown, [CHEST_PACK], {"body-part": "chest"}, named=True).fitting != ()
    with pytest.raises(UsageError):
        choose(unknown, [CHEST_PACK], {"body_part": "chest"}, named=True)


def test_a_warning_alone_does_not_stop_a_pack_from_fitting() -> None:
    choice = choose(study(series("a")), [pack("p", age_years=(1.0, 5.0))], {}, named=False)
    assert choice.fitting != ()


def test_a_study_without_series_fits_no_pack() -> None:
    assert choose(study(), [CHEST_PACK], {}, named=True).fitting == ()
