"""OpenVINO: in 32-bit floats on a CPU that has shorter ones, no converter, no old answer for a new question."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

pytest.importorskip("openvino")

from edge.engines import ENGINES, Engine, open_engine
from edge.engines.openvino import (
    CONVERTER,
    DTYPES,
    PLUGINS,
    OpenVinoEngine,
    OpenVinoGpuEngine,
    _without,
    _words,
    prepare,
)
from edge.errors import EngineError
from edge.pack.store import EMBEDDED
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, GPU_LOST
from edge.testing import tiny_model
from tests.conftest import ROOT
from tests.engines.test_onnxruntime import KINDS, of_type

TASKS = Path("/proc/self/task")
CHEST = EMBEDDED / "chest-pneumonia" / "model.fp32.onnx"


def opened(data: bytes, threads: int = 1) -> OpenVinoEngine:
    return OpenVinoEngine(data, precision="fp32", threads=threads)


def graph(nodes: list[NodeProto], outputs: list[str], initializers: tuple[TensorProto, ...] = ()) -> bytes:
    """A model of one input, ``x``, of any length."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    ys = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(nodes, "graph", [x] if nodes[0].input[0] == "x" else [], ys, list(initializers))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def not_opened(data: bytes) -> str:
    with pytest.raises(EngineError) as caught:
        opened(data)
    assert caught.value.reason is ENGINE_OPEN
    return caught.value.message


def chest(name: str) -> Engine:
    return open_engine(name, CHEST.read_bytes(), precision="fp32", threads=2)


def radiographs(batch: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((batch, 1, 28, 28), dtype=np.float32)


# What comes out -------------------------------------------------------------------------------------------


def test_every_type_of_the_map_is_tried_below() -> None:
    assert set(DTYPES.values()) == set(KINDS)


@pytest.mark.parametrize("dtype", KINDS)
def test_a_tensor_is_called_as_numpy_calls_it_and_comes_back_as_it_went_in(dtype: str) -> None:
    engine = opened(of_type(KINDS[dtype]))
    assert engine.inputs[0].dtype == engine.outputs[0].dtype == dtype
    values = np.array([0, 1, 1]).astype(dtype)
    found = engine.infer({"x": values})["y"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(("kind", "word"), [(TensorProto.STRING, "string"), (TensorProto.BFLOAT16, "bf16")])
def test_what_numpy_has_no_numbers_for_is_not_opened(kind: int, word: str) -> None:
    assert f"'x' is {word}, expected a tensor of numbers" in not_opened(of_type(kind))


def test_it_agrees_with_onnxruntime_on_a_real_model() -> None:
    feeds = {"image": radiographs(5)}
    found, expected = chest("openvino").infer(feeds), chest("onnxruntime").infer(feeds)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4)


def test_outputs_keep_the_names_of_the_graph_where_compiling_gives_them_others() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Identity", ["positive"], ["same"]),
        helper.make_node("Neg", ["positive"], ["negative"]),
    ]
    engine = opened(graph(nodes, ["negative", "same", "positive"]))
    assert [item.name for item in engine.outputs] == ["negative", "same", "positive"]
    found = engine.infer({"x": np.array([-1, 2], dtype=np.float32)})
    assert {name: values.tolist() for name, values in found.items()} == {
        "positive": [0, 2],
        "same": [0, 2],
        "negative": [0, -2],
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_fails_never_gives_the_answer_of_the_run_before(threads: int) -> None:
    """With one thread, OpenVINO's own `infer` does: it returns before it has failed."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [2], [1.0, 2.0])
    engine = opened(graph([helper.make_node("Add", ["x", "two"], ["y"])], ["y"], (two,)), threads)
    for _ in range(20):
        assert engine.infer({"x": np.zeros(2, dtype=np.float32)})["y"].tolist() == [1, 2]
        with pytest.raises(EngineError) as caught:
            engine.infer({"x": np.zeros(3, dtype=np.float32)})
        assert caught.value.reason is ENGINE_RUN
        assert caught.value.__cause__ is not None


def test_numbers_in_the_other_byte_order_are_refused() -> None:
    with pytest.raises(EngineError, match=r"'image' is >f4 of shape \(1, 1, 4, 4\), expected float32"):
        opened(tiny_model()).infer({"image": np.zeros((1, 1, 4, 4), dtype=">f4")})


def test_what_is_fed_and_what_was_expected_are_both_said() -> None:
    engine = opened(tiny_model())
    with pytest.raises(EngineError, match=r"found nothing; expected image\."):
        engine.infer({})
    with pytest.raises(EngineError, match=r"of shape \(4, 4\), expected float32 of shape \(-1, 1, 4, 4\)\."):
        engine.infer({"image": np.zeros((4, 4), dtype=np.float32)})


# What it runs on ------------------------------------------------------------------------------------------


def test_the_facts_say_on_what_and_in_what_it_computes() -> None:
    engine = opened(tiny_model(), threads=2)
    assert engine.facts.version == metadata.version("openvino")
    assert engine.facts.provider.startswith("CPU (")
    assert engine.facts.provider.endswith("), floating point in f32")


def test_the_facts_are_what_was_granted_not_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    granted = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    monkeypatch.setattr(
        "edge.engines.openvino._options", lambda wanted: {**granted, "NUM_STREAMS": str(wanted.threads // 7)}
    )
    facts = opened(tiny_model(), threads=7).facts
    assert facts.threads == 1
    if "bf16" not in facts.provider:
        pytest.skip("this CPU has no bf16")


def test_no_part_of_a_model_is_computed_in_shorter_floats() -> None:
    engine = chest("openvino")
    engine.infer({"image": radiographs(1)})
    assert isinstance(engine, OpenVinoEngine)
    ran = engine._compiled.get_runtime_model().get_ops()
    precisions = {str(node.get_rt_info()["runtimePrecision"].astype(str)) for node in ran}
    assert "f32" in precisions
    assert not {name for name in precisions if name in ("bf16", "f16")}


@pytest.mark.skipif(not TASKS.is_dir(), reason="asks Linux where threads may run")
def test_its_threads_run_where_the_system_puts_them() -> None:
    engine = chest("openvino")
    engine.infer({"image": radiographs(1)})
    own = os.sched_getaffinity(0)
    assert {frozenset(os.sched_getaffinity(int(task.name))) for task in TASKS.iterdir()} == {frozenset(own)}


# What it reads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0"?><net name="x" version="11"><layers/><edges/></net>',
        b"GGUF\x03\x00\x00\x00",
    ],
    ids=["its own format", "another of its formats"],
)
def test_bytes_are_read_as_onnx_whatever_else_they_look_like(data: bytes) -> None:
    not_opened(data)


def test_nothing_at_all_is_no_model() -> None:
    assert "without outputs" in not_opened(b"")


def test_a_model_cannot_reach_for_files_beside_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a model is refused before (`edge.pack.onnx_file`); the engine must at least not crash on it."""
    monkeypatch.chdir(tmp_path)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../nowhere")
    not_opened(graph([helper.make_node("Identity", ["w"], ["y"])], ["y"], (tensor,)))


def test_an_operator_that_it_lacks_is_named() -> None:
    said = not_opened(graph([helper.make_node("Sharpen", ["x"], ["y"], domain="maker")], ["y"]))
    assert "maker.Sharpen" in said
    assert "\n" not in said
    assert ".cpp" not in said


def test_a_message_keeps_what_happened_and_drops_where_in_the_source() -> None:
    trail = "Exception from src/a.cpp:1:\nCheck 'x' failed at src/b.cpp:2:\nThe shape\n  is wrong.\n\n"
    assert _words(RuntimeError(trail)) == "The shape is wrong."
    assert _words(RuntimeError("")) == "RuntimeError"
    assert len(_words(RuntimeError("word " * 1000))) <= 300


# What it loads --------------------------------------------------------------------------------------------


def test_its_converter_and_what_reports_usage_are_not_loaded_and_can_be_loaded_after() -> None:
    program = textwrap.dedent(f"""
        import sys
        import edge.engines.openvino
        print([name for name in sys.modules if name.startswith(({CONVERTER!r}, "openvino_telemetry"))])
        import {CONVERTER}
    """)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[]\n", "")


def test_a_module_is_out_of_reach_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)  # another package may have loaded it
    with _without("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys")
    loaded: Any = ModuleType("loaded")
    monkeypatch.setitem(sys.modules, "loaded", loaded)
    with _without("loaded"):
        assert sys.modules["loaded"] is loaded
    assert sys.modules["loaded"] is loaded


# On an Intel GPU, which is made up ------------------------------------------------------------------------


class MadeUpCore:
    """OpenVINO on a machine with a GPU, on which the processor computes in its place."""

    devices: ClassVar[list[str]] = ["CPU", "GPU.0", "GPU.1"]
    name: ClassVar[str] = "Intel(R) Iris(R) Xe Graphics (iGPU)"
    asked: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []

    def __init__(self) -> None:
        self._core = REAL_CORE()
        self.available_devices = list(self.devices)

    def get_property(self, device: str, name: str) -> str:
        return f"{self.name} " if device == "GPU" else str(self._core.get_property(device, name))

    def compile_model(self, graph: object, device: str, options: dict[str, Any]) -> object:
        self.asked.append(("compile", device, options))
        return self._core.compile_model(graph, "CPU", options)

    def import_model(self, blob: object, device: str, options: dict[str, Any]) -> object:
        self.asked.append(("import", device, options))
        return self._core.import_model(blob, "CPU", options)


REAL_CORE = importlib.import_module("openvino").Core


@pytest.fixture
def made_up_gpu(monkeypatch: pytest.MonkeyPatch) -> type[MadeUpCore]:
    monkeypatch.setattr("edge.engines.openvino.ov.Core", MadeUpCore)
    monkeypatch.setattr(MadeUpCore, "asked", [])
    return MadeUpCore


def on_gpu(threads: int = 3) -> OpenVinoGpuEngine:
    return OpenVinoGpuEngine(tiny_model(), precision="fp32", threads=threads)


def test_on_a_gpu_the_facts_name_the_engine_and_the_gpu(made_up_gpu: type[MadeUpCore]) -> None:
    facts = on_gpu().facts
    assert (facts.name, facts.threads) == ("openvino-gpu", 3)
    assert f"({made_up_gpu.name}), floating point in f32" in facts.provider


def test_on_a_gpu_floats_stay_32_bits_and_nothing_is_asked_that_only_a_processor_has(
    made_up_gpu: type[MadeUpCore],
) -> None:
    scores = on_gpu().infer({"image": np.ones((1, 1, 4, 4), np.float32)})["scores"]
    assert scores == pytest.approx(10.0)
    ((_, device, options),) = made_up_gpu.asked
    assert device == "GPU"
    assert options["INFERENCE_PRECISION_HINT"] == "f32"
    assert not [name for name in options if "THREADS" in name or "PINNING" in name]


def test_a_gpu_that_openvino_does_not_find_is_told_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, made_up_gpu: type[MadeUpCore]
) -> None:
    monkeypatch.setattr(made_up_gpu, "devices", ["CPU"])
    with pytest.raises(EngineError, match=r"finds CPU, expected GPU\. .*intel-opencl-icd.*render") as caught:
        on_gpu()
    assert caught.value.reason is GPU_LOST


def test_nothing_is_compiled_for_a_gpu_that_openvino_does_not_find(
    monkeypatch: pytest.MonkeyPatch, made_up_gpu: type[MadeUpCore]
) -> None:
    monkeypatch.setattr(made_up_gpu, "devices", ["CPU"])
    monkeypatch.setattr(made_up_gpu, "get_property", lambda *_: pytest.fail("a GPU was asked for its name"))
    with pytest.raises(EngineError, match="finds CPU, expected GPU") as caught:
        prepare(tiny_model(), name="openvino-gpu", precision="fp32", threads=3)
    assert caught.value.reason is GPU_LOST
    assert made_up_gpu.asked == []


def test_what_is_kept_for_one_gpu_serves_no_other_and_no_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made_up_gpu: type[MadeUpCore]
) -> None:
    monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path))
    monkeypatch.setattr("edge.engines.kept.GAIN", -9.0)  # kept even if opening is no faster with it
    prepare(tiny_model(), name="openvino-gpu", precision="fp32", threads=3)

    def first(opener: type[OpenVinoEngine]) -> str:
        made_up_gpu.asked.clear()
        opener(tiny_model(), precision="fp32", threads=3)
        return made_up_gpu.asked[0][0]

    assert first(OpenVinoGpuEngine) == "import"
    assert first(OpenVinoEngine) == "compile"
    monkeypatch.setattr(made_up_gpu, "name", "Intel(R) Arc(TM) A770")
    assert first(OpenVinoGpuEngine) == "compile"


def test_every_plugin_is_an_engine_of_the_table() -> None:
    assert set(PLUGINS) == {name for name, entry in ENGINES.items() if "engines.openvino:" in entry.target}
