"""What could mislead a clinician is refused by name or told; and what a file says of its patient reaches no message."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate_extended
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import Tag

from edge.errors import ReadError
from edge.read import ScanReader
from edge.read.dicom import DicomReader
from edge.read.dicom.codestream import read_codestream
from edge.read.dicom.modality import is_captured
from edge.reasons import BAD_HEADER, DAMAGED, MIXED_PICTURES, SAME_IMAGE_TWICE, TWO_PATIENTS
from edge.scan import Window
from tests.read.dicom_files import (
    LIMIT,
    canonical_grid,
    compressed,
    describe,
    enhanced,
    item,
    load,
    phantom,
    picture,
    ramp,
    save,
    save_all,
    series,
    series_of,
)

GREY = ramp(9, 11, 0, 4095, "u2")
JPEG_2000, JPEG_LS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"
CANARY = "CANARY"

Slices = list[Dataset]

odd = pytest.mark.filterwarnings("ignore")
"""Writes what the standard does not allow, of which pydicom warns."""


def refusal(*paths: str) -> ReadError:
    with pytest.raises(ReadError) as refused:
        load(*paths)
    return refused.value


# Whose it is --------------------------------------------------------------------------------------------


def _every_other(slices: Slices, keyword: str, one: Any, other: Any) -> Slices:
    for index, ds in enumerate(slices):
        setattr(ds, keyword, other if index % 2 else one)
    return slices


@odd
@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("PatientID", "abc", "ABC"),
        ("PatientID", "a\\b", "a\\c"),
        ("IssuerOfPatientID", "One Hospital", "Another Hospital"),
        ("PatientName", "Doe^John", "Roe^Jane"),
        ("PatientBirthDate", "19500101", "19500102"),
    ],
)
def test_what_contradicts_makes_two_patients(tmp_path: Path, keyword: str, one: str, other: str) -> None:
    slices = _every_other(series(phantom(), canonical_grid()), keyword, one, other)
    assert refusal(*save_all(slices, tmp_path)).reason is TWO_PATIENTS


@odd
@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("PatientID", "abc", " abc "),
        ("IssuerOfPatientID", "One Hospital", ""),
        ("PatientName", "Doe^John", "DOE^JOHN^^^"),
        ("PatientName", "Yamada^Tarou", "Yamada^Tarou=X^Y"),
        ("PatientBirthDate", "19500101", ""),
    ],
)
def test_spelling_makes_no_other_patient(tmp_path: Path, keyword: str, one: str, other: str) -> None:
    slices = _every_other(series(phantom(), canonical_grid()), keyword, one, other)
    assert load(*save_all(slices, tmp_path)).voxels.shape == (4, 5, 6)


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_files_replaced_since_their_headers_were_read_are_refused(tmp_path: Path, keyword: str) -> None:
    slices = series(phantom(), canonical_grid())
    paths = save_all(slices, tmp_path)
    asked = series_of([describe(path) for path in paths])
    save_all([_with(ds, keyword, "1.2.3") for ds in slices], tmp_path)
    with pytest.raises(ReadError) as refused:
        DicomReader().load(asked, LIMIT, lambda _: None)
    assert refused.value.reason is DAMAGED


def test_a_file_replaced_between_its_header_and_its_pixels_is_refused(tmp_path: Path) -> None:
    path = save(picture(GREY), tmp_path / "a.dcm")

    def replaced(_: str) -> None:
        save(picture(GREY[::-1]), tmp_path / "b.dcm")
        (tmp_path / "b.dcm").replace(path)

    with pytest.raises(ReadError) as refused:
        DicomReader().load(series_of([describe(path)]), LIMIT, replaced)
    assert refused.value.reason is DAMAGED
    assert "changed" in refused.value.message


def _with(ds: Dataset, keyword: str, value: Any) -> Dataset:
    setattr(ds, keyword, value)
    return ds


# What belongs together ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("EchoTime", "10", "90"),
        ("EchoNumbers", 1, 2),
        ("TemporalPositionIdentifier", 1, 2),
        ("DiffusionBValue", 0.0, 1000.0),
        ("ConvolutionKernel", "B30f", "B70f"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
    ],
)
def test_an_even_stack_of_two_kinds_of_slices_is_no_volume(tmp_path: Path, keyword: str, one: Any, other: Any) -> None:
    slices = _every_other(series(phantom(), canonical_grid(), modality="MR"), keyword, one, other)
    assert refusal(*save_all(slices, tmp_path)).reason is MIXED_PICTURES


def test_images_that_share_a_uid_and_are_no_copies_are_not_dropped_in_silence(tmp_path: Path) -> None:
    slices = series(phantom(), canonical_grid())
    for ds in slices:
        ds.SOPInstanceUID = "1.2.3.4"
    save_all(slices, tmp_path / "same")
    with ScanReader() as reader:
        (study,) = reader.index(tmp_path).result().studies
    assert study.series == ()
    assert [(out.reason, len(out.paths)) for out in study.left_out] == [(BAD_HEADER, 4)]


def test_a_copy_of_a_slice_is_left_out_and_the_volume_stays(tmp_path: Path) -> None:
    slices = series(phantom(), canonical_grid())
    save_all([*slices, slices[1]], tmp_path)
    with ScanReader(prefetch=("dicom",)) as reader:
        (study,) = reader.index(tmp_path).result().studies
        scan = reader.load(study.series[0]).result()
    assert scan.voxels.shape == (4, 5, 6)
    assert [out.reason for out in study.left_out] == [SAME_IMAGE_TWICE]


# How it was made ----------------------------------------------------------------------------------------


@odd
@pytest.mark.parametrize(
    ("age", "born", "years"),
    [
        ("042Y", "", 42),
        ("42Y", "", 42),
        ("018M", "", 1.5),
        ("006W", "", 0.115),
        ("010D", "", 0.027),
        ("000D", "", 0),
        ("000Y", "", None),
        ("000Y", "19800101", 40),
        ("999Y", "", None),
        ("042", "", None),
        ("Y042", "19800101", 40),
        ("", "20200102", None),
        ("", "20200101", 0),
        ("", "18000101", None),
        ("", "00000000", None),
        ("", "19800231", None),
        ("", "1980", None),
    ],
)
def test_an_age_is_what_the_file_tells_or_unknown(tmp_path: Path, age: str, born: str, years: float | None) -> None:
    ds = picture(GREY, PatientAge=age, PatientBirthDate=born, StudyDate="20200101")
    found = describe(save(ds, tmp_path / "a.dcm")).acquisition.age_years
    assert found == (None if years is None else pytest.approx(years, abs=0.01))


@odd
@pytest.mark.parametrize(
    ("image", "whole", "expected"),
    [("L", "", "L"), ("", "r", "R"), ("L", "L", "L"), ("L", "R", None), ("LEFT", "", None), ("U", "", "U")],
)
def test_a_side_is_told_only_without_contradiction(
    tmp_path: Path, image: str, whole: str, expected: str | None
) -> None:
    ds = picture(GREY, ImageLaterality=image, Laterality=whole)
    assert describe(save(ds, tmp_path / "a.dcm")).acquisition.laterality == expected


@pytest.mark.parametrize(("named", "expected"), [("PA", None), ("AP", "AP"), ("SUNRISE", "SUNRISE"), ("", "AP")])
def test_a_view_that_contradicts_its_code_is_unknown(tmp_path: Path, named: str, expected: str | None) -> None:
    code = item(CodeValue="399348003", CodingSchemeDesignator="SCT")
    ds = picture(GREY, ViewPosition=named, ViewCodeSequence=[code])
    assert describe(save(ds, tmp_path / "a.dcm")).acquisition.view == expected


def test_the_side_of_an_enhanced_object_stands_in_its_shared_groups(tmp_path: Path) -> None:
    ds = enhanced(phantom(), canonical_grid(), modality="MR")
    ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [item(FrameLaterality="R")]
    assert describe(save(ds, tmp_path / "a.dcm")).acquisition.laterality == "R"


@pytest.mark.parametrize(
    ("elements", "unit"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, "unknown"),
        ({"RescaleType": "MGML"}, "MGML"),
        ({"SOPClassUID": SCREENSHOT}, "unknown"),
        ({"Modality": "DX"}, "unknown"),
    ],
)
def test_hounsfield_units_are_those_of_ct_images_alone(tmp_path: Path, elements: dict[str, Any], unit: str) -> None:
    ds = picture(GREY, **{"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024", **elements})
    assert load(save(ds, tmp_path / "a.dcm")).unit == unit


# Where it lies and how it looks -------------------------------------------------------------------------


@odd
@pytest.mark.parametrize(
    ("orientation", "told"),
    [
        (["L", "F"], False),
        (["LP", "FR"], False),
        (["R", "F"], True),
        (["L", "H"], True),
        (["R", "H"], True),
        (["A", "F"], False),
        (["P", "L"], False),
        (["L"], False),
        ("", False),
    ],
)
def test_a_mirrored_film_is_told(tmp_path: Path, orientation: Any, *, told: bool) -> None:
    scan = load(save(picture(GREY, PatientOrientation=orientation), tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], GREY)
    assert any("(0020,0020)" in warning for warning in scan.warnings) is told


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"PixelAspectRatio": [2, 1]}, True),
        ({"PixelAspectRatio": [1, 1]}, False),
        ({"PixelAspectRatio": [0, 1]}, False),
        ({"PixelAspectRatio": [2, 1], "PixelSpacing": [0.2, 0.1]}, False),
    ],
)
def test_pixels_that_are_not_square_are_told(tmp_path: Path, elements: dict[str, Any], *, told: bool) -> None:
    scan = load(save(picture(GREY, Modality="US", **elements), tmp_path / "a.dcm"))
    assert any("(0028,0034)" in warning for warning in scan.warnings) is told


@pytest.mark.parametrize(
    ("elements", "spacing", "words"),
    [
        ({"ImagerPixelSpacing": [0.3, 0.2]}, (0.3, 0.2), "at the detector"),
        (
            {"ImagerPixelSpacing": [0.3, 0.3], "EstimatedRadiographicMagnificationFactor": "1.25"},
            (0.3, 0.3),
            "a magnification of 1.25",
        ),
        ({"ImagerPixelSpacing": [0.3, 0.3], "PixelSpacing": [0.3, 0.3]}, (0.3, 0.3), None),
        ({"ImagerPixelSpacing": [0.3, 0.3], "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "calibration not described"),
        ({"ImagerPixelSpacing": [-1, 0.3]}, None, "not used"),
        ({"NominalScannedPixelSpacing": [0.4, 0.4]}, (0.4, 0.4), "scanned film"),
    ],
)
def test_an_angiogram_says_where_its_sizes_come_from(
    tmp_path: Path, elements: dict[str, Any], spacing: tuple[float, float] | None, words: str | None
) -> None:
    run = picture(phantom(), Modality="XA", NumberOfFrames=4, **elements)
    scan = load(save(run, tmp_path / "a.dcm"))
    assert scan.stack == "frames"
    assert scan.grid.pixel_spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert (words is None and scan.warnings == ()) or (words is not None and words in scan.warnings[0])


@pytest.mark.parametrize(
    "change",
    [
        {"RegionSpatialFormat": 2},
        {"PhysicalUnitsXDirection": 4},
        {"PhysicalUnitsYDirection": 7},
        {"PhysicalDeltaX": 0.0},
        {"PhysicalDeltaX": None},
    ],
)
def test_a_region_that_is_no_tissue_in_centimetres_tells_no_spacing(tmp_path: Path, change: dict[str, Any]) -> None:
    region = {"RegionSpatialFormat": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
    region |= {"PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.03}  # type: ignore[dict-item]
    ds = picture(GREY, Modality="US", SequenceOfUltrasoundRegions=[item(**{**region, **change})])
    assert load(save(ds, tmp_path / "a.dcm")).grid.pixel_spacing_mm is None


@pytest.mark.parametrize(
    ("offsets", "upright", "lowest"),
    [
        ([0, 2.5, 5, 7.5], True, -300.5),
        ([-300.5, -298, -295.5, -293], True, -300.5),
        ([-300.5, -303, -305.5, -308], False, -308),
        ([-300.5, -298, -295.5, -293], False, -300.5),
    ],
)
def test_planes_of_a_dose_lie_at_their_offsets(
    tmp_path: Path, offsets: list[float], *, upright: bool, lowest: float
) -> None:
    scan = load(save(dose(offsets, upright=upright), tmp_path / "a.dcm"))
    first, last = ((scan.grid.matrix @ [z, 0, 0, 1])[2] for z in (0, 3))
    assert min(first, last) == pytest.approx(lowest)
    assert max(first, last) == pytest.approx(lowest + 7.5)
    at_first_plane = next(z for z, (_, frame) in enumerate(scan.places) if frame == 0)
    assert (scan.grid.matrix @ [at_first_plane, 0, 0, 1])[2] == pytest.approx(-300.5)


@pytest.mark.parametrize("offsets", [[5, 7.5, 10, 12.5], [0, 2.5, 5]])
def test_offsets_that_fit_no_reading_are_refused(tmp_path: Path, offsets: list[float]) -> None:
    assert refusal(save(dose(offsets, upright=True), tmp_path / "a.dcm")).reason is BAD_HEADER


def dose(offsets: list[float], *, upright: bool) -> Dataset:
    """A dose of four planes, whose normal points to the head or to the feet."""
    voxels = (phantom() + 40).astype(np.uint16)
    ds = series(voxels, canonical_grid())[0]
    ds.PixelData, ds.NumberOfFrames, ds.PixelRepresentation = voxels.tobytes(), 4, 0
    ds.Modality, ds.DoseGridScaling, ds.DoseUnits = "RTDOSE", "0.5", "GY"
    ds.GridFrameOffsetVector = offsets
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1 if upright else -1, 0]
    return ds


# Values -------------------------------------------------------------------------------------------------


def test_each_frame_has_its_own_rescale_and_window(tmp_path: Path) -> None:
    ds = enhanced(phantom(), canonical_grid(), modality="MR")
    for z, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        group.PixelValueTransformationSequence = [item(RescaleSlope=f"{z + 1}", RescaleIntercept=f"{10 * z}")]
        group.FrameVOILUTSequence = [item(WindowCenter="40", WindowWidth=f"{400 + z}")]
    reordered = list(ds.PerFrameFunctionalGroupsSequence)[::-1]
    ds.PerFrameFunctionalGroupsSequence = reordered
    scan = load(save(ds, tmp_path / "a.dcm"))
    by_place = phantom()[::-1].astype(int)
    slopes, intercepts = np.arange(1, 5).reshape(4, 1, 1), np.arange(0, 40, 10).reshape(4, 1, 1)
    assert np.array_equal(scan.voxels, by_place * slopes + intercepts)
    assert (scan.window, scan.unit) == (None, "unknown")


@pytest.mark.parametrize(
    ("elements", "window"),
    [
        ({"WindowCenter": "40", "WindowWidth": "400"}, Window(center=40, width=400)),
        ({"WindowCenter": ["40", "50"], "WindowWidth": ["400", "1"]}, Window(center=40, width=400)),
        (
            {"WindowCenter": "40", "WindowWidth": "0.5", "VOILUTFunction": "SIGMOID"},
            Window(center=40, width=0.5, function="SIGMOID"),
        ),
        (
            {"WindowCenter": "40", "WindowWidth": "0.5", "VOILUTFunction": "LINEAR_EXACT"},
            Window(center=40, width=0.5, function="LINEAR_EXACT"),
        ),
        ({"WindowCenter": "40", "WindowWidth": "0.5"}, None),
        ({"WindowCenter": "40", "WindowWidth": "0", "VOILUTFunction": "SIGMOID"}, None),
        ({"WindowCenter": "40", "WindowWidth": "-1"}, None),
        ({"WindowCenter": "40", "WindowWidth": "400", "VOILUTFunction": "CUBIC"}, None),
        ({"WindowCenter": "40"}, None),
    ],
)
def test_a_window_is_told_as_the_file_gives_it_or_not_at_all(
    tmp_path: Path, elements: dict[str, Any], window: Window | None
) -> None:
    assert load(save(picture(GREY, **elements), tmp_path / "a.dcm")).window == window


def test_negative_values_in_an_unsigned_image_are_not_taken_for_large_ones(tmp_path: Path) -> None:
    pixels = ramp(20, 30, -1000, 1000, "i2")
    frame = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k")
    path = save(compressed(picture(pixels.astype("u2")), JPEG_2000, frame), tmp_path / "a.dcm")
    assert refusal(path).reason is DAMAGED


def test_a_signed_codestream_of_positive_values_does_no_harm(tmp_path: Path) -> None:
    pixels = ramp(20, 30, 0, 1000, "i2")
    frame = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k")
    path = save(compressed(picture(pixels.astype("u2")), JPEG_2000, frame), tmp_path / "a.dcm")
    assert np.array_equal(load(path).voxels[0], pixels)


def test_a_lossless_jpeg_keeps_the_colours_that_the_header_names_whatever_jfif_says() -> None:
    frame = b"\xff\xc3\x00\x11\x08\x00\x02\x00\x03\x03\x00\x11\x00\x01\x11\x00\x02\x11\x00"
    jfif = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    assert read_codestream(b"\xff\xd8" + jfif + frame, "jpeg").in_rgb is None


def test_float_values_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    pixels = ramp(9, 11, -5, 5, "f4")
    ds = picture(pixels)
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    pixels[0, 0] = np.nan
    ds.FloatPixelData = pixels.tobytes()
    assert "Some values are not numbers (NaN) or infinite." in load(save(ds, tmp_path / "a.dcm")).warnings


def test_double_precision_is_read_and_its_rounding_told(tmp_path: Path) -> None:
    pixels = ramp(9, 11, -5, 5, "f8") / 3
    ds = picture(pixels, BitsAllocated=64)
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.DoubleFloatPixelData = pixels.tobytes()
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], pixels.astype("f4"))
    assert "double" in scan.warnings[0]


def test_single_bits_of_frames_that_end_within_a_byte_are_unpacked(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (3, 5, 7), dtype=np.uint8)
    ds = picture(bits, BitsAllocated=1, BitsStored=1, HighBit=0, Modality="SEG", NumberOfFrames=3)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels, bits)


def test_an_overlay_in_the_unused_bits_is_no_part_of_the_picture(tmp_path: Path) -> None:
    signed = ramp(9, 11, -2048, 2047, "i2")
    drawn = (signed & 0x0FFF) | (np.arange(99).reshape(9, 11) % 16 << 12).astype("u2").view("i2")
    ds = picture(drawn.astype("i2"), BitsStored=12, HighBit=11)
    ds.add_new(0x60000102, "US", 12)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels[0], signed)


def test_a_segmented_palette_is_expanded_as_pydicom_expands_it(tmp_path: Path) -> None:
    ds = picture(ramp(9, 11, 0, 255, "u1"), PhotometricInterpretation="PALETTE COLOR", Modality="US")
    segments = struct.pack("<8H", 0, 2, 0, 4000, 1, 254, 65535, 0)[:14]  # two entries, then a line of 254
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"Segmented{name}PaletteColorLookupTableData", segments)
    path = save(ds, tmp_path / "a.dcm")
    read = dcmread(path)
    expected = apply_color_lut(read.pixel_array, read) >> 8
    assert np.array_equal(load(path).voxels[0], expected)
    assert len(np.unique(expected)) > 50


# Frames -------------------------------------------------------------------------------------------------


def cine() -> tuple[np.ndarray[Any, Any], list[bytes]]:
    frames = np.stack([ramp(20, 30, n, 200, "u1") for n in range(3)])
    return frames, [bytes(imagecodecs.jpegls_encode(frame)) for frame in frames]


def extended(tmp_path: Path, change: Callable[[bytes], bytes] = lambda table: table) -> str:
    frames, coded = cine()
    ds = compressed(picture(frames, NumberOfFrames=3, Modality="US"), JPEG_LS, *coded)
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(coded)
    ds.ExtendedOffsetTable = change(ds.ExtendedOffsetTable)
    return save(ds, tmp_path / "a.dcm")


def test_an_extended_offset_table_is_followed(tmp_path: Path) -> None:
    assert np.array_equal(load(extended(tmp_path)).voxels, cine()[0])


@pytest.mark.parametrize(
    "change", [lambda t: t[:-8] + b"\xff" * 8, lambda t: t[:8] + struct.pack("<2Q", 10, 20), lambda t: b"\1" + t[1:]]
)
def test_an_extended_offset_table_that_points_elsewhere_gives_no_other_picture(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    assert refusal(extended(tmp_path, change)).reason is DAMAGED


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_cine_cut_short_gives_no_frame(tmp_path: Path, share: float) -> None:
    frames, coded = cine()
    for number, ds in enumerate(
        (
            picture(frames, NumberOfFrames=3, Modality="US"),
            compressed(picture(frames, NumberOfFrames=3, Modality="US"), JPEG_LS, *coded),
        )
    ):
        path = Path(save(ds, tmp_path / f"{number}.dcm"))
        whole = path.read_bytes()
        start = whole.index(b"\xe0\x7f\x10\x00")
        path.write_bytes(whole[: start + int((len(whole) - start) * share)])
        assert refusal(str(path)).reason is DAMAGED


CODERS: dict[str, Callable[[Any], Any]] = {
    "1.2.840.10008.1.2.4.50": lambda pixels: imagecodecs.jpeg8_encode(pixels, level=90),
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_encode,
    JPEG_LS: imagecodecs.jpegls_encode,
    JPEG_2000: lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"),
    "1.2.840.10008.1.2.4.201": lambda pixels: imagecodecs.htj2k_encode(pixels, reversible=True),
}


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("uid", CODERS)
def test_what_is_missing_of_a_compressed_frame_is_never_painted(tmp_path: Path, uid: str, share: float) -> None:
    if uid.endswith(".201") and not getattr(getattr(imagecodecs, "HTJ2K", None), "available", False):
        pytest.skip("this build of imagecodecs does not write HTJ2K")
    pixels = ramp(64, 64, 0, 255, "u1")
    frame = bytes(CODERS[uid](pixels))
    whole, cut = frame + b"\0" * (len(frame) % 2), frame[: int(len(frame) * share / 2) * 2]
    assert load(save(compressed(picture(pixels), uid, whole), tmp_path / "a.dcm")).voxels.shape == (1, 64, 64)
    assert refusal(save(compressed(picture(pixels), uid, cut), tmp_path / "a.dcm")).reason is DAMAGED


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_functional_groups_than_frames_are_damage(tmp_path: Path, count: int) -> None:
    ds = enhanced(phantom(), canonical_grid())
    ds.PerFrameFunctionalGroupsSequence = list(ds.PerFrameFunctionalGroupsSequence)[:count]
    assert refusal(save(ds, tmp_path / "a.dcm")).reason is DAMAGED


# No word of the file in any message ---------------------------------------------------------------------

TEXT_VRS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")


def marked(ds: Dataset, keyword: str) -> Dataset:
    """The dataset with an element that holds the canary, whatever belongs there."""
    tag = Tag(keyword)
    vr = dictionary_VR(tag)
    ds.add_new(tag, vr if vr in TEXT_VRS else "LO", CANARY if vr in ("PN", "LO") else None)
    ds[tag]._value = ds[tag].value or CANARY
    return ds


def say_everything(folder: Path) -> str:
    """What a program that prints every outcome of reading a folder would print."""
    script = (
        "import sys\n"
        "from edge.errors import ReadError\n"
        "from edge.read import ScanReader, read_study\n"
        "with ScanReader() as reader:\n"
        "    found = reader.index(sys.argv[1]).result()\n"
        "    print([(o.reason.code, o.detail) for o in found.left_out])\n"
        "    for study in found.studies:\n"
        "        print([(o.reason.code, o.detail) for o in study.left_out])\n"
        "        for series in study.series:\n"
        "            try:\n"
        "                scan = reader.load(series).result()\n"
        "                print(scan.warnings, scan.stack)\n"
        "            except ReadError as error:\n"
        "                print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return done.stdout + done.stderr


@odd
def test_no_word_of_a_file_reaches_any_message(tmp_path: Path) -> None:
    sample = picture(GREY, RescaleSlope="1", RescaleIntercept="0", WindowCenter="1", WindowWidth="9")
    keywords = {element.keyword for element in sample} - {"PixelData"}
    keywords |= {"RescaleType", "PatientAge", "PatientBirthDate", "ViewPosition", "BodyPartExamined", "NumberOfFrames"}
    keywords |= {"PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "PatientOrientation", "ImageLaterality"}
    keywords |= {"PixelSpacingCalibrationType", "VOILUTFunction", "Units", "EstimatedRadiographicMagnificationFactor"}
    assert len(keywords) > 30
    for number, keyword in enumerate(sorted(keywords)):
        lone = picture(GREY, RescaleSlope="1", RescaleIntercept="0", WindowCenter="1", WindowWidth="9")
        save(marked(lone, keyword), tmp_path / f"lone{number:03}.dcm")
        stack = series(phantom(), canonical_grid(), RescaleSlope="1", RescaleIntercept="0")
        for ds in stack:
            ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.{number}", f"1.3.{number}"
            ds.SOPInstanceUID = f"1.4.{number}.{ds.InstanceNumber}"
        marked(stack[1], keyword)
        save_all(stack, tmp_path / f"stack{number:03}")
    said = say_everything(tmp_path)
    assert said.count("R3") > 20
    assert CANARY not in said


@odd
@pytest.mark.parametrize("keyword", ["Modality", "ImageType", "RescaleType"])
def test_a_difference_is_told_without_quoting_it(tmp_path: Path, keyword: str) -> None:
    slices = series(phantom(), canonical_grid(), RescaleSlope="1", RescaleIntercept="0", RescaleType="HU")
    setattr(slices[1], keyword, CANARY)
    error = refusal(*save_all(slices, tmp_path))
    assert error.reason is MIXED_PICTURES
    assert CANARY not in str(error)


@pytest.mark.parametrize(
    ("kind", "captured"),
    [
        ("1.2.840.10008.5.1.4.1.1.7", True),
        ("1.2.840.10008.5.1.4.1.1.7.4", True),
        ("1.2.840.10008.5.1.4.1.1.77.1.4", False),
        ("1.2.840.10008.5.1.4.1.1.77.1.6", False),
        ("1.2.840.10008.5.1.4.1.1.1", False),
    ],
)
def test_photographs_and_slides_are_no_secondary_captures(kind: str, captured: bool) -> None:
    """Their classes only begin with the same digits."""
    ds = picture(np.zeros((4, 4, 3), np.uint8), Modality="XC", SOPClassUID=kind, PhotometricInterpretation="RGB")
    assert is_captured(ds) is captured
