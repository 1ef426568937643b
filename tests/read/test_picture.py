"""PNG, JPEG and TIFF: every kind comes out as it was meant, or is refused by name; nothing in between."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read.contract import HEAD_BYTES
from edge.read.isolate import ScanReader
from edge.read.picture import PictureReader
from edge.reasons import (
    BAD_HEADER,
    DAMAGED,
    MIXED_PICTURES,
    TOO_LARGE,
    UNSUPPORTED_COMPRESSION,
    UNSUPPORTED_PICTURE,
    Reason,
)
from edge.scan import Scan, Series
from tests.read.files import chunk, jpeg, phantom, png, png_bomb, png_end, tiff

Read = Callable[[bytes], Scan]
LIMIT = 1 << 28

GREY = phantom()
GREY_16 = phantom(dtype="uint16") * 100
RGB = phantom(channels=3)
RGB_16 = phantom(channels=3, dtype="uint16") * 200
OPAQUE = np.full_like(GREY, 255)
PALETTE = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (64, 48, 3), dtype=np.uint8), (0, 0), 4)
"""A picture that survives JPEG, shape (64, 48, 3), RGB."""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Describes and loads one file of these bytes, and checks that the two agree."""

    def read_bytes(data: bytes) -> Scan:
        path = tmp_path / "picture"
        path.write_bytes(data)
        reader = PictureReader()
        assert reader.recognises(data[:HEAD_BYTES], str(path))
        header = reader.describe(str(path))
        series = Series(
            format=header.format,
            paths=(header.path,),
            identity=header.identity,
            acquisition=header.acquisition,
            pictures=header.pictures,
            bytes=header.bytes,
        )
        visited: list[str] = []
        scan = reader.load(series, LIMIT, visited.append)
        assert visited == [str(path)]
        assert scan.acquisition == header.acquisition
        assert len(scan.places) == header.pictures == scan.voxels.shape[0]
        assert scan.voxels.nbytes <= header.bytes
        assert scan.grid.shape == scan.voxels.shape[:3]
        assert scan.sources[0].sha256 == hashlib.sha256(data).hexdigest()
        return scan

    return read_bytes


def reason_of(read: Read, data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read(data)
    return caught.value.reason


def palette(entries: int = 256, trns: bytes = b"") -> bytes:
    return chunk(b"PLTE", PALETTE[:entries].tobytes()) + (chunk(b"tRNS", trns) if trns else b"")


EXACT: dict[str, tuple[bytes, NDArray[Any]]] = {
    "png grey": (png(GREY, 0), GREY),
    "png grey 16 bit": (png(GREY_16, 0), GREY_16),
    "png grey 4 bit, scaled as the standard says": (png(GREY % 16, 0, 4), GREY % 16 * 17),
    "png grey 1 bit": (png(GREY // 2 % 2, 0, 1), GREY // 2 % 2 * 255),
    "png rgb": (png(RGB, 2), RGB),
    "png rgb 16 bit": (png(RGB_16, 2), RGB_16),
    "png palette": (png(GREY, 3, 8, palette()), PALETTE[GREY]),
    "png palette 4 bit": (png(GREY % 16, 3, 4, palette(16)), PALETTE[GREY % 16]),
    "png palette, opaque": (png(GREY, 3, 8, palette(trns=b"\xff" * 9)), PALETTE[GREY]),
    "png grey and alpha, opaque": (png(np.dstack([GREY, OPAQUE]), 4), GREY),
    "png rgb and alpha, opaque": (png(np.dstack([RGB, OPAQUE]), 6), RGB),
    "png with a transparent colour that no pixel has": (png(RGB, 2, 8, chunk(b"tRNS", b"\0" * 6)), RGB),
    "png with a gamma, which is not applied": (png(RGB, 2, 8, chunk(b"gAMA", struct.pack(">I", 10_000))), RGB),
    "tiff rgb": (tiff([RGB], 2), RGB),
    "tiff rgb 16 bit": (tiff([RGB_16], 2), RGB_16),
    "tiff rgb and alpha, opaque": (tiff([np.dstack([RGB, OPAQUE])], 2, t338=2), RGB),
    "tiff grey and alpha, opaque": (tiff([np.dstack([GREY, OPAQUE])], 1, t338=2), GREY),
    "tiff deflate": (tiff([GREY], 1, t259=8, strip=zlib.compress(GREY.tobytes())), GREY),
    "tiff float64": (tiff([phantom(dtype="float64")], 1), phantom(dtype="float32")),
    **{
        f"tiff {kind}": (tiff([phantom(dtype=kind)], 1), phantom(dtype=kind))
        for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
    },
}


@pytest.mark.parametrize(("data", "expected"), EXACT.values(), ids=EXACT.keys())
def test_every_bit_comes_out_as_it_was_stored(read: Read, data: bytes, expected: NDArray[Any]) -> None:
    scan = read(data)
    assert scan.voxels.dtype == expected.dtype
    np.testing.assert_array_equal(scan.voxels, expected[np.newaxis])
    assert scan.acquisition.photometric == ("RGB" if expected.ndim == 3 else "MONOCHROME2")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_is_read_in_either_byte_order_and_size(read: Read, order: Literal["<", ">"], *, big: bool) -> None:
    np.testing.assert_array_equal(read(tiff([RGB_16], 2, order=order, big=big)).voxels, RGB_16[np.newaxis])


REFUSED: dict[str, tuple[bytes, Reason]] = {
    "png half transparent": (png(np.dstack([RGB, OPAQUE - 1]), 6), UNSUPPORTED_PICTURE),
    "png palette, transparent": (png(GREY, 3, 8, palette(trns=b"\0" * 9)), UNSUPPORTED_PICTURE),
    "png animation": (png(GREY, 0, 8, chunk(b"acTL", b"\0" * 8)), UNSUPPORTED_PICTURE),
    "png without columns": (png(GREY[:, :0], 0), BAD_HEADER),
    "png of an unknown colour type": (png(GREY, 5), BAD_HEADER),
    "tiff without rows": (tiff([GREY], 1, t257=0), BAD_HEADER),
    "tiff half transparent": (tiff([np.dstack([RGB, OPAQUE - 1])], 2, t338=2), UNSUPPORTED_PICTURE),
    "tiff cmyk": (tiff([np.dstack([RGB, GREY])], 5), UNSUPPORTED_PICTURE),
    "tiff palette": (tiff([GREY], 3), UNSUPPORTED_PICTURE),
    "tiff lab": (tiff([RGB], 8), UNSUPPORTED_PICTURE),
    "tiff 4 bit": (tiff([GREY], 1, t258=4), UNSUPPORTED_PICTURE),
    "tiff complex": (tiff([GREY], 1, t339=5), UNSUPPORTED_PICTURE),
    "tiff ycbcr": (tiff([RGB], 6), UNSUPPORTED_PICTURE),
    "tiff of separate planes": (tiff([RGB], 2, t284=2), UNSUPPORTED_PICTURE),
    "tiff jpeg": (tiff([RGB], 2, t259=7), UNSUPPORTED_COMPRESSION),
    "tiff jpeg 2000": (tiff([RGB], 2, t259=34712), UNSUPPORTED_COMPRESSION),
    "tiff pages of two sizes": (tiff([GREY, GREY[:3]], 1), MIXED_PICTURES),
    "tiff pages that are all thumbnails": (tiff([GREY], 1, t254=1), BAD_HEADER),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_without_guessing_is_refused(read: Read, data: bytes, reason: Reason) -> None:
    assert reason_of(read, data) is reason


def test_a_picture_has_no_invented_size_and_says_what_its_values_are(read: Read) -> None:
    scan = read(png(GREY_16, 0, 16, chunk(b"pHYs", struct.pack(">IIB", 1000, 1000, 1))))
    assert scan.grid == Grid.of_picture(5, 7)
    assert scan.grid.pixel_spacing_mm is None
    assert (scan.unit, scan.value_range, scan.stack) == ("stored value", (0.0, 65535.0), "picture")
    assert scan.acquisition.modality is None


def test_floats_have_no_range_and_what_is_no_number_is_told(read: Read) -> None:
    values = phantom(dtype="float32")
    assert read(tiff([values], 1)).value_range is None
    values[2, 3] = np.nan
    assert any("NaN" in warning for warning in read(tiff([values], 1)).warnings)


def test_white_is_zero_is_said_and_not_inverted(read: Read) -> None:
    scan = read(tiff([GREY], 0))
    assert scan.acquisition.photometric == "MONOCHROME1"
    np.testing.assert_array_equal(scan.voxels[0], GREY)


def test_like_pages_are_frames(read: Read) -> None:
    scan = read(tiff([GREY, GREY + 1, GREY + 2], 1))
    assert scan.stack == "frames"
    assert scan.places == ((0, 0), (0, 1), (0, 2))
    np.testing.assert_array_equal(scan.voxels, np.stack([GREY, GREY + 1, GREY + 2]))


# JPEG ------------------------------------------------------------------------------------------------------


def close_to(scan: Scan, expected: NDArray[Any]) -> bool:
    shown = scan.voxels[0].astype(int)
    return shown.shape == expected.shape and bool(np.abs(shown - expected).max() <= 8)


KINDS_OF_JPEG = {
    "baseline": jpeg(SMOOTH),
    "progressive": jpeg(SMOOTH, PROGRESSIVE=1),
    "with restart markers": jpeg(SMOOTH, RST_INTERVAL=2),
    "with its own codes": jpeg(SMOOTH, OPTIMIZE=1),
}


@pytest.mark.parametrize("data", KINDS_OF_JPEG.values(), ids=KINDS_OF_JPEG.keys())
def test_jpeg_keeps_its_colours(read: Read, data: bytes) -> None:
    scan = read(data)
    assert close_to(scan, SMOOTH)
    assert scan.acquisition.photometric == "RGB"
    assert scan.acquisition.lossy is True


def test_grey_jpeg_stays_grey(read: Read) -> None:
    scan = read(jpeg(SMOOTH[..., 0]))
    assert close_to(scan, SMOOTH[..., 0])
    assert scan.acquisition.photometric == "MONOCHROME2"


def test_a_jpeg_that_stores_rgb_as_such_keeps_its_colours(read: Read) -> None:
    assert close_to(read(bytes(imagecodecs.jpeg8_encode(SMOOTH, outcolorspace="RGB", level=95))), SMOOTH)


STORED_FOR = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera held in each of the eight ways stores an upright scene (CIPA DC-008 4.6.4 A): the 0th row and the 0th
column are, for 2, top and right; 3, bottom and right; 4, bottom and left; 5, left and top; 6, right and top; 7, right
and bottom; 8, left and bottom."""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright_and_not_mirrored_however_the_camera_was_held(
    read: Read, orientation: int, order: str
) -> None:
    scan = read(jpeg(np.ascontiguousarray(STORED_FOR[orientation](SMOOTH)), orientation=orientation, order=order))
    assert close_to(scan, SMOOTH)
    assert any("turned upright" in warning for warning in scan.warnings) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_library_turns_photographs_the_same_way(read: Read, orientation: int) -> None:
    data = jpeg(SMOOTH, orientation=orientation)
    theirs = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    np.testing.assert_array_equal(read(data).voxels[0], theirs[..., ::-1])


@pytest.mark.parametrize("orientation", range(2, 9))
def test_tiff_and_png_are_turned_too(read: Read, orientation: int) -> None:
    stored = np.ascontiguousarray(STORED_FOR[orientation](GREY))
    exif = jpeg(SMOOTH, orientation=orientation)[12:38]
    plain = png(stored, 0, 8)
    behind = plain[:-12] + chunk(b"eXIf", exif) + plain[-12:]
    for data in (tiff([stored], 1, t274=orientation), png(stored, 0, 8, chunk(b"eXIf", exif)), behind):
        np.testing.assert_array_equal(read(data).voxels[0], GREY)


@pytest.mark.parametrize("exif", [b"", b"II", b"XX*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_a_broken_exif_block_does_not_matter(read: Read, exif: bytes) -> None:
    data = jpeg(SMOOTH)
    body = b"Exif\0\0" + exif
    assert close_to(read(data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]), SMOOTH)


def frame_header_changed(data: bytes, at: int, value: int) -> bytes:
    """A JPEG with one byte of its SOF0 segment, counted from the marker, replaced."""
    start = data.index(b"\xff\xc0")
    return data[: start + at] + bytes([value]) + data[start + at + 1 :]


def test_cmyk_is_refused(read: Read) -> None:
    data = imagecodecs.jpeg8_encode(np.dstack([SMOOTH, SMOOTH[..., :1]]), colorspace="CMYK", outcolorspace="CMYK")
    assert reason_of(read, bytes(data)) is UNSUPPORTED_PICTURE


@pytest.mark.parametrize(("at", "value"), [(1, 0xC3), (1, 0xC9), (4, 12)])
def test_other_kinds_of_jpeg_are_refused(read: Read, at: int, value: int) -> None:
    assert reason_of(read, frame_header_changed(jpeg(SMOOTH), at, value)) is UNSUPPORTED_COMPRESSION


# Damage ----------------------------------------------------------------------------------------------------

WHOLE: dict[str, bytes] = {
    "png": png(phantom(40, 60), 0),
    "jpeg": jpeg(SMOOTH),
    "jpeg progressive": jpeg(SMOOTH, PROGRESSIVE=1),
    "tiff": tiff([phantom(40, 60)], 1),
    "tiff deflate": tiff([phantom(40, 60)], 1, t259=8, strip=zlib.compress(phantom(40, 60).tobytes())),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_short_anywhere_is_damaged_and_never_half_a_picture(read: Read, name: str) -> None:
    data = WHOLE[name]
    cuts = {len(data) * part // 24 for part in range(2, 24)} | {len(data) - 1, len(data) - 2, len(data) - 9}
    for cut in sorted(cuts):
        assert reason_of(read, data[:cut]) is DAMAGED, cut


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive"])
def test_a_jpeg_that_lost_its_middle_is_damaged(read: Read, name: str) -> None:
    data = WHOLE[name]
    assert reason_of(read, data[: len(data) * 3 // 4] + b"\xff\xd9") is DAMAGED


def test_bytes_behind_a_jpeg_do_not_matter(read: Read) -> None:
    assert close_to(read(jpeg(SMOOTH) + b"a motion picture"), SMOOTH)


DAMAGES: dict[str, bytes] = {
    "png with a wrong checksum": png(GREY, 0)[:-20] + b"\0" + png(GREY, 0)[-19:],
    "png with too few rows": png(GREY, 0)[:33] + png_end(b"\0" * 8 * 3),
    "png without its end": png(GREY, 0)[:-12],
    "tiff with a short strip": tiff([GREY], 1, strip=GREY.tobytes()[:20]),
    "tiff without its strips": tiff([GREY], 1, t273=()),
    "tiff with an empty strip": tiff([GREY], 1, t279=0),
    "tiff with fewer strips than rows ask for": tiff([GREY], 1, t278=2),
    "tiff with a strip beyond its end": tiff([GREY], 1, t273=60_000),
    "tiff whose directories form a loop": tiff([GREY], 1)[:-4] + struct.pack("<I", 8 + GREY.nbytes),
}


@pytest.mark.parametrize("data", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_and_never_painted_over(read: Read, data: bytes) -> None:
    assert reason_of(read, data) is DAMAGED


# Bombs -----------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_it_is_decoded(read: Read) -> None:
    data = png(GREY, 0)
    header = struct.pack(">IIBBBBB", 1 << 20, 1 << 20, 8, 0, 0, 0, 0)
    assert reason_of(read, data[:8] + chunk(b"IHDR", header) + data[33:]) is TOO_LARGE
    assert reason_of(read, tiff([GREY], 1, t256=0xFFFF, t257=0xFFFF, t278=0xFFFF, t259=5)) is TOO_LARGE


def test_a_bomb_over_the_budget_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_bomb(6000))
    (tmp_path / "good.png").write_bytes(png(GREY, 0))
    with ScanReader(limit_bytes=64 << 20) as reader:
        bomb, good = reader.index(tmp_path).result().studies
        assert bomb.left_out[0].reason is TOO_LARGE
        assert "103.0 MiB" in bomb.left_out[0].detail
        np.testing.assert_array_equal(reader.load(good.series[0]).result().voxels[0], GREY)


def test_a_file_that_is_itself_too_large_to_map_is_left_out(tmp_path: Path) -> None:
    with (tmp_path / "huge.tif").open("wb") as file:
        file.write(tiff([GREY], 1))
        file.truncate(1 << 36)  # sparse: it takes no room on the disk
    with ScanReader(limit_bytes=64 << 20) as reader:
        (out,) = reader.index(tmp_path).result().left_out
    assert out.reason is TOO_LARGE


def test_a_dicom_file_in_the_skin_of_a_tiff_is_left_to_the_dicom_reader() -> None:
    head = bytearray(tiff([GREY], 1).ljust(200, b"\0"))
    head[128:132] = b"DICM"
    assert not PictureReader().recognises(bytes(head), "x")
