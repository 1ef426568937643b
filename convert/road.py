"""The whole road of `edgerun-convert build`: from a model, its description and labelled scans to a judged pack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convert.assemble import sha256_of, write_pack
from convert.build import FP32, Built, Labelled, Plan, Rule, build
from convert.describe import Description, ThresholdRule, check_fits, read_description, to_manifest
from convert.labels import LabelledSet, read_labels
from convert.measure import Progress
from convert.metrics import (
    Scores,
    Truth,
    threshold_for_sensitivity,
    threshold_for_specificity,
    threshold_of_youden,
)
from convert.quantise import Method
from convert.sources import load_source
from convert.sources.contract import Source
from edge.engines import available_engines
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Model, Threshold
from edge.read.find import find_files
from edge.typed import dump
from edge.write.files import make_folder, write_whole

REPORT = "conversion.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What `travel` is asked for; see `edgerun-convert build --help`."""

    model: str
    weights: Path | None
    describe: Path
    calibrate: tuple[Path, ...]
    evaluate: Path
    tune: Path | None
    out: Path
    method: Method


def travel(road: Road, progress: Progress) -> tuple[dict[str, Any], Built]:
    """Write the pack and its conversion report below ``road.out``; return the report and what it tells of.

    Raises
    ------
    edge.errors.UsageError
        The description, the sets or the model cannot be used; the message says which, and what to do.
    edge.errors.EdgerunError
        A scan cannot be read, or a model cannot be run.
    """
    description = read_description(road.describe)
    if not isinstance(description.task, ClassificationTask):
        raise UsageError(f"Building {description.name}: only classification can be judged yet.")
    rules = {label: _rule(rule) for label, rule in description.thresholds.items()}
    tune, evaluate = _sets(road, list(rules))
    progress(f"loading {road.model}")
    shapes = {item.tensor: (1, *item.shape) for item in description.inputs}
    source = load_source(road.model, weights=road.weights, example_shapes=shapes)
    check_fits(description, source.onnx)
    plan = Plan(
        draft=to_manifest(description, [_undecided(source, list(rules))]),
        onnx=source.onnx,
        calibrate=tuple(Path(path) for path in find_files(road.calibrate)[0]),
        tune=tune,
        evaluate=evaluate,
        rules=rules,
        engines=available_engines(),
        method=road.method,
    )
    built = build(plan, progress)
    document = _report(built, source, description)
    make_folder(road.out)
    write_pack(road.out / description.name, built.manifest, built.files)
    write_whole(road.out / REPORT, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
    return document, built


def halves(scans: LabelledSet) -> tuple[LabelledSet, LabelledSet]:
    """Return two sets with every combination of truths shared out evenly, by the order of the hashes of file names."""
    order = sorted(range(len(scans.paths)), key=lambda i: hashlib.sha256(scans.paths[i].name.encode()).digest())
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for index in order:
        kinds.setdefault(tuple(bool(truth[index]) for truth in scans.truths.values()), []).append(index)
    return tuple(  # type: ignore[return-value]
        _some(scans, sorted(i for n, members in enumerate(kinds.values()) for i in members[(start + n) % 2 :: 2]))
        for start in (0, 1)
    )


def _some(scans: LabelledSet, kept: Sequence[int]) -> LabelledSet:
    return LabelledSet(
        paths=tuple(scans.paths[index] for index in kept),
        truths={label: truth[np.array(kept, dtype=np.intp)] for label, truth in scans.truths.items()},
        groups={column: tuple(values[index] for index in kept) for column, values in scans.groups.items()},
    )


def _sets(road: Road, labels: list[str]) -> tuple[Labelled, Labelled]:
    """Where thresholds are chosen and where candidates are judged: two tables, or the halves of one."""
    evaluate = read_labels(road.evaluate, labels)
    if road.tune is not None:
        tune = read_labels(road.tune, labels)
        return Labelled(scans=tune, words=road.tune.name), Labelled(scans=evaluate, words=road.evaluate.name)
    first, second = halves(evaluate)
    name = road.evaluate.name
    return Labelled(scans=first, words=f"one half of {name}"), Labelled(scans=second, words=f"the other half of {name}")


def _rule(rule: ThresholdRule) -> Rule:
    choices: Mapping[str, tuple[str, Callable[[Truth, Scores], float]]] = {
        "sensitivity": (
            f"sensitivity of at least {rule.at_least or 0:.1%}",
            partial(_with, threshold_for_sensitivity, rule.at_least),
        ),
        "specificity": (
            f"specificity of at least {rule.at_least or 0:.1%}",
            partial(_with, threshold_for_specificity, rule.at_least),
        ),
        "youden": ("the largest sum of sensitivity and specificity", threshold_of_youden),
        "fixed": ("fixed by the pack's author", lambda _truth, _scores: rule.value or 0.0),
    }
    words, choose = choices[rule.rule]
    return Rule(words=words, choose=choose, measured=rule.rule != "fixed")


def _with(choose: Callable[[Truth, Scores, float], float], figure: float | None, truth: Truth, scores: Scores) -> float:
    return choose(truth, scores, figure or 0.0)


def _undecided(source: Source, labels: list[str]) -> Model:
    """The reference before anything is measured."""
    none = Threshold(value=0.5, rule="none yet", chosen_on="nothing", n=1)
    return Model(
        precision="fp32",
        file=FP32,
        sha256=sha256_of(source.onnx),
        engines=("onnxruntime",),
        verdict="reference",
        thresholds=dict.fromkeys(labels, none),
    )


def _report(built: Built, source: Source, description: Description) -> dict[str, Any]:
    """What was made of what, and every verdict with what it rests on."""
    return {
        "format": "edgerun-conversion",
        "format_version": 1,
        "pack": {"name": description.name, "version": description.version},
        "origin": source.origin,
        "notes": list(source.notes),
        "candidates": [
            {
                "precision": item.precision,
                "engine": item.engine,
                "sha256": sha256_of(item.onnx),
                "bytes": len(item.onnx),
                "latency_ms": round(built.measured[item.name].latency_ms, 4),
                "judgement": dump(asdict(built.judgements[item.name])) if item.name in built.judgements else None,
            }
            for item in built.candidates
        ],
    }
