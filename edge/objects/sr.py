"""A result as a structured report: PS3.16 TID 1500 Measurement Report, in patient millimetres where there are any.

What could not be analysed becomes a report that says so with its code: an absent report would look like an absent
finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from highdicom.sr import (
    AlgorithmIdentification,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    UIDRefContentItem,
    ValueTypeValues,
)
from highdicom.sr.utils import collect_evidence, find_content_items
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from edge.findings import Classification, Detections, Segmentation
from edge.objects import sr_codes as codes
from edge.objects.finish import finish
from edge.objects.identity import MANUFACTURER
from edge.objects.regions_place import is_in_space
from edge.objects.sr_groups import Teller, groups_of
from edge.objects.sr_items import coded, container, english, text
from edge.objects.sr_regions import Ground, Image
from edge.objects.sr_segments import Segments, segments_of
from edge.objects.subject import Subject
from edge.words import say, speaking
from edge.write.overlay import BANNERS
from edge.write.report import DISCLAIMER, ReasonReport, ResultReport, vouched
from edge.write.spoken import findings_spoken, result_spoken
from edge.write.words import headline, label_lines, seen_alone_words

CONTAINS = RelationshipTypeValues.CONTAINS


def build(subject: Subject) -> list[Dataset]:
    """Return one report of a result: Comprehensive 3D SR where a region lies in the patient, else Comprehensive SR.

    A region of a slide lies on the total pixel matrix of its largest level.
    """
    segments = segments_of(subject)
    with speaking(subject.language):
        content = _content(_spoken(subject), segments)
    in_space = bool(find_content_items(content, value_type=ValueTypeValues.SCOORD3D, recursive=True))
    dataset = _document(subject, content, [] if segments is None else segments.evidence(subject.sources[0]))
    dataset.SOPClassUID = Comprehensive3DSRStorage if in_space else ComprehensiveSRStorage
    return [finish(dataset, subject)]


def _document(subject: Subject, content: Dataset, segments: Sequence[Dataset]) -> Dataset:
    """What a report has beside its content: PS3.3 A.35.13, C.17.1 and C.17.2."""
    dataset = Dataset()
    dataset.Modality = "SR"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    analysed = subject.result.findings is not None
    dataset.CompletionFlag = "COMPLETE" if analysed else "PARTIAL"
    if not analysed:
        dataset.CompletionFlagDescription = codes.STATES[subject.result.state].meaning
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.CodingSchemeIdentificationSequence = codes.schemes(content, subject.result.pack)
    same, others = collect_evidence(
        [*subject.sources, *segments], content, study_instance_uid=subject.sources[0].StudyInstanceUID
    )
    dataset.CurrentRequestedProcedureEvidenceSequence = same
    if others:
        dataset.PertinentOtherEvidenceSequence = others
    for element in content:
        dataset.add(element)
    return dataset


def _spoken(subject: Subject) -> Subject:
    """The subject with its words in the language that was asked for, as far as there are such."""
    seen = findings_spoken(subject.findings, subject.result)
    findings = seen if isinstance(seen, (Classification, Segmentation, Detections)) else None
    return replace(subject, result=result_spoken(subject.result), findings=findings)


def _content(subject: Subject, segments: Segments | None) -> Dataset:
    place = _place(subject)
    teller = Teller(
        identity=subject.identity,
        algorithm=_algorithm(subject),
        place=place,
        image=_one_image(subject, place),
        segments=segments,
        scheme=codes.scheme_of("" if subject.result.pack is None else subject.result.pack.name),
    )
    report = MeasurementReport(
        observation_context=_observer(subject),
        procedure_reported=codes.concept(codes.IMAGING_PROCEDURE),
        imaging_measurements=groups_of(subject.result, subject.findings, teller),
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            codes.concept(codes.language_code(subject.language))
        ),
    )
    root = report[0]
    *before, measurements = root.ContentSequence
    evaluations = container(codes.QUALITATIVE, list(_said(subject)))
    root.ContentSequence = ContentSequence([*before, _library(subject), measurements, evaluations])
    plain: Dataset = root
    return plain


def _place(subject: Subject) -> Ground | None:
    scan, whole = subject.decoded, subject.result.scan.grid
    if scan is None:
        return None
    if subject.is_slide and whole is not None:
        return Ground(grid=whole, in_space=False, headers=subject.sources, places=scan.places, tiled=True)
    return Ground(grid=scan.grid, in_space=is_in_space(scan), headers=subject.sources, places=scan.places)


def _one_image(subject: Subject, place: Ground | None) -> Image | None:
    """The image that was examined, with its frames, where it is one; undecoded, the one file."""
    if place is None:
        only = subject.sources[0]
        told = len(subject.sources) == 1 and _is_image(only)
        return (str(only.SOPClassUID), str(only.SOPInstanceUID), None) if told else None
    named = place.images(range(place.grid.shape[0]))
    return named[0] if len(named) == 1 else None


def _is_image(source: Dataset) -> bool:
    """A dose or a waveform is none: readers refuse a whole report that names one as such (PS3.3 C.18.4)."""
    return "Image Storage" in UID(str(source.SOPClassUID)).name


def _algorithm(subject: Subject) -> AlgorithmIdentification:
    """TID 4019; the manifest's hash pins every file of the pack."""
    result = subject.result
    if result.pack is None:
        return AlgorithmIdentification(name=MANUFACTURER, version="none: no pack was chosen")
    parameters = [f"Pack SHA-256 {result.pack.sha256}"]
    if result.engine is not None:
        engine = result.engine
        parameters.append(f"Engine {engine.name} {engine.version}, {engine.provider}, {engine.precision}")
    return AlgorithmIdentification(
        name=result.pack.name, version=result.pack.version, parameters=parameters, manufacturer=MANUFACTURER
    )


def _observer(subject: Subject) -> ObservationContext:
    """TID 1001 and TID 1004: a device, and nobody else, has observed."""
    device = DeviceObserverIdentifyingAttributes(
        uid=subject.identity.uid("device"),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=subject.identity.model_name,
        serial_number=subject.identity.serial_number,
    )
    observer = ObserverContext(observer_type=standard.DCM.Device, observer_identifying_attributes=device)
    return ObservationContext(observer_device_context=observer)


def _library(subject: Subject) -> ContainerContentItem:
    """TID 1600 and TID 1602, with what the headers tell and nothing that they do not."""
    items: list[ContentItem] = []
    uid = subject.sources[0].get("FrameOfReferenceUID")
    if uid:
        items.append(UIDRefContentItem(standard.DCM.FrameOfReferenceUID, str(uid), _ACQUIRED))
    for source in subject.sources:
        kind = ImageContentItem if _is_image(source) else CompositeContentItem
        uids = str(source.SOPClassUID), str(source.SOPInstanceUID)
        named = kind(codes.concept(codes.SOURCE), *uids, relationship_type=CONTAINS)
        if described := _described(source):
            named.ContentSequence = ContentSequence(described)
        items.append(named)
    group = container(standard.DCM.ImageLibraryGroup, items)
    return container(standard.DCM.ImageLibrary, [group])


_ACQUIRED = RelationshipTypeValues.HAS_ACQ_CONTEXT


def _described(source: Dataset) -> list[ContentItem]:
    sizes = ((standard.DCM.PixelDataRows, "Rows"), (standard.DCM.PixelDataColumns, "Columns"))
    return [
        NumContentItem(
            name=name, value=int(source[keyword].value), unit=codes.concept(codes.PIXELS), relationship_type=_ACQUIRED
        )
        for name, keyword in sizes
        if keyword in source
    ]


def _said(subject: Subject) -> Iterator[ContentItem]:
    """What holds for the whole result: its state comes first, in code and in words."""
    result = subject.result
    yield coded(codes.STATE, codes.STATES[result.state])
    if result.state in codes.SUMMARIES:
        yield coded(codes.SUMMARY, codes.SUMMARIES[result.state])
    if result.uid:
        yield UIDRefContentItem(codes.concept(codes.RESULT), result.uid, CONTAINS)
    yield text(standard.DCM.Conclusion, f"{say(BANNERS[result.state][0])}{headline(result)}")
    yield from _lines(result)
    yield text(codes.NOT_FOR_DIAGNOSIS, say(DISCLAIMER))
    for reason in result.reasons:
        yield from _reason(codes.REASON, reason)
    for reason in result.warnings:
        yield from _reason(codes.WARNING, reason)
    if result.confirmed:
        yield english(codes.VOUCHED, vouched(result))
    if result.pack is not None:
        yield english(codes.LIMITS, f"{result.pack.intended_use} {result.pack.limits}")
    for note in result.notes:
        yield english(standard.DCM.Comment, note)


def _lines(result: ResultReport) -> Iterator[ContentItem]:
    lines, common = label_lines(result)
    for line in lines:
        yield text(standard.DCM.Finding, line.text)
    if result.seen is not None:
        yield text(standard.DCM.Comment, seen_alone_words(result.seen))
    for words in common:
        yield text(codes.MEANING_OF_SCORES, say(words))


def _reason(name: Code, reason: ReasonReport) -> Iterator[ContentItem]:
    yield coded(name, codes.own(reason.code, reason.name))
    yield text(standard.DCM.Comment, f"{reason.code}: {reason.words} {reason.action}")
    if reason.detail:
        yield english(standard.DCM.Comment, f"{reason.code}: {reason.detail}")
