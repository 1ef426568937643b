"""The catalogues: every message in every language, whole, compiled, and in letters that the fonts have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("babel")

from fontTools.ttLib import TTFont

from edge.fonts import FAMILIES, family_of, font_file
from edge.fonts import FOLDER as FONTS
from edge.reasons import REASONS
from edge.wanted import LANGUAGES
from edge.words import END, ENGLISH, FOLDER, ISOLATE, catalogues, say, speaking
from edge.words.catalogues import all_messages, catalogue, compiled, messages_in, problems, renewed

OTHERS = tuple(language for language in LANGUAGES if language != ENGLISH)
COMMANDS = re.compile(r"--[a-z-]+|`[^`]+`|\b[A-Z]+_[A-Z_]+\b|\breport\.json\b|\([0-9a-f]{4},[0-9a-f]{4}\)")
IGNORED = {0x0A, 0x200E, 0x2066, 0x2069}
"""Line feeds, and marks of order that are never drawn."""


@pytest.mark.parametrize("language", OTHERS)
def test_no_message_is_missing_not_sure_or_loses_a_value(language: str) -> None:
    assert problems(language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_shipped_was_compiled_from_what_is_written(language: str) -> None:
    assert (FOLDER / f"{language}.mo").read_bytes() == compiled(language)


@pytest.mark.parametrize("language", OTHERS)
def test_commands_files_and_elements_are_the_same_in_every_language(language: str) -> None:
    """What a person types must not be translated, and none of it may be lost."""
    for text in all_messages():
        with speaking(language):
            said = say(text)
        assert sorted(COMMANDS.findall(text)) == sorted(COMMANDS.findall(said)), text


def test_commands_keep_their_order_in_arabic() -> None:
    """``--scans`` among Arabic words would be read as ``scans--``."""
    for text in all_messages():
        with speaking("ar"):
            loose = re.sub(f"{ISOLATE}.*?{END}", "", say(text))
        assert not re.search("--|`", loose), text


def test_arabic_has_no_vowel_marks() -> None:
    assert not [item.id for item in catalogue("ar") if re.search("[\u064b-\u0652]", str(item.string))]


@pytest.mark.parametrize("language", OTHERS)
def test_every_letter_of_every_message_is_in_the_language_s_own_font(language: str) -> None:
    letters = {ord(letter) for item in catalogue(language) for letter in str(item.string)} - IGNORED
    for bold in (False, True):
        with TTFont(font_file(family_of(language), bold=bold)) as font:
            assert sorted(map(chr, letters - set(font.getBestCmap()))) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_sentence_ends_as_one(language: str) -> None:
    for text in all_messages():
        with speaking(language):
            said = say(text)
        if text.endswith("."):
            assert said.rstrip("\u2069\u200e").endswith((".", "।")), text


def test_every_reason_is_said_in_two_sentences() -> None:
    said = set(all_messages())
    assert all({reason.words, reason.action} <= said for reason in REASONS.values())


def test_messages_are_found_in_calls_alone() -> None:
    source = 'say("a {b}", b=1)\nx = message("c")\nother("d")\nsay(e)\nthing.say("f")\n'
    assert list(messages_in(source)) == ["a {b}", "c"]


def test_what_is_wrong_with_a_catalogue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (FOLDER / "sw.po").read_text(encoding="utf-8")
    spoilt = re.sub(r'(msgid "FINDING"\nmsgstr) ".*"', r'\1 ""', whole)
    spoilt = re.sub(r'(msgid "score \{score\}"\nmsgstr) ".*"', r'\1 "alama"', spoilt)
    spoilt += '\n#, fuzzy\nmsgid "said nowhere"\nmsgstr "popote"\n'
    (tmp_path / "sw.po").write_text(spoilt, encoding="utf-8")
    monkeypatch.setattr(catalogues, "FOLDER", tmp_path)
    assert problems("sw") == [
        "'FINDING' has no translation",
        "'said nowhere' is said nowhere",
        "'said nowhere' is marked as not sure",
        "'score {score}' has other values in its translation",
    ]


def test_a_new_message_comes_into_the_catalogue_without_a_translation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FOLDER / "sw.po", tmp_path)
    monkeypatch.setattr(catalogues, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogues, "TABLES", (*catalogues.TABLES, "quite new"))
    (tmp_path / "sw.po").write_bytes(renewed("sw"))
    assert problems("sw") == ["'quite new' has no translation"]


def test_the_fonts_have_their_licence_beside_them() -> None:
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert {path.stem.partition("-")[0] for path in FONTS.glob("*.ttf")} == set(FAMILIES)
    for path in FONTS.glob("*.ttf"):
        with TTFont(path) as font:
            assert "Open Font License" in font["name"].getDebugName(13)
