"""Which pictures are looked at, which are refused, and which may show a face."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.deidentify import pictures
from edge.deidentify.patient import codes_of
from edge.deidentify.pictures import look, may_show_a_face, risk_of
from edge.deidentify.wishes import BurnedIn, Wishes
from edge.errors import ReadError
from tests.deidentify.cleaning import cleaned_bytes, film, task

DX, SC, US = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6.1"
SLIDE, SR = "1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.5.1.4.1.1.88.33"
SEG, PARAMETRIC_MAP, DOSE = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("66.4", "30", "481.2"))


@dataclass(frozen=True)
class Found:
    """What stands in for `edge.deidentify.blank.Blanked`."""

    frames: int = 2
    frames_with_text: int = 0
    boxes: int = 0
    changed: bool = True
    """Also by an overlay in unused bits."""


def wishes(burned_in: BurnedIn, *, looks: bool) -> Wishes:
    return Wishes(keep=(), burned_in=burned_in, looks=looks)


def finding(patch: pytest.MonkeyPatch, found: Found) -> list[Dataset]:
    """Have the search for text find this; return what it was asked to search."""
    asked: list[Dataset] = []

    def blank_text(dataset: Dataset) -> Found:
        asked.append(dataset)
        return found

    patch.setattr(pictures, "blank_text", blank_text)
    return asked


def refusal(dataset: Dataset, sop_class: str, how: Wishes) -> str:
    with pytest.raises(ReadError) as raised:
        look(dataset, sop_class, how)
    return raised.value.reason.code


def test_text_is_looked_for_in_every_picture_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finding(monkeypatch, Found(frames_with_text=1, boxes=3))
    looked = look(film(), DX, wishes("blank", looks=True))
    assert (looked.pictures, looked.looked, looked.frames, looked.frames_with_text, looked.boxes) == (
        True,
        True,
        2,
        1,
        3,
    )
    assert len(asked) == 1


def test_a_picture_with_text_is_refused_where_none_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, Found(frames_with_text=1, boxes=3))
    assert refusal(film(), DX, wishes("refuse", looks=True)) == "R353"


def test_a_picture_without_text_passes_where_none_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, Found())
    assert look(film(), SC, wishes("refuse", looks=True)).looked


def test_nothing_is_looked_for_where_all_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finding(monkeypatch, Found())
    looked = look(film(BurnedInAnnotation="YES"), SC, wishes("keep", looks=False))
    assert (looked.pictures, looked.looked, asked) == (True, False, [])


def test_slices_as_the_scanner_made_them_are_passed_over_where_text_is_not_likely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = finding(monkeypatch, Found())
    how = wishes("likely", looks=True)
    assert not look(film(Modality="CT"), DX, how).looked
    assert look(film(Modality="CT", ImageType=["DERIVED", "SECONDARY"]), DX, how).looked
    assert look(film(Modality="CT", SamplesPerPixel=3), DX, how).looked
    assert look(film(Modality="DX"), DX, how).looked
    assert len(asked) == 3
    assert "113101" not in [code for code, _ in codes_of(how)]


@pytest.mark.parametrize("sop_class", [SEG, PARAMETRIC_MAP, DOSE])
def test_labels_and_measured_values_are_not_searched_and_counted_so(
    monkeypatch: pytest.MonkeyPatch, sop_class: str
) -> None:
    asked = finding(monkeypatch, Found(frames_with_text=1))
    for burned_in in ("blank", "likely", "refuse"):
        looked = look(film(), sop_class, wishes(burned_in, looks=True))
        assert (looked.pictures, looked.looked) == (True, False)
    assert asked == []
    assert look(film(BurnedInAnnotation="YES"), sop_class, wishes("blank", looks=True)).looked


@pytest.mark.parametrize(
    "how", [wishes("keep", looks=False), wishes("refuse", looks=False), wishes("likely", looks=True)]
)
def test_unused_bits_are_cleared_where_nobody_looks(how: Wishes) -> None:
    dataset = film(Modality="CT", BitsAllocated=16, BitsStored=12, HighBit=11, ImageType=["ORIGINAL", "PRIMARY"])
    values = np.full(20, 0x4123, "<u2")
    dataset.PixelData = values.tobytes()
    assert not look(dataset, DX, how).looked
    assert dataset.PixelData == (values & 0x0FFF).tobytes()


def test_what_is_searched_is_what_is_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    searched: list[bytes] = []

    def blank_text(dataset: Dataset) -> Found:
        searched.append(bytes(dataset.PixelData))
        return Found()

    monkeypatch.setattr(pictures, "blank_text", blank_text)
    dataset = film()
    dataset.PixelData += b"Mendoza^Lucia "
    _, data = cleaned_bytes(dataset, tmp_path, replace(task(), wishes=wishes("blank", looks=True)))
    assert searched == [dcmread(io.BytesIO(data)).PixelData]


def test_an_object_without_pictures_needs_no_look() -> None:
    report = film()
    del report.PixelData
    assert look(report, SR, wishes("refuse", looks=False)) == pictures.Looked()


@pytest.mark.parametrize("kind", ["LABEL", "OVERVIEW", "label"])
def test_the_label_of_a_slide_is_refused_even_where_text_is_looked_for(kind: str) -> None:
    dataset = film(ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"])
    assert refusal(dataset, SLIDE, wishes("blank", looks=True)) == "R354"


def test_a_picture_that_says_it_has_the_label_of_a_slide_is_refused() -> None:
    assert refusal(film(SpecimenLabelInImage="YES"), SLIDE, wishes("blank", looks=True)) == "R354"


RISKS: list[tuple[str, dict[str, Any]]] = [
    (DX, {"BurnedInAnnotation": "YES"}),
    (SC, {}),
    (US, {"Modality": "US"}),
    (DX, {"Modality": "OT"}),
    (DX, {"ConversionType": "DF"}),
    (DX, {"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}),
    (DX, {"Modality": "MR", "SamplesPerPixel": 3}),
]


@pytest.mark.parametrize(("sop_class", "elements"), RISKS)
def test_pictures_that_often_have_text_are_refused_where_nothing_can_look(
    sop_class: str, elements: dict[str, Any]
) -> None:
    assert refusal(film(**elements), sop_class, wishes("refuse", looks=False)) == "R352"


def test_an_overlay_in_the_bits_of_the_pixels_is_a_risk() -> None:
    dataset = film(Modality="CT")
    dataset.add_new(0x60000102, "US", 0)
    assert risk_of(dataset, DX) == ""
    dataset.add_new(0x60020102, "US", 12)
    assert "overlay" in risk_of(dataset, DX)


@pytest.mark.parametrize("elements", [{}, {"Modality": "CT"}, {"Modality": "CR", "BurnedInAnnotation": "NO"}])
def test_others_pass_and_are_counted_as_not_looked_at(elements: dict[str, Any]) -> None:
    looked = look(film(**elements), DX, wishes("refuse", looks=False))
    assert (looked.pictures, looked.looked) == (True, False)


@pytest.mark.parametrize(
    ("elements", "face"),
    [
        ({"Modality": "MR", "BodyPartExamined": "BRAIN"}, True),
        ({"Modality": "CT", "BodyPartExamined": "SINUS"}, True),
        ({"Modality": "CT"}, True),
        ({"Modality": "CT", "BodyPartExamined": "WHOLEBODY", "StudyDescription": "Schädel nativ"}, True),
        ({"Modality": "PT", "BodyPartExamined": "WHOLEBODY"}, True),
        ({"Modality": "CT", "BodyPartExamined": "NECK"}, True),
        ({"Modality": "CT", "BodyPartExamined": "CHEST"}, False),
        ({"Modality": "CT", "BodyPartExamined": "HEART", "StudyDescription": "Incidental nodule"}, False),
        ({"Modality": "DX", "BodyPartExamined": "SKULL"}, False),
    ],
)
def test_slices_of_the_head_may_show_a_face(elements: dict[str, Any], face: bool) -> None:
    assert may_show_a_face(film(**elements)) == face
