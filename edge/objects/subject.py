"""What an object is made of: `Subject`, one result with everything that its builder may need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from edge.objects.contract import ScanTold, Seen
from edge.objects.identity import Identity
from edge.objects.unfit import UnfitError
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
    decoded : ScanTold, optional
        Where the scan lies: for each z of its grid ``places[z]`` is an index into `sources` and a frame's number,
        from 0, in that file. None where it was refused by its headers, so that nothing can be shown on it.
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
    decoded: ScanTold | None
    sources: tuple[Dataset, ...]
    findings: Seen | None
    parts: Mapping[str, bytes]
    language: Language
    identity: Identity

    @property
    def scan(self) -> ScanTold:
        """What `decoded` holds.

        Raises
        ------
        edge.objects.unfit.UnfitError
            No pixel was decoded.
        """
        if self.decoded is None:
            raise UnfitError("no pixel of the scan was decoded")
        return self.decoded

    @property
    def is_slide(self) -> bool:
        """Whether the pictures of its sources are tiles of it, which a row and a column of the whole do not lie on."""
        if self.decoded is None:
            return False
        sizes = (("TotalPixelMatrixRows", "Rows"), ("TotalPixelMatrixColumns", "Columns"))
        first = self.sources[0]
        return self.decoded.is_slide or any(
            whole in first and first[whole].value != first.get(tile) for whole, tile in sizes
        )
