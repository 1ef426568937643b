"""Whole slides as DICOM files made by hand, so that every level, every frame and every lie can be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from tests.read.dicom_files import item, save
from tests.read.tiled_files import cut

Pixels = NDArray[np.uint8]
Organisation = Literal["TILED_FULL", "TILED_SPARSE"]
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
JPEG, JPEG_2000, JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
NATIVE = str(ExplicitVRLittleEndian)
PHOTOMETRIC = {NATIVE: "RGB", JPEG: "YBR_FULL_422", JPEG_2000: "YBR_RCT", JPEG_2000_LOSSY: "YBR_ICT"}


def level(
    pixels: Pixels,
    *,
    syntax: str = NATIVE,
    tile: tuple[int, int] = (64, 48),
    um: float | None = 0.5,
    fragments: int = 1,
    **elements: Any,
) -> Dataset:
    """One level as TILED_FULL; `elements` are set last, and those that are None are taken out."""
    tiles = cut(pixels, tile)
    ds = _described(pixels, tile, len(tiles), syntax)
    shared = {} if um is None else {"PixelMeasuresSequence": [item(PixelSpacing=[um / 1000, um / 1000])]}
    ds.SharedFunctionalGroupsSequence = [item(**shared)]
    ds.DimensionOrganizationType = "TILED_FULL"
    ds.TotalPixelMatrixOriginSequence = [item(XOffsetInSlideCoordinateSystem=0, YOffsetInSlideCoordinateSystem=0)]
    ds.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    ds.OpticalPathSequence = [item(OpticalPathIdentifier="1")]
    if syntax == NATIVE:
        ds.PixelData = b"".join(part.tobytes() for part in tiles)
    else:
        coded = [_coded(part, syntax) for part in tiles]
        ds.PixelData = encapsulate(coded, fragments_per_frame=fragments)
    ds["PixelData"].VR = "OB"
    for keyword, value in elements.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def sparse(
    pixels: Pixels, *, kept: Sequence[int] | None = None, tile: tuple[int, int] = (64, 48), **more: Any
) -> Dataset:
    """One level as TILED_SPARSE: the tiles `kept`, in that order; all of them, last first, where None."""
    across = -(-pixels.shape[1] // tile[1])
    count = -(-pixels.shape[0] // tile[0]) * across
    order = list(range(count))[::-1] if kept is None else list(kept)
    ds = level(pixels, tile=tile, **more)
    coded = [part.tobytes() for part in cut(pixels, tile)]
    ds.PixelData = b"".join(coded[index] for index in order)
    ds.NumberOfFrames = len(order)
    ds.DimensionOrganizationType = "TILED_SPARSE"
    ds.PerFrameFunctionalGroupsSequence = [_placed(index // across, index % across, tile) for index in order]
    return ds


def _placed(down: int, along: int, tile: tuple[int, int]) -> Dataset:
    where = item(
        RowPositionInTotalImagePixelMatrix=down * tile[0] + 1,
        ColumnPositionInTotalImagePixelMatrix=along * tile[1] + 1,
    )
    return item(PlanePositionSlideSequence=[where])


def _described(pixels: Pixels, tile: tuple[int, int], frames: int, syntax: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.SOPClassUID, ds.Modality = SLIDE, "SM"
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["edgerun", "slide", str(pixels.shape), syntax])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["edgerun", "slide"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["edgerun", "slide", "series"])
    ds.PatientID, ds.PatientName = "phantom", "Phantom^One"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.TotalPixelMatrixRows, ds.TotalPixelMatrixColumns = pixels.shape[:2]
    ds.Rows, ds.Columns = tile
    ds.NumberOfFrames, ds.InstanceNumber = frames, 1
    ds.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = PHOTOMETRIC[syntax] if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    return ds


def _coded(pixels: Pixels, syntax: str) -> bytes:
    if syntax == JPEG:
        return bytes(imagecodecs.jpeg8_encode(pixels, level=95))
    if syntax == JPEG_2000:
        return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0))
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=False, level=45))


def write(folder: Path, levels: Mapping[str, Dataset] | Sequence[Dataset]) -> Path:
    """Each level into a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    named = levels if isinstance(levels, Mapping) else {f"{number}": ds for number, ds in enumerate(levels)}
    for name, ds in named.items():
        save(ds, folder / f"{name}.dcm")
    return folder
