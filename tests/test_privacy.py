"""What a file tells of a patient comes back nowhere but where it is asked for: every text element holds a canary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_is_retired, dictionary_VR, keyword_dict
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from tests.conftest import ROOT, Edgerun

CANARY = "QXZ"
TEXTS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS")
LEAST = 500
READ = {
    *("SpecificCharacterSet", "Modality", "BodyPartExamined", "ViewPosition", "PhotometricInterpretation"),
    *("LossyImageCompression", "ImageType", "VOILUTFunction", "BurnedInAnnotation", "PresentationIntentType"),
}
"""Terms of the standard by which a scan is told; with another word in them it would be refused."""


def canaries(dataset: Dataset) -> int:
    """Put a value of its own in every text element of the standard that a scan's file may hold."""
    count = 0
    for keyword, number in keyword_dict.items():
        tag, vr = Tag(number), dictionary_VR(number)
        beyond = not 0x0008 <= tag.group <= 0x4000
        if beyond or vr not in TEXTS or keyword in READ or dictionary_is_retired(number):
            continue
        dataset.add(DataElement(tag, vr, f"{CANARY}{count:05d}"))
        count += 1
    dataset.StudyDescription = f"{CANARY}^Study"
    return count


@pytest.fixture
def told(examples: Path, tmp_path: Path) -> Path:
    """A radiograph, each text element of which names somebody."""
    dataset = dcmread(examples / "chest-pneumonia-0000.dcm")
    assert canaries(dataset) >= LEAST
    assert CANARY in str(dataset.PatientName)
    path = tmp_path / "scan.dcm"
    dataset.save_as(path)
    return path


def test_no_canary_comes_back(told: Path, tmp_path: Path) -> None:
    """In no report, register, FHIR document, name of a file, message or warning of a library."""
    command: list[str | Path] = [
        sys.executable,
        "-W",
        "always",
        "-m",
        "edge.cli",
        "infer",
        told,
        "--out",
        tmp_path / "out",
        "--json",
    ]
    ran = subprocess.run([*command, "--write", "overlay,fhir,register"], capture_output=True, check=False, cwd=ROOT)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"report.json", "overlay.png", "fhir.json", "register.csv"}
    told_text = ran.stdout + ran.stderr + b"".join(path.read_bytes() for path in files)
    assert CANARY.encode() not in told_text
    assert not [path for path in files if CANARY in str(path.relative_to(tmp_path))]
    assert json.loads(ran.stdout)["state"] == "finding"


def test_a_refusal_brings_no_canary_back(told: Path, tmp_path: Path) -> None:
    dataset = dcmread(told)
    dataset.Modality = "MG"
    dataset.save_as(told)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "edge.cli",
        "infer",
        told,
        "--pack",
        "chest-pneumonia",
        "--out",
        tmp_path / "out",
    ]
    ran = subprocess.run([*command, "--json"], capture_output=True, check=False, cwd=ROOT)
    assert ran.returncode == 7
    assert CANARY.encode() not in ran.stdout + ran.stderr


def test_a_damaged_file_brings_no_canary_back(told: Path, tmp_path: Path) -> None:
    told.write_bytes(told.read_bytes()[:-200])
    command: list[str | Path] = [sys.executable, "-m", "edge.cli", "infer", told, "--out", tmp_path / "out", "--json"]
    ran = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    assert ran.returncode == 3
    assert CANARY.encode() not in ran.stdout + ran.stderr


def test_identified_names_the_patient_and_nothing_more(told: Path, edgerun: Edgerun, tmp_path: Path) -> None:
    dataset = dcmread(told)
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^Jane", "4711", "20200131"
    dataset.save_as(told)
    (report,) = edgerun("infer", told, "--out", tmp_path / "out", "--identified", "--json").reports
    patient = report["results"][0]["scan"]["patient"]
    assert patient == {"name": "Doe^Jane", "number": "4711", "birth_date": "20200131"}
    assert CANARY not in json.dumps(report)


def test_a_refused_scan_is_identified_too(told: Path, edgerun: Edgerun, tmp_path: Path) -> None:
    dataset = dcmread(told)
    dataset.PatientID, dataset.Modality = "4711", "MG"
    dataset.save_as(told)
    (report,) = edgerun("infer", told, "--out", tmp_path / "out", "--identified", "--json").reports
    assert report["results"][0]["scan"]["patient"]["number"] == "4711"
