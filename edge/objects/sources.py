"""The headers of what was examined, read again and proven unchanged, and what is copied from them word for word."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.hashes import hashed
from edge.objects.copied import PATIENT, REQUIRED, STUDY
from edge.objects.unfit import NO_DICOM, NO_HEADER, UnfitError
from edge.read.dicom.acquisition import patients_differ
from edge.read.dicom.boundary import guarded
from edge.read.dicom.parse import parse_file
from edge.read.unchanged import quoted, stamp_of
from edge.reasons import DAMAGED, NOT_READABLE
from edge.scan import Source

MOST_PATIENTS = 16
"""Under one series, for each of which an object is made."""
_TOLD_APART = ("StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")
UTF_8 = "ISO_IR 192"
"""(0008,0005) of everything that is written: it has all characters of all others (PS3.3 C.12.1.1.2)."""


def read_sources(sources: Sequence[Source]) -> tuple[Dataset, ...]:
    """Return the header of each file, without pixels, in this order.

    Parameters
    ----------
    sources : sequence of Source
        With the SHA-256 of each file as it was examined.

    Raises
    ------
    ReadError
        A file cannot be read, or is another than was examined; the message names it.
    edge.objects.unfit.UnfitError
        They are no DICOM files, or lack the UIDs by which an object refers to them.
    """
    if not sources or not all(source.sop_instance_uid for source in sources):
        raise UnfitError(NO_DICOM)
    return _referable(tuple(_read(source) for source in sources))


def read_headers(sources: Sequence[Source]) -> tuple[Dataset, ...]:
    """Return the header of each file of a scan of which no pixel was decoded; it may be anything.

    Parameters
    ----------
    sources : sequence of Source
        With the SHA-256 of each file; whether it is DICOM nobody has told yet.

    Raises
    ------
    edge.objects.unfit.UnfitError
        No object can belong to them: a header cannot be read, or lacks UIDs.
    """
    try:
        datasets = _referable(tuple(_read(source) for source in sources))
    except ReadError as error:
        raise UnfitError(NO_HEADER) from error
    if not datasets:
        raise UnfitError(NO_HEADER)
    return datasets


def by_patient(headers: Sequence[Dataset]) -> list[tuple[Dataset, ...]]:
    """Return headers parted by patient and study, each in their order; all together where they are of one.

    Raises
    ------
    edge.objects.unfit.UnfitError
        They are of more than `MOST_PATIENTS`.
    """
    if not patients_differ(headers) and len({str(header.StudyInstanceUID) for header in headers}) == 1:
        return [tuple(headers)]
    lots: dict[tuple[str, ...], list[Dataset]] = {}
    for header in headers:
        lots.setdefault(tuple(str(header.get(keyword) or "") for keyword in _TOLD_APART), []).append(header)
    if len(lots) > MOST_PATIENTS:
        raise UnfitError(f"its files are of more than {MOST_PATIENTS} patients or studies")
    return [tuple(lot) for lot in lots.values()]


def _referable(datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not all(dataset.get(keyword) for dataset in datasets):
            raise UnfitError(f"a source has no {keyword}, by which it could be referred to")
    return datasets


def _read(source: Source) -> Dataset:
    before = stamp_of(source.path)
    name = quoted(source.path)
    with guarded(f"Reading {name} again", NOT_READABLE):
        found = hashed(Path(source.path))
        dataset = parse_file(source.path).dataset
    if found != source.sha256 or stamp_of(source.path) != before:
        raise ReadError(f"Reading {name} again: it is not the file that was examined. Examine it again.", DAMAGED)
    return dataset


def copy_elements(source: Dataset, target: Dataset, keywords: Sequence[str]) -> None:
    """Copy elements word for word, decoded by the source's own character sets, sequences with all that is in them."""
    for keyword in keywords:
        if keyword in target:
            delattr(target, keyword)
        if keyword in source:
            element = copy.deepcopy(source[keyword])
            if element.VR == "SQ":
                for item in element.value:
                    _decode(item)
            target.add(element)


def _decode(item: Dataset) -> None:
    """Decode what was read lazily, which would else be written in the source's encoding."""
    item.pop("SpecificCharacterSet", None)
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                _decode(inner)


def copy_patient_and_study(source: Dataset, target: Dataset) -> None:
    """Make the patient and the study of `target` those of `source`, exactly."""
    copy_elements(source, target, [*PATIENT, *STUDY])
    for keyword in REQUIRED:
        if keyword not in target:
            setattr(target, keyword, None)
    target.SpecificCharacterSet = UTF_8
