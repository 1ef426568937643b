"""A codestream halved is the picture of a decoder that skips its last levels, to the last bit; or it is left alone."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid
from edge.read.halved import halved, halved_grid, halvings, is_halved, size_after, times_for
from tests.read.dicom_files import ramp

SIZE = (160, 224)
"""Sides that stay whole three times: Pillow rounds others its own way."""

Pixels = NDArray[Any]


def grey() -> Pixels:
    return ramp(*SIZE, 0, 4095, "u2")


def colour() -> Pixels:
    return np.stack([ramp(*SIZE, 0, high, "u1") for high in (255, 200, 90)], axis=-1)


def openjpeg(pixels: Pixels, **options: Any) -> bytes:
    chosen: dict[str, Any] = {"codecformat": "j2k", "reversible": True, "level": 0, **options}
    return bytes(imagecodecs.jpeg2k_encode(pixels, **chosen))


def pillow(pixels: Pixels, **options: Any) -> bytes:
    """Another writer, which can do all that codestreams may be."""
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True, **options)
    return buffer.getvalue()


def skipping(data: bytes, times: int) -> Pixels:
    """What OpenJPEG gives when it is told to skip levels itself."""
    image = pytest.importorskip("PIL.Image")
    opened = image.open(io.BytesIO(data))
    opened.reduce = times
    opened.load()
    return np.asarray(opened)


@pytest.mark.parametrize("times", [0, 1, 2, 3])
@pytest.mark.parametrize("bits", [12, 16])
def test_grey_is_what_a_decoder_gives_that_skips_levels(times: int, bits: int) -> None:
    for how in ({}, {"reversible": False, "level": 50}):
        data = openjpeg(grey(), bitspersample=bits, **how)
        found = imagecodecs.jpeg2k_decode(halved(data, times))
        assert found.shape == tuple(size_after(side, times) for side in SIZE)
        assert np.array_equal(found, skipping(data, times) >> (16 - bits))


COARSE_FIRST: dict[str, Mapping[str, Any]] = {
    "lrcp": {"progression": "LRCP"},
    "rlcp in layers": {"progression": "RLCP", "quality_layers": [40, 10, 1]},
    "rpcl in precincts": {"progression": "RPCL", "precinct_size": (128, 128), "codeblock_size": (32, 32)},
    "tiles": {"progression": "RPCL", "tile_size": (64, 64)},
    "colours mixed": {"progression": "LRCP", "mct": 1},
}


@pytest.mark.parametrize("name", sorted(COARSE_FIRST))
def test_colours_tiles_layers_and_precincts_are_as_a_decoder_gives_them(name: str) -> None:
    data = pillow(colour(), irreversible=False, **COARSE_FIRST[name])
    for times in (1, 2, 3):
        assert np.array_equal(imagecodecs.jpeg2k_decode(halved(data, times)), skipping(data, times))


def test_high_throughput_is_what_its_own_decoder_gives_that_skips_levels() -> None:
    if not getattr(getattr(imagecodecs, "HTJ2K", None), "available", False):
        pytest.skip("this build of imagecodecs has no HTJ2K")
    for pixels in (grey(), grey().astype(np.int16) - 2048, colour()[..., 0]):
        data = bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
        for times in (1, 2, 3):
            found = imagecodecs.htj2k_decode(halved(data, times))
            assert np.array_equal(found, imagecodecs.htj2k_decode(data, skipres=times))


@pytest.mark.parametrize("size", [(161, 223), (65, 90), (100, 71)])
def test_sides_are_rounded_up(size: tuple[int, int]) -> None:
    data = openjpeg(ramp(*size, 0, 200, "u1"), resolutions=4)
    most = halvings(data)
    assert most == 3
    for times in range(most + 1):
        assert imagecodecs.jpeg2k_decode(halved(data, times)).shape == tuple(size_after(each, times) for each in size)


def test_a_pixel_lies_where_every_second_one_of_the_whole_does() -> None:
    slope = np.tile((np.arange(256) * 7).astype(np.uint16), (256, 1))
    data = openjpeg(slope, bitspersample=12)
    for times in (1, 2, 3):
        found = imagecodecs.jpeg2k_decode(halved(data, times))
        step = 1 << times
        middle = slice(8, -8)  # no symmetric extension there
        assert np.array_equal(found[:, middle], slope[::step, ::step][:, middle])


def test_a_grid_keeps_its_first_pixel_and_lengthens_its_steps() -> None:
    matrix = np.array([[0, 0, 0.5, -3.0], [0, 0.25, 0, 7.0], [1, 0, 0, 9.0], [0, 0, 0, 1]])
    grid = Grid.of((1, 5, 9), matrix, "patient")
    small = halved_grid(grid, 2)
    assert small.shape == (1, 2, 3)
    assert small.steps[1:] == (1.0, 2.0)
    assert np.array_equal(small.matrix @ [0, 1, 2, 1], grid.matrix @ [0, 4, 8, 1])
    assert halved_grid(grid, 0) is grid


def test_a_picture_is_halved_as_often_as_no_side_gets_too_short() -> None:
    assert times_for((2048, 3000), 512, 5) == 2
    assert times_for((2047, 2047), 512, 5) == 2  # 511.75 is rounded up
    assert times_for((2044, 3000), 512, 5) == 1
    assert times_for((2048, 2048), 512, 1) == 1
    assert times_for((300, 3000), 512, 5) == 0


def test_an_answer_is_believed_only_where_it_is_what_was_asked_for() -> None:
    whole = Grid.of_picture(2048, 2048, (0.1, 0.1))
    assert is_halved(halved_grid(whole, 2), whole, 512)
    assert not is_halved(halved_grid(whole, 3), whole, 512)
    assert not is_halved(halved_grid(whole, 1), whole, 0)
    assert not is_halved(whole.resized((1, 512, 512)), whole, 512)
    assert not is_halved(whole, whole, 512)


LEFT_ALONE: dict[str, Mapping[str, Any]] = {
    "layers before levels": {"progression": "LRCP", "quality_layers": [40, 10, 1]},
    "places before levels": {"progression": "PCRL"},
    "components before levels": {"progression": "CPRL"},
    "tiles that begin between pixels": {"tile_size": (75, 75)},
}


@pytest.mark.parametrize("name", sorted(LEFT_ALONE))
def test_a_codestream_with_detail_before_the_coarse_is_left_alone(name: str) -> None:
    assert halvings(pillow(colour(), **LEFT_ALONE[name])) == 0


def test_a_picture_that_does_not_begin_at_0_is_left_alone() -> None:
    data = bytearray(openjpeg(grey()))
    for at in (16, 20, 32, 36):  # XOsiz, YOsiz, XTOsiz, YTOsiz
        moved = data[: at + 3] + b"\x01" + data[at + 4 :]
        assert halvings(bytes(data)) > 0 == halvings(bytes(moved))


def test_a_file_with_boxes_is_left_alone() -> None:
    assert halvings(openjpeg(grey(), codecformat="jp2")) == 0


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", marker, len(body) + 2) + body


@pytest.mark.parametrize("marker", [0xFF53, 0xFF5D, 0xFF5E, 0xFF5F, 0xFF60, 0xFF63, 0xFF77])
def test_what_is_not_understood_is_left_alone(marker: int) -> None:
    """COC, QCC, RGN, POC, PPM and CRG, and a marker that nobody knows; before the tile and in its header."""
    data = openjpeg(grey())
    tile = data.index(b"\xff\x90")
    assert halvings(data) > 0
    assert halvings(data[:tile] + segment(marker, bytes(9)) + data[tile:]) == 0
    start = data.index(b"\xff\x93")
    assert halvings(data[:start] + segment(marker, bytes(9)) + data[start:]) == 0


def test_a_codestream_cut_anywhere_in_its_header_is_left_alone() -> None:
    data = openjpeg(grey())
    assert all(halvings(data[:end]) == 0 for end in range(data.index(b"\xff\x93")))


def test_sizes_that_do_not_come_first_are_left_alone() -> None:
    """The frame is checked against the sizes behind SOC; those of a comment would be others."""
    data = openjpeg(grey())
    assert halvings(data[:2] + segment(0xFF64, bytes(9)) + data[2:]) == 0


def test_endless_headers_of_tile_parts_are_not_looked_through() -> None:
    data = openjpeg(grey())
    tile, start = data.index(b"\xff\x90"), data.index(b"\xff\x93")
    comments = segment(0xFF64, b"") * ((1 << 20) // 4 + 1)
    assert halvings(data[:start] + segment(0xFF64, b"") + data[start:]) > 0
    assert halvings(data[:start] + comments + data[start:]) == 0
    part = data[tile : tile + 6] + struct.pack(">LH", 14, 1) + b"\xff\x93"
    assert halvings(data[:tile] + part + data[tile:]) > 0
    assert halvings(data[:tile] + part * ((1 << 20) // 12 + 1) + data[tile:]) == 0


def test_no_spoilt_header_raises() -> None:
    data = openjpeg(grey(), reversible=False, level=40)
    generator = np.random.default_rng(5)
    header = data.index(b"\xff\x93") + 2
    for _ in range(2000):
        spoilt = bytearray(data)
        for at in generator.integers(0, header, 3):
            spoilt[at] = int(generator.integers(0, 256))
        most = halvings(bytes(spoilt))
        assert 0 <= most <= 32
        halved(bytes(spoilt), most)


def test_more_halvings_than_levels_are_an_error() -> None:
    data = openjpeg(grey(), resolutions=3)
    with pytest.raises(ValueError, match="2 are possible"):
        halved(data, 3)
