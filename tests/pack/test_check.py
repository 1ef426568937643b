"""Checking a pack: whole, safe, and giving its known answers here."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.engines import ENGINES
from edge.errors import CodedError, EngineError, PackError
from edge.pack.check import check_pack
from edge.pack.describe import describe, describe_checks
from edge.pack.golden import GoldenResult, run_golden
from edge.pack.manifest import Manifest
from edge.pack.store import EMBEDDED, Pack, open_pack
from edge.reasons import (
    BAD_MANIFEST,
    BAD_OUTPUT,
    ENGINE_NOT_PREPARED,
    ENGINE_RUN,
    GOLDEN_FAILED,
    HASH_MISMATCH,
    MISSING_FILE,
    MODEL_MISMATCH,
    UNSAFE_MODEL,
    Reason,
)
from edge.table import Entry
from edge.testing import (
    FakeEngine,
    golden_case,
    tiny_input,
    tiny_manifest,
    tiny_model,
    tiny_segmentation,
    write_tiny_pack,
)
from edge.typed import dump
from tests.pack.test_archive import zipped

cv2: Any = importlib.import_module("cv2")  # its types change between the versions that we support

FILE = "golden/case.png"
SIDE = 8


def picture() -> bytes:
    """Bright above and dark below."""
    grey = np.zeros((SIDE, SIDE), dtype=np.uint8)
    grey[: SIDE // 2] = 255
    grey[SIDE // 2 :] = 25
    encoded = cv2.imencode(".png", grey)[1].tobytes()
    return bytes(encoded)


MEAN = (255 + 25) / 2 / 255
SCORE = float(1 / (1 + np.exp(-20 * (MEAN - 0.5))))


LOAD = Entry.load


def built(
    folder: Path, manifest: Manifest | None = None, model: bytes | None = None, data: bytes | None = None
) -> Path:
    """A tiny pack with one golden case of a picture that is right."""
    found = data or picture()
    given = manifest or tiny_manifest()
    if not given.golden:
        given = replace(given, golden=(golden_case(FILE, found, score=SCORE),))
    path = write_tiny_pack(folder / "tiny", given, model)
    (path / FILE).parent.mkdir()
    (path / FILE).write_bytes(found)
    return path


def refusal(path: Path, reason: Reason, kind: type[CodedError] = PackError) -> str:
    with pytest.raises(kind) as caught:
        check_pack(open_pack(path))
    assert caught.value.reason is reason
    return caught.value.message


def remade(change: Callable[[Any], None]) -> bytes:
    """The tiny model with a change to its graph."""
    model = onnx.load_from_string(tiny_model())
    change(model.graph)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("build", [lambda path: path, zipped], ids=["folder", "zip"])
def test_a_pack_that_gives_its_known_answer_passes(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    pack = open_pack(build(built(tmp_path)))
    (found,) = check_pack(pack)
    assert found.engine is not None
    assert (found.precision, found.verdict, found.engine.name) == ("fp32", "reference", "onnxruntime")
    assert found.onnx.opset == 18
    (case,) = found.golden
    assert case.passed
    assert case.largest_difference < 1e-5
    assert describe_checks(pack, [found])[-1].startswith("  fp32 on onnxruntime")


def test_what_comes_with_edgerun_passes() -> None:
    for path in sorted(EMBEDDED.iterdir()):
        found = check_pack(open_pack(path))
        assert found[0].verdict == "reference"
        assert all(len(item.golden) == 4 for item in found if item.engine)


def test_a_known_answer_that_does_not_come_is_told_with_how_far_off_it_is(tmp_path: Path) -> None:
    manifest = tiny_manifest(golden=(golden_case(FILE, picture(), score=SCORE - 0.05),))
    said = refusal(built(tmp_path, manifest), GOLDEN_FAILED)
    assert "model.onnx on onnxruntime: case by 0.0500, allowed 0.0010" in said


@pytest.mark.parametrize(("off", "passed"), [(0.0009, True), (0.0011, False)])
def test_the_tolerance_is_where_passing_ends(tmp_path: Path, off: float, *, passed: bool) -> None:
    manifest = tiny_manifest(golden=(golden_case(FILE, picture(), score=SCORE + off, tolerance=0.001),))
    path = built(tmp_path, manifest)
    if passed:
        assert check_pack(open_pack(path))
    else:
        refusal(path, GOLDEN_FAILED)


def test_another_model_than_the_one_that_was_measured_gives_itself_away(tmp_path: Path) -> None:
    def dull(graph: Any) -> None:
        graph.initializer[1].float_data[0] = 10.0

    assert "case by" in refusal(built(tmp_path, model=remade(dull)), GOLDEN_FAILED)


def test_every_precision_is_run(tmp_path: Path) -> None:
    model = tiny_manifest().models[0]
    models = (model, replace(model, precision="int8", verdict="rejected", file="small.onnx"))
    case = golden_case(FILE, picture(), score=SCORE)
    both = replace(case, expect={**case.expect, "int8": case.expect["fp32"]})
    found = check_pack(open_pack(built(tmp_path, tiny_manifest(models=models, golden=(both,)))))
    assert [(item.precision, len(item.golden)) for item in found] == [("fp32", 1), ("int8", 1)]


def test_an_untrained_pack_can_be_checked_though_it_examines_nobody(tmp_path: Path) -> None:
    pack = open_pack(built(tmp_path, tiny_manifest(status="architecture-only")))
    assert check_pack(pack)[0].golden[0].passed


def test_a_pack_without_golden_cases_is_loaded_and_not_run(tmp_path: Path) -> None:
    pack = open_pack(write_tiny_pack(tmp_path / "tiny"))
    (found,) = check_pack(pack)
    assert found.engine is not None
    assert found.golden == ()
    assert describe_checks(pack, [found])[-1].endswith(": opens; the pack has no golden case, so no answer was checked")


def test_a_model_for_no_engine_here_is_inspected_and_said_not_to_have_run(tmp_path: Path) -> None:
    model = replace(tiny_manifest().models[0], engines=("tensorrt",))
    pack = open_pack(built(tmp_path, tiny_manifest(models=(model,))))
    (found,) = check_pack(pack)
    assert found.engine is None
    assert found.onnx.ir_version == 10
    assert "fp32 on tensorrt: not installed here, so it was not run" in describe_checks(pack, [found])[-1]


def test_an_engine_whose_package_is_missing_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.engines.ENGINES", {"onnxruntime": replace(ENGINES["onnxruntime"], needs=("no_such",))})
    assert check_pack(open_pack(built(tmp_path)))[0].engine is None


@pytest.mark.parametrize("name", ["image", "scores"])
def test_a_graph_with_another_name_than_the_manifest_says_is_refused(tmp_path: Path, name: str) -> None:
    def rename(graph: Any) -> None:
        for tensor in (*graph.input, *graph.output):
            tensor.name = tensor.name.replace(name, "other")
        for node in graph.node:
            node.input[:] = [item.replace(name, "other") for item in node.input]
            node.output[:] = [item.replace(name, "other") for item in node.output]

    said = refusal(built(tmp_path, model=remade(rename)), MODEL_MISMATCH)
    assert "other" in said
    assert "expected inputs image; outputs scores" in said


def test_an_output_of_another_shape_is_no_answer(tmp_path: Path) -> None:
    def keep_rows(graph: Any) -> None:
        del graph.node[1]
        graph.node[1].input[0] = "pooled"
        for size in (1, 1):
            graph.output[0].type.tensor_type.shape.dim.add(dim_value=size)

    said = refusal(built(tmp_path, model=remade(keep_rows)), BAD_OUTPUT, EngineError)
    assert "'scores': found shape (1, 1, 1, 1)" in said


def test_an_input_of_another_shape_is_no_model_of_this_pack(tmp_path: Path) -> None:
    manifest = tiny_manifest(inputs=(tiny_input(size=5),))
    assert "(-1, 1, 4, 4); expected (1, 1, 5, 5)" in refusal(built(tmp_path, manifest), MODEL_MISMATCH)


def test_steps_that_end_in_another_shape_than_the_manifest_says_are_refused(tmp_path: Path) -> None:
    manifest = tiny_manifest(inputs=(tiny_input(steps=[{"step": "monochrome2"}]),))
    assert "the steps end in shape (1, 1, 8, 8)" in refusal(built(tmp_path, manifest), MODEL_MISMATCH)


def test_a_model_with_other_bytes_is_refused(tmp_path: Path) -> None:
    path = built(tmp_path)
    (path / "model.onnx").write_bytes(tiny_model(opset=17))
    refusal(path, HASH_MISMATCH)


def test_a_model_that_passes_its_hash_and_is_not_safe_is_refused(tmp_path: Path) -> None:
    refusal(built(tmp_path, model=tiny_model(opset=21)), UNSAFE_MODEL)


def test_a_golden_file_with_other_bytes_is_refused(tmp_path: Path) -> None:
    path = built(tmp_path)
    (path / FILE).write_bytes(picture() + b"x")
    refusal(path, HASH_MISMATCH)


def test_a_golden_file_that_is_missing_is_missed(tmp_path: Path) -> None:
    path = built(tmp_path)
    (path / FILE).unlink()
    refusal(path, MISSING_FILE)


@pytest.mark.parametrize(
    "step", [{"step": "resise"}, {"step": "resize", "height": 0, "width": 4}, {"step": "orient", "x": 1}]
)
def test_a_step_that_cannot_be_taken_is_refused_before_anything_runs(tmp_path: Path, step: dict[str, object]) -> None:
    path = built(tmp_path, tiny_manifest(inputs=(tiny_input(steps=[step]),)))
    (path / "model.onnx").unlink()
    assert "$.inputs[0].steps[0]" in refusal(path, BAD_MANIFEST)


def test_a_golden_file_that_is_no_scan_is_a_golden_case_that_failed(tmp_path: Path) -> None:
    assert "the golden case case" in refusal(built(tmp_path, data=b"no picture"), GOLDEN_FAILED)


def test_a_golden_case_that_is_refused_has_failed_and_says_why(tmp_path: Path) -> None:
    item = tiny_input()
    manifest = tiny_manifest(inputs=(replace(item, accepts=replace(item.accepts, modality=("CT",))),))
    assert "the golden case case: it was refused with C7" in refusal(built(tmp_path, manifest), GOLDEN_FAILED)


def test_a_pack_for_several_scans_gives_its_known_answer_from_all_of_them(tmp_path: Path) -> None:
    def brighter_of_two(graph: Any) -> None:
        second = copy.deepcopy(graph.input[0])
        second.name = "second"
        graph.input.append(second)
        graph.node[0].input[0] = "brighter"
        graph.node.insert(0, onnx.helper.make_node("Max", ["image", "second"], ["brighter"]))

    two = (tiny_input(), replace(tiny_input(), name="second", tensor="second"))
    case = golden_case(FILE, picture(), score=SCORE)
    digest = case.sha256["image"]
    both = replace(case, scans={"second": FILE, "image": FILE}, sha256={"second": digest, "image": digest})
    path = built(tmp_path, tiny_manifest(inputs=two, golden=(both,)), remade(brighter_of_two))
    (found,) = check_pack(open_pack(path))
    assert [result.passed for result in found.golden] == [True]


def test_an_engine_that_fails_escapes_as_its_own_error(tmp_path: Path) -> None:
    def fail(_feeds: object) -> Any:
        raise EngineError("Running fake: no.", ENGINE_RUN)

    pack = open_pack(built(tmp_path))
    with pytest.raises(EngineError):
        run_golden(pack, pack.manifest.models[0], FakeEngine(fail))


def segmented(folder: Path, expect: float) -> Pack:
    """A pack whose model says of each of the 4 x 4 cells what it is told: the picture itself."""
    manifest = tiny_manifest(
        task=tiny_segmentation(), golden=(golden_case(FILE, picture(), score=expect, tolerance=0.01),)
    )
    return open_pack(built(folder, manifest))


@pytest.mark.parametrize(("expect", "passed"), [(0.5, True), (0.4, False)])
def test_a_segmentation_is_compared_by_its_share_of_the_picture(tmp_path: Path, expect: float, *, passed: bool) -> None:
    pack = segmented(tmp_path, expect)
    engine = FakeEngine(lambda feeds: {"scores": 20 * (feeds["image"] - np.float32(0.5))})
    (result,) = run_golden(pack, pack.manifest.models[0], engine)
    assert result.passed is passed


def test_the_largest_difference_decides() -> None:
    assert GoldenResult(name="x", largest_difference=0.1, tolerance=0.1).passed
    assert not GoldenResult(name="x", largest_difference=0.11, tolerance=0.1).passed


def test_a_pack_is_described_in_plain_words(tmp_path: Path) -> None:
    pack = open_pack(built(tmp_path))
    lines = "\n".join(describe(pack))
    for words in (
        "Tiny (tiny 1.0.0, trained)",
        "Bright, a finding (soon)",
        "golden       1 cases",
        pack.sha256,
        "0.5000",
    ):
        assert words in lines


def test_an_engine_is_closed_even_if_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[FakeEngine] = []

    def open_fake(_model: bytes, *, precision: str, threads: int) -> FakeEngine:
        assert (precision, threads > 0) == ("fp32", True)
        opened.append(FakeEngine(lambda feeds: {"scores": feeds["image"][:, 0, 0, :1] * 0}))
        return opened[-1]

    monkeypatch.setattr(Entry, "load", lambda self: open_fake if "Engine" in self.target else LOAD(self))
    refusal(built(tmp_path), GOLDEN_FAILED)
    assert [engine.closed for engine in opened] == [True]


def test_the_answer_of_a_check_can_be_written_as_json(tmp_path: Path) -> None:
    assert json.loads(json.dumps(dump(check_pack(open_pack(built(tmp_path))))))[0]["golden"][0]["name"] == "case"


def test_an_engine_that_must_be_prepared_first_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[str] = []

    def prepare(_: bytes, *, name: str, precision: str, threads: int, progress: object) -> None:
        assert progress is None
        prepared.append(f"{precision} on {name}, {min(threads, 1)}")

    def engine(*arguments: Any, **named: Any) -> Any:
        if not prepared:
            raise EngineError("Opening it: nothing was prepared.", ENGINE_NOT_PREPARED)
        return LOAD(ENGINES["onnxruntime"])(*arguments, **named)

    targets = {"edge.engines.onnxruntime:prepare": prepare, "edge.engines.onnxruntime:OnnxRuntimeEngine": engine}
    monkeypatch.setattr(Entry, "load", lambda self: targets.get(self.target) or LOAD(self))
    (checked,) = check_pack(open_pack(built(tmp_path)))
    assert prepared == ["fp32 on onnxruntime, 1"]
    assert [result.passed for result in checked.golden] == [True]
