"""The words by which a file itself names somebody: if one turns up in what was to stay, that goes too."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from edge.deidentify.readable import everything

LEAST_LETTERS = 3
LEAST_DIGITS = 4
NUMBERS = frozenset({
    "AccessionNumber", "AdmissionID", "FillerOrderNumberImagingServiceRequest", "OtherPatientIDs", "PatientID",
    "PatientTelephoneNumbers", "PlacerOrderNumberImagingServiceRequest", "RequestedProcedureID", "StudyID",
})  # fmt: skip
NEEDED = frozenset({
    "ConversionType", "ImageType", "Laterality", "Modality", "PatientPosition", "PhotometricInterpretation",
    "SpecificCharacterSet", "ValueType", "ViewPosition",
})  # fmt: skip
"""Terms of the standard without which nothing can be read, whoever is called that."""

_WORD = re.compile(r"[^\W_]+")


def words_of(dataset: Dataset) -> frozenset[str]:
    """Return the names and numbers of persons that a data set tells at any depth, in small letters.

    Names of less than three letters and numbers of less than four characters are left out: they would be found
    everywhere.
    """
    found: set[str] = set()
    for element in everything(dataset):
        if element.VR == "PN":
            text = _text(element).lower()
            words = (*_WORD.findall(text), *_WORD.findall(_without_accents(text)))
            found.update(word for word in words if len(word) >= LEAST_LETTERS)
        elif keyword_for_tag(element.tag) in NUMBERS:
            found.update(text for text in _plain(_text(element)) if len(text) >= LEAST_DIGITS)
    return frozenset(found - {"anonymous", "anonymized", "unknown", "none", "test", "phantom"})


def names(keyword: str, value: str, known: frozenset[str]) -> bool:
    """Return whether a text holds one of the known words."""
    if keyword in NEEDED or not known:
        return False
    lower = value.lower()
    if lower.strip() in known or any(word in known for word in _WORD.findall(lower)):
        return True
    return any(word in lower for word in known if not _WORD.fullmatch(word))  # numbers with a hyphen, say


def _text(element: DataElement) -> str:
    return str(element.value) if element.value is not None else ""


def _without_accents(text: str) -> str:
    """As names are typed where only plain letters are allowed."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def _plain(text: str) -> Iterable[str]:
    """A number, or those of a list, as they are compared."""
    return (part.strip(" '[]").lower() for part in text.replace("\\", ",").split(","))
