"""Outlines on a slide as a segmentation in tiles: every pixel on the glass, by the slide's own header."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Segmentation
from edge.geometry import Grid
from edge.objects import OBJECTS, contract, seg, seg_slide, segments, sr
from edge.objects.build import Builder
from edge.objects.contract import CODES, Make, labels_seen, scan_told, told
from edge.objects.reread import frames_in
from edge.objects.sr_regions import Ground
from edge.objects.unfit import UnfitError
from edge.reasons import WRONG_PLACE
from edge.scan import Scan
from tests.objects.cases import complete, outlined, overlapping, saved
from tests.objects.planted import box, detected, errors_of, made
from tests.read.dicom_files import item, load, save
from tests.read.slide_files import level
from tests.read.tiled_files import slide
from tests.write.outcomes import outcome

Array = NDArray[Any]
ROWS, COLUMNS, UM = 160, 240, 0.5
PLENTY = 1 << 31
BOXES = ((5, 10, 19, 49), (30, 90, 56, 96))
"""Around the labels of `drops`, on what was fed."""
STRAIGHT = (0.0, -1.0, 0.0, -1.0, 0.0, 0.0)
FRAME = ("FrameOfReferenceUID",)
"""Which a level by hand does not have from the start."""
WAYS = {
    "as most": STRAIGHT,
    "turned": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "mirrored": (0.0, 1.0, 0.0, -1.0, 0.0, 0.0),
    "oblique": (0.6, -0.8, 0.0, -0.8, -0.6, 0.0),
}


def glass(folder: Path, way: Sequence[float] | None = STRAIGHT, **elements: Any) -> Scan:
    """A slide whose first pixel lies 20.5 mm and 40.25 mm from the corner of the glass."""
    specimen = item(
        SpecimenIdentifier="S1",
        SpecimenUID="2.25.77",
        IssuerOfTheSpecimenIdentifierSequence=[],
        SpecimenPreparationSequence=[],
    )
    told = {
        "FrameOfReferenceUID": "2.25.5",
        "PositionReferenceIndicator": "SLIDE_CORNER",
        "ContainerIdentifier": "C1",
        "IssuerOfTheContainerIdentifierSequence": [],
        "ContainerTypeCodeSequence": [],
        "SpecimenDescriptionSequence": [specimen],
        "ImageOrientationSlide": list(way or STRAIGHT),
        "TotalPixelMatrixOriginSequence": [
            item(XOffsetInSlideCoordinateSystem=20.5, YOffsetInSlideCoordinateSystem=40.25)
        ],
    }
    folder.mkdir(exist_ok=True)
    asked = {key: value for key, value in (told | elements).items() if value is not None or key not in FRAME}
    (dataset,) = complete([level(slide(ROWS, COLUMNS), um=UM, **asked)])
    return load(save(dataset, folder / "slide.dcm"))


def fed(scan: Scan) -> Grid:
    """What the model was fed: half as large, from row 40 and column 20 on."""
    return scan.grid.cropped((0, 40, 20), (1, 120, 200)).resized((1, 60, 100))


def drops(scan: Scan) -> Segmentation:
    """Two labels that no turn or flip maps onto themselves; tiles of 32 hold one, both or none."""
    codes = np.zeros((1, 60, 100), np.uint8)
    codes[0, 5:20, 10:50] = 1
    codes[0, 30:57, 90:97] = 2
    codes[0, 8:12, 20:25] = 0
    return replace(outlined(codes, fed(scan), ("Tumour", "Stroma")), in_windows=True)


def files(scan: Scan, findings: Any) -> dict[str, bytes]:
    """The segmentation, as the child process makes it."""
    said = outcome(scan, findings)
    found, arrays = told(said.findings)
    arrays |= labels_seen(said.findings, PLENTY)
    request = Make(view="seg", result=said.result, scan=scan_told(scan), found=found, language="en", arrays=len(arrays))
    return Builder(OBJECTS).files(request, arrays)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that a small slide has several of."""
    monkeypatch.setattr(seg_slide, "TILE", 32)


def on_glass(level: Dataset, pixels: Array) -> Array:
    """Where pixels (row, column), from 0, lie by a header: x and y in millimetres."""
    cosines = np.array(level.ImageOrientationSlide, float).reshape(2, 3)[:, :2]
    down, along = (float(one) for one in level.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing)
    origin = level.TotalPixelMatrixOriginSequence[0]
    start = np.array([float(origin.XOffsetInSlideCoordinateSystem), float(origin.YOffsetInSlideCoordinateSystem)])
    return np.asarray(start + pixels[:, 1:] * along * cosines[0] + pixels[:, :1] * down * cosines[1])


@pytest.mark.parametrize("way", WAYS)
def test_another_reader_finds_every_pixel_in_its_place(way: str, tmp_path: Path) -> None:
    scan = glass(tmp_path / "src", WAYS[way])
    findings = drops(scan)
    (path,) = saved(files(scan, findings), tmp_path)
    read = highdicom.seg.segread(path)
    whole = read.get_total_pixel_matrix(combine_segments=True)
    assert np.array_equal(whole, findings.codes[0])
    source = dcmread(scan.sources[0].path, stop_before_pixels=True)
    rows, columns = np.nonzero(findings.codes[0] == 1)
    # A pixel that was fed lies on the middle of two by two pixels of the slide.
    expected = np.stack([40 + 2 * rows + 0.5, 20 + 2 * columns + 0.5], axis=1)
    assert np.abs(on_glass(read, np.argwhere(whole == 1)) - on_glass(source, expected)).max() < 1e-6


def test_tiles_without_a_pixel_are_left_out_and_the_others_are_there_once(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    found = [
        (frame.segment, frame.tile.row, frame.tile.column)
        for frame in frames_in(files(scan, drops(scan)))
        if frame.tile
    ]
    assert sorted(found) == [(0, 0, 0), (0, 0, 32), (1, 0, 64), (1, 0, 96), (1, 32, 64), (1, 32, 96)]


def test_labels_that_overlap_are_there_each_by_itself(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    masks = [np.zeros((1, 60, 100), bool) for _ in range(2)]
    masks[0][0, 3:40, 4:50], masks[1][0, 30:50, 40:90] = True, True
    findings = replace(overlapping(masks, fed(scan)), in_windows=True)
    (path,) = saved(files(scan, findings), tmp_path)
    stacked = highdicom.seg.segread(path).get_total_pixel_matrix()
    assert np.array_equal(np.moveaxis(stacked, -1, 0).astype(bool), np.stack([mask[0] for mask in masks]))


def test_it_says_what_it_was_derived_from_and_of_which_glass(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    said = dcmread(io.BytesIO(files(scan, drops(scan))["seg.dcm"]))
    source = dcmread(scan.sources[0].path, stop_before_pixels=True)
    assert (said.DimensionOrganizationType, said.TotalPixelMatrixRows, said.TotalPixelMatrixColumns) == (
        "TILED_SPARSE",
        60,
        100,
    )
    reference = said.SharedFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert (said.FrameOfReferenceUID, said.ContainerIdentifier) == (source.FrameOfReferenceUID, "C1")
    assert (said.StudyInstanceUID, said.PatientID) == (source.StudyInstanceUID, source.PatientID)


def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    (path,) = saved(files(scan, drops(scan)), tmp_path / "out")
    assert errors_of(path) == []


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    assert files(scan, drops(scan)) == files(scan, drops(scan))


@pytest.mark.parametrize(
    ("rows", "columns"), [(1.0, 0.0), (0.0, -1.0)], ids=["a row further down", "a column to the left"]
)
def test_tiles_that_lie_elsewhere_are_never_written(
    rows: float, columns: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = seg_slide.glass_fed

    def moved(*arguments: Any) -> seg_slide.Glass:
        placed = straight(*arguments)
        return replace(placed, origin=placed.at(rows, columns))

    monkeypatch.setattr(seg, "glass_fed", moved)
    scan = glass(tmp_path / "src")
    with pytest.raises(OutputError, match="slide's header puts it") as raised:
        files(scan, drops(scan))
    assert raised.value.reason is WRONG_PLACE


def test_tiles_with_other_pixels_are_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = segments.outlined

    def mirrored(findings: Any) -> Any:
        return (replace(lot, pixels=np.ascontiguousarray(lot.pixels[:, :, ::-1])) for lot in straight(findings))

    monkeypatch.setattr(seg, "outlined", mirrored)
    scan = glass(tmp_path / "src")
    with pytest.raises(OutputError, match="other pixels than were found"):
        files(scan, drops(scan))


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "ImageOrientationSlide", "TotalPixelMatrixOriginSequence"])
def test_a_slide_that_does_not_say_where_it_lies_has_none(keyword: str, tmp_path: Path) -> None:
    scan = glass(tmp_path / "src", STRAIGHT, **dict.fromkeys([keyword]))
    with pytest.raises(UnfitError, match="where its pixels lie"):
        files(scan, drops(scan))


def test_what_is_too_large_stays_in_its_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = glass(tmp_path / "src")
    monkeypatch.setattr(contract, "LEAST_SENT", 100)
    assert labels_seen(drops(scan), PLENTY) != {}
    assert labels_seen(drops(scan), 16 * 60 * 100 - 1) == {}
    monkeypatch.setattr(contract, "MOST_SENT", 100)
    with pytest.raises(UnfitError, match="TIFF"):
        files(scan, drops(scan))


def regions_in(data: bytes) -> list[Dataset]:
    """The regions of a structured report."""
    return [
        item
        for holder in dcmread(io.BytesIO(data)).iterall()
        if holder.keyword == "ContentSequence"
        for item in holder.value
        if item.ValueType == "SCOORD"
    ]


def test_a_box_is_reported_on_all_pixels_of_the_slide_and_on_no_tile(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    (path,) = saved(made("sr", scan, detected(scan, box(scan, (0, 10.5, 20, 1, 130, 140)))), tmp_path / "out")
    (region,) = regions_in(path.read_bytes())
    assert region.GraphicData == [20, 10.5, 140, 10.5, 140, 130, 20, 130, 20, 10.5]
    assert region.PixelOriginInterpretation == "VOLUME"
    reference = region.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == scan.sources[0].sop_instance_uid
    assert "ReferencedFrameNumber" not in reference
    assert errors_of(path) == []


def test_an_outline_is_reported_by_the_box_around_it(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    findings = drops(scan)
    there = tuple(replace(one, box=box) for one, box in zip(findings.regions, BOXES, strict=True))
    regions = regions_in(made("sr", scan, replace(findings, regions=there))["sr.dcm"])
    corners = [np.array(region.GraphicData).reshape(-1, 2) for region in regions]
    # What was fed begins in row 40 and column 20, and is half as large.
    assert [corner.min(axis=0).tolist() for corner in corners] == [[40, 50], [200, 100]]
    assert [corner.max(axis=0).tolist() for corner in corners] == [[120, 80], [214, 154]]


def test_a_box_on_a_tile_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sr, "Ground", lambda **where: Ground(**(where | {"tiled": False})))
    scan = glass(tmp_path / "src")
    with pytest.raises(OutputError, match="lies elsewhere"):
        made("sr", scan, detected(scan, box(scan, (0, 10.5, 20, 1, 130, 140))))


def test_boxes_on_a_slide_have_no_segmentation(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    with pytest.raises(UnfitError):
        files(scan, detected(scan, box(scan, (0, 10, 20, 1, 30, 40))))


def test_labels_travel_only_where_an_object_needs_them(tmp_path: Path) -> None:
    scan = glass(tmp_path / "src")
    findings = drops(scan)
    assert CODES not in told(findings)[1]
    assert labels_seen(findings, PLENTY)[CODES] is findings.codes
    assert labels_seen(replace(findings, in_windows=False), PLENTY) == {}
    assert labels_seen(None, PLENTY) == {}
