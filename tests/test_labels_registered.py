"""Labels of the moving scan, the whole way: `edgerun infer --labels`, report and NIfTI out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid
from tests.conftest import Edgerun, Ran
from tests.read.files import nibabel
from tests.systems import nifti
from tests.test_systems import BOX, GRID, body, only, registration_pack, shift_net, turned

Array = NDArray[Any]
MOVED = (slice(3, 6), *BOX[1:])


def labels(box: tuple[slice, slice, slice] = MOVED, value: int = 300) -> Array:
    """One label in the bright box, another in a corner."""
    voxels = np.zeros(GRID.shape, np.int16)
    voxels[box], voxels[0:2, 0, 0] = value, 2
    return voxels


def write_scans(folder: Path, drawn: Array | None = None, grid: Grid = GRID, stored: int = 31) -> list[str]:
    """The words that name both scans and the labels; the moving one has everything one voxel further along z."""
    fixed = nifti(folder / "fixed.nii", body(), GRID)
    moving = nifti(folder / "moving.nii", *turned(body(MOVED), GRID, stored))
    given = nifti(folder / "labels.nii.gz", labels() if drawn is None else drawn, grid)
    return ["--scan", f"fixed={fixed}", "--scan", f"moving={moving}", "--labels", f"moving={given}"]


def infer(edgerun: Edgerun, tmp_path: Path, words: list[str], out: str = "out") -> Ran:
    made = tmp_path / "pack"
    if not made.exists():
        registration_pack(made, shift_net((1.0, 0.0, 0.0)))
    return edgerun("infer", *words, "--pack", made, "--out", tmp_path / out, "--json")


def written(ran: Ran, tmp_path: Path) -> Path:
    (report,) = ran.reports
    return tmp_path / "out" / str(report["folder"]) / "warped-labels.nii.gz"


def test_labels_land_on_the_voxels_of_the_fixed_scan(edgerun: Edgerun, tmp_path: Path) -> None:
    """Stored on the plain axes though the scan is stored on others: the same voxels in the same place."""
    ran = infer(edgerun, tmp_path, write_scans(tmp_path))
    result = only(ran, 0, "done")
    image = nibabel.load(written(ran, tmp_path))
    found = np.asarray(image.dataobj).transpose(2, 1, 0)
    expected = np.zeros(GRID.shape, np.int16)
    expected[BOX], expected[0, 0, 0] = 300, 2
    assert found.dtype == np.int16
    assert np.array_equal(found, expected)
    assert {file["name"] for file in result["files"]} >= {"warped.nii.gz", "warped-labels.nii.gz"}
    told = {each["value"]: (each["moving_voxels"], each["warped_voxels"]) for each in result["findings"]["labels"]}
    assert told == {2: (2, 1), 300: (60, 60)}
    (source,) = result["others"]["labels of moving"]["sources"]
    assert Path(source["path"]).name == "labels.nii.gz"
    assert len(source["sha256"]) == 64


def test_other_programs_read_them_in_the_same_millimetres(edgerun: Edgerun, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    path = written(infer(edgerun, tmp_path, write_scans(tmp_path)), tmp_path)
    image = itk.ReadImage(str(path))
    index = (BOX[2].start, BOX[1].start, BOX[0].start)
    corner_mm = (GRID.matrix @ [BOX[0].start, BOX[1].start, BOX[2].start, 1.0])[:3]
    assert image.GetPixel(*index) == 300
    assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(corner_mm, abs=1e-3)
    read = nibabel.load(path)
    assert (read.affine @ [*index, 1.0])[:3] * [-1, -1, 1] == pytest.approx(corner_mm, abs=1e-3)


def test_other_labels_are_another_request(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    (first,) = infer(edgerun, tmp_path, words).reports
    (without,) = infer(edgerun, tmp_path, words[:-2]).reports
    (again,) = infer(edgerun, tmp_path, words).reports
    nifti(tmp_path / "labels.nii.gz", labels(value=301), GRID)
    (other,) = infer(edgerun, tmp_path, words).reports
    assert again == first
    assert len({each["request_sha256"] for each in (first, without, other)}) == 3
    assert len({each["folder"] for each in (first, without, other)}) == 3
    assert without["results"][0]["findings"]["labels"] == []


@pytest.mark.parametrize(
    ("drawn", "grid", "code"),
    [
        (labels(), GRID.cropped((0, 0, 1), GRID.shape), "C760"),
        (labels()[:-1], GRID.cropped((0, 0, 0), (7, 9, 10)), "C760"),
        (labels().astype(np.float32) / 7, GRID, "C761"),
    ],
)
def test_labels_that_are_not_the_scans_own_are_refused_before_the_model_runs(
    edgerun: Edgerun, tmp_path: Path, drawn: Array, grid: Grid, code: str
) -> None:
    ran = infer(edgerun, tmp_path, write_scans(tmp_path, drawn, grid))
    result = only(ran, 7, "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == [code]
    assert "infer" not in ran.reports[0]["run"]["seconds"]


def test_labels_that_are_cut_short_leave_nothing_registered(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    given = tmp_path / "labels.nii.gz"
    given.write_bytes(given.read_bytes()[:-40])
    result = only(infer(edgerun, tmp_path, words), 3, "failed")
    assert result["failure"]["code"] == "R302"
    assert "labels.nii.gz" in result["failure"]["detail"]


def test_labels_that_are_no_picture_leave_nothing_registered(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    (tmp_path / "labels.nii.gz").write_bytes(b"not a volume at all")
    ran = infer(edgerun, tmp_path, words)
    assert ran.code == 7
    (report,) = ran.reports
    assert {reason["code"] for result in report["results"] for reason in result["refusals"]} == {"C723"}
    assert "labels of moving" in report["results"][0]["refusals"][0]["detail"]


def test_labels_are_of_a_scan_that_was_named(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    ran = infer(edgerun, tmp_path, [*words[:2], *words[-2:]])
    assert ran.code == 2
    assert "expected the scans to be named, too" in " ".join(ran.err.split())


def test_labels_of_the_fixed_scan_are_a_wrong_request(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    ran = infer(edgerun, tmp_path, [*words[:-1], words[-1].replace("moving=", "fixed=", 1)])
    assert ran.code == 2
    assert "expected some of fixed, moving, labels of moving" in " ".join(ran.err.split())


def test_the_scan_itself_is_not_its_own_labels(edgerun: Edgerun, tmp_path: Path) -> None:
    words = write_scans(tmp_path)
    ran = infer(edgerun, tmp_path, [*words[:-1], words[3]])
    assert ran.code == 2
    assert "expected one role for a scan" in " ".join(ran.err.split())
