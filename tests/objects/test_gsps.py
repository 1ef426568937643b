"""The presentation state: lines exactly on what was found, over pictures that look as their headers say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Findings
from edge.geometry import Turn
from edge.objects import gsps, gsps_proof, regions
from edge.objects.gsps import LONGEST_LINE, pieces
from edge.objects.regions_place import filled
from edge.objects.unfit import UnfitError
from edge.scan import Scan
from tests.objects.cases import complete, scan_of
from tests.objects.planted import box, boxed, detected, errors_of, made, masked, ran, read, segmented
from tests.read.dicom_files import all_turns, canonical_grid, enhanced, item, phantom, picture, place, rotated, series
from tests.write.outcomes import refusal

SHAPE = (4, 5, 6)
CLIP, DOSE = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.481.2"


def film(folder: Path, **elements: Any) -> Scan:
    """A film without a place in the patient."""
    pixels = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
    return scan_of(complete([picture(pixels, **elements)]), folder)


def volume(folder: Path, **elements: Any) -> Scan:
    """A volume in patient space."""
    return scan_of(complete(series(phantom(SHAPE), canonical_grid(SHAPE), **elements)), folder)


def state(scan: Scan, findings: Findings) -> Dataset:
    """The one presentation state of findings, read again."""
    (data,) = made("gsps", scan, findings).values()
    return read(data)


def lines(annotation: Dataset) -> list[NDArray[np.float64]]:
    """The lines of an annotation, columns and rows."""
    return [np.array(line.GraphicData, dtype=np.float64).reshape(-1, 2) for line in annotation.GraphicObjectSequence]


def test_a_box_has_the_very_edges_of_the_report(tmp_path: Path) -> None:
    scan = film(tmp_path)
    (annotation,) = state(scan, detected(scan, box(scan, (0, 10.5, 20.25, 1, 30, 40)))).GraphicAnnotationSequence
    (line,) = annotation.GraphicObjectSequence
    assert (line.GraphicAnnotationUnits, line.GraphicType, line.GraphicFilled) == ("PIXEL", "POLYLINE", "N")
    assert line.NumberOfGraphicPoints == 5
    assert lines(annotation)[0].tolist() == [[20.25, 10.5], [40, 10.5], [40, 30], [20.25, 30], [20.25, 10.5]]


def test_a_box_around_the_whole_picture_ends_at_its_columns_and_rows(tmp_path: Path) -> None:
    """PS3.3 C.10.5.1.2: (0, 0) is the outer corner of the first pixel, (Columns, Rows) that of the last."""
    scan = film(tmp_path)
    (annotation,) = state(scan, detected(scan, box(scan, (0, 0, 0, 1, 60, 80)))).GraphicAnnotationSequence
    assert lines(annotation)[0].min(axis=0).tolist() == [0, 0]
    assert lines(annotation)[0].max(axis=0).tolist() == [80, 60]


def test_words_and_score_stand_beside_each_box_within_the_picture(tmp_path: Path) -> None:
    scan = film(tmp_path)
    edges = [(0, 0, 0, 1, 5, 5), (0, 55, 75, 1, 60, 80), (0, 0, 70, 1, 60, 80)]
    said = state(scan, detected(scan, *(box(scan, each) for each in edges)))
    for number, annotation in enumerate(said.GraphicAnnotationSequence, start=1):
        (words,) = annotation.TextObjectSequence
        assert words.UnformattedTextValue == f"{number}. Nodule: 0.90"
        left, top = words.BoundingBoxTopLeftHandCorner
        right, bottom = words.BoundingBoxBottomRightHandCorner
        assert 0 <= left < right <= 80
        assert 0 <= top < bottom <= 60


def test_words_are_in_the_language_that_was_asked_for(tmp_path: Path) -> None:
    scan = film(tmp_path)
    (data,) = made("gsps", scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9))), language="fr").values()
    (annotation,) = read(data).GraphicAnnotationSequence
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "1. Nodule: 0,90"


def test_each_label_has_a_layer_with_a_colour_of_its_own(tmp_path: Path) -> None:
    scan = film(tmp_path)
    found = detected(scan, box(scan, (0, 1, 1, 1, 9, 9)), box(scan, (0, 1, 1, 1, 9, 9), name="effusion"))
    said = state(scan, found)
    layers = {
        layer.GraphicLayer: tuple(layer.GraphicLayerRecommendedDisplayCIELabValue)
        for layer in said.GraphicLayerSequence
    }
    assert [annotation.GraphicLayer for annotation in said.GraphicAnnotationSequence] == ["EDGERUN1", "EDGERUN2"]
    assert len(set(layers.values())) == 2


def test_only_slices_with_something_on_them_are_referred_to(tmp_path: Path) -> None:
    scan = volume(tmp_path)
    said = state(scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))
    wanted = [scan.sources[scan.places[z][0]].sop_instance_uid for z in (1, 2)]
    (one,) = said.ReferencedSeriesSequence
    assert {image.ReferencedSOPInstanceUID for image in one.ReferencedImageSequence} == set(wanted)
    named = [each.ReferencedImageSequence[0].ReferencedSOPInstanceUID for each in said.GraphicAnnotationSequence]
    assert named == wanted


def test_frames_are_referred_to_by_number(tmp_path: Path) -> None:
    scan = scan_of([picture(phantom(SHAPE), NumberOfFrames=4, Modality="US", SOPClassUID=CLIP)], tmp_path)
    said = state(scan, detected(scan, box(scan, (1, 1, 2, 3, 4, 5))))
    frames = [each.ReferencedImageSequence[0].ReferencedFrameNumber for each in said.GraphicAnnotationSequence]
    assert frames == [2, 3]


def test_a_single_picture_is_referred_to_without_a_number_even_where_it_counts_its_frames(tmp_path: Path) -> None:
    """Many films say that they have 1 frame; of their kind of object none may be numbered (PS3.3 table 10-3)."""
    scan = film(tmp_path, NumberOfFrames=1)
    (annotation,) = state(scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9)))).GraphicAnnotationSequence
    assert "ReferencedFrameNumber" not in annotation.ReferencedImageSequence[0]


@pytest.mark.parametrize("absolute", [True, False])
def test_frames_of_a_dose_grid_lie_at_their_offsets(absolute: bool, tmp_path: Path) -> None:
    grid = canonical_grid(SHAPE)
    dose = picture(phantom(SHAPE), NumberOfFrames=4, Modality="RTDOSE", SOPClassUID=DOSE)
    place(dose, grid, 0)
    start = float(dose.ImagePositionPatient[2]) if absolute else 0.0
    dose.GridFrameOffsetVector = [start + 2.5 * z for z in range(4)]
    scan = scan_of([dose], tmp_path)
    said = state(scan, detected(scan, box(scan, (1, 1, 2, 3, 4, 5))))
    frames = [each.ReferencedImageSequence[0].ReferencedFrameNumber for each in said.GraphicAnnotationSequence]
    assert frames == [2, 3]


def test_an_outline_encloses_exactly_the_pixels_of_its_region(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(SHAPE), canonical_grid(SHAPE)), tmp_path)
    mask = np.random.default_rng(2).random(SHAPE) < 0.5
    said = state(scan, segmented(scan, mask))
    uids = [scan.sources[source].sop_instance_uid for source, _ in scan.places]
    for annotation in said.GraphicAnnotationSequence:
        z = uids.index(annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID)
        assert np.array_equal(filled(lines(annotation), SHAPE[1:]), mask[z])


@pytest.mark.parametrize("exclusive", [True, False])
def test_regions_are_told_apart_by_number_and_name(exclusive: bool, tmp_path: Path) -> None:
    scan = film(tmp_path)
    one, other = np.zeros((2, 1, 60, 80), dtype=bool)
    one[0, 5:10, 5:20], other[0, 30:50, 40:70] = True, True
    said = state(scan, segmented(scan, one, other, exclusive=exclusive))
    words = {each.TextObjectSequence[0].UnformattedTextValue for each in said.GraphicAnnotationSequence}
    assert words == {"1. Region 1", "2. Region 2"}


def test_an_outlined_box_has_its_words_once(tmp_path: Path) -> None:
    scan = film(tmp_path)
    mask = np.zeros((60, 80), dtype=bool)
    mask[12:20, 25:35] = True
    found = masked(box(scan, (0, 10, 20, 1, 30, 40)), mask, scan.grid)
    said = state(scan, detected(scan, found))
    assert ["TextObjectSequence" in each for each in said.GraphicAnnotationSequence] == [True, False]


def test_a_long_line_is_cut_into_pieces_that_meet(tmp_path: Path) -> None:
    scan = scan_of([picture(np.zeros((150, 300), np.uint8))], tmp_path)
    comb = np.zeros((1, 150, 300), dtype=bool)
    comb[0, :, ::2] = True
    comb[0, 75] = True
    comb[0, 10::4, :] = True
    said = state(scan, segmented(scan, comb))
    (annotation,) = said.GraphicAnnotationSequence
    assert max(len(line) for line in lines(annotation)) <= LONGEST_LINE
    assert np.array_equal(filled(lines(annotation), (150, 300)), comb[0])


@pytest.mark.parametrize("count", [2, LONGEST_LINE, LONGEST_LINE + 1, 3 * LONGEST_LINE])
def test_pieces_hold_every_point(count: int) -> None:
    line = np.arange(2.0 * count).reshape(-1, 2)
    found = list(pieces(line))
    assert all(2 <= len(piece) <= LONGEST_LINE for piece in found)
    assert np.array_equal(np.concatenate([found[0], *(piece[1:] for piece in found[1:])]), line)


def test_more_lines_than_an_object_should_hold_are_not_drawn_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = film(tmp_path)
    monkeypatch.setattr(gsps, "MOST_POINTS", 7)
    with pytest.raises(UnfitError, match="more than 7 points"):
        made("gsps", scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9)), box(scan, (0, 1, 1, 1, 9, 9))))


def test_where_nothing_was_found_nothing_is_drawn(tmp_path: Path) -> None:
    scan = film(tmp_path)
    for findings in (detected(scan), refusal(), segmented(scan, np.zeros((1, 60, 80), dtype=bool))):
        with pytest.raises(UnfitError, match="no box or outline"):
            made("gsps", scan, findings)


@pytest.mark.parametrize(
    ("elements", "spacing", "shape"),
    [
        ({"PixelSpacing": [0.5, 0.25]}, [0.5, 0.25], None),
        ({"ImagerPixelSpacing": [0.4, 0.2]}, [0.4, 0.2], None),
        ({"PixelAspectRatio": [2, 1]}, None, [2, 1]),
        ({}, None, [1, 1]),
    ],
)
def test_pixels_are_as_wide_and_high_as_the_source_says(
    elements: dict[str, Any], spacing: list[float] | None, shape: list[int] | None, tmp_path: Path
) -> None:
    scan = film(tmp_path, **elements)
    (area,) = state(scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9)))).DisplayedAreaSelectionSequence
    assert (area.get("PresentationPixelSpacing"), area.get("PresentationPixelAspectRatio")) == (spacing, shape)


def test_pixels_of_an_enhanced_object_are_spaced_as_its_groups_say(tmp_path: Path) -> None:
    scan = scan_of([enhanced(phantom(SHAPE), canonical_grid(SHAPE))], tmp_path)
    (area,) = state(scan, detected(scan, box(scan, (1, 1, 1, 2, 3, 3)))).DisplayedAreaSelectionSequence
    _, dy, dx = canonical_grid(SHAPE).steps
    assert list(area.PresentationPixelSpacing) == pytest.approx([dy, dx])


def test_the_window_is_the_one_that_the_source_proposes(tmp_path: Path) -> None:
    scan = film(tmp_path, WindowCenter=[2000, 100], WindowWidth=[3000, 50], RescaleIntercept=-5, RescaleSlope=2)
    said = state(scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9))))
    (window,) = said.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (2000, 3000)
    assert (said.RescaleIntercept, said.RescaleSlope, said.RescaleType) == (-5, 2, "US")
    assert said.PresentationLUTShape == "IDENTITY"


def test_an_inverted_picture_stays_inverted(tmp_path: Path) -> None:
    scan = film(tmp_path, PhotometricInterpretation="MONOCHROME1")
    assert state(scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9)))).PresentationLUTShape == "INVERSE"


def test_slices_of_different_windows_keep_their_own(tmp_path: Path) -> None:
    slices = series(phantom(SHAPE), canonical_grid(SHAPE))
    for number, one in enumerate(slices):
        one.WindowCenter, one.WindowWidth = 40 + number % 2, 400
    scan = scan_of(slices, tmp_path)
    said = state(scan, detected(scan, box(scan, (0, 1, 1, 4, 3, 3))))
    centres = {float(each.WindowCenter): len(each.ReferencedImageSequence) for each in said.SoftcopyVOILUTSequence}
    assert centres == {40.0: 2, 41.0: 2}


def test_slices_of_different_rescaling_get_states_of_their_own(tmp_path: Path) -> None:
    """PS3.3 C.11.1: one modality transform holds for all pictures of a presentation state."""
    slices = series(phantom(SHAPE), canonical_grid(SHAPE), modality="MR")
    for number, one in enumerate(slices):
        one.RescaleIntercept, one.RescaleSlope = 0, 1 + number % 2
    scan = scan_of(slices, tmp_path)
    files = made("gsps", scan, detected(scan, box(scan, (0, 1, 1, 4, 3, 3))))
    states = [read(data) for data in files.values()]
    assert sorted(files) == ["gsps-1.dcm", "gsps-2.dcm"]
    assert sorted(float(each.RescaleSlope) for each in states) == [1.0, 2.0]
    assert len({each.SOPInstanceUID for each in states}) == 2
    assert len({each.SeriesInstanceUID for each in states}) == 1


def test_an_enhanced_object_is_shown_by_its_shared_transform(tmp_path: Path) -> None:
    source = enhanced(phantom(SHAPE), canonical_grid(SHAPE))
    shared = source.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence = [item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")]
    shared.FrameVOILUTSequence = [item(WindowCenter=40, WindowWidth=400)]
    scan = scan_of([source], tmp_path)
    said = state(scan, detected(scan, box(scan, (1, 1, 1, 2, 3, 3))))
    assert (said.RescaleIntercept, said.RescaleType) == (-1024, "HU")
    assert said.SoftcopyVOILUTSequence[0].WindowWidth == 400


def test_colour_has_a_state_of_its_own_kind(tmp_path: Path) -> None:
    scan = scan_of([picture(np.zeros((60, 80, 3), np.uint8), PhotometricInterpretation="RGB", Modality="OT")], tmp_path)
    said = state(scan, detected(scan, box(scan, (0, 1, 1, 1, 9, 9))))
    assert said.SOPClassUID.name == "Color Softcopy Presentation State Storage"
    assert len(said.ICCProfile) > 128
    assert "PresentationLUTShape" not in said


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    scan = volume(tmp_path)
    findings = detected(scan, box(scan, (1, 2, 3, 3, 4, 5)))
    assert made("gsps", scan, findings) == made("gsps", scan, findings)


@pytest.mark.parametrize("turn", list(all_turns())[::3], ids=str)
def test_lines_lie_where_they_should_in_every_orientation(turn: Turn, tmp_path: Path) -> None:
    """The writer proves itself, by the headers of the very slices that it names."""
    body = rotated(canonical_grid(SHAPE))
    scan = scan_of(series(turn.apply(phantom(SHAPE)), turn.apply_grid(body)), tmp_path)
    assert state(scan, detected(scan, boxed((1, 2, 3, 3, 4, 5), body, scan.grid))).GraphicAnnotationSequence
    mask = np.random.default_rng(1).random(scan.grid.shape) < 0.4
    assert state(scan, segmented(scan, mask)).GraphicAnnotationSequence


def _mirror(line: Any) -> Any:
    return np.array([[6.0, 0.0]]) + line * np.array([[-1.0, 1.0]])


def _transpose(line: Any) -> Any:
    return line[:, ::-1]


def _from_one(line: Any) -> Any:
    return line + 1.0


def _centres(line: Any) -> Any:
    return line - 0.5


WRONG = [_mirror, _transpose, _from_one, _centres]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_box_drawn_wrongly_is_caught(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_of(series(phantom(SHAPE), rotated(canonical_grid(SHAPE))), tmp_path)
    straight = regions.rectangle
    monkeypatch.setattr(regions, "rectangle", lambda edges: change(straight(edges)))
    with pytest.raises(OutputError, match="box 1 lies elsewhere") as raised:
        made("gsps", scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))
    assert raised.value.reason.code == "W803"


@pytest.mark.parametrize("change", [*WRONG[:3]], ids=lambda change: change.__name__)
def test_an_outline_drawn_wrongly_is_caught(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_of(series(phantom((4, 6, 6)), rotated(canonical_grid((4, 6, 6)))), tmp_path)
    mask = np.zeros((4, 6, 6), dtype=bool)
    mask[1:3, 1:3, 1:5], mask[1, 3, 1] = True, True
    straight = regions.outlines
    monkeypatch.setattr(regions, "outlines", lambda mask: tuple(change(line) for line in straight(mask)))
    with pytest.raises(OutputError, match="outline 1 lies elsewhere"):
        made("gsps", scan, segmented(scan, mask))


def test_lines_on_the_slices_in_the_wrong_order_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = volume(tmp_path)
    right = regions.marks_of
    monkeypatch.setattr(gsps, "marks_of", lambda *given: [replace(mark, z=3 - mark.z) for mark in right(*given)])
    with pytest.raises(OutputError, match="box 1 is"):
        made("gsps", scan, detected(scan, box(scan, (0, 2, 3, 1, 4, 5))))


def test_a_line_that_is_missing_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = volume(tmp_path)
    right = regions.marks_of
    monkeypatch.setattr(gsps, "marks_of", lambda *given: list(right(*given))[1:])
    with pytest.raises(OutputError, match="box 1 is not drawn, on slice 2"):
        made("gsps", scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))


def test_a_line_too_many_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = volume(tmp_path)
    monkeypatch.setattr(gsps_proof, "_expected", lambda _: iter(()))
    with pytest.raises(OutputError, match="where nothing was found"):
        made("gsps", scan, detected(scan, box(scan, (1, 2, 3, 2, 4, 5))))


def case(name: str, folder: Path) -> tuple[Scan, Findings]:
    """One of each kind of presentation state."""
    if name == "film":
        scan = film(folder, WindowCenter=2000, WindowWidth=3000)
        return scan, detected(scan, box(scan, (0, 10.5, 20.25, 1, 30, 40)))
    if name == "colour":
        rgb = picture(np.zeros((60, 80, 3), np.uint8), PhotometricInterpretation="RGB", Modality="OT")
        scan = scan_of(complete([rgb]), folder)
        return scan, detected(scan, box(scan, (0, 10.5, 20.25, 1, 30, 40)))
    if name == "clip":
        clip = picture(phantom(SHAPE), NumberOfFrames=4, Modality="US", SOPClassUID=CLIP)
        scan = scan_of(complete([clip]), folder)
        return scan, detected(scan, box(scan, (1, 1, 2, 3, 4, 5)))
    scan = volume(folder)
    return scan, segmented(scan, np.random.default_rng(2).random(SHAPE) < 0.5)


@pytest.mark.parametrize("name", ["film", "colour", "clip", "volume"])
def test_dciodvfy_finds_no_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gsps.dcm"
    path.write_bytes(made("gsps", *case(name, tmp_path / "source"))["gsps.dcm"])
    assert errors_of(path) == []


@pytest.mark.parametrize("name", ["film", "clip", "volume"])
def test_dcmtk_finds_no_fault_in_the_state(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gsps.dcm"
    path.write_bytes(made("gsps", *case(name, tmp_path / "source"))["gsps.dcm"])
    said = ran("dcmpschk", path)
    assert "Test passed" in said
    assert [line for line in said.splitlines() if line.startswith("E:")] == []


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dcmtk_shows_the_picture_in_the_state_as_it_shows_it_without(photometric: str, tmp_path: Path) -> None:
    """The window and the polarity are those of the source, by another's rendering."""
    elements = {"PhotometricInterpretation": photometric, "WindowCenter": 2000, "WindowWidth": 3000}
    scan = film(tmp_path / "source", **elements)
    path = tmp_path / "gsps.dcm"
    path.write_bytes(made("gsps", scan, detected(scan, box(scan, (0, 10.5, 20.25, 1, 30, 40))))["gsps.dcm"])
    source = scan.sources[0].path
    ran("dcmp2pgm", source, tmp_path / "plain.pgm")
    ran("dcmp2pgm", "-p", path, source, tmp_path / "state.pgm")
    plain, shown = (tmp_path / name for name in ("plain.pgm", "state.pgm"))
    assert shown.read_bytes() == plain.read_bytes()
