"""What the study of burned-in text plants and counts, and the page of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import burned_in
from benchmarks.burned_in import Found, Mistaken, find_planted, mistaken, read_results, summed, trials
from benchmarks.burned_in_page import PAGE, page
from benchmarks.burned_in_pictures import (
    DEEP,
    LATIN,
    MODEST,
    TONES,
    Clean,
    Picture,
    Word,
    dataset_of,
    film_of,
    hot_spots,
    in_noto,
    in_strokes,
    nodules,
    planted,
)

STROKES = in_strokes(0)
GREY = Clean(kind="grey", name="grey", picture=np.full((600, 700), 1000, np.uint16))


def plant(tone: str, ground: Clean = GREY, degrees: int = 0) -> tuple[Picture, tuple[Word, ...]]:
    return planted(ground, STROKES, LATIN, TONES[tone], np.random.default_rng(0), degrees=degrees)


def test_the_page_is_the_one_that_the_results_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_results()), "run: python -m benchmarks.burned_in_page"


def test_the_results_hold_every_kind_of_words_and_add_up() -> None:
    results = read_results()
    assert {(trial.group, trial.kind) for trial in trials()} <= {(row.group, row.kind) for row in results.found}
    assert all(0 <= row.whole + row.partly <= row.n > 0 for row in results.found)
    assert all(row.with_boxes <= row.n and 0 <= row.mean_share <= row.most_share for row in results.mistaken)
    assert results.read


def test_a_word_of_every_size_is_planted_and_none_on_another() -> None:
    _, words = plant("white")
    assert [word.size for word in words] == [40, 28, 20, 14, 10, 7]
    assert np.sum([word.ink for word in words], axis=0).max() == 1


@pytest.mark.parametrize(
    ("tone", "value"),
    [("white", MODEST), ("brighter than all else", DEEP), ("black", 0)],
    ids=["white", "deep", "black"],
)
def test_ink_has_its_tone_and_all_else_is_as_it_was(tone: str, value: int) -> None:
    picture, words = plant(tone)
    for word in words[:3]:
        assert np.abs(np.median(picture[word.ink].astype(int)) - value) < 0.1 * MODEST
    everything = np.logical_or.reduce([word.ink for word in words])
    assert (picture[~everything] == 1000).mean() > 0.9


def test_what_nobody_can_see_is_not_counted() -> None:
    black = Clean(kind="black", name="black", picture=np.zeros((300, 400), np.uint16))
    _, words = plant("black", black)
    assert words == ()
    assert plant("black on a white plate", black)[1]


def test_turned_words_are_planted_whole() -> None:
    upright, sideways, slanted = (
        sum(int(word.ink.sum()) for word in plant("white", degrees=degrees)[1]) for degrees in (0, 90, 45)
    )
    assert upright > 1000
    assert abs(sideways - upright) < 0.2 * upright
    assert abs(slanted - upright) < 0.3 * upright


@pytest.mark.parametrize(("language", "text"), [("en", "ID 4471"), ("ar", "محمد"), ("hi", "राम")])
def test_letters_are_as_high_as_asked(language: str, text: str) -> None:
    ink = in_noto(language)(text, 40)
    assert 25 < ink.shape[0] < 75
    assert ink.max() == pytest.approx(1.0)


@pytest.mark.parametrize("make", [nodules, hot_spots, lambda seed: nodules(seed, in_chest=True)])
def test_made_pictures_use_the_whole_range_and_each_seed_has_its_own(make: Callable[[int], Picture]) -> None:
    picture = make(3)
    assert (picture.min(), picture.max()) == (0, MODEST)
    assert (make(3) == picture).all()
    assert (make(4) != picture).any()


def test_a_picture_goes_into_a_dataset_as_it_is() -> None:
    film = film_of(np.arange(784, dtype=np.uint8).reshape(28, 28), 64, seed=0)
    assert (dataset_of(film).pixel_array == film).all()
    colour = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert (dataset_of(colour).pixel_array == colour).all()


def test_words_are_counted_as_wholly_partly_and_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a search that covers the upper half of the picture."""

    def upper(picture: Picture) -> NDArray[np.bool_]:
        mask = np.zeros(picture.shape[:2], np.bool_)
        mask[: picture.shape[0] // 2] = True
        return mask

    monkeypatch.setattr(burned_in, "looked_at", upper)
    rows = find_planted(next(trials()), [GREY] * 6, np.random.default_rng(0))
    assert [sum(row.n for row in rows if row.group == group) for group in ("contrast", "ground")] == [36, 36]
    assert 0 < sum(row.whole for row in rows) < 72
    pictures = [GREY, Clean(kind="grey", name="other", picture=GREY.picture)]
    assert mistaken(pictures) == (Mistaken(kind="grey", n=2, with_boxes=2, mean_share=0.5, most_share=0.5),)


def test_the_same_kind_in_two_fonts_is_one_row() -> None:
    row = Found(group="script", kind="a", size=7, n=3, whole=2, partly=1)
    other = Found(group="script", kind="a", size=10, n=3, whole=2, partly=1)
    assert summed([row, other, row]) == (Found(group="script", kind="a", size=7, n=6, whole=4, partly=2), other)
