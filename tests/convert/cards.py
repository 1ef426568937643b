"""Conversions with their manifests, for tests of what is written of them: each of another kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convert.document import CandidateTold, Conversion, PackNamed, Run, SetUsed
from convert.gate.judge import Comparison, Judgement, Verdict
from edge.pack.manifest import (
    ClassificationTask,
    Code,
    Evidence,
    Label,
    Licence,
    Manifest,
    Model,
    Precision,
    Threshold,
)
from edge.testing import tiny_manifest, tiny_segmentation

HOSTILE = "# <script>x</script> | [a](http://b) `c` *d* _e_ ~f~ \\ &amp; ![g](h)\u202e\x07"


def evidence(precision: Precision, engine: str, metric: str, label: str, generator: np.random.Generator) -> Evidence:
    value = round(float(generator.uniform(0.8, 0.95)), 6)
    return Evidence(
        precision=precision, engine=engine, label=label, data="ward.csv", metric=metric, value=value,
        interval=(round(value - 0.031, 6), round(value + 0.029, 6)), method="percentile bootstrap", n=240,
    )  # fmt: skip


def comparison(metric: str, label: str, generator: np.random.Generator, **changes: Any) -> Comparison:
    was = round(float(generator.uniform(0.8, 0.95)), 6)
    row = Comparison(
        metric=metric, label=label, group="all", n=240, reference=was, candidate=was - 0.001234, bound=-0.004567,
        margin=0.01, verdict="passed",
    )  # fmt: skip
    return replace(row, **changes)


def threshold(value: float, **changes: Any) -> Threshold:
    return replace(Threshold(value=value, rule="sensitivity of at least 90.0%", chosen_on="val.csv", n=300), **changes)


def candidate(
    name: str, judgement: Judgement | None, rows: tuple[Evidence, ...], thresholds: Mapping[str, Threshold]
) -> CandidateTold:
    precision, _, engine = name.split()
    return CandidateTold(
        name=name, precision=precision, engine=engine, engine_version="1.2.3", file=f"model.{precision}.onnx",  # type: ignore[arg-type]
        sha256=("a" if precision == "fp32" else "b") * 64, bytes=4_440_000 if precision == "fp32" else 1_230_000,
        latency_ms=12.344, peak_bytes=333_000_000, thresholds=thresholds, evidence=rows, curves=(), judgement=judgement,
    )  # fmt: skip


def judged(verdict: Verdict, *rows: Comparison, **changes: Any) -> Judgement:
    return replace(Judgement(verdict=verdict, comparisons=rows, told={}), **changes)


def conversion_of(manifest: Manifest, *candidates: CandidateTold, **changes: Any) -> Conversion:
    pack = PackNamed(
        name=manifest.name, version=manifest.version, title=manifest.title, status=manifest.status,
        task=manifest.task.kind,
    )  # fmt: skip
    conversion = Conversion(
        format="edgerun-conversion", format_version=1, pack=pack, origin="net.onnx", notes=("Dropout was removed",),
        machine="eight cores", versions={"onnx": "1.19.0"},
        sets=(
            SetUsed(use="calibrate", words="train.csv", n=200, positives={}, sha256="1" * 64),
            SetUsed(use="tune", words="val.csv", n=300, positives={"bright": 90}, sha256="2" * 64),
            SetUsed(use="evaluate", words="ward.csv", n=480, positives={"bright": 240}, sha256="3" * 64),
        ),
        candidates=candidates, layers=(), trails=(),
        run=Run(date="2031-05-06T07:08:09", seconds={"judge": 1.5}, peak_bytes=None),
    )  # fmt: skip
    return replace(conversion, **changes)


def with_models(manifest: Manifest, *kept: CandidateTold) -> Manifest:
    models = tuple(
        Model(
            precision=item.precision, file=item.file, sha256=item.sha256, engines=(item.engine,),
            verdict=item.judgement.verdict if item.judgement else "reference", thresholds=item.thresholds,
        )
        for item in kept
    )  # fmt: skip
    return replace(manifest, models=models, evidence=tuple(row for item in kept for row in item.evidence))


def binary() -> tuple[Conversion, Manifest]:
    """The reference; an INT8 model that is fine but for a small subgroup; one that is rejected and left out."""
    generator = np.random.default_rng(7)
    names = ("fp32 on onnxruntime", "int8 on onnxruntime", "int8 on openvino")
    figures = [
        tuple(
            evidence(name.split()[0], name.split()[2], metric, "bright", generator)  # type: ignore[arg-type]
            for metric in ("auc", "sensitivity", "specificity")
        )
        for name in names
    ]
    unsure = comparison(
        "sensitivity", "bright", generator, group="sex=F", n=57, bound=-0.0312, verdict="inconclusive", n_needed=912
    )
    fine = (
        comparison("auc", "bright", generator),
        comparison("flips", "bright", generator, reference=0.0, candidate=0.0021, bound=0.0087, higher_is_better=False),
        comparison("auc", "bright", generator, group="sex=M", n=183),
    )
    bad = comparison("specificity", "bright", generator, reference=0.9, candidate=0.7, bound=-0.25, verdict="rejected")
    judgements = (
        None,
        judged("inconclusive", *fine, unsure, skipped=("bright: site=B (12 scans)",),
               told={"calibration-error bright": 0.0345}),
        judged("rejected", bad, problems=("its influence map is blank",)),
    )  # fmt: skip
    told = [
        candidate(name, judgement, rows, {"bright": threshold(0.41 + index / 100)})
        for index, (name, judgement, rows) in enumerate(zip(names, judgements, figures, strict=True))
    ]
    manifest = with_models(tiny_manifest(intended_use="Shows the way. Not a medical device."), *told[:2])
    return conversion_of(manifest, *told), manifest


def multi_label() -> tuple[Conversion, Manifest]:
    """Two labels, one of them coded, with thresholds that nobody measured."""
    generator = np.random.default_rng(8)
    labels = (
        Label(
            name="fluid", title="Pleural fluid", finding=True, code=Code(scheme="SCT", value="60046008", meaning="E")
        ),
        Label(name="air", title="Pleural air", finding=True, urgency="urgent"),
    )
    rows = tuple(evidence("fp32", "onnxruntime", "auc", label.name, generator) for label in labels)
    limits = {label.name: threshold(0.5, rule="fixed", chosen_on="no data", n=1) for label in labels}
    told = candidate("fp32 on onnxruntime", None, rows, limits)
    task = ClassificationTask(
        kind="classification", mode="multi-label", output="scores", activation="sigmoid", labels=labels
    )
    manifest = with_models(tiny_manifest(task=task, licence=Licence(spdx="MIT", credits=("Data of a ward",))), told)
    return conversion_of(manifest, told), manifest


def untrained() -> tuple[Conversion, Manifest]:
    told = replace(candidate("fp32 on onnxruntime", None, (), {}), latency_ms=0.0, peak_bytes=None)
    manifest = with_models(
        tiny_manifest(status="architecture-only", task=tiny_segmentation(activation="softmax")), told
    )
    return conversion_of(manifest, told, sets=()), manifest


def segmentation() -> tuple[Conversion, Manifest]:
    """Two outlines; the surface distance of one that is not there is no number."""
    generator = np.random.default_rng(9)
    rows = (
        comparison("dice", "all", generator),
        comparison("hd95-mm", "bright", generator, reference=3.5, candidate=float("nan"), bound=float("inf"),
                   higher_is_better=False, verdict="inconclusive"),
    )  # fmt: skip
    reference = candidate(
        "fp32 on onnxruntime", None, (evidence("fp32", "onnxruntime", "dice", "bright", generator),), {}
    )
    small = candidate("int8 on onnxruntime", judged("inconclusive", *rows), (), {})
    task = tiny_segmentation(activation="softmax", names=("bright", "dark"))
    manifest = with_models(tiny_manifest(task=task), reference, small)
    return conversion_of(manifest, reference, small), manifest


def hostile() -> tuple[Conversion, Manifest]:
    """Every text that a maker writes tries to break the page."""
    conversion, manifest = binary()
    label = replace(manifest.task.labels[0], title=f"Bright {HOSTILE}\n| a | b |\n# Approved")
    manifest = replace(
        manifest, title=HOSTILE, intended_use=f"{HOSTILE}\n\n## Approved\n1. yes\n- yes\n=====",
        limits=f"```\n{HOSTILE}\n---", licence=Licence(spdx=HOSTILE, credits=(HOSTILE, "<!--")),
        task=replace(manifest.task, labels=(label,)),
    )  # fmt: skip
    sets = tuple(replace(item, words=f"a\n\n# b {HOSTILE}") for item in conversion.sets)
    return replace(conversion, origin=HOSTILE, notes=(HOSTILE,), machine=HOSTILE, sets=sets), manifest
