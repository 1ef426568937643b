"""Drafts of descriptions: what the graph tells is written down, and the rest is refused until it is filled in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from convert.describe import Description, ThresholdRule, check_fits, draft, parse_description
from convert.hints import Hints, InputHint, OutputHint
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, DetectionTask, RegistrationTask, SegmentationTask, Windows
from edge.prepare import STEPS
from edge.testing import tiny_model
from tests.convert.descriptions import answer, filled, model_of, refusal

# Drafting --------------------------------------------------------------------------------------------------


def test_a_draft_is_refused_until_it_is_filled_in() -> None:
    text = draft(tiny_model(), "Bright Pictures!")
    said = refusal(text)
    assert "$.title: still to be filled in, one of 19: $.title; $.status; $.intended_use" in said
    assert "and 9 more" in said
    assert "$.licence.spdx: still" in refusal(filled(text, lambda line: '"x"' if "spdx" not in line else line[7:]))


def test_a_draft_that_is_filled_in_describes_the_model() -> None:
    data = tiny_model()
    description = parse_description(filled(draft(data, "Bright Pictures!"), answer).encode(), "pack.toml")
    check_fits(description, data)
    assert description.name == "bright-pictures"
    assert description.inputs[0].shape == (1, 4, 4)
    assert description.inputs[0].axes == "NCHW"
    assert isinstance(description.task, ClassificationTask)
    assert description.task.mode == "binary"
    assert description.thresholds == {"label-0": ThresholdRule(rule="specificity", at_least=0.95)}


@pytest.mark.parametrize(
    ("sizes", "axes", "shape"),
    [
        (["N", 3, 224, 200], "NCHW", "[3, 224, 200]"),
        (["N", 224, 200, 3], "NHWC", "[224, 200, 3]"),
        (["N", 1, 64, 96, 96], "NCDHW", "[1, 64, 96, 96]"),
        (["N", 64, 96, 96, 1], "NDHWC", "[64, 96, 96, 1]"),
        (["N", "C", 64, 96, 96], "NCDHW", '["FILL IN: size of axis C", 64, 96, 96]'),
        (["N", 3, "H", "W"], "NCHW", '[3, "FILL IN: size of axis H", "FILL IN: size of axis W"]'),
    ],
)
def test_axes_are_guessed_from_the_sizes(sizes: list[Any], axes: str, shape: str) -> None:
    text = draft(model_of({"scores": ["N", 2]}, sizes), "any")
    assert f'axes = "{axes}"  # a guess' in text
    assert f"shape = {shape}" in text
    assert ('stack = "volume"' in text) == (len(sizes) == 5)


def test_every_step_is_drafted_with_its_options() -> None:
    text = draft(tiny_model(), "any")
    assert "#   rescale: low, high, [to_low], [to_high], [clip]\n" in text
    assert "#   monochrome2\n" in text
    assert all(re.search(rf"^#   {name}(:|$)", text, re.MULTILINE) for name in STEPS)


def test_masks_are_drafted_with_the_rules_that_masks_can_have() -> None:
    text = draft(model_of({"maps": ["N", 2, 8, 8]}, ["N", 1, 8, 8]), "any")
    assert text.count('rule = "FILL IN: dice or fixed"') == 2
    assert "at_least" not in text
    assert "dice" not in draft(tiny_model(), "any")


def test_one_label_is_drafted_for_each_value() -> None:
    text = draft(model_of({"scores": ["N", 14]}, ["N", 1, 8, 8]), "any")
    assert text.count("[[task.labels]]") == text.count("[thresholds.label-") == 14
    assert 'mode = "FILL IN: multi-class' in text


def test_an_activation_in_the_graph_is_not_put_on_twice() -> None:
    text = draft(model_of({"scores": ["N", 2]}, ["N", 1, 8, 8], last="Sigmoid"), "any")
    assert 'activation = "none"' in text
    assert 'activation = "FILL IN' in draft(model_of({"scores": ["N", 2]}, ["N", 1, 8, 8]), "any")


def test_maps_are_drafted_as_segmentation_and_beside_scores_as_influence() -> None:
    image = ["N", 1, 8, 8]
    assert 'kind = "segmentation"' in draft(model_of({"mask": ["N", 2, 8, 8]}, image), "any")
    both = draft(model_of({"mask": ["N", 2, 8, 8], "scores": ["N", 2]}, image), "any")
    assert 'kind = "classification"' in both
    assert '# map_output = "mask"' in both


def test_an_activation_is_seen_through_what_only_passes_it_on() -> None:
    model = onnx.load_from_string(model_of({"shares": ["N", 2]}, ["N", 1, 8, 8], last="Softmax"))
    model.graph.node.append(helper.make_node("Identity", ["shares"], ["scores"]))
    model.graph.output[0].name = "scores"
    assert 'activation = "none"  # the graph ends in Softmax' in draft(model.SerializeToString(), "any")
    mask = model_of({"mask": ["N", 2, 8, 8]}, ["N", 1, 8, 8], last="Sigmoid")
    assert "an activation of its own (Sigmoid)" in draft(mask, "any")


@pytest.mark.parametrize(
    "sizes", [["N", "T", 6625], ["N", 1000, 1, 1], ["N"], ["N", 3, 20, 20, 85, 1], ["N", 3, 20], [5, 4, 100]]
)
def test_outputs_that_the_runtime_cannot_read_are_refused(sizes: list[Any]) -> None:
    expected = (
        r"found the outputs scores .* expected scores, N x values; maps as large as the scan, .*; or decoded boxes"
    )
    with pytest.raises(UsageError, match=expected):
        draft(model_of({"scores": sizes}, ["N", 1, 8, 8]), "any")


def test_maps_with_their_channels_last_are_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"'mask', \? x 64 x 64 x 2, has its channels last, .* channels first"):
        draft(model_of({"mask": ["N", 64, 64, 2]}, ["N", 64, 64, 1]), "any")


# Inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (["N", 10], "found 2 axes, expected a picture (4) or a volume (5). The runtime feeds scans alone"),
        (["N", 8, 8], "found 3 axes, expected 4, or 5 of a volume: batch, channels, and the sizes of the scan"),
        (["N", 1, 4, 8, 8, 8], "found 6 axes, expected a picture (4) or a volume (5)"),
        ([8, 1, 8, 8], "found a batch of 8, expected an open one, or 1"),
        (["N", 20, 8, 8, 8], "its inputs take 20 scans of a patient, expected 1 to 16"),
    ],
)
def test_an_input_that_cannot_be_fed_is_refused_with_what_to_do(sizes: list[Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        draft(model_of({"scores": ["N", 2]}, sizes), "any")
    assert message in caught.value.message


def test_a_value_beside_the_scan_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match=r"the input 'age', \? x 1: found 2 axes.* age or sex: export the model with"):
        draft(model_of({"scores": ["N", 2]}, ["N", 1, 8, 8], age=["N", 1]), "any")


def test_a_model_without_an_input_is_refused() -> None:
    with pytest.raises(UsageError, match="its inputs take 0 scans"):
        draft(constant_model(), "any")


def constant_model() -> bytes:
    model = onnx.load_model_from_string(model_of({"scores": ["N", 2]}, ["N", 1, 8, 8]))
    del model.graph.input[:]
    return bytes(model.SerializeToString())


def completed(data: bytes, **answers: str) -> Description:
    """The description that a draft becomes, once a person has filled it in."""

    def said(line: str) -> str:
        return answers.get(line.partition(" ")[0], answer(line))

    description = parse_description(filled(draft(data, "any"), said).encode(), "pack.toml")
    check_fits(description, data)
    return description


def test_a_volume_is_drafted_with_what_volumes_need() -> None:
    data = model_of({"mask": ["N", 2, 32, 48, 48]}, ["N", 1, 32, 48, 48])
    text = draft(data, "any")
    assert '{ step = "orient" }' in text
    assert '{ step = "pad_or_crop_volume", shape = [32, 48, 48] }' in text
    assert "must bring a whole scan to 32 x 48 x 48" in text
    assert "# [task.windows]\n# overlap = 0.5" in text
    assert 'monochrome2" }' not in text
    assert "view = " not in text
    description = completed(data, steps='"orient"', rule='"dice"')
    assert (description.inputs[0].axes, description.inputs[0].accepts.stack) == ("NCDHW", "volume")
    assert isinstance(description.task, SegmentationTask)


def test_the_lines_that_are_commented_out_fit_where_they_stand() -> None:
    data = model_of({"mask": ["N", 2, 32, 48, 48]}, ["N", 1, 32, 48, 48])
    text = filled(draft(data, "any"), lambda line: answer(line) if "rule" not in line else '"dice"')
    text = text.replace("# [task.windows]", "[task.windows]").replace("# overlap", "overlap").replace("# mirr", "mirr")
    task = parse_description(text.encode(), "pack.toml").task
    assert isinstance(task, SegmentationTask)
    assert task.windows == Windows(overlap=0.5, mirror=())


SLIDES = {
    "classification": {"scores": ["N", 1]},
    "segmentation": {"maps": ["N", 2, 8, 8]},
    "detection": {"boxes": ["N", 300, 7]},
}


RULE_OF = {"classification": '"specificity"', "segmentation": '"dice"', "detection": '"f1"'}


@pytest.mark.parametrize("kind", SLIDES)
def test_the_windows_of_a_picture_fit_where_they_stand(kind: str) -> None:
    def said(line: str) -> str:
        return {"rule": RULE_OF[kind], "colour": '"grey"'}.get(line.partition(" ")[0], answer(line))

    text = draft(model_of(SLIDES[kind], ["N", 1, 8, 8]), "any")
    assert "must bring a whole scan to 8 x 8; with it, a larger one is seen piece by\n" in text
    assert "# piece, each of that size, such as a slide:\n" in text
    assert ("# mirror = []" in text) == (kind != "detection")
    text = filled(text, said)
    for word in ("[task.windows]", "overlap = 0.5 ", "mirror", "skip_glass"):
        text = text.replace(f"# {word}", word)
    task = parse_description(text.encode(), "pack.toml").task
    assert isinstance(task, (ClassificationTask, SegmentationTask, DetectionTask))
    assert task.kind == kind
    assert task.windows == Windows(overlap=0.5, skip_glass=True)


@pytest.mark.parametrize("sizes", [["N", 8, 8, 3], ["N", 5, 8, 8]])
def test_no_windows_are_drafted_for_a_picture_that_is_not_seen_in_them(sizes: list[Any]) -> None:
    """Channels last, or several scans of one patient."""
    assert "[task.windows]" not in draft(model_of({"scores": ["N", 1]}, sizes), "any")


def test_channels_that_no_single_scan_has_are_scans_of_their_own() -> None:
    data = model_of({"scores": ["N", 1]}, ["N", 4, 32, 48, 48])
    text = draft(data, "any")
    assert "No single scan has 4 channels" in text
    assert text.count("# From the scan to the tensor") == text.count("series description (0008,103E)") == 1
    description = completed(data, steps='"orient"')
    assert [item.name for item in description.inputs] == ["image-1", "image-2", "image-3", "image-4"]
    assert {(item.tensor, item.shape) for item in description.inputs} == {("image", (1, 32, 48, 48))}
    assert all(item.role is not None and item.role.words == ("said",) for item in description.inputs)


def test_scans_are_called_what_their_makers_call_them() -> None:
    hint = InputHint(name="image", channel_names=("T1 native", "FLAIR"))
    text = draft(model_of({"scores": ["N", 1]}, ["N", 2, 16, 16]), "any", Hints(inputs=(hint,)))
    assert 'name = "t1-native"' in text
    assert "Its makers say: FLAIR" in text


def test_three_channels_of_a_picture_are_its_colours() -> None:
    text = draft(model_of({"scores": ["N", 1]}, ["N", 3, 16, 16]), "any")
    assert text.count("[[inputs]]") == 1
    assert "[inputs.role]" not in text
    assert 'colour = "FILL IN' in text


def test_several_tensors_are_several_inputs_with_their_roles() -> None:
    data = model_of({"scores": ["N", 1]}, ["N", 1, 16, 16], other=["N", 3, 16, 16])
    description = completed(data, stack='"picture"', colour='"rgb"')
    assert [(item.name, item.tensor, item.shape[0]) for item in description.inputs] == [
        ("image", "image", 1),
        ("other", "other", 3),
    ]
    assert all(item.role is not None for item in description.inputs)


def test_no_two_inputs_are_drafted_under_one_name() -> None:
    data = model_of({"scores": ["N", 1]}, [], T1=["N", 1, 16, 16], t1=["N", 1, 16, 16])
    assert [item.name for item in completed(data).inputs] == ["t1-1", "t1-2"]


# Tasks -----------------------------------------------------------------------------------------------------


def test_two_volumes_and_three_directions_are_drafted_as_registration() -> None:
    sizes = ["N", 1, 16, 16, 16]
    data = model_of({"field": ["N", 3, 16, 16, 16]}, [], still=sizes, moving=sizes)
    description = completed(data, steps='"orient"')
    assert isinstance(description.task, RegistrationTask)
    assert (description.task.fixed, description.task.moving) == ("still", "moving")
    assert description.thresholds == {}


def test_two_volumes_in_one_tensor_are_outlined_unless_a_person_knows_better() -> None:
    text = draft(model_of({"field": ["N", 3, 16, 16, 16]}, ["N", 2, 16, 16, 16]), "any")
    assert 'kind = "segmentation"' in text
    assert '# fixed = "image-1", moving = "image-2".' in text
    assert "'registration'" not in draft(model_of({"field": ["N", 2, 16, 16, 16]}, ["N", 2, 16, 16, 16]), "any")


@pytest.mark.parametrize(
    ("sizes", "layout", "labels"),
    [
        (["N", 25200, 7], "yolov5", 2),
        (["N", "boxes", 6], "yolov5", 1),
        (["N", 6, 8400], "anchor-free", 2),
        (["N", 5, "boxes"], "anchor-free", 1),
    ],
)
def test_decoded_boxes_are_drafted_as_detection(sizes: list[Any], layout: str, labels: int) -> None:
    data = model_of({"boxes": sizes}, ["N", 3, 64, 64])
    description = completed(data, colour='"grey"', rule='"fixed"\nvalue = 0.25')
    assert isinstance(description.task, DetectionTask)
    assert (description.task.layout, len(description.task.labels)) == (layout, labels)


def test_a_box_for_each_organ_of_a_volume_is_drafted_as_such() -> None:
    data = model_of({"boxes": ["N", 6, 7]}, ["N", 1, 32, 32, 32])
    description = completed(data, steps='"orient"', rule='"fixed"\nvalue = 0.5')
    assert isinstance(description.task, DetectionTask)
    assert (description.task.layout, len(description.task.labels)) == ("one-per-label", 6)


def test_boxes_that_come_one_by_one_are_drafted_with_what_stands_beside_them() -> None:
    outputs: dict[str, list[Any]] = {"boxes": ["n", 4], "labels": ["n"], "scores": ["n"], "masks": ["n", 1, 28, 28]}
    data = model_of(outputs, ["N", 3, 64, 64])
    task = completed(data, colour='"grey"', rule='"fixed"\nvalue = 0.5').task
    assert isinstance(task, DetectionTask)
    assert (task.layout, task.output) == ("boxes", "boxes")
    assert (task.scores_output, task.labels_output, task.masks_output) == ("scores", "labels", "masks")


def test_an_image_made_from_a_scan_is_told_of_where_it_may_be_one() -> None:
    image = ["N", 1, 8, 8]
    assert "kind = 'translation'" in draft(model_of({"maps": ["N", 1, 8, 8]}, image), "any")
    assert "kind = 'translation'" not in draft(model_of({"maps": ["N", 2, 8, 8]}, image), "any")


# Values ----------------------------------------------------------------------------------------------------


def beginning(*nodes: Any, **constants: Any) -> str:
    """The draft of a model that begins with these nodes, from ``image`` to ``scores``."""
    model = onnx.load_model_from_string(model_of({"scores": ["N", 2]}, ["N", 3, 8, 8]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    return draft(model.SerializeToString(), "any")


@pytest.mark.parametrize(
    ("kind", "values"),
    [(TensorProto.UINT8, "0 to 255"), (TensorProto.UINT16, "0 to 65535"), (TensorProto.INT8, "-128")],
)
def test_what_is_cast_to_whole_numbers_must_not_be_brought_to_0_to_1(kind: int, values: str) -> None:
    text = beginning(helper.make_node("Cast", ["image"], ["scores"], to=kind))
    assert f"the steps must leave {values}" in text
    assert ("to_high = " in text) == (kind != TensorProto.INT8)


@pytest.mark.parametrize(
    ("operator", "constant", "words"),
    [
        ("Div", 255.0, "divides it by 255"),
        ("Mul", 1 / 255, "multiplies it by 0.00392157"),
        ("Sub", [[[123.675]], [[116.28]], [[103.53]]], "subtracts from it 123.675, 116.28, 103.53"),
        ("Add", -127.5, "adds to it -127.5"),
    ],
)
def test_a_graph_that_normalises_itself_wants_what_was_before(operator: str, constant: Any, words: str) -> None:
    moved = helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 1, 3, 2])
    text = beginning(moved, helper.make_node(operator, ["moved", "number"], ["scores"]), number=constant)
    assert f"# The graph itself {words}: the steps must leave what it was before that" in text
    assert "to_high = 255.0" in text


def test_values_of_a_ct_are_not_taken_for_pixels() -> None:
    text = beginning(helper.make_node("Div", ["image", "number"], ["scores"]), number=1000.0)
    assert "divides it by 1000: the steps must leave what it was before that, not 0 to 1" in text
    assert "to_high = 255.0" not in text


@pytest.mark.parametrize(
    ("operator", "constant"), [("Div", 0.25), ("Mul", 2.0), ("Sub", 0.485), ("Add", 0.0), ("Sub", float("nan"))]
)
def test_small_numbers_tell_nothing_of_the_range(operator: str, constant: float) -> None:
    text = beginning(helper.make_node(operator, ["image", "number"], ["scores"]), number=constant)
    assert "The graph itself" not in text


def test_a_range_that_the_makers_tell_is_what_the_steps_must_leave() -> None:
    hint = InputHint(name="image", value_range=(0.0, 255.0))
    text = draft(tiny_model(), "any", Hints(inputs=(hint,)))
    assert "fed values from 0 to 255: that is what the steps must leave" in text


# What the makers say ---------------------------------------------------------------------------------------


def test_what_the_makers_say_is_quoted_and_still_to_be_confirmed() -> None:
    hints = Hints(
        version="0.3.0", title="Lungs", intended_use='Not "clinical"', credits=("A. Maker",),
        inputs=(InputHint(name="image", modality="CT", value_range=(0.0, 1.0), channel_names=("scan",)),),
        outputs=(OutputHint(name="mask", channel_names=("background", "Left Lung")),),
    )  # fmt: skip
    text = draft(model_of({"mask": ["N", 2, 8, 8]}, ["N", 1, 8, 8]), "any", hints)
    assert 'version = "0.3.0"' in text
    assert r"Its makers say: Not \"clinical\"" in text
    assert "fed values from 0 to 1" in text
    assert 'name = "left-lung"' in text
    assert 'name = "background"' not in text
    for path in ("$.title", "$.intended_use", "$.inputs[0].accepts.modality[0]"):
        assert path in refusal(text)


@given(words=st.text(), name=st.text())
def test_no_word_of_the_makers_breaks_the_draft(words: str, name: str) -> None:
    hints = Hints(
        title=words, limits=words, credits=(words,), inputs=(InputHint(name="image", channel_names=(words,)),),
        outputs=(OutputHint(name="scores", channel_names=(words,)),),
    )  # fmt: skip
    assert "still to be filled in" in refusal(draft(tiny_model(), name, hints))
