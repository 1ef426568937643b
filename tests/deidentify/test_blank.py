"""Where a box of text is, the pixels are dark, and nothing else of the picture is changed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from edge.deidentify import blank
from edge.deidentify.blank import Blanked, blank_text, clear_unused_bits, text_mask
from edge.deidentify.burned_in import TextBox
from edge.errors import ReadError
from edge.reasons import MOSTLY_TEXT, TEXT_NOT_BLANKED

ROWS, COLUMNS = 12, 16
BOX = TextBox(row_start=2, row_stop=5, column_start=3, column_stop=9, score=0.9)
INSIDE = (slice(2, 5), slice(3, 9))
Array = NDArray[Any]


def noise(*shape: int, dtype: str = "u1", low: int = 1, high: int = 200) -> Array:
    return np.asarray(np.random.default_rng(0).integers(low, high, shape), dtype)


def dataset_of(values: Array, photometric: str = "MONOCHROME2", **attributes: Any) -> FileDataset:
    """Frames as (rows, columns) or (rows, columns, 3), or several of them in front."""
    colour = photometric.startswith(("RGB", "YBR"))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    if values.ndim > (3 if colour else 2):
        dataset.NumberOfFrames = len(values)
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.add_new("PixelData", "OW" if values.dtype.itemsize > 1 else "OB", values.tobytes())
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset) -> FileDataset:
    """The dataset after it was a file."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pydicom.dcmread(file)


def pixels_of(dataset: Dataset) -> Array:
    return np.asarray(written(dataset).pixel_array)


@pytest.fixture
def one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame shows text in `BOX`."""
    monkeypatch.setattr(blank, "find_text", lambda _: (BOX,))


@pytest.fixture
def only_bright(monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    """Frames show text in `BOX` whose first pixel is the brightest; the frames that were looked at."""
    looked: list[Array] = []

    def find(frame: Array) -> tuple[TextBox, ...]:
        if frame.ndim == 2:  # the second look at a frame in colour
            return ()
        looked.append(frame)
        return (BOX,) if frame[0, 0].max() == 255 else ()

    monkeypatch.setattr(blank, "find_text", find)
    return looked


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blank, "find_text", lambda _: ())


def expected(values: Array, dark: Any) -> Array:
    blanked: Array = values.copy()
    blanked[INSIDE] = dark
    return blanked


@pytest.mark.usefixtures("one_box")
@pytest.mark.parametrize(
    ("values", "photometric", "dark"),
    [
        (noise(ROWS, COLUMNS), "MONOCHROME2", 1),
        (noise(ROWS, COLUMNS), "MONOCHROME1", 199),
        (noise(ROWS, COLUMNS, dtype="<i2", low=-1000, high=-10), "MONOCHROME2", None),
        (noise(ROWS, COLUMNS, dtype="<u4", high=100_000), "MONOCHROME2", None),
        (noise(ROWS, COLUMNS, 3), "RGB", 0),
        (noise(ROWS, COLUMNS, 3, dtype="<u2", high=60_000), "RGB", 0),
    ],
    ids=["grey", "inverse grey", "signed", "32 bits", "colour", "deep colour"],
)
def test_a_box_becomes_dark_and_all_else_stays(values: Array, photometric: str, dark: int | None) -> None:
    dataset = dataset_of(values, photometric)
    blanked = blank_text(dataset)
    dark = values.min() if dark is None else dark
    assert (pixels_of(dataset) == expected(values, dark)).all()
    share = 18 / (ROWS * COLUMNS)
    assert (blanked.frames, blanked.frames_with_text, blanked.share, blanked.changed) == (1, 1, share, True)


@pytest.mark.usefixtures("one_box")
def test_a_palette_is_kept_and_its_darkest_entry_blanks() -> None:
    values = noise(ROWS, COLUMNS, high=4)
    dataset = dataset_of(values, "PALETTE COLOR")
    for colour, entries in (("Red", [90, 255, 0, 70]), ("Green", [90, 255, 0, 70]), ("Blue", [90, 255, 9, 70])):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [300, 0, 16])
        beyond = [0] * 44  # entries that no stored value of 8 bits reaches
        table = (np.array(entries + [90] * 252 + beyond) * 256).astype("<u2").tobytes()
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table)
    blank_text(dataset)
    assert dataset.PhotometricInterpretation == "PALETTE COLOR"
    assert (pixels_of(dataset) == expected(values, 2)).all()


@pytest.mark.usefixtures("one_box")
def test_colour_by_plane_becomes_colour_by_pixel() -> None:
    values = noise(ROWS, COLUMNS, 3)
    dataset = dataset_of(values, "RGB", PlanarConfiguration=1, PixelData=values.transpose(2, 0, 1).tobytes())
    blank_text(dataset)
    assert dataset.PlanarConfiguration == 0
    assert (pixels_of(dataset) == expected(values, 0)).all()


@pytest.mark.usefixtures("one_box")
def test_ybr_becomes_rgb() -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS, 3, low=128, high=129), "YBR_FULL")
    blank_text(dataset)
    assert dataset.PhotometricInterpretation == "RGB"
    assert (pixels_of(dataset) == expected(np.full((ROWS, COLUMNS, 3), 128, np.uint8), 0)).all()


def test_what_one_frame_shows_is_blanked_in_all(only_bright: list[Array]) -> None:
    values = noise(4, ROWS, COLUMNS, 3)
    values[2, 0, 0] = 255
    dataset = dataset_of(values, "RGB")
    blanked = blank_text(dataset)
    assert (pixels_of(dataset) == np.stack([expected(frame, 0) for frame in values])).all()
    assert (blanked.frames, blanked.frames_with_text, blanked.boxes) == (4, 1, 1)
    assert len(only_bright) == 4


def test_what_one_tile_shows_is_blanked_in_that_tile(only_bright: list[Array]) -> None:
    values = noise(4, ROWS, COLUMNS, 3)
    values[2, 0, 0] = 255
    dataset = dataset_of(values, "RGB", TotalPixelMatrixRows=2 * ROWS, TotalPixelMatrixColumns=2 * COLUMNS)
    blanked = blank_text(dataset)
    assert (pixels_of(dataset) == np.stack([*values[:2], expected(values[2], 0), values[3]])).all()
    assert blanked.frames_with_text == 1
    assert blanked.share == pytest.approx(18 / (4 * ROWS * COLUMNS))
    assert len(only_bright) == 4


def test_frames_that_are_the_same_are_looked_at_once_and_counted_each(only_bright: list[Array]) -> None:
    frame = noise(ROWS, COLUMNS, 3)
    frame[0, 0] = 255
    dataset = dataset_of(np.stack([frame] * 5), "RGB")
    blanked = blank_text(dataset)
    assert (blanked.frames, blanked.frames_with_text, blanked.boxes, len(only_bright)) == (5, 5, 5, 1)


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("uid", [ExplicitVRLittleEndian, RLELossless])
def test_a_picture_without_text_keeps_every_byte(uid: str) -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS), SmallestImagePixelValue=1)
    if uid == RLELossless:
        dataset.compress(RLELossless)
    before = written(dataset)
    assert blank_text(dataset) == Blanked(frames=1)
    assert written(dataset) == before
    assert dataset.file_meta.TransferSyntaxUID == uid


def in_jpeg_ls(dataset: FileDataset) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    coded = imagecodecs.jpegls_encode(dataset.pixel_array)
    dataset.add_new("PixelData", "OB", encapsulate([coded]))
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless


@pytest.mark.usefixtures("one_box")
@pytest.mark.parametrize("pack", [lambda dataset: dataset.compress(RLELossless), in_jpeg_ls], ids=["RLE", "JPEG-LS"])
def test_a_compressed_picture_is_stored_plainly(pack: Callable[[FileDataset], None]) -> None:
    values = noise(ROWS, COLUMNS, dtype="<u2", high=4000)
    dataset = dataset_of(values)
    pack(dataset)
    blank_text(dataset)
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (pixels_of(dataset) == expected(values, values.min())).all()
    assert "LossyImageCompression" not in dataset


@pytest.mark.usefixtures("one_box")
@pytest.mark.parametrize("claimed", [None, "00", "01"])
def test_that_a_picture_lost_something_once_stays_said(claimed: str | None) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    dataset = dataset_of(noise(ROWS, COLUMNS, 3), "YBR_FULL_422")
    coded = imagecodecs.jpeg8_encode(dataset_of(noise(ROWS, COLUMNS, 3), "RGB").pixel_array, colorspace="RGB")
    dataset.add_new("PixelData", "OB", encapsulate([coded]))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.LossyImageCompression = claimed
    blank_text(dataset)
    assert (dataset.LossyImageCompression, dataset.PhotometricInterpretation) == ("01", "RGB")
    assert (pixels_of(dataset)[INSIDE] == 0).all()


@pytest.mark.usefixtures("one_box")
def test_a_big_endian_file_becomes_little_endian_with_all_its_words() -> None:
    values = noise(ROWS, COLUMNS, dtype="<u2", high=4000)
    dataset = dataset_of(values, RedPaletteColorLookupTableData=b"\x01\x02")
    icon = Dataset()
    icon.add_new("PixelData", "OW", b"\x03\x04")
    dataset.IconImageSequence = [icon]
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = values.astype(">u2").tobytes()
    blank_text(dataset)
    assert (pixels_of(dataset) == expected(values, values.min())).all()
    assert written(dataset).RedPaletteColorLookupTableData == b"\x02\x01"
    assert written(dataset).IconImageSequence[0].PixelData == b"\x04\x03"


@pytest.mark.usefixtures("one_box")
def test_values_that_described_the_old_pixels_go() -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS), SmallestImagePixelValue=1, LargestImagePixelValue=199)
    blank_text(dataset)
    assert "SmallestImagePixelValue" not in dataset
    assert "LargestImagePixelValue" not in dataset


@pytest.mark.usefixtures("nothing")
def test_an_overlay_in_bits_beside_the_values_goes_though_no_text_was_found() -> None:
    values = noise(ROWS, COLUMNS, dtype="<u2", high=4000)
    overlay = np.zeros_like(values)
    overlay[3, 4:9] = 1 << 14
    dataset = dataset_of(values | overlay, BitsStored=12, HighBit=11)
    assert blank_text(dataset) == Blanked(frames=1, unused_bits=True)
    assert (np.frombuffer(dataset.PixelData, "<u2").reshape(ROWS, COLUMNS) == values).all()


def test_an_overlay_in_bits_beside_the_values_goes_though_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blank, "find_text", None)
    values = noise(2, ROWS, COLUMNS, dtype="<u2", high=4000)
    dataset = dataset_of(values | np.uint16(1 << 14), BitsStored=12, HighBit=11)
    clear_unused_bits(dataset)
    assert (np.frombuffer(dataset.PixelData, "<u2").reshape(values.shape) == values).all()


@pytest.mark.parametrize("attributes", [{}, {"BitsStored": 12, "HighBit": 11}, {"BitsStored": 16, "Rows": 7}])
def test_bits_that_belong_to_values_stay(attributes: dict[str, Any]) -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS, dtype="<u2", high=4000), **attributes)
    before = dataset.PixelData
    clear_unused_bits(dataset)
    clear_unused_bits(Dataset())
    assert dataset.PixelData == before


def test_deep_colours_with_bits_beside_them_are_refused() -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS, 3, dtype="<u2", high=60_000), "YBR_FULL", BitsStored=12, HighBit=11)
    with pytest.raises(ReadError) as caught:
        clear_unused_bits(dataset)
    assert caught.value.reason is TEXT_NOT_BLANKED


@pytest.mark.usefixtures("nothing")
def test_the_sign_of_a_value_is_no_overlay() -> None:
    values = noise(ROWS, COLUMNS, dtype="<i2", low=-900, high=900)
    dataset = dataset_of(values, BitsStored=12, HighBit=11)
    assert not blank_text(dataset).changed


@pytest.mark.parametrize("size", [1, 3])
def test_a_picture_of_odd_size_is_padded(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    corner = TextBox(row_start=0, row_stop=1, column_start=0, column_stop=1, score=0.9)
    monkeypatch.setattr(blank, "find_text", lambda _: (corner,))
    monkeypatch.setattr(blank, "MOST_TEXT", 1.0)
    values = noise(3, size, low=3, high=9)
    values[0, 0] = 200
    dataset = dataset_of(values, Rows=3, Columns=size)
    blank_text(dataset)
    assert len(dataset.PixelData) % 2 == 0
    assert pixels_of(dataset)[0, 0] == values.min()


def test_a_picture_that_is_mostly_text_is_refused_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    page = TextBox(row_start=0, row_stop=ROWS, column_start=0, column_stop=COLUMNS // 2, score=0.9)
    monkeypatch.setattr(blank, "find_text", lambda _: (page,))
    dataset = dataset_of(noise(ROWS, COLUMNS))
    before = dataset.PixelData
    with pytest.raises(ReadError, match="50% of it") as caught:
        blank_text(dataset)
    assert caught.value.reason is MOSTLY_TEXT
    assert dataset.PixelData == before


@pytest.mark.usefixtures("one_box")
@pytest.mark.parametrize(
    "dataset",
    [
        dataset_of(
            np.packbits(noise(ROWS, COLUMNS, low=0, high=2), bitorder="little"),
            BitsAllocated=1,
            BitsStored=1,
            HighBit=0,
        ),
        dataset_of(noise(ROWS, COLUMNS, 3, dtype="<u2", high=60_000), "YBR_FULL"),
    ],
    ids=["single bits", "deep YBR"],
)
def test_text_in_pixels_that_are_not_written_is_refused(dataset: FileDataset) -> None:
    with pytest.raises(ReadError) as caught:
        blank_text(dataset)
    assert caught.value.reason is TEXT_NOT_BLANKED


@pytest.mark.usefixtures("one_box")
def test_text_in_floating_point_pixels_is_refused() -> None:
    dataset = dataset_of(noise(ROWS, COLUMNS), BitsAllocated=32, HighBit=31)
    del dataset.PixelData
    dataset.FloatPixelData = noise(ROWS, COLUMNS, dtype="<f4").tobytes()
    with pytest.raises(ReadError, match="floating point") as caught:
        blank_text(dataset)
    assert caught.value.reason is TEXT_NOT_BLANKED


def test_a_dataset_without_pixels_has_nothing_to_blank() -> None:
    assert blank_text(Dataset()) == Blanked()


def test_boxes_that_overlap_are_one_mask() -> None:
    other = TextBox(row_start=4, row_stop=6, column_start=8, column_stop=10, score=0.5)
    mask = text_mask((BOX, other), (ROWS, COLUMNS, 3))
    assert mask.shape == (ROWS, COLUMNS)
    assert int(mask.sum()) == 18 + 4 - 1
