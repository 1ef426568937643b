"""One request in, files out: sources are read again, the object is built, proven to lie in its place, and encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pydicom import config
from pydicom.dataset import Dataset

from edge.objects.contract import Arrays, Make, findings_of, parts_of
from edge.objects.finish import numbered
from edge.objects.identity import identity_of
from edge.objects.sources import by_patient, read_headers, read_sources
from edge.objects.subject import Subject
from edge.read.dicom.boundary import quiet
from edge.scan import Source
from edge.table import Entry

Build = Callable[[Subject], Sequence[Dataset]]
Prove = Callable[[Subject, Mapping[str, bytes]], None]

PROOFS: Mapping[str, Entry] = {
    "sr": Entry("edge.objects.sr_proof:prove"),
    "seg": Entry("edge.objects.proof:prove_seg"),
    "gsps": Entry("edge.objects.gsps_proof:prove"),
}
"""By view: reads the files that were made and raises where they do not lie where they should (``W803``)."""


def _parted(subject: Subject, request: Make, arrays: Arrays) -> list[Subject]:
    """One of each patient and study, as what was refused may hold several, and nothing of one may reach another."""
    lots = by_patient(subject.sources)
    if len(lots) == 1:
        return [subject]
    identities = (identity_of(request, arrays, lot).part(number) for number, lot in enumerate(lots, start=1))
    return [replace(subject, sources=lot, identity=own) for lot, own in zip(lots, identities, strict=True)]


class Builder:
    """Builds objects by a table of builders, and keeps the headers of the sources that it read last."""

    def __init__(self, table: Mapping[str, Entry]) -> None:
        self._table = table
        self._kept: tuple[tuple[Source, ...], tuple[Dataset, ...]] = ((), ())
        # What a source says is copied as it says it, and said of our own elements by other programs' validators.
        config.settings.writing_validation_mode = config.IGNORE

    def prefetch(self) -> None:
        """Import what most requests need, where it is installed."""
        for entry in self._table.values():
            if not entry.missing():
                entry.load()

    def files(self, request: Make, arrays: Arrays) -> dict[str, bytes]:
        """Return the files of the view that is asked for.

        Raises
        ------
        edge.objects.unfit.UnfitError
            The view cannot show this result.
        edge.errors.CodedError
            A source is not what was examined, or the object does not lie in its place.
        """
        build: Build = self._table[request.view].load()
        with quiet():
            subject = self.subject(request, arrays)
            parts = [subject] if request.scan is not None else _parted(subject, request, arrays)
            files = numbered(request.view, [dataset for part in parts for dataset in build(part)])
            if request.view in PROOFS:
                prove: Prove = PROOFS[request.view].load()
                prove(subject, files)
        return files

    def subject(self, request: Make, arrays: Arrays) -> Subject:
        """Return what a builder is given; errors as of `files`."""
        asked = request.result.scan.sources
        if self._kept[0] != asked:
            self._kept = asked, (read_headers if request.scan is None else read_sources)(asked)
        sources = self._kept[1]
        return Subject(
            view=request.view,
            result=request.result,
            decoded=request.scan,
            sources=sources,
            findings=findings_of(request.found, arrays),
            parts=parts_of(arrays),
            language=request.language,
            identity=identity_of(request, arrays, sources),
        )
