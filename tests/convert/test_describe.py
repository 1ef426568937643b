"""Descriptions of packs: read strictly, drafted from a model, and refused until a person has filled them in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from convert.assemble import sha256_of, write_pack
from convert.describe import (
    ThresholdRule,
    check_fits,
    draft,
    parse_description,
    read_description,
    to_manifest,
)
from convert.hints import Hints, InputHint, OutputHint
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, SegmentationTask
from edge.pack.store import EMBEDDED, open_pack
from edge.prepare import STEPS
from edge.testing import tiny_manifest, tiny_model
from edge.typed import dump

TOML = """
name = "bright"
version = "1.0.0"
title = "Bright pictures"
status = "trained"
intended_use = "Tests."
limits = "Knows nothing."

[licence]
spdx = "Apache-2.0"
credits = []

[[inputs]]
name = "image"
tensor = "image"
axes = "NCHW"
shape = [1, 4, 4]
steps = [
    { step = "voi_window" },
    { step = "resize", height = 4, width = 4, interpolation = "area" },
]

[inputs.accepts]
stack = "picture"
colour = "grey"

[task]
kind = "classification"
mode = "binary"
output = "scores"
activation = "sigmoid"

[[task.labels]]
name = "bright"
title = "Bright"
finding = true

[thresholds.bright]
rule = "sensitivity"
at_least = 0.9
"""


def refusal(text: str, name: str = "pack.toml") -> str:
    with pytest.raises(UsageError) as caught:
        parse_description(text.encode(), name)
    return caught.value.message


def document() -> dict[str, Any]:
    """The same description as JSON values."""
    description = parse_description(TOML.encode(), "pack.toml")
    found: dict[str, Any] = dump(description)
    return found


def model_of(outputs: dict[str, list[Any]], image: list[Any], *, last: str = "Identity") -> bytes:
    """A model of which only inputs, outputs and the last operator are to be read."""
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()]
    nodes = [helper.make_node(last, ["image"], [name]) for name in outputs]
    model = helper.make_model(helper.make_graph(nodes, "any", inputs, results), ir_version=10)
    return bytes(model.SerializeToString())


def filled(text: str, answers: Callable[[str], str]) -> str:
    """A draft whose placeholders are replaced, each by what `answers` says to its line."""
    return "\n".join(re.sub(r'"FILL IN[^"]*"', answers(line), line) for line in text.splitlines())


# Reading ---------------------------------------------------------------------------------------------------


def test_a_description_becomes_the_types_of_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "pack.toml"
    path.write_text(TOML, encoding="utf-8")
    description = read_description(path)
    assert description.thresholds == {"bright": ThresholdRule(rule="sensitivity", at_least=0.9)}
    assert isinstance(description.task, ClassificationTask)
    assert description.task.labels[0].urgency == "routine"
    assert description.inputs[0].steps[1]["height"] == 4


def test_json_says_the_same() -> None:
    text = json.dumps(document())
    assert parse_description(text.encode(), "pack.json") == parse_description(TOML.encode(), "pack.toml")


def test_a_mark_that_an_editor_put_in_front_is_passed_over() -> None:
    assert parse_description(b"\xef\xbb\xbf" + TOML.encode(), "pack.toml").name == "bright"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Bright pictures"', "", "$.title: missing"),
        ("limits", "limit", "$.limit: unknown key, did you mean 'limits'?"),
        ("finding = true", "finding = 1", "$.task.labels[0].finding: found 1, expected true or false"),
        (
            'title = "Bright"',
            "title = 2024-05-01",
            "$.task.labels[0].title: found the date 2024-05-01, expected a text",
        ),
        ('title = "Bright"', "title = 2024-05-01T10:00:00Z", "$.task.labels[0].title: found the datetime"),
        ('{ step = "voi_window" }', '{ step = "window", center = 07:30:00, width = 1 }', "$.inputs[0].steps[0].center"),
        ('{ step = "voi_window" }', '{ step = "window", center = inf, width = 1 }', "expected a finite number"),
        ('"voi_window"', '"voi_windw"', "$.inputs[0].steps[0].step: found 'voi_windw', expected one of"),
        ('interpolation = "area"', 'interpolation = "are"', "$.inputs[0].steps[1].interpolation"),
        ("[1, 4, 4]", "[1, 4]", "$.inputs[0].shape: found 2 sizes, expected 3"),
        ('mode = "binary"', 'mode = "multi-class"', "$.task.activation: found 'sigmoid'"),
        ("[thresholds.bright]", "[thresholds.dark]", "$.thresholds.bright: missing"),
        ("at_least = 0.9", "", "$.thresholds.bright.at_least: missing: the rule 'sensitivity' needs it"),
        ("at_least = 0.9", "at_least = 9.0", "$.thresholds.bright.at_least: found 9.0, expected a number from 0 to 1"),
        ("at_least = 0.9", "at_least = 0.9\nvalue = 0.5", "$.thresholds.bright.value: found 0.5, expected none"),
        ('rule = "sensitivity"', 'rule = "youden"', "$.thresholds.bright.at_least: found 0.9, expected none"),
        (
            'rule = "sensitivity"',
            'rule = "dice"',
            "$.thresholds.bright.at_least: found 0.9, expected none for the rule",
        ),
        ('rule = "sensitivity"', 'rule = "fixed"', "$.thresholds.bright.value: missing"),
        ('rule = "sensitivity"', 'rule = "best"', "$.thresholds.bright.rule: found 'best', expected one of"),
        ("finding = true", "finding = false", "$.thresholds.bright: found a threshold, expected them for none"),
        ('name = "bright"\nversion', 'name = "Bright!"\nversion', "$.name: found 'Bright!', expected lower-case"),
        ('version = "1.0.0"', 'version = "1"', "expected a version such as 1.0.0"),
        ('spdx = "Apache-2.0"', 'spdx = "Apache-2.0"\nspdx = "MIT"', "Reading pack.toml: "),
        ('spdx = "Apache-2.0"', 'spdx = "fill in: which"', "$.licence.spdx: still to be filled in"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(old: str, new: str, message: str) -> None:
    assert TOML.count(old) == 1 or old == "[1, 4, 4]"
    said = refusal(TOML.replace(old, new, 1))
    assert said.startswith("Reading pack.toml: ")
    assert message in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "$: found list, expected an object"),
        ('{"name": "a", "name": "b"}', "$..name: the key stands twice"),
        ("{", "Reading pack.json: "),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_no_description_is_refused(text: str, message: str) -> None:
    assert message in refusal(text, "pack.json")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Reading pack\.toml: "):
        parse_description(b"name = \xff", "pack.toml")


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pack\.toml: No such file or directory\. `edgerun-convert init`"):
        read_description(tmp_path / "pack.toml")


def test_softmax_segmentation_takes_no_threshold() -> None:
    found = document()
    label = found["task"]["labels"][0]
    found["task"] = {"kind": "segmentation", "output": "scores", "activation": "softmax", "labels": [label]}
    assert "$.thresholds.bright: found a threshold, expected them for none" in refusal(json.dumps(found), "pack.json")
    found["thresholds"] = {}
    assert isinstance(parse_description(json.dumps(found).encode(), "pack.json").task, SegmentationTask)


def test_a_mask_may_be_cut_where_its_dice_is_largest() -> None:
    found = document()
    label = found["task"]["labels"][0]
    found["task"] = {"kind": "segmentation", "output": "scores", "activation": "sigmoid", "labels": [label]}
    found["thresholds"] = {"bright": {"rule": "dice"}}
    description = parse_description(json.dumps(found).encode(), "pack.json")
    assert description.thresholds == {"bright": ThresholdRule(rule="dice")}
    found["thresholds"]["bright"]["value"] = 0.5
    assert "$.thresholds.bright.value: found 0.5, expected none" in refusal(json.dumps(found), "pack.json")


# To a manifest ---------------------------------------------------------------------------------------------


def test_the_description_of_the_embedded_pack_gives_its_manifest_again() -> None:
    manifest = open_pack(EMBEDDED / "chest-pneumonia").manifest
    kept = dump(manifest)
    for key in ("format", "format_version", "models", "golden", "evidence", "card"):
        del kept[key]
    kept["thresholds"] = {"pneumonia": {"rule": "sensitivity", "at_least": 0.9}}
    description = parse_description(json.dumps(kept).encode(), "pack.json")
    again = to_manifest(description, manifest.models, manifest.golden, manifest.evidence)
    assert replace(again, card=manifest.card) == manifest


def test_a_description_and_a_model_make_a_pack_that_opens(tmp_path: Path) -> None:
    data = tiny_model()
    description = parse_description(TOML.encode(), "pack.toml")
    check_fits(description, data)
    model = tiny_manifest().models[0]
    models = [type(model)(**{**{name: getattr(model, name) for name in model.__slots__}, "sha256": sha256_of(data)})]
    write_pack(tmp_path / "bright", to_manifest(description, models), {model.file: data})
    assert open_pack(tmp_path / "bright").manifest.title == "Bright pictures"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["inputs"][0].update(tensor="picture"), "$.inputs: found the tensors picture, expected image"),
        (lambda d: d["inputs"][0].update(shape=[1, 4, 5]), "$.inputs[0].shape: found 1 x 4 x 5, expected 1 x 4 x 4"),
        (lambda d: d["task"].update(output="score"), "$.task.output: found 'score', expected one of scores"),
        (lambda d: d["task"].update(map_output="cam"), "$.task.map_output: found 'cam'"),
    ],
)
def test_a_description_of_another_model_is_refused(change: Callable[[Any], None], message: str) -> None:
    found = document()
    change(found)
    description = parse_description(json.dumps(found).encode(), "pack.json")
    with pytest.raises(UsageError) as caught:
        check_fits(description, tiny_model())
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("mode", "activation", "labels", "values", "fits"),
    [
        ("multi-class", "softmax", 3, 3, True),
        ("multi-class", "softmax", 3, 4, False),
        ("multi-label", "sigmoid", 2, 3, False),
        ("ordinal", "sigmoid", 3, 2, True),
        ("ordinal", "softmax", 3, 2, False),
        ("softmax", "softmax", 2, 3, True),
        ("sigmoid", "sigmoid", 2, 3, False),
    ],
)
def test_labels_are_counted_against_the_graph(mode: str, activation: str, labels: int, values: int, fits: bool) -> None:
    found = document()
    names = [f"label-{index}" for index in range(labels)]
    found["task"]["labels"] = [{"name": name, "title": name, "finding": index > 0} for index, name in enumerate(names)]
    found["task"].update(mode=mode, activation=activation)
    found["thresholds"] = {name: {"rule": "youden"} for name in names[1:]}
    shape: list[Any] = ["N", values]
    if mode in ("softmax", "sigmoid"):
        found["task"] = {key: found["task"][key] for key in ("output", "activation", "labels")} | {
            "kind": "segmentation"
        }
        shape = ["N", values, 4, 4]
        found["thresholds"] = {} if mode == "softmax" else found["thresholds"]
    description = parse_description(json.dumps(found).encode(), "pack.json")
    data = model_of({"scores": shape}, ["N", 1, 4, 4])
    if fits:
        check_fits(description, data)
        return
    with pytest.raises(UsageError, match=r"\$\.task\.labels: found .* expected "):
        check_fits(description, data)


# Drafting --------------------------------------------------------------------------------------------------


def test_a_draft_is_refused_until_it_is_filled_in() -> None:
    text = draft(tiny_model(), "Bright Pictures!")
    said = refusal(text)
    assert "$.title: still to be filled in, one of 19: $.title; $.status; $.intended_use" in said
    assert "and 9 more" in said
    assert "$.licence.spdx: still" in refusal(filled(text, lambda line: '"x"' if "spdx" not in line else line[7:]))


def answer(line: str) -> str:
    """What a person would put into a line of the draft of the tiny model."""
    answers = {
        "status": '"trained"', "modality": '"DX"', "stack": '"picture"', "finding": "true", "urgency": '"soon"',
        "activation": '"sigmoid"', "rule": '"specificity"', "at_least": "0.95", "age_years": "18",
        "steps": '"voi_window"',
    }  # fmt: skip
    return answers.get(line.partition(" ")[0], '"said"')


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
        (["N", 64, 96, 96, 2], "NDHWC", "[64, 96, 96, 2]"),
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


@pytest.mark.parametrize("sizes", [["N", "T", 6625], ["N", 1000, 1, 1], ["N"]])
def test_outputs_that_are_neither_scores_nor_maps_are_refused(sizes: list[Any]) -> None:
    with pytest.raises(UsageError, match=r"found the outputs scores .* expected scores, N x values, or maps"):
        draft(model_of({"scores": sizes}, ["N", 1, 8, 8]), "any")


def test_a_model_that_sees_no_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="found the input 'image' with 2 axes, expected pictures"):
        draft(model_of({"scores": ["N", 2]}, ["N", 10]), "any")


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
