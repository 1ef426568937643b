"""Who a file is about: how patients are told apart, their new names, and what says that all this was done."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.deidentify.readable import told
from edge.deidentify.table import EDITION, Keep
from edge.deidentify.wishes import Wishes

BASIC = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
CLEAN_CONTENT = ("113104", "Clean Structured Content Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
KEPT: dict[Keep, tuple[str, str]] = {
    "dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
    "patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
    "uids": ("113110", "Retain UIDs Option"),
}
"""Codes of CID 7050, PS3.16."""

_LONGEST = 64


def identity_of(dataset: Dataset) -> str:
    """Return the text by which a patient is told from others.

    The number and who gave it; where there is no number, name and birth date; where there is no name either, the
    study, so that two patients never become one.
    """
    number, issuer = told(dataset, "PatientID"), told(dataset, "IssuerOfPatientID")
    if number:
        return f"number\0{number}\0{issuer}"
    name = told(dataset, "PatientName").strip("^ ")
    if name:
        return f"name\0{name.lower()}\0{told(dataset, 'PatientBirthDate')}"
    return f"study\0{told(dataset, 'StudyInstanceUID')}"


def codes_of(wishes: Wishes) -> list[tuple[str, str]]:
    """Return the profile and the options that were obeyed, CID 7050: the same for all files of a patient.

    Examples
    --------
    >>> [code for code, _ in codes_of(Wishes(keep=("uids",), burned_in="blank", looks=True))]
    ['113100', '113101', '113104', '113107', '113110']
    """
    codes = [BASIC, CLEAN_CONTENT, *(KEPT[keep] for keep in wishes.keep if keep in KEPT)]
    if "dates" not in wishes.keep:
        codes.append(MODIFIED_DATES)
    if wishes.looks and wishes.burned_in in ("blank", "refuse"):
        codes.append(CLEAN_PIXELS)
    return sorted(codes)


def sign(dataset: Dataset, name: str, wishes: Wishes, version: str, *, looked: bool) -> None:
    """Put the patient's new name and the record of what was done into a cleaned data set; in place.

    Parameters
    ----------
    name : str
        The patient's new name and number.
    version : str
        Of edgerun.
    looked : bool
        Whether every picture was searched for text, and what was found was blanked.
    """
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID = name
    dataset.PatientName = name.replace("-", "^")
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "UNMODIFIED" if "dates" in wishes.keep else "MODIFIED"
    if looked:
        dataset.BurnedInAnnotation = "NO"
    dataset.DeidentificationMethod = [f"edgerun {version}"[:_LONGEST], f"DICOM PS3.15 {EDITION} Table E.1-1"]
    dataset.DeidentificationMethodCodeSequence = Sequence([_code(*code) for code in codes_of(wishes)])


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
