"""What is averaged row by row is what OpenCV's INTER_AREA gives, to the last bit."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.prepare import pieces
from edge.prepare.area import FEWEST, averaged

BROKEN = [
    (101, 331, 7, 9),
    (400, 283, 28, 28),
    (3, 121, 2, 8),
    (2, 50, 1, 3),
    (130, 90, 130, 4),
]
"""Rows and columns before and after: rows that make no whole number of lanes, and fewer rows than lanes."""
WHOLE = [(120, 360, 7, 9), (120, 360, 10, 12), (121, 120, 7, 10), (60, 60, 60, 60), (61, 61, 50, 40)]
"""Points that cover whole numbers of pixels, or too few."""


def noise(rows: int, columns: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(rows * columns).integers(0, 250, (rows, columns)).astype(dtype)


def by_opencv(picture: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    whole = np.ascontiguousarray(picture, dtype=np.float32)
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(("rows", "columns", "height", "width"), [*BROKEN, *WHOLE])
def test_it_is_opencvs_average_to_the_last_bit(rows: int, columns: int, height: int, width: int) -> None:
    picture = noise(rows, columns)
    found = averaged(picture, height, width)
    assert found.dtype == np.float32
    assert np.array_equal(found, by_opencv(picture, height, width))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_every_type_of_number_is_averaged(dtype: str) -> None:
    picture = noise(90, 331, dtype)
    assert np.array_equal(averaged(picture, 7, 9), by_opencv(picture, 7, 9))


def test_a_crop_that_was_turned_over_is_averaged() -> None:
    piece = noise(120, 400)[5:110, 380:7:-1]
    assert np.array_equal(averaged(piece, 11, 12), by_opencv(piece, 11, 12))


def test_a_picture_in_many_pieces_is_as_one_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(103, 331)
    at_once = averaged(picture, 7, 9)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * 331 * 9)
    assert len(list(pieces.pieces_of(picture, multiple=4))) == 13
    assert np.array_equal(averaged(picture, 7, 9), at_once)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_kept(channels: int) -> None:
    picture = np.stack([noise(60, 70 + channel)[:, :70] for channel in range(channels)], axis=-1)
    found = averaged(picture, 3, 4)
    assert found.shape == (3, 4, channels)
    for channel in range(channels):
        assert np.array_equal(found[..., channel], by_opencv(picture[..., channel], 3, 4))


def test_what_is_no_number_stays_none() -> None:
    picture = noise(80, 10 * FEWEST + 1, "float32")
    picture[40, 50] = np.nan
    found = averaged(picture, 3, 7)
    assert np.array_equal(np.isnan(found), np.isnan(by_opencv(picture, 3, 7)))
    assert np.isnan(found).sum() == 1


def test_pieces_hold_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * 10 * 3)
    picture = noise(11, 10)
    rows = [row for piece in pieces.pieces_of(picture) for row in range(11)[piece]]
    assert rows == list(range(11))
    assert next(iter(pieces.pieces_of(picture, multiple=4))) == slice(0, 4)
    assert list(pieces.pieces_of(picture[:0])) == []
