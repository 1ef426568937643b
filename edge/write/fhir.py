"""A result as FHIR R4 resources in one Bundle, for programs: https://hl7.org/fhir/R4/diagnosticreport.html.

Nothing in it is a final report: what was analysed is ``preliminary``, what was not is ``cancelled`` and says why.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge.detect.place import Edges
from edge.findings import Findings, LabelScore, LookedFor, Region
from edge.pack.manifest import Code
from edge.scan import Scan
from edge.typed import dump
from edge.wanted import PLAIN, Wanted
from edge.words import ENGLISH, speaking
from edge.write.fhir_places import Place, edges_words, places_of, referring, selection
from edge.write.page_words import date_written
from edge.write.report import (
    DISCLAIMER,
    BoxReport,
    FindingsReport,
    PatientReport,
    RegistrationReport,
    ResultReport,
    ScanReport,
    SegmentationReport,
    said_in,
)
from edge.write.words import seen_alone_words

FILE = "fhir.json"
NAMESPACE = uuid.UUID("a1f5a1b6-0f4c-5d6e-8c7b-2d9f7a5c3e10")
SYSTEMS: Mapping[str, str] = {
    "SCT": "http://snomed.info/sct",
    "RADLEX": "http://radlex.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
}
"""By DICOM's name of a scheme: https://hl7.org/fhir/R4/terminologies-systems.html."""
UCUM = "http://unitsofmeasure.org"
TERMS = "http://terminology.hl7.org/CodeSystem"
ANSWERS: Mapping[str, tuple[str, str]] = {
    "there": ("POS", "Positive"),
    "not-there": ("NEG", "Negative"),
    "uncertain": ("IND", "Indeterminate"),
}
GENDERS: Mapping[str, str] = {"M": "male", "F": "female", "O": "other"}
NOT_NAMED = "Not named: the patient is named only where --identified is asked for."

Json = dict[str, object]
Said = LabelScore | Region | BoxReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Who refers to whom: ids that are the same for the same result, and resources that most others name.

    Parameters
    ----------
    seed : str
        Of all ids.
    patient, study : dict, optional
        References; the study's where the scan came from DICOM.
    places : tuple of Place
        Where boxes and regions lie, as far as that can be told.
    """

    seed: str
    patient: Json | None
    study: Json | None
    places: tuple[Place, ...] = ()

    def id(self, *role: object) -> str:
        """Return an id: a name-based UUID (RFC 9562 5.5)."""
        return str(uuid.uuid5(NAMESPACE, "/".join([self.seed, *(str(part) for part in role)])))

    def to(self, *role: object) -> Json:
        """Return a reference to the resource with this role."""
        return {"reference": f"urn:uuid:{self.id(*role)}"}

    def about(self) -> Json:
        """Return the subject of a resource, where the patient is named."""
        return {} if self.patient is None else {"subject": self.patient}

    def derived(self, number: int | None = None) -> Json:
        """Return what an observation is derived from: the study, and of a box or region its selections."""
        if self.study is None:
            return {}
        named = [self.to("place", place.kind, place.number) for place in self.places if place.number == number]
        return {"derivedFrom": [referring(self.study, named)]}


def fhir(
    result: ResultReport,
    scan: Scan | None,
    findings: Findings | None,
    wanted: Wanted = PLAIN,
) -> dict[str, bytes]:
    """Return ``fhir.json``: the report, an observation for all that was said, with its place, study and algorithm."""
    who = _who(result, scan) if wanted.identified else None
    book = _book(result, named=who is not None)
    if book.study is not None:
        book = replace(book, places=places_of(scan, findings))
    resources = resources_of(result, scan, who, book)
    entries = [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources]
    bundle: Json = {"resourceType": "Bundle", "id": book.id("bundle"), "type": "collection", "entry": entries}
    return {FILE: json.dumps(bundle, indent=1, ensure_ascii=False).encode() + b"\n"}


def resources_of(result: ResultReport, scan: Scan | None, who: PatientReport | None, book: Book) -> list[Json]:
    """Return the resources of a result, the report first.

    Parameters
    ----------
    result : ResultReport
    scan : Scan, optional
        On which the places of `book` lie.
    who : PatientReport, optional
        The patient, where they are to be named.
    book : Book
    """
    observed = _observations(result, book)
    resources = [_report(result, book, [str(one["id"]) for one in observed]), *observed]
    if book.study is not None:
        resources.append(_study(result.scan, book))
    if scan is not None and book.study is not None:
        for place in book.places:
            role = ("place", place.kind, place.number)
            resources.append({"id": book.id(*role), **selection(place, scan, book.study, book.about())})
    resources.append(_device(result, book))
    if who is not None:
        resources.append(_patient(who, result.scan.acquisition.sex, book))
    return resources


def _who(result: ResultReport, scan: Scan | None) -> PatientReport | None:
    """Whom the report names, else whom the scan does."""
    if result.scan.patient is not None or scan is None:
        return result.scan.patient
    who = scan.identity
    return PatientReport(name=who.patient_name, number=who.patient_id, birth_date=who.birth_date)


def _book(result: ResultReport, *, named: bool) -> Book:
    content = json.dumps(dump(result), sort_keys=True).encode()
    book = Book(seed=result.uid or hashlib.sha256(content).hexdigest(), patient=None, study=None)
    return Book(
        seed=book.seed,
        patient=book.to("patient") if named else None,
        study=book.to("study") if result.scan.study_instance_uid else None,
    )


def _report(result: ResultReport, book: Book, observed: Sequence[str]) -> Json:
    said: Json = {
        "resourceType": "DiagnosticReport",
        "id": book.id("report"),
        "language": "en",
        "status": "cancelled" if result.findings is None else "preliminary",
        "category": [_concept(f"{TERMS}/v2-0074", "IMG", "Diagnostic Imaging")],
        "code": _concept(SYSTEMS["LN"], "18748-4", "Diagnostic imaging study"),
        **book.about(),
        "result": [{"reference": f"urn:uuid:{one}"} for one in observed],
        "conclusion": _conclusion(result),
        "conclusionCode": [{"text": result.state}],
    }
    if result.uid:
        said["identifier"] = [_dicom_uid(result.uid)]
    if book.study is not None:
        said["imagingStudy"] = [book.study]
    return said


def _conclusion(result: ResultReport) -> str:
    with speaking(ENGLISH):
        seen = [] if result.seen is None else [seen_alone_words(result.seen)]
    warnings = [f"Warning {reason.code}: {reason.words}" for reason in result.warnings]
    return " ".join([result.summary, *seen, *warnings, DISCLAIMER])


def _observations(result: ResultReport, book: Book) -> list[Json]:
    """One for each thing that was said; of what was not analysed one that says so, never none."""
    found = result.findings
    if found is None:
        return [_absent(result, book)]
    said = [_observation(item, number, result, book) for number, item in enumerate(said_in(found), start=1)]
    said += [_looked_for(label, book) for label in _not_drawn(found)]
    if isinstance(found, RegistrationReport):
        said.append(_registered(found, book))
    return said or [_of_image(result, book)]


def _not_drawn(found: FindingsReport) -> list[LookedFor]:
    if found.kind != "detection":
        return []
    drawn = {box.name for box in found.boxes}
    return [label for label in found.labels if label.name not in drawn]


def _observed(book: Book, *role: object) -> Json:
    said: Json = {
        "resourceType": "Observation",
        "id": book.id(*role),
        "status": "preliminary",
        "category": [_concept(f"{TERMS}/observation-category", "imaging", "Imaging")],
        **book.about(),
        "device": book.to("device"),
    }
    return {**said, **book.derived()}


def _observation(item: Said, number: int, result: ResultReport, book: Book) -> Json:
    answers = [*(["there"] if item.positive else []), *(["uncertain"] if _is_unsure(item) else [])]
    parts = [_component(name, value, unit) for name, value, unit in _numbers(item) if value is not None]
    if item.urgency is not None:
        parts.append({"code": {"text": "urgency"}, "valueCodeableConcept": {"text": item.urgency}})
    edges = _edges(item, result)
    if edges is not None:
        parts.append({"code": {"text": "edges on the source, in pixels from 0"}, "valueString": edges_words(edges)})
    said: Json = {
        **_observed(book, "observation", number),
        **book.derived(number),
        "code": _label(item.title, item.code),
        "interpretation": [_interpreted(answer) for answer in answers or ["not-there"]],
    }
    return {**said, "component": parts} if parts else said  # FHIR knows no empty list


def _edges(item: Said, result: ResultReport) -> Edges | None:
    """Of a box, and of the box around a region that lies on the source's own grid, or on one slice of it."""
    found, seen = result.findings, result.seen
    if isinstance(item, BoxReport):
        return item.edges
    if not isinstance(item, Region) or item.box is None or not isinstance(found, SegmentationReport):
        return None
    if found.grid is not None or (seen is not None and seen.source is None):  # a plane across the slices
        return None
    top, left, bottom, right = item.box
    first, last = item.slices or ((0, 0) if seen is None else (seen.index, seen.index))
    return (first, top, left, last + 1, bottom + 1, right + 1)


def _is_unsure(item: Said) -> bool:
    return isinstance(item, LabelScore) and item.uncertain


def _looked_for(label: LookedFor, book: Book) -> Json:
    return {
        **_observed(book, "looked-for", label.name),
        "code": _label(label.title, None),
        "interpretation": [_interpreted("not-there")],
        "note": [{"text": "The model drew no box."}],
    }


def _numbers(item: Said) -> tuple[tuple[str, float | None, str], ...]:
    threshold = ("threshold", item.threshold, "1")
    if isinstance(item, Region):
        sizes = (("volume", item.volume_ml, "mL"), ("area", item.area_mm2, "mm2"))
        return *sizes, ("longest diameter", item.diameter_mm, "mm"), threshold
    probability = item.probability if isinstance(item, LabelScore) else None
    return ("score, uncalibrated", item.score, "1"), threshold, ("calibrated probability", probability, "1")


def _registered(found: RegistrationReport, book: Book) -> Json:
    told = (("mean displacement", found.mean_mm, "mm"), ("largest displacement", found.largest_mm, "mm"))
    parts = [_component(name, value, unit) for name, value, unit in told if value is not None]
    parts.append(_component("share of voxels in which space is folded", found.folded_share, "1"))
    return {**_observed(book, "registration"), "code": {"text": "Registration of two scans"}, "component": parts}


def _of_image(result: ResultReport, book: Book) -> Json:
    return {**_observed(book, "image"), "code": {"text": "Image made"}, "valueString": result.summary}


def _absent(result: ResultReport, book: Book) -> Json:
    reason = ("not-performed", "Not Performed") if result.state == "not-analysed" else ("error", "Error")
    notes = [
        {"text": " ".join(part for part in (f"{one.code}: {one.words}", one.detail, one.action) if part)}
        for one in result.reasons
    ]
    said: Json = {
        **_observed(book, "absent"),
        "status": "cancelled",
        "code": {"text": "Analysis of the scan"},
        "dataAbsentReason": _concept(f"{TERMS}/data-absent-reason", *reason),
    }
    return {**said, "note": notes} if notes else said


def _study(scan: ScanReport, book: Book) -> Json:
    said: Json = {
        "resourceType": "ImagingStudy",
        "id": book.id("study"),
        "status": "available",
        "identifier": [_dicom_uid(str(scan.study_instance_uid))],
        "subject": book.patient or {"display": NOT_NAMED},
    }
    if scan.series_instance_uid and scan.acquisition.modality:
        instances = [
            {
                "uid": source.sop_instance_uid,
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{source.sop_class_uid}"},
            }
            for source in scan.sources
            if source.sop_instance_uid and source.sop_class_uid
        ]
        modality = {"system": SYSTEMS["DCM"], "code": scan.acquisition.modality}
        series: Json = {"uid": scan.series_instance_uid, "modality": modality}
        said["series"] = [{**series, "instance": instances} if instances else series]
    return said


def _device(result: ResultReport, book: Book) -> Json:
    """The model with the engine that ran it; edgerun alone where no pack was chosen."""
    said: Json = {"resourceType": "Device", "id": book.id("device"), "manufacturer": "edgerun"}
    if result.pack is None:
        return {**said, "deviceName": [{"name": "edgerun", "type": "other"}]}
    said["identifier"] = [{"type": {"text": "SHA-256 of the pack's manifest"}, "value": result.pack.sha256}]
    said["deviceName"] = [
        {"name": result.pack.name, "type": "model-name"},
        {"name": result.pack.title, "type": "user-friendly-name"},
    ]
    said["version"] = [{"type": {"text": "pack"}, "value": result.pack.version}]
    if result.engine is not None:
        engine = f"{result.engine.name} {result.engine.version} {result.engine.precision}"
        said["version"] = [*said["version"], {"type": {"text": "engine"}, "value": engine}]  # type: ignore[misc]
    said["note"] = [{"text": f"{result.pack.intended_use} {result.pack.limits}"}]
    return said


def _patient(who: PatientReport, sex: str | None, book: Book) -> Json:
    said: Json = {"resourceType": "Patient", "id": book.id("patient")}
    if who.number:
        said["identifier"] = [{"value": who.number}]
    if who.name:
        said["name"] = [{"text": " ".join(who.name.replace("^", " ").split())}]
    if sex is not None and sex in GENDERS:
        said["gender"] = GENDERS[sex]
    with contextlib.suppress(ValueError):  # a date that is none stays in the report
        said["birthDate"] = dt.date.fromisoformat(date_written(who.birth_date)).isoformat()
    return said


def _label(title: str, code: Code | None) -> Json:
    if code is None:
        return {"text": title}
    return {"coding": [{"system": SYSTEMS[code.scheme], "code": code.value, "display": code.meaning}], "text": title}


def _interpreted(answer: str) -> Json:
    return _concept(f"{TERMS}/v3-ObservationInterpretation", *ANSWERS[answer])


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _component(name: str, value: float, unit: str) -> Json:
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return {"code": {"text": name}, "valueQuantity": quantity}


def _dicom_uid(uid: str) -> Json:
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}
