"""Single images and loose frames: values, colours, sizes and what is told about them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from edge.errors import ReadError
from edge.read.dicom import DicomReader
from edge.reasons import BAD_HEADER, DAMAGED, LOCALISER, NO_PIXELS, TOO_LARGE, UNSUPPORTED_COMPRESSION, Reason
from tests.read.dicom_files import describe, item, load, phantom, picture, ramp, save, series_of

GREY = ramp(9, 11, 0, 4095, "u2")


def refusal(path: str, limit_bytes: int = 1 << 24) -> ReadError:
    with pytest.raises(ReadError) as refused:
        load(path, limit_bytes=limit_bytes)
    return refused.value


def test_a_chest_film_is_read_with_all_that_a_pack_may_ask_for(tmp_path: Path) -> None:
    ds = picture(
        GREY,
        BitsStored=12,
        HighBit=11,
        BodyPartExamined="CHEST",
        ViewPosition="PA",
        PatientSex="F",
        PatientAge="018M",
        PhotometricInterpretation="MONOCHROME1",
        PresentationIntentType="FOR PRESENTATION",
        LossyImageCompression="00",
        BurnedInAnnotation="NO",
        ImagerPixelSpacing=[0.2, 0.1],
        WindowCenter="2048",
        WindowWidth="4096",
        ImageLaterality="U",
    )
    scan = load(save(ds, tmp_path / "film.dcm"))
    assert np.array_equal(scan.voxels, GREY[np.newaxis])
    assert (scan.stack, scan.unit, scan.value_range) == ("picture", "stored value", (0, 4095))
    assert scan.grid.pixel_spacing_mm == pytest.approx((0.2, 0.1))
    made = scan.acquisition
    assert (made.modality, made.body_part, made.view, made.laterality) == ("DX", "CHEST", "PA", "U")
    assert (made.sex, made.age_years, made.photometric) == ("F", 1.5, "MONOCHROME1")
    assert (made.lossy, made.burned_in, made.presentation) == (False, False, "FOR PRESENTATION")
    assert "(0018,1164)" in scan.warnings[0]


def test_what_the_header_promises_is_what_is_loaded(tmp_path: Path) -> None:
    path = save(picture(GREY, RescaleSlope="1", RescaleIntercept="-1024", Modality="CT"), tmp_path / "a.dcm")
    header, scan = describe(path), load(path)
    assert (header.bytes, header.pictures) == (scan.voxels.nbytes, 1)
    assert header.acquisition == scan.acquisition
    assert header.identity == scan.identity


@pytest.mark.parametrize(
    ("code", "scheme", "view"),
    [("399348003", "SCT", "AP"), ("R-10214", "SNM3", "PA"), ("272479007", "SCT", "PA"), ("R-10206", "99X", None)],
)
def test_a_coded_view_is_understood(tmp_path: Path, code: str, scheme: str, view: str | None) -> None:
    ds = picture(GREY, ViewCodeSequence=[item(CodeValue=code, CodingSchemeDesignator=scheme)])
    assert describe(save(ds, tmp_path / "a.dcm")).acquisition.view == view


def test_age_comes_from_the_birth_date_where_it_is_not_given(tmp_path: Path) -> None:
    ds = picture(GREY, PatientBirthDate="19800101", StudyDate="20200101")
    assert describe(save(ds, tmp_path / "a.dcm")).acquisition.age_years == pytest.approx(40, abs=0.01)


def test_missing_values_stay_unknown(tmp_path: Path) -> None:
    made = describe(save(picture(GREY), tmp_path / "a.dcm")).acquisition
    assert (made.body_part, made.view, made.sex, made.age_years, made.lossy) == (None,) * 5


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_every_integer_type_and_native_syntax_gives_the_same_values(tmp_path: Path, uid: Any, dtype: str) -> None:
    info = np.iinfo(dtype)
    pixels = ramp(7, 6, max(info.min, -(1 << 30)), min(info.max, 1 << 30), dtype)
    ds = picture(pixels)
    ds.file_meta.TransferSyntaxUID = uid
    if uid == ExplicitVRBigEndian:
        swapped = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        ds.PixelData = swapped
        ds["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(scan.voxels[0], pixels)


def test_bits_above_the_stored_ones_are_cut_off(tmp_path: Path) -> None:
    scan = load(save(picture(GREY | 0xF000, BitsStored=12, HighBit=11), tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], GREY)


def test_old_images_with_a_higher_high_bit_are_shifted_down(tmp_path: Path) -> None:
    scan = load(save(picture(GREY << 4 | 7, BitsStored=12, HighBit=15), tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], GREY)


def test_signed_values_of_12_bits_keep_their_sign(tmp_path: Path) -> None:
    pixels = ramp(9, 11, -2048, 2047, "i2")
    ds = picture((pixels & 0x0FFF).astype("i2"), BitsStored=12, HighBit=11)
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], pixels)
    assert scan.value_range == (-2048, 2047)


def test_single_bits_are_unpacked(tmp_path: Path) -> None:
    bits = (GREY > 2000).astype(np.uint8)
    ds = picture(bits, BitsAllocated=1, BitsStored=1, HighBit=0, Modality="SEG")
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels[0], bits)


def test_floating_point_pixels_are_read(tmp_path: Path) -> None:
    pixels = ramp(9, 11, -5, 5, "f4") / np.float32(3)
    ds = picture(pixels.astype("f4"))
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.FloatPixelData = pixels.astype("f4").tobytes()
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.voxels.dtype == np.float32
    assert np.array_equal(scan.voxels[0], pixels.astype("f4"))
    assert scan.value_range is None


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [
        ("1", "0", "uint16"),
        ("1", "-1024", "int16"),
        ("2", "0", "uint16"),
        ("100", "0", "uint32"),
        ("-1", "4095", "uint16"),
        ("0.5", "0", "float32"),
    ],
)
def test_rescaled_values_take_the_smallest_exact_type(tmp_path: Path, slope: str, intercept: str, dtype: str) -> None:
    ds = picture(GREY, Modality="CT", BitsStored=12, HighBit=11, RescaleSlope=slope, RescaleIntercept=intercept)
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(scan.voxels[0], GREY * float(slope) + float(intercept))
    assert scan.unit == "HU"
    ends = (float(intercept), 4095 * float(slope) + float(intercept))
    assert scan.value_range == (min(ends), max(ends))


def test_a_modality_table_is_looked_up(tmp_path: Path) -> None:
    table = (np.arange(4096)[::-1] // 2).astype("<u2")
    lut = item(LUTDescriptor=[4096, 0, 16], LUTData=table.tobytes(), ModalityLUTType="OD")
    lut["LUTData"].VR, lut["LUTDescriptor"].VR = "OW", "US"
    scan = load(save(picture(GREY, ModalityLUTSequence=[lut]), tmp_path / "a.dcm"))
    assert np.array_equal(scan.voxels[0], table[GREY])
    assert scan.unit == "OD"


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    pixels = ramp(9, 11, 0, 299, "u2")
    tables = np.random.default_rng(1).integers(0, 65536, (3, 300)).astype("<u2")
    ds = picture(pixels, PhotometricInterpretation="PALETTE COLOR", Modality="US")
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [300, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", table.tobytes())
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.acquisition.photometric == "RGB"
    assert np.array_equal(scan.voxels[0], np.moveaxis(tables[:, pixels] >> 8, 0, -1))


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_comes_channels_last_whatever_the_planes(tmp_path: Path, planar: int) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    ds = picture(rgb, PhotometricInterpretation="RGB", Modality="XC")
    ds.PlanarConfiguration = planar
    ds.PixelData = (rgb if planar == 0 else np.moveaxis(rgb, -1, 0)).tobytes()
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.voxels.shape == (1, 5, 6, 3)
    assert np.array_equal(scan.voxels[0], rgb)


def test_a_window_of_a_colour_picture_means_nothing(tmp_path: Path) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    ds = picture(rgb, PhotometricInterpretation="RGB", Modality="XC", WindowCenter=10, WindowWidth=5)
    assert load(save(ds, tmp_path / "a.dcm")).window is None


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    ybr = np.full((4, 4, 3), (76, 85, 255), dtype=np.uint8)
    for photometric in ("YBR_FULL", "YBR_FULL_422"):
        ds = picture(ybr, PhotometricInterpretation=photometric, Modality="US")
        if photometric == "YBR_FULL_422":
            ds.PixelData = bytes([76, 76, 85, 255]) * 8
        assert np.abs(load(save(ds, tmp_path / "a.dcm")).voxels - np.array([254, 0, 0])).max() <= 1


def test_ybr_of_the_broadcast_range_becomes_rgb(tmp_path: Path) -> None:
    ds = picture(np.zeros((4, 4, 3), dtype=np.uint8), PhotometricInterpretation="YBR_PARTIAL_422", Modality="US")
    ds.PixelData = bytes([16, 235, 128, 128]) * 8
    pair = np.array([[0, 0, 0], [255, 255, 255]])
    assert np.abs(load(save(ds, tmp_path / "a.dcm")).voxels[0] - np.tile(pair, (4, 2, 1))).max() <= 1


def test_whole_numbers_of_32_bits_stay_exact_after_an_offset(tmp_path: Path) -> None:
    pixels = np.array([[-(1 << 31), (1 << 31) - 1]], dtype="i4")
    ds = picture(pixels, RescaleSlope="1", RescaleIntercept="-5")
    assert load(save(ds, tmp_path / "a.dcm")).voxels.tolist() == [[[-(1 << 31) - 5, (1 << 31) - 6]]]


def test_both_spacings_present_and_different_follow_the_calibrated_one(tmp_path: Path) -> None:
    ds = picture(GREY, PixelSpacing=[0.15, 0.15], ImagerPixelSpacing=[0.2, 0.2], PixelSpacingCalibrationType="GEOMETRY")
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert scan.grid.pixel_spacing_mm == pytest.approx((0.15, 0.15))
    assert "calibrated by geometry" in scan.warnings[0]


def test_no_spacing_stays_no_spacing(tmp_path: Path) -> None:
    assert load(save(picture(GREY), tmp_path / "a.dcm")).grid.pixel_spacing_mm is None


def test_an_impossible_spacing_is_not_used_and_said_so(tmp_path: Path) -> None:
    scan = load(save(picture(GREY, PixelSpacing=[0, 0.2]), tmp_path / "a.dcm"))
    assert scan.grid.space == "pixel"
    assert "not used" in scan.warnings[0]


def test_a_single_ultrasound_region_tells_the_spacing_and_two_do_not(tmp_path: Path) -> None:
    region = {
        "RegionSpatialFormat": 1,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.02,
        "PhysicalDeltaY": 0.03,
    }
    for count, spacing in ((1, (0.3, 0.2)), (2, None)):
        ds = picture(GREY, Modality="US", SequenceOfUltrasoundRegions=[item(**region) for _ in range(count)])
        found = load(save(ds, tmp_path / "a.dcm")).grid.pixel_spacing_mm
        assert found == (None if spacing is None else pytest.approx(spacing))


def test_a_cine_is_frames_without_a_direction(tmp_path: Path) -> None:
    ds = picture(phantom(), Modality="US", NumberOfFrames=4, PixelSpacing=[0.3, 0.3])
    scan = load(save(ds, tmp_path / "a.dcm"))
    assert (scan.stack, scan.grid.space, scan.grid.shape) == ("frames", "detector", (4, 5, 6))
    assert scan.places == ((0, 0), (0, 1), (0, 2), (0, 3))
    assert np.array_equal(scan.voxels, phantom())


def test_projections_of_one_series_stand_alone(tmp_path: Path) -> None:
    keys = {describe(save(picture(GREY + n), tmp_path / f"{n}.dcm")).series for n in range(2)}
    assert len(keys) == 2


def test_source_names_file_hash_and_uids(tmp_path: Path) -> None:
    ds = picture(GREY)
    path = save(ds, tmp_path / "a.dcm")
    (source,) = load(path).sources
    assert (source.path, source.sop_instance_uid) == (path, ds.SOPInstanceUID)
    assert len(source.sha256) == 64


def test_progress_is_told_before_a_file_is_decoded(tmp_path: Path) -> None:
    path = save(picture(GREY), tmp_path / "a.dcm")
    told: list[str] = []
    DicomReader().load(series_of([describe(path)]), 1 << 24, told.append)
    assert told == [path]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 0}, BAD_HEADER),
        ({"Rows": None}, BAD_HEADER),
        ({"BitsAllocated": 12}, BAD_HEADER),
        ({"BitsStored": 17}, BAD_HEADER),
        ({"HighBit": 3}, BAD_HEADER),
        ({"SamplesPerPixel": 4}, BAD_HEADER),
        ({"PhotometricInterpretation": "CMYK"}, BAD_HEADER),
        ({"PhotometricInterpretation": "RGB"}, BAD_HEADER),
        ({"PixelRepresentation": 2}, BAD_HEADER),
        ({"NumberOfFrames": -1}, BAD_HEADER),
        ({"NumberOfFrames": 2_000_000_000}, DAMAGED),
        ({"Rows": 500}, DAMAGED),
        ({"RescaleSlope": "0", "RescaleIntercept": "0"}, BAD_HEADER),
        ({"RescaleSlope": "1e36", "RescaleIntercept": "0"}, BAD_HEADER),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, LOCALISER),
    ],
)
def test_an_impossible_header_is_refused_by_name(tmp_path: Path, elements: dict[str, Any], reason: Reason) -> None:
    error = refusal(save(picture(GREY, **elements), tmp_path / "a.dcm"))
    assert error.reason is reason
    assert "Phantom" not in str(error)


def test_a_malformed_number_is_a_bad_header(tmp_path: Path) -> None:
    path = Path(save(picture(GREY, NumberOfFrames=1, WindowCenter="40", WindowWidth="400"), tmp_path / "a.dcm"))
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x001 ", b"IS\x02\x00xx"))
    assert refusal(str(path)).reason is BAD_HEADER


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    path = Path(save(picture(GREY), tmp_path / "a.dcm"))
    whole = path.read_bytes()
    for length in (len(whole) - 40, whole.index(b"\x28\x00\x10\x00") + 4):
        path.write_bytes(whole[:length])
        assert refusal(str(path)).reason is DAMAGED


def test_a_file_cut_anywhere_is_never_taken_for_one_that_should_have_no_pixels(tmp_path: Path) -> None:
    path = Path(save(picture(GREY), tmp_path / "a.dcm"))
    whole = path.read_bytes()
    for length in range(140, len(whole) - 1, 40):
        path.write_bytes(whole[:length])
        assert refusal(str(path)).reason is not NO_PIXELS


def test_a_file_without_pixels_says_so(tmp_path: Path) -> None:
    ds = picture(GREY)
    del ds.PixelData, ds.Rows
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    assert refusal(save(ds, tmp_path / "a.dcm")).reason is NO_PIXELS


def test_a_file_that_says_it_is_an_image_and_has_no_pixels_is_damaged(tmp_path: Path) -> None:
    ds = picture(GREY)
    del ds.PixelData, ds.Rows
    assert refusal(save(ds, tmp_path / "a.dcm")).reason is DAMAGED


def test_a_video_is_an_unsupported_compression(tmp_path: Path) -> None:
    path = Path(save(picture(GREY), tmp_path / "a.dcm"))
    head = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    path.write_bytes(head)
    assert refusal(str(path)).reason is UNSUPPORTED_COMPRESSION


def test_more_than_the_limit_is_too_large_before_decoding(tmp_path: Path) -> None:
    assert refusal(save(picture(GREY), tmp_path / "a.dcm"), limit_bytes=100).reason is TOO_LARGE


def test_a_deflated_bomb_is_stopped(tmp_path: Path) -> None:
    ds = picture(np.zeros((4000, 5000), dtype="u2"))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.add_new(0x00091010, "OB", bytes(120 << 20))
    path = save(ds, tmp_path / "a.dcm")
    assert Path(path).stat().st_size < 1 << 20
    with pytest.raises(ReadError) as refused:
        load(path, limit_bytes=1 << 20)
    assert refused.value.reason in (TOO_LARGE, DAMAGED, NO_PIXELS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("explicit", [True, False])
def test_dicom_without_preamble_is_recognised(order: str, *, explicit: bool) -> None:
    vr = struct.pack(f"{order}2sH", b"UI", 26) if explicit else struct.pack(f"{order}L", 26)
    head = struct.pack(f"{order}HH", 8, 0x16) + vr + b"1.2.840.10008.5.1.4.1.1.2\0" + bytes(64)
    assert DicomReader().recognises(head, "x") is (explicit or order == "<")


def test_other_files_are_not_taken_for_dicom() -> None:
    rng = np.random.default_rng(0)
    reader = DicomReader()
    heads = [rng.bytes(1024) for _ in range(2000)]
    heads += [
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"\xff\xd8\xff\xe0" + bytes(200),
        b"II*\0" + bytes(200),
        b"",
        bytes(1024),
    ]
    heads += [b"\x5c\x01\0\0" + bytes(344) + b"n+1\0", b"\x1f\x8b\x08\0" + bytes(200), b"{\n" + b" " * 200]
    assert not any(reader.recognises(head, "x") for head in heads)


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_dataset_without_meta_information_is_read_as_it_is_written(tmp_path: Path, uid: Any) -> None:
    ds = picture(GREY)
    big = uid == ExplicitVRBigEndian
    if big:
        ds.PixelData = GREY.astype(">u2").tobytes()
        ds["PixelData"].VR = "OW"
    del ds.file_meta
    path = tmp_path / "bare.dcm"
    ds.save_as(path, implicit_vr=not big, little_endian=not big)
    assert DicomReader().recognises(path.read_bytes()[:1024], str(path))
    assert np.array_equal(load(path).voxels[0], GREY)
