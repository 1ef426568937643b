"""The fonts in which words are written where OpenCV's own cannot: Noto Sans, each with Latin beside its script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
FAMILIES = ("NotoSans", "NotoSansDevanagari", "NotoSansArabic")
OF_LANGUAGE: Mapping[str, str] = {"hi": "NotoSansDevanagari", "ar": "NotoSansArabic"}


def family_of(language: str) -> str:
    """Return the family in which a language is written.

    Examples
    --------
    >>> family_of("ar"), family_of("sw")
    ('NotoSansArabic', 'NotoSans')
    """
    return OF_LANGUAGE.get(language, FAMILIES[0])


def font_file(family: str, *, bold: bool = False) -> Path:
    """Return the TrueType file of a family."""
    return FOLDER / f"{family}-{'Bold' if bold else 'Regular'}.ttf"
