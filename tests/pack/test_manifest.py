"""The manifest: what contradicts itself is refused with P401 and the path of the key, another format with P402."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import PackError
from edge.pack.manifest import Label, Manifest, parse_manifest
from edge.prepare import bind_steps
from edge.reasons import BAD_MANIFEST, WRONG_VERSION
from edge.testing import golden_case, tiny_input, tiny_manifest, tiny_segmentation
from edge.typed import dump

Document = dict[str, Any]
EVIDENCE = {
    "precision": "fp32",
    "engine": "onnxruntime",
    "label": "bright",
    "data": "Phantoms",
    "metric": "auc",
    "value": 0.9,
    "n": 10,
}


def document() -> Document:
    """A manifest that is right, with a golden case and evidence."""
    found: Document = dump(tiny_manifest(golden=(golden_case("golden/a.png", b"x", score=0.5),)))
    found["evidence"] = [dict(EVIDENCE)]
    return found


def changed(path: str, value: object) -> Document:
    """The right manifest with one value put at a place such as ``inputs.0.name``."""
    found: Any = document()
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = found
    for part in way:
        place = place[part]
    place[last] = value
    return dict(found)


def read(found: Document) -> Manifest:
    return parse_manifest(json.dumps(found).encode(), "x/manifest.json")


def refusal(data: bytes) -> PackError:
    with pytest.raises(PackError) as caught:
        parse_manifest(data, "x/manifest.json")
    assert caught.value.message.startswith("Reading x/manifest.json: ")
    return caught.value


def problem(found: Document) -> str:
    error = refusal(json.dumps(found).encode())
    assert error.reason is BAD_MANIFEST
    return error.message.removeprefix("Reading x/manifest.json: ")


def label(name: str, *, finding: bool = True) -> Document:
    return dict(dump(Label(name=name, title=name, finding=finding)))


def test_the_manifest_that_the_other_tests_spoil_is_right() -> None:
    assert read(document()).name == "tiny"


TOO_WRONG = [
    ("nmae", 1, "$.nmae: unknown key, did you mean 'name'?"),
    ("format", "other-pack", "$.format: found 'other-pack', expected one of 'edgerun-pack'"),
    ("format_version", True, "$.format_version: found True, expected one of 1"),
    ("format_version", "1", "$.format_version: found '1', expected one of 1"),
    ("name", "Tiny Pack", "$.name: found 'Tiny Pack', expected lower-case words"),
    ("name", "-tiny", "$.name: found"),
    ("name", "../tiny", "$.name: found"),
    ("version", "1.0", "$.version: found '1.0', expected a version such as 1.0.0"),
    ("version", "\u0661.0.0", "$.version: found"),
    ("title", " \n", "$.title: found ' \\n', expected a text that is not empty"),
    ("status", "ready", "$.status: found 'ready', expected one of 'trained', 'architecture-only'"),
    ("licence", {"spdx": "MIT"}, "$.licence.credits: missing"),
    ("inputs", [], "$.inputs: found 0, expected a length from 1 to 16"),
    ("models", [], "$.models: found 0, expected a length from 1 to 64"),
    ("inputs.0.axes", "NHW", "$.inputs[0].axes: found 'NHW', expected one of 'NCHW'"),
    ("inputs.0.shape", [4, 4], "$.inputs[0].shape: found 2 sizes, expected 3"),
    ("inputs.0.shape", [1, 4, 4, 4], "$.inputs[0].shape: found 4 sizes, expected 3"),
    ("inputs.0.axes", "NCDHW", "$.inputs[0].shape: found 3 sizes, expected 4"),
    ("inputs.0.shape", [1, 0, 4], "$.inputs[0].shape[1]: found 0, expected a number from 1 to 65536"),
    ("inputs.0.accepts.stack", "movie", "$.inputs[0].accepts.stack: found 'movie'"),
    ("inputs.0.accepts.age_years", [1, 2, 3], "$.inputs[0].accepts.age_years: found 3 values, expected 2"),
    ("inputs.0.steps.0", "resize", "$.inputs[0].steps[0]: found 'resize', expected an object"),
    ("inputs.0.steps.2.height", {"at": 4}, "$.inputs[0].steps[2].height: expected a text, a number"),
    ("inputs.0.steps.2.height", [[4]], "$.inputs[0].steps[2].height: expected a text, a number"),
    ("inputs.0.steps.2.height", None, "$.inputs[0].steps[2].height: expected a text, a number"),
    ("task.kind", "guessing", "$.task.kind: found 'guessing', expected one of 'classification', 'segmentation'"),
    ("task.labels", [], "$.task.labels: found 0, expected a length from 1 to 10000"),
    ("task.labels.0.urgency", "now", "$.task.labels[0].urgency: found 'now'"),
    ("task.labels.0.code", {"scheme": "ICD", "value": "1", "meaning": "x"}, "$.task.labels[0].code.scheme: found"),
    ("models.0.verdict", "fine", "$.models[0].verdict: found 'fine'"),
    ("models.0.precision", "fp64", "$.models[0].precision: found 'fp64'"),
    ("models.0.sha256", "0" * 63, "$.models[0].sha256: found"),
    ("models.0.sha256", "A" * 64, "$.models[0].sha256: found"),
    ("models.0.engines", [], "$.models[0].engines: found 0, expected a length from 1 to 20"),
    ("models.0.thresholds", {}, "$.models[0].thresholds.bright: missing: the label can be a finding"),
    ("models.0.thresholds.bright.value", 1.1, "$.models[0].thresholds.bright.value: found 1.1, expected a number"),
    ("models.0.thresholds.bright.n", 0, "$.models[0].thresholds.bright.n: found 0"),
    ("golden.0.scans", {"scan": "golden/a.png"}, "$.golden[0].scans: found scan, expected image"),
    ("golden.0.scans", {}, "$.golden[0].scans: found nothing, expected image"),
    ("golden.0.sha256", {}, "$.golden[0].sha256: found nothing, expected image"),
    ("golden.0.sha256", {"image": "0" * 64, "more": "0" * 64}, "$.golden[0].sha256: found image, more"),
    ("golden.0.expect", {}, "$.golden[0].expect: found nothing, expected fp32"),
    ("golden.0.expect.fp32.scores", {"dark": 0.5}, "$.golden[0].expect.fp32.scores: found dark, expected bright"),
    ("golden.0.expect.fp32.scores.bright", -0.1, "$.golden[0].expect.fp32.scores.bright: found -0.1"),
    ("golden.0.expect.fp32.tolerance", 0.2, "$.golden[0].expect.fp32.tolerance: found 0.2, expected a number"),
    ("evidence.0.label", "dark", "$.evidence[0].label: found dark, expected bright"),
    ("evidence.0.interval", [0.1], "$.evidence[0].interval: found 1 values, expected 2"),
    ("evidence.0.n", 0, "$.evidence[0].n: found 0"),
    (
        "task.activation",
        "softmax",
        "$.task.activation: found 'softmax', expected 'sigmoid' or 'none' for mode 'binary'",
    ),
]


@pytest.mark.parametrize(
    ("path", "value", "said"), TOO_WRONG, ids=[f"{path}={value!r}"[:40] for path, value, _ in TOO_WRONG]
)
def test_what_is_wrong_is_refused_with_the_path_of_its_key(path: str, value: object, said: str) -> None:
    assert problem(changed(path, value)).startswith(said)


@pytest.mark.parametrize("key", ["format", "name", "intended_use", "limits", "licence", "inputs", "task", "models"])
def test_what_every_manifest_needs_is_missed(key: str) -> None:
    found = document()
    del found[key]
    assert problem(found) == f"$.{key}: missing."


BAD_FILES = [
    "/etc/passwd",
    "../model.onnx",
    "a/../model.onnx",
    "a..b",
    "a\\b.onnx",
    "a/",
    "a//b",
    "./a",
    ".hidden",
    "a/.b",
    "C:/a",
    "C:a",
    "",
    "a b",
    "a\x00b",
    "a\n",
    "-a",
    "modèle.onnx",
    "~/a",
]


@pytest.mark.parametrize("file", BAD_FILES)
@pytest.mark.parametrize(
    ("place", "path"), [("models.0.file", "$.models[0].file"), ("golden.0.scans.image", "$.golden[0].scans.image")]
)
def test_a_file_that_is_not_surely_inside_the_pack_is_refused(file: str, place: str, path: str) -> None:
    said = problem(changed(place, file))
    assert said.startswith(f"{path}: found {file!r}, expected a plain relative path")


@pytest.mark.parametrize("file", ["model.onnx", "golden/a-1_b.dcm", "a/b/c.d.e", "_x/0"])
def test_a_plain_relative_path_is_taken(file: str) -> None:
    assert read(changed("models.0.file", file)).models[0].file == file


def test_another_version_of_the_format_is_said_to_be_one_whatever_else_it_holds() -> None:
    error = refusal(json.dumps({**document(), "format_version": 2, "brand_new": {}}).encode())
    assert error.reason is WRONG_VERSION
    assert "found format_version 2, expected 1" in error.message


def twice(key: str) -> Callable[[Document], None]:
    def repeat(found: Document) -> None:
        place: Any = found
        for part in key.split("."):
            place = place[part]
        place.append(copy.deepcopy(place[0]))

    return repeat


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("inputs", "$.inputs: 'image' stands there twice"),
        ("task.labels", "$.task.labels: 'bright' stands there twice"),
        ("models", "$.models: 'fp32 on onnxruntime' stands there twice"),
    ],
)
def test_a_name_that_stands_twice_is_refused(key: str, said: str) -> None:
    found = document()
    twice(key)(found)
    assert problem(found).startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": [label("bright"), label("dark")]}, "$.task.labels: found 2, expected the one positive label"),
        ({"mode": "ordinal"}, "$.task.labels: expected grades in rising severity, the first being no finding"),
        (
            {"mode": "ordinal", "labels": [label("mild"), label("grave")]},
            "$.task.labels: expected grades in rising severity, the first being no finding",
        ),
        ({"mode": "multi-label", "activation": "softmax"}, "$.task.activation: found 'softmax', expected 'sigmoid'"),
        ({"mode": "multi-class", "activation": "sigmoid"}, "$.task.activation: found 'sigmoid', expected 'softmax'"),
    ],
)
def test_a_task_whose_parts_do_not_fit_each_other_is_refused(changes: Document, said: str) -> None:
    found = document()
    found["task"] |= changes
    assert problem(found).startswith(said)


def test_an_ordinal_task_with_a_normal_grade_first_is_taken() -> None:
    found = document()
    found["task"] |= {"mode": "ordinal", "labels": [label("none", finding=False), label("bright")]}
    found["golden"] = []
    assert read(found).task.labels[0].name == "none"


def test_a_threshold_for_no_label_is_refused() -> None:
    found = document()
    thresholds = found["models"][0]["thresholds"]
    thresholds["dark"] = thresholds["bright"]
    assert problem(found).startswith("$.models[0].thresholds: found bright, dark, expected bright")


def test_a_threshold_for_a_label_that_is_no_finding_is_refused() -> None:
    assert problem(changed("task.labels.0.finding", False)).startswith(
        "$.models[0].thresholds: found bright, expected nothing"
    )


def test_a_softmax_segmentation_takes_the_greatest_and_so_no_threshold() -> None:
    found = dump(tiny_manifest(task=tiny_segmentation(activation="softmax")))
    assert problem(found).startswith("$.models[0].thresholds: found bright, expected nothing")
    found["models"][0]["thresholds"] = {}
    assert read(found).task.kind == "segmentation"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xff", "can't decode"),
        (b"[]", "$: found [], expected an object"),
        (b"null", "$: found null, expected an object"),
        (b'{"name": "a", "b": {"x": 1, "y": 2, "x": 3}}', "$..x: the key stands twice in one object"),
        (b'{"value": NaN}', "found NaN, expected a finite number"),
        (b'{"value": -Infinity}', "found -Infinity, expected a finite number"),
        (b'{"value": 1e999}', "found 1e999, expected a finite number"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b"1" * 5000, "Exceeds the limit"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_manifest_at_all_is_refused_with_what_is_wrong(data: bytes, said: str) -> None:
    error = refusal(data)
    assert error.reason is BAD_MANIFEST
    assert said in error.message


def test_a_whole_number_that_no_float_can_hold_is_refused() -> None:
    found = json.dumps(changed("evidence.0.value", 7)).replace('"value": 7', f'"value": {10**400}')
    assert "$.evidence[0].value" in refusal(found.encode()).message


def test_half_of_a_surrogate_pair_cannot_reach_the_screen() -> None:
    error = refusal(json.dumps(changed("title", "\ud800")).encode())
    assert "$.title" in error.message
    assert error.message.encode()


def test_a_hundred_thousand_keys_with_one_twice_are_refused_at_once() -> None:
    pairs = ",".join(f'"k{number}":1' for number in range(100_000))
    assert "'k5'" not in refusal(f'{{{pairs},"k5":2}}'.encode()).message
    assert "$..k5: the key stands twice" in refusal(f'{{{pairs},"k5":2}}'.encode()).message


@given(st.binary(max_size=64))
def test_bytes_of_any_kind_are_refused_and_nothing_else_escapes(data: bytes) -> None:
    assert refusal(data).reason in (BAD_MANIFEST, WRONG_VERSION)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_manifest_with_one_byte_changed_is_read_or_refused(at: int, byte: int) -> None:
    data = bytearray(json.dumps(document()).encode())
    data[at % len(data)] = byte
    with contextlib.suppress(PackError):
        manifest = parse_manifest(bytes(data), "x")
        assert parse_manifest(json.dumps(dump(manifest)).encode(), "x") == manifest


STEPS_GONE_WRONG = [
    ({"step": "resise"}, "$.inputs[0].steps[1].step: found 'resise', expected one of center_crop_or_pad"),
    ({}, "$.inputs[0].steps[1].step: found None, expected one of"),
    ({"step": 3}, "$.inputs[0].steps[1].step: found 3, expected one of"),
    ({"step": "orient", "axis": 1}, "$.inputs[0].steps[1].axis: unknown key"),
    ({"step": "resize", "height": 4, "width": 4}, "$.inputs[0].steps[1].interpolation: missing"),
    (
        {"step": "resize", "height": 4, "width": 4, "interpolation": "best"},
        "$.inputs[0].steps[1].interpolation: found 'best', expected one of 'nearest'",
    ),
    (
        {"step": "resize", "hieght": 4, "width": 4, "interpolation": "area"},
        "$.inputs[0].steps[1].hieght: unknown key, did you mean 'height'?",
    ),
    ({"step": "center_crop_or_pad", "height": 0, "width": 4}, "$.inputs[0].steps[1].height: found 0, expected"),
    ({"step": "center_crop_or_pad", "height": 4, "width": 65537}, "$.inputs[0].steps[1].width: found 65537"),
    ({"step": "select_frame", "at": 1.5}, "$.inputs[0].steps[1].at: found 1.5, expected a number from 0 to 1"),
    ({"step": "window", "center": 0, "width": 0}, "$.inputs[0].steps[1].width: found 0.0"),
    ({"step": "percentile_clip", "low": -1, "high": 99}, "$.inputs[0].steps[1].low: found -1.0"),
    ({"step": "rescale", "low": 0, "high": 1, "clip": 1}, "$.inputs[0].steps[1].clip: found 1, expected true or false"),
    ({"step": "normalise", "mean": 0.5, "std": [1]}, "$.inputs[0].steps[1].mean: found 0.5, expected an array"),
    ({"step": "normalise", "mean": [0.5], "std": [0]}, "$.inputs[0].steps[1].std[0]: found 0.0"),
]


@pytest.mark.parametrize(("step", "said"), STEPS_GONE_WRONG, ids=[f"{step}"[:40] for step, _ in STEPS_GONE_WRONG])
def test_a_step_that_there_is_not_or_that_takes_something_else_is_refused(step: Document, said: str) -> None:
    with pytest.raises(PackError) as caught:
        bind_steps(tiny_input(steps=[{"step": "monochrome2"}, step]), "$.inputs[0]")
    assert caught.value.reason is BAD_MANIFEST
    assert caught.value.message.startswith(f"Reading the manifest: {said}")


def test_the_steps_of_the_tiny_pack_are_bound_in_their_order() -> None:
    names = [step.func.__name__ for step in bind_steps(tiny_input(), "$.inputs[0]")]  # type: ignore[attr-defined]
    assert names == ["monochrome2", "voi_window", "resize"]
