"""Whether what a finished result warns of, that known answers were never run here, is not so any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.pack.store import AUTO
from edge.ready.place import kept_record
from edge.reasons import GOLDEN_NOT_RUN

if TYPE_CHECKING:
    from edge.write.report import StudyReport


def proven_since(report: StudyReport) -> bool:
    """Return whether the pack of such a result was prepared since: then it is made again, without the warning.

    Where an engine or a precision was asked for, another that gives the known answers changes nothing.
    """
    warned = [item for item in report.results if any(note.code == GOLDEN_NOT_RUN.code for note in item.warnings)]
    asked = report.options is not None and (report.options.engine, report.options.precision) != (None, AUTO)
    return any(
        _proven(item.pack.sha256, (item.engine.name, item.engine.precision) if asked else None)
        for item in warned
        if item.pack is not None and item.engine is not None
    )


def _proven(pack_sha256: str, wanted: tuple[str, str] | None) -> bool:
    """Whether known answers were given here: by that engine and precision, or by any."""
    record = kept_record(pack_sha256)
    if record is None or isinstance(record, str) or record.differs():
        return False
    right = [(each.engine, each.precision) for each in record.tried if each.golden and not each.problem]
    return bool(right) if wanted is None else wanted in right
