"""The clinical part of a pack, as its maker writes it in ``pack.toml``: what the model sees, says, and is fit for."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from convert.draft import PLACEHOLDER, draft, show_sizes, sizes_of
from convert.familiar_rule import FamiliarRule
from convert.sources.contract import listed
from convert.stated import Stated
from edge.errors import EdgerunError, UsageError
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Evidence,
    Golden,
    Input,
    Licence,
    Manifest,
    Model,
    RegistrationTask,
    SegmentationTask,
    Share,
    Task,
    Threshold,
    TranslationTask,
    parse_manifest,
    tensor_shapes,
)
from edge.pack.tasks import outputs_of
from edge.prepare import bind_steps
from edge.typed import Between, TypedError, dump, parse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Description",
    "ThresholdRule",
    "check_fits",
    "draft",
    "parse_description",
    "read_description",
    "to_manifest",
]


OUTPUT_KEYS = ("output", "map_output", "scores_output", "labels_output", "masks_output")
RULES: Mapping[str, tuple[str, ...]] = {
    "classification": ("sensitivity", "specificity", "youden", "fixed"),
    "segmentation": ("dice", "fixed"),
    "detection": ("sensitivity", "f1", "false-positives", "fixed"),
}
"""By kind of task: how its thresholds may be chosen; see `ThresholdRule`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule:
    """How a label's threshold comes to be.

    Parameters
    ----------
    rule : {"sensitivity", "specificity", "youden", "dice", "f1", "false-positives", "fixed"}
        The first two: the threshold at which that figure is at least `at_least` on the validation data. ``youden``:
        where the sum of both is largest. ``dice``: where the mean Dice of a segmentation is. Of boxes, ``f1``: where
        the harmonic mean of precision and sensitivity is largest; ``false-positives``: the lowest at which there are at
        most `at_most` of them per scan. ``fixed``: `value`, which somebody else chose.
    at_least : float, optional
    at_most : float, optional
        0 to 1000.
    value : float, optional
    error : float, optional
        Of a classification: the share of either class that may get a wrong answer; the scores around the threshold that
        would give it to more are left to a reader. See `convert.calibration.zone_of`.
    """

    rule: Literal["sensitivity", "specificity", "youden", "dice", "f1", "false-positives", "fixed"]
    at_least: Share | None = None
    at_most: Annotated[float, Between(0.0, 1000.0)] | None = None
    value: Share | None = None
    error: Annotated[float, Between(0.001, 0.25)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What only people know of a model; the rest of a manifest is measured.

    Parameters
    ----------
    thresholds : mapping
        By name of label: one for each that can be a finding, but for a segmentation with ``softmax``.
    familiar : FamiliarRule, optional
        By default a classification gets the check of scans that are not like those that it learnt from, where its net
        and the scans at hand allow it.
    card : Stated
        For the model card; it does not stand in the manifest.

    Every other key is that of `edge.pack.manifest.Manifest`.
    """

    name: str
    version: str
    title: str
    status: Literal["trained", "architecture-only"]
    intended_use: str
    limits: str
    licence: Licence
    inputs: tuple[Input, ...]
    task: ClassificationTask | SegmentationTask | DetectionTask | RegistrationTask | TranslationTask
    thresholds: Mapping[str, ThresholdRule]
    familiar: FamiliarRule | None = None
    card: Stated = Stated()  # noqa: RUF009 - frozen


def read_description(path: Path) -> Description:
    """Return the description in a file: TOML, or JSON where its name ends in ``.json``.

    Raises
    ------
    UsageError
        The file is missing or is neither; or a value is unfilled, unknown, missing, of the wrong type, or contradicts
        another. The message begins with the path of the key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        told = f"{error.strerror}. `edgerun-convert init` drafts one from a model."
        raise UsageError(f"Reading the description {path}: {told}") from error
    return parse_description(data, path.name)


def parse_description(data: bytes, name: str) -> Description:
    """Return the description in `data`, which is JSON where `name` ends in ``.json``; see `read_description`."""
    try:
        document = _document(data, name)
        _refuse_unfilled(document)
        description = parse(Description, document)
        _check(description)
    except RecursionError as error:
        raise UsageError(f"Reading {name}: it is nested too deeply.") from error
    except ValueError as error:  # TOML, JSON, UTF-8 and TypedError are all of this kind
        raise UsageError(f"Reading {name}: {error}.") from error
    return description


def to_manifest(
    description: Description, models: Sequence[Model], golden: Sequence[Golden] = (), evidence: Sequence[Evidence] = ()
) -> Manifest:
    """Return the manifest of a pack: the description, and what was built and measured."""
    own = ("thresholds", "familiar", "card")
    kept = {item.name: getattr(description, item.name) for item in fields(Description) if item.name not in own}
    return Manifest(
        format="edgerun-pack",
        format_version=1,
        models=tuple(models),
        golden=tuple(golden),
        evidence=tuple(evidence),
        **kept,
    )


def check_fits(description: Description, onnx_file: bytes) -> None:
    """Refuse a description whose tensors are not those of the model, before anything is measured with it.

    Parameters
    ----------
    description : Description
    onnx_file : bytes
        Checked, as in `convert.sources.Source.onnx`.

    Raises
    ------
    UsageError
        A tensor is not in the graph, or its fixed sizes are not those of the description or of its labels.
    """
    inputs, outputs = sizes_of(onnx_file)
    named = {tensor: (None, *shape) for tensor, shape in tensor_shapes(description.inputs).items()}
    if set(named) != set(inputs):
        raise _misfit("$.inputs", f"found the tensors {', '.join(named)}, expected {', '.join(inputs)}")
    for index, item in enumerate(description.inputs):
        _check_sizes(named[item.tensor], inputs[item.tensor], f"$.inputs[{index}].shape")
    task = description.task
    keys = {getattr(task, key, None): key for key in OUTPUT_KEYS}
    for name in outputs_of(task):
        if name not in outputs:
            raise _misfit(f"$.task.{keys[name]}", f"found {name!r}, expected one of {', '.join(outputs)}")
    sizes = outputs[task.output]
    if isinstance(task, ClassificationTask) and len(sizes) not in (0, 2):
        wanted = "expected scores, N x values: `edgerun-convert export` lays them out where it can"
        raise _misfit("$.task.output", f"found {task.output!r} of {show_sizes(sizes)}, {wanted}")
    count = sizes[1] if len(sizes) > 1 else None
    taken = _values_of(task)
    if None not in (count, taken) and count != taken:
        wanted = f"found {len(task.labels)}, which take {taken} values of {task.output!r}, expected {count}"
        raise _misfit("$.task.labels", wanted)


def _values_of(task: Task) -> int | None:
    """How many values or channels the labels take; None where the layout tells."""
    if isinstance(task, SegmentationTask):
        return len(task.labels) + (1 if task.activation == "softmax" else 0)
    if not isinstance(task, ClassificationTask):
        return None
    return len(task.labels) - (1 if task.mode == "ordinal" and task.activation != "softmax" else 0)


def _check_sizes(said: tuple[int | None, ...], found: tuple[int | None, ...], path: str) -> None:
    pairs = zip(said[1:], found[1:], strict=False)
    if len(said) != len(found) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise _misfit(path, f"found {show_sizes(said[1:])}, expected {show_sizes(found[1:])} as in the graph")


def _misfit(path: str, problem: str) -> UsageError:
    return UsageError(f"Comparing the description with the model: {path}: {problem}.")


def _document(data: bytes, name: str) -> dict[str, Any]:
    text = data.decode("utf-8-sig")  # editors on Windows put a mark in front
    if not name.endswith(".json"):
        return dict(tomllib.loads(text))
    document = json.loads(text, object_pairs_hook=_no_repeats)
    if not isinstance(document, dict):
        raise TypedError("$", f"found {type(document).__name__}, expected an object")
    return document


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for key, value in pairs:
        if key in keyed:
            raise TypedError(f"$..{key}", "the key stands twice in one object")
        keyed[key] = value
    return keyed


def _refuse_unfilled(document: Mapping[str, Any]) -> None:
    unfilled = []
    for path, value in _values(document, "$"):
        if isinstance(value, str) and value.strip().upper().startswith(PLACEHOLDER):
            unfilled.append(path)
        elif value is not None and not isinstance(value, (str, int, float)):  # a bool is an int
            raise TypedError(path, f"found the {type(value).__name__} {value}, expected a text: put it in quotes")
        elif isinstance(value, float) and not math.isfinite(value):
            raise TypedError(path, f"found {value}, expected a finite number")
    if unfilled:
        raise TypedError(unfilled[0], f"still to be filled in, one of {len(unfilled)}: {listed(unfilled)}")


def _values(value: object, path: str) -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _values(item, f"{path}[{index}]")
    else:
        yield path, value


def _check(description: Description) -> None:
    """Refuse what no single key shows; the manifest's own rules are applied as they will be when the pack is opened."""
    softmax = isinstance(description.task, SegmentationTask) and description.task.activation == "softmax"
    needed = [] if softmax else [label.name for label in description.task.labels if label.finding]
    for name in needed:
        if name not in description.thresholds:
            raise TypedError(f"$.thresholds.{name}", "missing: the label can be a finding")
    for name, rule in description.thresholds.items():
        if name not in needed:
            raise TypedError(f"$.thresholds.{name}", f"found a threshold, expected them for {_of(needed)}")
        rules = RULES[description.task.kind]
        if rule.rule not in rules:
            problem = f"found {rule.rule!r}, expected one of {', '.join(map(repr, rules))} for {description.task.kind}"
            raise TypedError(f"$.thresholds.{name}.rule", problem)
        _check_rule(rule, f"$.thresholds.{name}")
        if rule.error is not None and not isinstance(description.task, ClassificationTask):
            problem = f"found {rule.error:g}, expected none for {description.task.kind}: only whole scans have a score"
            raise TypedError(f"$.thresholds.{name}.error", problem)
    undecided = Threshold(value=0.5, rule="none yet", chosen_on="nothing", n=1)
    model = Model(
        precision="fp32", file="model.onnx", sha256="0" * 64, engines=("none",), verdict="inconclusive",
        thresholds=dict.fromkeys(needed, undecided),
    )  # fmt: skip
    manifest = json.dumps(dump(to_manifest(description, [model]))).encode()
    try:
        parse_manifest(manifest, "")
        for index, item in enumerate(description.inputs):
            bind_steps(item, f"$.inputs[{index}]")
    except EdgerunError as error:  # it speaks of a pack that someone was handed, and this is its maker
        problem = error.message.partition(": ")[2]
        raise ValueError(problem.rstrip(".")) from error


def _of(needed: list[str]) -> str:
    return f"the labels that can be a finding alone: {', '.join(needed)}" if needed else "none of its labels"


def _check_rule(rule: ThresholdRule, path: str) -> None:
    needed = {
        "sensitivity": "at_least",
        "specificity": "at_least",
        "false-positives": "at_most",
        "fixed": "value",
    }
    asked = needed.get(rule.rule)
    given = {"at_least": rule.at_least, "at_most": rule.at_most, "value": rule.value}
    if asked and given[asked] is None:
        raise TypedError(f"{path}.{asked}", f"missing: the rule {rule.rule!r} needs it")
    for key, value in given.items():
        if key != asked and value is not None:
            raise TypedError(f"{path}.{key}", f"found {value:g}, expected none for the rule {rule.rule!r}")
