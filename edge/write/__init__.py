"""From findings to files: the report is the truth, and every other file a view of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge.findings import Findings
from edge.reasons import NEEDS_WINDOWS, NOT_ENOUGH_MEMORY
from edge.scan import Scan
from edge.table import Entry
from edge.typed import parse
from edge.wanted import PLAIN, Wanted
from edge.words import ENGLISH
from edge.write.files import make_folder, mapped, write_whole
from edge.write.made import check_installed, made
from edge.write.report import FileReport, ResultReport, StudyReport, content_sha256, sealed, to_json

REPORT = "report.json"
OURS = re.compile(
    r"(\d+-)?"
    r"(overlay\.png|mask-.+\.(png|nii\.gz|tif)|labels\.(nii\.gz|json|tif)|instances\.png"
    r"|(warped|warped-labels|displacement)\.nii\.gz|synthetic\.(png|nii\.gz)"
    r"|(sr|seg|sc|gsps|pdf)(-\d+)?\.dcm|page\.pdf|fhir\.json)"
)
"""Names of the files that the writers make."""

OF_MEMORY = frozenset({NOT_ENOUGH_MEMORY.code, NEEDS_WINDOWS.code})
"""Refusals that speak of the machine and of EDGERUN_SCAN_BYTES, which no request names."""

PDF = "objects,paper"
"""A page in an object needs what both need."""

WRITERS: Mapping[str, Entry] = {
    "overlay": Entry("edge.write.overlay:overlay"),
    "masks": Entry("edge.write.masks:masks"),
    "registration": Entry("edge.write.registered:registered"),
    "synthetic": Entry("edge.write.synthetic:synthetic"),
    "page": Entry("edge.write.page:page", needs=("fpdf", "uharfbuzz", "segno"), extra="paper"),
    "sr": Entry("edge.write.objects:sr", needs=("pydicom", "highdicom"), extra="objects"),
    "seg": Entry("edge.write.objects:seg", needs=("pydicom", "highdicom"), extra="objects"),
    "sc": Entry("edge.write.objects:sc", needs=("pydicom", "highdicom"), extra="objects"),
    "gsps": Entry("edge.write.objects:gsps", needs=("pydicom", "highdicom"), extra="objects"),
    "pdf": Entry("edge.write.objects:pdf", needs=("pydicom", "highdicom", "fpdf", "uharfbuzz", "segno"), extra=PDF),
    "fhir": Entry("edge.write.fhir:fhir"),
    "register": Entry("edge.write.register:register"),
}
LETTERS = Entry("edge.write.shaped:put", needs=("uharfbuzz", "fpdf"), extra="paper")
"""What draws words on pictures in other languages than English."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """A result with what its pictures are drawn from."""

    result: ResultReport
    scan: Scan | None = None
    findings: Findings | None = None


def warm_up(wanted: Wanted = PLAIN) -> Callable[[], None]:
    """Load the writers that are wanted, and return what loads their font, for a thread that is going to write.

    OpenCV reads the font anew in each thread.

    Raises
    ------
    edge.errors.OutputError
        ``W802``: what a view needs is not installed.
    """
    check_installed(wanted.views, WRITERS)
    if wanted.language != ENGLISH:
        check_installed([words := f"words in {wanted.language}"], {words: LETTERS})
    for name in wanted.views:
        WRITERS[name].load()
    return partial(Entry("edge.write.canvas:load_font").load(), wanted.language)


def write_pictures(folder: Path, outcomes: Sequence[Outcome], wanted: Wanted = PLAIN) -> tuple[ResultReport, ...]:
    """Write every file that is wanted beside the report, and return the results with those files named in them.

    Raises
    ------
    edge.errors.OutputError
        The folder or a file could not be written.
    """
    make_folder(folder)
    with mapped(folder):
        (folder / REPORT).unlink(missing_ok=True)  # what it tells of is about to be replaced
    results = []
    for number, outcome in enumerate(outcomes, start=1):
        files = []
        result, views = made(outcome.result, outcome.scan, outcome.findings, wanted, WRITERS)
        for role, name, data in views:
            numbered = name if len(outcomes) == 1 else f"{number}-{name}"
            write_whole(folder / numbered, data)
            files.append(FileReport(name=numbered, role=role, sha256=hashlib.sha256(data).hexdigest()))
        results.append(replace(result, files=tuple(files)))
    _remove_others(folder, {file.name for result in results for file in result.files})
    return tuple(results)


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove files of an earlier result, which the new report does not tell of."""
    with mapped(folder):
        for path in folder.iterdir():
            if OURS.fullmatch(path.name) and path.name not in names:
                path.unlink()


def write_report(folder: Path, report: StudyReport) -> StudyReport:
    """Seal the report, write it, and return it. It comes last: where it lies, everything that it names lies too.

    Raises
    ------
    edge.errors.OutputError
        It could not be written.
    """
    whole = sealed(report)
    write_whole(folder / REPORT, to_json(whole, indent=1).encode() + b"\n")
    return whole


def finished_report(folder: Path, request_sha256: str) -> StudyReport | None:
    """Return the report in `folder` if it answers this request, is untouched, and all its files are there.

    A report with a failure is no answer: what failed is tried again, and so is what was refused for want of memory.
    """
    try:
        document = json.loads((folder / REPORT).read_bytes())
        report = parse(StudyReport, document)
    except (OSError, ValueError, RecursionError):  # JSON, UTF-8 and TypedError are ValueErrors
        return None
    whole = report.request_sha256 == request_sha256 and report.content_sha256 == content_sha256(document)
    files = [file for result in report.results for file in result.files]
    failed = any(result.state == "failed" for result in report.results) or report.state == "failed"
    again = failed or any(reason.code in OF_MEMORY for result in report.results for reason in result.refusals)
    return report if whole and not again and all(_is_there(folder, file) for file in files) else None


def _is_there(folder: Path, file: FileReport) -> bool:
    try:
        return hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False
