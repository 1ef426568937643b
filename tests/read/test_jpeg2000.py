"""Tiles in JPEG 2000: colours as their scheme has them, sizes checked before anything is decoded, damage told."""

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

from edge.errors import ReadError
from edge.read import jpeg2000
from edge.read.regions import open_regions
from edge.read.tiling import Regions
from tests.read.tiled_files import JPEG_2000, JPEG_2000_YCBCR, Page, page, slide, tiff

Pixels = NDArray[Any]


def opened(made: Page, folder: Path) -> Regions:
    path = folder / "slide.tif"
    path.write_bytes(tiff([made]))
    return open_regions(path)


def coded(pixels: Pixels, **options: object) -> bytes:
    chosen: dict[str, Any] = {"codecformat": "j2k", "reversible": True, "level": 0, **options}
    return bytes(imagecodecs.jpeg2k_encode(pixels, **chosen))


@pytest.mark.parametrize("compression", JPEG_2000)
def test_colours_come_back_as_they_were(tmp_path: Path, compression: int) -> None:
    made = page(slide(), compression=compression, photometric=2)
    with opened(made, tmp_path) as regions:
        found = regions.read(0, 0, 0, *regions.shape)
        assert not regions.about.is_lossy
        assert not regions.about.is_grey
    apart = np.abs(found.astype(int) - slide())
    assert apart.max() <= (2 if compression == JPEG_2000_YCBCR else 0)  # YCbCr of 8 bits is rounded, there and back


def test_a_directory_may_say_ycbcr_where_the_scheme_is(tmp_path: Path) -> None:
    with opened(page(slide(), compression=JPEG_2000_YCBCR, photometric=6), tmp_path) as regions:
        found = regions.read(0, 10, 20, 30, 40)
    assert np.abs(found.astype(int) - slide()[10:40, 20:60]).max() <= 2
    with pytest.raises(ReadError) as caught:
        opened(page(slide(), compression=33005, photometric=6), tmp_path)
    assert caught.value.reason.code == "R323"


def test_grey_tiles_have_three_equal_channels(tmp_path: Path) -> None:
    pixels = slide(grey=True)
    with opened(page(pixels, compression=34712, photometric=1), tmp_path) as regions:
        assert np.array_equal(regions.read(0, 0, 0, *regions.shape), np.dstack([pixels] * 3))


def test_the_wavelet_tells_whether_detail_was_lost() -> None:
    assert not jpeg2000.is_lossy(coded(slide()))
    assert jpeg2000.is_lossy(coded(slide(), reversible=False, level=40))
    assert jpeg2000.is_lossy(b"no codestream tells nothing")


def test_what_is_declared_is_read_from_bare_codestreams_and_from_boxes() -> None:
    for form in ("j2k", "jp2"):
        told = jpeg2000.inspect(coded(slide(), codecformat=form))
        assert (told.rows, told.columns, told.samples, told.precision, told.whole) == (150, 210, 3, 8, True)


def shared_colours(data: bytes) -> bytes:
    """The second component says that it has a value for every other pixel."""
    at = data.index(b"\xff\x4f\xff\x51") + 42 + 3
    return data[: at + 1] + b"\x02" + data[at + 2 :]


def huge(data: bytes) -> bytes:
    at = data.index(b"\xff\x4f\xff\x51") + 8
    return data[:at] + struct.pack(">2L", 1 << 30, 1 << 30) + data[at + 8 :]


WRONG: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: data[: len(data) // 2], "R302"),
    (lambda data: data[:20], "R302"),
    (lambda _: b"\0" * 400, "R302"),
    (huge, "R302"),
    (shared_colours, "R323"),
    (lambda _: coded(slide()[:64, :40]), "R302"),
    (lambda _: coded(slide()[:64, :48, 0]), "R302"),
    (lambda _: coded(slide()[:64, :48].astype(np.uint16) << 4), "R323"),
]


@pytest.mark.parametrize(("spoil", "code"), WRONG)
def test_a_tile_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, spoil: Callable[[bytes], bytes], code: str
) -> None:
    made = page(slide(), compression=33005, photometric=2)
    spoilt = replace(made, tiles=(made.tiles[0], spoil(made.tiles[1]), *made.tiles[2:]))
    with opened(spoilt, tmp_path) as regions:
        assert np.array_equal(regions.read(0, 0, 0, 20, 20), slide()[:20, :20])
        with pytest.raises(ReadError) as caught:
            regions.read(0, 0, 50, 10, 10)
    assert caught.value.reason.code == code
