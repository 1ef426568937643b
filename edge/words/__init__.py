"""Words for people, in the language that was asked for: everything that a clinician reads passes through `say`.

English stands in the code and is said where no language was asked for. The catalogues beside this file, one for each
other language, are GNU gettext's; `edge.words.catalogues` makes them. The report stays English: what a program reads
must not change with a person's language.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
ENGLISH = "en"
RIGHT_TO_LEFT = frozenset({"ar"})
DECIMAL_COMMA = frozenset({"fr", "es", "pt"})
"""Languages that part a number's whole from its fraction by a comma, by Unicode CLDR; Swahili, Hindi and Arabic with
Western digits take the point. Digits are Western in all: those of scanners, of reports and of most hospitals' forms."""

LTR_MARK = "\N{LEFT-TO-RIGHT MARK}"
ISOLATE, END = f"\N{LEFT-TO-RIGHT ISOLATE}{LTR_MARK}", f"{LTR_MARK}\N{POP DIRECTIONAL ISOLATE}"
"""Marks around what keeps its order; those inside hold signs such as ``--`` at its ends in their place."""
UNBROKEN = 24
"""Characters up to which a value written from left to right stays in one line of words written from right to left."""

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Have everything below `say` its words in this language, in this thread.

    Parameters
    ----------
    language : str
        Of `edge.wanted.LANGUAGES`.
    """
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def language_spoken() -> str:
    """Return the language in which `say` speaks now."""
    return _language.get()


def runs_right_to_left() -> bool:
    """Return whether the language that is spoken is written from right to left."""
    return _language.get() in RIGHT_TO_LEFT


def message(text: str) -> str:
    """Return a text as it is: one that stands in a table, and that `say` will be asked for."""
    return text


def say(text: str, **values: object) -> str:
    """Return a text in the language that is spoken, with values in place of the names in its braces.

    A value that is written from left to right keeps that order within words written from right to left.

    Parameters
    ----------
    text : str
        In English, as it stands in the catalogues. One that stands in none is said as it is.

    Examples
    --------
    >>> say("score {score}", score="0.93")
    'score 0.93'
    """
    language = _language.get()
    if language == ENGLISH:
        return text.format(**values) if values else text
    told = _catalogue(language).gettext(text) if text else text
    values = {name: kept_in_order(str(value)) for name, value in values.items()}
    return told.format(**values) if values else told


def kept_in_order(text: str) -> str:
    """Return a text that keeps its order from left to right among words that are spoken from right to left.

    ``512 x 400`` would otherwise be read as ``400 x 512`` (Unicode Standard Annex 9, rule W7). One that holds a letter
    of the other kind is left to the rules of that annex.

    Examples
    --------
    >>> kept_in_order("0.93")
    '0.93'
    >>> with speaking("ar"):
    ...     kept_in_order("0.93") == ISOLATE + "0.93" + END
    True
    """
    if not text or not runs_right_to_left() or any("\u0590" <= letter <= "\u08ff" for letter in text):
        return text
    kept = text.replace(" ", "\N{NO-BREAK SPACE}") if len(text) <= UNBROKEN else text
    return f"{ISOLATE}{kept}{END}"


def lines_in_order(lines: list[str]) -> list[str]:
    """Return lines of one text, each with its own order: what is kept in one and goes on in the next is so in both.

    Examples
    --------
    >>> lines_in_order([f"a {ISOLATE}b", f"c{END} d"]) == [f"a {ISOLATE}b{END}", f"{ISOLATE}c{END} d"]
    True
    """
    kept, inside = [], False
    for line in lines:
        opened = f"{ISOLATE}{line}" if inside else line
        inside = opened.rfind(ISOLATE) > opened.rfind(END)
        kept.append(f"{opened}{END}" if inside else opened)
    return kept


def number(value: float, digits: int) -> str:
    """Return a number with so many digits after the decimal sign of the language that is spoken.

    Examples
    --------
    >>> number(0.5, 2)
    '0.50'
    >>> with speaking("fr"):
    ...     number(0.5, 2)
    '0,50'
    """
    return with_decimal_sign(f"{value:.{digits}f}")


def with_decimal_sign(written: str) -> str:
    """Return a number that is written with a point, with the decimal sign of the language that is spoken."""
    return written.replace(".", ",") if _language.get() in DECIMAL_COMMA else written


@lru_cache(maxsize=8)
def _catalogue(language: str) -> gettext.NullTranslations:
    with (FOLDER / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
