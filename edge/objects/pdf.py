"""The page of a result as an encapsulated PDF: PS3.3 A.45.1, so that an archive keeps the paper with the pictures."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import EncapsulatedPDFStorage

from edge.errors import OutputError
from edge.objects.finish import finish
from edge.objects.frames import code_item, image_reference
from edge.objects.subject import Subject
from edge.reasons import OBJECT_NOT_MADE

PAGE = "page.pdf"
TITLE = Code("126000", "DCM", "Imaging Measurement Report")


def build(subject: Subject) -> list[Dataset]:
    """Return the page as it is, byte for byte, with the pictures that it tells of named as its sources.

    Raises
    ------
    edge.errors.OutputError
        ``W804``: what it is made of is no PDF.
    """
    page = subject.parts.get(PAGE, b"")
    if not page.startswith(b"%PDF-"):
        raise OutputError(f"Making pdf.dcm: found {len(page)} bytes that are no PDF, expected a page.", OBJECT_NOT_MADE)
    dataset = Dataset()
    dataset.SOPClassUID = EncapsulatedPDFStorage
    dataset.Modality = "DOC"
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = None
    dataset.BurnedInAnnotation = "YES"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.DocumentTitle = _title(subject)
    dataset.ConceptNameCodeSequence = [code_item(TITLE)]
    dataset.SourceInstanceSequence = [image_reference(source) for source in subject.sources]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    dataset.EncapsulatedDocumentLength = len(page)
    return [finish(dataset, subject)]


def _title(subject: Subject) -> str:
    pack = subject.result.pack
    return f"Not for diagnosis: {subject.result.state}{f', {pack.title}' if pack else ''}"
