"""What stands in the bytes of pixels and is no picture goes; the picture is the same."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from edge.deidentify.pixel_bytes import SOI, strip_pixels, without_remarks, without_rest
from edge.errors import ReadError
from tests.deidentify.cleaning import cleaned, film
from tests.read.dicom_files import compressed, picture

GREY = np.random.default_rng(3).integers(0, 255, (16, 24)).astype(np.uint8)
LITTLE = "1.2.840.10008.1.2.1"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", GREY)[1])


def remarked(stream: bytes) -> bytes:
    """A JPEG with a comment, Exif, a thumbnail of its own, and a name after its end."""
    remarks = segment(0xFE, b"QXZ Jane") + segment(0xE1, b"Exif\0\0QXZ") + segment(0xE0, b"JFXX\0QXZ")
    return stream[:2] + remarks + stream[2:] + b"QXZ Doe\0"


@pytest.mark.parametrize(
    ("syntax", "stream"),
    [
        (JPEGBaseline8Bit, jpeg()),
        (JPEGLSLossless, imagecodecs.jpegls_encode(GREY)),
        (JPEG2000Lossless, imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="j2k")),
    ],
)
def test_remarks_in_compressed_pictures_go_and_the_picture_stays(tmp_path: Path, syntax: str, stream: bytes) -> None:
    is_j2k = stream[:2] != SOI
    size_ends = 4 + struct.unpack_from(">H", stream, 4)[0]
    with_remark = (
        stream[:size_ends] + segment(0x64, b"\0\1QXZ Jane") + stream[size_ends:] + b"QXZ"
        if is_j2k
        else remarked(stream)
    )
    source = compressed(picture(GREY, PatientID="4711"), syntax, with_remark, with_remark)
    source.NumberOfFrames = 2
    new = cleaned(source, tmp_path)
    frames = list(generate_frames(new.PixelData, number_of_frames=2))
    assert b"QXZ" in source.PixelData
    assert b"QXZ" not in new.PixelData
    for frame in frames:
        np.testing.assert_array_equal(imagecodecs.imread(frame), imagecodecs.imread(stream))


def test_boxes_around_a_codestream_go() -> None:
    stream = imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="jp2")
    plain = without_remarks(bytes(stream))
    assert (plain[:2], plain[-2:]) == (b"\xff\x4f", b"\xff\xd9")
    assert b"jP" not in plain
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(plain), GREY)


def test_boxes_that_change_the_colours_are_refused() -> None:
    stream = bytes(imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="jp2"))
    with pytest.raises(ReadError, match="R306"):
        without_remarks(stream.replace(b"colr", b"cdef"))


def test_pixels_that_nobody_here_knows_are_refused() -> None:
    source = compressed(picture(GREY), "1.2.840.10008.1.2.4.110", b"....")
    with pytest.raises(ReadError, match="R306"):
        strip_pixels(source, "1.2.840.10008.1.2.4.110")


def test_pixels_without_remarks_are_not_written_anew() -> None:
    plain = without_remarks(jpeg())
    source = compressed(picture(GREY), JPEGBaseline8Bit, plain)
    before = source.PixelData
    assert not strip_pixels(source, JPEGBaseline8Bit)
    assert source.PixelData is before


def test_blocks_that_say_how_colours_are_meant_stay() -> None:
    stream = (
        SOI + segment(0xE0, b"JFIF\0" + b"\0" * 9) + segment(0xEE, b"Adobe" + b"\0" * 7) + b"\xff\xda\0\2..\xff\xd9"
    )
    assert without_remarks(stream) == stream


@pytest.mark.parametrize(
    "junk", [b"", b"\xff", SOI, SOI + b"\xff\xfe", SOI + b"\xff\xfe\xff\xff", b"\xff\x4f\xff\x64\0\0"]
)
def test_a_malformed_stream_ends_the_search(junk: bytes) -> None:
    assert len(without_remarks(junk)) <= len(junk)


def test_what_follows_the_last_value_goes(tmp_path: Path) -> None:
    source = film()
    plain = source.PixelData
    source.PixelData = plain + b"Jane Doe"
    assert cleaned(source, tmp_path).PixelData == plain


@pytest.mark.parametrize("frames", ["-1", ""])
def test_nothing_is_cut_where_the_number_of_frames_is_not_told(frames: str) -> None:
    source: Dataset = film(NumberOfFrames=frames)
    source.PixelData += b"more"
    assert not strip_pixels(source, LITTLE)


def cut(stream: bytes, at: bytes, remark: bytes, start: int = 0) -> bytes:
    """A stream with a remark before the first of these bytes."""
    place = stream.index(at, start)
    return stream[:place] + remark + stream[place:]


def progressive() -> bytes:
    return bytes(cv2.imencode(".jpg", GREY, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])


@pytest.mark.parametrize(
    "named",
    [
        cut(progressive(), b"\xff\xc4", segment(0xFE, b"QXZ"), progressive().index(b"\xff\xda")),
        cut(jpeg(), b"\xff\xd9", segment(0xFE, b"QXZ")),
        cut(jpeg(), b"\xff\xdb", b"\xff" + segment(0xFE, b"QXZ")),
        cut(jpeg(), b"\xff\xdb", b"QXZ"),
        jpeg() + remarked(jpeg()) + b"\xff\xd9",
    ],
    ids=["between-scans", "after-the-scan", "after-a-fill-byte", "between-segments", "a-second-picture"],
)
def test_remarks_anywhere_in_a_jpeg_go(named: bytes) -> None:
    plain = without_remarks(named)
    assert b"QXZ" not in plain
    np.testing.assert_array_equal(imagecodecs.imread(plain), imagecodecs.imread(named))


def test_a_remark_in_the_header_of_a_tile_is_emptied_and_what_follows_the_last_tile_goes() -> None:
    stream = bytes(imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="j2k"))
    remark, tile = segment(0x64, b"\0\1QXZ Jane"), stream.index(b"\xff\x90")
    named = bytearray(cut(stream, b"\xff\x93", remark))
    struct.pack_into(">I", named, tile + 6, struct.unpack_from(">I", stream, tile + 6)[0] + len(remark))
    plain = without_remarks(bytes(named) + b"QXZ\xff\xd9")
    assert b"QXZ" not in plain
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(plain), GREY)


def test_something_between_tiles_is_refused() -> None:
    stream = bytes(imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="j2k"))
    with pytest.raises(ReadError, match="R302"):
        without_remarks(stream[:-2] + b"QXZ\xff\xd9")


def run_lengths() -> Dataset:
    source = picture(GREY.astype(np.uint16) * 257, PatientID="4711")
    source.compress(RLELossless)
    return source


def test_what_stands_between_and_after_run_lengths_goes(tmp_path: Path) -> None:
    source = run_lengths()
    (frame,) = generate_frames(source.PixelData, number_of_frames=1)
    second = struct.unpack_from("<I", frame, 8)[0]
    moved = struct.pack("<I", second + 4)
    head = frame[:8] + moved + frame[12:40] + b"QXZ Jane" + frame[48:64]
    source.PixelData = encapsulate([head + frame[64:second] + b"QXZ " + frame[second:] + b"QXZ Jane"])
    new = cleaned(source, tmp_path)
    assert b"QXZ" not in new.PixelData
    np.testing.assert_array_equal(new.pixel_array, GREY.astype(np.uint16) * 257)


@pytest.mark.parametrize("frame", [b"", b"QXZ Jane", struct.pack("<16I", 2, 64, 9999, *[0] * 13) + b"\0\0"])
def test_run_lengths_without_a_head_are_refused(frame: bytes) -> None:
    with pytest.raises(ReadError, match="R302"):
        without_rest(frame, 4)


def test_what_takes_the_place_of_a_compressed_picture_is_refused() -> None:
    with pytest.raises(ReadError, match="R302"):
        strip_pixels(compressed(picture(GREY), JPEGBaseline8Bit, b"QXZ Jane"), JPEGBaseline8Bit)


def fragment(content: bytes) -> bytes:
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(content)) + content


def test_words_in_the_table_of_offsets_and_frames_that_are_not_counted_go() -> None:
    plain = without_remarks(jpeg())
    plain += b"\0" * (len(plain) % 2)
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    for value in (
        fragment(bytes(4) + b"QXZ Jane") + fragment(plain) + end,
        encapsulate([plain, SOI + b"QXZ" + b"\xff\xd9"]),
        encapsulate([plain, SOI + b"QXZ" + b"\xff\xd9"], has_bot=False),
    ):
        source = compressed(picture(GREY), JPEGBaseline8Bit, plain)
        source.PixelData = value
        assert strip_pixels(source, JPEGBaseline8Bit)
        assert source.PixelData == encapsulate([plain])


def test_an_extended_table_of_offsets_of_pixels_that_are_not_compressed_goes() -> None:
    source = film(ExtendedOffsetTable=b"QXZ Jane")
    assert strip_pixels(source, LITTLE)
    assert "ExtendedOffsetTable" not in source


def test_what_follows_the_last_floating_point_value_goes() -> None:
    source = film(BitsAllocated=32, FloatPixelData=bytes(80) + b"QXZ Jane")
    del source.PixelData
    assert strip_pixels(source, LITTLE)
    assert source.FloatPixelData == bytes(80)
