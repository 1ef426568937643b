"""Drawing: text that fits its box, boxes that fit their panel, bytes that decode."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.write import canvas
from edge.write.canvas import BLACK, DARK, GREEN, WHITE, Box, blank_canvas, encode_png, fill, fitted, place, wrap, write

ROOM = Box(left=50, top=20, width=100, height=30)


def ink(text: str, *, outlined: bool = False, scale: float = 0.6) -> tuple[slice, slice]:
    """The rows and columns that a text takes, written into ROOM on a canvas of 200 x 80."""
    pixels = blank_canvas(200, 80)
    write(pixels, text, ROOM, outlined=outlined, scale=scale)
    y, x = np.nonzero((pixels != DARK).any(axis=-1))
    return slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1)


@pytest.mark.parametrize(
    "text", ["a", "Agyj", "a longer text", "a text that is much too long " * 9, "W" * 5000, "x\ny"]
)
def test_a_text_stays_inside_its_box(text: str) -> None:
    rows, columns = ink(text)
    assert rows.start >= ROOM.top
    assert rows.stop <= ROOM.top + ROOM.height
    assert columns.start >= ROOM.left - 1
    assert columns.stop <= ROOM.left + ROOM.width + 1


def test_a_text_that_is_too_long_is_made_smaller_before_it_is_cut() -> None:
    tall, low = ink("HHHH")[0], ink("HHHHHHHHHHHH")[0]
    assert low.stop - low.start < tall.stop - tall.start
    small = blank_canvas(200, 80)
    write(small, "a text that is much too long", ROOM)
    dots = blank_canvas(200, 80)
    write(dots, "a text that is much too looooong", ROOM)
    assert np.array_equal(small, dots)


def test_an_empty_text_writes_nothing() -> None:
    pixels = blank_canvas(200, 80)
    for text in ("", "   ", "\n"):
        write(pixels, text, ROOM)
    assert (pixels == DARK).all()


def test_an_outlined_text_has_a_dark_rim_on_a_bright_picture() -> None:
    pixels = np.full((80, 200, 3), 255, np.uint8)
    write(pixels, "17", ROOM, colour=GREEN, outlined=True, bold=True)
    green = (pixels == GREEN).all(axis=-1)
    black = (pixels == BLACK).all(axis=-1)
    assert green.any()
    near = cv2.dilate(green.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~green
    assert black[near].mean() > 0.4


def test_an_old_opencv_draws_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "__version__", "4.10.0")
    assert canvas.drawable("Läsion  6 mm²\nŁ") == "Lasion 6 mm2 "
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    assert canvas.drawable("Läsion  6 mm²\nŁ") == "Läsion 6 mm² Ł"


def test_lines_are_broken_at_spaces_and_lose_no_word() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 3
    lines = wrap(text, 120, scale=0.6, most=99)
    assert " ".join(lines) == text.strip()
    assert len(lines) > 5
    assert all(canvas._width(line, 0.6, 1) <= 120 for line in lines)


def test_more_lines_than_there_is_room_for_end_in_dots() -> None:
    lines = wrap("one two three four five", 1, scale=0.6, most=3)
    assert lines == ["one", "two", "three ..."]
    assert wrap("one two three", 1, scale=0.6, most=3) == ["one", "two", "three"]
    assert wrap("", 100, scale=0.6, most=3) == []


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (100, 100, Box(left=85, top=20, width=30, height=30)),
        (100, 1000, Box(left=50, top=30, width=100, height=10)),
        (1, 5000, Box(left=50, top=34, width=100, height=1)),
        (5000, 1, Box(left=99, top=20, width=1, height=30)),
        (0.3, 1.0, Box(left=50, top=20, width=100, height=30)),
    ],
)
def test_a_picture_is_fitted_in_the_middle_with_its_proportions(height: float, width: float, box: Box) -> None:
    assert fitted(height, width, ROOM) == box


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (30, 100), (2000, 2000)])
def test_a_picture_fills_its_box_and_nothing_else(shape: tuple[int, int]) -> None:
    pixels = blank_canvas(200, 80)
    place(pixels, np.full((*shape, 3), 255, np.uint8), ROOM)
    inside = np.zeros((80, 200), bool)
    inside[20:50, 50:150] = True
    assert np.array_equal((pixels == WHITE).all(axis=-1), inside)
    assert (pixels[~inside] == DARK).all()


def test_a_box_is_filled() -> None:
    pixels = blank_canvas(200, 80)
    fill(pixels, ROOM, GREEN)
    assert (pixels == GREEN).all(axis=-1).sum() == ROOM.width * ROOM.height


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (5, 7, 3)])
def test_png_keeps_every_pixel(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    decoded = cv2.imdecode(np.frombuffer(encode_png(pixels), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(np.asarray(decoded), pixels)
