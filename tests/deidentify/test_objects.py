"""A study with results on it stays one: what refers to what, where everything lies, and what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from edge.deidentify.instance import deidentify
from edge.deidentify.readable import everything
from edge.read.dicom.boundary import quiet
from tests.deidentify.cleaning import task
from tests.objects.cases import blob, complete, saved, scan_of
from tests.objects.planted import made, segmented
from tests.read.dicom_files import canonical_grid, load, phantom, rotated, series

pytest.importorskip("highdicom")

SHAPE = (4, 5, 6)
LIVER = "10200004"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of slices, a segmentation and a report on them, before and after."""
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    slices = complete(series(phantom(SHAPE), rotated(canonical_grid(SHAPE)), "MR"), BodyPartExamined="LIVER")
    scan = scan_of(slices, old / "scan")
    codes = blob(SHAPE, labels=2)
    findings = segmented(scan, codes == 1, codes == 2, exclusive=True)
    for view in ("seg", "sr"):
        saved(made(view, scan, findings), old)
    (new / "scan").mkdir()
    for path in sorted(old.rglob("*.dcm")):
        with quiet():
            _, data = deidentify(str(path), task())
        (new / path.relative_to(old)).write_bytes(data)
    return old, new


def uids(folder: Path, pattern: str = "scan/*.dcm") -> list[str]:
    return [str(dcmread(path).SOPInstanceUID) for path in sorted(folder.glob(pattern))]


def referred_to(dataset: Dataset) -> list[str]:
    """The images that an object refers to, in its order."""
    return [str(one.value) for one in everything(dataset) if one.keyword == "ReferencedSOPInstanceUID"]


@pytest.mark.parametrize("name", ["seg.dcm", "sr.dcm"])
def test_a_result_refers_to_the_same_images_by_their_new_names(study: tuple[Path, Path], name: str) -> None:
    old, new = study
    places_before = [uids(old).index(uid) for uid in referred_to(dcmread(old / name)) if uid in uids(old)]
    places_after = [uids(new).index(uid) for uid in referred_to(dcmread(new / name)) if uid in uids(new)]
    assert places_before == places_after != []
    assert not set(referred_to(dcmread(new / name))) & set(referred_to(dcmread(old / name)))
    assert dcmread(new / name).StudyInstanceUID == dcmread(new / "scan" / "000.dcm").StudyInstanceUID


def test_the_scan_is_the_same_and_lies_at_the_same_place(study: tuple[Path, Path]) -> None:
    old, new = (load(*sorted(folder.glob("scan/*.dcm"))) for folder in study)
    np.testing.assert_array_equal(old.voxels, new.voxels)
    np.testing.assert_array_equal(old.grid.matrix, new.grid.matrix)


def test_the_outlines_are_the_same_and_lie_at_the_same_place(study: tuple[Path, Path]) -> None:
    old, new = (dcmread(folder / "seg.dcm") for folder in study)
    np.testing.assert_array_equal(old.pixel_array, new.pixel_array)
    for before, after in zip(old.PerFrameFunctionalGroupsSequence, new.PerFrameFunctionalGroupsSequence, strict=True):
        assert before.PlanePositionSequence == after.PlanePositionSequence
    kinds = [
        [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in one.SegmentSequence]
        for one in (old, new)
    ]
    assert LIVER in kinds[0]
    assert kinds[1].index(LIVER) == kinds[0].index(LIVER)


def test_the_measurements_of_a_report_are_the_same_with_their_units_and_its_words_are_gone(
    study: tuple[Path, Path],
) -> None:
    old, new = (dcmread(folder / "sr.dcm") for folder in study)
    told = [
        [(one.keyword, str(one.value)) for one in everything(report) if one.keyword in ("NumericValue", "ValueType")]
        for report in (old, new)
    ]
    assert told[0] == told[1]
    assert ("ValueType", "NUM") in told[0]
    assert {str(one.value) for one in everything(new) if one.VR in ("UT", "PN") and one.tag.group == 0x40} <= {
        "REMOVED"
    }
    assert "phantom" not in str(new).lower()
