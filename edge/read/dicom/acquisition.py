"""Header -> `Identity` and `Acquisition`: whose image it is and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from types import MappingProxyType
from typing import Any

from pydicom.dataset import Dataset

from edge.read.dicom.description import PixelDescription
from edge.read.dicom.values import first_item, text, texts
from edge.scan import Acquisition, Identity

VIEWS: Mapping[str, str] = MappingProxyType({
    "R-10206": "AP", "399348003": "AP",
    "R-10214": "PA", "R-40888": "PA", "272479007": "PA",
    "R-10236": "LL", "399173006": "LL",
    "R-10232": "RL", "399198007": "RL",
    "R-10242": "CC", "399162004": "CC",
    "R-10226": "MLO", "399368009": "MLO",
    "R-10224": "ML", "399260004": "ML",
    "R-10228": "LM", "399352003": "LM",
})  # fmt: skip
"""(0054,0220) View Code Sequence -> (0018,5101) View Position, for the codes (SRT, SNM3 and SCT) of PS3.16 CID 4010 and
4014 whose meaning is a defined term of C.8.1.1 or C.8.11.7."""

VIEW_SCHEMES = ("SRT", "SCT", "SNM3")

AGE_UNITS: Mapping[str, float] = MappingProxyType({"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0})
"""How many of each unit of the value representation AS (PS3.5 6.2) make a year."""


def identity_of(dataset: Dataset) -> Identity:
    """Return whose image it is."""
    return Identity(
        patient_id=text(dataset, "PatientID"),
        patient_name=text(dataset, "PatientName"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
    )


def patient_key(dataset: Dataset) -> tuple[str | None, ...]:
    """Return what tells patients apart: the identifier, or name and birth date where there is none."""
    patient_id = text(dataset, "PatientID")
    if patient_id is not None:
        return ("id", patient_id)
    return ("name", text(dataset, "PatientName"), text(dataset, "PatientBirthDate"))


def acquisition_of(dataset: Dataset, image: PixelDescription, *, lossy_syntax: bool) -> Acquisition:
    """Return how the image was made."""
    return Acquisition(
        modality=_upper(dataset, "Modality"),
        body_part=_upper(dataset, "BodyPartExamined"),
        view=_upper(dataset, "ViewPosition") or _coded_view(dataset),
        laterality=_upper(dataset, "ImageLaterality") or _upper(dataset, "Laterality") or _frame_laterality(dataset),
        sex=_upper(dataset, "PatientSex"),
        age_years=_age_years(dataset),
        photometric="RGB" if image.in_colour else image.photometric,
        image_type=texts(dataset, "ImageType"),
        lossy=_lossy(dataset, lossy_syntax=lossy_syntax),
        burned_in=_yes(dataset, "BurnedInAnnotation"),
        presentation=_upper(dataset, "PresentationIntentType"),
        description=text(dataset, "SeriesDescription"),
    )


def agreed(found: Sequence[Acquisition]) -> Acquisition:
    """Return what all agree on; where they differ the value is unknown, except that one lossy image makes all lossy."""
    values: dict[str, Any] = {}
    for field in fields(Acquisition):
        distinct = {getattr(one, field.name) for one in found}
        unknown = () if field.name == "image_type" else None
        values[field.name] = distinct.pop() if len(distinct) == 1 else unknown
    if any(one.lossy for one in found):
        values["lossy"] = True
    return Acquisition(**values)


def _upper(dataset: Dataset, keyword: str) -> str | None:
    value = text(dataset, keyword)
    return value.upper() if value else None


def _yes(dataset: Dataset, keyword: str) -> bool | None:
    return {"YES": True, "NO": False}.get(text(dataset, keyword) or "")


def _lossy(dataset: Dataset, *, lossy_syntax: bool) -> bool | None:
    """(0028,2110): once lossy, always lossy (PS3.3 C.7.6.1.1.5), and a lossy syntax is lossy whatever is declared."""
    return True if lossy_syntax else {"01": True, "00": False}.get(text(dataset, "LossyImageCompression") or "")


def _coded_view(dataset: Dataset) -> str | None:
    item = first_item(dataset, "ViewCodeSequence")
    if item is None or text(item, "CodingSchemeDesignator") not in VIEW_SCHEMES:
        return None
    return VIEWS.get(text(item, "CodeValue") or "")


def _frame_laterality(dataset: Dataset) -> str | None:
    """(0020,9072) in the shared groups of an enhanced object, PS3.3 C.7.6.16.2.8."""
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    anatomy = None if shared is None else first_item(shared, "FrameAnatomySequence")
    return None if anatomy is None else _upper(anatomy, "FrameLaterality")


def _age_years(dataset: Dataset) -> float | None:
    """(0010,1010) Patient's Age, else the time from birth to the study."""
    age = text(dataset, "PatientAge")
    if age and age[:-1].isdecimal() and age[-1:] in AGE_UNITS:
        return round(int(age[:-1]) / AGE_UNITS[age[-1]], 3)
    born, seen = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
    if born is None or seen is None or seen < born:
        return None
    return round((seen - born).days / 365.25, 3)


def _date(dataset: Dataset, keyword: str) -> date | None:
    value = text(dataset, keyword) or ""
    if len(value) != 8 or not value.isdecimal():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None
