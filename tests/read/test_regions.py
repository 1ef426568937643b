"""Any region of any level of a tiled TIFF, against the pixels it was made from and against libtiff."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ReadError, UsageError
from edge.read.regions import open_regions
from edge.read.tiling import Regions
from tests.read.tiled_files import (
    DEFLATE,
    JPEG,
    LZW,
    NONE,
    Order,
    Page,
    Pixels,
    link_at,
    page,
    segments,
    slide,
    tiff,
    without_tables,
)

LOSSLESS: dict[str, dict[str, Any]] = {
    "raw": {"compression": NONE},
    "lzw": {"compression": LZW},
    "lzw of differences": {"compression": LZW, "differences": True},
    "deflate": {"compression": DEFLATE},
    "old deflate": {"compression": 32946},
    "deflate of differences": {"compression": DEFLATE, "differences": True},
}


def opened(data: bytes, folder: Path) -> Regions:
    path = folder / "slide.tiff"
    path.write_bytes(data)
    return open_regions(path)


def whole(regions: Regions, level: int = 0) -> Pixels:
    return regions.read(level, 0, 0, *regions.levels[level])


def code_of(data: bytes, folder: Path) -> str:
    """The code with which a file is refused, when it is opened or when it is read."""
    with pytest.raises(ReadError) as caught, opened(data, folder) as regions:
        whole(regions)
    return caught.value.reason.code


@pytest.mark.parametrize("options", LOSSLESS.values(), ids=LOSSLESS.keys())
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_what_was_written_without_loss_is_read_exactly(tmp_path: Path, options: dict[str, Any], *, grey: bool) -> None:
    pixels = slide(grey=grey)
    data = tiff([page(pixels, **options)])
    with opened(data, tmp_path) as regions:
        found = whole(regions)
        assert regions.shape == (150, 210)
    assert np.array_equal(found, np.dstack([pixels] * 3) if grey else pixels)
    assert np.array_equal(imagecodecs.tiff_decode(data).reshape(pixels.shape), pixels)  # libtiff reads the same


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_either_byte_order_and_either_size_of_tiff_is_read(tmp_path: Path, order: Order, *, big: bool) -> None:
    pixels = slide()
    with opened(tiff([page(pixels, compression=LZW)], order=order, big=big), tmp_path) as regions:
        assert np.array_equal(whole(regions), pixels)


@pytest.mark.parametrize("shared", [False, True], ids=["whole", "tables apart"])
@pytest.mark.parametrize("photometric", [2, 6], ids=["rgb", "ycbcr"])
def test_jpeg_tiles_are_decoded_in_the_colours_that_the_directory_names(
    tmp_path: Path, photometric: int, *, shared: bool
) -> None:
    pixels = slide()
    data = tiff([page(pixels, compression=JPEG, photometric=photometric, shared=shared)])
    with opened(data, tmp_path) as regions:
        found = whole(regions).astype(int)
    assert np.abs(found - pixels).max() <= 12
    assert np.abs(found - pixels).mean() < 1.5
    if photometric == 2:
        assert np.abs(found - imagecodecs.tiff_decode(data).astype(int)).max() <= 1


def test_jpeg_tiles_without_a_word_about_colour_follow_the_directory(tmp_path: Path) -> None:
    def plain(tile: bytes) -> bytes:
        return b"\xff\xd8" + b"".join(part for kind, part in segments(tile) if kind not in (0xE0, 0xEE))

    for photometric in (2, 6):
        made = page(slide(), compression=JPEG, photometric=photometric)
        bare = Page(tags=made.tags, tiles=tuple(plain(tile) for tile in made.tiles))
        with opened(tiff([bare]), tmp_path) as regions:
            assert np.abs(whole(regions).astype(int) - slide()).mean() < 1.5


def test_grey_jpeg_tiles_have_three_equal_channels(tmp_path: Path) -> None:
    pixels = slide(grey=True)
    with opened(tiff([page(pixels, compression=JPEG)]), tmp_path) as regions:
        found = whole(regions)
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.abs(found[..., 2].astype(int) - pixels).max() <= 8


def test_where_white_is_zero_values_are_turned_around(tmp_path: Path) -> None:
    pixels = slide(grey=True)
    with opened(tiff([page(pixels, photometric=0)]), tmp_path) as regions:
        assert np.array_equal(whole(regions)[..., 0], 255 - pixels)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = slide()
    path = tmp_path_factory.mktemp("pyramid") / "slide.tiff"
    path.write_bytes(tiff([page(pixels, compression=DEFLATE), page(pixels[::4, ::4], (16, 32))]))
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.tuples(*[st.integers(0, 2**31)] * 5))
def test_any_region_is_that_part_of_its_level(pyramid: Path, numbers: tuple[int, ...]) -> None:
    with open_regions(pyramid) as regions:
        level = numbers[0] % 2
        rows, columns = regions.levels[level]
        y, x = numbers[1] % rows, numbers[2] % columns
        height, width = 1 + numbers[3] % (rows - y), 1 + numbers[4] % (columns - x)
        found = regions.read(level, y, x, height, width)
    wanted = slide()[:: 4 if level else 1, :: 4 if level else 1]
    assert np.array_equal(found, wanted[y : y + height, x : x + width])


@pytest.mark.parametrize(
    "region",
    [(2, 0, 0, 1, 1), (-1, 0, 0, 1, 1), (0, -1, 0, 1, 1), (0, 0, -1, 1, 1), (0, 0, 0, 0, 1), (0, 0, 0, 1, -5),
     (0, 149, 0, 2, 1), (0, 0, 209, 1, 2), (1, 0, 0, 39, 1), (0, 2**40, 0, 1, 1)],
)  # fmt: skip
def test_a_region_that_is_not_within_its_level_is_the_callers_mistake(
    pyramid: Path, region: tuple[int, int, int, int, int]
) -> None:
    with open_regions(pyramid) as regions, pytest.raises(UsageError, match="expected"):
        regions.read(*region)


def halved(times: int) -> Pixels:
    """The slide at a resolution, its sides rounded up, as some writers do."""
    return np.ascontiguousarray(slide()[:: 2**times, :: 2**times])


def test_levels_may_follow_one_another_with_labels_between_them(tmp_path: Path) -> None:
    thumbnail = page(halved(2)).tagged(t324=None, t325=None, t322=None, t323=None)
    strips = Page(tags={**thumbnail.tags, 273: ("I", (8,)), 279: ("I", (9,))}, tiles=())
    label = page(np.full((90, 90, 3), 7, np.uint8)).tagged(t254=("I", (1,)))
    mask = page(halved(1)).tagged(t254=("I", (4,)))
    pages = [page(halved(0)), strips, page(halved(1)).tagged(t254=("I", (1,))), label, mask, page(halved(2))]
    with opened(tiff(pages), tmp_path) as regions:
        assert regions.levels == ((150, 210), (75, 105), (38, 53))
        assert regions.about.left_out == 3
        assert [np.array_equal(whole(regions, level), halved(level)) for level in range(3)] == [True] * 3


@pytest.mark.parametrize("big", [False, True])
def test_levels_may_be_sub_directories(tmp_path: Path, *, big: bool) -> None:
    base = page(halved(0), compression=LZW)
    subs = tuple(page(halved(times), compression=LZW).tagged(t254=("I", (1,))) for times in (1, 2))
    with opened(tiff([Page(tags=base.tags, tiles=base.tiles, subs=subs)], big=big), tmp_path) as regions:
        assert regions.levels == ((150, 210), (75, 105), (38, 53))
        assert np.array_equal(whole(regions, 2), halved(2))
        assert regions.about.left_out == 0


def test_memory_is_that_of_the_region_and_one_tile_however_large_the_slide(tmp_path: Path) -> None:
    side, tile = 1 << 17, 512
    count = (side // tile) ** 2
    packed = zlib.compress(bytes(tile * tile * 3), 9)
    made = page(np.zeros((1, 1, 3), np.uint8), (tile, tile), DEFLATE)
    listed = {"t256": ("I", (side,)), "t257": ("I", (side,)), "t325": ("I", (len(packed),) * count)}
    one = Page(tags=made.tagged(**listed, t324=("I", (8,) * count)).tags, tiles=(packed,))
    path = tmp_path / "large.tiff"
    path.write_bytes(tiff([one]))
    with open_regions(path) as regions:
        assert regions.shape == (side, side)
        tracemalloc.start()
        found = regions.read(0, side - 1500, side - 1500, 1500, 1500)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert not found.any()
    assert peak < found.nbytes + 8 * tile * tile * 3


def spoilt(**tags: Any) -> bytes:
    """A slide with some of its tags changed."""
    return tiff([page(slide()).tagged(**tags)])


KINDS = [
    ({"t259": ("H", (50001,))}, "R306"),
    ({"t259": ("H", (6,))}, "R306"),
    ({"t259": ("H", (LZW,)), "t317": ("H", (3,))}, "R306"),
    ({"t262": ("H", (3,))}, "R323"),
    ({"t262": ("H", (5,))}, "R323"),
    ({"t262": ("H", (6,))}, "R323"),
    ({"t277": ("H", (4,)), "t258": ("H", (8,) * 4)}, "R323"),
    ({"t258": ("H", (16,) * 3)}, "R323"),
    ({"t258": None}, "R323"),
    ({"t339": ("H", (3,) * 3)}, "R323"),
    ({"t284": ("H", (2,))}, "R323"),
    ({"t274": ("H", (6,))}, "R323"),
    ({"t324": None, "t325": None, "t254": ("I", (1,))}, "R325"),
    ({"t254": ("I", (1,))}, "R325"),
    ({"t256": None}, "R308"),
    ({"t257": ("I", (0,))}, "R308"),
    ({"t322": ("H", (0,))}, "R308"),
    ({"t323": None}, "R308"),
    ({"t262": None}, "R308"),
    ({"t256": ("I", (210, 210))}, "R308"),
]


@pytest.mark.parametrize(("tags", "code"), KINDS)
def test_a_kind_that_is_not_read_is_refused_with_its_reason(tmp_path: Path, tags: dict[str, Any], code: str) -> None:
    assert code_of(spoilt(**tags), tmp_path) == code


def test_a_picture_in_strips_is_refused_as_not_tiled(tmp_path: Path) -> None:
    strips = {"t322": None, "t323": None, "t273": ("I", (8,)), "t279": ("I", (99,))}
    made = page(slide()).tagged(**strips)
    assert code_of(tiff([Page(tags=made.tags, tiles=())]), tmp_path) == "R325"


def test_focal_planes_are_refused_not_chosen_from(tmp_path: Path) -> None:
    assert code_of(tiff([page(slide()), page(slide())]), tmp_path) == "R317"


BIG = 2**32 - 1
HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a start alone": lambda: b"II*\0",
    "no TIFF": lambda: b"GIF89a" * 9,
    "a BigTIFF of odd places": lambda: b"II+\0" + struct.pack("<HHQ", 4, 0, 16),
    "a first directory beyond the end": lambda: b"II*\0" + struct.pack("<I", BIG),
    "a directory that points to itself": lambda: _looped(8),
    "directories in a loop": lambda: _looped(0),
    "a directory without entries": lambda: b"II*\0" + struct.pack("<IHI", 8, 0, 0),
    "entries beyond the end": lambda: b"II*\0" + struct.pack("<IH", 8, 4000),
    "more entries than allowed": lambda: b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2**63) + bytes(99),
    "a tag twice": lambda: b"II*\0" + struct.pack("<IH", 8, 2) + 2 * struct.pack("<HHII", 256, 4, 1, 5) + bytes(4),
    "a tag beyond the end": lambda: _far(tiff([page(slide())]), 324),
    "places of tiles beyond the end": lambda: spoilt(t324=("I", (BIG,) * 15)),
    "lengths of tiles beyond the end": lambda: spoilt(t325=("I", (BIG,) * 15)),
    "empty tiles": lambda: spoilt(t325=("I", (0,) * 15)),
    "too few tiles": lambda: spoilt(t324=("I", (8,) * 14)),
    "too many tiles": lambda: spoilt(t325=("I", (8,) * 16)),
    "short tiles": lambda: spoilt(t325=("I", (100,) * 15)),
    "a place that wraps around": lambda: tiff([page(slide()).tagged(t324=("Q", (2**64 - 1,) * 15))], big=True),
}  # fmt: skip
HUGE: dict[str, Callable[[], bytes]] = {
    "a huge picture": lambda: spoilt(t256=("I", (BIG,)), t257=("I", (BIG,))),
    "a huge tile": lambda: spoilt(t322=("I", (BIG,)), t323=("I", (BIG,))),
    "a huge tile of one row": lambda: spoilt(t322=("I", (BIG,)), t323=("I", (1,))),
    "a number where bytes stand": lambda: spoilt(t347=("B", (1,) * 70000)),
}


def _looped(at: int) -> bytes:
    """Two pages of which the second leads back to the first, or one that leads to itself."""
    data = bytearray(tiff([page(slide())]))
    (first,) = struct.unpack("<I", data[4:8])
    end = link_at(bytes(data))
    if at:
        data[end : end + 4] = struct.pack("<I", first)
        return bytes(data)
    data[end : end + 4] = struct.pack("<I", len(data))
    copy = data[first:end]
    return bytes(data + copy + struct.pack("<I", first))


def _far(data: bytes, tag: int) -> bytes:
    """The values of a tag placed at the end of the file."""
    at = data.index(struct.pack("<HH", tag, 4), struct.unpack("<I", data[4:8])[0])
    return data[: at + 8] + struct.pack("<I", len(data) - 4) + data[at + 12 :]


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_whose_parts_do_not_lie_in_it_is_damaged(tmp_path: Path, data: Callable[[], bytes]) -> None:
    assert code_of(data(), tmp_path) == "R302"


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE.keys())
def test_sizes_beyond_reason_are_refused_before_memory_is_taken(tmp_path: Path, data: Callable[[], bytes]) -> None:
    written = data()
    tracemalloc.start()
    code = code_of(written, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code == "R308"
    assert peak < 1 << 20


def test_sub_directories_that_lead_to_their_parent_end(tmp_path: Path) -> None:
    base = page(slide())
    data = tiff([base.tagged(t330=("I", (0,)))])
    first = data[4:8]
    at = data.index(struct.pack("<HHI", 330, 4, 1))
    with opened(data[: at + 8] + first + data[at + 12 :], tmp_path) as regions:
        assert regions.levels == ((150, 210),)


def test_a_bomb_in_a_tile_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    bombs = {DEFLATE: zlib.compress(bytes(1 << 26), 9), LZW: bytes(imagecodecs.lzw_encode(bytes(1 << 22)))}
    for compression, bomb in bombs.items():
        made = page(slide(), (512, 512), compression)
        path = tmp_path / "bomb.tiff"
        path.write_bytes(tiff([Page(tags=made.tags, tiles=(bomb,))]))
        with open_regions(path) as regions:
            tracemalloc.start()
            if compression == DEFLATE:
                with pytest.raises(ReadError, match="more than 786432 bytes"):
                    whole(regions)
            else:
                assert not whole(regions).any()  # as many bytes as the tile has, and no more
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 1 << 23


def test_a_jpeg_bomb_in_a_tile_is_refused_by_its_header(tmp_path: Path) -> None:
    large = bytes(imagecodecs.jpeg8_encode(np.zeros((4000, 4000, 3), np.uint8)))
    made = page(slide(), (256, 256), JPEG)
    assert len(large) < 2 * 256 * 256 * 3
    with (
        pytest.raises(ReadError, match="not of its own size"),
        opened(tiff([Page(tags=made.tags, tiles=(large,))]), tmp_path) as regions,
    ):
        whole(regions)


def _cut(tile: bytes) -> bytes:
    return tile[: len(tile) * 2 // 3]


def _turned(tile: bytes) -> bytes:
    middle = len(tile) // 2
    return tile[:middle] + bytes(255 - value for value in tile[middle : middle + 40]) + tile[middle + 40 :]


@pytest.mark.parametrize("spoil", [_cut, _turned])
@pytest.mark.parametrize("compression", [DEFLATE, JPEG])
def test_a_damaged_tile_is_told_and_the_others_are_read(
    tmp_path: Path, compression: int, spoil: Callable[[bytes], bytes]
) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (128, 96, 3), dtype=np.uint8)
    made = page(noise, (64, 48), compression)
    tiles = (made.tiles[0], spoil(made.tiles[1]), *made.tiles[2:])
    with opened(tiff([Page(tags=made.tags, tiles=tiles)]), tmp_path) as regions:
        with pytest.raises(ReadError) as caught:
            whole(regions)
        assert caught.value.reason.code == "R302"
        assert regions.read(0, 64, 0, 64, 96).shape == (64, 96, 3)


JPEGS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JPEG": (lambda _: b"nothing of the kind", "R302"),
    "a start alone": (lambda _: b"\xff\xd8", "R302"),
    "no marker": (lambda tile: tile[:2] + b"\0\0\0\4" + tile[2:], "R302"),
    "a segment without a size": (lambda tile: tile[:2] + b"\xff\xe1\0\0" + tile[2:], "R302"),
    "a segment beyond the end": (lambda tile: tile[:2] + b"\xff\xe1\xff\xff", "R302"),
    "no tables": (without_tables, "R302"),
    "12 bits": (lambda tile: tile.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "R306"),
    "lossless": (lambda tile: tile.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"), "R306"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "code"), JPEGS.values(), ids=JPEGS.keys())
def test_a_tile_that_is_no_whole_jpeg_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], code: str) -> None:
    made = page(slide(), (256, 256), JPEG)
    assert code_of(tiff([Page(tags=made.tags, tiles=tuple(map(spoil, made.tiles)))]), tmp_path) == code


def test_a_tile_that_contradicts_the_colours_of_its_directory_is_refused(tmp_path: Path) -> None:
    made = page(slide(), compression=JPEG, photometric=6).tagged(t262=("H", (2,)))
    assert code_of(tiff([made]), tmp_path) == "R323"


def test_a_fill_byte_before_a_marker_is_allowed(tmp_path: Path) -> None:
    made = page(slide(), (256, 256), JPEG)
    padded = tuple(tile[:2] + b"\xff" + tile[2:] for tile in made.tiles)
    with opened(tiff([Page(tags=made.tags, tiles=padded)]), tmp_path) as regions:
        assert np.abs(whole(regions).astype(int) - slide()).mean() < 1.5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.integers(0, 10**6), min_size=1, max_size=6), values=st.lists(st.integers(0, 255), min_size=6))
def test_a_file_with_changed_bytes_is_read_or_refused_and_nothing_else(
    tmp_path: Path, places: list[int], values: list[int]
) -> None:
    data = bytearray(tiff([page(slide(40, 50), (32, 32), DEFLATE), page(slide(20, 25), (16, 16))]))
    front = list(range(16)) + [at for at in range(len(data)) if at > 2000]  # most of all the directories
    for place, value in zip(places, values, strict=False):
        data[front[place % len(front)]] = value
    assert outcome(bytes(data), tmp_path) in {"read", "R302", "R306", "R308", "R317", "R323", "R325"}


def outcome(data: bytes, folder: Path) -> str:
    """What comes of a file: its levels are read, or the code of its refusal."""
    try:
        with opened(data, folder) as regions:
            for level, (rows, columns) in enumerate(regions.levels):
                regions.read(level, 0, 0, min(rows, 64), min(columns, 64))
    except ReadError as error:
        return error.reason.code
    return "read"


def test_a_file_that_shrinks_while_it_is_open_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "slide.tiff"
    path.write_bytes(tiff([page(slide())]))
    with open_regions(path) as regions:
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(ReadError, match="cut short") as caught:
            whole(regions)
    assert caught.value.reason.code == "R302"


def test_a_refused_file_is_closed(tmp_path: Path) -> None:
    with pytest.raises(ReadError):
        opened(b"II*\0" + bytes(4), tmp_path)  # a file left open would be a warning, and so an error
