"""What whoever hands studies on wants kept, and what is to become of text that is burned into pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from edge.deidentify.table import Keep
from edge.errors import UsageError

BurnedIn = Literal["blank", "likely", "refuse", "keep"]
"""``blank``: find text and paint over it. ``likely``: the same, but for slices as the scanner made them. ``refuse``: no
file with text, or, where nothing can look for it, of a kind that often has some. ``keep``: as it is."""

KEEPS: tuple[Keep, ...] = ("dates", "device", "institution", "patient-characteristics", "technique", "uids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How studies are to be de-identified.

    Parameters
    ----------
    keep : tuple of str
        Of `KEEPS`.
    burned_in : {"blank", "likely", "refuse", "keep"}
    looks : bool
        Whether something that finds text in pictures is installed.
    """

    keep: tuple[Keep, ...]
    burned_in: BurnedIn
    looks: bool


def keep_of(words: Sequence[str]) -> tuple[Keep, ...]:
    """Return what is to be kept, each once, in the order of `KEEPS`; commas part words as well.

    Raises
    ------
    edge.errors.UsageError
        A word is none of them.
    """
    asked = [word.strip() for words_ in words for word in words_.split(",")]
    for word in asked:
        if word not in KEEPS:
            raise UsageError(f"Reading --keep: found {word!r}, expected {', '.join(KEEPS)}.")
    return tuple(keep for keep in KEEPS if keep in asked)


def burned_in_of(word: str | None) -> BurnedIn | None:
    """Return what is to become of text in pictures; None where it is left to what is installed.

    Raises
    ------
    edge.errors.UsageError
        The word is none of `BurnedIn`.
    """
    if word is None or word in get_args(BurnedIn):
        return cast("BurnedIn | None", word)
    raise UsageError(f"Reading --burned-in: found {word!r}, expected {', '.join(get_args(BurnedIn))}.")
