"""Roles: which series is which input, by what it says or a person names; never by the order of files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.choose import Choice, choose
from edge.errors import ReadError, UsageError
from edge.pack.manifest import Accepts, Input, Role
from edge.pack.store import Pack
from edge.reasons import NOT_NEEDED, ROLE_AMBIGUOUS, ROLE_MISSING, TWO_PATIENTS, WRONG_MODALITY
from edge.roles import absolute, matches, role_of, together
from edge.scan import Acquisition, Identity, LeftOut, Series, StudyIndex
from edge.testing import tiny_input, tiny_manifest
from tests.write.outcomes import SERIES, pack_of

SCANS = Path(os.sep, "scans")
ROLES = {
    "t1": Role(words=("t1", "mprage"), without=("gd",), contrast=False),
    "t1c": Role(words=("t1", "mprage"), contrast=True),
    "t2": Role(words=("t2",), without=("flair", "star")),
    "flair": Role(words=("flair",)),
}


def brain_input(name: str, role: Role | None) -> Input:
    accepts = Accepts(modality=("MR",), stack="volume", colour="grey")
    return replace(tiny_input(), name=name, accepts=accepts, role=role)


BRATS = pack_of(tiny_manifest(name="brats", inputs=tuple(brain_input(name, role) for name, role in ROLES.items())))


def said(description: str | None, *, contrast: bool | None = None, **changes: Any) -> Series:
    """A brain series in a file named after what it says."""
    acquisition = Acquisition(modality="MR", description=description, contrast=contrast, photometric="MONOCHROME2")
    path = str(SCANS / f"{description}{contrast}.nii")
    found = replace(SERIES, paths=(path,), pictures=9, acquisition=acquisition)
    return replace(found, **changes)


T1, T1C = said("AX T1 SE", contrast=False), said("T1_MPRAGE post", contrast=True)
T2, FLAIR = said("ax T2-TSE"), said("T2 FLAIR")
FOUR = {"t1": T1, "t1c": T1C, "t2": T2, "flair": FLAIR}


def chosen(series: Sequence[Series], roles: Mapping[str, str] | None = None, pack: Pack = BRATS) -> Choice:
    return choose(StudyIndex(key="k", series=tuple(series)), [pack], {}, roles, named=True)


def codes(choice: Choice) -> list[str]:
    """Of the one refusal that all series share."""
    (notices,) = {notices for _, notices in choice.refused}
    return [notice.reason.code for notice in notices]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_in_any_order_each_series_gets_its_role(order: tuple[int, ...]) -> None:
    choice = chosen([list(FOUR.values())[index] for index in order])
    assert choice.fitting == (FOUR,)
    assert list(choice.fitting[0]) == list(FOUR)
    assert choice.refused == ()
    assert choice.passed_over == ()


@pytest.mark.parametrize("lacking", FOUR)
def test_a_series_that_is_missing_is_named_and_nothing_is_examined(lacking: str) -> None:
    choice = chosen([series for name, series in FOUR.items() if name != lacking])
    assert choice.fitting == ()
    assert len(choice.refused) == 3
    assert codes(choice) == ["C723"]
    assert choice.refused[0][1][0].reason is ROLE_MISSING
    assert f"No series is {lacking!r}" in choice.refused[0][1][0].detail


def test_two_series_that_could_be_one_input_are_ambiguous() -> None:
    choice = chosen([*FOUR.values(), said("T2 coronal")])
    assert codes(choice) == ["C724"]
    assert choice.refused[0][1][0].detail == "2 series could be 't2'."


def test_one_series_is_never_two_inputs() -> None:
    either = tuple(brain_input(name, Role(words=("t1",))) for name in ("a", "b"))
    choice = chosen([T1], pack=pack_of(tiny_manifest(inputs=either)))
    assert [notice.reason for notice in choice.refused[0][1]] == [ROLE_AMBIGUOUS]
    assert choice.refused[0][1][0].detail == "One series could be several of a, b."


def test_contrast_tells_what_descriptions_do_not() -> None:
    assert matches(said("T1", contrast=False), ROLES["t1"])
    assert matches(said("T1", contrast=None), ROLES["t1"])
    assert not matches(said("T1", contrast=True), ROLES["t1"])
    assert matches(said("T1", contrast=True), ROLES["t1c"])
    assert not matches(said("T1", contrast=None), ROLES["t1c"])
    assert all(matches(said("T2", contrast=told), ROLES["t2"]) for told in (True, False, None))


@pytest.mark.parametrize(
    ("description", "is_t2"),
    [
        ("T2", True),
        ("t2_tse", True),
        ("T2/TSE", True),
        ("AXT2", False),
        ("T2*", False),
        ("T2-STAR", False),
        ("T2 FLAIR", False),
        (None, False),
    ],
)
def test_words_are_whole_words_whatever_their_case(description: str | None, is_t2: bool) -> None:
    assert matches(said(description), ROLES["t2"]) is is_t2


def test_series_that_are_not_needed_are_passed_over() -> None:
    choice = chosen([*FOUR.values(), said("DWI"), said("T1 localizer CT", acquisition=Acquisition(modality="CT"))])
    assert choice.fitting == (FOUR,)
    assert [out.reason for out in choice.passed_over] == [NOT_NEEDED, WRONG_MODALITY]


# In a person's word --------------------------------------------------------------------------------------


def unnamed(name: str) -> Series:
    """A file that says nothing of itself but its modality."""
    return said(None, paths=(str(SCANS / f"{name}.nii"),))


def named(**files: Series) -> dict[str, str]:
    return {series.paths[0]: role for role, series in files.items()}


def test_what_a_person_names_needs_no_description() -> None:
    files = {name: unnamed(f"file-{index}") for index, name in enumerate(FOUR)}
    assert chosen(list(files.values())[::-1], named(**files)).fitting == (files,)


def test_a_persons_word_wins_over_descriptions() -> None:
    """The scan that calls itself FLAIR is named as t2; it is no FLAIR any more, and another one is."""
    other = said("FLAIR coronal")
    choice = chosen([*FOUR.values(), other], named(t2=FLAIR))
    assert choice.fitting == ({**FOUR, "t2": FLAIR, "flair": other},)
    assert [out.paths for out in choice.passed_over] == [T2.paths]


def test_a_persons_word_settles_what_is_ambiguous() -> None:
    other = said("T2 coronal")
    assert chosen([*FOUR.values(), other], named(t2=other)).fitting == ({**FOUR, "t2": other},)


def test_two_scans_named_as_one_input_are_ambiguous() -> None:
    choice = chosen([*FOUR.values()], {T1.paths[0]: "t1", T2.paths[0]: "t1"})
    assert "C724" in codes(choice)


def test_a_named_scan_that_the_pack_does_not_take_is_refused_with_why() -> None:
    unfit = replace(unnamed("a"), acquisition=Acquisition(modality="CT"))
    choice = chosen([T1, T1C, FLAIR, unfit], named(t2=unfit))
    assert codes(choice) == ["C723", "C702"]
    untold = replace(unnamed("b"), acquisition=Acquisition())
    assert codes(chosen([T1, T1C, FLAIR, untold], named(t2=untold))) == ["C723", "C703"]


def test_inputs_without_a_role_are_found_only_by_name() -> None:
    pair = pack_of(tiny_manifest(inputs=(brain_input("fixed", None), brain_input("moving", None))))
    assert codes(chosen([T1, T2], pack=pair)) == ["C723", "C723"]
    assert chosen([T1, T2], named(moving=T1, fixed=T2), pair).fitting == ({"fixed": T2, "moving": T1},)


def test_a_name_that_the_pack_does_not_have_is_a_mistake_in_the_request() -> None:
    with pytest.raises(UsageError, match="found dwi, expected some of t1, t1c, t2, flair"):
        chosen([*FOUR.values()], named(dwi=T1))


def test_of_several_packs_those_that_know_the_names_are_tried() -> None:
    pair = pack_of(tiny_manifest(name="pair", inputs=(brain_input("t1", ROLES["t1"]), brain_input("t2", ROLES["t2"]))))
    study = StudyIndex(key="k", series=tuple(FOUR.values()))
    assert choose(study, [BRATS, pair], {}, named=False).pack is None
    assert choose(study, [BRATS, pair], {}, named(flair=FLAIR), named=False).pack is BRATS


def test_a_file_in_a_named_folder_goes_by_its_own_name() -> None:
    folder = str(SCANS)
    assert role_of(T1, {folder: "t2"}) == "t2"
    assert role_of(T1, {folder: "t2", T1.paths[0]: "t1"}) == "t1"
    assert role_of(T1, {T1.paths[0]: "t1", folder: "t2"}) == "t1"
    assert role_of(T1, {str(SCANS / "AX"): "t2"}) is None
    assert role_of(T1, {os.sep: "t2"}) == "t2"


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute([("t1", Path("a.nii"))]) == {str(tmp_path / "a.nii"): "t1"}


# One study -----------------------------------------------------------------------------------------------


def alone(series: Series, key: str, **identity: str) -> StudyIndex:
    return StudyIndex(key=key, series=(replace(series, identity=Identity(**identity)),))


def test_files_that_a_person_names_are_of_one_study_whatever_their_order() -> None:
    out = LeftOut(paths=("x",), reason=ROLE_MISSING)
    one, two, other = alone(T1, "1"), replace(alone(T2, "2"), left_out=(out,)), alone(FLAIR, "3")
    roles = named(t1=T1, t2=T2)
    merged, kept = together([one, two, other], roles)
    assert merged.series == one.series + two.series
    assert merged.left_out == (out,)
    assert kept is other
    assert together([other, two, one], roles)[0].key == merged.key
    assert merged.key not in ("1", "2")


def test_what_is_not_named_or_named_alone_stays_as_it_is() -> None:
    studies = [alone(T1, "1"), alone(T2, "2")]
    assert together(studies, {}) == tuple(studies)
    assert together(studies, named(t1=T1)) == tuple(studies)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"patient_id": "1"}, {"patient_id": "2"}),
        ({"patient_id": "1", "patient_name": "A"}, {"patient_id": "2", "patient_name": "A"}),
        ({"patient_name": "A"}, {"patient_name": "B"}),
        ({"patient_id": "1"}, {"patient_name": "A"}),
    ],
)
def test_scans_of_two_patients_are_never_brought_together(one: dict[str, str], other: dict[str, str]) -> None:
    with pytest.raises(ReadError) as caught:
        together([alone(T1, "1", **one), alone(T2, "2", **other)], named(t1=T1, t2=T2))
    assert caught.value.reason is TWO_PATIENTS


@pytest.mark.parametrize(
    ("one", "other"),
    [({"patient_id": "1"}, {"patient_id": "1"}), ({"patient_id": "1"}, {}), ({}, {}), ({"patient_name": "A"}, {})],
)
def test_scans_that_may_be_of_one_patient_are_brought_together(one: dict[str, str], other: dict[str, str]) -> None:
    assert len(together([alone(T1, "1", **one), alone(T2, "2", **other)], named(t1=T1, t2=T2))) == 1


def test_one_file_is_not_two_scans(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found fixed and moving, expected one role"):
        absolute([("fixed", tmp_path / "a.nii"), ("moving", tmp_path / "a.nii")])
    assert (
        list(absolute([("t1", tmp_path / "a"), ("t1", tmp_path / "b"), ("t1", tmp_path / "a")]).values()) == ["t1"] * 2
    )
