"""The whole way from files on a disk to a study, in the process that a clinic runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

import edge.read
from edge.errors import ReadError
from edge.read import READERS, ScanReader, read_study
from edge.reasons import (
    DAMAGED,
    NOT_AN_IMAGE,
    NOTHING_THERE,
    SAME_IMAGE_TWICE,
    SEVERAL_STUDIES,
    TWO_PATIENTS,
    Reason,
)
from tests.read.files import jpeg, nibabel, phantom, png, tiff

Slice = Callable[..., Path]


def uid(name: str) -> str:
    return str(generate_uid(entropy_srcs=[name]))


CT: dict[str, Any] = {
    "SOPClassUID": CTImageStorage,
    "PatientID": "1",
    "PatientName": "A^B",
    "Modality": "CT",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
    "Rows": 4,
    "Columns": 5,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 1,
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "RescaleType": "HU",
}


@pytest.fixture
def ct(tmp_path: Path) -> Slice:
    """Writes one slice of a CT."""

    def write(name: str, z: int = 0, *, study: str = "study", **elements: Any) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = UID(uid(name))
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made = FileDataset(tmp_path / name, {}, file_meta=meta, preamble=b"\0" * 128)
        own = {
            "SOPInstanceUID": uid(name),
            "StudyInstanceUID": uid(study),
            "SeriesInstanceUID": uid(study + " series"),
            "FrameOfReferenceUID": uid(study),
            "InstanceNumber": z + 1,
            "ImagePositionPatient": [0, 0, float(z)],
            "PixelData": (np.arange(20, dtype=np.int16) + 100 * z).tobytes(),
        }
        for keyword, value in {**CT, **own, **elements}.items():
            setattr(made, keyword, value)
        pydicom.dcmwrite(tmp_path / name, made, enforce_file_format=True)
        return tmp_path / name

    return write


def reason_of(path: Path) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_study(path)
    return caught.value.reason


def test_a_folder_with_one_series_is_a_study(ct: Slice, tmp_path: Path) -> None:
    for z in (2, 0, 1):
        ct(f"slice{z}", z)
    study = read_study(tmp_path)
    (scan,) = study.scans
    assert study.left_out == ()
    assert (scan.stack, scan.unit) == ("volume", "HU")
    np.testing.assert_array_equal(scan.voxels[:, 0, 0], [0, 100, 200])
    assert [Path(source.path).name for source in scan.sources] == ["slice0", "slice1", "slice2"]


def test_mixed_content_of_any_depth_is_read_and_the_rest_is_named(ct: Slice, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    ct("deep/er/slice")
    (tmp_path / "photo").write_bytes(jpeg(np.zeros((8, 8, 3), dtype=np.uint8)))
    (tmp_path / "picture.txt").write_bytes(png(phantom(), 0))
    (tmp_path / "deep/stack").write_bytes(tiff([phantom(), phantom()], 1))
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), dtype=np.int16), np.eye(4)), tmp_path / "deep/volume.nii.gz")
    (tmp_path / "notes.dcm").write_text("no image, whatever its name")
    (tmp_path / "cut.png").write_bytes(png(phantom(), 0)[:-20])
    study = read_study(tmp_path)
    assert sorted((scan.stack, Path(scan.sources[0].path).name) for scan in study.scans) == [
        ("frames", "stack"),
        ("picture", "photo"),
        ("picture", "picture.txt"),
        ("picture", "slice"),
        ("volume", "volume.nii.gz"),
    ]
    outs = {Path(out.paths[0]).name: out.reason for out in study.left_out}
    assert outs == {"notes.dcm": NOT_AN_IMAGE, "cut.png": DAMAGED}


def test_a_copy_of_an_image_is_named(ct: Slice, tmp_path: Path) -> None:
    original = ct("a")
    (tmp_path / "b").write_bytes(original.read_bytes())
    study = read_study(tmp_path)
    assert len(study.scans) == 1
    assert [out.reason for out in study.left_out] == [SAME_IMAGE_TWICE]


def test_two_patients_in_one_study_are_refused(ct: Slice, tmp_path: Path) -> None:
    ct("a", 0)
    ct("b", 1, PatientID="2")
    assert reason_of(tmp_path) is TWO_PATIENTS


def test_two_patients_in_one_folder_are_refused(ct: Slice, tmp_path: Path) -> None:
    ct("a", study="one")
    ct("b", study="two", PatientID="2")
    assert reason_of(tmp_path) is TWO_PATIENTS


def test_two_studies_of_one_patient_are_refused(ct: Slice, tmp_path: Path) -> None:
    ct("a", study="one")
    ct("b", study="two")
    assert reason_of(tmp_path) is SEVERAL_STUDIES


def test_two_studies_in_one_folder_are_indexed_apart(ct: Slice, tmp_path: Path) -> None:
    ct("a", study="one")
    ct("b", study="two", PatientID="2")
    with ScanReader() as reader:
        found = reader.index(tmp_path).result()
    assert [study.series[0].identity.patient_id for study in found.studies] == ["1", "2"]


def test_nothing_that_can_be_read_gives_the_first_reason(tmp_path: Path) -> None:
    assert reason_of(tmp_path) is NOTHING_THERE
    (tmp_path / "a").write_text("text")
    assert reason_of(tmp_path) is NOT_AN_IMAGE
    (tmp_path / "a").write_bytes(png(phantom(), 0)[:-20])
    assert reason_of(tmp_path) is DAMAGED


def test_patient_data_are_in_no_message(ct: Slice, tmp_path: Path) -> None:
    ct("a", 0, PatientName="SECRET^NAME", PatientID="SECRET")
    ct("b", 1, PatientName="SECRET^OTHER", PatientID="SECRET2")
    with pytest.raises(ReadError) as caught:
        read_study(tmp_path)
    assert "SECRET" not in str(caught.value)


def test_the_same_files_give_the_same_study(ct: Slice, tmp_path: Path) -> None:
    for z in range(3):
        ct(f"slice{z}", z)
    once, again = read_study(tmp_path).scans[0], read_study(tmp_path).scans[0]
    assert once.voxels.tobytes() == again.voxels.tobytes()
    assert (once.grid, once.sources, once.places) == (again.grid, again.sources, again.places)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_in_the_table_exists(name: str) -> None:
    reader = READERS[name].load()()
    assert not reader.recognises(b"neither fish nor fowl", "x")


def test_the_public_names_are_there() -> None:
    for name in edge.read.__all__:
        assert getattr(edge.read, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        edge.read.no_such_name  # noqa: B018 -- looking it up is the test


PARENT = """
import sys
from edge.read import read_study
study = read_study(sys.argv[1])
assert len(study.scans) == 3, study
print([name for name in ("pydicom", "nibabel", "cv2", "imagecodecs") if name in sys.modules])
"""


def test_the_parent_imports_no_decoder(ct: Slice, tmp_path: Path) -> None:
    ct("slice")
    (tmp_path / "picture").write_bytes(png(phantom(), 0))
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), dtype=np.int16), np.eye(4)), tmp_path / "volume.nii")
    done = subprocess.run([sys.executable, "-c", PARENT, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_child_can_be_started_before_anything_heavy_is_imported() -> None:
    code = "import sys, edge.read, edge.read.process; print([m for m in ('numpy', 'pydicom') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
