"""Patient and study are copied word for word, in whatever script; a source that changed is named."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.charset import python_encoding
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.errors import ReadError
from edge.objects.copied import PATIENT, REQUIRED, STUDY
from edge.objects.finish import encoded
from edge.objects.sources import copy_elements, copy_patient_and_study, read_sources
from edge.objects.unfit import UnfitError
from edge.read.dicom.boundary import quiet
from edge.reasons import DAMAGED, NOT_READABLE
from edge.scan import Source
from tests.objects.cases import complete
from tests.read.dicom_files import item, load, phantom, picture, save

NAMES = {
    "ISO_IR 100": "Buc^Jérôme",
    "ISO_IR 144": "Люкceмбypг",  # noqa: RUF001 - as the standard spells it
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 127": "قباني^لنزار",
    "ISO_IR 138": "שרון^דבורה",
    "ISO_IR 166": "นามสกุล^ชื่อ",
    "ISO_IR 192": "Wang^XiaoDong=王^小東",
    "GB18030": "Wang^XiaoDong=王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
}


def written(dataset: Dataset) -> Dataset:
    """The dataset as it is read from its file."""
    return dcmread(io.BytesIO(encoded(dataset)))


def blank() -> Dataset:
    """An object that copies are put in."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
    return dataset


def copied(source: Dataset) -> Dataset:
    """An object whose patient and study are those of a source that was read from a file."""
    target = blank()
    with quiet():
        copy_patient_and_study(source, target)
    return written(target)


def source_with(folder: Path, charset: str, **elements: Any) -> Dataset:
    """A picture with these elements, written in a character set and read again."""
    dataset = picture(np.zeros((4, 4), np.uint8), SpecificCharacterSet=charset.split("\\"), **elements)
    return dcmread(save(dataset, folder / "source.dcm"))


@pytest.mark.parametrize("charset", NAMES)
def test_a_name_in_any_script_survives_with_its_groups(charset: str, tmp_path: Path) -> None:
    source = source_with(tmp_path, charset, PatientName=NAMES[charset], StudyDescription="-")
    made = copied(source)
    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert str(made.PatientName) == NAMES[charset]
    assert made.PatientName.ideographic == source.PatientName.ideographic
    assert made.PatientName.phonetic == source.PatientName.phonetic


@pytest.mark.parametrize("path", get_charset_files("chr*.dcm"), ids=lambda path: Path(path).stem)
def test_the_standard_s_own_examples_survive(path: str) -> None:
    source = dcmread(path)
    assert str(copied(source).PatientName or "") == str(source.get("PatientName") or "")


def test_sequences_are_decoded_with_all_that_is_in_them(tmp_path: Path) -> None:
    other = item(
        PatientID="É-1", TypeOfPatientID="TEXT", IssuerOfPatientIDQualifiersSequence=[item(UniversalEntityID="ü")]
    )
    source = source_with(tmp_path, "ISO_IR 100", OtherPatientIDsSequence=[other])
    made = copied(source).OtherPatientIDsSequence[0]
    assert made.PatientID == "É-1"
    assert made.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "ü"


def test_an_item_with_a_character_set_of_its_own_is_decoded_by_that(tmp_path: Path) -> None:
    own = item(SpecificCharacterSet="ISO_IR 144", PatientID="Люк")
    source = source_with(tmp_path, "ISO_IR 100", OtherPatientIDsSequence=[own])
    made = copied(source).OtherPatientIDsSequence[0]
    assert made.PatientID == "Люк"
    assert "SpecificCharacterSet" not in made


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "m"),
        ("PatientBirthDate", "1980"),
        ("PatientID", "  id with blanks, and more than sixty-four characters " * 2),
        ("PatientName", "a=b=c=d"),
        ("StudyTime", "25"),
        ("AccessionNumber", "longer than sixteen characters"),
    ],
)
def test_what_breaks_the_rules_is_copied_as_it_is(keyword: str, value: str, tmp_path: Path) -> None:
    with config.disable_value_validation():
        dataset = picture(np.zeros((4, 4), np.uint8), **{keyword: value})
        path = save(dataset, tmp_path / "source.dcm")
        source = dcmread(path)
        assert str(copied(source)[keyword].value) == str(source[keyword].value)


def test_what_the_source_lacks_is_empty_where_it_is_asked_for_and_else_absent(tmp_path: Path) -> None:
    made = copied(source_with(tmp_path, "ISO_IR 6"))
    assert {keyword for keyword in REQUIRED if made[keyword].value in (None, "")} == set(REQUIRED) - {
        "PatientName",
        "PatientID",
    }
    assert "PatientComments" not in made


def test_what_an_object_had_before_is_gone() -> None:
    target = blank()
    target.PatientComments = "of another"
    copy_elements(Dataset(), target, ["PatientComments"])
    assert "PatientComments" not in target


def test_a_copy_shares_nothing_with_its_source(tmp_path: Path) -> None:
    source = source_with(tmp_path, "ISO_IR 6", ReferencedStudySequence=[item(ReferencedSOPInstanceUID="1.2")])
    target = blank()
    copy_patient_and_study(source, target)
    target.ReferencedStudySequence[0].ReferencedSOPInstanceUID = "9.9"
    assert source.ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.2"


@pytest.mark.parametrize("keywords", [PATIENT, STUDY], ids=["patient", "study"])
def test_every_keyword_that_is_copied_is_the_standard_s(keywords: Sequence[str]) -> None:
    assert [keyword for keyword in keywords if Dataset().get(keyword, "-") != "-"] == []
    dataset = Dataset()
    for keyword in keywords:
        setattr(dataset, keyword, None)  # pydicom warns of a keyword that is none
    assert len(dataset) == len(set(keywords))


def sources(folder: Path, count: int = 2) -> tuple[Source, ...]:
    """Files as they were examined."""
    folder.mkdir()
    found: list[Source] = []
    for number in range(count):
        dataset = complete([picture(phantom((1, 4, 4))[0], SOPInstanceUID=f"2.25.{number + 1}")])[0]
        found += load(save(dataset, folder / f"SECRET^NAME-{number}.dcm")).sources
    return tuple(found)


def test_headers_come_in_the_order_of_the_sources_and_without_pixels(tmp_path: Path) -> None:
    first, second = sources(tmp_path / "a")
    read = read_sources((second, first))
    assert [dataset.SOPInstanceUID for dataset in read] == ["2.25.2", "2.25.1"]
    assert not any("PixelData" in dataset for dataset in read)


def test_a_source_that_was_changed_is_named(tmp_path: Path) -> None:
    first, second = sources(tmp_path / "a")
    with Path(second.path).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ReadError, match=r"NAME-1\.dcm' again: it is not the file that was examined") as caught:
        read_sources((first, second))
    assert caught.value.reason is DAMAGED
    assert "/a/" not in caught.value.message


def test_a_source_that_is_gone_is_named(tmp_path: Path) -> None:
    (first,) = sources(tmp_path / "a", 1)
    Path(first.path).unlink()
    with pytest.raises(ReadError, match="NAME-0") as caught:
        read_sources((first,))
    assert caught.value.reason is NOT_READABLE


def test_what_is_no_dicom_file_makes_no_object() -> None:
    with pytest.raises(UnfitError, match="did not come from DICOM files"):
        read_sources((Source(path="brain.nii.gz", sha256="0" * 64),))
    with pytest.raises(UnfitError, match="did not come from DICOM files"):
        read_sources(())


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_source_that_cannot_be_referred_to_makes_no_object(keyword: str, tmp_path: Path) -> None:
    dataset = picture(phantom((1, 4, 4))[0])
    delattr(dataset, keyword)
    with pytest.raises(UnfitError, match=f"no {keyword}"):
        read_sources(load(save(dataset, tmp_path / "a.dcm")).sources)


def test_every_character_set_above_is_known_to_pydicom() -> None:
    assert {part for charset in NAMES for part in charset.split("\\") if part} <= set(python_encoding)
