"""Frames come out as they are stored, and are shown in ways in which text of any brightness can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from edge.deidentify.blank_pixels import StoredFrame, StoredPixels, renderings, stored_pixels
from edge.errors import ReadError
from edge.reasons import DAMAGED, UNSUPPORTED_COMPRESSION

MPEG4 = UID("1.2.840.10008.1.2.4.102")


def dataset_of(values: NDArray[Any], uid: UID = ExplicitVRLittleEndian, **attributes: Any) -> Dataset:
    """A grey picture."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def opened(dataset: Dataset) -> tuple[StoredPixels, StoredFrame]:
    pixels = stored_pixels(dataset)
    assert pixels is not None
    return pixels, next(pixels.frames())


def shown(dataset: Dataset) -> list[NDArray[np.uint8]]:
    pixels, frame = opened(dataset)
    return list(renderings(frame, pixels))


def ramp(low: int, high: int, dtype: str = "<u2") -> NDArray[Any]:
    return np.linspace(low, high, 64 * 64).reshape(64, 64).astype(dtype)


def test_a_grey_frame_is_shown_whole_and_evened_out() -> None:
    whole, evened = shown(dataset_of(ramp(0, 4000)))
    assert (whole.min(), whole.max()) == (0, 255)
    assert (np.diff(whole.ravel().astype(int)) >= 0).all()
    assert evened.shape == whole.shape
    assert evened.dtype == np.uint8


def test_faint_text_beside_an_extreme_value_shows_in_the_evened_one() -> None:
    values = np.full((64, 64), 100, "<u2")
    values[20:24, 10:50] = 130
    values[0, 0] = 60_000
    whole, evened = shown(dataset_of(values))
    assert whole[22, 30] == whole[40, 30]
    assert int(evened[22, 30]) - int(evened[40, 30]) > 30


def test_a_narrow_declared_window_is_looked_through_in_stored_values() -> None:
    dataset = dataset_of(ramp(0, 4000), WindowCenter=[40, 0], WindowWidth=[400, 1])
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1000
    _, _, declared = shown(dataset)
    stored = ramp(0, 4000)
    assert (declared[stored < 840] == 0).all()
    assert (declared[stored > 1241] == 255).all()
    assert 120 < declared[stored == 1040].mean() < 135


@pytest.mark.parametrize("window", [(2000, 4000), (9000, 100), ("broken", 100)], ids=["wide", "elsewhere", "broken"])
def test_a_declared_window_that_shows_no_more_is_passed_over(window: tuple[Any, Any]) -> None:
    dataset = dataset_of(ramp(0, 4000), WindowWidth=window[1])
    if isinstance(window[0], int):
        dataset.WindowCenter = window[0]
    assert len(shown(dataset)) == 2


def test_grey_letters_stand_out_from_colours_in_the_least_channel() -> None:
    values = np.zeros((64, 64, 3), np.uint8)
    values[:] = (255, 200, 0)
    values[20:24, 10:50] = 200
    dataset = dataset_of(ramp(0, 200, "u1"), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = values.tobytes()
    colours, least = shown(dataset)
    assert (colours == values).all()
    assert least.shape == (64, 64)
    assert int(least[22, 30]) - int(least[40, 30]) > 100


def test_a_frame_of_one_value_is_not_shown() -> None:
    assert shown(dataset_of(np.full((8, 8), 7, "<u2"))) == []


def test_signed_values_are_shown_from_least_to_greatest() -> None:
    whole, *_ = shown(dataset_of(ramp(-1000, 1000, "<i2")))
    assert (whole[0, 0], whole[-1, -1]) == (0, 255)


def test_floating_point_values_that_are_no_numbers_hide_nothing() -> None:
    values = ramp(0, 100, "<f4")
    values[0, 0], values[0, 1] = np.nan, np.inf
    dataset = dataset_of(values, FloatPixelData=values.tobytes())
    del dataset.PixelData
    whole, *_ = shown(dataset)
    assert (whole[0, 0], whole[-1, -1]) == (0, 255)


def test_big_endian_values_come_out_right() -> None:
    values = ramp(0, 4000)
    _, frame = opened(dataset_of(values.astype(">u2"), ExplicitVRBigEndian))
    assert (frame.values == values).all()


@pytest.mark.parametrize("dtype", ["<u2", "<i2"])
def test_values_come_out_without_the_bits_beside_them(dtype: str) -> None:
    values = ramp(-2000 if dtype == "<i2" else 0, 2000, dtype)
    high = (values.astype("<u2") << 4) | np.uint16(5)
    dataset = dataset_of(high.view(dtype), BitsStored=12, HighBit=15)
    _, frame = opened(dataset)
    assert frame.beside
    assert (frame.values == values).all()


@pytest.mark.parametrize("extended", [True, False])
def test_a_sign_is_nothing_beside_a_value_whether_it_is_repeated_or_not(*, extended: bool) -> None:
    values = ramp(-2000, 2000, "<i2")
    stored = values if extended else (values & 0x0FFF)
    _, frame = opened(dataset_of(stored, BitsStored=12, HighBit=11))
    assert not frame.beside
    assert (frame.values == values).all()


def test_a_bit_above_a_positive_value_is_no_sign() -> None:
    values = ramp(1, 2000, "<i2")
    values[3, 3] |= -4096
    _, frame = opened(dataset_of(values, BitsStored=12, HighBit=11))
    assert frame.beside


def test_values_that_fill_their_bits_have_none_beside() -> None:
    _, frame = opened(dataset_of(ramp(0, 65535)))
    assert not frame.beside


def test_a_dataset_without_a_file_s_head_is_taken_as_it_was_read() -> None:
    dataset = dataset_of(ramp(0, 4000))
    del dataset.file_meta
    _, frame = opened(dataset)
    assert frame.values.max() == 4000


def test_pixels_that_are_too_few_are_damage() -> None:
    dataset = dataset_of(ramp(0, 4000))
    dataset.PixelData = dataset.PixelData[:-2]
    with pytest.raises(ReadError, match="found 8190 bytes, expected 8192") as caught:
        stored_pixels(dataset)
    assert caught.value.reason is DAMAGED


def test_video_is_refused() -> None:
    with pytest.raises(ReadError) as caught:
        stored_pixels(dataset_of(ramp(0, 4000), MPEG4))
    assert caught.value.reason is UNSUPPORTED_COMPRESSION


def test_there_may_be_no_pixels() -> None:
    assert stored_pixels(Dataset()) is None
