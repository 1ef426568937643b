"""What a report's content tells of the patient as numbers, dates and codes: it goes as it does from the header."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.deidentify.codes import LOCAL
from edge.deidentify.readable import told
from edge.deidentify.words import REMOVED

Concept = tuple[str, str]

AGE: frozenset[Concept] = frozenset({
    ("DCM", "121031"), ("LN", "21112-8"), ("SCT", "184099003"),
    ("DCM", "121033"), ("LN", "30525-0"), ("SCT", "397669002"), ("SCT", "424144002"),
})  # fmt: skip
"""Names of content that tells a birth date or an age: never kept, for those above 89 could be told by it."""

CHARACTERISTICS: frozenset[Concept] = frozenset({
    ("DCM", "121032"), ("LN", "46098-0"), ("SCT", "263495000"),
    ("DCM", "121207"), ("LN", "8302-2"), ("LN", "3137-7"), ("SCT", "50373000"),
    ("LN", "29463-7"), ("LN", "3141-9"), ("SCT", "27113001"), ("SCT", "363808001"),
    ("LN", "39156-5"), ("SCT", "60621009"), ("LN", "8277-6"), ("SCT", "301898006"),
})  # fmt: skip
"""Names of content that tells sex, height, weight, body mass index or body surface."""

_DATES = {"Date": "19000101", "DateTime": "19000101000000", "Time": "000000"}
_NUMBERS = ("NumericValue", "FloatingPointValue", "RationalNumeratorValue", "RationalDenominatorValue")


def hide_subject(item: Dataset, *, keeps: bool) -> list[str]:
    """Take from a content item, PS3.3 C.17.3, what it tells of the patient's own person; in place.

    Parameters
    ----------
    item : Dataset
        With a concept name.
    keeps : bool
        Whether `CHARACTERISTICS` stay.

    Returns
    -------
    list of str
        Keywords of what was replaced. The item stays, for others refer to it by its place.
    """
    names = item.ConceptNameCodeSequence or ()
    concepts = {(told(name, "CodingSchemeDesignator"), told(name, "CodeValue")) for name in names}
    if not concepts & (AGE if keeps else AGE | CHARACTERISTICS):
        return []
    held = [
        keyword for keyword in (*_DATES, *_NUMBERS, "MeasuredValueSequence", "ConceptCodeSequence") if keyword in item
    ]
    for keyword in held:
        if keyword == "ConceptCodeSequence":
            item.ConceptCodeSequence = Sequence([_no_code()])
        elif keyword == "MeasuredValueSequence":
            item.MeasuredValueSequence = Sequence([])
        else:
            setattr(item, keyword, _DATES.get(keyword))
    return held


def _no_code() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = REMOVED, LOCAL, REMOVED
    return code
