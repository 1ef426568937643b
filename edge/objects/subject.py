"""What an object is made of: `Subject`, one result with everything that its builder may need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from edge.objects.contract import ScanTold, Seen
from edge.objects.identity import Identity
from edge.wanted import Language
from edge.write.report import ResultReport


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One result, for a builder of `edge.objects.OBJECTS`.

    Parameters
    ----------
    view : str
        Which object is made, by its name in that table.
    result : ResultReport
        What is said.
    scan : ScanTold
        Where the scan lies: for each z of its grid ``places[z]`` is an index into `sources` and a frame's number,
        from 0, in that file.
    sources : tuple of Dataset
        The headers of the scan's files, in the order of ``result.scan.sources``, without pixels, unchanged since they
        were examined. They are shared: copy before changing one.
    findings : Classification, Segmentation or Detections, optional
        As `edge.findings` has them, a classification without its maps; None where there are none, or of another kind.
    parts : mapping
        Files that the object is made of, by name: ``overlay.png`` for a secondary capture.
    language : str
        Of words for people.
    identity : Identity
        UIDs, numbers, date and time of what is made.
    """

    view: str
    result: ResultReport
    scan: ScanTold
    sources: tuple[Dataset, ...]
    findings: Seen | None
    parts: Mapping[str, bytes]
    language: Language
    identity: Identity
