"""A word for a patient's sex, as a clinic's table has it -> M, F or O, as a DICOM header has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.errors import UsageError

WORDS: Mapping[str, tuple[str, ...]] = {
    "M": (
        *("m", "male", "man", "boy", "h", "homme", "masculin", "garçon", "hombre", "masculino", "varón", "varon"),
        *("homem", "mwanaume", "mwanamume", "me", "पुरुष", "ذكر"),
    ),
    "F": (
        *("f", "female", "woman", "girl", "femme", "féminin", "feminin", "fille", "mujer", "femenino"),
        *("mulher", "feminino", "mwanamke", "ke", "महिला", "स्त्री", "أنثى"),
    ),
    "O": ("o", "other", "autre", "otro", "outro", "nyingine", "अन्य", "آخر"),
}
"""By term of (0010,0040), PS3.3 C.7.1.1, in the languages that edgerun speaks."""
OTHER_MEN = frozenset({"v", *(word for word in WORDS["M"] if word[0] in "hv")})
"""Words for a man beside which M stands for ``mujer`` or ``mulher``."""
_TERMS = {word: term for term, words in WORDS.items() for word in words}


def sex_of(text: str) -> str:
    """Return M, F or O; a word that is none of these stays as it is.

    Examples
    --------
    >>> sex_of("female"), sex_of("f."), sex_of("Homme"), sex_of("not asked")
    ('F', 'F', 'M', 'not asked')
    """
    return _TERMS.get(text.casefold().rstrip("."), text)


def check_sexes(table: Path, texts: Iterable[str]) -> None:
    """Refuse a column in which M may be a man or, as ``mujer``, a woman.

    Raises
    ------
    UsageError
        It has M and a word for a man that begins otherwise, such as H or ``varón``.
    """
    found = {text.casefold().rstrip(".") for text in texts}
    other = min(found & OTHER_MEN, default=None)
    if "m" in found and other is not None:
        raise UsageError(
            f"Reading {table}: found {other.upper()} and M as sex, where M may stand for a man or for a woman; write M "
            "and F."
        )
