"""Slides through the reading process: shown small, read region by region, and never trusted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ReadError, UsageError
from edge.geometry import index_map
from edge.read.isolate import ScanReader
from edge.read.messages import Loaded, Pyramid, loaded_of, scan_of
from edge.reasons import DAMAGED, DECODER_DIED
from edge.scan import Scan, Series
from tests.read.tiled_files import tiff
from tests.slides import SMALL_BYTES, halved, slide_pages, tissue, write_slide

PIXELS = tissue(blobs=[(300, 500, 319, 529)])


@pytest.fixture
def reader() -> Iterator[ScanReader]:
    with ScanReader(limit_bytes=SMALL_BYTES) as reading:
        yield reading


def series_at(reader: ScanReader, path: Path) -> Series:
    (study,) = reader.index(path).result().studies
    (series,) = study.series
    return series


def load(reader: ScanReader, path: Path) -> Scan:
    return reader.load(series_at(reader, path)).result()


def test_a_slide_is_announced_as_one_picture_that_fits(reader: ScanReader, tmp_path: Path) -> None:
    series = series_at(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert (series.pictures, series.bytes) == (1, SMALL_BYTES)
    assert series.acquisition.photometric == "RGB"


def test_regions_of_every_level_are_those_of_the_file(reader: ScanReader, tmp_path: Path) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert scan.slide is not None
    assert scan.slide.levels == tuple(halved(PIXELS, level).shape[:2] for level in range(3))
    for level in range(3):
        found = scan.slide.read(level, 60, 70, 90, 120)
        np.testing.assert_array_equal(found, halved(PIXELS, level)[60:150, 70:190])


@pytest.mark.parametrize("levels", [1, 3])
def test_a_slide_is_shown_small_and_in_its_place(reader: ScanReader, tmp_path: Path, levels: int) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS, levels=levels))
    assert scan.slide is not None
    assert scan.voxels.nbytes <= SMALL_BYTES
    np.testing.assert_allclose(scan.voxels[0].astype(float), halved(PIXELS, 1), atol=1)
    np.testing.assert_allclose(index_map(scan.slide.grid, scan.grid)[:3, 3], [0.0, 0.5, 0.5])
    assert scan.slide.grid.pixel_spacing_mm == pytest.approx((0.0005, 0.0005))


def test_a_size_that_no_factor_divides_is_shown_to_its_edge(reader: ScanReader, tmp_path: Path) -> None:
    pixels = tissue((901, 1303))
    scan = load(reader, write_slide(tmp_path / "a.tif", pixels, levels=1))
    assert scan.voxels.shape == (1, 451, 652, 3)
    np.testing.assert_allclose(scan.voxels[0, :450, :651].astype(float), halved(pixels, 1), atol=1)


def test_a_slide_that_fits_is_a_picture_like_any_other(tmp_path: Path) -> None:
    with ScanReader(limit_bytes=1 << 30) as reader:
        scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert scan.slide is None
    np.testing.assert_array_equal(scan.voxels[0], PIXELS)
    assert scan.grid.pixel_spacing_mm == pytest.approx((0.0005, 0.0005))


def test_a_jpeg_slide_says_that_detail_was_lost(reader: ScanReader, tmp_path: Path) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS, lossy=True))
    assert scan.acquisition.lossy is True


@pytest.mark.parametrize(("um", "told"), [(0.04, False), (0.05, True), (10.0, True), (11.0, False), (None, False)])
def test_only_what_a_microscope_sees_is_taken_for_the_size_of_a_pixel(
    reader: ScanReader, tmp_path: Path, um: float | None, *, told: bool
) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS, um=um))
    assert (scan.grid.space == "detector") is told


def test_two_full_pictures_in_one_file_are_not_chosen_between(reader: ScanReader, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([*slide_pages(PIXELS, levels=1), *slide_pages(tissue((300, 900)), levels=1)], big=True))
    found = reader.index(path).result()
    assert [out.reason.code for out in found.left_out] == ["R317"]


# What goes wrong while it is read ------------------------------------------------------------------------


def test_a_child_that_dies_is_replaced_and_the_next_region_comes(reader: ScanReader, tmp_path: Path) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert scan.slide is not None
    before = reader.child_pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    while os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT) is None:
        pass
    np.testing.assert_array_equal(scan.slide.read(0, 0, 0, 10, 10), PIXELS[:10, :10])
    assert reader.child_pid not in (None, before)


def test_a_file_that_was_cut_short_meanwhile_is_damaged(reader: ScanReader, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "a.tif", PIXELS)
    scan = load(reader, path)
    assert scan.slide is not None
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ReadError) as caught:
        scan.slide.read(0, 0, 0, 10, 10)
    assert caught.value.reason is DAMAGED


def test_a_region_beyond_the_slide_is_no_answer(reader: ScanReader, tmp_path: Path) -> None:
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert scan.slide is not None
    with pytest.raises(ReadError) as caught:
        scan.slide.read(0, 890, 0, 11, 10)
    assert caught.value.reason is DAMAGED


def test_a_closed_reader_starts_no_process_for_a_region(tmp_path: Path) -> None:
    with ScanReader(limit_bytes=SMALL_BYTES) as reader:
        scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    assert scan.slide is not None
    with pytest.raises(UsageError, match="closed"):
        scan.slide.read(0, 0, 0, 10, 10)
    assert reader.child_pid is None


@pytest.mark.parametrize("in_place", [False, True])
def test_a_slide_that_was_changed_meanwhile_is_no_answer(reader: ScanReader, tmp_path: Path, in_place: bool) -> None:
    """Its hash is in the report: what is read later must be of the same file."""
    scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
    other = write_slide(tmp_path / "b.tif", tissue(seed=9))
    assert scan.slide is not None
    if in_place:
        (tmp_path / "a.tif").write_bytes(other.read_bytes())
    else:
        other.replace(tmp_path / "a.tif")
    with pytest.raises(ReadError, match=r"'a\.tif': it was changed while it was examined") as caught:
        scan.slide.read(0, 300, 500, 4, 4)
    assert caught.value.reason is DAMAGED


def test_several_slides_are_read_in_turns(reader: ScanReader, tmp_path: Path) -> None:
    other = tissue(seed=9)
    scans = [
        load(reader, write_slide(tmp_path / "a.tif", PIXELS)),
        load(reader, write_slide(tmp_path / "b.tif", other)),
    ]
    for _ in range(2):
        for scan, pixels in zip(scans, (PIXELS, other), strict=True):
            assert scan.slide is not None
            np.testing.assert_array_equal(scan.slide.read(0, 400, 500, 30, 40), pixels[400:430, 500:540])


# What the child may say ----------------------------------------------------------------------------------


def said(scan: Scan, **changes: object) -> Loaded:
    loaded = loaded_of(scan)
    assert loaded.slide is not None
    return replace(loaded, slide=replace(loaded.slide, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"levels": ()}, {"levels": ((900, 1300), (0, 5))}, {"levels": ((899, 1300),)}])
def test_a_slide_whose_levels_contradict_its_grid_is_not_believed(
    reader: ScanReader, tmp_path: Path, changes: dict[str, object]
) -> None:
    path = write_slide(tmp_path / "a.tif", PIXELS)
    series = series_at(reader, path)
    scan = reader.load(series).result()
    raw = bytearray(scan.voxels.tobytes())
    with pytest.raises(ValueError, match="contradict"):
        scan_of(said(scan, **changes), raw, series, lambda *_: scan.voxels)


def test_a_slide_in_another_space_than_its_picture_is_not_believed(reader: ScanReader, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "a.tif", PIXELS)
    series = series_at(reader, path)
    scan = reader.load(series).result()
    assert scan.slide is not None
    elsewhere = Pyramid(grid=replace(scan.slide.grid, space="patient"), levels=scan.slide.levels)
    loaded = replace(loaded_of(scan), slide=elsewhere)
    with pytest.raises(ValueError, match="contradict"):
        scan_of(loaded, bytearray(scan.voxels.tobytes()), series, lambda *_: scan.voxels)


def test_a_decoder_that_hangs_over_a_region_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScanReader(limit_bytes=SMALL_BYTES) as reader:
        scan = load(reader, write_slide(tmp_path / "a.tif", PIXELS))
        assert scan.slide is not None
        assert reader.child_pid is not None
        monkeypatch.setattr(reader, "seconds", 0.6)
        os.kill(reader.child_pid, signal.SIGSTOP)
        with pytest.raises(ReadError) as caught:
            scan.slide.read(0, 0, 0, 10, 10)
    assert caught.value.reason.code in ("R304", DECODER_DIED.code)
