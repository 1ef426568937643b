"""A brain of spheres in a wheel of its own: what the recipe ``brain-tissue`` needs, small enough for tests."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from edge.testing import phantom

SIDE = 52
FOLDER = "nilearn/datasets/data"
CORNER = (3, 5, 7)
"""Index (x, y, z) of the one voxel of white matter outside the spheres, by which the file's axes are told apart."""


def spheres() -> dict[str, np.ndarray]:
    """Maps of 0 to 255 with the file's axes, to the right, the front and the head: white within grey within CSF."""
    x, y, z = np.indices((SIDE, SIDE, SIDE)) - (SIDE - 1) / 2
    radius = np.sqrt(x**2 + y**2 + z**2)
    white, grey, csf = radius < 8, (radius >= 8) & (radius < 13), (radius >= 13) & (radius < 16)
    white[CORNER] = True
    found = {"gm": grey * 255, "wm": white * 255, "t1": white * 230 + grey * 160 + csf * 80}
    return {kind: values.astype(np.uint8) for kind, values in found.items()}


def zipped(values: np.ndarray) -> bytes:
    kind: Any = nibabel.Nifti1Image
    return gzip.compress(kind(values, np.eye(4)).to_bytes(), mtime=0)


def wheel(path: Path, patch: pytest.MonkeyPatch, maps: Mapping[str, np.ndarray] | None = None) -> Path:
    """Write maps as the wheel of nilearn has them, and let the recipe take these for its own."""
    from convert.recipes import brain_subjects  # noqa: PLC0415 - needs torch

    files = {kind: zipped(values) for kind, values in (maps or spheres()).items()}
    with zipfile.ZipFile(path, "w") as archive:
        for kind, data in files.items():
            archive.writestr(f"{FOLDER}/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz", data)
    digests = {kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()}
    patch.setattr(brain_subjects, "DIGESTS", digests)
    return path


def other_wheel(path: Path) -> Path:
    """A wheel without a single map."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nilearn/__init__.py", phantom((1, 2, 2)).tobytes())
    return path
