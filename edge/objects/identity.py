"""Who an object is: UIDs, numbers, date and time that follow from what was examined, so that nothing is ever new."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset

from edge.device import installed_version
from edge.objects.contract import Arrays, Make
from edge.typed import dump
from edge.write.report import PackReport, ResultReport, ScanReport

MANUFACTURER = "edgerun"
NAMESPACE = uuid.UUID("6f0d6b1e-5a3c-5f58-9a4e-0c8a2a1f7d11")
IMPLEMENTATION_CLASS_UID = f"2.25.{uuid.uuid5(NAMESPACE, 'implementation').int}"
SERIES = {"sr": 91, "seg": 92, "sc": 93, "gsps": 94, "pdf": 95}
"""What each view's series adds to a hundred times the number of the series that was examined."""

LARGEST_NUMBER = 2**31 - 1
LONG_STRING = 64
NO_DATE, NO_TIME = "19000101", "000000"

_TIMES = (("ContentDate", "ContentTime"), ("AcquisitionDate", "AcquisitionTime"), ("SeriesDate", "SeriesTime"))
_DATE, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{6}(\.\d{1,6})?|\d{4}|\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an object is called.

    Parameters
    ----------
    digest : str
        SHA-256 of everything that shapes the object, and its number where there is one for each of several patients.
    view : str
    series_number : int
        (0020,0011).
    date, time : str
        (0008,0023) and (0008,0033): those of the source that was acquired last, as an object that is made again must
        be the same; `NO_DATE` where no source tells.
    model_name : str
        (0008,1090): the pack, or edgerun where there is none.
    serial_number : str
        (0018,1000): SHA-256 of the pack's manifest, which pins every file of it.
    software_versions : tuple of str
        (0018,1020).
    """

    digest: str
    view: str
    series_number: int
    date: str
    time: str
    model_name: str
    serial_number: str
    software_versions: tuple[str, ...]

    def uid(self, *role: object) -> str:
        """Return a UID, the same for the same object and role: 2.25 and a name-based UUID (PS3.5 B.2, RFC 9562 5.5).

        Examples
        --------
        >>> one = Identity(digest="ab", view="sc", series_number=193, date="20260102", time="030405", model_name="m",
        ...     serial_number="1", software_versions=())
        >>> one.uid("instance", 1) == one.uid("instance", 1), one.uid("instance", 1) == one.uid("instance", 2)
        (True, False)
        >>> one.uid("series")[:5], len(one.uid("series")) <= 64
        ('2.25.', True)
        """
        name = "/".join([self.digest, self.view, *(str(part) for part in role)])
        return f"2.25.{uuid.uuid5(NAMESPACE, name).int}"

    def part(self, number: int) -> Identity:
        """Return the identity of one of several objects that belong to different patients or studies."""
        return replace(self, digest=f"{self.digest}/{number}")

    @property
    def series_instance_uid(self) -> str:
        """Of the one series in which this view's objects lie."""
        return self.uid("series")

    def sop_instance_uid(self, number: int = 1) -> str:
        """Return that of the object with this instance number."""
        return self.uid("instance", number)


def identity_of(request: Make, arrays: Arrays, sources: Sequence[Dataset]) -> Identity:
    """Return the identity of what is asked for.

    Parameters
    ----------
    request : Make
    arrays : mapping
        That travelled with it.
    sources : sequence of Dataset
        At least one.
    """
    pack = request.result.pack
    date, time = max(_acquired(source) for source in sources)
    number = sources[0].get("SeriesNumber")
    series = int(number) if number not in (None, "") else 0
    known = 0 <= series < LARGEST_NUMBER // 100
    return Identity(
        digest=digest_of(request, arrays),
        view=request.view,
        series_number=(series if known else 0) * 100 + SERIES[request.view],
        date=date,
        time=time,
        model_name=(MANUFACTURER if pack is None else f"{pack.name} {pack.version}")[:LONG_STRING],
        serial_number=MANUFACTURER if pack is None else pack.sha256,
        software_versions=_software(request.result, pack),
    )


def digest_of(request: Make, arrays: Arrays) -> str:
    """Return the SHA-256 of a request: of all that it says but where files lie, and of the arrays beside it."""
    result = replace(
        request.result,
        scan=_without_paths(request.result.scan),
        others={name: _without_paths(scan) for name, scan in request.result.others.items()},
        files=(),
    )
    said = [dump(replace(request, result=result)), _software(result, result.pack)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _without_paths(scan: ScanReport) -> ScanReport:
    return replace(scan, sources=tuple(replace(source, path="") for source in scan.sources))


def _software(result: ResultReport, pack: PackReport | None) -> tuple[str, ...]:
    made_by = [f"{name} {installed_version(name)}" for name in ("edgerun", "highdicom", "pydicom")]
    if result.engine is not None:
        made_by.append(f"{result.engine.name} {result.engine.version} {result.engine.precision}")
    if pack is not None:
        made_by.append(f"{pack.name} {pack.version}")
    return tuple(words[:LONG_STRING] for words in made_by)


def _acquired(source: Dataset) -> tuple[str, str]:
    """When the content of a source was made: its own date, else that of its acquisition, series or study."""
    for date_keyword, time_keyword in (*_TIMES, ("StudyDate", "StudyTime")):
        date, time = str(source.get(date_keyword) or ""), str(source.get(time_keyword) or "")
        if _DATE.fullmatch(date):
            return date, time if _TIME.fullmatch(time) else NO_TIME
    return NO_DATE, NO_TIME
