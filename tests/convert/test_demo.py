"""Demonstrations: what was planted is found, by the command that the pages give; no scan of a patient is taken."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

pytest.importorskip("onnx")

from convert.cli import main
from convert.cli.demo import NAMES
from convert.demo import TASKS, write_demonstration
from convert.demo_scans import BODY_PART, Ellipsoid, Series, axial, block, mr_series, stored
from edge.errors import ExitCode
from edge.geometry import Grid
from edge.pack.store import find_pack
from edge.read import read_study
from tests.conftest import Edgerun

Findings = dict[str, Any]
Demonstrate = Callable[[str], tuple[dict[str, Any], Path]]
every_task = pytest.mark.parametrize("task", TASKS)


@pytest.fixture
def demonstrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demonstrate:
    """Run `edgerun-convert demo TASK`: the report, and the folder that it lies in."""

    def run(task: str) -> tuple[dict[str, Any], Path]:
        monkeypatch.setattr(sys, "argv", ["edgerun-convert", "demo", task, "--out", str(tmp_path / "demo")])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == ExitCode.DONE
        (report,) = (tmp_path / "demo" / task / "results").glob("*/report.json")
        return json.loads(report.read_text(encoding="utf-8")), report.parent

    return run


def findings(report: dict[str, Any], state: str) -> Findings:
    """Of the one result."""
    (result,) = report["results"]
    assert result["state"] == state
    found: Findings = result["findings"]
    return found


def files_below(folder: Path) -> list[Path]:
    """Relative paths of all files, sorted."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def ellipsoid_ml(x_mm: float, y_mm: float, z_mm: float) -> float:
    """By its three diameters."""
    return math.pi / 6 * x_mm * y_mm * z_mm / 1000


# What was planted is found ---------------------------------------------------------------------------------


def test_three_squares_are_detected_and_the_faint_one_is_not(demonstrate: Demonstrate) -> None:
    boxes = findings(demonstrate("detection")[0], "finding")["boxes"]
    found = sorted((box["edges"][1], box["edges"][2], box["size_mm"][-1]) for box in boxes)
    assert found == [(40, 60, pytest.approx(6)), (70, 170, pytest.approx(10)), (150, 90, pytest.approx(10))]


def test_two_spots_are_outlined_with_their_area(demonstrate: Demonstrate) -> None:
    report, folder = demonstrate("segmentation")
    (region,) = findings(report, "finding")["regions"]
    assert region["area_mm2"] == pytest.approx(math.pi * (25.6 * 16 + 12.8**2), rel=0.02)
    assert (folder / "mask-bright-spot.png").is_file()


def test_two_bodies_are_measured_in_a_volume_of_windows(demonstrate: Demonstrate) -> None:
    report, folder = demonstrate("volumes")
    bright, dark = findings(report, "finding")["regions"]
    assert bright["volume_ml"] == pytest.approx(ellipsoid_ml(64, 48, 40), rel=0.03)
    assert dark["volume_ml"] == pytest.approx(ellipsoid_ml(36, 36, 30), rel=0.03)
    assert (bright["diameter_mm"], dark["diameter_mm"]) == (pytest.approx(64, abs=2), pytest.approx(36, abs=2))
    assert (bright["components"], dark["components"]) == (1, 1)
    assert (folder / "labels.nii.gz").is_file()


def test_a_phantom_that_was_moved_is_laid_back(demonstrate: Demonstrate) -> None:
    report, folder = demonstrate("registration")
    found = findings(report, "done")
    assert (found["mean_mm"], found["largest_mm"]) == pytest.approx((19, 19), abs=0.3)
    assert found["folded_share"] == 0
    assert (folder / "displacement.nii.gz").is_file()


def test_four_materials_get_the_brightness_that_was_set(demonstrate: Demonstrate) -> None:
    report, folder = demonstrate("translation")
    assert findings(report, "done")["makes"] == "other contrast"
    assert "SYNTHETIC" in report["results"][0]["summary"]
    assert (folder / "synthetic.png").is_file()


@every_task
def test_a_demonstration_gives_a_picture_and_says_what_it_is(demonstrate: Demonstrate, task: str) -> None:
    report, folder = demonstrate(task)
    assert (folder / "overlay.png").is_file()
    assert report["results"][0]["warnings"] == []
    manifest = find_pack(str(folder.parent.parent / "pack")).manifest
    words = (manifest.title, manifest.intended_use, manifest.limits)
    assert all(text.startswith("DEMONSTRATION") for text in words)
    assert "set by hand" in manifest.limits
    assert all(item.accepts.body_part == (BODY_PART,) for item in manifest.inputs)


# Nothing else is taken -------------------------------------------------------------------------------------


@every_task
def test_a_scan_of_a_patient_is_refused(edgerun: Edgerun, tmp_path: Path, examples: Path, task: str) -> None:
    pack = write_demonstration(task, tmp_path).pack
    ran = edgerun("infer", examples / "chest-pneumonia-0000.dcm", "--pack", pack, "--out", tmp_path / "o", "--json")
    assert ran.code == ExitCode.REFUSED
    assert ran.reports[0]["state"] == "not-analysed"


def test_a_phantom_is_nothing_for_the_pack_of_chests(edgerun: Edgerun, tmp_path: Path) -> None:
    scans = write_demonstration("detection", tmp_path).scans
    ran = edgerun("infer", scans, "--pack", "chest-pneumonia", "--out", tmp_path / "o", "--json")
    assert ran.code == ExitCode.REFUSED


def test_a_task_that_has_a_trained_pack_is_not_demonstrated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgerun-convert", "demo", "classification", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == ExitCode.USAGE
    assert "examples/chest-pneumonia-0000.dcm" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_every_demonstration() -> None:
    assert tuple(TASKS) == NAMES


# The scans -------------------------------------------------------------------------------------------------


@every_task
def test_the_same_demonstration_has_the_same_bytes(tmp_path: Path, task: str) -> None:
    first, second = write_demonstration(task, tmp_path / "a"), write_demonstration(task, tmp_path / "b")
    for one, other in ((first.pack, second.pack), (first.scans, second.scans)):
        names = files_below(one)
        assert names == files_below(other)
        assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@every_task
def test_every_file_says_that_it_is_a_phantom(tmp_path: Path, task: str) -> None:
    scans = write_demonstration(task, tmp_path).scans
    for path in files_below(scans):
        dataset = pydicom.dcmread(scans / path)
        assert (dataset.PatientID, dataset.BodyPartExamined) == ("DEMONSTRATION", BODY_PART)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("task", ["detection", "volumes"])
def test_dciodvfy_finds_no_error_in_a_phantom(tmp_path: Path, task: str) -> None:
    path = min(write_demonstration(task, tmp_path).scans.iterdir())
    ran = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert [line for line in ran.stderr.splitlines() if line.startswith("Error")] == []


def test_a_series_is_read_back_where_it_was_put(tmp_path: Path) -> None:
    grid = axial((4, 6, 8), (2.5, 1.5, 0.5))
    values = block(grid.shape, 0.3, [Ellipsoid(centre=(1, 2, 3), radii=(1, 1.5, 2), level=0.9)])
    voxels = stored(values, 0)
    for name, data in mr_series(voxels, Series(name="a", study="s", description="d", grid=grid)).items():
        (tmp_path / name).write_bytes(data)
    (scan,) = read_study(tmp_path).scans
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.grid.matrix, grid.matrix, atol=1e-6)


def test_a_thing_covers_those_before_it_and_lies_where_it_was_put() -> None:
    things = [
        Ellipsoid(centre=(0, 3, 3), radii=(1, 2, 2), level=0.5),
        Ellipsoid(centre=(0, 3, 3), radii=(1, 1, 1), level=1.0),
    ]
    values = block((1, 7, 7), 0.0, things)
    assert (values[0, 3, 3], values[0, 3, 5], values[0, 3, 6]) == (1.0, 0.5, 0.0)
    assert int((values > 0).sum()) == 13


def test_slices_lie_around_the_middle_of_the_scanner() -> None:
    grid = axial((2, 4, 6), (3.0, 2.0, 1.0))
    assert isinstance(grid, Grid)
    np.testing.assert_allclose(grid.matrix @ [1, 2, 3, 1], [0, 0, 0, 1])
