"""The page in an archive: the same bytes, named as what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import OutputError
from edge.reasons import OBJECT_NOT_MADE
from edge.scan import Scan
from tests.objects.cases import complete, scan_of
from tests.objects.planted import errors_of, made, ran, read
from tests.read.dicom_files import canonical_grid, phantom, picture, series
from tests.write.outcomes import refusal

PAGES = (b"%PDF-1.4\n%%EOF\n", b"%PDF-1.4\n%%EOF")


@pytest.fixture
def film(tmp_path: Path) -> Scan:
    """A film."""
    return scan_of(complete([picture(np.zeros((8, 8), np.uint8))]), tmp_path / "film")


@pytest.mark.parametrize("page", PAGES, ids=["odd", "even"])
def test_dcmtk_takes_out_the_very_page_that_went_in(page: bytes, film: Scan, tmp_path: Path) -> None:
    (tmp_path / "pdf.dcm").write_bytes(made("pdf", film, refusal(), parts={"page.pdf": page})["pdf.dcm"])
    ran("dcm2pdf", tmp_path / "pdf.dcm", tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes() == page


def test_it_says_what_it_is(film: Scan) -> None:
    said = read(made("pdf", film, refusal(), parts={"page.pdf": PAGES[0]})["pdf.dcm"])
    assert said.SOPClassUID.name == "Encapsulated PDF Storage"
    assert (said.Modality, said.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert said.DocumentTitle == "Not for diagnosis: not-analysed, Tiny"
    assert said.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert (said.BurnedInAnnotation, said.VerificationFlag) == ("YES", "UNVERIFIED")
    assert said.EncapsulatedDocumentLength == len(PAGES[0])


def test_every_source_is_named(tmp_path: Path) -> None:
    scan = scan_of(series(phantom((4, 5, 6)), canonical_grid((4, 5, 6))), tmp_path)
    said = read(made("pdf", scan, refusal(), parts={"page.pdf": PAGES[0]})["pdf.dcm"])
    named = [item.ReferencedSOPInstanceUID for item in said.SourceInstanceSequence]
    assert named == [source.sop_instance_uid for source in scan.sources]


@pytest.mark.parametrize("parts", [{}, {"page.pdf": b"<html>"}], ids=["none", "another"])
def test_what_is_no_page_is_not_wrapped(parts: dict[str, bytes], film: Scan) -> None:
    with pytest.raises(OutputError) as raised:
        made("pdf", film, refusal(), parts=parts)
    assert raised.value.reason is OBJECT_NOT_MADE


def test_dciodvfy_finds_no_error(film: Scan, tmp_path: Path) -> None:
    path = tmp_path / "pdf.dcm"
    path.write_bytes(made("pdf", film, refusal(), parts={"page.pdf": PAGES[0]})["pdf.dcm"])
    assert errors_of(path) == []
