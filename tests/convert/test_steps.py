"""The steps of `build`, each a command of its own: alone, and in a row that comes to the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convert.assemble import sha256_of
from convert.cam import insert_cam
from convert.half import to_fp16
from convert.optimise import optimise
from convert.outputs import CARD_JSON, PAGE, REPORT, read_conversion
from tests.conftest import Edgerun
from tests.convert.graphs import operators
from tests.convert.scans import (
    BRIGHT,
    SENSITIVE,
    Bench,
    Converted,
    bench,
    brightness_net,
    converted,
    describe,
    outputs_of,
    quick,
    write_pictures,
)
from tests.convert.scans import pictures as drawn

FLIPPED = brightness_net(slopes=(-20.0,), offsets=(10.0,))


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(tmp_path_factory.mktemp("made"), brightness_net())


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the steps left behind, one after the other."""

    folder: Path
    ran: dict[str, Converted]

    def document(self, step: str) -> dict[str, Any]:
        """What a step printed."""
        assert self.ran[step].code == 0, self.ran[step].err
        document: dict[str, Any] = json.loads(self.ran[step].out)
        return document

    def file(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def row(made: Bench, tmp_path_factory: pytest.TempPathFactory) -> Row:
    """Every step, with a map; the description names it, as `build` would."""
    folder = tmp_path_factory.mktemp("row")
    document = json.loads(made.describe.read_text(encoding="utf-8"))
    document["task"]["map_output"] = "cam"
    mapped = folder / "pack.json"
    mapped.write_text(json.dumps(document), encoding="utf-8")
    fp32, ready, fp16, int8 = (folder / f"{name}.onnx" for name in ("fp32", "ready", "fp16", "int8"))
    seen = ["--describe", mapped, "--calibrate", made.calibrate]
    judged = ["--candidate", f"fp16={fp16}", "--candidate", f"int8={int8}"]
    models = [word for path in (ready, fp16, int8) for word in ("--model", path)]
    steps: dict[str, list[object]] = {
        "export": [made.model, "--out", fp32, "--map", "scores"],
        "optimise": [fp32, "--out", ready],
        "fp16": [ready, "--out", fp16, "--precision", "fp16"],
        "quantise": [ready, "--out", int8, *seen],
        "gate": [ready, "--out", folder / REPORT, "--describe", mapped, "--evaluate", made.evaluate, *judged],
        "assemble": [folder / REPORT, "--out", folder / "out", "--describe", mapped, *models],
    }
    ran = {name: converted("quantise" if name == "fp16" else name, *words, "--json") for name, words in steps.items()}
    return Row(folder=folder, ran=ran)


@pytest.fixture(scope="module")
def whole(made: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `build` makes of the same."""
    out = tmp_path_factory.mktemp("whole")
    ran = converted(*made.arguments, "--out", out, "--max-steps", 1)
    assert ran.code == 0, ran.err
    return out


# In a row ------------------------------------------------------------------------------------------------


def test_the_steps_in_a_row_make_the_models_that_build_makes(row: Row, whole: Path) -> None:
    assert row.ran["assemble"].code == 0, row.ran["assemble"].err
    pack, built = row.file("out") / "workshop", whole / "workshop"
    models = {path.name: path.read_bytes() for path in built.glob("*.onnx")}
    assert set(models) == {"model.fp32.onnx", "model.fp16.onnx", "model.int8.onnx"}
    assert {path.name: path.read_bytes() for path in pack.glob("*.onnx")} == models
    assert row.file("ready.onnx").read_bytes() == models["model.fp32.onnx"]


def test_the_steps_in_a_row_come_to_the_verdicts_of_build(row: Row, whole: Path) -> None:
    steps, built = (read_conversion(path) for path in (row.file(REPORT), whole / REPORT))
    assert {item.name: item.judgement for item in steps.candidates} == {
        item.name: item.judgement for item in built.candidates
    }
    assert {item.name: (item.thresholds, item.evidence) for item in steps.candidates} == {
        item.name: (item.thresholds, item.evidence) for item in built.candidates
    }


def test_the_pack_of_the_steps_works(row: Row, edgerun: Edgerun, tmp_path: Path) -> None:
    pack = row.file("out") / "workshop"
    assert edgerun("pack", "check", pack).code == 0
    (bright,) = write_pictures(tmp_path, [drawn(1, 5)[0][0] // 4 + 190])
    (result,) = edgerun("infer", bright, "--pack", pack, "--json", "--out", tmp_path / "r").reports[0]["results"]
    assert result["state"] == "finding"
    assert sorted(path.name for path in row.file("out").iterdir()) == sorted(["workshop", REPORT, PAGE, CARD_JSON])


# What each prints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["export", "optimise", "fp16", "quantise"])
def test_each_step_prints_one_document_about_the_file_it_wrote(row: Row, step: str) -> None:
    document = row.document(step)
    data = Path(document["file"]).read_bytes()
    assert (document["sha256"], document["bytes"]) == (sha256_of(data), len(data))
    assert f"{document['file']}: {len(data) / 1e6:.2f} MB" in row.ran[step].err


def test_export_tells_where_the_model_is_from(row: Row, made: Bench) -> None:
    assert made.model.name in row.document("export")["origin"]
    assert isinstance(row.document("export")["notes"], list)


def test_optimise_tells_how_many_nodes_there_were_and_are(row: Row) -> None:
    before, after = row.document("optimise")["nodes"]
    assert before == sum(operators(row.file("fp32.onnx").read_bytes()).values())
    assert after == sum(operators(row.file("ready.onnx").read_bytes()).values())


def test_quantise_tells_the_layers_that_suffer_the_worst_first(row: Row) -> None:
    layers = row.document("quantise")["layers"]
    assert {layer["node"] for layer in layers} == {"node_first", "node_second"}
    assert [layer["snr_db"] for layer in layers] == sorted(layer["snr_db"] for layer in layers)
    assert f" dB  {layers[0]['operator']} {layers[0]['node']}" in row.ran["quantise"].err


def test_gate_prints_the_report_that_it_writes(row: Row) -> None:
    assert row.document("gate") == json.loads(row.file(REPORT).read_text(encoding="utf-8"))
    assert "int8 on onnxruntime: " in row.ran["gate"].err


def test_assemble_prints_where_the_pack_is(row: Row) -> None:
    assert row.document("assemble") == {"pack": str(row.file("out") / "workshop")}


# Alone ---------------------------------------------------------------------------------------------------


def test_export_adds_the_map_only_when_asked(made: Bench, tmp_path: Path) -> None:
    ran = converted("export", made.model, "--out", tmp_path / "net.onnx")
    assert (ran.code, ran.out) == (0, "")
    exported = (tmp_path / "net.onnx").read_bytes()
    assert outputs_of(exported) == ["scores"]
    mapped = converted("export", made.model, "--out", tmp_path / "mapped.onnx", "--map", "scores")
    assert mapped.code == 0
    assert (tmp_path / "mapped.onnx").read_bytes() == insert_cam(exported, "scores")


def test_a_map_that_the_net_cannot_have_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "dense.onnx").write_bytes(brightness_net(pooled=False))
    ran = converted("export", tmp_path / "dense.onnx", "--out", tmp_path / "net.onnx", "--map", "scores")
    assert ran.code == 2
    assert "class activation map" in ran.err
    assert not (tmp_path / "net.onnx").exists()


def test_optimise_twice_changes_nothing(row: Row, tmp_path: Path) -> None:
    assert converted("optimise", row.file("ready.onnx"), "--out", tmp_path / "again.onnx").code == 0
    assert (tmp_path / "again.onnx").read_bytes() == row.file("ready.onnx").read_bytes()
    assert row.file("ready.onnx").read_bytes() == optimise(row.file("fp32.onnx").read_bytes())


def test_a_half_needs_no_scan(row: Row) -> None:
    assert row.file("fp16.onnx").read_bytes() == to_fp16(row.file("ready.onnx").read_bytes())


def test_a_layer_stays_in_float_on_request(made: Bench, tmp_path: Path) -> None:
    seen = ["--describe", made.describe, "--calibrate", made.calibrate, "--json"]
    ran = converted("quantise", made.model, "--out", tmp_path / "a.onnx", *seen, "--keep-float", "node_second")
    assert [layer["node"] for layer in json.loads(ran.out)["layers"]] == ["node_first"]
    wrong = converted("quantise", made.model, "--out", tmp_path / "b.onnx", *seen, "--keep-float", "node_secund")
    assert wrong.code == 2
    assert "node_second" in wrong.err
    assert not (tmp_path / "b.onnx").exists()


def test_signed_activations_stay_signed(made: Bench, tmp_path: Path) -> None:
    seen = ["--describe", made.describe, "--calibrate", made.calibrate]
    for name, words in {"signed": ["--engine", "tensorrt"], "lowered": []}.items():
        assert converted("quantise", made.model, "--out", tmp_path / f"{name}.onnx", *seen, *words).code == 0
    signed, lowered = ((tmp_path / f"{name}.onnx").read_bytes() for name in ("signed", "lowered"))
    assert signed != lowered
    assert operators(signed)["QuantizeLinear"] == operators(lowered)["QuantizeLinear"] > 0


def test_int8_needs_scans_and_a_description(made: Bench, tmp_path: Path) -> None:
    ran = converted("quantise", made.model, "--out", tmp_path / "a.onnx")
    assert ran.code == 2
    assert "--describe and --calibrate are needed" in ran.err
    other = converted("quantise", made.model, "--out", tmp_path / "a.onnx", "--precision", "int4")
    assert other.code == 2
    assert "expected int8 or fp16" in other.err


def test_what_is_quantised_already_is_refused(made: Bench, row: Row, tmp_path: Path) -> None:
    seen = ["--describe", row.file("pack.json"), "--calibrate", made.calibrate]
    ran = converted("quantise", row.file("int8.onnx"), "--out", tmp_path / "a.onnx", *seen)
    assert ran.code == 2
    assert "expected a float model" in ran.err


@pytest.mark.parametrize("step", ["optimise", "quantise", "gate"])
def test_a_model_that_is_not_there_is_named(made: Bench, tmp_path: Path, step: str) -> None:
    extra = {"gate": ["--describe", made.describe, "--evaluate", made.evaluate]}
    ran = converted(step, tmp_path / "gone.onnx", "--out", tmp_path / "out", *extra.get(step, []))
    assert ran.code == 2
    assert "gone.onnx: No such file" in ran.err


# The gate ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rejected(made: Bench, tmp_path_factory: pytest.TempPathFactory) -> Row:
    """A model that says the opposite is judged."""
    folder = tmp_path_factory.mktemp("rejected")
    (folder / "flipped.onnx").write_bytes(FLIPPED)
    words = ["--describe", made.describe, "--evaluate", made.evaluate, "--candidate", f"int8={folder / 'flipped.onnx'}"]
    return Row(folder=folder, ran={"gate": converted("gate", made.model, "--out", folder / REPORT, *words, "--json")})


def test_the_gate_ends_with_7_where_a_candidate_is_rejected(rejected: Row) -> None:
    assert rejected.ran["gate"].code == 7
    document = json.loads(rejected.ran["gate"].out)
    assert document["candidates"][1]["judgement"]["verdict"] == "rejected"
    assert document == json.loads(rejected.file(REPORT).read_text(encoding="utf-8"))


def test_what_was_rejected_is_not_assembled(rejected: Row, made: Bench, edgerun: Edgerun, tmp_path: Path) -> None:
    models = ["--model", made.model, "--model", rejected.file("flipped.onnx")]
    ran = converted("assemble", rejected.file(REPORT), "--out", tmp_path, "--describe", made.describe, *models)
    assert ran.code == 0, ran.err
    assert [path.name for path in (tmp_path / "workshop").glob("*.onnx")] == ["model.fp32.onnx"]
    assert edgerun("pack", "check", tmp_path / "workshop").code == 0


def test_the_reference_is_no_candidate(made: Bench, tmp_path: Path) -> None:
    words = ["--describe", made.describe, "--evaluate", made.evaluate, "--candidate", f"fp32={made.model}"]
    ran = converted("gate", made.model, "--out", tmp_path / REPORT, *words)
    assert ran.code == 2
    assert "fp32 is given and is made here" in ran.err


def test_an_untrained_model_is_not_judged(made: Bench, tmp_path: Path) -> None:
    untrained = describe(tmp_path / "pack.json", BRIGHT, {"bright": SENSITIVE}, status="architecture-only")
    words = ["--describe", untrained, "--evaluate", made.evaluate]
    ran = converted("gate", made.model, "--out", tmp_path / REPORT, *words)
    assert ran.code == 2
    assert "found the status 'architecture-only', expected 'trained'" in ran.err


def test_a_description_of_another_model_is_refused_by_the_gate(made: Bench, row: Row, tmp_path: Path) -> None:
    words = ["--describe", row.file("pack.json"), "--evaluate", made.evaluate]
    ran = converted("gate", made.model, "--out", tmp_path / REPORT, *words)
    assert ran.code == 2
    assert "$.task.map_output: found 'cam'" in ran.err


# Assembling ----------------------------------------------------------------------------------------------


def assembled(row: Row, out: Path, *models: str, describe: Path | None = None) -> Converted:
    words = [word for name in models for word in ("--model", row.file(name))]
    return converted(
        "assemble", row.file(REPORT), "--out", out, "--describe", describe or row.file("pack.json"), *words
    )


def test_a_missing_model_is_named(row: Row, tmp_path: Path) -> None:
    ran = assembled(row, tmp_path / "out", "ready.onnx", "fp16.onnx")
    assert ran.code == 2
    assert "the model of model.int8.onnx is missing; give it with --model" in ran.err
    assert not (tmp_path / "out").exists()


def test_another_model_is_refused(row: Row, tmp_path: Path) -> None:
    ran = assembled(row, tmp_path / "out", "ready.onnx", "fp16.onnx", "int8.onnx", "fp32.onnx")
    assert ran.code == 2
    assert "fp32.onnx is none of the models" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_report_about_another_version_is_refused(row: Row, tmp_path: Path) -> None:
    document = json.loads(row.file("pack.json").read_text(encoding="utf-8"))
    (tmp_path / "pack.json").write_text(json.dumps({**document, "version": "1.0.1"}), encoding="utf-8")
    models = ("ready.onnx", "fp16.onnx", "int8.onnx")
    ran = assembled(row, tmp_path / "out", *models, describe=tmp_path / "pack.json")
    assert ran.code == 2
    assert "is about workshop 1.0.0. Judge it." in ran.err


def test_golden_cases_are_added_when_assembling(row: Row, made: Bench, edgerun: Edgerun, tmp_path: Path) -> None:
    words = [word for name in ("ready.onnx", "fp16.onnx", "int8.onnx") for word in ("--model", row.file(name))]
    case = made.model.parent / "scans" / "003.png"
    asked = ["--describe", row.file("pack.json"), *words, "--golden", case]
    assert converted("assemble", row.file(REPORT), "--out", tmp_path, *asked).code == 0
    assert (tmp_path / "workshop" / "golden" / "003.png").read_bytes() == case.read_bytes()
    assert edgerun("pack", "check", tmp_path / "workshop").code == 0
