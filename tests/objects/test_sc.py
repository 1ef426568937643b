"""The overlay as a secondary capture: the very picture, what it is of, and what is burned into it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.findings import Classification
from edge.objects.finish import _by_chance
from edge.scan import Scan
from edge.wanted import PLAIN
from edge.write import objects
from edge.write.made import Writer
from edge.write.overlay import overlay
from edge.write.report import ResultReport
from tests.objects.cases import complete, files_of, result_of, scan_of
from tests.read.dicom_files import canonical_grid, phantom, picture, series
from tests.write.outcomes import classified, score

pytest.importorskip("highdicom")


def film(folder: Path, **elements: Any) -> Scan:
    """A film with these elements."""
    return scan_of(complete([picture(phantom((1, 40, 50))[0], **elements)]), folder / "src")


def said(scan: Scan) -> Classification:
    return classified(scan, score("Pneumonia", 0.9))


def drawn(scan: Scan) -> dict[str, bytes]:
    return overlay(result_of(scan, said(scan)), scan, said(scan))


def made(scan: Scan) -> Dataset:
    (data,) = files_of("sc", scan, said(scan), drawn(scan)).values()
    return dcmread(io.BytesIO(data))


def colours(png: bytes) -> NDArray[Any]:
    """A PNG's pixels, RGB."""
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1])


def test_it_is_the_overlay_pixel_by_pixel_uncompressed(tmp_path: Path) -> None:
    scan = film(tmp_path)
    capture = made(scan)
    assert capture.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (capture.Rows, capture.Columns, capture.PhotometricInterpretation) == (768, 1024, "RGB")
    assert np.array_equal(capture.pixel_array, colours(drawn(scan)["overlay.png"]))


def test_it_says_what_it_is_of_and_what_it_is_not_for(tmp_path: Path) -> None:
    scan = film(tmp_path)
    capture = made(scan)
    assert capture.ImageType == ["DERIVED", "SECONDARY", "OTHER"]
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == scan.sources[0].sop_instance_uid
    assert "Not for diagnosis" in capture.DerivationDescription
    assert "Not for diagnosis" in capture.SeriesDescription
    assert capture.ImageComments.startswith("Finding: Pneumonia")
    assert (capture.StudyInstanceUID, capture.Modality) == (scan.identity.study_instance_uid, "OT")


def test_of_a_clip_the_frame_that_was_seen_is_referred_to(tmp_path: Path) -> None:
    clip = picture(phantom((3, 20, 30)), NumberOfFrames=3, Modality="US")
    scan = scan_of(complete([clip]), tmp_path / "src")
    assert made(scan).SourceImageSequence[0].ReferencedFrameNumber == 1


def test_of_a_volume_every_slice_is_referred_to(tmp_path: Path) -> None:
    shape = (3, 20, 30)
    scan = scan_of(complete(series(phantom(shape), canonical_grid(shape))), tmp_path / "src")
    files = files_of("sc", scan, said(scan), drawn(scan))
    capture = dcmread(io.BytesIO(files["sc.dcm"]))
    referred = {
        item.ReferencedSOPInstanceUID for item in capture.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referred == {source.sop_instance_uid for source in scan.sources}


@pytest.mark.parametrize(("source", "expected"), [("YES", "YES"), ("NO", "NO"), (None, None), ("PERHAPS", None)])
def test_what_is_burned_into_the_source_is_burned_into_its_picture(
    source: str | None, expected: str | None, tmp_path: Path
) -> None:
    scan = film(tmp_path, **({} if source is None else {"BurnedInAnnotation": source}))
    assert made(scan).get("BurnedInAnnotation") == expected


def test_detail_that_the_source_lost_is_lost_here_too(tmp_path: Path) -> None:
    lossy = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "12.0",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    capture = made(film(tmp_path, **lossy))
    assert {keyword: str(capture[keyword].value) for keyword in lossy} == {
        key: str(value) for key, value in lossy.items()
    }


@pytest.mark.parametrize("view", [objects.sc, objects.pdf], ids=["sc", "pdf"])
def test_its_picture_names_no_file(view: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = film(tmp_path)
    seen: list[ResultReport] = []

    def draw(result: ResultReport, *_: object) -> dict[str, bytes]:
        seen.append(result)
        return {}

    monkeypatch.setattr(objects, "overlay", draw)
    monkeypatch.setattr(objects, "PAGE", SimpleNamespace(load=lambda: draw))
    monkeypatch.setattr(objects, "made", lambda *_: {})
    view(result_of(scan, said(scan)), scan, said(scan), PLAIN)
    assert [result.scan.sources for result in seen] == [()]


def test_a_source_without_any_date_gives_none_to_its_series(tmp_path: Path) -> None:
    scan = scan_of([picture(phantom((1, 40, 50))[0])], tmp_path / "src")
    assert "SeriesDate" not in made(scan)


def test_nothing_in_it_was_made_by_chance_or_by_the_clock(tmp_path: Path) -> None:
    scan = film(tmp_path)
    capture = made(scan)
    sources = {scan.sources[0].sop_instance_uid, scan.identity.study_instance_uid, scan.identity.series_instance_uid}
    assert not list(_by_chance(capture, {str(uid) for uid in sources}))
    dates = {str(element.value) for element in capture.iterall() if element.VR in ("DA", "DT") and element.value}
    assert dates == {"20260304", "19800102"}
    assert (capture.ContentDate, capture.ContentTime) == ("20260304", "060708")
