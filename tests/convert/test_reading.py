"""From files and folders to the scans of an examination."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.labels import LabelledSet
from convert.measure import Candidate, feeds_of, measure, scans_of
from convert.reading import case_words, examinations_of
from edge.errors import ReadError, UsageError
from edge.geometry import Grid
from edge.pack.manifest import Manifest
from edge.testing import tiny_manifest, tiny_segmentation, tiny_threshold
from tests.convert.planted_sets import GRID, SHAPE, both_net, volume
from tests.convert.scans import Heard
from tests.read.files import png
from tests.systems import dicom, nifti

INPUTS = (volume("t1"), volume("t2"))


def voxels(seed: int) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.int16)


def slices(folder: Path, seed: int, grid: Grid = GRID, **elements: str) -> Path:
    return dicom(folder, voxels(seed), grid, **elements)


def manifest() -> Manifest:
    inputs = (volume("t1", tensor="image"), volume("t2", tensor="image"))
    tiny = tiny_manifest(inputs=inputs, task=tiny_segmentation(names=("blob",)))
    return replace(tiny, models=(replace(tiny.models[0], thresholds={"blob": tiny_threshold(0.5)}),))


# Folders of slices ---------------------------------------------------------------------------------------


def test_a_folder_of_slices_is_read_as_the_scan_that_it_is(tmp_path: Path) -> None:
    first, second = slices(tmp_path / "a", 1), slices(tmp_path / "deep" / "b", 2)
    found = list(scans_of([tmp_path / "deep", first]))
    assert [path for path, _ in found] == [tmp_path / "deep", first]
    assert [scan.voxels.shape for _, scan in found] == [SHAPE, SHAPE]
    assert sorted(found[0][1].voxels.ravel().tolist()) == sorted(voxels(2).ravel().tolist())
    assert second.is_dir()


def test_what_is_no_image_beside_the_slices_is_passed_over(tmp_path: Path) -> None:
    folder = slices(tmp_path / "a", 1)
    (folder / "notes.txt").write_text("nothing to see")
    ((_, scan),) = scans_of([folder])
    assert scan.voxels.shape == SHAPE


def test_a_folder_with_two_scans_is_refused(tmp_path: Path) -> None:
    slices(tmp_path / "both" / "a", 1)
    slices(tmp_path / "both" / "b", 2)
    with pytest.raises(UsageError, match="both: found 2 scans, expected a folder that holds one alone"):
        list(scans_of([tmp_path / "both"]))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((UsageError, ReadError), match=r"empty.* (found 0 scans|no file was found)"):
        list(scans_of([tmp_path / "empty"]))


def test_one_slice_of_a_folder_is_no_scan(tmp_path: Path) -> None:
    one = sorted(slices(tmp_path / "a", 1).iterdir())
    with pytest.raises(
        UsageError, match="found part of a series, expected a file that holds a whole scan, or its fold"
    ):
        list(scans_of(one[:2]))


def test_a_damaged_slice_ends_it_with_the_readers_code(tmp_path: Path) -> None:
    folder = slices(tmp_path / "a", 1)
    damaged = sorted(folder.iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(ReadError, match="R3"):
        list(scans_of([folder]))


# Several inputs ------------------------------------------------------------------------------------------


def pair(tmp_path: Path) -> tuple[Path, Path]:
    """One scan as a folder of DICOM slices, the other as a NIfTI file with more voxels."""
    taller = GRID.cropped((-1, 0, 0), (SHAPE[0] + 2, *SHAPE[1:]))
    other = np.pad(voxels(2), ((1, 1), (0, 0), (0, 0)))
    return slices(tmp_path / "t1", 1), nifti(tmp_path / "t2.nii.gz", other, taller)


def test_each_scan_is_the_input_that_its_column_says(tmp_path: Path) -> None:
    case = pair(tmp_path)
    ((found, scans),) = examinations_of([case], INPUTS)
    ((_, turned),) = examinations_of([case[::-1]], INPUTS)
    assert found == case
    assert scans["t1"].voxels.shape == turned["t2"].voxels.shape == SHAPE
    assert scans["t2"].voxels.shape == turned["t1"].voxels.shape == (SHAPE[0] + 2, *SHAPE[1:])


def test_scans_are_brought_to_the_grid_of_the_first(tmp_path: Path) -> None:
    (feed,) = feeds_of([pair(tmp_path)], manifest())
    assert feed["image"].shape == (1, 2, *SHAPE)
    inner = np.sort((voxels(2) / np.float32(1000)).ravel())
    assert np.sort(feed["image"][0, 1].ravel()) == pytest.approx(inner, abs=1e-6)


def test_candidates_see_both_scans(tmp_path: Path) -> None:
    net = Candidate(precision="fp32", engine="onnxruntime", file="a.onnx", onnx=both_net())
    (said,) = measure(LabelledSet.of([pair(tmp_path)]), manifest(), [net], Heard()).values()
    assert said.problem == ""
    assert 0 < said.scores["blob"][0] < 1


def test_a_scan_that_the_pack_refuses_is_named_itself(tmp_path: Path) -> None:
    first, _ = pair(tmp_path)
    flat = tmp_path / "flat.png"
    flat.write_bytes(png(np.arange(64, dtype=np.uint8).reshape(8, 8), 0))
    with pytest.raises(UsageError, match=r"Measuring with .*flat\.png: the pack refuses this scan: C7"):
        list(feeds_of([(first, flat)], manifest()))


def test_scans_of_two_patients_are_not_brought_together(tmp_path: Path) -> None:
    case = tuple(
        slices(tmp_path / name, seed, PatientID=name, StudyInstanceUID=f"1.2.{seed}")
        for seed, name in enumerate(("t1", "t2"), start=1)
    )
    with pytest.raises(ReadError, match=r"t1 with .*t2: Bringing the named scans together") as caught:
        list(examinations_of([case], INPUTS))
    assert caught.value.reason.code == "R310"


def test_scans_of_one_patient_and_two_studies_are_brought_together(tmp_path: Path) -> None:
    case = tuple(
        slices(tmp_path / name, seed, PatientID="p", StudyInstanceUID=f"1.2.{seed}")
        for seed, name in enumerate(("t1", "t2"), start=1)
    )
    ((_, scans),) = examinations_of([case], INPUTS)
    assert [scan.identity.patient_id for scan in scans.values()] == ["p", "p"]


def test_what_a_person_vouches_for_holds_for_every_scan(tmp_path: Path) -> None:
    case = (nifti(tmp_path / "a.nii", voxels(1), GRID), nifti(tmp_path / "b.nii", voxels(2), GRID))
    ((_, scans),) = examinations_of([case], INPUTS, {"modality": "mr"})
    assert [scan.acquisition.modality for scan in scans.values()] == ["MR", "MR"]


def test_an_examination_is_named_by_its_scans() -> None:
    assert case_words((Path("a"),)) == "a"
    assert case_words((Path("a"), Path("b"), Path("c"))) == "a with b with c"
