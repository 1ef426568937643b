"""The catalogues of words: collected from the code, and compiled; ``python -m edge.words.catalogues`` does both.

For those who change edgerun, with the package Babel; nothing here is used by the runtime. A message that is new comes
into every ``.po`` file without a translation, and `problems` names it until somebody has written one.
"""

from __future__ import annotations

import ast
import datetime as dt
import io
import string
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from edge.reasons import REASONS
from edge.wanted import LANGUAGES
from edge.words import FOLDER

SOURCES = FOLDER.parent
HEADER = (
    "# edgerun's words. Not reviewed by clinicians who speak the language.\n"
    'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"MIME-Version: 1.0\\n"\n'
    '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n\n'
)
SPOKEN = ("say", "message")
NO_DATE = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
TABLES = ("urgent", "soon", "routine")
"""What is said of values of the manifest and the report, which stand in no call."""


def messages_in(source: str) -> Iterator[str]:
    """Yield the texts that a module gives to `say` or `message`.

    Examples
    --------
    >>> list(messages_in('say("score {score}", score=1) + other("no")'))
    ['score {score}']
    """
    for node in ast.walk(ast.parse(source)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPOKEN
        if called and isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def all_messages() -> list[str]:
    """Return everything that can be said, each once: that of reasons by their codes, then that of the code."""
    said = [text for code in sorted(REASONS) for text in (REASONS[code].words, REASONS[code].action)]
    return list(dict.fromkeys([*said, *_in_the_code(), *TABLES]))


@lru_cache(maxsize=1)
def _in_the_code() -> tuple[str, ...]:
    paths = (path for path in sorted(SOURCES.rglob("*.py")) if path != Path(__file__))
    return tuple(text for path in paths for text in messages_in(path.read_text(encoding="utf-8")))


def catalogue(language: str) -> Catalog:
    """Return the catalogue of a language as it is written."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def problems(language: str) -> list[str]:
    """Return what is wrong with a catalogue: messages that are missing, not sure, or lose one of their values."""
    found, said = catalogue(language), all_messages()
    told = {str(item.id): item for item in found if item.id}
    wrong = [f"{text!r} has no translation" for text in said if text not in told or not told[text].string]
    wrong += [f"{text!r} is said nowhere" for text in told if text not in said]
    wrong += [f"{text!r} is marked as not sure" for text, item in told.items() if item.fuzzy]
    wrong += [
        f"{text!r} has other values in its translation"
        for text, item in told.items()
        if item.string and _values(text) != _values(str(item.string))
    ]
    return wrong


def compiled(language: str) -> bytes:
    """Return the catalogue as GNU gettext reads it, the same bytes for the same words."""
    said = catalogue(language)
    said.creation_date = said.revision_date = NO_DATE
    buffer = io.BytesIO()
    write_mo(buffer, said)
    return buffer.getvalue()


def renewed(language: str) -> bytes:
    """Return the ``.po`` file with exactly the messages that are said now, in their order."""
    path = FOLDER / f"{language}.po"
    told = {str(item.id): item for item in catalogue(language)} if path.is_file() else {}
    fresh = Catalog(locale=language, project="edgerun", charset="utf-8")
    for text in all_messages():
        before = told.get(text)
        fresh.add(text, string=before.string if before else "", auto_comments=_codes(text))
    buffer = io.BytesIO()
    write_po(buffer, fresh, width=120, omit_header=True)
    return HEADER.format(language=language).encode() + buffer.getvalue()


def _codes(text: str) -> list[str]:
    """Which reasons say it, for who translates."""
    codes = [code for code, reason in sorted(REASONS.items()) if text in (reason.words, reason.action)]
    return [", ".join(codes)] if codes else []


def _values(text: str) -> list[str]:
    return sorted(name or "" for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def main() -> None:
    """Write every catalogue anew and compile it."""
    for language in LANGUAGES[1:]:
        (FOLDER / f"{language}.po").write_bytes(renewed(language))
        (FOLDER / f"{language}.mo").write_bytes(compiled(language))


if __name__ == "__main__":
    main()
