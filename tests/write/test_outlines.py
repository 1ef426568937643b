"""Outlines: whose each is is told by a number beside it, never by its colour alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.write import outlines as module
from edge.write.canvas import ORANGE, SKY, Box, blank_canvas
from edge.write.outlines import MOST_TAGS, TAG_HEIGHT, Outlined, draw_outlines
from tests.write.outcomes import outcome, picture_scan, words_of
from tests.write.planted import detected, detection

Array = NDArray[Any]
ROOM = Box(left=0, top=0, width=400, height=400)


def squares(*corners: tuple[int, int], side: int = 8) -> Array:
    """A mask of 100 x 100 with squares at these places."""
    mask = np.zeros((100, 100), bool)
    for row, column in corners:
        mask[row : row + side, column : column + side] = True
    return mask


def tags(monkeypatch: pytest.MonkeyPatch, *masks: Array) -> list[tuple[str, int, int]]:
    """What stands beside the outlines, and where."""
    said: list[tuple[str, int, int]] = []
    monkeypatch.setattr(module, "write", lambda _, text, box, **__: said.append((text, box.left, box.top)))
    shapes = [
        Outlined(mask=mask, tag=f"{index + 1}", colour=(ORANGE, SKY)[index % 2]) for index, mask in enumerate(masks)
    ]
    draw_outlines(blank_canvas(400, 400), shapes, ROOM)
    return said


def test_each_piece_has_the_number_of_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    said = tags(monkeypatch, squares((10, 10), (60, 60)), squares((60, 10)))
    assert sorted(text for text, _, _ in said) == ["1", "1", "2"]
    assert {(left, top) for _, left, top in said} == {(40, 20), (240, 220), (40, 220)}


def disc(row: int, column: int, radius: int) -> Array:
    """A mask of 100 x 100 with a disc."""
    rows, columns = np.ogrid[:100, :100]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def test_a_number_stands_on_its_own_outline_not_at_a_corner_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, left, top),) = tags(monkeypatch, disc(50, 50, 30))
    y, x = np.nonzero(np.kron(disc(50, 50, 30), np.ones((4, 4), bool)))
    apart_x = np.maximum(np.maximum(left - x, x - (left + 20)), 0)
    apart_y = np.maximum(np.maximum(top - y, y - (top + TAG_HEIGHT)), 0)
    assert np.hypot(apart_x, apart_y).min() <= 1.0


def test_numbers_of_outlines_that_begin_at_one_place_do_not_hide_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    said = tags(monkeypatch, disc(50, 50, 30), disc(50, 50, 30))
    (_, left, top), (_, other_left, other_top) = said
    assert [text for text, _, _ in said] == ["1", "2"]
    assert abs(other_left - left) >= 20 or abs(other_top - top) >= TAG_HEIGHT


@pytest.mark.parametrize("corner", [(0, 0), (0, 99), (99, 0), (99, 99)])
def test_a_number_stays_within_its_picture(monkeypatch: pytest.MonkeyPatch, corner: tuple[int, int]) -> None:
    ((_, left, top),) = tags(monkeypatch, squares(corner, side=1))
    assert 0 <= left <= 400 - 20
    assert 0 <= top <= 400 - TAG_HEIGHT


def test_specks_beside_the_largest_piece_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = squares((10, 10))
    mask[50, 50] = mask[70, 20] = True
    assert tags(monkeypatch, mask) == [("1", 40, 20)]


def test_a_speck_that_is_all_there_is_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [text for text, _, _ in tags(monkeypatch, squares((50, 50), side=1))] == ["1"]


def test_a_hole_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = squares((10, 10), side=60)
    ring[25:55, 25:55] = False
    assert len(tags(monkeypatch, ring)) == 1


def test_numbers_do_not_cover_a_picture_of_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    many = squares(*((row, column) for row in range(5, 90, 20) for column in range(5, 90, 20)))
    assert len(tags(monkeypatch, many)) == MOST_TAGS


def test_every_box_has_its_number_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = picture_scan(np.zeros((300, 300), np.uint8))
    boxes = [detection(picture, (50 * n + 5, 20, 50 * n + 40, 60), 0.9 - 0.1 * n) for n in range(4)]
    said = words_of(monkeypatch, outcome(picture, detected(picture, *boxes)))
    assert [f"{n + 1}: {0.9 - 0.1 * n:.2f}" for n in range(4)] == [text for text in said if text[1:3] == ": "]
