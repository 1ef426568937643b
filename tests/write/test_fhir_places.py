"""Where boxes and outlines lie, as a FHIR reader finds them: on the very frame, on the very pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid, Turn
from edge.objects.regions_place import filled
from edge.scan import Identity, Scan, Slide, Source
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import Outcome, fhir_places
from edge.write.fhir import fhir
from edge.write.fhir_places import DICOM, R5, TYPES
from tests.objects.planted import box, detected, masked, segmented
from tests.write.outcomes import outcome, refusal
from tests.write.planted import volume_scan

WHO = Identity(study_instance_uid="1.2.3", series_instance_uid="1.2.3.4", frame_of_reference_uid="1.2.3.9")
CLASS = "1.2.840.10008.5.1.4.1.1.1.1"
ROWS, COLUMNS = 24, 32

Array = NDArray[Any]


def files(count: int) -> tuple[Source, ...]:
    """So many DICOM files."""
    return tuple(
        Source(path=f"{n}.dcm", sha256="c" * 64, sop_class_uid=CLASS, sop_instance_uid=f"1.2.5.{n}")
        for n in range(count)
    )


@pytest.fixture
def film() -> Scan:
    """A film."""
    return replace(phantom_scan((1, ROWS, COLUMNS), spacing_mm=(0.5, 0.5)), identity=WHO, sources=files(1))


@pytest.fixture
def frames() -> Scan:
    """Three loose frames of one file."""
    plain = phantom_scan((3, ROWS, COLUMNS))
    return replace(plain, identity=WHO, sources=files(1), stack="frames", places=((0, 0), (0, 1), (0, 2)))


@pytest.fixture
def volume() -> Scan:
    """A volume, each slice a file of its own."""
    plain = volume_scan()
    slices = plain.grid.shape[0]
    return replace(plain, identity=WHO, sources=files(slices), places=tuple((z, 0) for z in range(slices)))


def drop(shape: tuple[int, ...] = (ROWS, COLUMNS)) -> Array:
    """A mask that no turn or flip maps onto itself, with a hole and an island."""
    mask = np.zeros(shape, dtype=bool)
    mask[..., 3:12, 5:20] = True
    mask[..., 6:8, 9:15] = False
    mask[..., 15:18, 25:27] = True
    return mask


def bundle(told: Outcome) -> dict[str, Any]:
    """The bundle, which another reader takes for FHIR R4."""
    (data,) = fhir(told.result, told.scan, told.findings, Wanted()).values()
    read: dict[str, Any] = json.loads(data)
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    assert bundles.Bundle.model_validate(read).type == "collection"
    return read


def resources(read: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in read["entry"] if entry["resource"]["resourceType"] == kind]


def told_in(resource: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The extensions that stand for an element of R5's ImagingSelection."""
    return [one for one in resource["extension"] if one["url"] == f"{R5}/extension-ImagingSelection.{name}"]


def parts(instance: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in instance["extension"] if one["url"] == name]


def points(region: dict[str, Any], size: int) -> Array:
    """The points of a region, shape (n, size)."""
    values = [one["valueDecimal"] for one in region["extension"] if one["url"] == "coordinate"]
    return np.array(values).reshape(-1, size)


def selected(read: dict[str, Any], number: int = 0) -> list[dict[str, Any]]:
    """The selections that an observation is derived from."""
    by_url = {entry["fullUrl"]: entry["resource"] for entry in read["entry"]}
    (study,) = resources(read, "Observation")[number]["derivedFrom"]
    assert by_url[study["reference"]]["resourceType"] == "ImagingStudy"
    urls = {one["url"] for one in study.get("extension", [])}
    assert urls <= {f"{R5}/extension-Observation.derivedFrom"}
    return [by_url[one["valueReference"]["reference"]] for one in study.get("extension", [])]


def test_a_box_on_a_film_is_found_on_that_film(film: Scan) -> None:
    (place,) = selected(bundle(outcome(film, detected(film, box(film, (0, 3.5, 5, 1, 12, 20))))))
    (instance,) = told_in(place, "instance")
    assert parts(instance, "uid")[0]["valueId"] == "1.2.5.0"
    assert parts(instance, "sopClass")[0]["valueCoding"]["code"] == f"urn:oid:{CLASS}"
    assert parts(instance, "subset") == []
    (region,) = parts(instance, "imageRegion2D")
    assert region["extension"][0] == {"url": "regionType", "valueCode": "polyline"}
    assert points(region, 2).tolist() == [[5, 3.5], [20, 3.5], [20, 12], [5, 12], [5, 3.5]]


def test_a_selection_is_what_hl7_makes_of_it_in_r4(film: Scan) -> None:
    (place,) = selected(bundle(outcome(film, detected(film, box(film, (0, 3, 5, 1, 12, 20))))))
    assert place["resourceType"] == "Basic"
    assert place["code"]["coding"] == [{"system": TYPES, "code": "ImagingSelection"}]
    status = {"url": f"{R5}/extension-ImagingSelection.status", "valueCode": "available"}
    assert place["modifierExtension"] == [status]
    assert told_in(place, "code")[0]["valueCodeableConcept"]["coding"][0]["system"] == DICOM
    assert told_in(place, "studyUid")[0]["valueId"] == "1.2.3"
    assert told_in(place, "seriesUid")[0]["valueId"] == "1.2.3.4"


def test_an_outline_holds_the_very_pixels(film: Scan) -> None:
    (place,) = selected(bundle(outcome(film, segmented(film, drop()[np.newaxis]))))
    (instance,) = told_in(place, "instance")
    lines = [points(region, 2) for region in parts(instance, "imageRegion2D")]
    assert len(lines) == 3
    assert np.array_equal(filled(lines, (ROWS, COLUMNS)), drop())


def test_a_box_with_an_outline_has_both_and_says_which_is_which(film: Scan) -> None:
    found = masked(box(film, (0, 3, 5, 1, 18, 27)), drop(), film.grid)
    places = selected(bundle(outcome(film, detected(film, found))))
    told = [told_in(place, "code")[0]["valueCodeableConcept"]["text"] for place in places]
    assert told == ["Box around what was found", "Outline of what was found"]


def test_each_observation_leads_to_its_own_box(film: Scan) -> None:
    edges = [(0, 3, 5, 1, 12, 20), (0, 1, 2, 1, 3, 4)]
    read = bundle(outcome(film, detected(film, *(box(film, each) for each in edges))))
    found = [
        points(parts(told_in(selected(read, number)[0], "instance")[0], "imageRegion2D")[0], 2).min(axis=0).tolist()
        for number in range(2)
    ]
    assert found == [[5, 3], [2, 1]]
    assert selected(read, 2) == []


def test_of_several_frames_the_frame_is_named(frames: Scan) -> None:
    (place,) = selected(bundle(outcome(frames, detected(frames, box(frames, (1, 3, 5, 2, 12, 20))))))
    (instance,) = told_in(place, "instance")
    assert parts(instance, "subset") == [{"url": "subset", "valueString": "2"}]


def test_a_box_in_a_volume_lies_in_the_patient(volume: Scan) -> None:
    found = box(volume, (2, 3, 5, 6, 12, 15))
    (place,) = selected(bundle(outcome(volume, detected(volume, found))))
    assert told_in(place, "frameOfReferenceUid")[0]["valueId"] == "1.2.3.9"
    (instance,) = told_in(place, "instance")
    assert parts(instance, "uid")[0]["valueId"] == "1.2.5.4"
    faces = [points(region, 3) for region in parts(instance, "imageRegion3D")]
    assert all(np.array_equal(face[0], face[-1]) and len(face) == 5 for face in faces)
    corners = np.round(np.array(found.place.corners_mm), 4)
    assert {tuple(point) for face in faces for point in face} == {tuple(corner) for corner in corners}
    assert [np.ptp(face @ volume.grid.matrix[:3, 0]) < 1e-2 for face in faces] == [True, True]


def test_a_region_of_a_volume_is_told_by_its_box(volume: Scan) -> None:
    mask = np.zeros(volume.grid.shape, dtype=bool)
    mask[2:6, 3:12, 5:15] = True
    (place,) = selected(bundle(outcome(volume, segmented(volume, mask))))
    faces = [points(region, 3) for region in parts(told_in(place, "instance")[0], "imageRegion3D")]
    corners = np.round(np.array(box(volume, (2, 3, 5, 6, 12, 15)).place.corners_mm), 4)
    assert {tuple(point) for face in faces for point in face} == {tuple(corner) for corner in corners}


def test_an_outline_of_too_many_points_is_told_by_its_box(film: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fhir_places, "MOST_POINTS", 10)
    (place,) = selected(bundle(outcome(film, segmented(film, drop()[np.newaxis]))))
    assert told_in(place, "code")[0]["valueCodeableConcept"]["text"] == "Box around what was found"
    (region,) = parts(told_in(place, "instance")[0], "imageRegion2D")
    assert points(region, 2).tolist() == [[5, 3], [27, 3], [27, 18], [5, 18], [5, 3]]


def test_the_edges_are_told_in_words_of_any_source(film: Scan) -> None:
    plain = phantom_scan((1, ROWS, COLUMNS))
    for scan in (film, plain):
        (said, _) = resources(bundle(outcome(scan, detected(scan, box(scan, (0, 3.5, 5, 1, 12, 20))))), "Observation")
        assert said["component"][-1]["valueString"] == "columns 5 to 20, rows 3.5 to 12, slices 0 to 1"


@pytest.mark.parametrize(
    ("order", "words"),
    [((0, 1, 2), ["columns 5 to 15, rows 3 to 12, slices 4 to 5"]), ((1, 0, 2), []), ((2, 0, 1), [])],
    ids="zyx",
)
def test_the_words_name_the_slice_that_was_seen_and_none_of_a_plane_across(
    order: tuple[int, int, int], words: list[str], volume: Scan
) -> None:
    start, size = [0, 0, 0], list(volume.grid.shape)
    start[order[0]], size[order[0]] = 4, 1
    plane = Turn(axes=order, flips=(False, False, False)).apply_grid(volume.grid.cropped(start, size))
    mask = np.zeros(plane.shape, dtype=bool)
    mask[0, 3:12, 5:15] = True
    told = outcome(volume, segmented(replace(volume, grid=plane), mask))
    assert told.result.seen is not None
    (said,) = resources(bundle(told), "Observation")
    assert [part["valueString"] for part in said["component"] if "valueString" in part] == words


def test_where_there_is_nothing_to_refer_to_there_is_no_selection(film: Scan) -> None:
    plain = phantom_scan((1, ROWS, COLUMNS))
    slide = replace(film, slide=Slide(grid=Grid.of_picture(ROWS, COLUMNS), levels=(), read=lambda *_: np.zeros(0)))
    for scan in (plain, slide):
        assert resources(bundle(outcome(scan, detected(scan, box(scan, (0, 3, 5, 1, 12, 20))))), "Basic") == []
    assert resources(bundle(outcome(film, refusal())), "Basic") == []


def test_what_is_not_there_lies_nowhere(film: Scan) -> None:
    blank = np.zeros((1, ROWS, COLUMNS), dtype=bool)
    assert selected(bundle(outcome(film, segmented(film, blank)))) == []
