"""Which segment of which segmentation object holds a region, where one is written in the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from edge.findings import Segmentation
from edge.objects.contract import Make, told
from edge.objects.identity import Identity, identity_of
from edge.objects.segments import outlined
from edge.objects.subject import Subject

BESIDE = "beside"
"""Name of the part that tells which other views are written, parted by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Segmentation objects that a report refers to.

    Parameters
    ----------
    by_region : mapping
        SOP Instance UID and number of the segment, by name of the region.
    series_instance_uid : str
        In which all of them lie.
    """

    by_region: Mapping[str, tuple[str, int]]
    series_instance_uid: str

    def evidence(self, source: Dataset) -> list[Dataset]:
        """Return what a document lists of them among its evidence, in the study of a source."""
        found = []
        for uid in dict.fromkeys(uid for uid, _ in self.by_region.values()):
            item = Dataset()
            item.SOPClassUID, item.SOPInstanceUID = SegmentationStorage, uid
            item.StudyInstanceUID, item.SeriesInstanceUID = source.StudyInstanceUID, self.series_instance_uid
            found.append(item)
        return found


def segments_of(subject: Subject) -> Segments | None:
    """Return the segments of a result's regions; None where no segmentation object is written of them.

    It must be asked before any word is translated: what an object is called follows from the result as the report
    has it.
    """
    findings = subject.findings
    if b"seg" not in subject.parts.get(BESIDE, b"").split(b",") or not isinstance(findings, Segmentation):
        return None
    apart = findings.grid.space != "patient" and findings.grid.shape[0] > 1
    if findings.in_windows or subject.is_slide or apart or not any(region.pixels for region in findings.regions):
        return None
    identity = _identity_of_seg(subject, findings)
    by_region = {
        item.name: (identity.sop_instance_uid(number), segment)
        for number, lot in enumerate(outlined(findings), start=1)
        for segment, item in enumerate(lot.items, start=1)
    }
    return Segments(by_region=by_region, series_instance_uid=identity.series_instance_uid)


def _identity_of_seg(subject: Subject, findings: Segmentation) -> Identity:
    """As `edge.objects.build` makes it of the request for that view."""
    found, arrays = told(findings)
    request = Make(
        view="seg",
        result=subject.result,
        scan=subject.scan,
        found=found,
        language=subject.language,
        arrays=len(arrays),
    )
    return identity_of(request, arrays, subject.sources)
