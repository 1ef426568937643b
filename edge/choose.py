"""Which pack examines a study, and which of its series: by what the headers say, before a pixel is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.check import check_header, confirm
from edge.errors import UsageError
from edge.findings import Notice
from edge.pack.manifest import Input
from edge.pack.store import Pack
from edge.reasons import (
    NO_PACK_FITS,
    NOT_NEEDED,
    SEVERAL_PACKS_FIT,
    UNKNOWN_BODY_PART,
    UNKNOWN_LATERALITY,
    UNKNOWN_MODALITY,
    UNKNOWN_TECHNIQUE,
    UNKNOWN_VIEW,
    WRONG_STACK,
    Reason,
)
from edge.register.labels import assign_labels, label_roles
from edge.roles import Roles, assign
from edge.scan import LeftOut, Series, StudyIndex

UNTOLD = (UNKNOWN_MODALITY, UNKNOWN_BODY_PART, UNKNOWN_VIEW, UNKNOWN_LATERALITY, UNKNOWN_TECHNIQUE)
"""What a series is refused for that may well be what the pack is made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What will be examined, and by what.

    Parameters
    ----------
    pack : Pack, optional
        None where none or several fit.
    fitting : tuple of mappings
        To be examined, each by name of the pack's input.
    refused : tuple of (Series, tuple of Notice)
        Where nothing fits: every series and why not. Else those that do not say what they are, and so might fit.
    passed_over : tuple of LeftOut
        Where something fits: the series that are not what this pack is made for.
    """

    pack: Pack | None
    fitting: tuple[Mapping[str, Series], ...] = ()
    refused: tuple[tuple[Series, tuple[Notice, ...]], ...] = ()
    passed_over: tuple[LeftOut, ...] = ()


def choose(
    study: StudyIndex, packs: Sequence[Pack], confirmed: Mapping[str, str], roles: Roles | None = None, *, named: bool
) -> Choice:
    """Return the pack and the series of `study` that it examines.

    Parameters
    ----------
    packs : sequence of Pack
        Those that may be used.
    confirmed : mapping
        See `edge.check.confirm`.
    roles : mapping, optional
        See `edge.roles`.
    named : bool
        Whether the one pack was asked for: then its own reasons are given where it does not fit.

    Raises
    ------
    UsageError
        The one pack has no input by a name in `roles`; what is confirmed makes no sense.
    """
    roles = roles or {}
    if named:
        _check_roles(packs[0], roles)
        return _with(packs[0], study, confirmed, roles)
    able = [pack for pack in packs if not _unknown(pack, roles)]
    choices = [choice for pack in able if (choice := _with(pack, study, confirmed, roles)).fitting]
    if len(choices) == 1:
        return choices[0]
    if choices:
        names = ", ".join(choice.pack.manifest.name for choice in choices if choice.pack)
        return _without(study, SEVERAL_PACKS_FIT, f"These fit: {names}.")
    names = ", ".join(pack.manifest.name for pack in packs) or "none"
    return _without(study, NO_PACK_FITS, f"Installed: {names}.")


def _unknown(pack: Pack, roles: Roles) -> list[str]:
    """Roles that a person named and that the pack does not have."""
    known = {item.name for item in pack.manifest.inputs} | set(label_roles(pack.manifest))
    return sorted(set(roles.values()) - known)


def _check_roles(pack: Pack, roles: Roles) -> None:
    if unknown := _unknown(pack, roles):
        names = ", ".join([*(item.name for item in pack.manifest.inputs), *label_roles(pack.manifest)])
        raise UsageError(
            f"Naming scans for {pack.manifest.name}: found {', '.join(unknown)}, expected some of {names}."
        )


def _with(pack: Pack, study: StudyIndex, confirmed: Mapping[str, str], roles: Roles) -> Choice:
    if len(pack.manifest.inputs) > 1:
        return _with_several(pack, study, confirmed, roles)
    (item,) = pack.manifest.inputs
    notices = [(series, _refusals(series, item, confirmed)) for series in study.series]
    fitting = tuple({item.name: series} for series, said in notices if not said)
    if not fitting:
        return Choice(pack=pack, refused=tuple(notices))
    untold = tuple((series, said) for series, said in notices if said and all(n.reason in UNTOLD for n in said))
    passed_over = tuple(
        LeftOut(paths=series.paths, reason=said[0].reason, detail=said[0].detail)
        for series, said in notices
        if said and (series, said) not in untold
    )
    return Choice(pack=pack, fitting=fitting, refused=untold, passed_over=passed_over)


def _with_several(pack: Pack, study: StudyIndex, confirmed: Mapping[str, str], roles: Roles) -> Choice:
    """One examination of several series, or a refusal of all of them: a part of what is needed is nothing."""
    inputs = pack.manifest.inputs
    said = {item.name: [(series, _refusals(series, item, confirmed)) for series in study.series] for item in inputs}
    found, missing = assign(inputs, said, roles)
    labels, without = assign_labels(study.series, pack.manifest, roles)
    if missing := missing + without:
        return Choice(pack=pack, refused=tuple((series, missing) for series in study.series))
    found |= labels
    used = {id(series) for series in found.values()}
    others = [(series, notices) for series, notices in said[inputs[0].name] if id(series) not in used]
    passed_over = tuple(
        LeftOut(
            paths=series.paths,
            reason=notices[0].reason if notices else NOT_NEEDED,
            detail=notices[0].detail if notices else f"The inputs are {', '.join(found)}.",
        )
        for series, notices in others
    )
    return Choice(pack=pack, fitting=(found,), passed_over=passed_over)


def _without(study: StudyIndex, reason: Reason, detail: str) -> Choice:
    notice = Notice(reason=reason, severity="refuse", detail=detail)
    return Choice(pack=None, refused=tuple((series, (notice,)) for series in study.series))


def _refusals(series: Series, item: Input, confirmed: Mapping[str, str]) -> tuple[Notice, ...]:
    """What the header already tells against examining this series as this input."""
    accepts = item.accepts
    said = check_header(confirm(series.acquisition, confirmed), accepts)
    refusals = tuple(notice for notice in said if notice.severity == "refuse")
    if (accepts.stack == "picture") != (series.pictures == 1):
        detail = f"Found {series.pictures} pictures, expected a {accepts.stack}."
        refusals += (Notice(reason=WRONG_STACK, severity="refuse", detail=detail),)
    return refusals
