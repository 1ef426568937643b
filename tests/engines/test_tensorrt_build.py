"""Parsing and building with TensorRT for RTX itself, which needs neither a GPU nor a driver for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.engines import ENGINES
from edge.engines.tensorrt import build, engine, plans, prepare, prepared
from edge.engines.tensorrt.build import (
    HINTS,
    LARGEST_BATCH,
    OTHERWISE,
    Built,
    build_plan,
    largest_batch,
    workspace_limit,
)
from edge.engines.tensorrt.library import (
    DTYPES,
    MODULES,
    Library,
    first_words,
    has_timing_cache,
    import_library,
    load_library,
)
from edge.engines.tensorrt.memory import Room
from edge.errors import EngineError
from edge.gpu import find_gpu
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN, NO_ENGINE
from edge.testing import tiny_model
from tests.conftest import ROOT
from tests.engines.fake_gpu import FakeMemory

onnx = pytest.importorskip("onnx")
pytest.importorskip("tensorrt_rtx_bindings")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("tensorrt-rtx")


def value(name: str, shape: Sequence[int | str], kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def constant(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values), name)


def model_of(
    nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], constants: Sequence[Any] = ()
) -> bytes:
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def conv_net(dtype: type[np.floating[Any]] = np.float32) -> bytes:
    """Two convolutions with a ReLU between, in one type throughout."""
    kind = FLOAT if dtype is np.float32 else HALF
    generator = np.random.default_rng(0)
    constants = [
        constant("w1", generator.standard_normal((8, 3, 3, 3)).astype(dtype)),
        constant("b1", generator.standard_normal(8).astype(dtype)),
        constant("w2", generator.standard_normal((4, 8, 1, 1)).astype(dtype)),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
        helper.make_node("Conv", ["r1", "w2"], ["y"], name="second"),
    ]
    return model_of(nodes, [value("x", ["N", 3, 16, 16], kind)], [value("y", ["N", 4, 16, 16], kind)], constants)


def quantised_net(zero: np.generic | None = None, bias: np.dtype[Any] | None = None) -> bytes:
    """A convolution between Q and DQ: signed, symmetric, per channel, its bias in float unless told otherwise."""
    generator = np.random.default_rng(0)
    point = np.int8(0) if zero is None else zero
    constants = [
        constant("s", np.float32(0.05)),
        constant("z", np.asarray(point)),
        constant("qw", generator.integers(-127, 128, (8, 3, 3, 3), np.int8)),
        constant("sw", np.full(8, 0.01, np.float32)),
        constant("zw", np.zeros(8, np.int8)),
        constant("b", generator.standard_normal(8).astype(np.float32)),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"], name="dequantise"),
        helper.make_node("DequantizeLinear", ["qw", "sw", "zw"], ["w"], name="weights", axis=0),
    ]
    if bias is not None:
        constants += [constant("qb", np.ones(8, bias)), constant("sb", np.full(8, 0.0005, np.float32))]
        nodes.append(helper.make_node("DequantizeLinear", ["qb", "sb"], ["db"], name="biases", axis=0))
    nodes.append(
        helper.make_node("Conv", ["dq", "w", "b" if bias is None else "db"], ["y"], name="conv", pads=[1, 1, 1, 1])
    )
    return model_of(nodes, [value("x", ["N", 3, 16, 16])], [value("y", ["N", 8, 16, 16])], constants)


BUILDS = {"FP32": conv_net, "FP16": lambda: conv_net(np.float16), "INT8": quantised_net, "tiny": tiny_model}


@pytest.mark.parametrize("model", BUILDS.values(), ids=BUILDS)
def test_a_model_in_every_precision_is_built(library: Library, model: Any) -> None:
    built = build_plan(library, model())
    assert built.plan[:4] == b"vtrt"
    assert built.timing == b""


def test_progress_is_told_step_by_step_and_from_one_thread_that_is_not_ours(library: Library) -> None:
    told: list[tuple[str, int, int]] = []
    threads = set()

    def progress(phase: str, step: int, steps: int) -> bool:
        told.append((phase, step, steps))
        threads.add(threading.current_thread())
        return True

    build_plan(library, conv_net(), progress=progress)
    assert told[0][1] == 1
    assert all(1 <= step <= steps for _, step, steps in told)
    assert any(step == steps > 1 for _, step, steps in told)
    assert threading.main_thread() not in threads


def test_a_build_that_is_stopped_says_so_and_goes_no_further(library: Library) -> None:
    told: list[str] = []

    def progress(phase: str, _step: int, _steps: int) -> bool:
        told.append(phase)
        return len(told) < 3

    with pytest.raises(EngineError, match="it was stopped before the end and left nothing") as caught:
        build_plan(library, conv_net(), progress=progress)
    assert caught.value.reason is ENGINE_NOT_PREPARED
    assert len(told) == 3


def test_what_progress_raises_is_raised(library: Library) -> None:
    def progress(_phase: str, _step: int, _steps: int) -> bool:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        build_plan(library, conv_net(), progress=progress)


def interrupt_a_build(name: str) -> None:
    """Print after how many steps a build ended that was interrupted in its second one."""
    told: list[str] = []
    heard = threading.Event()

    def progress(phase: str, _step: int, _steps: int) -> bool:
        told.append(phase)
        if len(told) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            heard.wait(30)  # a step that lasts until the interrupt has been heard
        return True

    class Heard(threading.Event):
        def set(self) -> None:
            super().set()
            heard.set()

    first = iter([Heard()])  # that which stops the build
    vars(build)["threading"] = SimpleNamespace(
        Event=lambda: next(first, None) or threading.Event(), Thread=threading.Thread, Lock=threading.Lock
    )
    try:
        build_plan(load_library(name), conv_net(), progress=progress)
    except KeyboardInterrupt:
        sys.stdout.write(f"interrupted after {len(told)} steps\n")


@pytest.mark.skipif(sys.platform == "win32", reason="an interrupt is a signal elsewhere")
def test_an_interrupt_ends_the_build_at_the_next_step(library: Library) -> None:
    program = f"from {__name__} import interrupt_a_build; interrupt_a_build({library.engine!r})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (0, "interrupted after 2 steps\n"), ran.stderr


def refused(library: Library, model: bytes) -> str:
    with pytest.raises(EngineError) as caught:
        build_plan(library, model)
    assert caught.value.reason is ENGINE_OPEN
    assert caught.value.message.startswith(f"Preparing tensorrt-rtx {library.version}: ")
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_zero_point_is_refused_with_the_node_and_what_to_do(library: Library) -> None:
    said = refused(library, quantised_net(zero=np.uint8(3)))
    assert "Non-zero zero point is not supported" in said
    assert "at the node 'quantise' (QuantizeLinear)" in said
    assert said.endswith(HINTS["QuantizeLinear"])


def test_a_quantised_bias_is_refused_with_the_node_and_what_to_do(library: Library) -> None:
    said = refused(library, quantised_net(bias=np.dtype(np.int32)))
    assert "at the node 'biases' (DequantizeLinear)" in said
    assert said.endswith(HINTS["DequantizeLinear"])


def test_sampling_in_a_volume_is_built() -> None:
    """Not so with TensorRT itself before 11.2.1, whose parser refuses it."""
    nodes = [helper.make_node("GridSample", ["x", "g"], ["y"], mode="linear")]
    shapes = [value("x", ["N", 1, 4, 5, 6]), value("g", ["N", 4, 5, 6, 3])]
    assert build_plan(load_library("tensorrt-rtx"), model_of(nodes, shapes, [value("y", ["N", 1, 4, 5, 6])])).plan


def test_an_output_whose_size_depends_on_the_values_is_refused(library: Library) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["y"], name="where")]
    said = refused(library, model_of(nodes, [value("x", [4, 4])], [value("y", [2, "n"], TensorProto.INT64)]))
    assert "'where' (NonZero)" in said
    assert said.endswith(HINTS["NonZero"])


def test_an_operator_that_it_does_not_know_is_refused_by_name(library: Library) -> None:
    nodes = [helper.make_node("Det", ["x"], ["y"], name="det")]
    said = refused(library, model_of(nodes, [value("x", ["N", 4, 4])], [value("y", ["N"])]))
    assert "Det" in said
    assert said.endswith(OTHERWISE)


def test_a_free_axis_that_is_not_the_batch_is_refused_before_anything_is_built(library: Library) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    said = refused(library, model_of(nodes, [value("x", ["N", 1, "h", 4])], [value("y", ["N", 1, "h", 4])]))
    assert "the input 'x' has the shape (-1, 1, -1, 4), expected -1 (any size) nowhere but in front" in said


@pytest.mark.parametrize("model", [b"", b"this is no model", tiny_model()[:100]])
def test_what_is_no_model_is_refused(library: Library, model: bytes) -> None:
    refused(library, model)


def test_one_that_was_refused_spoils_nothing_for_the_next(library: Library) -> None:
    refused(library, b"this is no model")
    assert build_plan(library, tiny_model()).plan


def test_a_model_whose_shapes_are_all_fixed_needs_no_range(library: Library) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    assert build_plan(library, model_of(nodes, [value("x", [1, 4])], [value("y", [1, 4])])).plan


def test_a_workspace_limit_is_taken(library: Library) -> None:
    assert isinstance(build_plan(library, tiny_model(), workspace_bytes=1 << 26), Built)


def test_only_tensorrt_itself_has_a_timing_cache(library: Library) -> None:
    assert not has_timing_cache(library)


def test_a_discrete_gpu_has_no_limit_and_a_shared_one_keeps_half() -> None:
    room = Room(free_bytes=1000, total_bytes=2000)
    assert workspace_limit(room, integrated=False) is None
    assert workspace_limit(room, integrated=True) == 500


@pytest.mark.parametrize(
    ("shapes", "batch"),
    [
        ([(-1, 1, 4, 4)], LARGEST_BATCH),
        ([(-1, 1, 128, 128, 128)], 8),
        ([(-1, 2, 128, 128, 128)], 4),
        ([(-1, 1, 128, 128, 128), (-1, 1, 128, 128, 128)], 4),
        ([(-1, 1, 512, 512, 512)], 1),
    ],
)
def test_large_inputs_have_small_batches(shapes: list[tuple[int, ...]], batch: int) -> None:
    assert largest_batch(shapes) == batch


def test_a_library_that_is_not_there_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match="Loading tensorrt: ") as caught:
        import_library("tensorrt")
    assert caught.value.reason is NO_ENGINE


def test_every_engine_has_a_module_of_its_own() -> None:
    assert set(MODULES) == {name for name, entry in ENGINES.items() if "tensorrt" in entry.target}
    assert MODULES["tensorrt-rtx"]().__name__ == "tensorrt_rtx_bindings"


def test_every_type_of_the_table_is_tensorrts_and_numpys(library: Library) -> None:
    assert set(DTYPES) <= set(library.trt.DataType.__members__)
    assert [str(np.dtype(name)) for name in DTYPES.values()] == list(DTYPES.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("\n  It failed.\nmore", "It failed"),
        ("f: Error Code 7: BuildCanceled (Build canceled by user In next at /_src/a.cpp:92)", None),
        ("In this case nothing is cut", "In this case nothing is cut"),
    ],
)
def test_messages_lose_their_place_in_the_source_code(text: str, words: str | None) -> None:
    found = first_words(text)
    assert ".cpp" not in found
    assert words is None or found == words.strip()


def test_what_the_real_library_built_and_cannot_load_here_is_not_kept(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if find_gpu() is not None:
        pytest.skip("there is a GPU here")
    monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path))
    for user in (plans, engine):
        monkeypatch.setattr(user, "open_memory", FakeMemory)
    model = tiny_model()
    with pytest.raises(EngineError, match=r"what was built does not load here \(.*CUDA driver.*\)") as caught:
        prepare(model, name=library.engine, precision="fp32", threads=1)
    assert caught.value.reason is ENGINE_OPEN
    assert not prepared(model, name=library.engine, precision="fp32")
