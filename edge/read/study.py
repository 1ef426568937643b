"""From paths to one whole study; the public face is `edge.read.read_study`."""

from __future__ import annotations

from edge.errors import ReadError
from edge.read.find import Paths
from edge.read.group import patients_differ
from edge.read.isolate import ScanReader
from edge.reasons import SEVERAL_STUDIES, TWO_PATIENTS
from edge.scan import Found, LeftOut, Scan, Series, Study


def read_study(paths: Paths) -> Study:
    """Return everything at `paths` as one study; see `edge.read.read_study`."""
    with ScanReader() as reader:
        found = reader.index(paths).result()
        _check_one_study(found)
        left_out = [*found.left_out, *(out for study in found.studies for out in study.left_out)]
        results = [_load(reader, series) for study in found.studies for series in study.series]
    scans = tuple(result for result in results if isinstance(result, Scan))
    left_out.extend(result for result in results if isinstance(result, LeftOut))
    if not scans:
        first = left_out[0]
        more = f" ({len(left_out) - 1} more things were left out.)" if len(left_out) > 1 else ""
        raise ReadError(f"Reading {first.paths[0]!r}: {first.detail}{more}", first.reason)
    return Study(scans=scans, left_out=tuple(left_out))


def _load(reader: ScanReader, series: Series) -> Scan | LeftOut:
    try:
        return reader.load(series).result()
    except ReadError as error:
        return LeftOut(paths=series.paths, reason=error.reason, detail=error.message)


def _check_one_study(found: Found) -> None:
    for study in found.studies:
        for out in study.left_out:
            if out.reason is TWO_PATIENTS:
                raise ReadError(f"Reading {out.paths[0]!r} and {len(out.paths) - 1} more: {out.detail}", TWO_PATIENTS)
    dicom = [study for study in found.studies if study.series and study.series[0].format == "dicom"]
    if len(dicom) < 2:
        return
    first, second = dicom[0].series[0].paths[0], dicom[1].series[0].paths[0]
    differ = patients_differ(series.identity for study in dicom for series in study.series)
    words = "may not be of the same patient" if differ else "are of different studies"
    raise ReadError(
        f"Reading {len(dicom)} DICOM studies as one: {first!r} and {second!r} {words}.",
        TWO_PATIENTS if differ else SEVERAL_STUDIES,
    )
