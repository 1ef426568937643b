"""Every transfer syntax of the table gives the values that were compressed; what lies about itself is refused."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.codestream import read_codestream
from edge.read.dicom.syntaxes import SYNTAXES
from edge.reasons import BAD_HEADER, DAMAGED, TOO_LARGE
from tests.read.dicom_files import compressed, load, picture, ramp, save

JPEG_2000, HTJ2K, RLE, BASELINE = (
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
)

PEERS = {
    "rle": ("dcmcrle",),
    "jpeg lossless": ("dcmcjpeg", "+e1"),
    **{f"jpeg lossless predictor {n}": ("dcmcjpeg", "+el", "+sv", str(n)) for n in range(1, 8)},
    "jpeg-ls": ("dcmcjpls",),
    "deflated": ("dcmconv", "+td"),
    "big endian": ("dcmconv", "+tb"),
    "implicit": ("dcmconv", "+ti"),
}
LOSSY_PEERS = {
    "baseline": ("dcmcjpeg", "+eb"),
    "extended": ("dcmcjpeg", "+ee"),
    "near-lossless": ("dcmcjpls", "+en"),
}
DEPTHS = [("u1", 8, False), ("u2", 12, False), ("u2", 16, False), ("i2", 12, True), ("i2", 16, True)]
NO_CODESTREAMS = [b"\xff\xd8", b"\xff\xd8\xff", bytes(100), b"\xff\xd8\xff\xc0\x00\x0b\x08" + bytes(9)]

needs_dcmtk = pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk is not installed")


def grey(dtype: str, bits: int, *, signed: bool) -> Array:
    low = -(1 << (bits - 1)) if signed else 0
    return ramp(33, 47, low, low + (1 << bits) - 1, dtype)


def colour() -> Array:
    channels = [ramp(33, 47, 0, 255, "u1"), ramp(33, 47, 20, 200, "u1")[::-1], ramp(33, 47, 0, 99, "u1")]
    return np.stack(channels, axis=-1)


def peer(command: tuple[str, ...], source: str) -> str:
    target = f"{source}.peer.dcm"
    subprocess.run([command[0], *command[1:], source, target], check=True, capture_output=True)
    return target


@needs_dcmtk
@pytest.mark.parametrize(("dtype", "bits", "signed"), DEPTHS)
@pytest.mark.parametrize("name", PEERS)
def test_what_dcmtk_compressed_without_loss_comes_back_exactly(
    tmp_path: Path, name: str, dtype: str, bits: int, *, signed: bool
) -> None:
    pixels = grey(dtype, bits, signed=signed)
    path = save(picture(pixels, BitsStored=bits, HighBit=bits - 1), tmp_path / "a.dcm")
    assert np.array_equal(load(peer(PEERS[name], path)).voxels[0], pixels)


@needs_dcmtk
@pytest.mark.parametrize("name", [*PEERS, "line", "sample", "planes"])
def test_colour_that_dcmtk_compressed_without_loss_comes_back_exactly(tmp_path: Path, name: str) -> None:
    interleaved = {"line": ("dcmcjpls", "+il"), "sample": ("dcmcjpls", "+is"), "planes": ("dcmcjpls", "+in")}
    path = save(picture(colour(), PhotometricInterpretation="RGB", Modality="XC"), tmp_path / "a.dcm")
    assert np.array_equal(load(peer({**PEERS, **interleaved}[name], path)).voxels[0], colour())


@needs_dcmtk
@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 12)])
@pytest.mark.parametrize("name", LOSSY_PEERS)
def test_what_dcmtk_compressed_with_loss_is_what_dcmtk_decompresses(
    tmp_path: Path, name: str, dtype: str, bits: int
) -> None:
    path = save(picture(grey(dtype, bits, signed=False), BitsStored=bits, HighBit=bits - 1), tmp_path / "a.dcm")
    lossy = peer(LOSSY_PEERS[name], path)
    opposite = ("dcmdjpls",) if name == "near-lossless" else ("dcmdjpeg",)
    scan = load(lossy)
    assert scan.acquisition.lossy
    assert np.array_equal(scan.voxels, load(peer(opposite, lossy)).voxels)


@needs_dcmtk
@pytest.mark.parametrize("options", [("+eb",), ("+eb", "+cr"), ("+eb", "+s4"), ("+eb", "+np"), ("+ee",)])
def test_lossy_colour_keeps_its_colours_in_ybr_and_in_rgb(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = save(picture(colour(), PhotometricInterpretation="RGB", Modality="XC"), tmp_path / "a.dcm")
    found = load(peer(("dcmcjpeg", *options), path)).voxels[0].astype(int)
    assert np.abs(found - colour()).mean() < 2


@pytest.mark.parametrize(("dtype", "bits", "signed"), DEPTHS)
@pytest.mark.parametrize("uid", [JPEG_2000, HTJ2K])
def test_jpeg_2000_keeps_depth_and_sign(tmp_path: Path, uid: str, dtype: str, bits: int, *, signed: bool) -> None:
    pixels = grey(dtype, bits, signed=signed)
    if uid == HTJ2K:
        if not getattr(getattr(imagecodecs, "HTJ2K", None), "available", False):
            pytest.skip("this build of imagecodecs does not write HTJ2K")
        frame = imagecodecs.htj2k_encode(pixels, reversible=True)
    else:
        frame = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", bitspersample=bits)
    ds = compressed(picture(pixels, BitsStored=bits, HighBit=bits - 1), uid, frame)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels[0], pixels)


def test_unsigned_codestreams_of_signed_images_keep_the_sign(tmp_path: Path) -> None:
    pixels = grey("i2", 12, signed=True)
    frame = imagecodecs.jpeg2k_encode((pixels & 0x0FFF).astype("u2"), level=0, codecformat="j2k", bitspersample=12)
    ds = compressed(picture(pixels, BitsStored=12, HighBit=11), JPEG_2000, frame)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels[0], pixels)


def test_every_frame_of_a_compressed_cine_is_decoded(tmp_path: Path) -> None:
    frames = np.stack([ramp(20, 30, n, 200, "u1") for n in range(3)])
    coded = [imagecodecs.jpegls_encode(frame) for frame in frames]
    ds = compressed(picture(frames, NumberOfFrames=3, Modality="US"), "1.2.840.10008.1.2.4.80", *coded)
    assert np.array_equal(load(save(ds, tmp_path / "a.dcm")).voxels, frames)


def jpeg_2000_frame() -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(ramp(20, 30, 0, 200, "u1"), level=0, codecformat="j2k"))


def refusal(uid: str, frame: bytes, tmp_path: Path, **elements: int) -> ReadError:
    ds = compressed(picture(ramp(20, 30, 0, 200, "u1"), **elements), uid, frame)
    with pytest.raises(ReadError) as refused:
        load(save(ds, tmp_path / "a.dcm"), limit_bytes=1 << 24)
    return refused.value


def test_a_codestream_that_asks_for_gigabytes_is_refused_before_decoding(tmp_path: Path) -> None:
    frame = bytearray(jpeg_2000_frame())
    at = frame.index(b"\xff\x51") + 6
    frame[at : at + 8] = struct.pack(">LL", 60000, 60000)
    error = refusal(JPEG_2000, bytes(frame), tmp_path)
    assert error.reason is DAMAGED
    assert "60000 x 60000" in error.message


def test_a_header_that_asks_for_gigabytes_with_its_codestream_is_too_large(tmp_path: Path) -> None:
    frame = bytearray(jpeg_2000_frame())
    at = frame.index(b"\xff\x51") + 6
    frame[at : at + 8] = struct.pack(">LL", 60000, 60000)
    assert refusal(JPEG_2000, bytes(frame), tmp_path, Rows=60000, Columns=60000).reason is TOO_LARGE


def test_an_rle_frame_with_the_wrong_number_of_segments_is_damaged(tmp_path: Path) -> None:
    assert refusal(RLE, struct.pack("<16L", 4, *[64] * 15) + bytes(64), tmp_path).reason is DAMAGED


@pytest.mark.parametrize("offset", [0, 32, 62, 66, 1 << 31, (1 << 32) - 1])
def test_rle_segments_outside_the_frame_never_reach_the_decoder(tmp_path: Path, offset: int) -> None:
    frame = struct.pack("<16L", 1, offset, *[0] * 14) + bytes(600)
    error = refusal(RLE, frame, tmp_path)
    assert error.reason is DAMAGED
    assert "segments" in error.message


@pytest.mark.parametrize("uid", [RLE, JPEG_2000, HTJ2K, BASELINE, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"])
@pytest.mark.parametrize("frame", NO_CODESTREAMS)
def test_what_is_no_codestream_is_damaged(tmp_path: Path, uid: str, frame: bytes) -> None:
    assert refusal(uid, frame + b"\0" * (len(frame) % 2), tmp_path).reason is DAMAGED


def test_too_few_frames_are_damaged(tmp_path: Path) -> None:
    assert refusal(JPEG_2000, jpeg_2000_frame(), tmp_path, NumberOfFrames=2).reason is DAMAGED


def test_values_beyond_the_declared_bits_are_not_wrapped(tmp_path: Path) -> None:
    assert refusal(JPEG_2000, jpeg_2000_frame(), tmp_path, BitsStored=7, HighBit=6).reason is BAD_HEADER


def test_a_jpeg_tells_its_colours_by_its_markers() -> None:
    head, frame = b"\xff\xd8", b"\xff\xc0\x00\x11\x08\x00\x02\x00\x03\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01"
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
    jfif = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    named = frame.replace(b"\x01\x11\x00\x02\x11\x01\x03\x11", b"R\x11\x00G\x11\x01B\x11")
    shared = frame.replace(b"\x01\x11\x00", b"\x01\x22\x00")
    cases = [
        (frame, None), (adobe + b"\x00" + frame, True), (adobe + b"\x01" + frame, False),
        (jfif + frame, False), (named, True), (shared, False),
    ]  # fmt: skip
    for markers, in_rgb in cases:
        found = read_codestream(head + markers, "jpeg")
        assert (found.rows, found.columns, found.samples, found.precision) == (2, 3, 3, 8)
        assert found.in_rgb is in_rgb


def test_every_syntax_of_the_table_is_known_to_pydicom() -> None:
    for uid, syntax in SYNTAXES.items():
        assert get_decoder(UID(uid)).is_available or syntax.codec != "native"
        assert UID(uid).is_encapsulated is (syntax.codec != "native")
