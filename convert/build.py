"""From one trained model to candidates with a verdict on each: make, tune, judge, and tell what it rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from convert.assemble import sha256_of
from convert.calibration import trust_of
from convert.candidates import FP32, LOWERED, Found, Trial, calibration_of, find_int8, fp16_of, worst_of
from convert.cases import Case, hash_of
from convert.describe import ThresholdRule
from convert.document import CandidateTold, LayerTold, SetUsed, Trail
from convert.doubts import doubts_of
from convert.familiar_limits import limits_of
from convert.familiar_rule import FamiliarRule
from convert.gate.judge import Judgement, Margins, judge
from convert.gate.tasks import Side, compare, curves_of, evidence_of, free_response_of, map_problems_of
from convert.labels import LabelledSet
from convert.measure import Candidate, Feed, Measured, Progress, feeds_of, measure
from convert.measured_file import dump_measured, load_measured
from convert.quantise import Method, NothingToQuantiseError
from convert.tune import LIMITS, Labelled, thresholds_of, undecided
from convert.unrefusing import unrefusing
from convert.work import Work
from edge.errors import UsageError
from edge.pack.manifest import Manifest, Precision, Threshold
from edge.typed import dump

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
MAX_STEPS = 6
NO_INT8 = Found(candidates=(), trails=(), layers=())
SPEED_SCANS = 20
"""So many scans tell how fast an untrained model is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What to build from.

    Parameters
    ----------
    draft : Manifest
        The clinical part; its one model stands for all that will be built, its thresholds for none yet.
    onnx : bytes
        The trained model in FP32.
    calibrate : tuple of tuples of Path
        Examinations that show INT8 the range of every layer. They should be in neither of the sets below.
    tune, evaluate : Labelled, optional
        Where thresholds and layers are chosen; where candidates are judged and evidence is measured; no scan is in
        both. None where the model is untrained: there is nothing to judge.
    rules : mapping
        By label that can be a finding.
    engines : tuple of str
        Those that will run the pack, the reference's first.
    precisions : tuple of str
        Those to make; FP32 always.
    given : mapping
        By precision: files that were made elsewhere and are judged as they are.
    max_steps : int
        INT8 models that the search may try; 1 is no search.
    confirmed : mapping
        What a person vouches for in all scans, where their files do not tell; see `edge.check.confirm_scan`.
    familiar : FamiliarRule
        How limits are chosen for a graph that gives the distance of a scan's features.
    """

    draft: Manifest
    onnx: bytes
    calibrate: tuple[Case, ...]
    tune: Labelled | None
    evaluate: Labelled | None
    rules: Mapping[str, ThresholdRule]
    engines: tuple[str, ...]
    precisions: tuple[Precision, ...] = PRECISIONS
    given: Mapping[Precision, bytes] | None = None
    method: Method = "minmax"
    max_steps: int = MAX_STEPS
    margins: Margins = Margins()  # noqa: RUF009 - frozen
    confirmed: Mapping[str, str] = field(default_factory=dict)
    familiar: FamiliarRule = FamiliarRule()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Built:
    """What came of it.

    Parameters
    ----------
    files : mapping
        By name in the pack: the bytes of each candidate's model, the rejected ones', too.
    candidates : tuple of CandidateTold
        The reference first.
    """

    candidates: tuple[CandidateTold, ...]
    files: Mapping[str, bytes]
    sets: tuple[SetUsed, ...]
    layers: tuple[LayerTold, ...]
    trails: tuple[Trail, ...]
    notes: tuple[str, ...]


def build(plan: Plan, progress: Progress, work: Work | None = None) -> Built:
    """Return the candidates, each with its verdict.

    Raises
    ------
    edge.errors.UsageError
        The sets are empty, overlap, or do not fit the pack; a file is given that will be made; see `convert.gate` and
        `convert.quantise`.
    edge.errors.EdgerunError
        A scan cannot be read, or the reference cannot be run; see `convert.measure.measure`.
    """
    _check_given(plan)
    _check_apart(plan)
    return _Build(replace(plan, draft=unrefusing(plan.draft, plan.familiar)), progress, work or Work(None)).run()


class _Build:
    """One conversion under way."""

    def __init__(self, plan: Plan, progress: Progress, work: Work) -> None:
        self.plan, self.progress, self.work = plan, progress, work
        self.reference = Candidate(precision="fp32", engine=plan.engines[0], file=FP32, onnx=plan.onnx)
        self.tuned: dict[str, Side] = {}
        said = ", ".join(f"{name} {value}" for name, value in sorted(plan.confirmed.items()))
        self.notes: list[str] = [f"Vouched for by a person, of every scan: {said}."] if said else []

    def run(self) -> Built:
        plan = self.plan
        plain = [Candidate(precision="fp32", engine=name, file=FP32, onnx=plan.onnx) for name in plan.engines]
        plain += self._given()
        if "fp16" in plan.precisions:
            halves, problem = fp16_of(plan.onnx, plan.engines)
            plain += halves
            self.notes += [problem] if problem else []
        self._tune(plain, undecided(plan.rules))
        engines = [name for name in plan.engines if name in LOWERED]
        found = self._int8(engines) if engines and "int8" in plan.precisions else NO_INT8
        candidates = [*plain, *found.candidates]
        return Built(
            candidates=self._judged(candidates),
            files={item.file: item.onnx for item in candidates},
            sets=_sets(plan),
            layers=found.layers,
            trails=found.trails,
            notes=tuple(self.notes),
        )

    def _given(self) -> list[Candidate]:
        return [
            Candidate(precision=precision, engine=name, file=f"model.{precision}.onnx", onnx=onnx)
            for precision, onnx in (self.plan.given or {}).items()
            for name in self.plan.engines
        ]

    def _tune(self, candidates: Sequence[Candidate], masked_at: Mapping[str, Threshold]) -> Measured:
        """Choose the thresholds of each candidate; return what the reference said beside them."""
        plan, tune = self.plan, self.plan.tune
        if tune is None:
            none = undecided(plan.rules)
            self.tuned |= {item.name: Side(item=item, measured=Measured(), thresholds=none) for item in candidates}
            return Measured()
        self.progress(f"choosing thresholds on {tune.words}: {', '.join(item.name for item in candidates)}")
        limits = LIMITS if any(rule.rule == "dice" for rule in plan.rules.values()) else ()
        fixed = {item.name: masked_at for item in (self.reference, *candidates)}
        measured = self._measured("tuned", tune, candidates, fixed, limits=limits)
        self.tuned |= {item.name: self._side(tune, item, measured[item.name]) for item in candidates}
        return measured[self.reference.name]

    def _side(self, tune: Labelled, item: Candidate, measured: Measured) -> Side:
        failed = bool(measured.problem)
        found = undecided(self.plan.rules) if failed else thresholds_of(self.plan.rules, tune, measured, item.name)
        limits = limits_of(self.plan.familiar, measured, tune.words)
        return Side(item=item, measured=measured, thresholds=found, familiar=limits)

    def _int8(self, engines: Sequence[str]) -> Found:
        plan = self.plan
        self.progress(f"calibrating INT8 with {len(plan.calibrate) or 'generated'} scans ({plan.method})")
        seen_by = {"scans": _set_hash(_flat(plan.calibrate)), "inputs": dump(plan.draft.inputs)}
        calibrated_on = hashlib.sha256(repr(seen_by).encode()).hexdigest()
        steps = plan.max_steps if plan.tune is not None else 1
        try:
            calibration = calibration_of(plan.onnx, self._feeds, calibrated_on, plan.method, self.work)
            return find_int8(
                plan.onnx, plan.draft, self._feeds, calibration, engines, try_out=self._try, max_steps=steps
            )
        except NothingToQuantiseError as error:
            self.notes.append(f"There is no INT8 model. {error.message}")
            self.progress(self.notes[-1])
            return NO_INT8

    def _feeds(self) -> Iterable[Feed]:
        from convert.phantoms import phantom_feeds  # noqa: PLC0415 - for the untrained alone

        plan = self.plan
        return feeds_of(plan.calibrate, plan.draft, plan.confirmed) if plan.calibrate else phantom_feeds(plan.draft)

    def _try(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """What candidates come to on the set that tunes; masks, at the thresholds of the reference."""
        plan, tune = self.plan, self.plan.tune
        reference = self.tuned[self.reference.name]
        reference = replace(reference, measured=self._tune(candidates, reference.thresholds))
        found = []
        for item in candidates:
            side = self.tuned[item.name]
            if tune is None:
                found.append(Trial(worst=None, latency_ms=0.0))
                continue
            verdict = compare(plan.draft.task, tune.scans, reference, side, plan.margins)
            worst = None if verdict.problems else worst_of(verdict.comparisons)
            found.append(Trial(worst=worst, latency_ms=side.measured.latency_ms))
            self._say_trial(item, found[-1], verdict.problems)
        return found

    def _say_trial(self, item: Candidate, trial: Trial, problems: Sequence[str]) -> None:
        worst = trial.worst
        if worst is None:
            self.progress(f"{item.file} on {item.engine}: cannot be used. {'; '.join(problems)}")
            return
        words = "within its margin" if trial.accepted else "beyond its margin: layers are given back to float"
        change = worst.candidate - worst.reference
        self.progress(f"{item.file} on {item.engine}: {worst.label} {worst.metric} changes by {change:+.4f}, {words}")

    def _measured(
        self,
        step: str,
        data: Labelled,
        candidates: Sequence[Candidate],
        thresholds: Mapping[str, Mapping[str, Threshold]],
        *,
        limits: Sequence[float] = (),
    ) -> dict[str, Measured]:
        """As `measure`, from an earlier run where it was the same; the reference always is among the candidates."""
        whole = [self.reference, *(item for item in candidates if item.name != self.reference.name)]
        key = {
            "manifest": dump(self.plan.draft),
            "candidates": [[item.name, sha256_of(item.onnx)] for item in whole],
            "set": [_set_hash(_flat(data.scans.cases)), *_hashes_of_truth(data.scans)],
            "thresholds": dump(thresholds),
            "limits": list(limits),
        }

        def make() -> bytes:
            draft, confirmed = self.plan.draft, self.plan.confirmed
            at = partial(measure, thresholds=thresholds, limits=limits)
            return dump_measured(at(data.scans, draft, whole, self.progress, confirmed=confirmed))

        return load_measured(self.work.kept(step, key, make))

    def _judged(self, candidates: Sequence[Candidate]) -> tuple[CandidateTold, ...]:
        plan, evaluate = self.plan, self.plan.evaluate
        if evaluate is None:
            return self._untrained(candidates)
        self.progress(f"judging on {evaluate.words}: {', '.join(item.name for item in candidates)}")
        own = {item.name: self.tuned[item.name].thresholds for item in candidates}
        measured = self._measured("judged", evaluate, candidates, own)
        sides = [self._trusted(self.tuned[item.name], measured[item.name]) for item in candidates]
        self.notes += [*_notes_of_maps(plan, sides[0]), *(note for side in sides for note in side.trust.notes)]
        verdict = partial(compare, plan.draft.task, evaluate.scans, sides[0], margins=plan.margins)
        told = [_told(plan, side, evaluate, None if side is sides[0] else verdict(side)) for side in sides]
        for note in (doubts := doubts_of(told[0], evaluate.scans)):
            self.progress(note)
        self.notes += doubts
        return tuple(told)

    def _trusted(self, tuned: Side, measured: Measured) -> Side:
        """What a candidate said of the set that judges, and how far it is to be believed, of which both sets tell."""
        plan, judged = self.plan, replace(tuned, measured=measured)
        if plan.tune is None or plan.evaluate is None or tuned.measured.problem or measured.problem:
            return judged
        sets = (plan.tune, tuned.measured.scores), (plan.evaluate, measured.scores)
        return replace(judged, trust=trust_of(plan.rules, tuned.thresholds, *sets, tuned.item.name))

    def _untrained(self, candidates: Sequence[Candidate]) -> tuple[CandidateTold, ...]:
        """Nothing is judged, so that all but the reference are inconclusive; scans that calibrate show the speed."""
        plan = self.plan
        manifest = replace(plan.draft, status="trained")  # an untrained pack proves its plumbing, which is no report
        measured = {item.name: Measured() for item in candidates}
        if plan.calibrate:
            self.progress(f"timing on {min(len(plan.calibrate), SPEED_SCANS)} scans")
            some = LabelledSet.of(plan.calibrate[:SPEED_SCANS])
            measured = measure(some, manifest, list(candidates), self.progress, confirmed=plan.confirmed)
        sides = [replace(self.tuned[item.name], measured=measured[item.name]) for item in candidates]
        unjudged = [judge([], problems=[side.measured.problem] if side.measured.problem else []) for side in sides]
        return tuple(
            _told(plan, side, None, None if side is sides[0] else verdict)
            for side, verdict in zip(sides, unjudged, strict=True)
        )


def _notes_of_maps(plan: Plan, reference: Side) -> list[str]:
    problems = map_problems_of(plan.draft.task, reference)
    constant = map_problems_of(plan.draft.task, reference, identity=False)
    if constant:
        advice = "Leave map_output out of the description; build with --no-map if the map was added here."
        raise UsageError(f"Judging {plan.draft.name}: {constant[0]}. {advice}")
    return [f"Its influence map is not tested against its score in the other precisions. {p}." for p in problems]


def _told(plan: Plan, side: Side, evaluate: Labelled | None, verdict: Judgement | None) -> CandidateTold:
    item, measured, task = side.item, side.measured, plan.draft.task
    return CandidateTold(
        name=item.name,
        precision=item.precision,
        engine=item.engine,
        engine_version=measured.engine_version,
        file=item.file,
        sha256=sha256_of(item.onnx),
        bytes=len(item.onnx),
        latency_ms=round(measured.latency_ms, 4),
        peak_bytes=measured.peak_bytes,
        thresholds=side.thresholds,
        calibration=side.trust.calibration,
        uncertain=side.trust.uncertain,
        evidence=() if evaluate is None else evidence_of(task, evaluate.scans, side, evaluate.words),
        curves=() if evaluate is None else curves_of(task, evaluate.scans, side),
        free_response=() if evaluate is None else free_response_of(task, side),
        judgement=verdict,
        familiar=side.familiar,
    )


def _check_given(plan: Plan) -> None:
    """Refuse a file that would share its name with one that is made: the verdict on one would be told of the other."""
    both = sorted({"fp32", *plan.precisions} & set(plan.given or ()))
    if both:
        raise UsageError(
            f"Building {plan.draft.name}: {both[0]} is given and is made here. Give files of other precisions; FP32 is"
            " the model itself."
        )


def _check_apart(plan: Plan) -> None:
    """Refuse scans that are judged with and were seen before, under whatever name they lie."""
    if plan.evaluate is None:
        return
    judged = {hash_of(path): path for path in plan.evaluate.scans.own_files}
    tuned = plan.tune.scans.own_files if plan.tune else ()
    for words, paths in (("to tune", tuned), ("to calibrate", _flat(plan.calibrate))):
        twice = next((path for path in paths if hash_of(path) in judged), None)
        if twice is not None:
            raise UsageError(f"Building {plan.draft.name}: {twice} is in the set {words} and in the set to judge.")
    own, others = plan.evaluate.scans.patients, plan.tune.scans.patients if plan.tune else None
    both = sorted(set(own or ()) & set(others or ()))
    if both:
        raise UsageError(f"Building {plan.draft.name}: patient {both[0]!r} is in the set to tune and in that to judge.")


def _set_hash(paths: Sequence[Path]) -> str:
    return hashlib.sha256("".join(hash_of(path) for path in paths).encode()).hexdigest()


def _flat(cases: Sequence[Case]) -> list[Path]:
    return [path for case in cases for path in case]


def _hashes_of_truth(scans: LabelledSet) -> list[str]:
    """Of everything that a measurement compares with."""
    masks = [_set_hash(_there(files)) for files in scans.masks.values()]
    boxes = [[(box.label, box.edges) for box in each] for each in scans.boxes]
    marked = [(item.fixed.tolist(), item.moving.tolist()) for item in scans.landmarks]
    return [*masks, *(hashlib.sha256(repr(each).encode()).hexdigest() for each in (boxes, marked) if each)]


def _there(paths: Sequence[Path | None]) -> list[Path]:
    return [path for path in paths if path is not None]


def _sets(plan: Plan) -> tuple[SetUsed, ...]:
    shown = Labelled(scans=LabelledSet.of(plan.calibrate), words="scans that show INT8 its ranges")
    used: tuple[tuple[Literal["calibrate", "tune", "evaluate"], Labelled | None], ...] = (
        ("calibrate", shown if plan.calibrate else None),
        ("tune", plan.tune),
        ("evaluate", plan.evaluate),
    )
    return tuple(
        SetUsed(
            use=use,
            words=data.words,
            n=len(data.scans.paths),
            positives=_positives(data.scans),
            sha256=_set_hash(_flat(data.scans.cases)),
        )
        for use, data in used
        if data is not None
    )


def _positives(scans: LabelledSet) -> dict[str, int]:
    """By label: the scans of which it is true."""
    true = {label: int(truth.sum()) for label, truth in scans.truths.items()}
    masked = {label: len(_there(masks)) for label, masks in scans.masks.items()}
    named = [label for each in scans.boxes for label in {box.label for box in each}]
    return {**true, **masked, **{label: named.count(label) for label in sorted(set(named))}}
