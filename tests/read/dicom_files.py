"""Seeded phantom DICOM datasets, in every layout that the reader knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from edge.geometry import Array, Grid, Turn
from edge.read.contract import Header
from edge.read.dicom import DicomReader
from edge.read.group import agreed
from edge.scan import Scan, Series

LIMIT = 1 << 28
STUDY, SERIES, FRAME = (generate_uid(entropy_srcs=["edgerun", name]) for name in ("study", "series", "frame"))
CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4", "DX": "1.2.840.10008.5.1.4.1.1.1.1"}
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def phantom(shape: tuple[int, int, int] = (4, 5, 6)) -> Array:
    """Voxels that no turn or flip maps onto themselves: signed, all different."""
    rng = np.random.default_rng(7)
    return (rng.permutation(int(np.prod(shape))).reshape(shape) - 40).astype(np.int16)


def canonical_grid(shape: tuple[int, int, int] = (4, 5, 6)) -> Grid:
    """The axes of a body: z to the head, y to the back, x to the left, with a different step along each."""
    matrix = np.array([[0, 0, 0.75, -11.5], [0, 1.25, 0, 20.25], [2.5, 0, 0, -300.5], [0, 0, 0, 1.0]])
    return Grid.of(shape, matrix, "patient")


def rotated(grid: Grid) -> Grid:
    """The grid after an oblique rotation of the patient."""
    a, b = np.radians([20.0, 12.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = grid.matrix
    matrix[:3] = about_z @ about_x @ matrix[:3]
    return Grid.of(grid.shape, matrix, grid.space)


def all_turns() -> Iterator[Turn]:
    """The 48 orders and signs of three axes."""
    both = (False, True)
    for a, b, c in itertools.permutations(range(3)):
        for flips in itertools.product(both, both, both):
            yield Turn(axes=(a, b, c), flips=flips)


def picture(pixels: Array, **elements: Any) -> Dataset:
    """A classic image of `pixels`, shape (y, x), (y, x, 3) or (frame, y, x) with NumberOfFrames; no place."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Modality = elements.get("Modality", "DX")
    ds.SOPClassUID = CLASSES.get(ds.Modality, "1.2.840.10008.5.1.4.1.1.7")
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["edgerun", pixels.tobytes().hex()[:999], str(sorted(elements))])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, SERIES
    ds.PatientID, ds.PatientName, ds.ImageType = "phantom", "Phantom^One", ["ORIGINAL", "PRIMARY"]
    colour = pixels.ndim == 3 and "NumberOfFrames" not in elements
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    raw = pixels.tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def place(ds: Dataset, grid: Grid, z: int) -> Dataset:
    """Write into a classic slice where it lies in `grid`."""
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing = _plane(grid, z)
    ds.FrameOfReferenceUID = FRAME
    return ds


def series(voxels: Array, grid: Grid, modality: str = "CT", **elements: Any) -> list[Dataset]:
    """A classic series, one file per slice."""
    slices = []
    for z, pixels in enumerate(voxels):
        ds = place(picture(np.ascontiguousarray(pixels), Modality=modality, **elements), grid, z)
        ds.InstanceNumber = z + 1
        ds.SOPInstanceUID = generate_uid(entropy_srcs=["edgerun", "slice", str(z)])
        slices.append(ds)
    return slices


def enhanced(voxels: Array, grid: Grid, modality: str = "CT") -> Dataset:
    """An enhanced multi-frame object: orientation and spacing shared, a position for each frame."""
    ds = picture(np.ascontiguousarray(voxels), Modality=modality, NumberOfFrames=len(voxels))
    ds.SOPClassUID = ENHANCED_CT if modality == "CT" else ENHANCED_MR
    ds.FrameOfReferenceUID = FRAME
    _, orientation, spacing = _plane(grid, 0)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=orientation)]
    shared.PixelMeasuresSequence = [item(PixelSpacing=spacing)]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=_plane(grid, z)[0])]) for z in range(len(voxels))
    ]
    return ds


def item(**elements: Any) -> Dataset:
    """A dataset of these elements."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def compressed(ds: Dataset, uid: str, *frames: bytes | bytearray) -> Dataset:
    """The dataset with its pixels replaced by encapsulated frames."""
    ds.file_meta.TransferSyntaxUID = UID(uid)
    ds.PixelData = encapsulate([bytes(frame) for frame in frames])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def save(ds: Dataset, path: Path) -> str:
    """Write a DICOM file and return its path."""
    ds.save_as(path, enforce_file_format=True)
    return str(path)


def save_all(datasets: Sequence[Dataset], folder: Path) -> list[str]:
    """Write each dataset and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [save(ds, folder / f"{index:03}.dcm") for index, ds in enumerate(datasets)]


def describe(path: str | Path) -> Header:
    """What the reader says of a file."""
    return DicomReader().describe(str(path))


def load(*paths: str | Path, limit_bytes: int = LIMIT) -> Scan:
    """What the reader makes of files taken as one series."""
    headers = [describe(path) for path in paths]
    return DicomReader().load(series_of(headers), limit_bytes, lambda _: None)


def series_of(headers: Sequence[Header]) -> Series:
    """The headers as one series, whatever they say."""
    return Series(
        format="dicom",
        paths=tuple(header.path for header in headers),
        identity=agreed([header.identity for header in headers]),
        acquisition=agreed([header.acquisition for header in headers]),
        pictures=sum(header.pictures for header in headers),
        bytes=sum(header.bytes for header in headers),
    )


def ramp(rows: int, columns: int, low: int, high: int, dtype: str) -> Array:
    """A smooth picture from `low` to `high` with a little noise, for codecs."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:rows, :columns]
    base = (np.sin(x / 9) + np.cos(y / 7) + 2) / 4
    noisy = low + (high - low) * base + rng.normal(0, (high - low) / 200, (rows, columns))
    rounded: Array = np.clip(np.rint(noisy), low, high).astype(dtype)
    return rounded


def _plane(grid: Grid, z: int) -> tuple[list[float], list[float], list[float]]:
    """Position, orientation and spacing of a slice, with the digits that DS has room for."""
    matrix: NDArray[np.float64] = grid.matrix
    _, dy, dx = grid.steps
    position = matrix @ np.array([z, 0, 0, 1.0])
    orientation = [*(matrix[:3, 2] / dx), *(matrix[:3, 1] / dy)]
    return [_short(v) for v in position[:3]], [_short(v) for v in orientation], [_short(dy), _short(dx)]


def _short(value: float) -> float:
    """As many digits as a decimal string of 16 characters holds."""
    return float(f"{value:.9f}") + 0.0
