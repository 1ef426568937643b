"""From headers to studies: which files belong together, and which must not be used together. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from edge.read.contract import Header
from edge.reasons import BAD_HEADER, SAME_IMAGE_TWICE, TOO_LARGE, TWO_PATIENTS
from edge.scan import Acquisition, Found, Identity, LeftOut, Series, StudyIndex

T = TypeVar("T")
Record = TypeVar("Record", Identity, Acquisition)


def group(headers: Sequence[Header], left_out: Sequence[LeftOut], limit_bytes: int) -> Found:
    """Return the studies that the files make up, ordered by their first paths.

    Parameters
    ----------
    headers : sequence of Header
        In the order in which the files were found.
    left_out : sequence of LeftOut
        Files that gave no header; they belong to no study.
    limit_bytes : int
        Series whose decoded voxels need more are left out, but for pictures that can be read region by region.

    Returns
    -------
    Found
        The key of a study is made from its Study Instance UID (other formats: the file's absolute path) by a hash,
        so that it is the same in every run and tells nothing about the patient.
    """
    studies = [
        _study(key, members, limit_bytes) for key, members in _bundles(headers, lambda header: header.study).items()
    ]
    studies.sort(key=_first_path)
    return Found(studies=tuple(studies), left_out=tuple(sorted(left_out, key=lambda out: out.paths)))


def patients_differ(identities: Iterable[Identity]) -> bool:
    """Return whether these may be different people; what is missing is not taken for a match.

    All files must carry the same (0010,0020) Patient ID; or, where any lacks it, the same (0010,0010) Patient's
    Name; or none of them either (a study made anonymous).

    Examples
    --------
    >>> patients_differ([Identity(patient_id="1"), Identity(patient_id="1", patient_name="A^B")])
    False
    >>> patients_differ([Identity(patient_id="1"), Identity()])
    True
    """
    pairs = {(one.patient_id or None, one.patient_name or None) for one in identities}
    ids, names = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    if None not in ids:
        return len(ids) > 1
    if ids == {None}:
        return len(names) > 1
    return len(ids) > 2 or len(names) > 1 or None in names


def _bundles(headers: Iterable[Header], key: Callable[[Header], str]) -> dict[str, list[Header]]:
    bundles: dict[str, list[Header]] = {}
    for header in headers:
        bundles.setdefault(key(header), []).append(header)
    return bundles


def _study(key: str, headers: list[Header], limit_bytes: int) -> StudyIndex:
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    if patients_differ(header.identity for header in headers):
        out = LeftOut(
            paths=tuple(header.path for header in headers),
            reason=TWO_PATIENTS,
            detail="The images carry the same Study Instance UID (0020,000D), but (0010,0020) Patient ID or "
            "(0010,0010) Patient's Name differ or are missing in some.",
        )
        return StudyIndex(key=name, series=(), left_out=(out,))
    kept, left_out = _without_copies(headers)
    series: list[Series] = []
    for members in _bundles(kept, lambda header: header.series).values():
        one = _series(members)
        if all(member.in_tiles for member in members):
            whole = max(member.bytes for member in members)  # the others are the same picture, smaller
            one = replace(one, pictures=1, bytes=min(whole, limit_bytes))
        if one.bytes > limit_bytes:
            left_out.append(_too_large(one, limit_bytes))
        else:
            series.append(one)
    return StudyIndex(key=name, series=tuple(series), left_out=tuple(left_out))


def _without_copies(headers: list[Header]) -> tuple[list[Header], list[LeftOut]]:
    """Each SOP Instance UID once, the first that was found, and the copies; none where they are no copies."""
    kept: list[Header] = []
    left_out: list[LeftOut] = []
    for same in _bundles(headers, lambda header: header.sop_instance_uid or header.path).values():
        first, *copies = same
        if len({(header.order, header.pictures) for header in same if header.series == first.series}) > 1:
            detail = "Different images of a series carry the same SOP Instance UID (0008,0018), which must be unique."
            left_out.append(LeftOut(paths=tuple(header.path for header in same), reason=BAD_HEADER, detail=detail))
            continue
        kept.append(first)
        detail = f"Its SOP Instance UID (0008,0018) is that of {first.path!r}, which is used."
        left_out += (LeftOut(paths=(copy.path,), reason=SAME_IMAGE_TWICE, detail=detail) for copy in copies)
    return kept, left_out


def _series(headers: list[Header]) -> Series:
    ordered = sorted(headers, key=lambda header: header.order)
    return Series(
        format=ordered[0].format,
        paths=tuple(header.path for header in ordered),
        identity=agreed([header.identity for header in ordered]),
        acquisition=agreed([header.acquisition for header in ordered]),
        pictures=sum(header.pictures for header in ordered),
        bytes=sum(header.bytes for header in ordered),
    )


def agreed(records: Sequence[Record]) -> Record:
    """Return the values that all records share; where they differ, the field's default, which says nothing.

    One lossy image makes a series lossy: PS3.3 C.7.6.1.1.5.
    """
    first = records[0]
    shared: dict[str, Any] = {
        field.name: getattr(first, field.name)
        for field in fields(first)
        if all(getattr(record, field.name) == getattr(first, field.name) for record in records)
    }
    if any(getattr(record, "lossy", None) for record in records):
        shared["lossy"] = True
    return type(first)(**shared)


def _too_large(series: Series, limit_bytes: int) -> LeftOut:
    detail = f"It declares {_in_words(series.bytes)} of voxels; the limit is {_in_words(limit_bytes)}."
    return LeftOut(paths=series.paths, reason=TOO_LARGE, detail=detail)


def _in_words(size: int) -> str:
    """Bytes as a person reads them.

    >>> _in_words(3 << 30), _in_words(1 << 20)
    ('3.0 GiB', '1.0 MiB')
    """
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.1f} MiB"


def _first_path(study: StudyIndex) -> str:
    used = [path for series in study.series for path in series.paths]
    return min([*used, *(path for out in study.left_out for path in out.paths)])
