"""Example files: the same bytes every time, valid by another's judgement, and nothing invented."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from convert.radiograph import radiograph
from tests.conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.dcm"))


def test_the_pixels_and_the_bytes_are_those_that_were_given() -> None:
    pixels = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    data = radiograph(pixels, "test-0001")
    assert data == radiograph(pixels, "test-0001")
    assert (pydicom.dcmread(io.BytesIO(data)).pixel_array == pixels).all()


def test_two_pictures_share_no_uid() -> None:
    pixels = np.zeros((28, 28), dtype=np.uint8)
    first, second = (pydicom.dcmread(io.BytesIO(radiograph(pixels, name))) for name in ("a", "b"))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        assert first[keyword].value != second[keyword].value


def test_no_spacing_and_no_age_are_invented() -> None:
    dataset = pydicom.dcmread(io.BytesIO(radiograph(np.zeros((28, 28), dtype=np.uint8), "a")))
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PatientAge"):
        assert keyword not in dataset


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_credited(path: Path) -> None:
    assert "CC BY 4.0" in pydicom.dcmread(path).ImageComments


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("options", [[], ["-new"]], ids=["old", "new"])
def test_dciodvfy_finds_no_error_in_an_example(path: Path, options: list[str]) -> None:
    ran = subprocess.run(["dciodvfy", *options, path], capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    assert "CRImage" in said
    assert "Error" not in said
