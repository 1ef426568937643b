"""Every file that pydicom ships becomes a scan or a stable reason, never a traceback; so does every mutation of it."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.contract import HEAD_BYTES
from edge.read.dicom import DicomReader
from edge.reasons import LOCALISER
from edge.scan import Scan
from tests.read.dicom_files import describe, load

DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path
    for folder in ("test_files", "charset_files", "palettes")
    for path in (DATA / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)
REFUSED_ON_PURPOSE = {"6293": LOCALISER, "6924": LOCALISER}
"""Files that pydicom decodes and that are no scan to examine."""

MUTATIONS = 150


def attempt(path: Path) -> Scan | ReadError:
    try:
        return load(path)
    except ReadError as error:
        return error


def plain_pydicom(path: Path) -> tuple[FileDataset, Array] | None:
    """What pydicom alone makes of a file, with whichever decoders are installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(path, force=True)
            return ds, np.asarray(ds.pixel_array)
        except Exception:  # noqa: BLE001 - the question is whether it works at all
            return None


def in_real_units(ds: FileDataset, stored: Array) -> Array:
    """The way from pydicom's array to ours, by pydicom."""
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        colours = np.asarray(apply_color_lut(stored, ds))[..., :3]
        return colours >> 8 if colours.dtype == np.uint16 else colours
    if ds.SamplesPerPixel == 3:
        upper: Array = stored >> (ds.BitsStored - 8)
        return upper
    values = np.asarray(apply_modality_lut(stored, ds))
    return values * float(ds.get("DoseGridScaling", 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DATA)))
def test_a_file_of_the_wheel_becomes_a_scan_or_a_reason(path: Path) -> None:
    result = attempt(path)
    plain = plain_pydicom(path)
    if isinstance(result, ReadError):
        assert result.reason.code.startswith("R3")
        expected = REFUSED_ON_PURPOSE.get(path.name)
        assert plain is None or result.reason is expected, f"pydicom reads what was refused: {result}"
        return
    assert DicomReader().recognises(path.read_bytes()[:HEAD_BYTES], str(path))
    assert describe(path).bytes == result.voxels.nbytes
    if plain is not None:
        ds, stored = plain
        expected_voxels = in_real_units(ds, stored).reshape(result.voxels.shape)
        assert np.array_equal(result.voxels, expected_voxels.astype(result.voxels.dtype))


def test_the_wheel_gives_no_fewer_scans_than_measured() -> None:
    scans = [path for path in FILES if isinstance(attempt(path), Scan)]
    assert len(scans) >= 98


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few changed, cut out, put in or cut off, mostly in the header."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 4, 16])):
        at = rng.randrange(len(changed) if rng.random() < 0.4 else min(len(changed), 3000))
        kind = rng.random()
        if kind < 0.65:
            changed[at] = rng.choice([0, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind < 0.7:
            changed = changed[: max(at, 2)]
        elif kind < 0.85:
            del changed[at : min(at + rng.randrange(1, 9), len(changed) - 2)]
        else:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(changed)


def test_mutated_files_become_scans_or_reasons(tmp_path: Path) -> None:
    rng = random.Random(20)
    small = [path for path in FILES if 1000 < path.stat().st_size < 60_000 and path.suffix in (".dcm", "")]
    path = tmp_path / "mutated.dcm"
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(rng.choice(small).read_bytes(), rng))
        result = attempt(path)
        assert isinstance(result, Scan) or result.reason.code.startswith("R3")
