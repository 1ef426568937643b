"""What a person asks to have written."""

from __future__ import annotations

import pytest

from edge.errors import UsageError
from edge.wanted import LANGUAGES, PROFILES, USUAL, language_of, views_of
from edge.write import WRITERS

KNOWN = ("overlay", "masks", "registration", "synthetic", "sr", "sc")


def test_nothing_said_is_the_usual() -> None:
    assert views_of([], None, KNOWN) == USUAL


def test_views_that_are_named_are_written_alone_in_the_order_of_the_table() -> None:
    assert views_of(["sc, overlay"], None, KNOWN) == ("overlay", "sc")
    assert views_of(["sc", "overlay", "sc"], None, KNOWN) == ("overlay", "sc")


def test_a_destination_brings_what_it_can_show_and_names_add_to_it() -> None:
    assert views_of([], "screen", KNOWN) == USUAL
    assert views_of(["sr"], "screen", KNOWN) == (*USUAL, "sr")


@pytest.mark.parametrize("names", [["overlay,smoke"], ["smoke"], ["Overlay"]])
def test_an_unknown_view_is_answered_with_those_there_are(names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--write .*: expected one of overlay, masks"):
        views_of(names, None, KNOWN)


def test_an_unknown_destination_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--for 'moon': expected one of screen"):
        views_of([], "moon", KNOWN)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_destination_names_views_there_are(profile: str) -> None:
    assert set(PROFILES[profile]) <= set(WRITERS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_are_known_in_any_case(language: str) -> None:
    assert language_of(f" {language.upper()} ") == language


def test_an_unknown_language_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--language 'tlh': expected one of en, fr"):
        language_of("tlh")
