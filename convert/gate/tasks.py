"""What is asked for each task of two candidates that have seen the same scans, and what is told of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convert.calibration import Trust
from convert.calibration import questions as questions_of_trust
from convert.cam import TOLERANCES, map_problems
from convert.document import Curves, FrocCurve
from convert.familiar_limits import alarms_of
from convert.gate import classification, detection, registration, segmentation
from convert.gate.judge import RESAMPLES, Flips, Judgement, Margins, Question, figures_of, judge
from convert.labels import LabelledSet
from convert.measured import Candidate, Measured
from edge.errors import UsageError
from edge.pack.familiar import Familiar
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Evidence,
    RegistrationTask,
    SegmentationTask,
    Task,
    Threshold,
)
from edge.tasks.detection import UNSET

EVIDENCE_SEED = 2026
METHOD = f"percentile bootstrap, {RESAMPLES} resamples stratified by class"
METHOD_BY_PATIENT = f"percentile bootstrap, {RESAMPLES} resamples of patients stratified by class"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One candidate: what it said, from where on a label is there, and how far that is to be believed."""

    item: Candidate
    measured: Measured
    thresholds: Mapping[str, Threshold]
    trust: Trust = Trust()  # noqa: RUF009 - frozen
    familiar: Familiar | None = None


def compare(task: Task, scans: LabelledSet, reference: Side, candidate: Side, margins: Margins) -> Judgement:
    """Return the verdict on a candidate.

    Raises
    ------
    edge.errors.UsageError
        A label has scans of one class only, or values are no numbers; see the task's own module.
    """
    problems = _problems(task, reference, candidate)
    if candidate.measured.problem:
        return judge([], problems=problems)
    asked = _questions(task, scans, reference, candidate, margins)
    flips: list[Flips] = []
    told: dict[str, float] = {}
    if isinstance(task, ClassificationTask):
        before, after = _answers(task, reference), _answers(task, candidate)
        flips = classification.flips(before, after, margins)
        told = classification.told(scans.truths, after)
    return judge(
        asked,
        flips,
        groups=scans.groups,
        patients=scans.patients,
        problems=problems,
        told=told,
    )


def evidence_of(task: Task, scans: LabelledSet, side: Side, data: str) -> tuple[Evidence, ...]:
    """Return a candidate's figures with their 95% intervals, for the manifest."""
    if side.measured.problem:
        return ()
    asked = _questions(task, scans, side, side, Margins())
    asked += questions_of_trust(side.trust, scans.truths, side.measured.scores)
    figures = tuple(
        Evidence(
            precision=side.item.precision,
            engine=side.item.engine,
            label=figure.label,
            data=data,
            metric=figure.metric,
            value=round(figure.value, 6),
            interval=(round(figure.interval[0], 6), round(figure.interval[1], 6)),
            method=METHOD if scans.patients is None else METHOD_BY_PATIENT,
            n=figure.n,
        )
        for figure in figures_of(asked, patients=scans.patients, seed=EVIDENCE_SEED)
    )
    return figures + alarms_of(side.item, side.familiar, side.measured, data)


def curves_of(task: Task, scans: LabelledSet, side: Side) -> tuple[Curves, ...]:
    """Return what is drawn of a candidate's scores."""
    if side.measured.problem or not isinstance(task, ClassificationTask):
        return ()
    return classification.curves(scans.truths, side.measured.scores)


def free_response_of(task: Task, side: Side) -> tuple[FrocCurve, ...]:
    """Return what is drawn of a candidate's boxes."""
    return detection.curves(side.measured.matches) if isinstance(task, DetectionTask) else ()


def _questions(task: Task, scans: LabelledSet, reference: Side, candidate: Side, margins: Margins) -> list[Question]:
    if isinstance(task, ClassificationTask):
        before, after = _answers(task, reference), _answers(task, candidate)
        ordinal = task.mode == "ordinal"
        return classification.questions(scans.truths, before, after, margins, ordinal=ordinal)
    if isinstance(task, DetectionTask):
        return _of_boxes(task, reference, candidate, margins)
    if isinstance(task, RegistrationTask):
        return _of_pairs(reference, candidate, margins)
    if not isinstance(task, SegmentationTask):
        raise UsageError(f"Judging a model of the task {task.kind}: synthetic images are not judged yet.")
    labels = [label.name for label in task.labels]
    return segmentation.questions(labels, reference.measured.overlaps, candidate.measured.overlaps, margins)


def _of_boxes(task: DetectionTask, reference: Side, candidate: Side, margins: Margins) -> list[Question]:
    labels = [label.name for label in task.labels]
    before, after = reference.measured.matches, candidate.measured.matches
    at = [
        detection.reported(side.measured.matches, {label: _limit(label, side) for label in labels})
        for side in (reference, candidate)
    ]
    asked = detection.questions(labels, before, after, margins)
    return asked + detection.at_thresholds(labels, at[0], at[1], margins)


def _limit(label: str, side: Side) -> float:
    return side.thresholds[label].value if label in side.thresholds else UNSET


def _of_pairs(reference: Side, candidate: Side, margins: Margins) -> list[Question]:
    before, after = reference.measured.registrations, candidate.measured.registrations
    if before is None or after is None:
        raise UsageError("Judging registration: found no landmarks, expected some for every pair of scans.")
    return registration.questions(before, after, margins)


def _answers(task: ClassificationTask, side: Side) -> dict[str, classification.Answers]:
    limits = {label: threshold.value for label, threshold in side.thresholds.items()}
    return classification.answers(task, side.measured.scores, limits)


def _problems(task: Task, reference: Side, candidate: Side) -> list[str]:
    """What rejects a candidate whatever its figures are."""
    if candidate.measured.problem:
        return [candidate.measured.problem]
    return [*map_problems_of(task, candidate, identity=not map_problems_of(task, reference))]


def map_problems_of(task: Task, side: Side, *, identity: bool = True) -> tuple[str, ...]:
    """Return what is wrong with a candidate's influence map; with `identity`, also whether its mean is the score."""
    check = side.measured.maps
    if check is None or not isinstance(task, ClassificationTask):
        return ()
    # Scores that the graph itself made are not the linear layer's, and a map need not be the mean of anything.
    tolerance = TOLERANCES[side.item.precision] if identity and task.activation != "none" else float("inf")
    shown = task.labels[1:] if task.mode == "ordinal" and task.activation != "softmax" else task.labels
    return map_problems(check, [label.name for label in shown], tolerance)
