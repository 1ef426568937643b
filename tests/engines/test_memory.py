"""The way to a GPU's memory: which adapter is taken, and what each does with what CUDA says."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from edge.engines.tensorrt import memory
from edge.engines.tensorrt.memory import ADAPTERS, LOST, Memory, cuda_version, failure, open_memory
from edge.errors import EngineError
from edge.reasons import ENGINE_RUN, GPU_LOST, NO_ENGINE, Reason
from edge.table import Entry
from tests.engines.fake_gpu import GPU, FakeMemory, array_at
from tests.engines.fake_pycuda import FakePycuda, fake_pycuda
from tests.engines.fake_runtime import FakeRuntime, fake_runtime

NOISE = np.random.default_rng(0).integers(0, 256, 1000, np.uint8)


def cuda_python(monkeypatch: pytest.MonkeyPatch) -> tuple[Memory, FakeRuntime]:
    """The real adapter over a runtime that is none; what it imports of cuda-python is replaced, not its own code."""
    runtime = fake_runtime()
    bindings, package = types.ModuleType("cuda.bindings"), types.ModuleType("cuda")
    for name, module in {"cuda": package, "cuda.bindings": bindings, "cuda.bindings.runtime": runtime}.items():
        monkeypatch.setitem(sys.modules, name, module)
    bindings.runtime = runtime  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "edge.engines.tensorrt.memory_cuda_python", raising=False)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "13.5.0")
    module = importlib.import_module("edge.engines.tensorrt.memory_cuda_python")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(module, "known_gpu", lambda: GPU)
    return module.open_gpu(), runtime.state


def pycuda(monkeypatch: pytest.MonkeyPatch) -> tuple[Memory, FakePycuda]:
    """The real adapter over a PyCUDA that is none."""
    package, driver = fake_pycuda()
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.delitem(sys.modules, "edge.engines.tensorrt.memory_pycuda", raising=False)
    module = importlib.import_module("edge.engines.tensorrt.memory_pycuda")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(module, "known_gpu", lambda: GPU)
    return module.open_gpu(), driver.state


def fake(_: pytest.MonkeyPatch) -> tuple[Memory, FakeMemory]:
    found = FakeMemory()
    return found, found


Opened = tuple[Memory, Any]
OPENERS: dict[str, Callable[[pytest.MonkeyPatch], Opened]] = {
    "cuda-python": cuda_python,
    "pycuda": pycuda,
    "fake": fake,
}


@pytest.fixture(params=OPENERS)
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    found = OPENERS[request.param](monkeypatch)
    yield found
    found[0].close()


def test_every_adapter_of_the_table_is_tested() -> None:
    assert set(OPENERS) == {*ADAPTERS, "fake"}


def test_what_is_copied_there_and_back_is_the_same(opened: Opened) -> None:
    gpu, _ = opened
    with (
        closing(gpu.stream()) as stream,
        closing(gpu.pin(1000)) as source,
        closing(gpu.allocate(1000)) as block,
        closing(gpu.pin(1000)) as target,
    ):
        source.values[:] = NOISE
        stream.upload(block.address, source.values)
        stream.download(target.values, block.address)
        stream.synchronise()
        np.testing.assert_array_equal(target.values, NOISE)


def test_nothing_is_copied_before_the_stream_is_waited_for(opened: Opened) -> None:
    gpu, _ = opened
    with closing(gpu.stream()) as stream, closing(gpu.pin(1000)) as source, closing(gpu.allocate(1000)) as block:
        stream.upload(block.address, source.values)
        source.values[:] = NOISE
        stream.synchronise()
        np.testing.assert_array_equal(array_at(block.address, (1000,), "uint8"), NOISE)


def test_a_stream_that_follows_another_finds_its_work_done(opened: Opened) -> None:
    gpu, _ = opened
    with (
        closing(gpu.stream()) as there,
        closing(gpu.stream()) as back,
        closing(gpu.pin(1000)) as source,
        closing(gpu.allocate(1000)) as block,
        closing(gpu.pin(1000)) as target,
    ):
        source.values[:] = NOISE
        there.upload(block.address, source.values)
        back.follow(there)
        back.download(target.values, block.address)
        back.synchronise()
        np.testing.assert_array_equal(target.values, NOISE)


def test_streams_have_different_handles(opened: Opened) -> None:
    gpu, _ = opened
    with closing(gpu.stream()) as one, closing(gpu.stream()) as two:
        assert one.handle != two.handle


def test_closing_frees_once_and_everything(opened: Opened) -> None:
    gpu, state = opened
    held: list[Any] = [gpu.stream(), gpu.pin(10), gpu.allocate(10)]
    assert len(state.live) == 3
    for item in held * 2:
        item.close()
    assert not state.live


def test_the_free_memory_is_told(opened: Opened) -> None:
    gpu, _ = opened
    before = gpu.room()
    with closing(gpu.allocate(1 << 20)):
        assert before.free_bytes - gpu.room().free_bytes == 1 << 20
    assert gpu.room() == before
    assert before.free_bytes <= before.total_bytes


def test_a_lost_gpu_is_told_as_one(opened: Opened) -> None:
    gpu, state = opened
    stream = gpu.stream()
    state.lost = True
    with pytest.raises(EngineError, match="the GPU was lost in the middle, it does not answer any more") as caught:
        stream.synchronise()
    assert caught.value.reason is ENGINE_RUN
    state.lost = False
    stream.close()


def test_too_little_memory_is_told_as_that(opened: Opened) -> None:
    gpu, _ = opened
    with pytest.raises(EngineError, match=r"Allocating 109951162777600 bytes on the GPU: .*not enough free memory"):
        gpu.allocate(100 << 40)


@pytest.mark.parametrize("name", ["cuda-python", "fake"])
def test_a_graph_does_its_work_each_time_it_is_launched_and_not_before(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, _ = OPENERS[name](monkeypatch)
    assert gpu.reached.graphs
    with (
        closing(gpu.stream()) as stream,
        closing(gpu.pin(1000)) as source,
        closing(gpu.allocate(1000)) as block,
        closing(stream.capture(lambda: stream.upload(block.address, source.values))) as graph,
    ):
        there = array_at(block.address, (1000,), "uint8")
        source.values[:] = NOISE
        stream.synchronise()
        assert not np.array_equal(there, NOISE)
        for values in (NOISE, ~NOISE):
            source.values[:] = values
            graph.launch()
            stream.synchronise()
            np.testing.assert_array_equal(there, values)


def test_work_that_fails_while_it_is_captured_leaves_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, state = cuda_python(monkeypatch)

    def work() -> None:
        raise EngineError("Running tiny: no.", ENGINE_RUN)

    with closing(gpu.stream()) as stream:
        with pytest.raises(EngineError, match="Running tiny: no"):
            stream.capture(work)
        stream.synchronise()
    assert not state.live


def test_pycuda_captures_no_graphs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = pycuda(monkeypatch)
    assert not gpu.reached.graphs
    with closing(gpu.stream()) as stream, pytest.raises(EngineError, match="PyCUDA is in use, which captures none"):
        stream.capture(stream.synchronise)


def test_pycuda_leaves_its_context_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, state = pycuda(monkeypatch)
    with closing(gpu.allocate(10)):
        assert state.contexts == 0
    with pytest.raises(EngineError):
        gpu.allocate(100 << 40)
    assert state.contexts == 0
    gpu.close()
    assert state.detached == 1


def test_an_array_with_gaps_is_never_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = cuda_python(monkeypatch)
    with closing(gpu.stream()) as stream, closing(gpu.allocate(1000)) as block:
        with pytest.raises(ValueError, match="an array with gaps"):
            stream.upload(block.address, NOISE[::2])
        with pytest.raises(ValueError, match="an array with gaps"):
            stream.download(NOISE[::2], block.address)


@pytest.mark.parametrize("name", ["cuda-python", "pycuda"])
def test_no_gpu_at_the_opening_is_a_gpu_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, state = OPENERS[name](monkeypatch)
    state.lost = True
    module = sys.modules[ADAPTERS[name].target.partition(":")[0]]
    with pytest.raises(EngineError, match="Opening the GPU: ") as caught:
        module.open_gpu()
    assert caught.value.reason is GPU_LOST


def test_a_driver_that_is_not_there_is_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _, state = cuda_python(monkeypatch)
    state.unloadable = True
    module = sys.modules["edge.engines.tensorrt.memory_cuda_python"]
    with pytest.raises(EngineError, match="Opening the GPU: libcuda is not there") as caught:
        module.open_gpu()
    assert caught.value.reason is GPU_LOST


def test_the_adapters_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = cuda_python(monkeypatch)
    second, _ = pycuda(monkeypatch)
    assert (first.reached.adapter, first.reached.cuda, first.reached.gpu) == ("cuda-python 13.5.0", "13.0", GPU)
    assert (second.reached.adapter, second.reached.cuda) == ("pycuda 2026.1", "12.6")


def adapters(monkeypatch: pytest.MonkeyPatch, **needs: str) -> None:
    rows = {name: Entry(f"tests.engines.test_memory:{name}_gpu", needs=(package,)) for name, package in needs.items()}
    monkeypatch.setattr(memory, "ADAPTERS", rows)


def first_gpu() -> str:
    return "first"


def second_gpu() -> str:
    return "second"


def broken_gpu() -> str:
    raise EngineError("Opening the GPU: no.", GPU_LOST)


def test_the_first_adapter_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, first="json", second="json")
    assert open_memory() == "first"  # type: ignore[comparison-overlap]
    adapters(monkeypatch, first="not_there.at_all", second="json")
    assert open_memory() == "second"  # type: ignore[comparison-overlap]


def test_one_that_fails_is_not_replaced_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, broken="json", second="json")
    with pytest.raises(EngineError, match="Opening the GPU: no"):
        open_memory()


def test_no_adapter_at_all_is_told_with_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, first="not_there", second="not_there")
    with pytest.raises(EngineError, match="expected first or second") as caught:
        open_memory()
    assert caught.value.reason is NO_ENGINE


def test_cuda_python_comes_first_and_pycuda_is_then_never_imported() -> None:
    assert list(ADAPTERS) == ["cuda-python", "pycuda"]
    assert "pycuda" not in sys.modules


@pytest.mark.parametrize("code", sorted(LOST))
@pytest.mark.parametrize(("reason", "words"), [(ENGINE_RUN, "was lost in the middle"), (GPU_LOST, f"{'Copying'}: ")])
def test_every_word_for_a_lost_gpu_is_understood(code: str, reason: Reason, words: str) -> None:
    error = failure("Copying", code, "so it is", reason)
    assert words in error.message
    assert code in error.message
    assert error.reason is reason


def test_any_other_failure_is_told_in_cudas_words() -> None:
    assert failure("Copying", "cudaErrorInvalidValue", "invalid argument").message == (
        "Copying: cudaErrorInvalidValue: invalid argument."
    )


def test_the_words_for_a_lost_gpu_are_cudas() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    assert {*LOST, "cudaErrorMemoryAllocation"} <= {item.name for item in runtime.cudaError_t}


def test_the_fake_runtime_has_no_function_that_cuda_python_has_not() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    assert [name for name in vars(fake_runtime()) if name.startswith("cuda") and not hasattr(runtime, name)] == []


def test_without_a_driver_the_real_adapter_says_that_no_gpu_is_there() -> None:
    pytest.importorskip("cuda.bindings.runtime")
    if importlib.import_module("edge.gpu").find_gpu() is not None:
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="Opening the GPU: ") as caught:
        open_memory()
    assert caught.value.reason is GPU_LOST


def test_versions_of_cuda_are_spelt_as_usual() -> None:
    assert (cuda_version(13020), cuda_version(12000)) == ("13.2", "12.0")
