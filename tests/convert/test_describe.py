"""Descriptions of packs: read strictly, and refused where they are not of the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from convert.assemble import sha256_of, write_pack
from convert.describe import (
    RULES,
    ThresholdRule,
    check_fits,
    parse_description,
    read_description,
    to_manifest,
)
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, SegmentationTask
from edge.pack.store import EMBEDDED, open_pack
from edge.testing import tiny_manifest, tiny_model
from edge.typed import dump
from tests.convert.descriptions import TOML, document, model_of, refusal

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
            "$.thresholds.bright.rule: found 'dice', expected one of 'sensitivity', 'specificity', 'youden', 'fixed'",
        ),
        ('rule = "sensitivity"', 'rule = "fixed"', "$.thresholds.bright.value: missing"),
        ("at_least = 0.9", "at_least = 0.9\nerror = 0.5", "$.thresholds.bright.error: found 0.5, expected"),
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
    found["thresholds"]["bright"] = {"rule": "dice", "error": 0.1}
    assert "$.thresholds.bright.error: found 0.1, expected none for segm" in refusal(json.dumps(found), "pack.json")


@pytest.mark.parametrize(
    "rule", [{"rule": "youden"}, {"rule": "sensitivity", "at_least": 0.9}, {"rule": "specificity", "at_least": 0.9}]
)
def test_a_mask_has_no_rule_of_scores(rule: dict[str, Any]) -> None:
    found = document()
    label = found["task"]["labels"][0]
    found["task"] = {"kind": "segmentation", "output": "scores", "activation": "sigmoid", "labels": [label]}
    found["thresholds"] = {"bright": rule}
    expected = f"$.thresholds.bright.rule: found {rule['rule']!r}, expected one of 'dice', 'fixed' for segmentation"
    assert expected in refusal(json.dumps(found), "pack.json")


def test_every_rule_is_for_some_task_and_every_task_with_labels_has_rules() -> None:
    known = set(get_args(get_type_hints(ThresholdRule)["rule"]))
    assert known == {rule for rules in RULES.values() for rule in rules}
    assert set(RULES) == {"classification", "segmentation", "detection"}


# To a manifest ---------------------------------------------------------------------------------------------


def test_the_description_of_the_embedded_pack_gives_its_manifest_again() -> None:
    manifest = open_pack(EMBEDDED / "chest-pneumonia").manifest
    kept = dump(manifest)
    for key in ("format", "format_version", "models", "golden", "evidence", "card", "reduced"):
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
        found["thresholds"] = {} if mode == "softmax" else {name: {"rule": "dice"} for name in names[1:]}
    description = parse_description(json.dumps(found).encode(), "pack.json")
    data = model_of({"scores": shape}, ["N", 1, 4, 4])
    if fits:
        check_fits(description, data)
        return
    with pytest.raises(UsageError, match=r"\$\.task\.labels: found .* expected "):
        check_fits(description, data)
