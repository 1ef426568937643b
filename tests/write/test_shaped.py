"""Words that are shaped: letters join, run the right way, are filled, and keep to the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("uharfbuzz")
pytest.importorskip("fpdf")

from edge.words import kept_in_order, speaking
from edge.write.canvas import BLACK, PAPER, SHAPED, WHITE, Box, blank_canvas, fill, wrap, write
from edge.write.shaped import Contours, _pieces, _runs, _shaped, put, width

Array = NDArray[Any]


def written(language: str, text: str, *, scale: float = 1.0, room: int = 600) -> Array:
    """Where a line is drawn, shape (60, room): 0 to 255."""
    canvas = np.zeros((60, room, 3), np.uint8)
    with speaking(language):
        write(canvas, text, Box(left=0, top=0, width=room, height=60), scale=scale)
    return canvas[..., 0]


def glyphs(language: str, text: str) -> list[int]:
    with speaking(language):
        return [glyph.number for glyph in _shaped(text, language, bold=False)[0]]


@pytest.mark.parametrize(
    ("language", "text"), [("hi", "क्षेत्र"), ("hi", "श्री"), ("ar", "لا"), ("ar", "تحليل"), ("fr", "fi")]
)
def test_letters_that_join_are_not_those_that_stand_alone(language: str, text: str) -> None:
    alone = [number for letter in text for number in glyphs(language, letter)]
    assert glyphs(language, text) != alone


def test_a_vowel_of_hindi_stands_before_the_letter_that_it_follows() -> None:
    (consonant,) = glyphs("hi", "क")
    assert glyphs("hi", "कि")[-1] == consonant


def test_no_letter_is_missing_beside_letters_of_another_script() -> None:
    assert 0 not in glyphs("ar", "C703: لم يتم التحليل (Pneumonia) 0.93 Ж")
    assert 0 not in glyphs("hi", "R302: फ़ाइल क्षतिग्रस्त है, आयु 5 é")


def test_latin_before_hindi_does_not_keep_it_from_being_shaped() -> None:
    assert glyphs("hi", "R302: क्षति")[-3:] == glyphs("hi", "क्षति")[-3:]


def test_a_run_is_cut_where_the_script_changes_and_digits_go_with_what_is_before_them() -> None:
    cut = [(piece.text, piece.script) for piece in _pieces("सीमा 0.5 mm", "NotoSansDevanagari")]
    assert cut == [("सीमा 0.5 ", "Deva"), ("mm", "Latn")]


def test_arabic_runs_from_the_right_and_numbers_in_it_from_the_left() -> None:
    with speaking("ar"):
        runs = list(_runs(f"من {kept_in_order('512 x 400')} إلى"))
    assert [backwards for _, backwards in runs] == [True, False, True]
    assert "إلى" in runs[0][0]
    assert "512\u00a0x\u00a0400" in runs[1][0]


def test_a_line_of_arabic_stands_at_the_right_and_others_at_the_left() -> None:
    arabic = np.flatnonzero(written("ar", "لم يتم التحليل").any(axis=0))
    french = np.flatnonzero(written("fr", "NON ANALYSÉ").any(axis=0))
    assert arabic[0] > 300
    assert arabic[-1] >= 590
    assert french[0] <= 8
    assert french[-1] < 400


def test_a_line_is_as_long_as_it_is_said_to_be() -> None:
    with speaking("hi"):
        long = width("विश्लेषण नहीं हुआ", 1.0, 1)
    columns = np.flatnonzero(written("hi", "विश्लेषण नहीं हुआ").any(axis=0))
    assert abs((columns[-1] - columns[0]) - long) < 8


def test_a_line_that_is_too_long_is_cut_with_dots_and_stays_in_its_box() -> None:
    canvas = np.zeros((60, 600, 3), np.uint8)
    with speaking("hi"):
        assert width("विश्लेषण नहीं हुआ " * 20, 0.6, 1) > 600
        write(canvas, "विश्लेषण नहीं हुआ " * 20, Box(left=0, top=0, width=200, height=60), scale=1.0)
    columns = np.flatnonzero(canvas.any(axis=(0, 2)))
    assert 150 < columns[-1] <= 204


def test_holes_in_letters_stay_open_and_letters_on_each_other_stay_filled() -> None:
    canvas = np.zeros((200, 200, 3), np.uint8)
    with speaking("fr"):
        put(canvas, "O", (40, 150), 4.0, WHITE, 1)
    ring = canvas[..., 0]
    rows, columns = np.nonzero(ring > 200)
    assert ring[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2] == 0
    with speaking("fr"):
        put(canvas, "Ç", (40, 150), 4.0, WHITE, 1)
    assert canvas.max() == 255


def test_words_beyond_the_border_are_lost_and_harm_nothing() -> None:
    canvas = np.zeros((20, 20, 3), np.uint8)
    with speaking("fr"):
        put(canvas, "là", (-300, 10), 1.0, WHITE, 1)
        put(canvas, "là", (10, 300), 1.0, WHITE, 1)
        assert not canvas.any()
        put(canvas, "là", (-5, 15), 1.0, WHITE, 1)
    assert canvas.any()


def test_bold_letters_hold_more_ink() -> None:
    canvases = [np.zeros((60, 400, 3), np.uint8) for _ in range(2)]
    with speaking("sw"):
        for canvas, thickness in zip(canvases, (1, 2), strict=True):
            put(canvas, "HAIJACHANGANULIWA", (5, 40), 1.0, WHITE, thickness)
    assert canvases[1].sum() > 1.2 * canvases[0].sum()


def test_light_words_on_paper_are_black() -> None:
    for language in ("en", "fr"):
        canvas = blank_canvas(200, 40)
        fill(canvas, Box(left=0, top=0, width=200, height=40), PAPER)
        with speaking(language):
            write(canvas, "Axial", Box(left=0, top=0, width=200, height=40), colour=WHITE)
        assert canvas.min() < 60
    assert BLACK == (0, 0, 0)


def test_curves_become_short_lines_between_their_ends() -> None:
    pen = Contours()
    pen.moveTo((0.0, 0.0))
    pen.qCurveTo((1.0, 0.0), (1.0, 1.0))
    pen.curveTo((1.0, 2.0), (0.0, 2.0), (0.0, 1.0))
    pen.lineTo((0.0, 0.0))
    pen.closePath()
    (contour,) = pen.done
    assert (contour[0], contour[6], contour[12], contour[-1]) == ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
    assert max(y for _, y in contour) < 2.0


def test_english_needs_no_package_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPED, "put", None)
    monkeypatch.setitem(SHAPED, "width", None)
    assert written("en", "NOT ANALYSED").any()


def test_a_line_breaks_at_no_space_that_keeps_words_together() -> None:
    with speaking("fr"):
        lines = wrap("Indiquez-le avec --confirm\u00a0; puis recommencez", 160, scale=0.6, most=9)
    assert len(lines) > 2
    assert not any(line.startswith(";") for line in lines)
    assert "--confirm\u00a0;" in " ".join(lines)
