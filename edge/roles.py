"""Which of a patient's scans is which of a pack's inputs: by what the series say or a person names, never by order."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import ReadError, UsageError
from edge.findings import Notice
from edge.pack.manifest import Input, Role
from edge.read.group import patients_differ
from edge.reasons import ROLE_AMBIGUOUS, ROLE_MISSING, TWO_PATIENTS
from edge.scan import Series, StudyIndex

WORD = re.compile(r"[^\W_]+\*?")
"""T2* is another sequence than T2."""

Roles = Mapping[str, str]
"""By absolute path of a file or folder: the input that the scan in it is, in a person's word."""

Judged = tuple[Series, tuple[Notice, ...]]
"""A series, and what its header tells against its being an input."""

Said = Mapping[str, Sequence[Judged]]


def together(studies: Sequence[StudyIndex], roles: Roles) -> tuple[StudyIndex, ...]:
    """Return the studies, with everything that a person gave a role put into one.

    Files such as NIfTI do not tell whose they are; who names them together says that they are of one patient.

    Raises
    ------
    ReadError
        ``R310``: what they do tell is of two patients.
    """
    named = [study for study in studies if any(role_of(series, roles) for series in study.series)]
    if len(named) < 2:
        return tuple(studies)
    series = tuple(item for study in named for item in study.series)
    told = [item.identity for item in series if item.identity.patient_id or item.identity.patient_name]
    if patients_differ(told):
        raise ReadError("Bringing the named scans together: they may not be of the same patient.", TWO_PATIENTS)
    key = hashlib.sha256("".join(sorted(study.key for study in named)).encode()).hexdigest()[:16]
    left_out = tuple(out for study in named for out in study.left_out)
    one = StudyIndex(key=key, series=series, left_out=left_out)
    return (one, *(study for study in studies if study not in named))


def role_of(series: Series, roles: Roles) -> str | None:
    """Return the input that a person named this series as; a file in a folder that is named too goes by its own.

    Examples
    --------
    >>> from edge.scan import Acquisition, Identity
    >>> path = os.path.join(os.sep, "scans", "a.nii")
    >>> one = Series(
    ...     format="nifti", paths=(path,), identity=Identity(), acquisition=Acquisition(), pictures=9, bytes=0
    ... )
    >>> role_of(one, {os.path.dirname(path): "t1", path: "t2"})
    't2'
    """
    holding = [
        path
        for path in roles
        if any(own == path or own.startswith(path.rstrip(os.sep) + os.sep) for own in series.paths)
    ]
    return roles[max(holding, key=len)] if holding else None


def matches(series: Series, role: Role) -> bool:
    """Return whether a series says itself that it is this input.

    Examples
    --------
    >>> from edge.scan import Acquisition, Identity
    >>> def described(text, contrast=None):
    ...     said = Acquisition(description=text, contrast=contrast)
    ...     return Series(format="dicom", paths=(), identity=Identity(), acquisition=said, pictures=1, bytes=0)
    >>> t1 = Role(words=("t1", "mprage"), without=("gd",), contrast=False)
    >>> matches(described("AX_T1-SE", False), t1), matches(described("AX T1 +Gd", True), t1)
    (True, False)
    """
    said = {word.lower() for word in WORD.findall(series.acquisition.description or "")}
    if role.words and said.isdisjoint(word.lower() for word in role.words):
        return False
    if not said.isdisjoint(word.lower() for word in role.without):
        return False
    return role.contrast is None or bool(series.acquisition.contrast) == role.contrast


def assign(inputs: Sequence[Input], said: Said, roles: Roles) -> tuple[dict[str, Series], tuple[Notice, ...]]:
    """Return the series of each input, or why there is none.

    Parameters
    ----------
    inputs : sequence of Input
        More than one.
    said : mapping
        By name of input: every series of the study, with what speaks against it.
    roles : mapping
        What a person named counts before what the series say.
    """
    found: dict[str, Series] = {}
    notices: list[Notice] = []
    for item in inputs:
        meant = _meant(item, said[item.name], roles)
        chosen = [series for series, against in meant if not against]
        if len(chosen) == 1:
            found[item.name] = chosen[0]
        else:
            notices += [_unassigned(item, chosen), *(notice for _, against in meant for notice in against)]
    twice = {id(series) for series in found.values()}
    if not notices and len(twice) < len(found):
        detail = f"One series could be several of {', '.join(found)}."
        notices.append(Notice(reason=ROLE_AMBIGUOUS, severity="refuse", detail=detail))
    return found, tuple(dict.fromkeys(notices))


def _meant(item: Input, said: Sequence[Judged], roles: Roles) -> list[Judged]:
    """The series that are this input: those that a person named, else those that tell so themselves."""
    named = [judged for judged in said if role_of(judged[0], roles) == item.name]
    if named or item.role is None:
        return named
    return [(one, against) for one, against in said if role_of(one, roles) is None and matches(one, item.role)]


def _unassigned(item: Input, chosen: Sequence[Series]) -> Notice:
    if chosen:
        detail = f"{len(chosen)} series could be {item.name!r}."
        return Notice(reason=ROLE_AMBIGUOUS, severity="refuse", detail=detail)
    wanted = " or ".join(item.role.words) if item.role and item.role.words else item.name
    return Notice(reason=ROLE_MISSING, severity="refuse", detail=f"No series is {item.name!r} (looked for {wanted}).")


def absolute(pairs: Sequence[tuple[str, Path]]) -> dict[str, str]:
    """Return roles by absolute path.

    Raises
    ------
    UsageError
        One path has two roles.
    """
    roles: dict[str, str] = {}
    for role, path in pairs:
        if roles.setdefault(str(path.absolute()), role) != role:
            found = f"found {roles[str(path.absolute())]} and {role}, expected one role for a scan"
            raise UsageError(f"Naming the scan {path}: {found}.")
    return roles
