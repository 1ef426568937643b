"""Conversions such as the workshop tells of, from seeded scores: what the tests of the report render."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convert.document import (
    CandidateTold,
    Conversion,
    Curves,
    FrocCurve,
    FrocPoint,
    LayerTold,
    PackNamed,
    ReliabilityBin,
    RocPoint,
    Run,
    SetUsed,
    Trail,
    TrailStep,
)
from convert.gate.judge import Comparison, Judgement, Verdict
from edge.pack.manifest import (
    Accepts,
    ClassificationTask,
    DetectionTask,
    Evidence,
    Input,
    Label,
    Licence,
    Manifest,
    Model,
    Precision,
    RegistrationTask,
    SegmentationTask,
    Task,
    Threshold,
)

Numbers = NDArray[np.float64]
Side = tuple[Precision, str]

ENGINES = {"onnxruntime": "1.23.2", "openvino": "2026.4.1"}
SIDES: tuple[Side, ...] = tuple((precision, engine) for precision in ("fp32", "fp16", "int8") for engine in ENGINES)
BYTES: Mapping[Precision, int] = {"fp32": 28_312_404, "fp16": 14_201_118, "int8": 7_402_911}
LATENCY: Mapping[Side, float] = dict(zip(SIDES, (41.8, 36.2, 44.1, 35.9, 17.6, 12.4), strict=True))
DATA = "Chest films of two hospitals, test set"
TUNED = "Chest films of two hospitals, validation set"
METHOD = "percentile bootstrap, 2000 resamples stratified by class"
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural thickening",
    "Hernia",
)
LOWER = ("flips", "hd95-mm", "volume-error", "false-positives", "target-registration-error", "folded")
MARGINS = {"auc": 0.005, "sensitivity": 0.01, "specificity": 0.01, "flips": 0.01}


def digest(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def compare(
    metric: str,
    label: str,
    n: int,
    values: tuple[float, float],
    spread: float,
    *,
    margin: float | None = None,
    group: str = "all",
) -> Comparison:
    """One comparison judged as the gate judges, with an interval of so many times 1.64."""
    allowed = MARGINS[metric] if margin is None else margin
    higher = metric not in LOWER
    sign = 1.0 if higher else -1.0
    gain = sign * (values[1] - values[0])
    low, high = gain - 1.64 * spread, gain + 1.64 * spread
    verdict: Verdict = "passed" if low >= -allowed else "rejected" if high < -allowed else "inconclusive"
    room = gain + allowed
    needed = math.ceil(n * ((gain - low) / room) ** 2) if verdict == "inconclusive" and room > 0 else None
    return Comparison(
        metric=metric,
        label=label,
        group=group,
        n=n,
        reference=values[0],
        candidate=values[1],
        bound=sign * low,
        margin=allowed,
        higher_is_better=higher,
        verdict=verdict,
        n_needed=needed,
    )


def judged(rows: Sequence[Comparison], **more: object) -> Judgement:
    found = [row.verdict for row in rows] + ["rejected" for _ in more.get("problems", ())]  # type: ignore[attr-defined]
    verdict: Verdict = next(word for word in ("rejected", "inconclusive", "passed") if word in found)
    return Judgement(verdict=verdict, comparisons=tuple(rows), **{"told": {}, **more})  # type: ignore[arg-type]


class Cohort:
    """Scans of one label, and what models of a given noise say of them."""

    def __init__(self, label: str, n: int, share: float, seed: int) -> None:
        self.label = label
        self._generator = np.random.default_rng(seed)
        self.truth = np.arange(n) < round(n * share)
        offset = math.log(share / (1 - share))
        self._logits = self._generator.normal(offset - 0.6, 1.2, n) + np.where(self.truth, 2.3, 0.0)

    def scores(self, noise: float, shift: float = 0.0) -> Numbers:
        error = self._generator.normal(0.0, noise, self.truth.size) if noise else 0.0
        return np.asarray(1 / (1 + np.exp(-(self._logits + error + shift))))

    def threshold(self, scores: Numbers) -> float:
        return round(float(np.quantile(scores[self.truth], 0.1)), 6)

    def rates(self, scores: Numbers, threshold: float) -> dict[str, float]:
        said = scores >= threshold
        return {
            "auc": self.curves(scores).auc,
            "sensitivity": float(said[self.truth].mean()),
            "specificity": float((~said)[~self.truth].mean()),
        }

    def counted(self, metric: str) -> int:
        positives = int(self.truth.sum())
        return {"sensitivity": positives, "specificity": self.truth.size - positives}.get(metric, self.truth.size)

    def curves(self, scores: Numbers) -> Curves:
        order = np.argsort(-scores)
        up = np.concatenate([[0.0], np.cumsum(self.truth[order]) / self.truth.sum()])
        across = np.concatenate([[0.0], np.cumsum(~self.truth[order]) / (~self.truth).sum()])
        area = float(np.sum(np.diff(across) * (up[1:] + up[:-1]) / 2))
        kept = np.unique(np.linspace(0, up.size - 1, min(up.size, 200)).astype(int))
        bins = np.minimum((scores * 10).astype(int), 9)
        return Curves(
            label=self.label,
            auc=round(area, 6),
            roc=tuple(RocPoint(false_positive_rate=float(across[at]), sensitivity=float(up[at])) for at in kept),
            reliability=tuple(
                ReliabilityBin(
                    mean_score=float(scores[bins == bin_].mean()),
                    positive_share=float(self.truth[bins == bin_].mean()),
                    n=int((bins == bin_).sum()),
                )
                for bin_ in np.unique(bins)
            ),
        )


def told_of(side: Side, cohorts: Sequence[Cohort], noise: float, shift: float) -> CandidateTold:
    """A candidate whose scores have so much noise, not yet judged."""
    precision, engine = side
    scores = {cohort.label: cohort.scores(noise, shift) for cohort in cohorts}
    limits = {cohort.label: cohort.threshold(scores[cohort.label]) for cohort in cohorts}
    evidence = tuple(
        Evidence(
            precision=precision,
            engine=engine,
            label=cohort.label,
            data=DATA,
            metric=metric,
            value=value,
            interval=(max(value - 0.03, 0.0), min(value + 0.028, 1.0)),
            method=METHOD,
            n=cohort.counted(metric),
        )
        for cohort in cohorts
        for metric, value in cohort.rates(scores[cohort.label], limits[cohort.label]).items()
    )
    return replace(
        bare(side),
        thresholds={
            label: Threshold(value=value, rule="sensitivity of at least 90%", chosen_on=TUNED, n=1200)
            for label, value in limits.items()
        },
        evidence=evidence,
        curves=tuple(cohort.curves(scores[cohort.label]) for cohort in cohorts),
    )


def bare(side: Side) -> CandidateTold:
    """A candidate of which only size and time are known."""
    precision, engine = side
    return CandidateTold(
        name=f"{precision} on {engine}",
        precision=precision,
        engine=engine,
        engine_version=ENGINES[engine],
        file=f"model.{precision}.onnx",
        sha256=digest(precision),
        bytes=BYTES[precision],
        latency_ms=LATENCY[side],
        peak_bytes=312_000_000 + 3 * BYTES[precision],
        thresholds={},
        evidence=(),
        curves=(),
        judgement=None,
    )


def compared(reference: CandidateTold, told: CandidateTold, spread: float) -> list[Comparison]:
    """What the two were compared by: their own evidence, and a few flips."""
    before = {(item.label, item.metric): item for item in reference.evidence}
    rows = [
        compare(
            item.metric,
            item.label,
            item.n,
            (before[item.label, item.metric].value, item.value),
            spread * (1 if item.metric == "auc" else 2.2),
        )
        for item in told.evidence
    ]
    n = max(item.n for item in told.evidence)
    lost = {row.label: abs(row.candidate - row.reference) for row in rows if row.metric == "specificity"}
    flips = [
        compare("flips", label, n, (0.0, max(1.1 * spread, 0.9 * lost[label])), 0.5 * spread)
        for label in told.thresholds
    ]
    return [*rows, *flips]


def finished(pack: PackNamed, candidates: Sequence[CandidateTold], positives: Mapping[str, int], n: int) -> Conversion:
    """A conversion with everything that does not depend on what the model is for."""
    uses: tuple[tuple[Literal["calibrate", "tune", "evaluate"], str, int], ...] = (
        ("calibrate", "Chest films of two hospitals, training set", 200),
        ("tune", TUNED, 1200),
        ("evaluate", DATA, n),
    )
    return Conversion(
        format="edgerun-conversion",
        format_version=1,
        pack=pack,
        origin="Exported from PyTorch by its makers; weights of 3 May 2026.",
        notes=(
            "The last sigmoid was taken out of the graph: the runtime applies it.",
            "FP16 keeps the normalisation in FP32.",
        ),
        machine="Intel Xeon Platinum 8481C, 2 cores, 16 GB, Linux 6.1",
        versions={"edgerun": "0.1.0", "onnx": "1.19.1", "onnxruntime": "1.23.2", "openvino": "2026.4.1"},
        sets=tuple(
            SetUsed(
                use=use,
                words=words,
                n=count,
                positives={} if use == "calibrate" else {k: v * count // n for k, v in positives.items()},
                sha256=digest(use),
            )
            for use, words, count in uses
        ),
        candidates=tuple(candidates),
        layers=layers(121),
        trails=(trail("onnxruntime", 0.9), trail("openvino", 0.2)),
        run=Run(
            date="2026-05-04T09:12:33Z",
            seconds={"export": 21.4, "quantise": 190.2, "measure": 1262.8, "judge": 74.1},
            peak_bytes=2_910_000_000,
        ),
    )


def layers(n: int) -> tuple[LayerTold, ...]:
    generator = np.random.default_rng(7)
    decibels = generator.gamma(6.0, 5.0, n) - 4
    return tuple(
        LayerTold(
            node=f"/features/denseblock{1 + at // 40}/denselayer{1 + at % 40}/conv{1 + at % 2}/Conv",
            operator="Conv" if at else "Gemm",
            snr_db=None if at % 17 == 5 else float(decibels[at]),
        )
        for at in range(n)
    )


def trail(engine: str, hurt: float) -> Trail:
    nodes = tuple(layer.node for layer in layers(31))
    losses = [0.021 * hurt, 0.014 * hurt, 0.0112 * hurt, 0.0043 * hurt]
    accepted = [loss < 0.005 for loss in losses]
    last = accepted.index(True)
    return Trail(
        engine=engine,
        steps=tuple(
            TrailStep(
                given_back=nodes[: 2**at - 1],
                bytes=7_402_911 + 180_000 * (2**at - 1),
                metric="auc",
                label="pneumonia",
                difference=-losses[at],
                higher_is_better=True,
                margin=0.005,
                latency_ms=16.1 + 0.4 * at,
                accepted=accepted[at],
            )
            for at in range(last + 1)
        ),
    )


def manifest_of(pack: PackNamed, task: Task) -> Manifest:
    return Manifest(
        format="edgerun-pack",
        format_version=1,
        name=pack.name,
        version=pack.version,
        title=pack.title,
        status=pack.status,
        intended_use="Points a radiologist to films that should be read first. It never replaces the reading.",
        limits="Adults, front views, films of two hospitals. Not for lying patients, not for children.",
        licence=Licence(spdx="Apache-2.0", credits=("Trained on films that two hospitals made public, CC BY 4.0",)),
        inputs=(
            Input(
                name="image",
                tensor="image",
                accepts=Accepts(modality=("DX",), body_part=("CHEST",), stack="picture", colour="grey"),
                axes="NCHW",
                shape=(1, 224, 224),
                steps=({"step": "monochrome2"},),
            ),
        ),
        task=task,
        models=(
            Model(
                precision="fp32",
                file="model.fp32.onnx",
                sha256=digest("fp32"),
                engines=("onnxruntime",),
                verdict="reference",
                thresholds={},
            ),
        ),
    )


def classification(titles: Sequence[str]) -> ClassificationTask:
    return ClassificationTask(
        kind="classification",
        mode="binary" if len(titles) == 1 else "multi-label",
        output="logits",
        activation="sigmoid",
        labels=tuple(Label(name=slug(title), title=title, finding=True) for title in titles),
    )


@cache
def binary() -> tuple[Conversion, Manifest]:
    """One label on two engines: what passes, what fails in numbers, what cannot be told, what died."""
    pack = named("chest-triage", "Pneumonia in chest films of adults")
    cohort = Cohort("pneumonia", 2400, 0.3, seed=1)
    reference = told_of(SIDES[0], [cohort], 0.0, 0.0)
    found = [told_of(side, [cohort], 0.0, 0.0) for side in SIDES[1:4]] + [told_of(SIDES[4], [cohort], 0.1, 0.0)]
    spreads = (0.0004, 0.0009, 0.0011, 0.0045)
    others = [
        replace(told, judgement=judged(compared(reference, told, spread), told={"ece pneumonia": 0.031}))
        for told, spread in zip(found, spreads, strict=True)
    ]
    failing = told_of(SIDES[5], [cohort], 1.3, 0.6)
    rows = compared(reference, failing, 0.002)
    groups = [
        compare("auc", "pneumonia", n, (0.913, 0.913 - loss), 0.003, group=group)
        for n, loss, group in ((1180, 0.001, "sex=F"), (1220, 0.0095, "sex=M"), (640, 0.03, "site=north clinic"))
    ]
    others[3] = replace(
        others[3],
        judgement=judged([*compared(reference, found[3], 0.0045), *groups[:1]], skipped=("age=80+ (31 scans)",)),
    )
    failed = replace(failing, judgement=judged([*rows, *groups], skipped=("pneumonia: age=80+ (31 scans)",)))
    positives = {"pneumonia": cohort.counted("sensitivity")}
    return finished(pack, [reference, *others, failed], positives, 2400), manifest_of(
        pack, classification(["Pneumonia"])
    )


@cache
def fourteen() -> tuple[Conversion, Manifest]:
    """Fourteen labels, as of a film's reading aid."""
    pack = named("chest-fourteen", "Fourteen findings in chest films")
    cohorts = [Cohort(slug(title), 3000, 0.02 + 0.011 * at, seed=at) for at, title in enumerate(FINDINGS)]
    reference = told_of(SIDES[0], cohorts, 0.0, 0.0)
    plans = ((SIDES[2], 0.0, 0.0008), (SIDES[4], 0.12, 0.0021), (SIDES[5], 0.5, 0.0018))
    candidates = [reference]
    for side, noise, spread in plans:
        told = told_of(side, cohorts, noise, 0.0)
        candidates.append(replace(told, judgement=judged(compared(reference, told, spread))))
    positives = {cohort.label: cohort.counted("sensitivity") for cohort in cohorts}
    return finished(pack, candidates, positives, 3000), manifest_of(pack, classification(FINDINGS))


@cache
def segmentation() -> tuple[Conversion, Manifest]:
    """Two organs: no curves, no thresholds, no trail."""
    pack = replace(named("lung-fields", "Lung fields and heart in chest films"), task="segmentation")
    reference = bare(SIDES[0])
    rows = [
        compare("dice", "all", 240, (0.9612, 0.9603), 0.0006, margin=0.005),
        compare("dice", "heart", 240, (0.9321, 0.9302), 0.003, margin=0.02),
        compare("hd95-mm", "all", 240, (4.213, 4.402), 0.06, margin=0.211),
        compare("volume-error", "lungs", 240, (0.0213, 0.0219), 0.0004, margin=0.01),
    ]
    passed = judged([rows[0], rows[1], rows[3]])
    unsure = judged(rows)
    died = Judgement(verdict="rejected", problems=("The engine's process ended with signal 11 (SIGSEGV)",), told={})
    candidates = [
        reference,
        replace(bare(SIDES[2]), judgement=passed),
        replace(bare(SIDES[4]), judgement=unsure),
        replace(bare(SIDES[5]), judgement=died, latency_ms=0.0, peak_bytes=None),
    ]
    task = SegmentationTask(
        kind="segmentation",
        output="masks",
        activation="softmax",
        labels=tuple(Label(name=slug(title), title=title, finding=False) for title in ("Lungs", "Heart")),
    )
    return replace(finished(pack, candidates, {}, 240), trails=()), manifest_of(pack, task)


@cache
def detection() -> tuple[Conversion, Manifest]:
    """One kind of box: free-response curves and thresholds, of a reference and a copy that finds less."""
    pack = replace(named("lung-nodules", "Nodules in chest films"), task="detection")
    reference, worse = (
        replace(bare(side), **boxes_of(side, lost)) for side, lost in ((SIDES[0], 0.0), (SIDES[4], 0.2))
    )
    rows = [
        compare("mean-average-precision", "all", 300, (0.81, 0.69), 0.01, margin=0.01),
        compare("sensitivity", "nodule", 180, (0.9, 0.72), 0.01),
        compare("false-positives", "nodule", 300, (0.7, 0.66), 0.02, margin=0.07),
    ]
    candidates = [reference, replace(worse, judgement=judged(rows))]
    label = Label(name="nodule", title="Nodule", finding=True)
    task = DetectionTask(kind="detection", layout="yolov5", output="boxes", activation="none", labels=(label,))
    return replace(finished(pack, candidates, {"nodule": 180}, 300), trails=()), manifest_of(pack, task)


def boxes_of(side: Side, lost: float) -> dict[str, Any]:
    """Curve, threshold and evidence of one candidate."""
    up = [round((1 - lost) * (1 - 0.5**step), 6) for step in range(1, 9)]
    points = tuple(FrocPoint(false_positives=0.1 * 2**at, sensitivity=value) for at, value in enumerate(up))
    figures = {"sensitivity": up[3], "false-positives": 0.8}
    evidence = tuple(
        Evidence(precision=side[0], engine=side[1], label="nodule", data=DATA, metric=metric, value=value, n=300)
        for metric, value in figures.items()
    )
    chosen = Threshold(value=0.4, rule="the largest F1 of the boxes", chosen_on=TUNED, n=1200)
    curve = FrocCurve(label="nodule", froc=round(float(np.mean(up[:7])), 6), points=points)
    return {"free_response": (curve,), "thresholds": {"nodule": chosen}, "evidence": evidence}


@cache
def registration() -> tuple[Conversion, Manifest]:
    """Pairs of scans: no label, no threshold, no curve."""
    pack = replace(named("brain-follow-up", "Brain scans brought onto earlier ones"), task="registration")
    rows = [
        compare("target-registration-error", "all", 40, (1.42, 1.44), 0.02, margin=0.071),
        compare("folded", "all", 40, (0.0003, 0.0004), 0.00002, margin=0.001),
    ]
    candidates = [bare(SIDES[0]), replace(bare(SIDES[2]), judgement=judged(rows))]
    task = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="moving")
    return replace(finished(pack, candidates, {}, 40), trails=()), manifest_of(pack, task)


@cache
def untrained() -> tuple[Conversion, Manifest]:
    """A network without trained weights: sizes and times alone."""
    pack = replace(named("densenet-shape", "DenseNet-121, without weights"), status="architecture-only")
    conversion = finished(pack, [bare(side) for side in SIDES], {}, 1)
    return replace(conversion, sets=(), layers=(), trails=()), manifest_of(pack, classification(["Label 0"]))


def named(name: str, title: str) -> PackNamed:
    return PackNamed(name=name, version="1.2.0", title=title, status="trained", task="classification")
