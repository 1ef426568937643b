"""A maker's text in a card: shown, and nothing else."""

from __future__ import annotations

import re

import pytest

from convert.card import card_markdown
from convert.card.form import escaped
from tests.convert.cards import binary, hostile


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a | b", "a \\| b"),
        ("a\r\nb\u2028c", "a b c"),
        ("## a", "\\#\\# a"),
        ("- a", "\\- a"),
        ("12) a", "12\\) a"),
        ("1. mm", "1\\. mm"),
        ("-0.5 +1.5", "-0.5 +1.5"),
        ("---", "\\---"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("[a](b) `c` *d* ~e~ \\", "\\[a\\](b) \\`c\\` \\*d\\* \\~e\\~ \\\\"),
        ("\u202eevil\x00\ud800", "evil"),
        ("Größe 5 µm ≥ 3", "Größe 5 µm ≥ 3"),
    ],
)
def test_text_becomes_markdown_that_shows_it_and_does_nothing(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_hostile_text_makes_no_heading_no_tag_and_no_column() -> None:
    page, tame = card_markdown(*hostile()), card_markdown(*binary())
    ours = [line for line in tame.splitlines() if line.startswith("#")]
    assert [line for line in page.splitlines() if line.startswith("#")][1:] == ours[1:]
    assert "<" not in page
    assert "\u202e" not in page
    for line in page.splitlines():
        assert not line.startswith(("1.", "```", "---", "==="))
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in page.splitlines() if line.startswith("|")]
    assert columns == [len(re.findall(r"(?<!\\)\|", line)) for line in tame.splitlines() if line.startswith("|")]
