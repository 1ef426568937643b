"""What was said of each label -> the measurement groups of an SR: PS3.16 TID 1410, TID 1411 and TID 1501."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    ImageRegion,
    ImageRegion3D,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumeSurface,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.coding import Code as SrCode
from pydicom.uid import SegmentationStorage

from edge.detect.place import Edges, place_box
from edge.findings import Classification, Detection, Detections, LabelScore, LookedFor, Region, Segmentation
from edge.objects import sr_codes as codes
from edge.objects.contract import Seen
from edge.objects.identity import Identity
from edge.objects.sr_items import english, text
from edge.objects.sr_regions import Body, Ground, Image, Plane, region_of
from edge.objects.sr_segments import Segments
from edge.objects.unfit import UnfitError
from edge.write.report import RegistrationReport, ResultReport, TranslationReport
from edge.write.words import box_words, region_words

Group = (
    MeasurementsAndQualitativeEvaluations
    | PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
)
COMMENT = SrCode("121106", "DCM", "Comment")
TRACKED = "edgerun {kind} {number}: {name}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teller:
    """What all groups of a report share.

    Parameters
    ----------
    identity : Identity
    algorithm : AlgorithmIdentification
    place : Ground, optional
        None where nothing lies anywhere: no pixel was decoded.
    image : tuple, optional
        The one image that was examined; None where all those of the library were.
    segments : Segments, optional
        Of the segmentation objects that hold the regions, where such are written.
    scheme : str
        Of labels for which the pack knows no code: `edge.objects.sr_codes.scheme_of`.
    """

    identity: Identity
    algorithm: AlgorithmIdentification
    place: Ground | None
    image: Image | None
    segments: Segments | None = None
    scheme: str

    @property
    def ground(self) -> Ground:
        """What `place` holds.

        Raises
        ------
        edge.objects.unfit.UnfitError
            No pixel was decoded.
        """
        if self.place is None:
            raise UnfitError("no pixel of the scan was decoded")
        return self.place

    def code(self, item: LabelScore | Region | Detection) -> SrCode:
        """Return what a label is called in codes."""
        return codes.label_code(item.name, item.title, item.code, self.scheme)

    def shared(self, said: Said) -> dict[str, Any]:
        """Return the arguments that every kind of group takes."""
        identifier = TRACKED.format(kind=said.kind, number=said.number, name=said.name)
        return {
            "tracking_identifier": TrackingIdentifier(
                uid=tracking_uid(self.identity, said.kind, said.number), identifier=identifier
            ),
            "finding_type": codes.concept(said.code) if said.is_there else None,
            "algorithm_id": self.algorithm,
            "measurements": said.measurements or None,
            "qualitative_evaluations": said.evaluations or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """What one group says.

    Comments are in the language spoken, remarks in English. What is not there is no finding type of its group: a
    program that reads finding types alone would take it for one.
    """

    kind: str
    number: int
    name: str
    code: SrCode
    is_there: bool = True
    measurements: list[Measurement] = field(default_factory=list)
    evaluations: list[QualitativeEvaluation] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def tracking_uid(identity: Identity, kind: str, number: int) -> str:
    """Return the UID by which a box, region or label can be followed; the same for the same result."""
    return identity.uid("tracking", kind, number)


def groups_of(result: ResultReport, findings: Seen | None, teller: Teller) -> list[Group]:
    """Return a group for everything that was said of a label, or for what was made of the scans."""
    if isinstance(findings, Classification):
        return [_of_score(item, n, teller) for n, item in enumerate(findings.labels, start=1)]
    if isinstance(findings, Segmentation):
        return [_of_region(item, n, findings, teller) for n, item in enumerate(findings.regions, start=1)]
    if isinstance(findings, Detections):
        return list(_of_detections(findings, result, teller))
    if isinstance(result.findings, RegistrationReport):
        return [_of_registration(result.findings, teller)]
    if isinstance(result.findings, TranslationReport):
        made = Said(kind="image", number=1, name="synthetic", code=codes.SYNTHETIC)
        return [_group(made, teller)]
    return [_without_findings(result, teller)]


def _of_score(item: LabelScore, number: int, teller: Teller) -> Group:
    remarks = [] if item.calibrated_on is None else [f"Calibrated on {item.calibrated_on}."]
    if item.urgency_reason is not None:
        remarks.append(item.urgency_reason)
    measured = _scored(item)
    if item.probability is not None:
        measured.append(_number(codes.PROBABILITY, item.probability, codes.NO_UNITS))
    if item.zone is not None:
        ends = zip((codes.ZONE_FROM, codes.ZONE_TO), item.zone, strict=True)
        measured += [_number(name, value, codes.NO_UNITS) for name, value in ends]
    said = Said(
        kind="label",
        number=number,
        name=item.name,
        code=teller.code(item),
        is_there=item.positive,
        measurements=measured,
        evaluations=_evaluations(item, teller),
        comments=[item.title],
        remarks=remarks,
    )
    return _group(said, teller)


def _scored(item: LabelScore | Detection) -> list[Measurement]:
    return [_number(codes.SCORE, item.score, codes.NO_UNITS), *_threshold(item)]


def _threshold(item: LabelScore | Region | Detection) -> list[Measurement]:
    return [] if item.threshold is None else [_number(codes.THRESHOLD, item.threshold, codes.NO_UNITS)]


def _evaluations(item: LabelScore | Region | Detection, teller: Teller) -> list[QualitativeEvaluation]:
    """The label's own concept is the question, and what the model says of it the answer."""
    asked = teller.code(item)
    answers = ["there"] if item.positive else []
    if isinstance(item, LabelScore) and item.uncertain:
        answers.append("uncertain")
    said = [_answered(asked, codes.SAYINGS[answer]) for answer in answers or ["not-there"]]
    if item.urgency is not None:
        said.append(_answered(codes.URGENCY, codes.URGENCIES[item.urgency]))
    return said


def _answered(name: SrCode, value: SrCode) -> QualitativeEvaluation:
    return QualitativeEvaluation(codes.concept(name), codes.concept(value))


def _of_region(item: Region, number: int, findings: Segmentation, teller: Teller) -> Group:
    said = Said(
        kind="region",
        number=number,
        name=item.name,
        code=teller.code(item),
        is_there=item.positive,
        measurements=_measured(item),
        evaluations=_evaluations(item, teller),
        comments=[region_words(item, findings.grid)],
    )
    if not item.positive or item.box is None:
        return _group(said, teller)
    if teller.segments is not None and item.name in teller.segments.by_region:
        segment = _segment(*teller.segments.by_region[item.name], teller)
        return _volumetric(said, teller, referenced_segment=segment)
    return _in_region(said, region_of(edges_of(item, findings, teller.ground), teller.ground), teller)


def edges_of(item: Region, findings: Segmentation, ground: Ground) -> Edges:
    """Return the edges of the box around a region on the whole scan; see `edge.detect.place.PlacedBox`."""
    top, left, bottom, right = item.box or (0, 0, 0, 0)
    first, last = item.slices or (0, 0)
    placed = place_box((first, top, left, last + 1, bottom + 1, right + 1), findings.grid, ground.grid)
    return placed.edges if placed is not None else (0.0, 0.0, 0.0, 1.0, 1.0, 1.0)


def _measured(item: Region) -> list[Measurement]:
    measured = [_number(codes.AMOUNT, float(item.pixels), codes.PIXELS)]
    lengths = (
        (codes.VOLUME, item.volume_ml, codes.MILLILITRE),
        (codes.AREA, item.area_mm2, codes.SQUARE_MILLIMETRE),
        (codes.LONG_AXIS, item.diameter_mm, codes.MILLIMETRE),
    )
    measured += [_number(name, value, unit) for name, value, unit in lengths if value is not None]
    return measured + _threshold(item)


def _segment(uid: str, number: int, teller: Teller) -> ReferencedSegment:
    series = SourceSeriesForSegmentation(teller.ground.series_instance_uid)
    return ReferencedSegment(SegmentationStorage, uid, number, source_series=series)


def _of_detections(findings: Detections, result: ResultReport, teller: Teller) -> Iterator[Group]:
    """A group for each box, and one for each label that no box was drawn for."""
    told = result.findings.boxes if result.findings is not None and result.findings.kind == "detection" else ()
    for number, (box, words) in enumerate(zip(findings.boxes, told, strict=True), start=1):
        yield _of_box(box, number, box_words(words, teller.ground.grid), teller)
    drawn = {box.name for box in findings.boxes}
    for number, label in enumerate(findings.labels, start=1):
        if label.name not in drawn:
            yield _not_drawn(label, number, teller)


def _of_box(box: Detection, number: int, words: str, teller: Teller) -> Group:
    said = Said(
        kind="box",
        number=number,
        name=box.name,
        code=teller.code(box),
        is_there=box.positive,
        measurements=_scored(box),
        evaluations=_evaluations(box, teller),
        comments=[words],
    )
    region = region_of(box.place.edges, teller.ground, flat=flat_axis(box))
    return _in_region(said, region, teller)


def flat_axis(box: Detection) -> int | None:
    """Return the axis of the source along which the size of a box is unknown; None where there is none or several."""
    unknown = [axis for axis, size in enumerate(box.place.size_mm) if size is None]
    return unknown[0] if len(unknown) == 1 else None


def _not_drawn(label: LookedFor, number: int, teller: Teller) -> Group:
    code = codes.label_code(label.name, label.title, None, teller.scheme)
    none = _answered(code, codes.SAYINGS["not-there"])
    said = Said(kind="label", number=number, name=label.name, code=code, is_there=False, evaluations=[none])
    return _group(said, teller)


def _of_registration(found: RegistrationReport, teller: Teller) -> Group:
    lengths = ((codes.MEAN_MM, found.mean_mm), (codes.LARGEST_MM, found.largest_mm))
    measured = [_number(name, value, codes.MILLIMETRE) for name, value in lengths if value is not None]
    measured.append(_number(codes.FOLDED, found.folded_share, codes.NO_UNITS))
    said = Said(
        kind="registration",
        number=1,
        name="displacement",
        code=codes.own("registration", "Registration of two scans"),
        measurements=measured,
    )
    return _group(said, teller)


def _without_findings(result: ResultReport, teller: Teller) -> Group:
    """Said in a group of its own, so that no reader of groups alone takes an empty report for a normal one."""
    code = codes.STATES[result.state]
    said = Said(kind="state", number=1, name=result.state, code=code, evaluations=[_answered(codes.STATE, code)])
    return _group(said, teller)


def _number(name: SrCode, value: float, unit: SrCode) -> Measurement:
    return Measurement(name=codes.concept(name), value=value, unit=codes.concept(unit))


def _in_region(said: Said, region: Plane | Body, teller: Teller) -> Group:
    """A region that bounds what was found is said to do so: it is not its outline."""
    bounds = codes.concept(codes.BOUNDED_BY)
    if isinstance(region, (ImageRegion, ImageRegion3D)):
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            **teller.shared(said), referenced_region=region, geometric_purpose=bounds
        )
        return _commented(group, said)
    if isinstance(region, VolumeSurface):
        return _volumetric(said, teller, referenced_volume_surface=region, geometric_purpose=bounds)
    return _volumetric(said, teller, referenced_regions=region, geometric_purpose=bounds)


def _volumetric(said: Said, teller: Teller, **where: Any) -> Group:
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(**teller.shared(said), **where)
    return _commented(group, said)


def _group(said: Said, teller: Teller) -> Group:
    """Without a region; the image is named where there is one, else they are all those of the library."""
    images = None if teller.image is None else [SourceImageForMeasurementGroup(*teller.image)]
    group = MeasurementsAndQualitativeEvaluations(**teller.shared(said), source_images=images)
    return _commented(group, said)


def _commented(group: Group, said: Said) -> Group:
    """Words for people, after everything that is coded."""
    group[0].ContentSequence.extend([text(COMMENT, words) for words in said.comments])
    group[0].ContentSequence.extend([english(COMMENT, words) for words in said.remarks])
    return group
