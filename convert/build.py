"""From one trained model to a pack with a verdict on every candidate: quantise, measure, judge, describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convert.assemble import sha256_of
from convert.gate import Answers, Judgement, Margins, judge
from convert.labels import LabelledSet
from convert.lower import lower_for_onnxruntime
from convert.measure import Candidate, Measured, Progress, evidence_of, feeds_of, measure
from convert.metrics import Scores, Truth
from convert.quantise import Method, head_nodes, quantise_int8
from edge.errors import UsageError
from edge.pack.manifest import Evidence, Manifest, Model, Threshold

FP32, INT8 = "model.fp32.onnx", "model.int8.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a label's threshold is chosen: in words for the manifest, and as a function of truth and scores."""

    words: str
    choose: Callable[[Truth, Scores], float]
    measured: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A labelled set and what to call it in evidence."""

    scans: LabelledSet
    words: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What to build from.

    Parameters
    ----------
    draft : Manifest
        The clinical part; its one model stands for all that will be built, its thresholds for none yet.
    onnx : bytes
        The trained model in FP32.
    calibrate : tuple of Path
        Scans that show INT8 the range of every layer. They should be neither of the sets below.
    tune : Labelled
        Where thresholds are chosen.
    evaluate : Labelled
        Where candidates are judged and evidence is measured; no scan of `tune` is in it.
    rules : mapping
        By label that can be a finding.
    engines : tuple of str
        Those that will run the pack, the reference's first.
    """

    draft: Manifest
    onnx: bytes
    calibrate: tuple[Path, ...]
    tune: Labelled
    evaluate: Labelled
    rules: Mapping[str, Rule]
    engines: tuple[str, ...]
    method: Method = "minmax"
    margins: Margins = Margins()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Built:
    """What came of it.

    Parameters
    ----------
    manifest : Manifest
        With the reference and every candidate that was not rejected; golden cases are added by whoever knows some.
    files : mapping
        By name in the pack: the bytes of each model.
    judgements, measured : mapping
        By name of candidate, the rejected ones, too; the reference has no judgement.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    candidates: tuple[Candidate, ...]
    judgements: Mapping[str, Judgement]
    measured: Mapping[str, Measured]


def build(plan: Plan, progress: Progress) -> Built:
    """Return the pack's manifest and models, each with its verdict.

    Raises
    ------
    edge.errors.UsageError
        The sets are empty, overlap, or do not fit the pack; see `convert.gate.judge` and `convert.quantise`.
    """
    _check_apart(plan)
    progress(f"calibrating with {len(plan.calibrate)} scans")
    candidates = candidates_of(plan)
    progress(f"choosing thresholds on {plan.tune.words}")
    tuned = measure(plan.tune.scans.paths, plan.draft, candidates, progress)
    thresholds = {item.name: _thresholds(plan, tuned[item.name]) for item in candidates}
    progress(f"judging on {plan.evaluate.words}")
    measured = measure(plan.evaluate.scans.paths, plan.draft, candidates, progress)
    reference, *others = candidates
    judgements = {item.name: _judge(plan, reference, item, thresholds, measured) for item in others}
    kept = [item for item in candidates if item is reference or judgements[item.name].verdict != "rejected"]
    models = tuple(_model(item, judgements.get(item.name), thresholds[item.name]) for item in kept)
    evidence: list[Evidence] = []
    for item in kept:
        limits = {label: threshold.value for label, threshold in thresholds[item.name].items()}
        truths = plan.evaluate.scans.truths
        evidence += evidence_of(truths, measured[item.name], limits, item, plan.evaluate.words)
    return Built(
        manifest=replace(plan.draft, models=models, evidence=tuple(evidence)),
        files={item.file: item.onnx for item in kept},
        candidates=candidates,
        judgements=judgements,
        measured=measured,
    )


def _check_apart(plan: Plan) -> None:
    """Refuse scans that are judged with and were seen before, under whatever name they lie."""
    judged = {_hash(path): path for path in plan.evaluate.scans.paths}
    for words, paths in (("to tune", plan.tune.scans.paths), ("to calibrate", plan.calibrate)):
        twice = next((path for path in paths if _hash(path) in judged), None)
        if twice is not None:
            raise UsageError(f"Building {plan.draft.name}: {twice} is in the set {words} and in the set to judge.")


def _hash(path: Path) -> str:
    try:
        return sha256_of(path.read_bytes())
    except OSError as error:
        raise UsageError(f"Reading {path}: {error.strerror}.") from error


def candidates_of(plan: Plan) -> tuple[Candidate, ...]:
    """Return every precision on every engine, the reference first.

    The INT8 graph is lowered to unsigned activations: ONNX Runtime's kernels need that to be fast, and OpenVINO to be
    right (its answers to some signed graphs are wrong without a word).
    """
    feeds = list(feeds_of(plan.calibrate, plan.draft))
    task = plan.draft.task
    outputs = [name for name in (task.output, getattr(task, "map_output", None)) if name]
    int8 = quantise_int8(plan.onnx, feeds, method=plan.method, keep_float=head_nodes(plan.onnx, outputs))
    found = [Candidate(precision="fp32", engine=name, file=FP32, onnx=plan.onnx) for name in plan.engines]
    lowered = lower_for_onnxruntime(int8)
    found += [Candidate(precision="int8", engine=name, file=INT8, onnx=lowered) for name in plan.engines]
    return tuple(found)


def _thresholds(plan: Plan, measured: Measured) -> dict[str, Threshold]:
    """A threshold for each label, by the pack's own rule, from the candidate's own scores."""
    found = {}
    for label, rule in plan.rules.items():
        truth = plan.tune.scans.truths[label]
        value = rule.choose(truth, measured.scores[label])
        if rule.measured:
            found[label] = Threshold(value=value, rule=rule.words, chosen_on=plan.tune.words, n=truth.size)
        else:
            found[label] = Threshold(value=value, rule=rule.words, chosen_on="no data", n=1)
    return found


def _judge(
    plan: Plan,
    reference: Candidate,
    item: Candidate,
    thresholds: Mapping[str, Mapping[str, Threshold]],
    measured: Mapping[str, Measured],
) -> Judgement:
    sides = [
        {
            label: Answers(scores=measured[side.name].scores[label], threshold=thresholds[side.name][label].value)
            for label in plan.rules
        }
        for side in (reference, item)
    ]
    scans = plan.evaluate.scans
    return judge(scans.truths, sides[0], sides[1], groups=scans.groups, margins=plan.margins)


def _model(item: Candidate, judgement: Judgement | None, thresholds: Mapping[str, Threshold]) -> Model:
    return Model(
        precision=item.precision,
        file=item.file,
        sha256=sha256_of(item.onnx),
        engines=(item.engine,),
        verdict="reference" if judgement is None else judgement.verdict,
        thresholds=thresholds,
    )


def verdict_lines(built: Built) -> Sequence[str]:
    """Return the verdict on each candidate in words, with what it rests on."""
    lines = []
    for item in built.candidates:
        size = f"{len(item.onnx) / 1e6:.2f} MB, {built.measured[item.name].latency_ms:.2f} ms"
        judgement = built.judgements.get(item.name)
        lines.append(f"{item.name}: {'reference' if judgement is None else judgement.verdict}, {size}")
        for row in judgement.comparisons if judgement else ():
            change = f"{row.reference:.4f} -> {row.candidate:.4f}" if row.metric != "flips" else f"{row.candidate:.4f}"
            needed = f", about {row.n_needed} scans would tell" if row.n_needed else ""
            bound = f"bound {row.bound:+.4f}, margin {row.margin}"
            lines.append(
                f"  {row.label} {row.metric} ({row.group}, n = {row.n}): {change}, {bound}: {row.verdict}{needed}"
            )
    return lines
