"""What the benchmark of INT8 makes of its numbers, and the page of them; nothing here is timed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper

from benchmarks.nets import manifest_of
from benchmarks.paired import Paired
from benchmarks.systems_int8 import (
    UNSEEN,
    Answers,
    Key,
    OnEngine,
    Results,
    Speedup,
    System,
    begun,
    compared,
    files_of,
    line_of,
    read_results,
    row_of,
    unseen_feeds,
    write_results,
)
from benchmarks.systems_page import NOT_MEASURED, PAGE, page
from convert.phantoms import COUNT
from convert.sources import RECIPES
from edge.errors import UsageError
from edge.pack.manifest import DetectionTask, Label
from edge.typed import TypedError
from tests.tasks.nets import model_bytes

ROW = OnEngine(
    engine="onnxruntime",
    fp32_ms=250.0,
    int8_ms=100.04,
    speedup=Speedup(median=2.5, low=2.4, high=2.6),
    fp32_error=0.0,
    int8_error=0.031,
)
SYSTEM = System(
    recipe="unet2d",
    date="2026-11-23T06:30+00:00",
    rounds=7,
    load=(2.5, 1.0),
    fp32_bytes=31_000_000,
    int8_bytes=7_750_000,
    engines=(ROW, replace(ROW, engine="openvino", int8_error=None, speedup=None, notes=("INT8 did not run: why.",))),
)
MEASURED = Results(machine="a machine, 2 cores", versions={"onnxruntime": "1.32.0"}, systems=(SYSTEM,))


def answers(*values: float) -> Answers:
    return [{"y": np.array(values)}]


def timed(**seconds: list[float]) -> Paired:
    return Paired(seconds={name.replace("_", " "): each for name, each in seconds.items()})


FP32: Key = ("onnxruntime", "fp32")
INT8: Key = ("onnxruntime", "int8")


def test_int8_of_half_the_time_is_twice_as_fast_and_its_error_is_against_fp32() -> None:
    paired = timed(fp32_on_onnxruntime=[0.2, 0.4, 0.6], int8_on_onnxruntime=[0.1, 0.2, 0.3])
    row = row_of("onnxruntime", {FP32: answers(3, 4), INT8: answers(3, 4.5)}, paired, ())
    assert (row.fp32_ms, row.int8_ms) == (400, 200)
    assert row.speedup == Speedup(median=2, low=2, high=2)
    assert (row.fp32_error, row.int8_error, row.notes) == (0, 0.1, ())


def test_each_engine_is_held_against_itself_in_int8_and_against_the_first_in_fp32() -> None:
    given: dict[Key, Answers] = {
        FP32: answers(3, 4),
        ("openvino", "fp32"): answers(3, 4.5),
        ("openvino", "int8"): answers(3, 4.5),
    }
    row = row_of("openvino", given, timed(), ())
    assert (row.fp32_error, row.int8_error) == (0.1, 0)


def test_what_did_not_run_has_no_numbers_and_says_why() -> None:
    row = row_of("onnxruntime", {FP32: answers(1)}, timed(fp32_on_onnxruntime=[0.1]), ("INT8 did not run: why.",))
    assert (row.int8_ms, row.speedup, row.int8_error) == (None, None, None)
    assert row.notes == ("INT8 did not run: why.",)


def test_answers_of_other_sizes_have_no_error_but_a_note() -> None:
    row = row_of("onnxruntime", {FP32: answers(1, 2, 3), INT8: answers(1, 2)}, timed(), ())
    assert row.int8_error is None
    assert row.notes == ("INT8 gives 2 rows in all and FP32 3: there is no error value by value.",)


@pytest.mark.parametrize("nothing", [answers(0, 0), [{"y": np.zeros((0, 4))}]])
def test_answers_of_nothing_have_no_error_but_a_note(nothing: Answers) -> None:
    row = row_of("onnxruntime", {FP32: nothing, INT8: nothing}, timed(), ())
    assert row.int8_error is None
    assert "nothing to compare" in row.notes[-1]


def test_an_answer_that_is_no_number_has_no_error_but_a_note() -> None:
    row = row_of("onnxruntime", {FP32: answers(1, 2), INT8: answers(1, float("nan"))}, timed(), ())
    assert row.int8_error is None
    assert "no number" in row.notes[0]


def detector(layout: Literal["yolov5", "anchor-free", "boxes", "one-per-label"]) -> DetectionTask:
    label = Label(name="a", title="A", finding=True)
    return DetectionTask(kind="detection", layout=layout, output="rows", activation="none", labels=(label,))


def test_boxes_do_not_hide_the_error_of_a_score() -> None:
    rows = np.array([[[300.0, 200.0, 30.0, 20.0, 0.5, 0.25], [100.0, 90.0, 3.0, 2.0, 0.75, 1.0]]])
    found = compared({"rows": rows}, detector("yolov5"))
    assert found["scores"].tolist() == [[[0.5, 0.25], [0.75, 1.0]]]
    assert found["boxes"].max() == 300
    turned = compared({"rows": rows.swapaxes(1, 2)}, detector("anchor-free"))
    assert all((turned[name] == found[name]).all() for name in found)


def test_the_presence_of_an_organ_is_compared_apart_from_its_box() -> None:
    rows = np.array([[[0.75, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]])
    assert compared({"rows": rows}, detector("one-per-label"))["scores"].tolist() == [[[0.75]]]


def test_of_boxes_that_the_graph_chooses_only_the_scores_are_compared() -> None:
    outputs = {"rows": np.zeros((3, 4)), "s": np.ones(3), "l": np.ones(3)}
    task = replace(detector("boxes"), scores_output="s", labels_output="l")
    assert {name: value.tolist() for name, value in compared(outputs, task).items()} == {"scores": [1, 1, 1]}


def test_of_other_tasks_all_that_is_read_is_compared() -> None:
    outputs = {"logits": np.ones(2), "nobody-reads-it": np.ones(3)}
    assert list(compared(outputs, manifest_of("unet2d").task)) == ["logits"]


def test_the_phantoms_that_are_asked_about_did_not_calibrate() -> None:
    manifest = manifest_of("chest-pneumonia")
    assert COUNT * len(manifest.inputs) < UNSEEN
    first, second = (feed["image"] for feed in unseen_feeds(manifest, 2))
    assert first.shape == second.shape == (1, 1, 28, 28)
    assert (first != second).any()


def test_a_network_with_nothing_to_quantise_says_why_there_is_no_int8() -> None:
    pooled = helper.make_node("GlobalAveragePool", ["image"], ["logit"])
    net = model_bytes([pooled], {"image": ["n", 1, 28, 28], "logit": ["n", 1, 1, 1]}, {})
    files, why = files_of(net, manifest_of("chest-pneumonia"), ("onnxruntime",))
    assert list(files) == [FP32]
    assert "nothing" in why


def test_a_recipe_that_is_measured_anew_takes_the_place_of_its_older_self() -> None:
    anew = MEASURED.with_system(replace(SYSTEM, rounds=9)).with_system(replace(SYSTEM, recipe="chest-pneumonia"))
    assert [(item.recipe, item.rounds) for item in anew.systems] == [("chest-pneumonia", 7), ("unet2d", 9)]


def test_results_are_read_as_they_were_written_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "results" / "int8.json"
    write_results(MEASURED, path)
    assert read_results(path) == MEASURED
    path.write_text(json.dumps({"machine": "x"}), encoding="utf-8")
    with pytest.raises(TypedError):
        read_results(path)


def test_what_was_measured_on_this_machine_is_gone_on_with_and_what_was_not_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "int8.json"
    here = begun(path)
    assert here.systems == ()
    write_results(here.with_system(SYSTEM), path)
    assert begun(path).systems == (SYSTEM,)
    write_results(replace(MEASURED, machine="elsewhere"), path)
    with pytest.raises(UsageError, match="elsewhere"):
        begun(path)
    assert read_results(path).machine == "elsewhere"


def test_a_line_tells_errors_and_ratios() -> None:
    assert line_of(SYSTEM) == "unet2d (load 2.5 to 1); onnxruntime: error 0.031, 2.50 times; openvino: error -, -"
    assert line_of(replace(SYSTEM, engines=(), no_int8="Nothing.")).endswith("; no INT8: Nothing.")


# The page ------------------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_committed_results_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_results()), "run: python -m benchmarks.systems_page"


def test_the_committed_results_say_where_and_when_they_were_measured() -> None:
    kept = read_results()
    assert "cores" in kept.machine
    assert {"onnxruntime", "openvino", "python"} <= set(kept.versions)
    assert all(system.date.startswith("20") and system.load for system in kept.systems)
    assert {system.recipe for system in kept.systems} <= set(RECIPES)


def test_every_recipe_has_a_row_and_what_was_not_measured_says_so() -> None:
    rows = [line for line in page(MEASURED).splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(RECIPES)
    assert sum(NOT_MEASURED in row for row in rows) == len(RECIPES) - 1
    assert len({row.count("|") for row in rows}) == 1


def test_a_row_tells_time_error_ratio_and_size() -> None:
    (row,) = [line for line in page(MEASURED).splitlines() if line.startswith("| `unet2d`")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["1 to 2.5", "7.75 MB, 4.00 times as small"]
    assert cells[3:7] == ["250 ms", "100 ms", "0.031", "2.50 (2.40 to 2.60)"]
    assert cells[7:] == ["250 ms", "100 ms", "-", "-"]


def test_what_was_noted_stands_below_the_table() -> None:
    told = page(MEASURED.with_system(replace(SYSTEM, recipe="vnet", no_int8="There is nothing.", int8_bytes=None)))
    assert "- `unet2d` on OpenVINO: INT8 did not run: why." in told
    assert "- `vnet` has no INT8 model: There is nothing." in told


def test_fp32_that_differs_between_engines_is_told() -> None:
    other = replace(ROW, engine="openvino", fp32_error=0.02)
    assert "FP32 is farther than 0.001 from that of ONNX Runtime for `unet2d` on OpenVINO (0.02)." in page(
        MEASURED.with_system(replace(SYSTEM, engines=(ROW, other)))
    )


def test_int8_that_is_far_from_fp32_is_told() -> None:
    far = replace(SYSTEM, engines=(replace(ROW, int8_error=0.37),))
    assert "for `unet2d` on ONNX Runtime (0.37)." in page(MEASURED.with_system(far))
    assert "is farther" not in page(MEASURED)


def test_nothing_measured_is_a_page_too() -> None:
    assert "Nothing was measured yet." in page(replace(MEASURED, systems=()))
