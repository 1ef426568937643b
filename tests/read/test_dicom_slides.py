"""Whole slides in DICOM: any region of any level on its pixels, in bounded memory; what cannot be read is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import ReadError, UsageError
from edge.read.dicom.boundary import quiet
from edge.read.dicom.slide import open_slide
from edge.read.isolate import ScanReader
from edge.read.tiling import Regions
from edge.scan import Series
from tests.read.dicom_files import item
from tests.read.slide_files import JPEG, JPEG_2000, JPEG_2000_LOSSY, NATIVE, level, sparse, write
from tests.read.tiled_files import slide
from tests.slides import SMALL_BYTES, halved, tissue

Pixels = NDArray[np.uint8]
PIXELS = slide()
LARGE = tissue(blobs=[(300, 500, 319, 529)])


def opened(folder: Path) -> Regions:
    with quiet():
        return open_slide(sorted(str(path) for path in folder.iterdir()))


def whole(regions: Regions, index: int = 0) -> Pixels:
    with quiet():
        return regions.read(index, 0, 0, *regions.levels[index])


def read_back(ds: Dataset, folder: Path) -> Pixels:
    with opened(write(folder, [ds])) as regions:
        return whole(regions)


def code_of(folder: Path) -> str:
    with pytest.raises(ReadError) as caught:
        opened(folder)
    return caught.value.reason.code


# Pixels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [NATIVE, JPEG_2000])
@pytest.mark.parametrize("tile", [(64, 48), (17, 200), (150, 210), (300, 300)])
def test_what_was_written_without_loss_is_read_exactly(tmp_path: Path, syntax: str, tile: tuple[int, int]) -> None:
    assert np.array_equal(read_back(level(PIXELS, syntax=syntax, tile=tile), tmp_path), PIXELS)


@pytest.mark.parametrize(("syntax", "apart"), [(JPEG, 6), (JPEG_2000_LOSSY, 6)])
def test_lossy_tiles_are_decoded_in_their_colours(tmp_path: Path, syntax: str, apart: int) -> None:
    with opened(write(tmp_path, [level(PIXELS, syntax=syntax)])) as regions:
        found = whole(regions)
        assert regions.about.is_lossy
    assert np.abs(found.astype(int) - PIXELS).mean() < apart
    assert np.abs(found.astype(int).mean(axis=(0, 1)) - PIXELS.mean(axis=(0, 1))).max() < 1.0


def test_a_grey_slide_has_three_equal_channels(tmp_path: Path) -> None:
    grey = slide(grey=True)
    with opened(write(tmp_path, [level(grey)])) as regions:
        assert np.array_equal(whole(regions), np.stack([grey] * 3, axis=-1))
        assert regions.about.is_grey
        assert not regions.about.is_lossy


def test_sparse_frames_lie_where_they_say_in_any_order(tmp_path: Path) -> None:
    assert np.array_equal(read_back(sparse(PIXELS), tmp_path), PIXELS)


def test_tiles_that_were_not_scanned_are_white_and_that_is_said(tmp_path: Path) -> None:
    with opened(write(tmp_path, [sparse(PIXELS, kept=[7, 3, 0])])) as regions:
        found = whole(regions)
        assert regions.about.words == ("12 of its 15 tiles were not scanned and are white.",)
    expected = np.full_like(PIXELS, 255)
    for down, along in ((0, 0), (0, 3), (1, 2)):
        part = np.s_[down * 64 : (down + 1) * 64, along * 48 : (along + 1) * 48]
        expected[part] = PIXELS[part]
    assert np.array_equal(found, expected)


def test_frames_in_several_fragments_are_found_by_the_table_of_offsets(tmp_path: Path) -> None:
    made = level(PIXELS, syntax=JPEG_2000, fragments=3)
    assert np.array_equal(read_back(made, tmp_path), PIXELS)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The largest level last, by name."""
    levels = [halved(PIXELS, times) for times in range(3)]
    names = ("c", "a", "b")
    made = {name: level(pixels, tile=(32, 48)) for name, pixels in zip(names, levels, strict=True)}
    return write(tmp_path_factory.mktemp("pyramid"), made)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(numbers=st.tuples(*[st.integers(0, 2**16)] * 5))
def test_any_region_is_that_part_of_its_level(pyramid: Path, numbers: tuple[int, ...]) -> None:
    with opened(pyramid) as regions:
        index = numbers[0] % 3
        pixels = halved(PIXELS, index)
        assert regions.levels[index] == pixels.shape[:2]
        y, x = numbers[1] % pixels.shape[0], numbers[2] % pixels.shape[1]
        height, width = 1 + numbers[3] % (pixels.shape[0] - y), 1 + numbers[4] % (pixels.shape[1] - x)
        with quiet():
            found = regions.read(index, y, x, height, width)
        assert np.array_equal(found, pixels[y : y + height, x : x + width])


def test_highdicom_finds_the_same_pixels(tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    folder = write(tmp_path, [level(PIXELS, syntax=JPEG_2000)])
    image = highdicom.imread(folder / "0.dcm")
    expected = np.asarray(image.get_total_pixel_matrix(apply_icc_profile=False))
    assert np.array_equal(read_back(level(PIXELS, syntax=JPEG_2000), tmp_path / "again"), expected)


def test_memory_is_that_of_the_region_and_one_tile(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.uint8(90), (4000, 5000, 3))
    folder = write(tmp_path, [level(pixels, syntax=JPEG, tile=(256, 256))])
    with opened(folder) as regions, quiet():
        regions.read(0, 0, 0, 10, 10)
        tracemalloc.start()
        found = regions.read(0, 3000, 3000, 600, 700)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < found.nbytes + 12 * 256 * 256 * 3  # a tile, its float values while its colours are turned
    assert np.abs(found.astype(int) - 90).max() <= 2


# Through the reading process -----------------------------------------------------------------------------


@pytest.fixture
def reader() -> Iterator[ScanReader]:
    with ScanReader(limit_bytes=SMALL_BYTES) as reading:
        yield reading


def only_series(reader: ScanReader, folder: Path) -> Series:
    (study,) = reader.index(folder).result().studies
    (series,) = study.series
    return series


def large(folder: Path, **elements: Any) -> Path:
    return write(folder, [level(halved(LARGE, times), tile=(128, 128), **elements) for times in range(3)])


def test_levels_are_one_series_of_one_picture(reader: ScanReader, tmp_path: Path) -> None:
    series = only_series(reader, large(tmp_path))
    assert (series.pictures, series.bytes, len(series.paths)) == (1, SMALL_BYTES, 3)
    assert series.acquisition.modality == "SM"
    assert series.acquisition.captured is not True


def test_a_slide_is_read_region_by_region_and_shown_small(reader: ScanReader, tmp_path: Path) -> None:
    scan = reader.load(only_series(reader, large(tmp_path))).result()
    assert scan.slide is not None
    assert scan.slide.levels == tuple(halved(LARGE, times).shape[:2] for times in range(3))
    for index in range(3):
        found = scan.slide.read(index, 60, 70, 90, 120)
        assert np.array_equal(found, halved(LARGE, index)[60:150, 70:190])
    assert np.abs(scan.voxels[0].astype(int) - halved(LARGE, 1)).max() <= 1
    assert scan.slide.grid.pixel_spacing_mm == pytest.approx((0.0005, 0.0005))
    assert len({source.sha256 for source in scan.sources}) == 3
    assert scan.sources[0].sop_class_uid is not None


def test_a_slide_that_fits_is_a_picture_like_any_other(tmp_path: Path) -> None:
    with ScanReader() as reader:
        scan = reader.load(only_series(reader, large(tmp_path))).result()
    assert scan.slide is None
    assert np.array_equal(scan.voxels[0], LARGE)


def test_labels_and_pictures_of_the_glass_are_left_out_and_say_so(reader: ScanReader, tmp_path: Path) -> None:
    levels = [level(LARGE, tile=(128, 128))]
    for number, kind in enumerate(("LABEL", "OVERVIEW", "THUMBNAIL")):
        levels.append(level(PIXELS, ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"], SOPInstanceUID=f"1.2.3.{number}"))
    found = reader.index(write(tmp_path, levels)).result()
    assert [(out.reason.code, out.reason.grave) for out in found.left_out] == [("R340", False)] * 3
    (series,) = found.studies[0].series
    assert len(series.paths) == 1


def test_a_file_that_was_changed_meanwhile_is_no_answer(reader: ScanReader, tmp_path: Path) -> None:
    scan = reader.load(only_series(reader, large(tmp_path))).result()
    smallest = tmp_path / "2.dcm"
    smallest.write_bytes(smallest.read_bytes() + b"\0\0")
    assert scan.slide is not None
    with pytest.raises(ReadError, match=r"'2\.dcm'.*changed"):
        scan.slide.read(0, 0, 0, 8, 8)


def test_a_region_outside_is_the_callers_mistake(pyramid: Path) -> None:
    with opened(pyramid) as regions, pytest.raises(UsageError, match="expected a region within"):
        regions.read(0, 100, 0, 60, 10)


# Lies ----------------------------------------------------------------------------------------------------

KINDS: list[tuple[Callable[[], Dataset], str]] = [
    (lambda: level(PIXELS, NumberOfOpticalPaths=2), "R317"),
    (lambda: level(PIXELS, TotalPixelMatrixFocalPlanes=3), "R317"),
    (lambda: level(PIXELS, ConcatenationUID="1.2.3"), "R323"),
    (lambda: level(PIXELS, Modality=None), "R308"),
    (lambda: level(PIXELS, TotalPixelMatrixRows=None), "R308"),
    (lambda: level(PIXELS, TotalPixelMatrixRows=0), "R308"),
    (lambda: level(PIXELS, TotalPixelMatrixRows=151 * 64), "R302"),
    (lambda: level(PIXELS, BitsStored=7, HighBit=6), "R323"),
    (lambda: level(PIXELS, DimensionOrganizationType="TILED_SPARSE"), "R308"),
    (lambda: level(PIXELS, ImageType=["ORIGINAL", "PRIMARY"]), "R340"),
    (lambda: level(PIXELS, TotalPixelMatrixRows=2**31 - 1, TotalPixelMatrixColumns=2**31 - 1), "R308"),
]


@pytest.mark.parametrize(("make", "code"), KINDS)
def test_what_is_no_level_that_can_be_read_is_refused(tmp_path: Path, make: Callable[[], Dataset], code: str) -> None:
    assert code_of(write(tmp_path, [make()])) == code


def moved(row: int, column: int) -> Dataset:
    """A sparse level whose first frame says that it lies elsewhere."""
    ds = sparse(PIXELS)
    where = ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSlideSequence[0]
    where.RowPositionInTotalImagePixelMatrix, where.ColumnPositionInTotalImagePixelMatrix = row, column
    return ds


@pytest.mark.parametrize(
    ("row", "column", "code"), [(1, 1, "R317"), (2, 1, "R323"), (1, 0, "R308"), (-63, 1, "R308"), (1, 241, "R308")]
)
def test_frames_that_lie_on_each_other_or_outside_are_refused(tmp_path: Path, row: int, column: int, code: str) -> None:
    assert code_of(write(tmp_path, [moved(row, column)])) == code


def test_two_levels_of_one_size_are_not_chosen_between(tmp_path: Path) -> None:
    assert code_of(write(tmp_path, [level(PIXELS), level(PIXELS, SOPInstanceUID="1.2.3")])) == "R317"


@pytest.mark.parametrize("told", [{"ContainerIdentifier": "B-2"}, {"ImageOrientationSlide": [0, 1, 0, -1, 0, 0]}])
def test_levels_of_another_glass_or_the_other_way_round_are_not_mixed(tmp_path: Path, told: dict[str, Any]) -> None:
    levels = [level(PIXELS, ContainerIdentifier="B-1"), level(halved(PIXELS, 1), ContainerIdentifier="B-1")]
    with opened(write(tmp_path / "one", levels)) as regions:
        assert len(regions.levels) == 2
    levels[1] = level(halved(PIXELS, 1), **{"ContainerIdentifier": "B-1", **told})
    assert code_of(write(tmp_path / "two", levels)) == "R317"


def test_what_is_left_out_of_a_slide_is_never_said_to_be_labels_alone(tmp_path: Path) -> None:
    folder = write(tmp_path, [level(PIXELS), level(PIXELS[:60, :60], SOPInstanceUID="1.2.3")])
    with ScanReader() as reader:
        (words,) = reader.load(only_series(reader, folder)).result().warnings
    assert words == (
        "1 other pictures (labels, thumbnails, or parts in other proportions) were left out: the model saw none of "
        "them."
    )


def test_a_level_of_other_proportions_is_left_out(tmp_path: Path) -> None:
    with opened(write(tmp_path, [level(PIXELS), level(PIXELS[:60, :60])])) as regions:
        assert regions.levels == (PIXELS.shape[:2],)
        assert regions.about.left_out == 1


def cut_items(ds: Dataset) -> Dataset:
    """The last tile is not there."""
    ds.PixelData = ds.PixelData[: -len(ds.PixelData) // 6]
    return ds


def other_sizes(ds: Dataset) -> Dataset:
    """The codestreams are those of smaller tiles."""
    smaller = level(PIXELS[:64, :48], syntax=JPEG, tile=(32, 24))
    ds.PixelData = ds.PixelData.replace(ds.PixelData, smaller.PixelData)
    ds.NumberOfFrames, ds.TotalPixelMatrixRows, ds.TotalPixelMatrixColumns = 4, 128, 96
    return ds


def test_missing_frames_are_damage(tmp_path: Path) -> None:
    assert code_of(write(tmp_path, [cut_items(level(PIXELS, syntax=JPEG))])) == "R302"


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    folder = write(tmp_path, [other_sizes(level(PIXELS, syntax=JPEG))])
    with opened(folder) as regions, quiet(), pytest.raises(ReadError) as caught:
        regions.read(0, 0, 0, 10, 10)
    assert caught.value.reason.code == "R302"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(300, 20_000), value=st.integers(0, 255))
def test_a_file_with_a_changed_byte_is_read_or_refused_and_nothing_else(tmp_path: Path, at: int, value: int) -> None:
    folder = write(tmp_path, [level(PIXELS, syntax=JPEG, tile=(64, 96))])
    data = bytearray((folder / "0.dcm").read_bytes())
    data[at % len(data)] = value
    (folder / "0.dcm").write_bytes(data)
    try:
        with opened(folder) as regions:
            if np.prod(regions.shape) < 1 << 22:
                whole(regions)
    except (ReadError, UsageError):
        pass


def test_many_sparse_frames_are_placed(tmp_path: Path) -> None:
    """They take more than one element of a header may without being passed over at first."""
    pixels = np.random.default_rng(1).integers(0, 255, (128, 160, 3), dtype=np.uint8)
    made = sparse(pixels, tile=(4, 4))
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.FrameContentSequence = [item(FrameComments="x" * 1000)]
    folder = write(tmp_path, [made])
    assert (folder / "0.dcm").stat().st_size - pixels.nbytes > 1 << 20
    with opened(folder) as regions, quiet():
        assert np.array_equal(regions.read(0, 50, 30, 12, 100), pixels[50:62, 30:130])


def test_two_patients_in_one_series_are_never_one_slide(tmp_path: Path) -> None:
    levels = [level(halved(LARGE, times), PatientBirthDate=f"190{times}0101") for times in range(2)]
    folder = write(tmp_path, levels)
    with ScanReader() as reader:
        series = only_series(reader, folder)
        with pytest.raises(ReadError) as caught:
            reader.load(series).result()
    assert caught.value.reason.code == "R310"
