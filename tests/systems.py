"""Phantom scans on disk and tiny packs of every task, for tests that go the whole way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from edge.geometry import Grid
from edge.pack.manifest import Input, Manifest, Task
from edge.testing import tiny_manifest, tiny_threshold, write_tiny_pack
from tests.read.dicom_files import save_all, series
from tests.read.files import nibabel

Array = NDArray[Any]
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti(path: Path, voxels: Array, grid: Grid) -> Path:
    """Voxels (z, y, x) on a grid as a NIfTI file, whose axes are x, y, z and whose coordinates RAS."""
    affine = RAS @ grid.matrix[:, [2, 1, 0, 3]]
    made = nibabel.Nifti1Image(np.ascontiguousarray(voxels.transpose(2, 1, 0)), affine)
    made.header.set_xyzt_units("mm")
    made.set_sform(affine, code=1)
    made.set_qform(affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(made, path)
    return path


def dicom(folder: Path, voxels: Array, grid: Grid, *, modality: str = "MR", **elements: Any) -> Path:
    """Voxels (z, y, x) on a grid as a DICOM series of its own; `elements` go into every file."""
    slices = series(voxels, grid, modality)
    name = f"{elements}{hashlib.sha256(voxels.tobytes()).hexdigest()}"
    for z, dataset in enumerate(slices):
        _named(dataset, name, z)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
    save_all(slices, folder)
    return folder


def _named(dataset: Dataset, name: str, z: int) -> None:
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["edgerun", name])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["edgerun", name, str(z)])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def pack(
    folder: Path,
    task: Task,
    inputs: Sequence[Input],
    net: bytes,
    thresholds: Mapping[str, float] | None = None,
    **changes: Any,
) -> Path:
    """A pack of one task that works."""
    manifest: Manifest = tiny_manifest(name=f"tiny-{task.kind}", task=task, inputs=tuple(inputs), **changes)
    limits = {name: tiny_threshold(value) for name, value in (thresholds or {}).items()}
    models = (replace(manifest.models[0], thresholds=limits),)
    return write_tiny_pack(folder, replace(manifest, models=models), net)
