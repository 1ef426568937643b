"""Where boxes and outlines lie -> FHIR R4: the ImagingSelection of R5, as HL7 has it written in R4.

R4 has no resource for a place on a picture. Of those that R5 added, HL7's "Extensions for Using Data Elements from FHIR
R5 in FHIR R4" (hl7.fhir.uv.xver-r5.r4 0.1.0) makes a Basic resource with one extension for each element, to which the
observation refers from the study that it is derived from.

On a picture a place is lines of (column, row), origin at the outer corner of the first pixel, as edges of edgerun are;
in a volume it is two faces of a box in millimetres of LPS. Outlines of volumes are files beside the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.detect.place import Edges, PlacedBox, place_box
from edge.findings import Detections, Findings, Segmentation
from edge.objects.regions import Mark, Points, marks_of, rectangle
from edge.scan import Scan

TYPES = "http://hl7.org/fhir/fhir-types"
R5 = "http://hl7.org/fhir/5.0/StructureDefinition"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
URI = "urn:ietf:rfc:3986"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""VL Whole Slide Microscopy Image Storage."""
MOST_POINTS = 2000
"""Of one outline; one that has more is told by the box around it."""
DIGITS = 4
"""After the point, of a coordinate: less than any proof of place tells apart."""
LOWER, UPPER = (0, 1, 3, 2, 0), (4, 5, 7, 6, 4)
"""Of `edge.detect.place.PlacedBox.corners_mm`: around the first face across z, and around the last."""
CALLED: Mapping[str, str] = {"box": "Box around what was found", "outline": "Outline of what was found"}

Json = dict[str, object]
Line = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What lies on one frame.

    Parameters
    ----------
    z : int
        Slice or frame of the scan.
    lines : tuple of tuple of float
        Closed. Columns and rows in turn; in a volume x, y and z in LPS millimetres.
    """

    z: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one box or region of a report lies.

    Parameters
    ----------
    kind : {"box", "outline"}
    number : int
        Of the box or region in the report, from 1.
    shown : tuple of Shown
    in_space : bool
        Whether lines are in millimetres.
    """

    kind: Literal["box", "outline"]
    number: int
    shown: tuple[Shown, ...]
    in_space: bool


def places_of(scan: Scan | None, findings: Findings | None) -> tuple[Place, ...]:
    """Return where everything lies that is said to be there.

    There is no place where the scan did not come from DICOM, whose instances are referred to; on a slide, whose
    pictures are tiles of it; and of a plane across the slices.
    """
    if scan is None or scan.slide is not None or scan.identity.study_instance_uid is None:
        return ()
    if not all(source.sop_instance_uid and source.sop_class_uid != SLIDE for source in scan.sources):
        return ()
    if scan.grid.shape[0] > 1 and scan.grid.space == "patient" and scan.stack != "frames":
        return tuple(_in_space(scan, findings)) if scan.identity.frame_of_reference_uid else ()
    return tuple(_on_pictures(scan, findings))


def _in_space(scan: Scan, findings: Findings | None) -> Iterator[Place]:
    for number, box in _boxes(scan, findings):
        corners = box.corners_mm or ()
        faces = [tuple(value for corner in face for value in corners[corner]) for face in (LOWER, UPPER) if corners]
        z = min(int((box.edges[0] + box.edges[3]) / 2), scan.grid.shape[0] - 1)
        yield Place(kind="box", number=number, shown=(Shown(z=z, lines=tuple(dict.fromkeys(faces))),), in_space=True)


def _boxes(scan: Scan, findings: Findings | None) -> Iterator[tuple[int, PlacedBox]]:
    """Every box, and the least box around every region that is there."""
    if isinstance(findings, Detections):
        yield from enumerate((box.place for box in findings.boxes), start=1)
    elif isinstance(findings, Segmentation) and not findings.in_windows:
        for number, region in enumerate(findings.regions, start=1):
            top, left, bottom, right = region.box or (0, 0, 0, 0)
            first, last = region.slices or (0, 0)
            edges = (first, top, left, last + 1, bottom + 1, right + 1)
            placed = place_box(edges, findings.grid, scan.grid) if region.positive and region.box else None
            if placed is not None:
                yield number, placed


def _on_pictures(scan: Scan, findings: Findings | None) -> Iterator[Place]:
    marks: dict[tuple[Literal["box", "outline"], int], list[Mark]] = {}
    for mark in marks_of(findings, scan.grid):
        marks.setdefault((mark.kind, mark.number), []).append(mark)
    boxes = dict(_boxes(scan, findings))
    for (kind, number), drawn in marks.items():
        if sum(mark.points for mark in drawn) <= MOST_POINTS:
            shown = tuple(Shown(z=mark.z, lines=tuple(_flat(line) for line in mark.lines)) for mark in drawn)
            yield Place(kind=kind, number=number, shown=shown, in_space=False)
        elif ("box", number) not in marks and number in boxes:
            around = (_flat(rectangle(boxes[number].edges)),)
            shown = tuple(Shown(z=mark.z, lines=around) for mark in drawn)
            yield Place(kind="box", number=number, shown=shown, in_space=False)


def _flat(points: Points) -> Line:
    return tuple(points.ravel().tolist())


def edges_words(edges: Edges) -> str:
    """Return the edges of a box in words, for readers of any source.

    Examples
    --------
    >>> edges_words((0.0, 10.5, 20.0, 1.0, 30.0, 40.0))
    'columns 20 to 40, rows 10.5 to 30, slices 0 to 1'
    """
    z0, y0, x0, z1, y1, x1 = (f"{value:.{DIGITS}f}".rstrip("0").rstrip(".") for value in edges)
    return f"columns {x0} to {x1}, rows {y0} to {y1}, slices {z0} to {z1}"


def selection(place: Place, scan: Scan, study: Json, about: Json) -> Json:
    """Return the resource of a place, without its id.

    Parameters
    ----------
    place : Place
    scan : Scan
        On which it lies.
    study : dict
        Reference to the study.
    about : dict
        The subject, where the patient is named.
    """
    who = scan.identity
    told: list[Json] = [_extension("code", valueCodeableConcept=_code(place.kind))]
    uids = (("studyUid", who.study_instance_uid), ("seriesUid", who.series_instance_uid))
    told += [_extension(name, valueId=uid) for name, uid in uids if uid]
    if place.in_space:
        told.append(_extension("frameOfReferenceUid", valueId=who.frame_of_reference_uid))
    told.append(_extension("derivedFrom", valueReference=study))
    told += [_extension("instance", extension=_instance(shown, place, scan)) for shown in place.shown]
    return {
        "resourceType": "Basic",
        "meta": {"profile": [f"{R5}/profile-ImagingSelection"]},
        "extension": told,
        "modifierExtension": [_extension("status", valueCode="available")],
        "code": {"coding": [{"system": TYPES, "code": "ImagingSelection"}]},
        **about,
    }


def referring(study: Json, selections: Sequence[Json]) -> Json:
    """Return the reference to a study with those to the selections of its pictures, which R4 does not allow beside."""
    url = f"{R5}/extension-Observation.derivedFrom"
    return {**study, "extension": [{"url": url, "valueReference": one} for one in selections]} if selections else study


def _extension(name: str, **value: object) -> Json:
    return {"url": f"{R5}/extension-ImagingSelection.{name}", **value}


def _code(kind: str) -> Json:
    return {"coding": [{"system": DICOM, "code": "111030", "display": "Image Region"}], "text": CALLED[kind]}


def _instance(shown: Shown, place: Place, scan: Scan) -> list[Json]:
    """The frame, and the lines on it or in the space in which it lies."""
    index, frame = scan.places[shown.z]
    source = scan.sources[index]
    said: list[Json] = [{"url": "uid", "valueId": source.sop_instance_uid}]
    if source.sop_class_uid:
        coding = {"system": URI, "code": f"urn:oid:{source.sop_class_uid}"}
        said.append({"url": "sopClass", "valueCoding": coding})
    if sum(each == index for each, _ in scan.places) > 1:
        said.append({"url": "subset", "valueString": str(frame + 1)})
    region, kind = ("imageRegion3D", "polygon") if place.in_space else ("imageRegion2D", "polyline")
    said += [{"url": region, "extension": _region(kind, line)} for line in shown.lines]
    return said


def _region(kind: str, line: Line) -> list[Json]:
    values = (round(value, DIGITS) + 0.0 for value in line)  # no -0.0
    return [
        {"url": "regionType", "valueCode": kind},
        *({"url": "coordinate", "valueDecimal": value} for value in values),
    ]
