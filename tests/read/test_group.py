"""Which files belong together, and which must not be used together."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edge.read.contract import Header
from edge.read.group import group, patients_differ
from edge.reasons import NOT_AN_IMAGE, SAME_IMAGE_TWICE, TOO_LARGE, TWO_PATIENTS
from edge.scan import Acquisition, Found, Identity, LeftOut, Series

LIMIT = 1000


def header(path: str, study: str = "1.2", series: str = "1.2.3", patient: str | None = "p", **changes: Any) -> Header:
    fields: dict[str, Any] = {
        "format": "dicom",
        "identity": Identity(patient_id=patient, study_instance_uid=study, series_instance_uid=series),
        "acquisition": Acquisition(modality="CT"),
        "pictures": 1,
        "bytes": 10,
        "sop_instance_uid": f"uid of {path}",
    }
    return Header(path=path, study=study, series=series, **{**fields, **changes})


def grouped(*headers: Header) -> Found:
    return group(headers, (), LIMIT)


def only(found: Found) -> Series:
    ((series,),) = (study.series for study in found.studies)
    return series


def test_files_of_one_series_become_one_series() -> None:
    series = only(grouped(*(header(name) for name in "abc")))
    assert series.paths == ("a", "b", "c")
    assert (series.pictures, series.bytes) == (3, 30)
    assert series.identity.series_instance_uid == "1.2.3"


def test_files_are_listed_by_instance_number_and_then_as_found() -> None:
    series = only(grouped(header("a", order=2), header("b", order=1), header("c", order=2), header("d", order=1)))
    assert series.paths == ("b", "d", "a", "c")


def test_series_and_studies_are_told_apart() -> None:
    found = grouped(header("c", study="2"), header("b", series="y"), header("a", series="x"), header("d", series="y"))
    assert [[series.paths for series in study.series] for study in found.studies] == [[("b", "d"), ("a",)], [("c",)]]


def test_the_order_of_studies_does_not_depend_on_the_order_of_files() -> None:
    headers = [header(f"{n}", study=f"{n % 3}", series=f"{n}") for n in range(9)]
    shuffled = headers.copy()
    random.Random(0).shuffle(shuffled)
    assert [study.key for study in grouped(*headers).studies] == [study.key for study in grouped(*shuffled).studies]


def test_the_key_of_a_study_is_stable_and_tells_nothing() -> None:
    (study,) = grouped(header("/home/PATIENT^NAME/a", study="1.2.PATIENT")).studies
    assert study.key == grouped(header("elsewhere", study="1.2.PATIENT")).studies[0].key
    assert len(study.key) == 16
    assert set(study.key) <= set("0123456789abcdef")


def test_a_series_says_what_all_its_files_agree_on() -> None:
    acquisitions = [
        Acquisition(modality="CT", view="PA", lossy=False, image_type=("ORIGINAL", "PRIMARY")),
        Acquisition(modality="CT", view="AP", lossy=False, image_type=("DERIVED",)),
        Acquisition(modality="CT", view=None, lossy=False, image_type=("ORIGINAL", "PRIMARY")),
    ]
    headers = [header(str(n), acquisition=acquisition) for n, acquisition in enumerate(acquisitions)]
    assert only(grouped(*headers)).acquisition == Acquisition(modality="CT", lossy=False)


def test_the_first_of_two_equal_images_is_used() -> None:
    found = grouped(header("a", sop_instance_uid="1"), header("b", sop_instance_uid="1"), header("c"))
    assert only(found).paths == ("a", "c")
    (copy,) = found.studies[0].left_out
    assert (copy.paths, copy.reason) == (("b",), SAME_IMAGE_TWICE)
    assert "'a'" in copy.detail


def test_an_image_is_not_used_twice_in_two_series_either() -> None:
    found = grouped(header("a", sop_instance_uid="1"), header("b", sop_instance_uid="1", series="other"))
    assert only(found).paths == ("a",)


@pytest.mark.parametrize("series", ["1.2.3", "other"])
def test_a_study_of_two_patients_is_refused_whole(series: str) -> None:
    found = grouped(header("a"), header("b", patient="q", series=series), header("c"), header("d", study="9"))
    mixed, sound = found.studies
    assert mixed.series == ()
    assert [(out.paths, out.reason) for out in mixed.left_out] == [(("a", "b", "c"), TWO_PATIENTS)]
    assert sound.series[0].paths == ("d",)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (("1", "A"), ("1", "A"), False),
        (("1", "A"), ("1", "B"), False),
        (("1", "A"), ("2", "A"), True),
        (("1", None), ("1", "A"), False),
        (("1", "A"), (None, "A"), False),
        (("1", "A"), (None, "B"), True),
        (("1", None), (None, None), True),
        (("1", "A"), (None, None), True),
        ((None, "A"), (None, "A"), False),
        ((None, "A"), (None, "B"), True),
        ((None, "A"), (None, None), True),
        ((None, None), (None, None), False),
        (("", None), (None, None), False),
    ],
)
def test_what_is_missing_is_not_taken_for_a_match(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], *, differ: bool
) -> None:
    people = [Identity(patient_id=number, patient_name=name) for number, name in (one, other)]
    assert patients_differ(people) is differ
    assert patients_differ(people[::-1]) is differ


def test_a_patient_is_one_patient() -> None:
    assert not patients_differ([Identity(patient_id="1"), Identity(patient_id="1"), Identity(patient_id="1")])


def test_a_series_over_the_limit_is_left_out_and_the_others_stay() -> None:
    found = grouped(*(header(f"a{n}", bytes=600) for n in range(2)), header("b", series="small"))
    assert only(found).paths == ("b",)
    (out,) = found.studies[0].left_out
    assert (out.paths, out.reason) == (("a0", "a1"), TOO_LARGE)


def test_what_gave_no_header_belongs_to_no_study() -> None:
    outs = [LeftOut(paths=(name,), reason=NOT_AN_IMAGE) for name in "ba"]
    found = group([header("c")], outs, LIMIT)
    assert [out.paths for out in found.left_out] == [("a",), ("b",)]
    assert found.studies[0].left_out == ()


def test_nothing_makes_nothing() -> None:
    assert grouped() == Found(studies=(), left_out=())
