"""Planted words lie in the boxes that are found, and pictures without text have none."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.deidentify import burned_in
from edge.deidentify.blank import text_mask
from edge.deidentify.burned_in import (
    OVERLAP,
    TILE,
    TextBox,
    _boxes,
    _distinct,
    _line_height,
    _of_frame,
    _scales,
    _starts,
    _turned_back,
    find_text,
)
from edge.deidentify.ocr import is_installed

needs_weights = pytest.mark.skipif(not is_installed(), reason="edgerun[ocr] is not installed")
Frame = NDArray[np.uint8]


def with_word(frame: Frame, at: tuple[int, int], scale: float = 0.6) -> tuple[Frame, NDArray[np.bool_]]:
    """The frame with a name in white, its left end at (row, column), and where its ink is."""
    ink = np.zeros(frame.shape[:2], np.uint8)
    cv2.putText(ink, "MENDOZA LUCIA", at[::-1], cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1)
    written = frame.copy()
    written[ink > 0] = 255
    return written, ink > 0


def box(top: int, bottom: int, left: int, right: int, score: float = 0.9) -> TextBox:
    return TextBox(row_start=top, row_stop=bottom, column_start=left, column_stop=right, score=score)


@needs_weights
@pytest.mark.parametrize("shape", [(120, 300), (120, 300, 3)], ids=["grey", "colour"])
def test_a_name_is_covered_and_little_else(shape: tuple[int, ...]) -> None:
    frame, ink = with_word(np.full(shape, 60, np.uint8), (70, 40))
    mask = text_mask(find_text(frame), frame.shape)
    assert mask[ink].all()
    assert mask.mean() < 0.3


@needs_weights
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_name_is_covered(turns: int) -> None:
    frame, ink = with_word(np.zeros((120, 300), np.uint8), (70, 40))
    turned = np.ascontiguousarray(np.rot90(frame, turns))
    assert text_mask(find_text(turned), turned.shape)[np.rot90(ink, turns)].all()


@needs_weights
def test_small_letters_in_a_large_film_are_covered() -> None:
    frame, ink = with_word(np.zeros((1400, 1400), np.uint8), (1385, 1220), scale=0.4)
    boxes = find_text(frame)
    assert text_mask(boxes, frame.shape)[ink].all()


@needs_weights
def test_pictures_without_text_have_no_box() -> None:
    rows, columns = np.indices((200, 240))
    disc = np.where(np.hypot(rows - 100, columns - 120) < 60, 200, 20).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (200, 240)).astype(np.uint8)
    ramp = columns.astype(np.uint8)
    assert [find_text(picture) for picture in (disc, noise, ramp)] == [()] * 3


def test_a_picture_of_one_value_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burned_in, "text_likelihood", None)
    assert find_text(np.full((50, 2000), 7, np.uint8)) == ()


@pytest.mark.parametrize("size", [1, TILE, TILE + 1, 1024, 2048, 4096])
def test_parts_cover_everything_and_overlap(size: int) -> None:
    starts = _starts(size)
    assert starts[0] == 0
    assert starts[-1] == max(0, size - TILE)
    assert all(later - earlier <= TILE - OVERLAP + 1 for earlier, later in itertools.pairwise(starts))


def test_large_frames_are_halved_until_one_part_holds_them_and_small_ones_enlarged() -> None:
    assert list(_scales(200, 300)) == [2.0, 1.0]
    assert list(_scales(2048, 2500)) == [1.0, 0.5, 0.25]


def test_what_is_found_at_any_size_and_turn_is_placed_in_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that takes every white pixel for text, in place of the real one."""
    monkeypatch.setattr(burned_in, "text_likelihood", lambda part: (part == 255).astype(np.float32))
    frame = np.zeros((1300, 1800), np.uint8)
    frame[1290:1300, 1700:1790] = 255
    frame[40:100, 8:16] = 255
    mask = text_mask(find_text(frame), frame.shape)
    assert mask[frame == 255].all()
    rows, columns = np.nonzero(mask)
    far = (np.abs(rows - 1295) > 60) & (np.abs(columns - 12) > 60)
    assert not far.any()
    assert mask.mean() < 0.02


def test_a_box_turned_back_is_where_the_turned_one_was() -> None:
    view = np.zeros((30, 50), np.uint8)
    view[4:9, 20:26] = 1
    turned = np.rot90(view)
    rows, columns = np.nonzero(turned)
    found = _turned_back(box(rows.min(), rows.max() + 1, columns.min(), columns.max() + 1), 50)
    assert (found.row_start, found.row_stop, found.column_start, found.column_stop) == (4, 9, 20, 26)


def test_boxes_end_at_the_frame_and_are_rounded_outwards() -> None:
    found = _of_frame(box(-3, 11, 5, 99), (15, 30), (30, 61))
    assert (found.row_start, found.row_stop, found.column_start, found.column_stop) == (0, 22, 10, 61)


def test_a_box_within_another_goes_and_the_rest_runs_from_the_top() -> None:
    low, high, within = box(50, 60, 0, 9), box(0, 10, 0, 9), box(51, 59, 2, 9)
    assert _distinct([low, within, high, low]) == (high, low)


@pytest.mark.parametrize(
    ("shape", "score", "line"),
    [
        ((9, 60), 0.65, 9),
        ((60, 9), 0.65, 9),
        ((9, 60), 0.55, None),
        ((2, 60), 0.9, None),
        ((50, 200), 0.9, None),
        ((12, 12), 0.8, 12),
        ((12, 12), 0.7, None),
        ((30, 30), 0.9, None),
    ],
    ids=["line", "upright line", "doubtful line", "thin", "thick", "letter", "spot", "large spot"],
)
def test_only_what_has_the_form_of_text_is_kept(shape: tuple[int, int], score: float, line: float | None) -> None:
    assert _line_height(np.ones(shape, np.bool_), score, 40) == pytest.approx(line)


def test_a_ring_is_no_line() -> None:
    ring = np.ones((40, 90), np.bool_)
    ring[5:-5, 5:-5] = False
    assert _line_height(ring, 0.9, 40) is None


def test_a_line_as_high_as_a_small_picture_is_none() -> None:
    likelihood = np.zeros((64, 80), np.float32)
    likelihood[20:40, 5:70] = 1
    assert list(_boxes(likelihood)) == []
    assert len(list(_boxes(np.pad(likelihood, 100)))) == 1
