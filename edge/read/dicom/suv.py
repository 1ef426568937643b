"""PET values -> standardised uptake values by body weight, where the files tell all that this needs; else why not.

The rules are those of QIBA's FDG-PET/CT profile ("vendor-neutral pseudo-code for SUV calculation") on the attributes of
PS3.3 C.8.9.1, C.8.9.2 and C.8.9.4. The weight and the dose are used here and go no further.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.read.dicom.boundary import guarded
from edge.read.dicom.modality import Rescale
from edge.read.dicom.place import Place
from edge.read.dicom.values import element_name, first_item, number, text, texts
from edge.reasons import NO_SUV
from edge.scan import Window

SUV_BODY_WEIGHT = "SUVbw"
"""`Scan.unit` of standardised uptake values by body weight, g/ml."""

KEYWORDS = (
    "PatientWeight", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "TimezoneOffsetFromUTC",
    "CorrectedImage", "DecayCorrection", "SUVType", "FrameReferenceTime", "ActualFrameDuration",
    "RadiopharmaceuticalInformationSequence",
)  # fmt: skip
"""The elements that a conversion looks at, beside those of every scan."""

PHILIPS = (0x7053, "Philips PET Private Group")
GENERAL_ELECTRIC = (0x0009, "GEMS_PETD_01")
_BLOCKS = range(0x10, 0x20)
_WANTED = ((PHILIPS[0], 0x00), (PHILIPS[0], 0x09), (GENERAL_ELECTRIC[0], 0x0D))

PRIVATE_TAGS = (
    *(group << 16 | block for group in (PHILIPS[0], GENERAL_ELECTRIC[0]) for block in _BLOCKS),
    *(group << 16 | block << 8 | element for group, element in _WANTED for block in _BLOCKS),
)
"""Where private elements and the names of their blocks may stand (PS3.5 7.8.1), for the first sixteen blocks."""

WEIGHTS_KG = (0.2, 700.0)
"""Beyond lie placeholders, and weights in grams."""

DOSES_BQ = (1e5, 1e11)
"""Beyond lie placeholders, and doses in MBq."""

HALF_LIVES = 10.0
"""Of a dose that was given longer ago than so many half-lives less than a thousandth is left: the times are wrong."""

FRAME_MS = (1.0, 1e9)
DAY_S = 86400.0
AGREE = 1e-3
"""Relative difference below which the factors of two files are the same: for fluorine 18, nine seconds."""

_DATE = re.compile(r"(?:19|20|21)\d{6}")
_TIME = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(r"((?:19|20|21)\d{6})(\d{2}[\d.]*)([+-]\d{4})?")

Frame = tuple[int, int]


def in_suv(datasets: Sequence[Dataset], located: Mapping[Frame, Place]) -> tuple[dict[Frame, Place], tuple[str, ...]]:
    """Return the places of a PET series with transforms that give SUVbw, or as they are with the reason in words.

    Parameters
    ----------
    datasets : sequence of Dataset
        The headers of the series' files.
    located : mapping
        The place of every frame; series of other modalities come back untouched.

    Returns
    -------
    places : dict
        Each `Transform` gives g/ml and has the unit ``SUVbw``; each window is moved along.
    warnings : tuple of str
        Why the values are not SUVbw, without patient data; empty where they are.
    """
    pictures = dict(located)
    if not datasets or text(datasets[0], "Modality") != "PT" or text(datasets[0], "Units") is None:
        return pictures, ()
    try:
        factor = suv_factor(datasets)
        return {frame: _scaled(place, factor) for frame, place in pictures.items()}, ()
    except ReadError as error:
        return pictures, (f"values are not in {SUV_BODY_WEIGHT}: {error.message}",)


def suv_factor(datasets: Sequence[Dataset]) -> float:
    """Return by what the values of a PET series, after their rescale slope, are multiplied to give SUVbw in g/ml.

    Parameters
    ----------
    datasets : sequence of Dataset
        The headers of all files of one series.

    Raises
    ------
    ReadError
        ``NO_SUV``: something is missing, impossible or contradictory. ``BAD_HEADER``: a number is malformed.

    Notes
    -----
    ``BQML``: weight in g / dose at the time to which the decay correction refers: the start of the scan (``START``) or
    the injection (``ADMIN``). ``CNTS``: the private factor of Philips. ``GML``: 1, unless (0054,1006) SUV Type names
    another than body weight.
    """
    earliest = _earliest(datasets)
    factors = [_factor(dataset, earliest) for dataset in datasets]
    if max(factors) > min(factors) * (1 + AGREE):
        raise _no_suv("the files of the series contradict each other in weight, dose or times")
    return factors[0]


def _scaled(place: Place, factor: float) -> Place:
    transform = place.transform
    if transform.table is not None:
        raise _no_suv("its values come from a lookup table, expected a rescale slope")
    rescale = Rescale(transform.rescale.slope * factor, transform.rescale.intercept * factor)
    window = place.window if factor == 1.0 else _scaled_window(place.window, factor)
    return replace(place, transform=replace(transform, rescale=rescale, unit=SUV_BODY_WEIGHT), window=window)


def _scaled_window(window: Window | None, factor: float) -> Window | None:
    """The same look at scaled values; the half and the one that LINEAR takes off (C.11.2.1.2.1) are scaled too."""
    if window is None:
        return None
    less = (0.5, 1.0) if window.function == "LINEAR" else (0.0, 0.0)
    center, width = (window.center - less[0]) * factor, (window.width - less[1]) * factor
    function = "LINEAR_EXACT" if window.function == "LINEAR" else window.function
    return Window(center=center, width=width, function=function) if width > 0 else None


def _factor(dataset: Dataset, earliest: datetime | None) -> float:
    """The factor of one file."""
    corrections = texts(dataset, "CorrectedImage")
    for needed in ("ATTN", "DECY"):
        if needed not in corrections:
            raise _no_suv(f"{element_name('CorrectedImage')} does not name {needed}")
    if text(dataset, "DecayCorrection") not in ("START", "ADMIN"):
        raise _no_suv(f"{element_name('DecayCorrection')} is neither START nor ADMIN")
    units = text(dataset, "Units")
    if units == "GML":
        return _declared(dataset)
    if units == "BQML":
        return _from_activity(dataset, earliest)
    if units == "CNTS":
        return _from_counts(dataset, earliest)
    raise _no_suv(f"{element_name('Units')} is none of BQML, CNTS and GML")


def _declared(dataset: Dataset) -> float:
    """(0054,1006) absent means body weight, PS3.3 C.8.9.1."""
    if text(dataset, "SUVType") not in (None, "BW"):
        raise _no_suv(f"{element_name('SUVType')} is not BW")
    return 1.0


def _from_counts(dataset: Dataset, earliest: datetime | None) -> float:
    """By the factors to SUV or to Bq/ml that Philips writes into elements of its own."""
    to_suv = _private_number(dataset, 0x00)
    if to_suv is not None and to_suv > 0:
        return to_suv
    to_activity = _private_number(dataset, 0x09)
    if to_activity is None or to_activity <= 0:
        raise _no_suv("values are counts, and the factors (7053,xx00) and (7053,xx09) of Philips are missing or 0")
    return to_activity * _from_activity(dataset, earliest)


def _from_activity(dataset: Dataset, earliest: datetime | None) -> float:
    """Weight in g / dose in Bq that is left at the time to which the values are corrected."""
    agent = first_item(dataset, "RadiopharmaceuticalInformationSequence")
    if agent is None:
        raise _no_suv(f"{element_name('RadiopharmaceuticalInformationSequence')} is missing")
    weight_g = 1000.0 * _number_within(dataset, "PatientWeight", WEIGHTS_KG)
    dose_bq = _number_within(agent, "RadionuclideTotalDose", DOSES_BQ)
    if text(dataset, "DecayCorrection") == "ADMIN":
        return weight_g / dose_bq
    half_life_s = _number_within(agent, "RadionuclideHalfLife", (1.0, 1e9))
    elapsed_s = _elapsed_s(_scan_time(dataset, earliest, half_life_s), dataset, agent, half_life_s)
    return float(weight_g / (dose_bq * 2.0 ** (-elapsed_s / half_life_s)))


def _elapsed_s(scan: datetime, dataset: Dataset, agent: Dataset, half_life_s: float) -> float:
    """Seconds from the injection to the time to which the values are corrected."""
    injected = _injected(scan, dataset, agent, half_life_s)
    elapsed_s = (scan - injected).total_seconds()
    if elapsed_s < 0:
        raise _no_suv("the injection is dated after the start of the scan")
    if elapsed_s > HALF_LIVES * half_life_s:
        raise _no_suv(f"the injection is dated more than {HALF_LIVES:g} half-lives before the scan, or after it")
    return elapsed_s


def _injected(scan: datetime, dataset: Dataset, agent: Dataset, half_life_s: float) -> datetime:
    """(0018,1078), else (0018,1072), which has no date; the two may not contradict each other."""
    alone = _time_of_day(text(agent, "RadiopharmaceuticalStartTime"))
    dated = _start_date_time(dataset, agent)
    if dated is not None:
        clock = timedelta(hours=dated.hour, minutes=dated.minute, seconds=dated.second)
        if alone is not None and abs((clock - alone).total_seconds()) >= 60:
            raise _no_suv(
                f"{element_name('RadiopharmaceuticalStartDateTime')} and "
                f"{element_name('RadiopharmaceuticalStartTime')} contradict each other"
            )
        return dated
    if alone is None:
        raise _no_suv(f"{element_name('RadiopharmaceuticalStartDateTime')} is missing or malformed")
    if HALF_LIVES * half_life_s > DAY_S:
        raise _no_suv(f"{element_name('RadiopharmaceuticalStartTime')} has no date, and the dose lasts for days")
    midnight = scan.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + alone - timedelta(days=int(midnight + alone > scan))  # past midnight, it was the day before


def _start_date_time(dataset: Dataset, agent: Dataset) -> datetime | None:
    """(0018,1078) in the time zone of the file's other times."""
    found = _moment_and_zone(text(agent, "RadiopharmaceuticalStartDateTime"))
    if found is None:
        return None
    moment, zone = found
    if zone is None:
        return moment
    here = text(dataset, "TimezoneOffsetFromUTC")
    if here is None or not re.fullmatch(r"[+-]\d{4}", here):
        raise _no_suv(f"{element_name('RadiopharmaceuticalStartDateTime')} has a time zone, the scan's times have none")
    return moment - _offset(zone) + _offset(here)


def _scan_time(dataset: Dataset, earliest: datetime | None, half_life_s: float) -> datetime:
    """The time to which START corrects: that of the series, unless the series was made from another afterwards."""
    series = _moment(dataset, "SeriesDate", "SeriesTime")
    if series is None or earliest is None:
        raise _no_suv(
            f"{element_name('SeriesDate')} and Time, or {element_name('AcquisitionDate')} and Time, are missing or "
            "malformed"
        )
    if series <= earliest:
        return series
    private = _private(dataset, GENERAL_ELECTRIC, 0x0D)
    found = None if private is None else _moment_and_zone(private)
    if found is not None:
        if found[0] > earliest:
            raise _no_suv("the scan's start in (0009,xx0D) of GE is after its first acquisition")
        return found[0]
    return _from_frame(dataset, half_life_s)


def _from_frame(dataset: Dataset, half_life_s: float) -> datetime:
    """Back from the time at which the frame had its mean count rate (PS3.3 C.8.9.4.1.5)."""
    acquired = _moment(dataset, "AcquisitionDate", "AcquisitionTime")
    reference_ms, duration_ms = number(dataset, "FrameReferenceTime"), number(dataset, "ActualFrameDuration")
    if acquired is None or reference_ms is None or duration_ms is None:
        raise _no_suv(
            f"the series was made after its acquisition, and {element_name('FrameReferenceTime')} or "
            f"{element_name('ActualFrameDuration')} is missing"
        )
    if not all(FRAME_MS[0] <= found <= FRAME_MS[1] for found in (reference_ms, duration_ms)):
        raise _no_suv(
            f"{element_name('FrameReferenceTime')} or {element_name('ActualFrameDuration')} is 0 or impossible"
        )
    decayed = math.log(2.0) / half_life_s * duration_ms / 1000.0
    mean_s = duration_ms / 1000.0 / decayed * math.log(decayed / -math.expm1(-decayed))
    return acquired + timedelta(seconds=mean_s - reference_ms / 1000.0)


def _earliest(datasets: Sequence[Dataset]) -> datetime | None:
    """The first acquisition of the series, if every file tells its own."""
    acquired = [_moment(dataset, "AcquisitionDate", "AcquisitionTime") for dataset in datasets]
    known = [moment for moment in acquired if moment is not None]
    return min(known) if known and len(known) == len(acquired) else None


def _number_within(dataset: Dataset, keyword: str, limits: tuple[float, float]) -> float:
    found = number(dataset, keyword)
    if found is None:
        raise _no_suv(f"{element_name(keyword)} is missing")
    if not limits[0] <= found <= limits[1]:
        raise _no_suv(f"{element_name(keyword)} is 0 or impossible, expected {limits[0]:g} to {limits[1]:g}")
    return found


def _private_number(dataset: Dataset, element: int) -> float | None:
    found = _private(dataset, PHILIPS, element)
    try:
        value = None if found is None else float(found)
    except ValueError as error:
        raise _no_suv(f"(7053,xx{element:02X}) of Philips is malformed") from error
    return value if value is None or math.isfinite(value) else None


def _private(dataset: Dataset, owner: tuple[int, str], element: int) -> str | None:
    """A private element as text, in whichever block its owner reserved (PS3.5 7.8.1)."""
    group, name = owner
    with guarded("reading a private element", NO_SUV):
        for block in _BLOCKS:
            creator, found = dataset.get((group, block)), dataset.get((group, block << 8 | element))
            if creator is not None and found is not None and _plain(creator.value) == name:
                return _plain(found.value)
    return None


def _plain(value: object) -> str:
    """Private values are bytes where the file does not tell their type."""
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip(" \0")


def _moment(dataset: Dataset, date_keyword: str, time_keyword: str) -> datetime | None:
    date, clock = text(dataset, date_keyword) or "", _time_of_day(text(dataset, time_keyword))
    if clock is None or not _DATE.fullmatch(date):
        return None
    try:
        return datetime.strptime(date, "%Y%m%d") + clock  # noqa: DTZ007 -- local time, as all of the file's
    except ValueError:
        return None


def _time_of_day(words: str | None) -> timedelta | None:
    """A value of the representation TM, PS3.5 6.2."""
    found = _TIME.fullmatch(words or "")
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    microseconds = int((found.group(4) or "").ljust(6, "0"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)


def _moment_and_zone(words: str | None) -> tuple[datetime, str | None] | None:
    """A value of the representation DT, PS3.5 6.2, that tells at least the hour; and its time zone."""
    found = _MOMENT.fullmatch(words or "")
    clock = None if found is None else _time_of_day(found.group(2))
    if found is None or clock is None:
        return None
    try:
        return datetime.strptime(found.group(1), "%Y%m%d") + clock, found.group(3)  # noqa: DTZ007 -- the zone is kept
    except ValueError:
        return None


def _offset(zone: str) -> timedelta:
    """A time zone such as ``+0530`` as the time by which its clocks are ahead of UTC."""
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    return -ahead if zone[0] == "-" else ahead


def _no_suv(problem: str) -> ReadError:
    return ReadError(problem, NO_SUV)
