"""What every object ends with: whose it is, who made it, and nothing in it that chance or the clock made."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_ROOT_UID, UID, ExplicitVRLittleEndian

from edge.objects.identity import IMPLEMENTATION_CLASS_UID, LONG_STRING, MANUFACTURER, NO_DATE, Identity
from edge.objects.sources import copy_elements, copy_patient_and_study
from edge.objects.subject import Subject

HIGHDICOM_ROOT_UID = "1.2.826.0.1.3680043.10.511.3."
"""Under which highdicom makes UIDs by chance."""

NOT_FOR_DIAGNOSIS = "Not for diagnosis"
RESEARCH = "RESEARCH"


def finish(dataset: Dataset, subject: Subject, number: int = 1) -> Dataset:
    """Complete an object that highdicom or a builder began, in place, and return it.

    Patient and study become exactly those of the first source; UIDs of series and instance, date and time those of the
    identity; equipment edgerun with the pack; UIDs that were made by chance follow from the identity.

    Parameters
    ----------
    number : int
        (0020,0013), from 1.
    """
    source, identity = subject.sources[0], subject.identity
    copy_patient_and_study(source, dataset)
    copy_elements(source, dataset, ["TimezoneOffsetFromUTC"])
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence"):
        dataset.pop(keyword, None)
    dataset.SeriesInstanceUID = identity.series_instance_uid
    dataset.SeriesNumber = identity.series_number
    dataset.SOPInstanceUID = identity.sop_instance_uid(number)
    dataset.InstanceNumber = number
    dataset.ContentDate, dataset.ContentTime = identity.date, identity.time
    if identity.date != NO_DATE:
        dataset.SeriesDate, dataset.SeriesTime = identity.date, identity.time
    dataset.SeriesDescription = series_description(subject)
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = identity.model_name
    dataset.DeviceSerialNumber = identity.serial_number
    dataset.SoftwareVersions = list(identity.software_versions)
    dataset.ContentQualification = RESEARCH
    _settle_uids(dataset, identity, _uids_of(subject.sources))
    return dataset


def series_description(subject: Subject) -> str:
    """Return (0008,103E) of the series: what it is for comes first, as long lists cut words off."""
    pack = subject.result.pack
    made_by = MANUFACTURER if pack is None else f"{MANUFACTURER} {pack.title}"
    return f"{NOT_FOR_DIAGNOSIS}: {made_by}"[:LONG_STRING]


def _uids_of(sources: Iterable[Dataset]) -> set[str]:
    return {str(source[keyword].value) for source in sources for keyword in _UIDS if keyword in source}


_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")


def _settle_uids(dataset: Dataset, identity: Identity, kept: set[str]) -> None:
    """Replace what a library made by chance, each UID by the same one everywhere."""
    settled: dict[str, str] = {}
    for holder, keyword, value in _by_chance(dataset, kept):
        settled.setdefault(value, identity.uid("made", len(settled) + 1))
        setattr(holder, keyword, settled[value])


def _by_chance(dataset: Dataset, kept: set[str]) -> Iterator[tuple[Dataset, str, str]]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _by_chance(item, kept)
        elif element.VR == "UI" and element.VM == 1 and str(element.value) not in kept:
            value = str(element.value)
            if value.startswith((HIGHDICOM_ROOT_UID, PYDICOM_ROOT_UID)):
                yield dataset, element.keyword, value


def encoded(dataset: Dataset) -> bytes:
    """Return an object as a file (PS3.10), Explicit VR Little Endian unless its pixels are encapsulated."""
    told = getattr(dataset, "file_meta", None)
    syntax = told.get("TransferSyntaxUID") if told is not None else None
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = MANUFACTURER.upper()
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def numbered(view: str, datasets: Sequence[Dataset]) -> dict[str, bytes]:
    """Return the objects of a view as files by their names: ``seg.dcm``, or ``seg-1.dcm``, ``seg-2.dcm``, ..."""
    if len(datasets) == 1:
        return {f"{view}.dcm": encoded(datasets[0])}
    return {f"{view}-{number}.dcm": encoded(dataset) for number, dataset in enumerate(datasets, start=1)}
