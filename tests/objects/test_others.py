"""By others' judgement: validators find no fault, other readers see the same voxels, an archive keeps every byte."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from edge.geometry import Grid, Turn, resample
from edge.objects.reread import frames_in
from edge.scan import Scan
from edge.write.overlay import overlay
from tests.objects.cases import blob, complete, files_of, outlined, overlapping, result_of, saved, scan_of
from tests.objects.planted import errors_of, ran
from tests.read.dicom_files import canonical_grid, enhanced, phantom, picture, rotated, series

pytest.importorskip("highdicom")

Array = NDArray[Any]
Places = set[tuple[float, ...]]
SHAPE = (6, 16, 20)
STRAIGHT = canonical_grid(SHAPE)
TURNS = {
    "axial": Turn(axes=(0, 1, 2), flips=(False, False, False)),
    "feet first": Turn(axes=(0, 1, 2), flips=(True, False, True)),
    "sagittal": Turn(axes=(2, 0, 1), flips=(False, True, False)),
    "coronal": Turn(axes=(1, 0, 2), flips=(True, True, False)),
}


def found(name: str) -> str:
    """A program of others, beside this interpreter or anywhere; skips where it is not installed."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def scanned(kind: str, folder: Path) -> tuple[Scan, Array]:
    """A scan of an oblique body in one of the layouts that files have, and the labels planted in it."""
    grid = rotated(STRAIGHT)
    if kind in TURNS:
        voxels = np.ascontiguousarray(TURNS[kind].apply(phantom(SHAPE)))
        datasets = series(voxels, TURNS[kind].apply_grid(grid), SliceThickness=1.0)
    elif kind == "enhanced":
        datasets = [enhanced(phantom(SHAPE), grid)]
    else:
        datasets = [picture(phantom((1, 16, 20))[0], ImagerPixelSpacing=[0.2, 0.2], BodyPartExamined="CHEST")]
    scan = scan_of(complete(datasets), folder)
    codes = blob(SHAPE) if kind != "film" else blob((1, 16, 20))
    return scan, codes if kind == "film" else resample(codes, grid, scan.grid, interpolation="nearest")


KINDS = (*TURNS, "enhanced", "film")


@pytest.mark.parametrize("kind", KINDS)
def test_segmentations_are_valid_and_fit_their_study(kind: str, tmp_path: Path) -> None:
    scan, codes = scanned(kind, tmp_path / "src")
    (path,) = saved(files_of("seg", scan, outlined(codes, scan.grid)), tmp_path / "out")
    assert errors_of(path) == []
    assert ran("dcentvfy", *(source.path for source in scan.sources), path) == ""


def test_a_segmentation_with_overlaps_is_valid(tmp_path: Path) -> None:
    scan, codes = scanned("axial", tmp_path / "src")
    findings = overlapping([codes == 1, codes > 0], scan.grid)
    (path,) = saved(files_of("seg", scan, findings), tmp_path / "out")
    assert errors_of(path) == []


@pytest.mark.parametrize("kind", ["axial", "film"])
def test_captures_are_valid_and_fit_their_study(kind: str, tmp_path: Path) -> None:
    scan, codes = scanned(kind, tmp_path / "src")
    findings = outlined(codes, scan.grid)
    drawn = overlay(result_of(scan, findings), scan, findings)
    (path,) = saved(files_of("sc", scan, findings, drawn), tmp_path / "out")
    assert errors_of(path) == []
    assert ran("dcentvfy", *(source.path for source in scan.sources), path) == ""


def places(mask: Array, matrix: NDArray[np.float64]) -> Places:
    """Where the voxels of a mask lie, in tenths of a millimetre."""
    indices = np.argwhere(mask)
    placed = np.c_[indices, np.ones(len(indices))] @ matrix.T
    return {tuple(point) for point in np.rint(placed[:, :3] * 10).tolist()}


def nifti_of(path: Path) -> tuple[Array, NDArray[np.float64]]:
    """A NIfTI file's voxels, (x, y, z), and their affine in LPS; NIfTI's own is RAS."""
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj), np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine


@pytest.mark.parametrize("kind", [*TURNS, "enhanced"])
def test_dcmqi_reads_every_voxel_in_its_place(kind: str, tmp_path: Path) -> None:
    program = found("segimage2itkimage")
    scan, codes = scanned(kind, tmp_path / "src")
    (path,) = saved(files_of("seg", scan, outlined(codes, scan.grid)), tmp_path / "out")
    ran(program, "--inputDICOM", path, "--outputDirectory", tmp_path / "out", "-t", "nii", "-p", "dcmqi")
    for number in (1, 2, 3):
        values, matrix = nifti_of(tmp_path / "out" / f"dcmqi-{number}.nii.gz")
        assert places(values > 0, matrix) == places(codes == number, scan.grid.matrix)


def test_simpleitk_reads_the_same_bits(tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    scan, codes = scanned("axial", tmp_path / "src")
    files = files_of("seg", scan, outlined(codes, scan.grid))
    (path,) = saved(files, tmp_path / "out")
    read = itk.GetArrayFromImage(itk.ReadImage(str(path))) > 0
    assert np.array_equal(read, np.stack([frame.pixels for frame in frames_in(files)]))


@pytest.mark.parametrize("kind", [*TURNS, "enhanced"])
def test_what_lies_under_an_outline_is_what_dcm2niix_has_there(kind: str, tmp_path: Path) -> None:
    program = found("dcm2niix")
    scan, codes = scanned(kind, tmp_path / "src")
    files = files_of("seg", scan, outlined(codes, scan.grid))
    (tmp_path / "out").mkdir()
    ran(program, "-f", "scan", "-o", tmp_path / "out", tmp_path / "src")
    values, matrix = nifti_of(next((tmp_path / "out").glob("scan*.nii")))
    seen = []
    for frame in frames_in(files):
        if frame.segment == 0 and frame.grid is not None:
            seen += under(frame.pixels, frame.grid, values, matrix)
    assert sorted(seen) == sorted(scan.voxels[codes == 1].tolist())


def under(mask: Array, grid: Grid, values: Array, matrix: NDArray[np.float64]) -> list[int]:
    """The values of a volume, all different, where the pixels of one slice lie."""
    points = np.c_[np.zeros((int(mask.sum()), 1)), np.argwhere(mask), np.ones(int(mask.sum()))] @ grid.matrix.T
    indices = np.linalg.solve(matrix, points.T)[:3]
    assert np.abs(indices - np.rint(indices)).max() < 0.01
    return [int(value) for value in values[tuple(np.rint(indices).astype(int))]]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's storage provider on a port of this machine, and the folder in which it keeps what it is sent."""
    programs = [shutil.which(name) for name in ("storescp", "echoscu", "storescu")]
    if None in programs:
        pytest.skip("DCMTK is not installed")
    port, folder = 11_112 + os.getpid() % 20_000, tmp_path / "archive"
    folder.mkdir()
    command = [str(programs[0]), "--bit-preserving", "--output-directory", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while (
            process.poll() is None
            and subprocess.run([str(programs[1]), "localhost", str(port)], check=False, capture_output=True).returncode
        ):
            time.sleep(0.1)
        yield port, folder
    finally:
        process.terminate()
        process.wait()


def test_an_archive_takes_them_and_keeps_every_element(archive: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = archive
    scan, codes = scanned("axial", tmp_path / "src")
    findings = outlined(codes, scan.grid)
    drawn = overlay(result_of(scan, findings), scan, findings)
    files = files_of("seg", scan, findings) | files_of("sc", scan, findings, drawn)
    ran("storescu", "--required", "localhost", port, *saved(files, tmp_path / "out"))
    kept = {str(one.SOPInstanceUID): one for one in (dcmread(path) for path in folder.iterdir())}
    sent = [dcmread(io.BytesIO(data)) for data in files.values()]
    assert len(kept) == 2
    for one in sent:
        assert kept[str(one.SOPInstanceUID)] == one
