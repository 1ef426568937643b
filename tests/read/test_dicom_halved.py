"""A picture in JPEG 2000 is read smaller where that was asked for and can be: the same picture with less detail."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from edge.errors import ReadError
from edge.read import ScanReader
from edge.read.dicom import DicomReader
from edge.read.halved import halved, halved_grid
from edge.scan import Scan
from tests.read.dicom_files import LIMIT, compressed, describe, item, load, picture, ramp, save, series_of

LOSSLESS, HTJ2K, PLAIN = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.1"
ROWS, COLUMNS = 210, 161
SIDE = 40
"""So that it is halved twice, to 53 x 41."""

Pixels = NDArray[Any]


def film() -> Pixels:
    return ramp(ROWS, COLUMNS, 0, 4095, "u2")


def coded(pixels: Pixels, **options: Any) -> bytes:
    bits = min(12, 8 * pixels.dtype.itemsize)
    chosen: dict[str, Any] = {"codecformat": "j2k", "level": 0, "bitspersample": bits, **options}
    return bytes(imagecodecs.jpeg2k_encode(pixels, **chosen))


def in_jpeg_2000(pixels: Pixels, **elements: Any) -> Dataset:
    told = {"BitsStored": 12, "HighBit": 11, "PixelSpacing": [0.2, 0.1], **elements}
    return compressed(picture(pixels, **told), LOSSLESS, coded(pixels))


def read(dataset: Dataset, folder: Path, least_side: int = SIDE) -> Scan:
    path = save(dataset, folder / "a.dcm")
    series = replace(series_of([describe(path)]), least_side=least_side)
    return DicomReader().load(series, LIMIT, lambda _: None)


def small(pixels: Pixels, times: int = 2, **options: Any) -> Pixels:
    """What the codestream holds."""
    return np.asarray(imagecodecs.jpeg2k_decode(halved(coded(pixels, **options), times)))


def test_the_picture_is_what_the_codestream_holds_and_the_rest_is_as_before(tmp_path: Path) -> None:
    whole, found = (read(in_jpeg_2000(film()), tmp_path, side) for side in (0, SIDE))
    assert found.voxels.shape == (1, 53, 41)
    assert np.array_equal(found.voxels[0], small(film()))
    assert found.voxels.dtype == whole.voxels.dtype
    assert (found.stored, whole.stored) == (whole.grid, None)
    assert found.grid == halved_grid(whole.grid, 2)
    for name in ("stack", "unit", "value_range", "window", "identity", "acquisition", "sources", "places", "regions"):
        assert getattr(found, name) == getattr(whole, name)


def test_the_scan_says_that_it_is_smaller_than_its_file(tmp_path: Path) -> None:
    words = "the picture was decoded at 1/4 of its size, 41 x 53 pixels, as its pack was measured to allow"
    assert read(in_jpeg_2000(film()), tmp_path).warnings == (words,)
    assert read(in_jpeg_2000(film()), tmp_path, 0).warnings == ()


def test_the_child_answers_as_the_reader_does(tmp_path: Path) -> None:
    found = read(in_jpeg_2000(film()), tmp_path)
    with ScanReader() as reader:
        (study,) = reader.index(tmp_path).result().studies
        answered = reader.load(replace(study.series[0], least_side=SIDE)).result()
    assert np.array_equal(answered.voxels, found.voxels)
    assert (answered.grid, answered.stored) == (found.grid, found.stored)


def test_signs_and_rescaled_values_are_kept(tmp_path: Path) -> None:
    signed = film().astype(np.int16) - 2048
    values = read(in_jpeg_2000(signed, RescaleSlope=2.0, RescaleIntercept=-100.0, Modality="CT"), tmp_path).voxels[0]
    assert np.array_equal(values, 2 * small(signed).astype(int) - 100)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT"])
def test_colours_are_kept(tmp_path: Path, photometric: str) -> None:
    pixels = np.stack([ramp(ROWS, COLUMNS, 0, high, "u1") for high in (255, 130, 60)], axis=-1)
    elements = {"BitsStored": 8, "HighBit": 7, "PhotometricInterpretation": photometric, "Modality": "XC"}
    assert np.array_equal(read(in_jpeg_2000(pixels, **elements), tmp_path).voxels[0], small(pixels))


def in_high_throughput(pixels: Pixels) -> Dataset:
    if not getattr(getattr(imagecodecs, "HTJ2K", None), "available", False):
        pytest.skip("this build of imagecodecs does not write HTJ2K")
    return compressed(picture(pixels), HTJ2K, bytes(imagecodecs.htj2k_encode(pixels, reversible=True)))


def test_high_throughput_is_read_smaller_too(tmp_path: Path) -> None:
    found = read(in_high_throughput(film()), tmp_path).voxels[0]
    assert np.array_equal(found, small(film(), bitspersample=16))


def edges(greatest: int, dtype: str) -> Pixels:
    """Plain black and white, beside which the wavelet goes beyond both."""
    white = np.add.outer(np.arange(ROWS) // 3, np.arange(COLUMNS) // 3) % 2
    return np.where(white, greatest, 0).astype(dtype)


@pytest.mark.parametrize(("greatest", "dtype"), [(255, "u1"), (65535, "u2")])
def test_what_lies_beyond_the_bits_does_not_turn_from_black_to_white(tmp_path: Path, greatest: int, dtype: str) -> None:
    pixels = edges(greatest, dtype)
    found = read(in_high_throughput(pixels), tmp_path).voxels[0]
    assert np.array_equal(found, small(pixels, bitspersample=8 * pixels.dtype.itemsize))


def test_what_lies_beyond_the_declared_bits_between_dark_and_bright_is_cut_off(tmp_path: Path) -> None:
    assert small(edges(4095, "u2"), bitspersample=16).max() > 4095
    assert read(in_jpeg_2000(edges(4095, "u2")), tmp_path).voxels.max() == 4095


def test_values_beyond_the_declared_bits_are_refused_however_little_is_read(tmp_path: Path) -> None:
    dataset = in_jpeg_2000(film(), BitsStored=10, HighBit=9)
    for side in (0, SIDE):
        with pytest.raises(ReadError) as caught:
            read(dataset, tmp_path, side)
        assert caught.value.reason.code == "R308"


def with_palette(dataset: Dataset) -> None:
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", np.arange(256, dtype="<u2").tobytes())


def with_table(dataset: Dataset) -> None:
    table = np.arange(4096, dtype="<u2")[::-1].tobytes()
    dataset.ModalityLUTSequence = [item(LUTDescriptor=[4096, 0, 16], ModalityLUTType="OD", LUTData=table)]


def with_regions(dataset: Dataset) -> None:
    dataset.SequenceOfUltrasoundRegions = [item(RegionSpatialFormat=1, RegionDataType=1)]


def with_more_bits_than_declared(dataset: Dataset) -> None:
    dataset.BitsStored, dataset.HighBit = 11, 10


def with_offsets_apart(dataset: Dataset) -> None:
    """As the table says, the picture is the second of two codestreams, of which the first is never shown."""
    first, second = coded(film()[::-1].copy()), coded(film())
    compressed(dataset, LOSSLESS, first, second)
    length = len(second) + len(second) % 2
    dataset.ExtendedOffsetTable = struct.pack("<Q", len(first) + len(first) % 2 + 8)
    dataset.ExtendedOffsetTableLengths = struct.pack("<Q", length)


def with_another_sign(dataset: Dataset) -> None:
    dataset.PixelRepresentation = 1


def uncompressed(dataset: Dataset) -> None:
    plain = picture(film())
    dataset.file_meta.TransferSyntaxUID, dataset.PixelData = UID(PLAIN), plain.PixelData
    dataset["PixelData"].VR = "OW"


def with_two_frames(dataset: Dataset) -> None:
    dataset.NumberOfFrames = 2
    compressed(dataset, LOSSLESS, coded(film()), coded(film()[::-1].copy()))


def in_boxes(dataset: Dataset) -> None:
    compressed(dataset, LOSSLESS, coded(film(), codecformat="jp2"))


WHOLE: list[Callable[[Dataset], None]] = [
    with_palette, with_table, with_regions, with_more_bits_than_declared, with_offsets_apart, with_another_sign,
    uncompressed, with_two_frames, in_boxes,
]  # fmt: skip


@pytest.mark.parametrize("change", WHOLE, ids=lambda change: change.__name__)
def test_what_would_not_be_the_same_picture_is_read_whole(tmp_path: Path, change: Callable[[Dataset], None]) -> None:
    pixels = film() // 16 if change is with_palette else film() // 2  # so that every sign and table has room
    dataset = in_jpeg_2000(pixels.astype(np.uint16))
    change(dataset)
    found, whole = read(dataset, tmp_path), load(tmp_path / "a.dcm")
    assert found.stored is None
    assert found.grid == whole.grid
    assert np.array_equal(found.voxels, whole.voxels)


def test_a_picture_that_would_get_too_small_is_read_whole(tmp_path: Path) -> None:
    assert read(in_jpeg_2000(film()), tmp_path, 82).stored is None
    assert read(in_jpeg_2000(film()), tmp_path, 81).grid.shape == (1, 105, 81)


def test_a_picture_too_long_to_be_moved_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.read.dicom.reduced.LONGEST", ROWS)
    assert read(in_jpeg_2000(film()), tmp_path).stored is not None
    monkeypatch.setattr("edge.read.dicom.reduced.LONGEST", ROWS - 1)
    assert read(in_jpeg_2000(film()), tmp_path).stored is None


def test_a_picture_that_is_cut_short_is_damaged_however_little_of_it_is_read(tmp_path: Path) -> None:
    dataset = compressed(picture(film(), BitsStored=12, HighBit=11), LOSSLESS, coded(film())[:-200])
    with pytest.raises(ReadError) as caught:
        read(dataset, tmp_path)
    assert caught.value.reason.code == "R302"


def test_sizes_that_contradict_the_header_are_damaged_however_little_is_read(tmp_path: Path) -> None:
    dataset = in_jpeg_2000(film())
    dataset.Rows += 1
    with pytest.raises(ReadError) as caught:
        read(dataset, tmp_path)
    assert caught.value.reason.code == "R302"
