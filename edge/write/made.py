"""Every view of one result, in memory: a view that cannot show it is noted, one that failed fails the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge.errors import CodedError, OutputError, ReadError
from edge.findings import Findings
from edge.objects.unfit import UnfitError
from edge.reasons import OBJECT_NOT_MADE, VIEW_NOT_INSTALLED, WRONG_PLACE
from edge.scan import Scan
from edge.table import Entry
from edge.wanted import Wanted
from edge.write.report import ResultReport, of_reason

Writer = Callable[[ResultReport, Scan | None, Findings | None, Wanted], Mapping[str, bytes]]
Files = tuple[tuple[str, str, bytes], ...]

OF_OBJECTS = frozenset({WRONG_PLACE.code, OBJECT_NOT_MADE.code})
"""Failures of one view of one result, which no other study shares."""

SAFE = ("overlay", "page", "fhir", "sr", "sc", "pdf")
"""Views that a failed result still has, but for the one that failed."""


def check_installed(views: Sequence[str], table: Mapping[str, Entry]) -> None:
    """Refuse views whose packages are not installed, before any scan is examined.

    Raises
    ------
    OutputError
        ``W802``, with what lacks and what brings it.
    """
    for name in views:
        if missing := table[name].missing():
            brings = f" It comes with edgerun[{table[name].extra}]." if table[name].extra else ""
            raise OutputError(f"Writing {name}: the package {missing[0]} is not installed.{brings}", VIEW_NOT_INSTALLED)


def made(
    result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted, table: Mapping[str, Entry]
) -> tuple[ResultReport, Files]:
    """Return the result, with what could not be shown noted in it, and its files: view, name and content.

    A result of which a view failed is a failed one, without findings: what is asked for is there whole or not at all.

    Raises
    ------
    OutputError
        Another than ``W803`` and ``W804``, which no other study could escape either.
    """
    files: list[tuple[str, str, bytes]] = []
    notes: list[str] = []
    for view in wanted.views:
        writer: Writer = table[view].load()
        try:
            written = writer(result, scan, findings, wanted)
        except UnfitError as unfit:
            notes.append(f"{view} not written: {unfit}")
            continue
        except (OutputError, ReadError) as error:
            if isinstance(error, OutputError) and error.reason.code not in OF_OBJECTS:
                raise
            return _failed(result, scan, wanted, table, view, error)
        files += [(view, name, data) for name, data in written.items()]
    return replace(result, notes=(*result.notes, *notes)), tuple(files)


def _failed(
    result: ResultReport, scan: Scan | None, wanted: Wanted, table: Mapping[str, Entry], failing: str, error: CodedError
) -> tuple[ResultReport, Files]:
    """The result without what was found, for its first reason, and the views that can say so.

    Why it was refused before stays in its notes: without a failure it would not be tried again.
    """
    reason = result.failure or of_reason(error.reason, error.message)
    later = (f"{failing} not written: {error.message}",) if result.failure else ()
    before = tuple(f"{one.code}: {one.words} {one.action}" for one in result.refusals)
    failed = replace(
        result,
        state="failed",
        summary=f"Failed. {reason.code}: {reason.words}",
        engine=None,
        findings=None,
        refusals=(),
        failure=reason,
        site=None,
        seen=None,
        notes=(*result.notes, *before, *later),
    )
    safe = replace(wanted, views=tuple(view for view in wanted.views if view in SAFE and view != failing))
    return made(failed, scan, None, safe, table)
