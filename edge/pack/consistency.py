"""What no single key of a manifest shows: names that do not meet, sizes that do not fit, tasks that cannot be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edge.pack.familiar import check_familiar
from edge.pack.look import check_limits
from edge.pack.reduced import check_reduced
from edge.pack.tasks import (
    ClassificationTask,
    DetectionTask,
    Label,
    RegistrationTask,
    SegmentationTask,
    TranslationTask,
    UrgencyRule,
    Windows,
    answers_of,
)
from edge.pack.words import ALL, URGENCIES
from edge.typed import TypedError

if TYPE_CHECKING:
    from edge.pack.manifest import Input, Manifest, Model

Windowed = ClassificationTask | SegmentationTask | DetectionTask

MOST_OVERLAPPING = 64
"""Labels that may overlap: each is a bit of a voxel's code."""


def check_consistent(manifest: Manifest) -> None:
    """Refuse what no single key shows.

    Raises
    ------
    TypedError
        With the path of the key.
    """
    labels = [label.name for label in manifest.task.labels]
    _check_unique(labels, "$.task.labels")
    _check_unique([item.name for item in manifest.inputs], "$.inputs")
    _check_unique([f"{m.precision} on {name}" for m in manifest.models for name in m.engines], "$.models")
    _check_inputs(manifest.inputs)
    _check_task(manifest)
    check_reduced(manifest, "$.reduced")
    for number, label in enumerate(manifest.task.labels):
        _check_urgency(manifest, label, f"$.task.labels[{number}].urgency_from")
    for index, model in enumerate(manifest.models):
        _check_thresholds(manifest, model, f"$.models[{index}].thresholds")
        _check_trust(manifest, model, f"$.models[{index}]")
        if model.familiar is not None:
            check_familiar(model.familiar, manifest.task, f"$.models[{index}].familiar")
    for index, case in enumerate(manifest.golden):
        _check_names(case.scans, [item.name for item in manifest.inputs], f"$.golden[{index}].scans")
        _check_names(case.sha256, list(case.scans), f"$.golden[{index}].sha256")
        _check_names(case.expect, sorted({model.precision for model in manifest.models}), f"$.golden[{index}].expect")
        for precision, expected in case.expect.items():
            _check_names(expected.scores, answers_of(manifest.task), f"$.golden[{index}].expect.{precision}.scores")
    for index, figure in enumerate(manifest.evidence):
        _check_names([figure.label], [*labels, ALL], f"$.evidence[{index}].label", all_of_them=False)


def _check_inputs(inputs: Sequence[Input]) -> None:
    first: dict[str, Input] = {}
    for index, item in enumerate(inputs):
        if len(item.shape) != len(item.axes) - 1:
            wanted = len(item.axes) - 1
            raise TypedError(f"$.inputs[{index}].shape", f"found {len(item.shape)} sizes, expected {wanted}")
        check_limits(item.accepts.technique, item.accepts.look, f"$.inputs[{index}].accepts")
        beside = first.setdefault(item.tensor, item)
        if (item.axes, _sizes(item)) != (beside.axes, _sizes(beside)):
            found = f"found {item.axes} of {_sizes(item)}, expected {beside.axes} of {_sizes(beside)}"
            raise TypedError(f"$.inputs[{index}].shape", f"{found} as in {beside.name!r}: they share a tensor")
        for number, step in enumerate(item.steps):
            _check_step(step, f"$.inputs[{index}].steps[{number}]")


def _sizes(item: Input) -> tuple[int, ...]:
    """Along all axes but the channel."""
    return tuple(size for axis, size in zip(item.axes[1:], item.shape, strict=True) if axis != "C")


def _check_task(manifest: Manifest) -> None:
    task = manifest.task
    volumes = [len(item.axes) == 5 for item in manifest.inputs]
    if isinstance(task, (ClassificationTask, SegmentationTask, DetectionTask)) and task.windows is not None:
        _check_windows(task, task.windows, manifest.inputs)
    if isinstance(task, ClassificationTask):
        _check_classes(task)
    elif isinstance(task, SegmentationTask):
        if task.activation != "softmax" and len(task.labels) > MOST_OVERLAPPING:
            raise TypedError("$.task.labels", f"found {len(task.labels)}, expected at most {MOST_OVERLAPPING}")
    elif isinstance(task, DetectionTask):
        _check_layout(task, flat=not any(volumes))
    elif isinstance(task, RegistrationTask):
        _check_pair(task, [item.name for item in manifest.inputs])
        if not all(volumes):
            raise TypedError("$.inputs", "found pictures, expected volumes: a displacement has three directions")
    elif isinstance(task, TranslationTask) and task.range[0] >= task.range[1]:
        raise TypedError("$.task.range", f"found {task.range[0]:g} to {task.range[1]:g}, expected it to rise")


def _check_layout(task: DetectionTask, *, flat: bool) -> None:
    separate = task.layout == "boxes"
    named = {"scores_output": task.scores_output, "labels_output": task.labels_output}
    for key, name in named.items():
        if (name is None) == separate:
            wanted = "a name" if name is None else "none"
            raise TypedError(f"$.task.{key}", f"found {name!r}, expected {wanted} for the layout {task.layout!r}")
    if task.masks_output is not None and not separate:
        found = f"found {task.masks_output!r}, expected none for the layout {task.layout!r}"
        raise TypedError("$.task.masks_output", found)
    if not flat and task.layout != "one-per-label":
        raise TypedError("$.task.layout", f"found {task.layout!r}, expected 'one-per-label' for volumes")


def _check_pair(task: RegistrationTask, inputs: Sequence[str]) -> None:
    if task.fixed == task.moving:
        raise TypedError("$.task.moving", f"found {task.moving!r}, which is the fixed scan already")
    _check_names([task.fixed, task.moving], inputs, "$.task.fixed")
    if inputs[0] != task.fixed:
        raise TypedError("$.inputs", f"found {inputs[0]!r} first, expected {task.fixed!r}: it gives the grid")


def _check_classes(task: ClassificationTask) -> None:
    if task.mode == "binary" and len(task.labels) != 1:
        raise TypedError("$.task.labels", f"found {len(task.labels)}, expected the one positive label of a binary task")
    if task.mode == "ordinal" and (len(task.labels) < 2 or task.labels[0].finding):
        raise TypedError("$.task.labels", "expected grades in rising severity, the first being no finding")
    if task.mode in ("binary", "multi-label") and task.activation == "softmax":
        raise TypedError("$.task.activation", f"found 'softmax', expected 'sigmoid' or 'none' for mode {task.mode!r}")
    if task.mode == "multi-class" and task.activation == "sigmoid":
        raise TypedError("$.task.activation", "found 'sigmoid', expected 'softmax' or 'none' for mode 'multi-class'")


def _check_windows(task: Windowed, windows: Windows, inputs: Sequence[Input]) -> None:
    """Volumes are seen in windows to be segmented, pictures to be classified or searched for boxes, too."""
    if isinstance(task, SegmentationTask) and all(item.axes == "NCDHW" for item in inputs):
        if windows.skip_glass:
            raise TypedError("$.task.windows.skip_glass", "expected false for volumes, which lie on no glass")
        return
    if len(inputs) != 1 or inputs[0].axes != "NCHW":
        volumes = "volumes with the axes 'NCDHW', or " if isinstance(task, SegmentationTask) else ""
        raise TypedError("$.task.windows", f"expected {volumes}one picture with the axes 'NCHW'")
    if "z" in windows.mirror:
        raise TypedError("$.task.windows.mirror", "found 'z', expected 'y' or 'x' for a picture")
    if isinstance(task, ClassificationTask):
        _check_tilewise(task)
    elif isinstance(task, DetectionTask):
        _check_boxes_in_windows(task, windows)


def _check_tilewise(task: ClassificationTask) -> None:
    if task.mode == "multi-class":
        raise TypedError("$.task.mode", "found 'multi-class', whose classes have no highest score of all windows")
    if task.map_output is not None:
        raise TypedError("$.task.map_output", "expected none with windows, whose scores are the map")


def _check_boxes_in_windows(task: DetectionTask, windows: Windows) -> None:
    if task.layout == "one-per-label":
        raise TypedError("$.task.layout", "found 'one-per-label', expected one that may find several boxes in a window")
    if task.masks_output is not None:
        raise TypedError("$.task.masks_output", f"found {task.masks_output!r}, expected none with windows")
    if windows.mirror:
        raise TypedError("$.task.windows.mirror", "expected none: there is no mean of boxes")


def _check_thresholds(manifest: Manifest, model: Model, path: str) -> None:
    """Every label that can be a finding needs the score from which it is one."""
    softmax = isinstance(manifest.task, SegmentationTask) and manifest.task.activation == "softmax"
    needed = [] if softmax else [label.name for label in manifest.task.labels if label.finding]
    for name in needed:
        if name not in model.thresholds:
            raise TypedError(f"{path}.{name}", "missing: the label can be a finding")
    _check_names(model.thresholds, needed, path)


def _check_urgency(manifest: Manifest, label: Label, path: str) -> None:
    """Rules are of what is measured of the label, and make it the more urgent the larger that is."""
    known = _measured(manifest) if label.finding else ()
    before: dict[str, UrgencyRule] = {}
    for index, rule in enumerate(label.urgency_from):
        if rule.measure not in known:
            problem = f"found {rule.measure!r}, expected {' or '.join(map(repr, known)) or 'none'} for this label"
            raise TypedError(f"{path}[{index}].measure", problem)
        last = before.get(rule.measure)
        least = label.urgency if last is None else last.urgency
        if URGENCIES.index(rule.urgency) <= URGENCIES.index(least) or (last is not None and rule.at <= last.at):
            raise TypedError(f"{path}[{index}]", "expected a higher value and a higher urgency than before it")
        before[rule.measure] = rule


def _measured(manifest: Manifest) -> tuple[str, ...]:
    """What is known of a finding of the task."""
    if isinstance(manifest.task, SegmentationTask):
        flat = all(len(item.axes) == 4 for item in manifest.inputs)
        return ("area-mm2",) if flat else ("volume-ml", "diameter-mm")
    return ("score", "size-mm") if isinstance(manifest.task, DetectionTask) else ("score",)


def _check_trust(manifest: Manifest, model: Model, path: str) -> None:
    """Only scores of whole scans have probabilities, and only around a threshold is there anything to settle."""
    scored = isinstance(manifest.task, ClassificationTask)
    labels = [label.name for label in manifest.task.labels] if scored else []
    _check_names(model.calibration, labels, f"{path}.calibration", all_of_them=False)
    _check_names(model.uncertain, model.thresholds if scored else [], f"{path}.uncertain", all_of_them=False)
    for name, told in model.calibration.items():
        if told.positives >= told.n:
            problem = f"found {told.positives} of {told.n}, expected scans of both kinds"
            raise TypedError(f"{path}.calibration.{name}.positives", problem)
    for name, zone in model.uncertain.items():
        threshold = model.thresholds[name].value
        if not zone.low <= threshold <= zone.high or zone.low >= zone.high:
            problem = f"found {zone.low:g} to {zone.high:g}, expected to rise around the threshold {threshold:g}"
            raise TypedError(f"{path}.uncertain.{name}", problem)


def _check_step(step: Mapping[str, object], path: str) -> None:
    """Which steps there are and what they take, `edge.prepare` knows; here, only that nothing is nested."""
    for name, value in step.items():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, (str, int, float)):
                raise TypedError(f"{path}.{name}", "expected a text, a number, true, false, or a list of these")


def _check_unique(names: list[str], path: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise TypedError(path, f"{name!r} stands there twice")


def _check_names(found: Iterable[str], expected: Iterable[str], path: str, *, all_of_them: bool = True) -> None:
    unknown = sorted(set(found) - set(expected))
    absent = sorted(set(expected) - set(found)) if all_of_them else []
    if unknown or absent:
        raise TypedError(
            path, f"found {', '.join(sorted(found)) or 'nothing'}, expected {', '.join(expected) or 'nothing'}"
        )
