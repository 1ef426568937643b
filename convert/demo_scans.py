"""Phantoms as DICOM files that say that they are phantoms: what lies in them is known to the voxel."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from convert.radiograph import IMPLEMENTATION, uid_of
from edge.geometry import Grid

BODY_PART = "PHANTOM"
"""(0018,0015) of every demonstration: their packs take nothing else, so that no scan of a patient fits them."""

LARGEST = 1000
"""The stored value of what is brightest."""
NOISE = 8.0
"""Standard deviation, in stored values."""

EMPTY = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "AccessionNumber",
    "Laterality",
)
"""Elements that must be there and have nothing to say."""

Stored = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipsoid:
    """A thing in a phantom.

    Parameters
    ----------
    centre, radii : tuple of float
        Along (z, y, x), in voxels; of one slice the first centre is 0.
    level : float
        0 to 1.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    level: float

    def moved(self, by: Sequence[float]) -> Ellipsoid:
        """Return it elsewhere."""
        z, y, x = (place + step for place, step in zip(self.centre, by, strict=True))
        return Ellipsoid(centre=(z, y, x), radii=self.radii, level=self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of slices: what it is called, and where it lies."""

    name: str
    study: str
    description: str
    grid: Grid


def block(shape: tuple[int, int, int], level: float, things: Sequence[Ellipsoid]) -> NDArray[np.float32]:
    """Return an even block with things in it, each over those before it; values 0 to 1, shape (z, y, x)."""
    places = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"), axis=-1)
    values = np.full(shape, level, dtype=np.float32)
    for thing in things:
        apart = (places - np.array(thing.centre)) / np.array(thing.radii)
        values[(apart**2).sum(axis=-1) <= 1] = thing.level
    return values


def stored(values: NDArray[Any], seed: int) -> Stored:
    """Return values of 0 to 1 as a scanner stores them, with seeded noise."""
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=values.shape)
    return np.asarray(np.clip(np.rint(values * LARGEST + noise), 0, None), dtype=np.uint16)


def axial(shape: tuple[int, int, int], steps_mm: tuple[float, float, float]) -> Grid:
    """Return axial slices around the scanner's middle; `steps_mm` along (z, y, x)."""
    (nz, ny, nx), (dz, dy, dx) = shape, steps_mm
    matrix = np.array([[0, 0, dx, -dx * nx / 2], [0, dy, 0, -dy * ny / 2], [dz, 0, 0, -dz * nz / 2], [0, 0, 0, 1.0]])
    return Grid.of(shape, matrix, "patient")


def mr_series(voxels: Stored, series: Series) -> dict[str, bytes]:
    """Return a volume as MR Images (PS3.3 A.4), one file for each slice, by file name.

    Parameters
    ----------
    voxels : ndarray of uint16, shape (z, y, x)
    """
    files = {}
    for z, pixels in enumerate(voxels):
        dataset = _described(series, MRImageStorage, "MR", z)
        _, column_y, column_x = (column[:3] for column in series.grid.matrix.T[:3])
        corner = series.grid.matrix @ [z, 0, 0, 1]
        dataset.FrameOfReferenceUID = uid_of("demonstration", series.study, "frame")
        dataset.PositionReferenceIndicator = ""
        dataset.ImagePositionPatient = _decimals(corner[:3])
        dataset.ImageOrientationPatient = _decimals([*_unit(column_x), *_unit(column_y)])
        step_z, step_y, step_x = series.grid.steps
        dataset.PixelSpacing, dataset.SliceThickness = _decimals([step_y, step_x]), _decimals([step_z])[0]
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", ""
        dataset.MRAcquisitionType, dataset.PatientPosition = "3D", "HFS"
        dataset.EchoTime = dataset.EchoTrainLength = dataset.RepetitionTime = ""
        files[f"{series.name}-{z + 1:03}.dcm"] = _file(_with_pixels(dataset, pixels))
    return files


def radiograph(pixels: Stored, series: Series, spacing_mm: float) -> dict[str, bytes]:
    """Return a picture as a Computed Radiography Image (PS3.3 A.2), by file name.

    Parameters
    ----------
    pixels : ndarray of uint16, shape (y, x)
    spacing_mm : float
        At the detector.
    """
    dataset = _described(series, ComputedRadiographyImageStorage, "CR", 0)
    dataset.ImagerPixelSpacing = _decimals([spacing_mm, spacing_mm])
    dataset.ViewPosition = dataset.PatientOrientation = ""
    return {f"{series.name}.dcm": _file(_with_pixels(dataset, pixels))}


def _described(series: Series, kind: UID, modality: str, z: int) -> Dataset:
    """Subject, study, series and equipment: a phantom, and nothing that could be taken for a patient."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = kind
    dataset.SOPInstanceUID = uid_of("demonstration", series.study, series.name, str(z))
    dataset.StudyInstanceUID = uid_of("demonstration", series.study)
    dataset.SeriesInstanceUID = uid_of("demonstration", series.study, series.name)
    dataset.PatientName, dataset.PatientID = "DEMONSTRATION^PHANTOM", "DEMONSTRATION"
    for keyword in EMPTY:
        setattr(dataset, keyword, "")
    dataset.StudyID, dataset.Manufacturer = "1", "edgerun"
    dataset.Modality, dataset.BodyPartExamined = modality, BODY_PART
    dataset.SeriesDescription = series.description
    dataset.SeriesNumber, dataset.InstanceNumber = 1, z + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.ImageComments = "Made by a program to demonstrate edgerun. It shows no patient."
    return dataset


def _with_pixels(dataset: Dataset, pixels: Stored) -> Dataset:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.WindowCenter, dataset.WindowWidth = str(LARGEST // 2), str(LARGEST)
    dataset.PixelData = np.ascontiguousarray(pixels, dtype="<u2").tobytes()
    return dataset


def _file(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, UID(IMPLEMENTATION)
    buffer = io.BytesIO()
    file = FileDataset(buffer, dataset, file_meta=meta, preamble=b"\0" * 128)
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))


def _decimals(values: Sequence[float] | NDArray[np.float64]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]
