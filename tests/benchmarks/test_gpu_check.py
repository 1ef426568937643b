"""What the check of a GPU says where there is one, where there is none, and of one that is wrong. Nothing is timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import gpu_check, gpu_check_child, gpu_check_engines
from benchmarks.gpu_check import JSON, MARKDOWN, Adapter, Report, check_adapters, exit_code, main, page_of
from benchmarks.gpu_check_child import RUNS, Worn, open_prepared
from benchmarks.gpu_check_engines import BATCHES, GPU_ENGINES, Trial, check_engine
from benchmarks.gpu_check_memory import SLACK_BYTES, Check
from benchmarks.gpu_check_models import (
    Subject,
)
from edge.engines import Engine, open_engine
from edge.errors import EngineError
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN, ENGINE_RUN, GPU_LOST, NO_ENGINE
from edge.table import Entry
from edge.testing import FakeEngine, tiny_model
from tests.conftest import ROOT
from tests.engines.fake_gpu import FakeMemory

HERE = "tests.benchmarks.test_gpu_check"
TRIAL = Trial(threads=1, rounds=2, opener=f"{HERE}:open_right", worn=f"{HERE}:open_worn", wear=False)
ENGINE = "onnxruntime-cuda"


def subject() -> Subject:
    pytest.importorskip("onnx")
    return Subject(name="tiny", files={"fp32": tiny_model()})


def verdicts(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


# What stands in for an engine on a GPU, in the child -----------------------------------------------------------------


def open_right(_name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    return open_engine("onnxruntime", model, precision=precision, threads=threads)


class Spoilt:
    """ONNX Runtime with its answers spoilt."""

    def __init__(self, model: bytes, precision: str) -> None:
        self._engine = open_engine("onnxruntime", model, precision=precision, threads=1)
        self.facts, self.inputs, self.outputs = self._engine.facts, self._engine.inputs, self._engine.outputs
        self.runs = 0

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.runs += 1
        answer = self._engine.infer(feeds)
        return {name: self.spoil(values) for name, values in answer.items()}

    def spoil(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values * np.float32(1.01))

    def close(self) -> None:
        self._engine.close()


class Drifting(Spoilt):
    def spoil(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values * np.float32(1 + 1e-6 * self.runs))


def open_wrong(_name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    assert threads
    return Spoilt(model, precision)


def open_drifting(_name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    assert threads
    return Drifting(model, precision)


def open_refusing(_name: str, _model: bytes, *, precision: str, threads: int) -> Engine:
    raise EngineError(f"Opening gpu: no {precision} with {threads} threads.", ENGINE_OPEN)


def open_lacking(_name: str, _model: bytes, *, precision: str, threads: int) -> Engine:
    raise EngineError(f"Opening gpu: no library for {precision} with {threads} threads.", NO_ENGINE)


def open_lost(_name: str, _model: bytes, *, precision: str, threads: int) -> Engine:
    raise EngineError(f"Opening gpu: none for {precision} with {threads} threads.", GPU_LOST)


def open_dying(_name: str, _model: bytes, *, precision: str, threads: int) -> Engine:
    sys.stderr.write(f"{precision} {threads}")
    os._exit(3)


def open_worn(_name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    found = open_engine("onnxruntime", model, precision=precision, threads=threads)
    told = {"free_bytes": [100, 90], "reopened_free_bytes": [SLACK_BYTES + 1, 0], "wrong_runs": 0}
    answer = FakeEngine(lambda _feeds: {name: np.array(values, np.int64) for name, values in told.items()})
    answer.inputs, answer.outputs = found.inputs, found.outputs
    return answer


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's packages and device are here, as far as the check asks."""
    monkeypatch.setattr(gpu_check_engines, "ENGINES", {ENGINE: Entry("json:loads")})


# The adapters ---------------------------------------------------------------------------------------------------------


def test_an_adapter_that_is_not_installed_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "ADAPTERS", {"none": Entry("x:y", needs=("not_there",))})
    (found,) = check_adapters()
    assert (found.reached, found.checks[0].verdict, found.checks[0].words) == (
        None,
        "not run",
        "not_there is not installed",
    )


def open_fake_memory() -> FakeMemory:
    return FakeMemory()


def open_no_memory() -> FakeMemory:
    raise EngineError("Opening the GPU: no.", ENGINE_RUN)


def test_an_adapter_is_opened_checked_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "ADAPTERS", {"fake": Entry(f"{HERE}:open_fake_memory")})
    monkeypatch.setattr(gpu_check, "check_memory", lambda memory: (Check(name=str(memory.closed), verdict="passed"),))
    (found,) = check_adapters()
    assert found.reached == FakeMemory().reached
    assert found.checks == (Check(name="False", verdict="passed"),)


@pytest.mark.parametrize(("shown", "verdict"), [(True, "failed"), (False, "not run")])
def test_an_adapter_that_cannot_be_opened_fails_only_where_a_gpu_is_shown(
    monkeypatch: pytest.MonkeyPatch, shown: bool, verdict: str
) -> None:
    monkeypatch.setattr(gpu_check, "ADAPTERS", {"fake": Entry(f"{HERE}:open_no_memory")})
    monkeypatch.setattr(gpu_check, "has_nvidia_gpu", lambda: shown)
    assert check_adapters()[0].checks == (
        Check(name="opening", verdict=verdict, words="Opening the GPU: no."),  # type: ignore[arg-type]
    )


# The engines ----------------------------------------------------------------------------------------------------------


def test_an_engine_that_answers_right_passes() -> None:
    ran = check_engine(ENGINE, subject(), "fp32", TRIAL)
    found = verdicts(ran.checks)
    assert found == {
        "opening": "measured",
        "parity": "passed",
        "the same feeds give the same bytes": "passed",
        "speed": "measured",
        **{f"batch {size}": "passed" for size in BATCHES[1:]},
    }
    assert ran.provider == "CPUExecutionProvider"
    assert ran.sha256 == subject().sha256()["fp32"]


def test_an_engine_that_answers_wrong_fails() -> None:
    found = verdicts(check_engine(ENGINE, subject(), "fp32", replace(TRIAL, opener=f"{HERE}:open_wrong")).checks)
    assert (found["parity"], found["batch 4"]) == ("failed", "failed")


def rough(engine: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """A base on which every file but that in FP32 loses a fifth."""
    found = open_right(engine, model, precision=precision, threads=threads)
    if precision == "fp32":
        return found
    answer = FakeEngine(lambda feeds: {name: values * np.float32(0.8) for name, values in found.infer(feeds).items()})
    answer.inputs, answer.outputs = found.inputs, found.outputs
    return answer


def by_a_fifth(engine: str, model: bytes, *, precision: str, threads: int) -> Engine:
    return rough(engine, model, precision=f"not {precision}", threads=threads)


def test_what_a_file_loses_on_the_cpu_too_is_not_the_engines_fault() -> None:
    both = replace(subject(), files=dict.fromkeys(("fp32", "int8"), subject().files["fp32"]))
    lossy = replace(TRIAL, opener=f"{HERE}:by_a_fifth")
    assert verdicts(check_engine(ENGINE, both, "int8", lossy).checks)["parity"] == "failed"
    fair = replace(lossy, base=f"{HERE}:rough")
    found = verdicts(check_engine(ENGINE, both, "int8", fair).checks)
    assert (found["parity"], found["batch 8"]) == ("passed", "passed")
    assert verdicts(check_engine(ENGINE, both, "fp32", fair).checks)["parity"] == "failed"


def refuses_int8(engine: str, model: bytes, *, precision: str, threads: int) -> Engine:
    if precision == "int8":
        raise EngineError(f"Opening {engine}: no.", ENGINE_OPEN)
    return open_right(engine, model, precision=precision, threads=threads)


def test_a_file_that_the_cpu_does_not_run_is_held_to_the_limit_alone() -> None:
    both = replace(subject(), files=dict.fromkeys(("fp32", "int8"), subject().files["fp32"]))
    trial = replace(TRIAL, base=f"{HERE}:refuses_int8")
    assert verdicts(check_engine(ENGINE, both, "int8", trial).checks)["parity"] == "passed"
    worse = replace(trial, opener=f"{HERE}:by_a_fifth")
    assert verdicts(check_engine(ENGINE, both, "int8", worse).checks)["parity"] == "failed"


def test_an_engine_that_never_answers_the_same_fails() -> None:
    found = verdicts(check_engine(ENGINE, subject(), "fp32", replace(TRIAL, opener=f"{HERE}:open_drifting")).checks)
    assert (found["parity"], found["the same feeds give the same bytes"]) == ("passed", "failed")


@pytest.mark.parametrize(
    ("opener", "verdict", "words"),
    [
        ("open_refusing", "refused", "E501: Opening gpu: no fp32"),
        ("open_dying", "failed", "E501: Opening onnxruntime-cuda in a process of its own: "),
        ("open_lacking", "not run", "no library for fp32"),
        ("open_lost", "failed", "E504: Opening gpu: none"),
    ],
)
def test_refusing_dying_and_not_being_there_are_told_apart(opener: str, verdict: str, words: str) -> None:
    ran = check_engine(ENGINE, subject(), "fp32", replace(TRIAL, opener=f"{HERE}:{opener}"))
    (found,) = ran.checks
    assert (found.name, found.verdict) == ("opening", verdict)
    assert words in found.words
    assert ran.provider == ""


def test_an_engine_that_is_not_here_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check_engines, "ENGINES", {ENGINE: Entry("json:loads", needs=("not_there",))})
    (found,) = check_engine(ENGINE, Subject(name="any", files={"fp32": b""}), "fp32", TRIAL).checks
    assert found == Check(name="opening", verdict="not run", words="not_there is not here")


def test_leaks_are_told_from_what_may_be_gone() -> None:
    ran = check_engine(ENGINE, subject(), "fp32", replace(TRIAL, wear=True))
    found = verdicts(ran.checks[-3:])
    assert found == {
        f"{RUNS} runs leave no memory behind": "passed",
        "20 openings leave no memory behind": "failed",
        "two threads": "passed",
    }


def test_an_engine_that_dies_when_it_is_worn_fails_those_checks() -> None:
    ran = check_engine(ENGINE, subject(), "fp32", replace(TRIAL, wear=True, worn=f"{HERE}:open_dying"))
    assert [check.verdict for check in ran.checks[-3:]] == ["failed"] * 3


def worn(monkeypatch: pytest.MonkeyPatch, opener: Any) -> dict[str, NDArray[Any]]:
    pytest.importorskip("onnx")
    monkeypatch.setattr(gpu_check_child, "open_memory", FakeMemory)
    monkeypatch.setattr(gpu_check_child, "open_engine", opener)
    monkeypatch.setattr(gpu_check_child, "RUNS", 3)
    monkeypatch.setattr(gpu_check_child, "OPENINGS", 3)
    engine = Worn("gpu", tiny_model(), "fp32", 1)
    found = engine.infer({"image": np.random.default_rng(0).random((1, 1, 4, 4), dtype=np.float32)})
    engine.close()
    return found


def test_wearing_tells_the_free_memory_and_no_wrong_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = worn(monkeypatch, open_right)
    assert found["free_bytes"].tolist() == [1 << 30] * 2
    assert found["reopened_free_bytes"].tolist() == [1 << 30] * 2
    assert int(found["wrong_runs"]) == 0


def test_wearing_finds_answers_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    assert int(worn(monkeypatch, open_drifting)["wrong_runs"]) > 0


def test_an_engine_that_asks_to_be_prepared_is(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[str] = []

    def opener(name: str, _model: bytes, *, precision: str, threads: int) -> Any:
        if name not in prepared:
            raise EngineError(f"Opening {name} {precision} {threads}.", ENGINE_NOT_PREPARED)
        return "opened"

    monkeypatch.setattr(gpu_check_child, "open_engine", opener)
    monkeypatch.setattr("edge.engines.tensorrt.prepare", lambda _model, *, name, **_: prepared.append(name))
    assert open_prepared("tensorrt", b"", precision="fp32", threads=1) == "opened"  # type: ignore[comparison-overlap]


def test_an_engine_that_cannot_load_a_model_is_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check_child, "open_engine", open_refusing)
    with pytest.raises(EngineError) as caught:
        open_prepared("tensorrt", b"", precision="fp32", threads=1)
    assert caught.value.reason is ENGINE_OPEN


def test_every_engine_for_a_gpu_is_checked() -> None:
    assert GPU_ENGINES == ("onnxruntime-cuda", "tensorrt", "tensorrt-rtx")


# The report -----------------------------------------------------------------------------------------------------------


def report(*given: Check) -> Report:
    adapter = Adapter(name="fake", reached=FakeMemory().reached, checks=given)
    return gpu_check.report_of((), (adapter,), ())


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["passed", "not run"], 0),
        (["measured"], 0),
        (["passed", "failed"], 1),
        (["not run", "not run"], 2),
        ([], 2),
    ],
)
def test_the_exit_code_is_never_0_where_nothing_ran(given: list[Any], code: int) -> None:
    assert exit_code(report(*(Check(name="x", verdict=verdict) for verdict in given))) == code


def test_the_page_names_the_gpu_and_every_check() -> None:
    page = page_of(report(Check(name="copies", verdict="failed", words="a | b", numbers={"gone_bytes": 12.0})))
    assert "Fake GPU, SM 8.7, GPU-0" in page
    assert "| copies | failed | gone_bytes 12 | a / b |" in page


def test_the_command_writes_both_files_and_says_what_was_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "ADAPTERS", {"none": Entry("x:y", needs=("not_there",))})
    monkeypatch.setattr(gpu_check_engines, "ENGINES", dict.fromkeys(GPU_ENGINES, Entry("x:y", needs=("not_there",))))
    assert main(["--out", str(tmp_path)]) == 2
    written = json.loads((tmp_path / JSON).read_text(encoding="utf-8"))
    assert (tmp_path / MARKDOWN).read_text(encoding="utf-8") in capsys.readouterr().out
    assert {check["verdict"] for part in written["engines"] for check in part["checks"]} == {"not run"}
    assert sorted(written["subjects"]["chest-pneumonia"]) == ["fp32", "int8"]


def test_neither_torch_nor_onnx_is_imported() -> None:
    script = "import sys, benchmarks.gpu_check, benchmarks.gpu_check_child; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert {"torch", "onnx", "tensorrt", "tensorrt_rtx_bindings", "pycuda"} & set(ran.stdout.split()) == set()
