"""Objects in which somebody may be named where nobody here can look are refused, each by its code."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from edge.deidentify.fit import check_fit
from edge.deidentify.instance import deidentify
from edge.deidentify.known import names, words_of
from edge.deidentify.readable import everything, texts
from edge.errors import ReadError
from edge.read.dicom.boundary import quiet
from tests.deidentify.cleaning import cleaned_bytes, film, task

NUMERIC = ("DS", "IS", "UI", "SQ", "OB", "OW")
CT, LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


@pytest.mark.parametrize(
    ("sop_class", "syntax", "code"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", LITTLE, "R350"),  # encapsulated PDF
        ("1.2.840.10008.5.1.4.1.1.104.2", LITTLE, "R350"),  # encapsulated CDA
        ("1.2.840.10008.5.1.4.1.1.104.3", LITTLE, "R350"),  # encapsulated STL
        ("1.2.840.10008.5.1.4.1.1.66", LITTLE, "R350"),  # raw data
        ("1.2.840.10008.5.1.4.1.1.201.1", LITTLE, "R350"),  # inventory
        ("1.2.840.10008.5.1.4.38.1", LITTLE, "R350"),  # hanging protocol
        ("1.3.12.2.1107.5.9.1", LITTLE, "R350"),  # private
        ("1.2.840.10008.5.1.4.1.1.9.4.1", LITTLE, "R351"),  # voice audio
        ("1.2.840.10008.5.1.4.1.1.77.1.4.1", LITTLE, "R351"),  # video photographic
        (CT, "1.2.840.10008.1.2.4.102", "R351"),  # MPEG-4
        ("1.2.840.10008.1.3.10", LITTLE, "R356"),  # DICOMDIR
    ],
)
def test_an_object_of_another_kind_is_refused(sop_class: str, syntax: str, code: str) -> None:
    with pytest.raises(ReadError) as raised:
        check_fit(film(), sop_class, syntax)
    assert raised.value.reason.code == code


@pytest.mark.parametrize("sop_class", [CT, "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.66.4"])
def test_pictures_reports_and_segmentations_are_not(sop_class: str) -> None:
    check_fit(film(), sop_class, LITTLE)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_an_object_that_cannot_be_filed_is_refused_and_what_it_lacks_is_told(keyword: str) -> None:
    dataset = film()
    delattr(dataset, keyword)
    with pytest.raises(ReadError, match=keyword) as raised:
        check_fit(dataset, dataset.get("SOPClassUID", ""), LITTLE)
    assert raised.value.reason.code == "R355"


def refusal(path: Path | str) -> str:
    with quiet(), pytest.raises(ReadError) as raised:
        deidentify(str(path), task())
    return raised.value.reason.code


@pytest.mark.parametrize(
    ("name", "code"), [("MR_truncated.dcm", "R302"), ("rtplan_truncated.dcm", "R302"), ("DICOMDIR", "R356")]
)
def test_a_real_file_of_another_kind_is_refused(name: str, code: str) -> None:
    assert refusal(str(get_testdata_file(name))) == code


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\x5c\x01\0\0" + b"\0" * 400, b"Jane Doe", b"\0" * 500])
def test_what_is_no_dicom_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert refusal(tmp_path / "x") == "R357"


REAL = (
    *("CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm"),
    *("image_dfl.dcm", "rtdose.dcm", "rtplan.dcm", "test-SR.dcm", "liver_1frame.dcm", "examples_overlay.dcm"),
    "waveform_ecg.dcm",
)


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_cleaned_and_names_nobody(name: str) -> None:
    path = str(get_testdata_file(name, download=False))
    with quiet():
        _, data = deidentify(path, task())
        before, after = dcmread(path, force=True), dcmread(io.BytesIO(bytes(data)))
        known = words_of(before) - {"anon"}
        told = [
            (keyword_for_tag(one.tag), text)
            for one in everything(after)
            if one.VR not in NUMERIC
            for text in texts(one)
        ]
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert not [(keyword, text) for keyword, text in told if names(keyword, text, known)]


def verified(path: Path) -> set[str]:
    """The errors that dciodvfy finds, without the values that it quotes."""
    ran = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (ran.stdout + ran.stderr).splitlines()
    return {re.sub(r"UID \S+$|<[^>]*>", "", line) for line in lines if line.startswith("Error")}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("name", [name for name in REAL if name != "image_dfl.dcm"])  # which dciodvfy cannot read
def test_dciodvfy_finds_no_error_that_was_not_there_before(name: str, tmp_path: Path) -> None:
    path = str(get_testdata_file(name, download=False))
    with quiet():
        _, data = deidentify(path, task())
    (tmp_path / "new.dcm").write_bytes(bytes(data))
    assert verified(tmp_path / "new.dcm") <= verified(Path(path))


def mutated(data: bytes, number: int) -> bytes:
    """A file with some of its bytes changed, others each time, the same again."""
    changed = bytearray(data)
    for step in range(12):
        at = (number * 7919 + step * 104729) % len(changed)
        changed[at] = (changed[at] + 1 + number * 31 + step) % 256
    return bytes(changed)


def test_a_damaged_file_is_cleaned_or_refused_and_never_fails_otherwise(tmp_path: Path) -> None:
    source: Dataset = film(ReferencedImageSequence=[film()], PatientName="QXZ^QXZ")
    cleaned_bytes(source, tmp_path)
    data = (tmp_path / "source.dcm").read_bytes()
    path = tmp_path / "mutated.dcm"
    outcomes: set[Any] = set()
    for number in range(150):
        path.write_bytes(mutated(data, number))
        with quiet():
            try:
                _, new = deidentify(str(path), task())
                outcomes.add("cleaned")
                assert b"QXZ" not in bytes(new)
            except ReadError as error:
                outcomes.add(error.reason.code)
    assert "cleaned" in outcomes
    assert outcomes - {"cleaned"}


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_that_could_be_filed_in_several_places_is_refused(keyword: str) -> None:
    with pytest.raises(ReadError, match="R355"):
        check_fit(film(**{keyword: ["1.2.3", "1.2.4"]}), CT, LITTLE)


def test_pixels_of_which_some_would_not_be_looked_at_are_refused() -> None:
    with pytest.raises(ReadError, match="R350"):
        check_fit(film(FloatPixelData=bytes(80)), CT, LITTLE)
