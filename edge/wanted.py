"""What a run is asked to write beside the report: which views, in which language, and whether patients are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.errors import UsageError

Language = Literal["en", "fr", "es", "pt", "sw", "hi", "ar"]
LANGUAGES: tuple[Language, ...] = ("en", "fr", "es", "pt", "sw", "hi", "ar")
USUAL = ("overlay", "masks", "registration", "synthetic")
"""Of `edge.write.WRITERS`, what is written unless something else is asked for."""

PROFILES: Mapping[str, tuple[str, ...]] = {
    "screen": USUAL,
    "pacs": (*USUAL, "sr", "seg", "sc", "gsps"),
    "old-pacs": (*USUAL, "sc"),
    "paper": (*USUAL, "page"),
    "table": (*USUAL, "register"),
    "programs": (*USUAL, "fhir"),
}
"""What a destination can show: views by name of `edge.write.WRITERS`.

An archive is not sent the page unless ``pdf`` is asked for by name as well: the structured report and the capture say
the same, and ``pacs`` so needs the extra ``objects`` alone, while a page needs ``paper``, too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is written beside ``report.json``.

    Parameters
    ----------
    views : tuple of str
        Of `edge.write.WRITERS`, each once, in the order of that table.
    language : {"en", "fr", "es", "pt", "sw", "hi", "ar"}
        Of words for people, on pictures and pages.
    identified : bool
        Whether the report names the patient; else it holds neither name nor number.
    """

    views: tuple[str, ...] = USUAL
    language: Language = "en"
    identified: bool = False


PLAIN = Wanted()


def language_of(name: str) -> Language:
    """Return the language by this name.

    Raises
    ------
    UsageError
        There is none.
    """
    found = next((language for language in LANGUAGES if language == name.strip().lower()), None)
    if found is None:
        raise UsageError(f"Reading --language {name!r}: expected one of {', '.join(LANGUAGES)}.")
    return found


def views_of(names: Sequence[str], profile: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """Return the views that a person asks for, by name, by destination or both; the usual ones where by neither.

    Parameters
    ----------
    names : sequence of str
        Each may hold several, parted by commas.
    profile : str, optional
        Of `PROFILES`.
    known : sequence of str
        All there are, in the order in which they are returned.

    Raises
    ------
    UsageError
        There is no view or destination by that name.
    """
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"Reading --for {profile!r}: expected one of {', '.join(PROFILES)}.")
    asked = [part.strip() for name in names for part in name.split(",") if part.strip()]
    for name in asked:
        if name not in known:
            raise UsageError(f"Reading --write {name!r}: expected one of {', '.join(known)}.")
    wanted = {*asked, *(PROFILES[profile] if profile is not None else () if asked else USUAL)}
    return tuple(name for name in known if name in wanted)
