"""The manifest's tasks: what cannot be done is refused when the pack is read, with the path of the key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.errors import PackError
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Input,
    Label,
    Manifest,
    RegistrationTask,
    Role,
    TranslationTask,
    Windows,
    parse_manifest,
    tensor_shapes,
)
from edge.pack.tasks import Task, outputs_of
from edge.reasons import BAD_MANIFEST
from edge.testing import tiny_input, tiny_manifest, tiny_segmentation, tiny_threshold
from edge.typed import dump

BRIGHT = Label(name="bright", title="Bright", finding=True)
FLAT = tiny_input()
DEEP = replace(FLAT, axes="NCDHW", shape=(1, 8, 8, 8))


def detection(**changes: Any) -> DetectionTask:
    task = DetectionTask(kind="detection", layout="yolov5", output="boxes", activation="none", labels=(BRIGHT,))
    return replace(task, **changes)


def registration(**changes: Any) -> RegistrationTask:
    return replace(RegistrationTask(kind="registration", output="f", fixed="fixed", moving="moving"), **changes)


def translation(**changes: Any) -> TranslationTask:
    task = TranslationTask(kind="translation", output="made", range=(0.0, 1.0), unit="HU", makes="CT")
    return replace(task, **changes)


def several(item: Input, *names: str, tensor: str | None = None) -> tuple[Input, ...]:
    return tuple(replace(item, name=name, tensor=tensor or name) for name in names)


def read(task: Task, inputs: tuple[Input, ...] = (FLAT,)) -> Manifest:
    thresholds = {"bright": tiny_threshold(0.5)} if task.labels else {}
    if getattr(task, "activation", "") == "softmax":
        thresholds = {}
    manifest = tiny_manifest(task=task, inputs=inputs)
    manifest = replace(manifest, models=(replace(manifest.models[0], thresholds=thresholds),))
    return parse_manifest(json.dumps(dump(manifest)).encode(), "x")


def problem(task: Task, inputs: tuple[Input, ...] = (FLAT,)) -> str:
    with pytest.raises(PackError) as caught:
        read(task, inputs)
    assert caught.value.reason is BAD_MANIFEST
    return caught.value.message


SEPARATE = {"layout": "boxes", "scores_output": "s", "labels_output": "l"}


@pytest.mark.parametrize(
    ("task", "inputs"),
    [
        (detection(), (FLAT,)),
        (detection(**SEPARATE, masks_output="m"), (FLAT,)),
        (detection(layout="one-per-label"), (DEEP,)),
        (registration(), several(DEEP, "fixed", "moving")),
        (translation(), (DEEP,)),
        (replace(tiny_segmentation(), windows=Windows(overlap=0.25, mirror=("x", "z"), fill=-1.0)), (DEEP,)),
        (tiny_segmentation(activation="softmax"), several(DEEP, "t1", "t2", tensor="image")),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_a_task_that_can_be_done_is_read_as_it_was_written(task: Task, inputs: tuple[Input, ...]) -> None:
    found = read(task, inputs)
    assert found.task == task
    assert found.inputs == inputs


def test_a_role_is_read_as_it_was_written() -> None:
    roles = (Role(words=("t1",), without=("gd",), contrast=False), Role())
    inputs = tuple(replace(item, role=role) for item, role in zip(several(DEEP, "a", "b"), roles, strict=True))
    assert tuple(item.role for item in read(tiny_segmentation(), inputs).inputs) == roles


@pytest.mark.parametrize("key", ["scores_output", "labels_output"])
def test_separate_boxes_need_their_tensors_and_other_layouts_have_none(key: str) -> None:
    assert f"$.task.{key}: found None, expected a name" in problem(detection(**{**SEPARATE, key: None}))
    assert f"$.task.{key}: found 'x', expected none" in problem(detection(**{key: "x"}))


def test_masks_come_with_separate_boxes_alone() -> None:
    assert "$.task.masks_output: found 'm', expected none for the layout 'yolov5'" in problem(
        detection(masks_output="m")
    )


@pytest.mark.parametrize("layout", ["yolov5", "anchor-free"])
def test_flat_boxes_are_not_for_volumes(layout: str) -> None:
    assert "$.task.layout: found" in problem(detection(layout=layout), (DEEP,))


def test_a_registration_has_a_fixed_and_a_moving_volume_the_fixed_one_first() -> None:
    assert "$.inputs: found 'moving' first" in problem(registration(), several(DEEP, "moving", "fixed"))
    assert "$.task.moving: found 'fixed'" in problem(registration(moving="fixed"), several(DEEP, "fixed"))
    assert "$.task.fixed: found fixed, moving, expected fixed, third" in problem(
        registration(), several(DEEP, "fixed", "third")
    )
    assert "$.task.fixed" in problem(registration(), several(DEEP, "fixed", "moving", "third"))
    assert "$.inputs: found pictures" in problem(registration(), several(FLAT, "fixed", "moving"))


@pytest.mark.parametrize("limits", [(1.0, 0.0), (1.0, 1.0)])
def test_a_range_rises(limits: tuple[float, float]) -> None:
    assert "$.task.range" in problem(translation(range=limits))


def test_windows_have_their_channels_first() -> None:
    task = replace(tiny_segmentation(), windows=Windows())
    assert "$.task.windows" in problem(task, (replace(tiny_input(), axes="NHWC", shape=(4, 4, 1)),))
    assert "$.task.windows" in problem(task, (replace(DEEP, axes="NDHWC", shape=(8, 8, 8, 1)),))


def classes(**changes: Any) -> ClassificationTask:
    task = ClassificationTask(
        kind="classification", mode="binary", output="s", activation="sigmoid", labels=(BRIGHT,), windows=Windows()
    )
    return replace(task, **changes)


@pytest.mark.parametrize("task", [classes(), tiny_segmentation(), detection()], ids=lambda task: task.kind)
def test_pictures_are_seen_in_windows_by_every_task_that_looks_for_something(task: Any) -> None:
    windows = Windows(overlap=0.25, mirror=() if task.kind == "detection" else ("y", "x"))
    assert read(replace(task, windows=windows)).task.windows == windows  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("task", "path"),
    [
        (classes(mode="multi-class", activation="softmax"), "$.task.mode"),
        (classes(map_output="m"), "$.task.map_output"),
        (classes(windows=Windows(mirror=("z",))), "$.task.windows.mirror"),
        (detection(layout="one-per-label", windows=Windows()), "$.task.layout"),
        (detection(**SEPARATE, masks_output="m", windows=Windows()), "$.task.masks_output"),
        (detection(windows=Windows(mirror=("x",))), "$.task.windows.mirror"),
    ],
)
def test_what_has_no_sense_in_windows_is_refused(task: Task, path: str) -> None:
    assert path in problem(task)


@pytest.mark.parametrize("task", [classes(), detection(windows=Windows())], ids=lambda task: task.kind)
def test_volumes_are_seen_in_windows_to_be_segmented_alone(task: Task) -> None:
    assert "$.task.windows: expected one picture" in problem(task, (DEEP,))


def test_volumes_lie_on_no_glass() -> None:
    windows = Windows(skip_glass=True)
    assert "$.task.windows.skip_glass" in problem(replace(tiny_segmentation(), windows=windows), (DEEP,))
    assert read(replace(tiny_segmentation(), windows=windows)).task.windows == windows  # type: ignore[union-attr]


@pytest.mark.parametrize("overlap", [-0.1, 0.91])
def test_the_overlap_of_windows_has_limits(overlap: float) -> None:
    assert "$.task.windows.overlap" in problem(replace(tiny_segmentation(), windows=Windows(overlap=overlap)), (DEEP,))


@pytest.mark.parametrize(("count", "fits"), [(64, True), (65, False)])
def test_labels_that_overlap_are_as_many_as_a_code_has_bits(count: int, fits: bool) -> None:
    labels = tuple(Label(name=f"l{index}", title="L", finding=False) for index in range(count - 1))
    task = replace(tiny_segmentation(), labels=(*labels, BRIGHT))
    if fits:
        assert len(read(task).task.labels) == count
    else:
        assert "$.task.labels: found 65, expected at most 64" in problem(task)


@pytest.mark.parametrize(
    "changes",
    [{"axes": "NHWC", "shape": (4, 4, 1)}, {"shape": (1, 4, 5)}, {"axes": "NCDHW", "shape": (1, 4, 4, 4)}],
    ids=["channels last", "another size", "a volume"],
)
def test_inputs_that_share_a_tensor_are_of_one_size_and_order(changes: dict[str, Any]) -> None:
    first, second = several(FLAT, "a", "b", tensor="image")
    assert "$.inputs[1].shape: found" in problem(tiny_segmentation(), (first, replace(second, **changes)))
    assert read(tiny_segmentation(), (first, replace(second, tensor="other", **changes)))


def test_inputs_that_share_a_tensor_are_its_channels() -> None:
    first, second = several(DEEP, "a", "b", tensor="image")
    colour = replace(second, shape=(3, 8, 8, 8))
    assert tensor_shapes((first, colour)) == {"image": (4, 8, 8, 8)}
    last = [replace(item, axes="NDHWC", shape=(8, 8, 8, count)) for item, count in ((first, 1), (second, 2))]
    assert tensor_shapes(last) == {"image": (8, 8, 8, 3)}
    assert tensor_shapes(several(FLAT, "a", "b")) == {"a": (1, 4, 4), "b": (1, 4, 4)}


def test_the_outputs_of_a_task_are_all_that_it_reads() -> None:
    assert outputs_of(tiny_manifest().task) == ("scores",)
    assert outputs_of(detection(**SEPARATE, masks_output="m")) == ("boxes", "s", "l", "m")
    assert outputs_of(registration()) == ("f",)
    assert outputs_of(translation()) == ("made",)
