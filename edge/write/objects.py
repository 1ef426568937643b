"""The views that are DICOM objects: what each is made of is sent to a process of its own, and files come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge.findings import Detections, Findings, Segmentation, said_of
from edge.objects.contract import Make, labels_seen, parts_as_arrays, scan_told, told
from edge.objects.process import MAKER
from edge.objects.unfit import NO_DICOM, NO_HEADER, UnfitError
from edge.read.process import default_limit_bytes
from edge.scan import Scan
from edge.table import Entry
from edge.wanted import PLAIN, Wanted
from edge.write.made import Writer
from edge.write.overlay import overlay
from edge.write.report import ResultReport

PAGE = Entry("edge.write.page:page")


def seg(result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN) -> dict[str, bytes]:
    """Return ``seg.dcm``, where a model draws outlines: a DICOM segmentation, or several."""
    draws = isinstance(findings, Segmentation) or (
        isinstance(findings, Detections) and any(box.mask is not None for box in findings.boxes)
    )
    return made("seg", result, scan, findings, wanted) if draws else {}


def sc(result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN) -> dict[str, bytes]:
    """Return ``sc.dcm``: the overlay as a secondary capture, which every PACS shows.

    Its picture names no file: what it is of stands in its references.

    Raises
    ------
    UnfitError, edge.errors.OutputError, edge.errors.ReadError
        As of `made`.
    """
    return made("sc", result, scan, findings, wanted, overlay(_without_files(result), scan, findings, wanted))


def sr(result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN) -> dict[str, bytes]:
    """Return ``sr.dcm``: a structured report, also of what could not be analysed, which it says with its code.

    Raises
    ------
    UnfitError, edge.errors.OutputError, edge.errors.ReadError
        As of `made`: never missing without a word, as that would look like no finding.
    """
    return made("sr", result, scan, findings, wanted, {"beside": ",".join(wanted.views).encode()})


def gsps(
    result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN
) -> dict[str, bytes]:
    """Return ``gsps.dcm``, where something was boxed or outlined: lines over the source's own pictures."""
    drawn = isinstance(findings, (Detections, Segmentation)) and any(item.positive for item in said_of(findings))
    return made("gsps", result, scan, findings, wanted) if drawn else {}


def pdf(result: ResultReport, scan: Scan | None, findings: Findings | None, wanted: Wanted = PLAIN) -> dict[str, bytes]:
    """Return ``pdf.dcm``: the page, as an archive keeps it; errors as of `made`.

    Like the picture of `sc` it names no file: of several patients under one series each has the same page.
    """
    page: Writer = PAGE.load()
    return made("pdf", result, scan, findings, wanted, page(_without_files(result), scan, findings, wanted))


def _without_files(result: ResultReport) -> ResultReport:
    """The result without the names of its files, into which people write those of patients."""
    return replace(result, scan=replace(result.scan, sources=()), others={})


def made(
    view: str,
    result: ResultReport,
    scan: Scan | None,
    findings: Findings | None,
    wanted: Wanted,
    parts: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Return the files of one view that is made apart.

    Parameters
    ----------
    view : str
        Of `edge.objects.OBJECTS`.
    result, scan, findings, wanted
        As of every writer. Where no scan was decoded, as its headers were refused, they are read again all the same:
        whose it is stands in them, and goes nowhere but into the object.
    parts : mapping, optional
        Files that the object is made of, by name.

    Raises
    ------
    UnfitError
        The view cannot show this result; it says why.
    edge.errors.OutputError, edge.errors.ReadError
        As of `edge.objects.process.ObjectMaker.make`.
    """
    if scan is None and not all(source.sha256 for source in result.scan.sources):
        raise UnfitError(NO_HEADER)
    if scan is not None and not all(source.sop_instance_uid for source in result.scan.sources):
        raise UnfitError(NO_DICOM)
    found, arrays = told(findings)
    arrays |= parts_as_arrays(parts or {}) | (labels_seen(findings, default_limit_bytes()) if view == "seg" else {})
    request = Make(
        view=view,
        result=result,
        scan=None if scan is None else scan_told(scan),
        found=found,
        language=wanted.language,
        arrays=len(arrays),
    )
    return MAKER.make(request, arrays)
