"""Coded entries: codes of the standard's own schemes stay, with the meaning that the scheme gives; local ones do not.

A code of a hospital's own making can be a person's number, and its meaning is free text. PS3.3 8.8, PS3.16 8.
"""

from __future__ import annotations

import functools
import re

from pydicom.dataset import Dataset
from pydicom.sr.codedict import Collection

from edge.deidentify.secret import Secret
from edge.deidentify.words import REMOVED

LOCAL = "99REMOVED"
VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
VERSIONS = frozenset({"ContextGroupLocalVersion", "ContextGroupVersion"})
"""Well-known dates: moved, they would betray by how much."""

DROPPED = VERSIONS | frozenset({
    "CodingSchemeVersion", "ContextGroupExtensionCreatorUID", "ContextGroupExtensionFlag", "ContextIdentifier",
    "ContextUID", "EquivalentCodeSequence", "MappingResource",
    "MappingResourceName", "MappingResourceUID",
})  # fmt: skip
"""What says where a code was chosen from."""

_SRT = r"[A-Z][0-9A-Z]?-[0-9A-F]{4,6}"
_UNIT = (
    r"(?:[fpnumcdkMG]?(?:m|s|g|l|L|Gy|Sv|Bq|Hz|V|A|W|Pa|N|J|T|K|eV|mol|rad)|min|h|d|wk|mo|a|deg|Cel|%|dB|mAs"
    r"|mm?\[Hg\]|\[pH\]|\[hnsf'U\]|\[iU\])"
)
_NOTE = r"\{(?:0:1|1|no units|ratio|counts?|pixels?|H\.B\.|1\.73_m2|SUV(?:bw|lbm|bsa|ibw))\}"
_FACTOR = rf"(?:{_UNIT}-?\d?(?:{_NOTE})?|{_NOTE}(?:{_UNIT})?|1|100|10\*-?\d{{1,2}})"
UCUM = "UCUM"
SCHEMES: dict[str, str] = {
    "SCT": r"\d{6,18}",
    "SRT": _SRT,
    "SNM3": _SRT,
    "99SDM": _SRT,
    "DCM": r"\d{5,6}",
    "LN": r"\d{1,7}-\d",
    "RADLEX": r"RID\d{1,6}",
    "FMA": r"\d{1,7}",
    "UMLS": r"C\d{7}",
    "NCIt": r"C\d{3,7}",
    "MDC": r"\d{1,10}",
    "ISO3166_1": r"[A-Z]{2,3}",
    "RFC5646": r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?",
    UCUM: rf"/?{_FACTOR}(?:[./]{_FACTOR}){{0,4}}",
}
"""Coding schemes for everybody, PS3.16 8, and what their codes look like."""

_LISTED = ("SCT", "SRT", "DCM", "LN", UCUM, "RADLEX", "FMA", "UMLS", "NCIt")


@functools.cache
def _meanings(scheme: str) -> dict[str, str]:
    """The meanings of a scheme's codes, the shortest of those that the standard's context groups have."""
    try:
        concepts = Collection(scheme).concepts if scheme in _LISTED else {}
    except (KeyError, AttributeError):
        return {}
    longest_first = sorted(concepts.values(), key=lambda code: (-len(code.meaning), code.meaning))
    return {code.value: code.meaning for code in longest_first}


def is_code(item: Dataset) -> bool:
    """Return whether a sequence's item is a coded entry."""
    return "CodeMeaning" in item and any(name in item for name in VALUES)


def clean_code(item: Dataset, secret: Secret, *, dummy: bool) -> None:
    """Make a coded entry say nothing but a code for everybody; in place.

    Parameters
    ----------
    dummy : bool
        Whether even such a code is to go, as one that names a person.
    """
    scheme = str(item.get("CodingSchemeDesignator") or "").strip()
    name = next((name for name in VALUES if name in item), "CodeValue")
    value = str(item.get(name) or "").strip()
    for keyword in (*VALUES, *DROPPED):
        if keyword in item and keyword != name:
            delattr(item, keyword)
    known = _meanings(scheme).get(value)
    if not dummy and (known is not None or re.fullmatch(SCHEMES.get(scheme, r"(?!)"), value)):
        item.CodeMeaning = (known or (value if scheme == UCUM else REMOVED))[:64]  # a number needs its unit
        return
    if name != "CodeValue":
        delattr(item, name)
    item.CodeValue = REMOVED if dummy else secret.label(f"{scheme}\0{value}")
    item.CodingSchemeDesignator, item.CodeMeaning = LOCAL, REMOVED
