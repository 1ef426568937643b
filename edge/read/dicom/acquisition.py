"""Header -> `Identity` and `Acquisition`: whose image it is and how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

from pydicom.dataset import Dataset

from edge.read.dicom.description import PixelDescription
from edge.read.dicom.modality import is_captured
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

LATERALITIES = ("L", "R", "B", "U")
"""The defined terms of (0020,0062), PS3.3 C.7.6.1 and C.8.11.7; the first two also of (0020,0060)."""

AGE_UNITS: Mapping[str, float] = MappingProxyType({"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0})
"""How many of each unit of the value representation AS (PS3.5 6.2) make a year."""


OLDEST_YEARS = 130.0
"""Nobody is older; ages beyond are those of placeholders."""


def identity_of(dataset: Dataset) -> Identity:
    """Return whose image it is."""
    return Identity(
        patient_id=_patient_id(dataset),
        patient_name=text(dataset, "PatientName"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        birth_date=text(dataset, "PatientBirthDate"),
        study_date=text(dataset, "StudyDate"),
    )


def patients_differ(datasets: Sequence[Dataset]) -> bool:
    """Return whether files of one series may be of different people.

    Their identifiers must be the same, or their names and birth dates where there are none; and no two may contradict
    each other in the issuer of the identifier, the name or the birth date: numbers are used again elsewhere.
    """
    contradicting = (
        {text(one, "IssuerOfPatientID") for one in datasets},
        {_plain_name(one) for one in datasets},
        {text(one, "PatientBirthDate") for one in datasets},
    )
    return len({_patient_key(one) for one in datasets}) > 1 or any(len(told - {None}) > 1 for told in contradicting)


def _patient_key(dataset: Dataset) -> tuple[str | None, ...]:
    patient_id = _patient_id(dataset)
    if patient_id is not None:
        return (patient_id,)
    return (None, text(dataset, "PatientName"), text(dataset, "PatientBirthDate"))


def _patient_id(dataset: Dataset) -> str | None:
    """(0010,0020), whole even where a backslash in it, which is not allowed, made several values of it."""
    return "\\".join(texts(dataset, "PatientID")) or None


def _plain_name(dataset: Dataset) -> str | None:
    """The alphabetic form of (0010,0010), whatever its case and its empty components (PS3.5 6.2)."""
    alphabetic = (text(dataset, "PatientName") or "").partition("=")[0]
    return " ".join(alphabetic.casefold().replace("^", " ").split()) or None


def acquisition_of(dataset: Dataset, image: PixelDescription, *, lossy_syntax: bool) -> Acquisition:
    """Return how the image was made."""
    return Acquisition(
        modality=_upper(dataset, "Modality"),
        body_part=_upper(dataset, "BodyPartExamined"),
        view=_view(dataset),
        laterality=_laterality(dataset),
        sex=_sex(dataset),
        age_years=_age_years(dataset),
        photometric="RGB" if image.in_colour else image.photometric,
        image_type=texts(dataset, "ImageType"),
        lossy=_lossy(dataset, lossy_syntax=lossy_syntax),
        burned_in=_yes(dataset, "BurnedInAnnotation"),
        presentation=_upper(dataset, "PresentationIntentType"),
        description=text(dataset, "SeriesDescription"),
        contrast=_contrast(dataset),
        captured=is_captured(dataset),
        bits_stored=image.bits_stored,
        kvp=_positive(dataset, "KVP"),
        slice_thickness_mm=_positive(dataset, "SliceThickness") or _shared_thickness_mm(dataset),
        field_strength_tesla=_positive(dataset, "MagneticFieldStrength"),
        device=_device(dataset),
    )


def _device(dataset: Dataset) -> str | None:
    """Manufacturer and model in one word for both, as one of them alone names many machines."""
    maker, model = (" ".join((text(dataset, name) or "").split()) for name in ("Manufacturer", "ManufacturerModelName"))
    if model.casefold().startswith(maker.casefold()):
        maker = ""
    return f"{maker} {model}".strip() or None


def _sex(dataset: Dataset) -> str | None:
    """M, F or O (PS3.3 C.7.1.1); another word is none, and may be anything."""
    sex = _upper(dataset, "PatientSex")
    return sex if sex in ("M", "F", "O") else None


def _upper(dataset: Dataset, keyword: str) -> str | None:
    value = text(dataset, keyword)
    return value.upper() if value else None


def _positive(dataset: Dataset, keyword: str) -> float | None:
    """A number above 0; whatever else stands there tells nothing, as vendors write 0 for what they do not know."""
    try:
        value = float(text(dataset, keyword) or 0)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def _shared_thickness_mm(dataset: Dataset) -> float | None:
    """(0018,0050) in the shared groups of an enhanced object, PS3.3 C.7.6.16.2.1."""
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    measures = None if shared is None else first_item(shared, "PixelMeasuresSequence")
    return None if measures is None else _positive(measures, "SliceThickness")


def _yes(dataset: Dataset, keyword: str) -> bool | None:
    return {"YES": True, "NO": False}.get(text(dataset, keyword) or "")


def _contrast(dataset: Dataset) -> bool | None:
    """(0018,0010), in enhanced objects (0018,0012): an agent is named wherever one was used (PS3.3 C.7.6.4, C.7.6.4b).

    Where the element is empty, who knows.
    """
    if dataset.get("ContrastBolusAgentSequence"):
        return True
    if "ContrastBolusAgent" not in dataset:
        return False
    agent = (text(dataset, "ContrastBolusAgent") or "").strip().upper()
    return None if not agent else agent not in ("NO", "NONE", "W/O", "WITHOUT")


def _lossy(dataset: Dataset, *, lossy_syntax: bool) -> bool | None:
    """(0028,2110): once lossy, always lossy (PS3.3 C.7.6.1.1.5), and a lossy syntax is lossy whatever is declared."""
    return True if lossy_syntax else {"01": True, "00": False}.get(text(dataset, "LossyImageCompression") or "")


def _view(dataset: Dataset) -> str | None:
    """(0018,5101), else the coded one; where each names another of the known views, it is not known which is true."""
    named, coded = _upper(dataset, "ViewPosition"), _coded_view(dataset)
    if named in VIEWS.values() and coded is not None and coded != named:
        return None
    return named or coded


def _laterality(dataset: Dataset) -> str | None:
    """What (0020,0062), (0020,0060) and (0020,9072) agree on; unknown where they contradict each other."""
    told = {_upper(dataset, "ImageLaterality"), _upper(dataset, "Laterality"), _frame_laterality(dataset)} - {None}
    one = told.pop() if len(told) == 1 else None
    return one if one in LATERALITIES else None


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
    """(0010,1010) Patient's Age, else the time from birth to the study.

    000Y is what stands there when nobody filled it in: infants have days, weeks or months (PS3.5 6.2).
    """
    age = text(dataset, "PatientAge")
    if age and age != "000Y" and age[:-1].isdecimal() and age[-1:] in AGE_UNITS:
        years = int(age[:-1]) / AGE_UNITS[age[-1]]
    else:
        born, seen = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
        years = -1.0 if born is None or seen is None else (seen - born).days / 365.25
    return round(years, 3) if 0 <= years <= OLDEST_YEARS else None


def _date(dataset: Dataset, keyword: str) -> date | None:
    value = text(dataset, keyword) or ""
    if len(value) != 8 or not value.isdecimal():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None
