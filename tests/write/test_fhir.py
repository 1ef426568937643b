"""The FHIR bundle: valid by another's definitions, the same for the same result, and nobody named unless asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.detect.place import place_box
from edge.findings import Detection, Detections, LookedFor, Registration, Translation
from edge.pack.manifest import Code
from edge.reasons import WRONG_MODALITY
from edge.scan import Identity, Scan, Source
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import Outcome
from edge.write.fhir import NOT_NAMED, fhir
from edge.write.report import PatientReport, SliceReport
from tests.write.outcomes import classified, failed, not_decoded, outcome, refusal, score, segmented

NODULE = Code(scheme="SCT", value="427359005", meaning="Solitary nodule of lung")
NAMED = Wanted(identified=True)
WHO = Identity(
    patient_id="CANARY-7", patient_name="Canary^One=金糸雀", study_instance_uid="1.2.3", series_instance_uid="1.2.3.4"
)


@pytest.fixture
def scan() -> Scan:
    """A film of a known patient."""
    source = Source(
        path="a.dcm", sha256="c" * 64, sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1", sop_instance_uid="1.2.5"
    )
    return replace(phantom_scan((1, 8, 8), spacing_mm=(0.5, 0.5)), identity=WHO, sources=(source,))


def bundle(told: Outcome, wanted: Wanted | None = None) -> dict[str, Any]:
    """The bundle of a result."""
    (data,) = fhir(told.result, told.scan, told.findings, wanted or Wanted()).values()
    read: dict[str, Any] = json.loads(data)
    return read


def resources(read: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a kind."""
    return [entry["resource"] for entry in read["entry"] if entry["resource"]["resourceType"] == kind]


def scored(scan: Scan, value: float = 0.9, **changes: Any) -> Outcome:
    """A result with one score, coded by its pack."""
    return outcome(scan, classified(scan, replace(score("Nodule", value), code=NODULE, **changes)))


def boxed(scan: Scan) -> Outcome:
    """A result with one box, of a detector that knows two labels."""
    place = place_box((0, 1, 1, 1, 4, 5), scan.grid, scan.grid)
    if place is None:
        raise ValueError("the box lies outside")
    box = Detection(
        name="nodule", title="Nodule", code=NODULE, score=0.8, threshold=0.5, positive=True, finding=True,
        urgency="urgent", place=place,
    )  # fmt: skip
    labels = tuple(LookedFor(name=name, title=name.title(), finding=True) for name in ("nodule", "effusion"))
    return outcome(scan, Detections(boxes=(box,), labels=labels, grid=scan.grid))


def every_kind(scan: Scan) -> Iterator[Outcome]:
    """One result of each kind."""
    blank = np.zeros((1, 8, 8), np.float32)
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[0, 2:4, 2:6] = True
    yield scored(scan)
    yield scored(scan, 0.1)
    yield scored(scan, 0.4, uncertain=True, zone=(0.3, 0.6), probability=0.3, calibrated_on="200 films")
    yield boxed(scan)
    yield outcome(scan, segmented(scan, np.stack([mask[0], ~mask[0]])))
    yield outcome(
        scan,
        Registration(
            displacement_mm=np.zeros((3, 1, 8, 8), np.float32), warped=blank, fixed=blank, before=blank, mean_mm=1.0,
            largest_mm=2.0, folded_share=0.0, grid=scan.grid,
        ),
    )  # fmt: skip
    yield outcome(
        scan, Translation(values=blank, range=(0.0, 1.0), unit="none", makes="T2-weighted MR", grid=scan.grid)
    )
    yield outcome(scan, refusal(WRONG_MODALITY))
    yield failed()


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("wanted", [Wanted(), NAMED], ids=["nameless", "named"])
def test_it_is_valid_by_the_definitions_of_fhir(number: int, wanted: Wanted, scan: Scan) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    read = bundle(list(every_kind(scan))[number], wanted)
    assert bundles.Bundle.model_validate(read).type == "collection"


def test_another_reader_refuses_what_is_no_fhir(scan: Scan) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    read = bundle(scored(scan))
    read["entry"][0]["resource"]["status"] = ["preliminary"]
    with pytest.raises(ValueError, match="status"):
        bundles.Bundle.model_validate(read)


def test_a_finding_is_coded_as_its_pack_codes_it(scan: Scan) -> None:
    (said,) = resources(bundle(scored(scan)), "Observation")
    assert said["code"]["coding"] == [
        {"system": "http://snomed.info/sct", "code": NODULE.value, "display": NODULE.meaning}
    ]
    assert said["interpretation"][0]["coding"][0]["code"] == "POS"
    values = {part["code"]["text"]: part["valueQuantity"]["value"] for part in said["component"][:2]}
    assert values == {"score, uncalibrated": 0.9, "threshold": 0.5}
    assert said["component"][2]["valueCodeableConcept"] == {"text": "soon"}


@pytest.mark.parametrize(
    ("value", "changes", "answers"),
    [
        (0.9, {}, ["POS"]),
        (0.1, {}, ["NEG"]),
        (0.4, {"uncertain": True}, ["IND"]),
        (0.55, {"uncertain": True}, ["POS", "IND"]),
    ],
)
def test_each_answer_has_its_interpretation(
    value: float, changes: dict[str, Any], answers: list[str], scan: Scan
) -> None:
    (said,) = resources(bundle(scored(scan, value, **changes)), "Observation")
    assert [each["coding"][0]["code"] for each in said["interpretation"]] == answers


def test_a_calibrated_probability_is_told(scan: Scan) -> None:
    (said,) = resources(bundle(scored(scan, probability=0.7, calibrated_on="200 films")), "Observation")
    assert 0.7 in [part["valueQuantity"]["value"] for part in said["component"] if "valueQuantity" in part]


def test_a_label_that_no_box_was_drawn_for_is_told(scan: Scan) -> None:
    there, not_there = resources(bundle(boxed(scan)), "Observation")
    assert there["interpretation"][0]["coding"][0]["code"] == "POS"
    assert not_there["code"] == {"text": "Effusion"}
    assert not_there["interpretation"][0]["coding"][0]["code"] == "NEG"


def test_what_was_analysed_is_preliminary_and_not_for_diagnosis(scan: Scan) -> None:
    (said,) = resources(bundle(scored(scan)), "DiagnosticReport")
    assert said["status"] == "preliminary"
    assert "Not for diagnosis." in said["conclusion"]


def test_the_conclusion_says_where_one_slice_alone_was_seen(scan: Scan) -> None:
    told = scored(scan, 0.1)
    seen = SliceReport(across="slice", index=1, count=30, source=0, frame=0)
    (said,) = resources(bundle(replace(told, result=replace(told.result, seen=seen))), "DiagnosticReport")
    assert "Seen: slice 2 of 30, and nothing else of the scan." in said["conclusion"]
    assert "Seen:" not in resources(bundle(told), "DiagnosticReport")[0]["conclusion"]


@pytest.mark.parametrize("kind", ["refused", "failed"])
def test_what_was_not_analysed_is_cancelled_and_says_why(kind: str, scan: Scan) -> None:
    told = outcome(scan, refusal(WRONG_MODALITY)) if kind == "refused" else failed()
    read = bundle(told)
    (report,), (absent,) = resources(read, "DiagnosticReport"), resources(read, "Observation")
    assert (report["status"], absent["status"]) == ("cancelled", "cancelled")
    reason = absent["dataAbsentReason"]["coding"][0]["code"]
    assert reason == {"refused": "not-performed", "failed": "error"}[kind]
    assert told.result.reasons[0].code in absent["note"][0]["text"]
    assert "interpretation" not in absent


def test_every_reference_leads_to_a_resource(scan: Scan) -> None:
    for told in every_kind(scan):
        for wanted in (Wanted(), NAMED):
            read = bundle(told, wanted)
            urls = {entry["fullUrl"] for entry in read["entry"]}
            assert set(_references(read)) <= urls
            assert len(urls) == len(read["entry"])


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "reference")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _references(each)


def test_the_study_and_its_pictures_are_named_by_their_uids(scan: Scan) -> None:
    (study,) = resources(bundle(scored(scan)), "ImagingStudy")
    assert study["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]
    (series,) = study["series"]
    assert (series["uid"], series["instance"][0]["uid"]) == ("1.2.3.4", "1.2.5")
    assert series["modality"]["code"] == "DX"


def test_a_picture_without_a_study_has_none() -> None:
    plain = phantom_scan((1, 8, 8))
    read = bundle(scored(plain))
    assert resources(read, "ImagingStudy") == []
    assert "derivedFrom" not in resources(read, "Observation")[0]


def test_the_algorithm_is_named_with_its_hash(scan: Scan) -> None:
    (device,) = resources(bundle(scored(scan)), "Device")
    assert device["identifier"][0]["value"] == "ab" * 32
    assert [version["value"] for version in device["version"]] == ["1.0.0", "fake 1.2.3 fp32"]


def test_nobody_is_named_unless_it_is_asked_for(scan: Scan) -> None:
    read = bundle(scored(scan))
    assert resources(read, "Patient") == []
    assert not any(word in json.dumps(read, ensure_ascii=False) for word in ("CANARY-7", "Canary", "金糸雀"))
    assert resources(read, "ImagingStudy")[0]["subject"] == {"display": NOT_NAMED}


def test_the_patient_is_named_where_it_is_asked_for(scan: Scan) -> None:
    read = bundle(scored(scan), NAMED)
    (patient,) = resources(read, "Patient")
    assert patient["identifier"] == [{"value": "CANARY-7"}]
    assert patient["name"][0]["text"] == "Canary One=金糸雀"
    about = {f"urn:uuid:{patient['id']}"}
    kinds = ("DiagnosticReport", "Observation", "ImagingStudy")
    assert {each["subject"]["reference"] for kind in kinds for each in resources(read, kind)} == about


@pytest.mark.parametrize(
    ("birth_date", "sex", "expected"),
    [
        ("19800131", "F", {"birthDate": "1980-01-31", "gender": "female"}),
        ("1980", "M", {"gender": "male"}),
        ("19801331", None, {}),
        ("1980111", None, {}),
    ],
)
def test_a_patient_has_a_date_of_birth_and_a_gender_where_they_are_known(
    birth_date: str, sex: str | None, expected: dict[str, str], scan: Scan
) -> None:
    who = replace(scan, identity=replace(WHO, birth_date=birth_date), acquisition=replace(scan.acquisition, sex=sex))
    (patient,) = resources(bundle(scored(who), NAMED), "Patient")
    assert {key: patient[key] for key in ("birthDate", "gender") if key in patient} == expected


def test_of_what_was_not_decoded_the_report_names_the_patient() -> None:
    told = not_decoded()
    who = PatientReport(name="Canary^One", number="CANARY-7", birth_date=None)
    named = replace(told, result=replace(told.result, scan=replace(told.result.scan, patient=who)))
    (patient,) = resources(bundle(named, NAMED), "Patient")
    assert patient["identifier"] == [{"value": "CANARY-7"}]
    assert resources(bundle(told, NAMED), "Patient") == []


def test_the_same_result_gives_the_same_bytes(scan: Scan) -> None:
    for one, other in zip(every_kind(scan), every_kind(scan), strict=True):
        assert fhir(one.result, one.scan, one.findings) == fhir(other.result, other.scan, other.findings)
