"""Outlines as DICOM segmentations: what is in them, what they refer to, what is left out and what is not written."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.detect.instances import InstanceMask
from edge.detect.place import place_box
from edge.findings import Detection, Detections, Findings, LookedFor
from edge.geometry import Grid, Turn, slice_seen
from edge.objects import segments
from edge.objects.reread import frames_in
from edge.objects.unfit import UnfitError
from edge.scan import Scan
from tests.objects.cases import LIVER, blob, complete, files_of, one, outlined, overlapping, region, scan_of
from tests.read.dicom_files import canonical_grid, enhanced, phantom, picture, rotated, series

pytest.importorskip("highdicom")

Array = NDArray[Any]
SHAPE = (6, 9, 10)
GRID = rotated(canonical_grid(SHAPE))


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return scan_of(complete(series(phantom(SHAPE), GRID)), tmp_path / "src")


def read(scan: Scan, findings: Findings) -> Dataset:
    (data,) = files_of("seg", scan, findings).values()
    return dcmread(io.BytesIO(data))


def test_it_is_a_binary_segmentation_for_research_by_the_pack(scan: Scan, tmp_path: Path) -> None:
    made = one(files_of("seg", scan, outlined(blob(SHAPE), scan.grid)), tmp_path)
    assert (made.Modality, made.SegmentationType, made.BitsAllocated) == ("SEG", "BINARY", 1)
    assert (made.Manufacturer, made.ManufacturerModelName) == ("edgerun", "tiny 1.0.0")
    assert made.DeviceSerialNumber == "ab" * 32
    assert (made.ContentQualification, made.SegmentsOverlap) == ("RESEARCH", "NO")
    assert "Not for diagnosis" in made.SeriesDescription
    assert "Not for diagnosis" in made.ContentDescription


def test_segments_are_coded_as_the_pack_codes_them_else_as_broadly_as_is_true(scan: Scan) -> None:
    lesion, liver, spleen = read(scan, outlined(blob(SHAPE), scan.grid)).SegmentSequence
    coded = [
        (
            item.SegmentedPropertyCategoryCodeSequence[0].CodeValue,
            item.SegmentedPropertyTypeCodeSequence[0].CodeValue,
            item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning,
        )
        for item in (lesion, liver, spleen)
    ]
    assert coded == [
        ("49755003", "49755003", "Morphologically Abnormal Structure"),
        ("91723000", LIVER.value, LIVER.meaning),
        ("91723000", "85756007", "Tissue"),
    ]
    assert [item.SegmentAlgorithmType for item in (lesion, liver, spleen)] == ["AUTOMATIC"] * 3
    algorithm = liver.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("tiny", "1.0.0")
    assert "ab" * 32 in algorithm.AlgorithmParameters
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"


def test_a_segment_that_is_too_small_to_count_says_so(scan: Scan) -> None:
    findings = outlined(blob(SHAPE), scan.grid)
    lesion, *others = findings.regions
    small = replace(findings, regions=(replace(lesion, positive=False), *others))
    said = [str(item.SegmentDescription) for item in read(scan, small).SegmentSequence]
    assert ["not said to be there" in words for words in said] == [True, False, False]


def test_labels_without_a_pixel_are_left_out_and_the_others_numbered_without_a_gap(scan: Scan) -> None:
    codes = blob(SHAPE)
    codes[codes == 2] = 0
    made = read(scan, outlined(codes, scan.grid))
    assert [(item.SegmentNumber, item.SegmentLabel) for item in made.SegmentSequence] == [(1, "Lesion"), (2, "Spleen")]


def test_slices_without_a_pixel_are_left_out_and_the_distance_between_slices_is_told(scan: Scan) -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[[1, 4], 2, 3] = 1
    made = read(scan, outlined(codes, scan.grid))
    assert made.NumberOfFrames == 2
    assert made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices == pytest.approx(2.5)


def test_each_frame_refers_to_the_very_slice_that_it_was_drawn_on(scan: Scan) -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[[1, 4], 2, 3] = 1
    files = files_of("seg", scan, outlined(codes, scan.grid))
    expected = [(scan.sources[scan.places[z][0]].sop_instance_uid, 1) for z in (1, 4)]
    assert sorted(frame.refers or ("", 0) for frame in frames_in(files)) == sorted(expected)
    made = dcmread(io.BytesIO(files["seg.dcm"]))
    series_items = made.ReferencedSeriesSequence
    assert [item.SeriesInstanceUID for item in series_items] == [scan.identity.series_instance_uid]
    referred = {item.ReferencedSOPInstanceUID for item in series_items[0].ReferencedInstanceSequence}
    assert referred == {source.sop_instance_uid for source in scan.sources}


def test_no_reference_of_the_library_is_left_over(scan: Scan) -> None:
    made = read(scan, outlined(blob(SHAPE), scan.grid))
    known = {source.sop_instance_uid for source in scan.sources}
    referred = {str(element.value) for element in made.iterall() if element.keyword in ("ReferencedSOPInstanceUID",)}
    assert referred == known
    classes = {str(element.value) for element in made.iterall() if element.keyword == "ReferencedSOPClassUID"}
    assert classes == {source.sop_class_uid for source in scan.sources}


def test_masks_that_overlap_keep_every_pixel_of_each(scan: Scan) -> None:
    first, second = np.zeros(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    first[1:3, 2:6, 2:6], second[2:5, 4:8, 4:9] = True, True
    files = files_of("seg", scan, overlapping([first, second], scan.grid))
    assert dcmread(io.BytesIO(files["seg.dcm"])).SegmentsOverlap == "YES"
    counts = [sum(int(frame.pixels.sum()) for frame in frames_in(files) if frame.segment == n) for n in (0, 1)]
    assert counts == [int(first.sum()), int(second.sum())]


def test_masks_that_could_overlap_and_do_not_are_said_not_to(scan: Scan) -> None:
    codes = blob(SHAPE)
    made = read(scan, overlapping([codes == 1, np.zeros(SHAPE, np.bool_), codes == 3], scan.grid))
    assert made.SegmentsOverlap == "NO"
    assert [item.SegmentLabel for item in made.SegmentSequence] == ["Region 1", "Region 3"]


def test_overlapping_masks_too_large_for_one_object_get_several(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "CHUNK_BYTES", 2 * int(np.prod(SHAPE)))
    masks = [np.zeros(SHAPE, np.bool_) for _ in range(3)]
    for number, mask in enumerate(masks):
        mask[2, 1 : 4 + number, 1:4] = True
    files = files_of("seg", scan, overlapping(masks, scan.grid))
    assert list(files) == ["seg-1.dcm", "seg-2.dcm"]
    first, second = (dcmread(io.BytesIO(data)) for data in files.values())
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert [len(first.SegmentSequence), len(second.SegmentSequence)] == [2, 1]


def boxed(scan: Scan, fed: Grid, *masks: Array) -> Detections:
    """Detections with these masks, (y, x), on the slice of `fed`."""
    seen = slice_seen(scan.grid, fed)
    place = place_box((0, 0, *fed.shape[1:]), fed, scan.grid)
    assert place is not None
    boxes = tuple(
        Detection(
            name="nodule",
            title="Nodule",
            code=None,
            score=0.9 - number / 10,
            threshold=0.5,
            positive=True,
            finding=True,
            urgency="soon",
            place=place,
            mask=InstanceMask(start=(1, 2), pixels=mask, grid=seen),
        )
        for number, mask in enumerate(masks)
    )
    labels = (LookedFor(name="nodule", title="Nodule", finding=True),)
    return Detections(boxes=boxes, labels=labels, grid=fed)


def test_outlines_of_detections_are_segments_of_their_own(scan: Scan) -> None:
    fed = scan.grid.cropped((3, 0, 0), (1, *SHAPE[1:]))
    ones = np.ones((3, 4), np.bool_)
    files = files_of("seg", scan, boxed(scan, fed, ones, ones, np.zeros((2, 2), np.bool_)))
    first, second = frames_in(files)
    assert [first.label, second.label] == ["Nodule 1", "Nodule 2"]
    assert first.pixels[1:4, 2:6].all()
    assert int(first.pixels.sum()) == 12
    assert first.refers == (scan.sources[scan.places[3][0]].sop_instance_uid, 1)


def test_a_segment_has_the_number_of_its_box_in_the_report(scan: Scan) -> None:
    fed = scan.grid.cropped((3, 0, 0), (1, *SHAPE[1:]))
    none, ones = np.zeros((2, 2), np.bool_), np.ones((3, 4), np.bool_)
    (frame,) = frames_in(files_of("seg", scan, boxed(scan, fed, none, ones)))
    assert frame.label == "Nodule 2"


def test_the_one_slice_that_was_seen_of_a_volume_is_referred_to(scan: Scan) -> None:
    seen = scan.grid.cropped((4, 0, 0), (1, *SHAPE[1:]))
    codes = np.zeros(seen.shape, np.uint8)
    codes[0, 2:5, 3:6] = 1
    (frame,) = frames_in(files_of("seg", scan, outlined(codes, seen)))
    assert frame.refers == (scan.sources[scan.places[4][0]].sop_instance_uid, 1)


def test_a_plane_across_the_slices_lies_in_place_and_refers_to_no_frame(scan: Scan) -> None:
    across = Turn(axes=(1, 0, 2), flips=(False, False, False)).apply_grid(scan.grid).cropped((5, 0, 0), (1, 6, 10))
    codes = np.zeros(across.shape, np.uint8)
    codes[0, 1:3, 2:7] = 1
    (frame,) = frames_in(files_of("seg", scan, outlined(codes, across)))
    assert frame.refers is None
    assert frame.grid is not None
    assert np.allclose(frame.grid.matrix[:3, 1:], across.matrix[:3, 1:], atol=1e-6)


def test_a_frame_of_an_enhanced_object_is_referred_to_by_number(tmp_path: Path) -> None:
    scan = scan_of(complete([enhanced(phantom(SHAPE), GRID)]), tmp_path / "src")
    codes = np.zeros(SHAPE, np.uint8)
    codes[[0, 5]] = 1
    made = read(scan, outlined(codes, scan.grid))
    numbers = {
        int(group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for group in made.PerFrameFunctionalGroupsSequence
    }
    assert numbers == {1, 6}


def test_a_film_without_a_place_in_the_patient_is_outlined_on_its_own_pixels(tmp_path: Path) -> None:
    elements = {"ImagerPixelSpacing": [0.2, 0.2], "BodyPartExamined": "CHEST", "PatientOrientation": ["L", "F"]}
    film = picture(phantom((1, 20, 30))[0], **elements)
    scan = scan_of(complete([film]), tmp_path / "src")
    codes = np.zeros(scan.grid.shape, np.uint8)
    codes[0, 3:9, 4:11] = 1
    files = files_of("seg", scan, outlined(codes, scan.grid))
    (frame,) = frames_in(files)
    assert dcmread(io.BytesIO(files["seg.dcm"])).PatientOrientation == ["L", "F"]
    assert frame.grid is None
    assert frame.refers == (scan.sources[0].sop_instance_uid, 1)
    assert frame.pixels[3:9, 4:11].all()
    assert int(frame.pixels.sum()) == 42


def test_one_frame_of_a_clip_is_outlined_and_referred_to_by_number(tmp_path: Path) -> None:
    clip = picture(phantom((3, 20, 30)), NumberOfFrames=3, Modality="US")
    scan = scan_of(complete([clip]), tmp_path / "src")
    seen = scan.grid.cropped((2, 0, 0), (1, 20, 30))
    codes = np.zeros(seen.shape, np.uint8)
    codes[0, 3:9, 4:11] = 1
    (frame,) = frames_in(files_of("seg", scan, outlined(codes, seen)))
    assert frame.refers == (scan.sources[0].sop_instance_uid, 3)


def test_the_one_frame_of_a_file_that_counts_its_frames_is_not_referred_to_by_number(tmp_path: Path) -> None:
    film = picture(phantom((1, 20, 30))[0], NumberOfFrames=1)
    scan = scan_of(complete([film]), tmp_path / "src")
    made = read(scan, outlined(np.ones(scan.grid.shape, np.uint8), scan.grid))
    assert [element.value for element in made.iterall() if element.keyword == "ReferencedFrameNumber"] == []


def test_a_scan_with_a_place_and_no_name_of_its_space_gets_one(tmp_path: Path) -> None:
    datasets = complete(series(phantom(SHAPE), GRID))
    for dataset in datasets:
        del dataset.FrameOfReferenceUID
    scan = scan_of(datasets, tmp_path / "src")
    made = [read(scan, outlined(blob(SHAPE), scan.grid)).FrameOfReferenceUID for _ in range(2)]
    assert made[0] == made[1]
    assert str(made[0]).startswith("2.25.")


@pytest.mark.parametrize("kind", ["exclusive", "overlapping"])
def test_where_nothing_is_outlined_there_is_no_segmentation(kind: str, scan: Scan) -> None:
    nothing = np.zeros(SHAPE, np.uint8)
    findings = outlined(nothing, scan.grid) if kind == "exclusive" else overlapping([nothing > 0], scan.grid)
    with pytest.raises(UnfitError, match="nothing was outlined"):
        files_of("seg", scan, findings)


def test_a_picture_that_was_seen_in_windows_is_plainly_not_written(scan: Scan) -> None:
    findings = replace(outlined(blob(SHAPE), scan.grid), in_windows=True)
    with pytest.raises(UnfitError, match="seen in windows"):
        files_of("seg", scan, findings)


def test_loose_frames_are_plainly_not_written_as_one_volume(tmp_path: Path) -> None:
    clip = picture(phantom((3, 20, 30)), NumberOfFrames=3, Modality="US")
    scan = scan_of(complete([clip]), tmp_path / "src")
    with pytest.raises(UnfitError, match="do not say where they lie"):
        files_of("seg", scan, outlined(np.ones((3, 20, 30), np.uint8), scan.grid))


def test_titles_longer_than_a_label_are_cut(scan: Scan) -> None:
    long = "A very long title " * 6
    findings = outlined(blob(SHAPE, labels=1), scan.grid, names=("x",))
    findings = replace(findings, regions=(replace(region("x", 9), title=long),))
    assert read(scan, findings).SegmentSequence[0].SegmentLabel == long[:64].strip()
