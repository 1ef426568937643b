"""ONNX Runtime on an NVIDIA GPU: what is asked of it, and what it says when it does not get it; the GPU is made up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from edge.engines import ENGINES, open_engine
from edge.engines.onnxruntime import CUDA, CUDA_OPTIONS, FATAL_ONLY, PROVIDER, OnnxRuntimeCudaEngine, _cuda_words
from edge.errors import EngineError
from edge.gpu import Gpu
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, GPU_LOST, NO_ENGINE, Reason
from edge.testing import tiny_model

SESSION = ort.InferenceSession
GPU = Gpu(name="NVIDIA H100", uuid="GPU-1", capability="9.0", driver="580.1, CUDA 13.0")
FED = {"image": np.ones((1, 1, 4, 4), dtype=np.float32)}
ILLEGAL = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=clinic-7 ; file=a.cc ; line=1"
NOT_THERE = "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=clinic-7"
NO_MEMORY = "CUDA failure 2: out of memory ; GPU=0 ; hostname=clinic-7 ; expr=cudaMalloc(&p, size);"


class Session:
    """A session on the CPU that says that it is one on CUDA."""

    def __init__(self, model: bytes, options: Any, granted: list[str], assigned: Mapping[str, int]) -> None:
        self._session = SESSION(model, options, providers=[PROVIDER])
        self._granted, self._assigned = granted, assigned
        self.fails: Exception | None = None
        self.runs = 0
        self.get_inputs, self.get_outputs = self._session.get_inputs, self._session.get_outputs

    def get_providers(self) -> list[str]:
        return self._granted

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda count=count: range(count))
            for name, count in self._assigned.items()
        ]

    def run(self, *arguments: Any) -> Any:
        self.runs += 1
        if self.fails is not None:
            raise self.fails
        return self._session.run(*arguments)


class Made:
    """What the engine asked ONNX Runtime for, and what it is to get."""

    def __init__(self) -> None:
        self.granted = [CUDA, PROVIDER]
        self.assigned = {CUDA: 4}
        self.says = ""
        self.fails: Exception | None = None
        self.asked: dict[str, Any] = {}
        self.options: Any = None
        self.session: Session | None = None
        self.severity: list[int] = []

    def open(self, model: bytes, options: Any, **asked: Any) -> Session:
        self.asked, self.options = asked, options
        if self.fails is not None:
            raise self.fails
        self.session = Session(model, options, self.granted, self.assigned)
        return self.session

    def preload(self, **asked: Any) -> None:
        self.asked_of_libraries = asked
        sys.stdout.write(self.says)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """A build of ONNX Runtime with CUDA and a GPU, as it seems."""
    made = Made()
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, PROVIDER])
    monkeypatch.setattr(ort, "InferenceSession", made.open)
    monkeypatch.setattr(ort, "preload_dlls", made.preload, raising=False)
    monkeypatch.setattr(ort, "set_default_logger_severity", made.severity.append)
    monkeypatch.setattr("edge.engines.onnxruntime.find_gpu", lambda: GPU)
    return made


def opened() -> OnnxRuntimeCudaEngine:
    return OnnxRuntimeCudaEngine(tiny_model(), precision="fp32", threads=3)


def failure(action: Callable[[], object], reason: Reason) -> str:
    with pytest.raises(EngineError) as caught:
        action()
    assert caught.value.reason is reason
    assert caught.value.message.isprintable()
    return caught.value.message


# What is asked for ----------------------------------------------------------------------------------------


def test_cuda_is_asked_for_and_the_cpu_only_for_what_it_lacks(made: Made) -> None:
    opened()
    assert made.asked["providers"] == [(CUDA, dict(CUDA_OPTIONS)), PROVIDER]
    assert made.asked["enable_fallback"] == 0


def test_floats_are_of_32_bits_and_kernels_are_chosen_without_a_clock(made: Made) -> None:
    opened()
    assert CUDA_OPTIONS["use_tf32"] == "0"
    assert CUDA_OPTIONS["cudnn_conv_algo_search"] == "HEURISTIC"
    assert made.options.use_deterministic_compute
    assert made.options.intra_op_num_threads == 3


def test_nvidias_own_packages_come_before_those_of_others(made: Made) -> None:
    opened()
    assert made.asked_of_libraries == {"directory": ""}


def test_a_version_that_cannot_load_libraries_ahead_is_left_to_load_them_itself(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ort, "preload_dlls")
    assert opened().infer(FED)["scores"].tolist() == [[10.0]]
    assert made.session is not None


def test_it_answers_and_says_on_what_and_nothing_else(made: Made, capfd: pytest.CaptureFixture[str]) -> None:
    made.says = "Failed to load /usr/lib/libcufft.so.12: no such file\n"
    engine = opened()
    assert engine.infer(FED)["scores"].tolist() == [[10.0]]
    assert (engine.facts.name, engine.facts.threads) == ("onnxruntime-cuda", 3)
    assert engine.facts.version == ort.__version__
    assert engine.facts.provider == "CUDAExecutionProvider (NVIDIA H100, driver 580.1, CUDA 13.0)"
    assert made.severity == [FATAL_ONLY]
    assert capfd.readouterr() == ("", "")


def test_nodes_that_run_on_the_cpu_are_counted(made: Made) -> None:
    made.assigned = {CUDA: 30, PROVIDER: 2}
    assert opened().facts.provider.endswith("), 2 of 32 nodes on the CPU")


@pytest.mark.usefixtures("made")
def test_a_version_that_does_not_tell_where_nodes_run_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Session, "get_provider_graph_assignment_info")
    assert opened().facts.provider.endswith(")")


def test_a_gpu_that_the_driver_does_not_name_is_the_first_one(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.engines.onnxruntime.find_gpu", lambda: None)
    assert opened().facts.provider == "CUDAExecutionProvider (GPU 0)"
    assert made.session is not None


# No silent fallback ---------------------------------------------------------------------------------------


def test_a_session_without_cuda_is_refused_with_the_libraries_that_lack(made: Made) -> None:
    made.granted = [PROVIDER]
    made.says = (
        "Failed to load /venv/nvidia/cu13/lib/libcublas.so.13: bad\nFailed to load libcublas.so.13: no\n"
        "Failed to load libcurand.so.10: libcurand.so.10: no\nPlease follow https://somewhere to install CUDA.\n"
    )
    said = failure(opened, ENGINE_OPEN)
    assert said.startswith(f"Opening onnxruntime-cuda {ort.__version__}: it was given {PROVIDER}, expected {CUDA}.")
    assert "These libraries lack: libcublas.so.13, libcurand.so.10. " in said
    assert said.endswith("onnxruntime-gpu[cuda,cudnn].")


def test_a_session_without_cuda_is_refused_if_nothing_was_said_too(made: Made) -> None:
    made.granted = [PROVIDER]
    assert "come with onnxruntime-gpu[cuda,cudnn]." in failure(opened, ENGINE_OPEN)


def test_a_build_without_cuda_is_refused_before_anything_is_loaded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [PROVIDER])
    said = failure(opened, NO_ENGINE)
    assert f"found a build with {PROVIDER}, expected one with {CUDA}. Uninstall onnxruntime" in said
    assert made.asked == {}


def test_the_build_that_is_here_is_asked_for_and_not_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "onnxruntime"
    (package / "capi").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: True})
    assert ENGINES["onnxruntime-cuda"].missing() == ("onnxruntime-gpu",)
    said = failure(lambda: open_engine("onnxruntime-cuda", b"", precision="fp32", threads=1), NO_ENGINE)
    assert "the package onnxruntime-gpu is not installed. It comes with edgerun[cuda]." in said
    (package / "capi" / "libonnxruntime_providers_cuda.so").touch()
    assert ENGINES["onnxruntime-cuda"].missing() == ()


# What goes wrong ------------------------------------------------------------------------------------------


def test_a_gpu_that_is_not_there_at_the_opening_is_named_so(made: Made) -> None:
    made.fails = RuntimeError(NOT_THERE)
    said = failure(opened, GPU_LOST)
    assert "CUDA 100: no CUDA-capable device is detected" in said
    assert "clinic-7" not in said


def test_a_model_that_it_cannot_load_is_an_error_of_opening(made: Made) -> None:
    made.fails = RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Protobuf parsing failed.\nmore")
    assert failure(opened, ENGINE_OPEN).endswith("Protobuf parsing failed.")


def test_a_gpu_that_is_lost_in_a_run_is_said_so_then_and_ever_after_and_not_asked_again(made: Made) -> None:
    engine = opened()
    assert made.session is not None
    made.session.fails = RuntimeError(f"Non-zero status code returned while running Conv node. {ILLEGAL}")
    for _ in range(3):
        said = failure(lambda: engine.infer(FED), ENGINE_RUN)
        assert "the GPU failed and this process cannot use it again (CUDA 700: an illegal memory access" in said
        assert "clinic-7" not in said
    assert made.session.runs == 1
    engine.close()


@pytest.mark.parametrize("text", [NO_MEMORY, "BFCArena: Failed to allocate memory for requested buffer of size 9"])
def test_too_little_memory_of_the_gpu_is_said_so_and_the_next_run_is_tried(made: Made, text: str) -> None:
    engine = opened()
    assert made.session is not None
    made.session.fails = RuntimeError(text)
    assert "the GPU has not enough free memory" in failure(lambda: engine.infer(FED), ENGINE_RUN)
    made.session.fails = None
    assert engine.infer(FED)["scores"].tolist() == [[10.0]]


def test_another_error_of_cuda_does_not_lose_the_gpu(made: Made) -> None:
    words, number = _cuda_words(RuntimeError("CUDA failure 209: no kernel image is available ; hostname=clinic-7 ; x"))
    assert (number, "clinic-7" in words) == (209, False)
    assert "no kernel image is available" in words
    assert made.session is None


def test_feeds_are_checked_before_the_gpu_is_asked(made: Made) -> None:
    engine = opened()
    assert "expected image" in failure(lambda: engine.infer({}), ENGINE_RUN)
    assert made.session is not None
    assert made.session.runs == 0


def test_a_closed_engine_says_that_it_is_closed(made: Made) -> None:
    engine = opened()
    engine.close()
    engine.close()
    assert failure(lambda: engine.infer(FED), ENGINE_RUN).endswith("it is closed.")
    assert made.session is not None
