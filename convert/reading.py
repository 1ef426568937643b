"""From the files of examinations to scans and what the model is fed, through the runtime's own reader and steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.cases import Case
from edge.check import check_scan, confirm_scan
from edge.errors import ReadError, UsageError
from edge.findings import Notice
from edge.pack.manifest import Input, Manifest
from edge.prepare import prepare
from edge.read import ScanReader
from edge.reasons import UNKNOWN_BODY_PART, UNKNOWN_LATERALITY, UNKNOWN_MODALITY, UNKNOWN_TECHNIQUE, UNKNOWN_VIEW
from edge.roles import absolute, role_of, together
from edge.scan import Scan, Series, StudyIndex

Feed = Mapping[str, NDArray[np.float32]]
Found = Mapping[str, list[tuple[StudyIndex, Series]]]
"""By absolute path of what was named: the series that are there, each with its study."""

SILENT = (UNKNOWN_MODALITY, UNKNOWN_BODY_PART, UNKNOWN_VIEW, UNKNOWN_LATERALITY, UNKNOWN_TECHNIQUE)
HEADLESS = (
    "Give the scan as DICOM, whose header tells. A file that tells nothing, such as PNG, fits only a description whose"
    " `accepts` asks nothing there (an empty list); its pack then asks nothing of any scan."
)


def scans_of(paths: Sequence[Path]) -> Iterator[tuple[Path, Scan]]:
    """Yield the one scan of each file, or of each folder of slices, read in a process of its own.

    Raises
    ------
    ReadError
        A file cannot be read: a figure over the others would be of another data set.
    UsageError
        A file does not hold one scan whole, or a folder not one scan alone.
    """
    with ScanReader(prefetch=("dicom",)) as reader:
        found = _found(reader, paths)
        for path in paths:
            yield path, reader.load(_series(found, path)[1]).result()


def examinations_of(
    cases: Sequence[Case], inputs: Sequence[Input], confirmed: Mapping[str, str] | None = None
) -> Iterator[tuple[Case, dict[str, Scan]]]:
    """Yield the scans of each examination by input, as a person who gives every file its role brings them together.

    Parameters
    ----------
    confirmed : mapping, optional
        What a person vouches for where the files do not tell; see `edge.check.confirm_scan`.

    Raises
    ------
    ReadError
        As for `scans_of`; ``R310``: the scans of an examination are of two patients.
    UsageError
        As for `scans_of`.
    """
    with ScanReader(prefetch=("dicom",)) as reader:
        found = _found(reader, [path for case in cases for path in case])
        for case in cases:
            series = _by_input(found, case, inputs)
            read = {name: reader.load(one).result() for name, one in series.items()}
            yield case, {name: confirm_scan(scan, confirmed or {})[0] for name, scan in read.items()}


def feeds_of(cases: Sequence[Case], manifest: Manifest, confirmed: Mapping[str, str] | None = None) -> Iterator[Feed]:
    """Yield what the model is fed for each examination that calibrates it, prepared as for an examination.

    Parameters
    ----------
    confirmed : mapping, optional
        See `examinations_of`.

    Raises
    ------
    UsageError
        There is no scan, or the pack would refuse one of them: it is no example of what the model will see.
    ReadError
        As for `examinations_of`; or the scans of an examination cannot be brought together.
    """
    if not cases:
        raise UsageError("Calibrating: there is no scan to calibrate with.")
    for case, scans in examinations_of(cases, manifest.inputs, confirmed):
        for path, item in zip(case, manifest.inputs, strict=True):
            accepts = replace(item.accepts, look=None)  # how often it errs is measured, and so not enforced here
            said = [note for note in check_scan(scans[item.name], accepts) if note.severity == "refuse"]
            if said:
                raise unfit(path, said)
        try:
            for feed in prepare(scans, manifest):
                yield feed.tensors
        except ReadError as error:
            raise ReadError(f"Calibrating with {case_words(case)}: {error.message}", error.reason) from error


def unfit(path: Path, notices: Sequence[Notice]) -> UsageError:
    """Return what to raise for a scan that the pack refuses, and what to do about it."""
    said = "; ".join(f"{notice.reason.code}: {notice.reason.words} {notice.detail}" for notice in notices)
    hint = f" {HEADLESS}" if any(notice.reason in SILENT for notice in notices) else ""
    return UsageError(f"Measuring with {path}: the pack refuses this scan: {said}{hint}")


def case_words(case: Case) -> str:
    """Return what to call an examination.

    Examples
    --------
    >>> case_words((Path("a.dcm"),)), case_words((Path("t1.nii"), Path("t2.nii")))
    ('a.dcm', 't1.nii with t2.nii')
    """
    return " with ".join(str(path) for path in case)


def _found(reader: ScanReader, paths: Sequence[Path]) -> Found:
    """What is at the paths; what lies beside the slices in a folder and is no image is passed over."""
    named = {str(path.absolute()) for path in paths}
    found = reader.index(sorted(named)).result()
    left = [item for study in found.studies for item in study.left_out] + list(found.left_out)
    for item in left:
        if item.reason.grave or not named.isdisjoint(item.paths):
            raise ReadError(f"Reading {item.paths[0]}: {item.detail}", item.reason)
    there: dict[str, list[tuple[StudyIndex, Series]]] = {}
    for study in found.studies:
        for series in study.series:
            first = Path(series.paths[0])
            for place in (first, *first.parents):
                if str(place) in named:
                    there.setdefault(str(place), []).append((study, series))
    return there


def _series(found: Found, path: Path) -> tuple[StudyIndex, Series]:
    there = found.get(str(path.absolute()), [])
    if len(there) == 1 and _is_whole(there[0][1], path):
        return there[0]
    if path.is_dir():
        raise UsageError(f"Reading {path}: found {len(there)} scans, expected a folder that holds one alone.")
    raise UsageError(f"Reading {path}: found part of a series, expected a file that holds a whole scan, or its folder.")


def _is_whole(series: Series, path: Path) -> bool:
    """Whether all of a series is at the path that was named."""
    place = path.absolute()
    return all(place in (Path(own), *Path(own).parents) for own in series.paths)


def _by_input(found: Found, case: Case, inputs: Sequence[Input]) -> dict[str, Series]:
    """The series of each input, all of one patient."""
    roles = absolute([(item.name, path) for item, path in zip(inputs, case, strict=True)])
    each = [_series(found, path) for path in case]
    try:
        together([replace(study, series=(series,), left_out=()) for study, series in each], roles)
    except ReadError as error:
        raise ReadError(f"Reading {case_words(case)}: {error.message}", error.reason) from error
    named = {role_of(series, roles): series for _, series in each}
    return {item.name: named[item.name] for item in inputs}
