"""What is said, in every language: words, numbers, the order of what is written from left to right."""

from __future__ import annotations

import threading

import pytest

from edge.wanted import LANGUAGES
from edge.words import (
    END,
    ISOLATE,
    kept_in_order,
    language_spoken,
    lines_in_order,
    number,
    say,
    speaking,
    with_decimal_sign,
)
from edge.write.overlay import BANNERS, NOT_NO_FINDING
from edge.write.report import DISCLAIMER, NEEDS_A_READER

OTHERS = LANGUAGES[1:]


def test_english_is_spoken_unless_another_language_is_asked_for() -> None:
    assert language_spoken() == "en"
    assert say("NOT ANALYSED") == "NOT ANALYSED"


def test_a_language_is_spoken_for_as_long_as_it_was_asked_for() -> None:
    with speaking("fr"):
        assert say("NOT ANALYSED") == "NON ANALYSÉ"
        with speaking("es"):
            assert say("NOT ANALYSED") == "NO ANALIZADO"
        assert say("NOT ANALYSED") == "NON ANALYSÉ"
    assert say("NOT ANALYSED") == "NOT ANALYSED"


def test_a_language_is_left_after_an_error() -> None:
    with pytest.raises(KeyError), speaking("fr"):
        raise KeyError
    assert language_spoken() == "en"


def test_another_thread_speaks_its_own_language() -> None:
    heard = []
    with speaking("hi"):
        thread = threading.Thread(target=lambda: heard.append(language_spoken()))
        thread.start()
        thread.join()
    assert heard == ["en"]


def test_values_take_the_place_of_their_names() -> None:
    with speaking("hi"):
        assert say("slice {number} of {total}", number=3, total=9) == "9 में से स्लाइस 3"


def test_a_text_without_values_may_hold_braces() -> None:
    assert say("{not a name}") == "{not a name}"


def test_a_text_that_stands_in_no_catalogue_is_said_as_it_is() -> None:
    with speaking("ar"):
        assert say("Nobody has translated this.") == "Nobody has translated this."


@pytest.mark.parametrize("language", OTHERS)
def test_an_empty_text_says_nothing_of_the_catalogue(language: str) -> None:
    with speaking(language):
        assert say("") == ""


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", "0.50"), ("fr", "0,50"), ("es", "0,50"), ("pt", "0,50"), ("sw", "0.50"), ("hi", "0.50"), ("ar", "0.50")],
)
def test_a_number_has_the_decimal_sign_of_its_language_and_western_digits(language: str, written: str) -> None:
    with speaking(language):
        assert number(0.5, 2) == written
        assert with_decimal_sign("0.50") == written


def test_what_is_written_from_left_to_right_keeps_its_order_in_arabic_alone() -> None:
    assert kept_in_order("512 x 400") == "512 x 400"
    with speaking("ar"):
        assert kept_in_order("512 x 400") == f"{ISOLATE}512\u00a0x\u00a0400{END}"
        assert f"{ISOLATE}0.93{END}" in say("score {score}", score="0.93")


def test_what_holds_arabic_letters_is_left_to_unicode() -> None:
    with speaking("ar"):
        assert kept_in_order("التهاب رئوي") == "التهاب رئوي"
        assert kept_in_order("") == ""


def test_lines_of_which_one_goes_on_in_the_next_keep_their_order() -> None:
    assert lines_in_order([f"a {ISOLATE}b", "c", f"d{END} e"]) == [
        f"a {ISOLATE}b{END}",
        f"{ISOLATE}c{END}",
        f"{ISOLATE}d{END} e",
    ]
    assert lines_in_order(["a", "b"]) == ["a", "b"]


def test_a_long_text_may_break_at_its_spaces() -> None:
    with speaking("ar"):
        assert " " in kept_in_order("sensitivity of at least 90% on films")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_states_are_told_by_the_same_words(language: str) -> None:
    with speaking(language):
        said = [say(words) for words, _, _ in BANNERS.values()]
    assert len(set(said)) == len(said) == 6
    assert all(said)
    assert len({words.split()[0] for words in said}) == 6


@pytest.mark.parametrize("language", OTHERS)
def test_not_analysed_says_more_than_a_word_of_no_finding(language: str) -> None:
    """Neither begins as the other does, and the sentence beside it denies it."""
    with speaking(language):
        nothing, unseen, denied = say("NO FINDING"), say("NOT ANALYSED"), say(NOT_NO_FINDING)
    assert nothing.split()[0] != unseen.split()[0]
    assert unseen not in nothing
    assert nothing not in unseen
    assert denied != NOT_NO_FINDING


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("text", [DISCLAIMER, NEEDS_A_READER, "urgent", "soon", "threshold", "site threshold"])
def test_what_must_never_stay_english_does_not(language: str, text: str) -> None:
    with speaking(language):
        assert say(text) != text or (language in ("fr",) and text == "urgent")
