"""Whether a scan was examined at all: one that was refused or could not be read is never fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edge.choose import Choice
from edge.engines import EngineFacts
from edge.errors import EdgerunError, EngineError, ExitCode, OutputError, PackError, ReadError
from edge.reasons import ARCHITECTURE_ONLY, REASONS, Reason
from edge.scan import StudyIndex
from edge.write.report import StudyReport

RAISES = {"R": ReadError, "P": PackError, "E": EngineError, "W": OutputError}
"""By the first letter of a code."""
WHAT_TO_DO = "A scan that is refused cannot be measured: give scans that the pack is made for."


class RefusedError(EdgerunError):
    """A scan that was to be measured was refused. Carries a ``C7xx`` or ``R3xx`` reason."""

    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED


def check_examined(study: StudyIndex, choice: Choice) -> None:
    """Raise where a study holds what the pack does not examine.

    Raises
    ------
    RefusedError, ReadError
        With the first reason.
    """
    for out in study.left_out:
        if out.reason.grave:
            raise error_of(out.reason, out.detail)
    if choice.refused:
        _, notices = choice.refused[0]
        raise RefusedError(f"Measuring: {notices[0].detail} {WHAT_TO_DO}", notices[0].reason)


def check_report(report: StudyReport) -> int:
    """Return how many scans a report says were examined, of which none may have been refused.

    A pack that is ``architecture-only`` runs its model and refuses to say what came of it: that counts.

    Raises
    ------
    RefusedError, ReadError, PackError, EngineError, OutputError
        With the reason that stands in the report.
    """
    for result in report.results:
        grave = [reason for reason in result.reasons if reason.code != ARCHITECTURE_ONLY.code]
        if grave:
            raise error_of(REASONS[grave[0].code], grave[0].detail)
    if not report.results:
        raise RefusedError(f"Measuring: {report.summary} {WHAT_TO_DO}")
    return len(report.results)


def engine_of(reports: Sequence[StudyReport]) -> EngineFacts | None:
    """Return what ran, by the word of the first report that says it."""
    said = (result.engine for report in reports for result in report.results)
    return next((engine for engine in said if engine is not None), None)


def error_of(reason: Reason, detail: str) -> EdgerunError:
    """Return the error that says why a scan cannot be measured."""
    if reason.refuses:
        return RefusedError(f"Measuring: {detail} {WHAT_TO_DO}", reason)
    return RAISES[reason.code[0]](f"Measuring: {detail}", reason)
