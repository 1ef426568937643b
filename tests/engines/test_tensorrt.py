"""Opening and running plans, with TensorRT and the GPU replaced below the memory's interface."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines import Engine
from edge.engines.tensorrt import TensorRtEngine
from edge.engines.tensorrt.build import LARGEST_BATCH
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, Reason
from tests.conftest import ROOT
from tests.engines.fake_machine import CLASSES, Made, Place, image, machines, truth
from tests.engines.fake_tensorrt import DataType, Strategy


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    return machines(monkeypatch, tmp_path)


@pytest.fixture(params=CLASSES)
def place(made: Made, request: pytest.FixtureRequest) -> Place:
    return made(request.param)


@pytest.fixture
def engine(place: Place) -> Iterator[TensorRtEngine]:
    place.prepare()
    found = place.open()
    yield found
    found.close()


# Running --------------------------------------------------------------------------------------------------------------


def test_it_is_an_engine(engine: Engine) -> None:
    assert [(item.name, item.dtype, item.shape) for item in engine.inputs] == [("image", "float32", (-1, 1, 4, 4))]
    assert [(item.name, item.dtype, item.shape) for item in engine.outputs] == [("scores", "float32", (-1, 1))]


def test_the_facts_tell_all_that_takes_part(place: Place, engine: TensorRtEngine) -> None:
    assert (engine.facts.name, engine.facts.precision, engine.facts.threads) == (place.name, "fp32", 1)
    expected = "Fake GPU (SM 8.7), driver 540.4, CUDA 12.6, by way of fake 1; CUDA graphs"
    assert engine.facts.provider == expected


@pytest.mark.parametrize("batch", [1, 2, LARGEST_BATCH])
def test_the_outputs_are_what_numpy_computes(engine: Engine, batch: int) -> None:
    np.testing.assert_allclose(engine.infer({"image": image(batch)})["scores"], truth(image(batch)), atol=1e-4)


def test_the_batch_may_change_from_one_run_to_the_next(engine: Engine) -> None:
    for batch in (1, 5, 5, 5, 2, 1, 1, 1, 5):
        fed = image(batch, seed=batch)
        np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)


def test_what_was_given_out_belongs_to_the_caller_and_outlives_the_engine(engine: TensorRtEngine) -> None:
    first = engine.infer({"image": image(seed=1)})["scores"]
    kept = first.copy()
    for seed in range(2, 6):
        engine.infer({"image": image(seed=seed)})
    engine.close()
    np.testing.assert_array_equal(first, kept)
    first += 1


def test_what_is_fed_is_not_written_to_and_may_lie_in_any_order(engine: Engine) -> None:
    turned = image(seed=3).transpose(0, 1, 3, 2)
    before = turned.copy()
    np.testing.assert_allclose(engine.infer({"image": turned})["scores"], truth(before), atol=1e-4)
    np.testing.assert_array_equal(turned, before)


@pytest.mark.parametrize("batch", [0, LARGEST_BATCH + 1])
def test_a_batch_out_of_range_is_refused(place: Place, engine: Engine, batch: int) -> None:
    said = place.refused(lambda: engine.infer({"image": image(batch)}), ENGINE_RUN)
    assert f"a batch of {batch}, expected one from 1 to {LARGEST_BATCH}" in said


def test_a_shape_that_was_taken_in_part_is_set_again_before_the_next_run(place: Place, engine: Engine) -> None:
    place.state.shape_fails = True
    place.refused(lambda: engine.infer({"image": image(2)}), ENGINE_RUN)
    place.state.shape_fails = False
    np.testing.assert_allclose(engine.infer({"image": image(1)})["scores"], truth(image(1)), atol=1e-4)


def test_other_feeds_are_refused(place: Place, engine: Engine) -> None:
    place.refused(lambda: engine.infer({"image": image().astype(np.float64)}), ENGINE_RUN)
    place.refused(lambda: engine.infer({}), ENGINE_RUN)


def test_a_closed_engine_says_so_and_may_be_closed_again(place: Place, engine: TensorRtEngine) -> None:
    engine.close()
    engine.close()
    assert "it is closed" in place.refused(lambda: engine.infer({"image": image()}), ENGINE_RUN)


# CUDA graphs ----------------------------------------------------------------------------------------------------------


def test_the_second_run_of_a_shape_is_captured_and_later_ones_launch_it(place: Place, engine: Engine) -> None:
    assert (place.memory.captured, place.memory.launched) == (1, 1)  # opening ran it twice
    for seed in range(3):
        engine.infer({"image": image(seed=seed)})
    assert (place.memory.captured, place.memory.launched) == (1, 4)
    for seed in range(3):
        engine.infer({"image": image(4, seed=seed)})
    assert (place.memory.captured, place.memory.launched) == (2, 6)


def test_there_is_never_more_than_one_graph_in_a_lane(place: Place, engine: Engine) -> None:
    engine.infer({"image": image()})
    held = len(place.memory.live)
    for batch in (2, 3, 4):
        for _ in range(3):
            engine.infer({"image": image(batch)})
        assert len(place.memory.live) == held


def test_an_adapter_without_graphs_is_told_in_the_facts(made: Made) -> None:
    place = made(graphs=False)
    place.prepare()
    with closing(place.open()) as engine:
        assert engine.facts.provider.endswith("; no CUDA graphs: fake 1 captures none")
        np.testing.assert_allclose(engine.infer({"image": image()})["scores"], truth(image()), atol=1e-4)
    assert place.memory.captured == 0


def test_a_capture_that_fails_is_told_in_the_facts_and_runs_go_on(place: Place) -> None:
    place.prepare()
    place.memory.capturing_fails = True
    with closing(place.open()) as engine:
        assert "; no CUDA graphs: Capturing a CUDA graph: cudaErrorStreamCaptureUnsupported" in engine.facts.provider
        for seed in range(3):
            fed = image(seed=seed)
            np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)


def test_a_library_that_says_that_it_cannot_be_captured_is_believed(made: Made) -> None:
    place = made("rtx")
    place.prepare()
    place.state.not_capturable = True
    with closing(place.open()) as engine:
        assert "the library says that this model cannot be captured" in engine.facts.provider
    assert place.memory.captured == 0


def test_tensorrt_for_rtx_compiles_before_the_first_run_and_not_beside_the_runs(made: Made) -> None:
    place = made("rtx")
    place.prepare()
    place.open().close()
    assert place.state.strategies == [Strategy["EAGER"]]


# Threads --------------------------------------------------------------------------------------------------------------


def in_threads(work: Callable[[int], None], count: int) -> None:
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 -- raised again in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_many_threads_get_their_own_answers_from_two_lanes(place: Place, engine: Engine) -> None:
    def work(number: int) -> None:
        for run in range(20):
            fed = image(1 + (number + run) % 3, seed=100 * number + run)
            np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)

    in_threads(work, 5)
    gc.collect()
    assert 1 <= place.state.contexts <= 2


def test_a_second_lane_is_made_only_when_two_run_at_once(place: Place, engine: TensorRtEngine) -> None:
    engine.infer({"image": image()})
    assert place.state.contexts == 1
    with engine._lane():
        engine.infer({"image": image()})
    assert place.state.contexts == 2


def test_without_memory_for_a_second_lane_threads_wait_for_the_first(
    place: Place, engine: TensorRtEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[NDArray[Any]] = []

    def fail() -> None:
        raise EngineError("Allocating: not enough.", ENGINE_RUN)

    monkeypatch.setattr(engine, "_add_lane", fail)
    waiting = threading.Thread(target=lambda: answers.append(engine.infer({"image": image()})["scores"]))
    with engine._lane():
        waiting.start()
        waiting.join(0.1)
        assert not answers
    waiting.join()
    np.testing.assert_allclose(answers[0], truth(image()), atol=1e-4)
    assert place.state.contexts == 1


def test_closing_waits_for_a_run_and_those_that_wait_are_told(place: Place, engine: TensorRtEngine) -> None:
    said: list[str] = []
    engine._most = 1

    def late() -> None:
        said.append(place.refused(lambda: engine.infer({"image": image()}), ENGINE_RUN))

    waiting, closing_thread = threading.Thread(target=late), threading.Thread(target=engine.close)
    with engine._lane() as lane:
        waiting.start()
        closing_thread.start()
        waiting.join()
        assert place.memory.live
        lane.run({"image": image()})
    closing_thread.join()
    assert "it is closed" in said[0]
    assert not place.memory.live


# What is left behind, and what breaks ---------------------------------------------------------------------------------


def test_everything_that_was_allocated_is_freed(place: Place) -> None:
    place.prepare()
    for _ in range(3):
        engine = place.open()
        for batch in (1, 1, 4, 4, 4):
            engine.infer({"image": image(batch)})
        with engine._lane():
            engine.infer({"image": image()})
        assert place.memory.live
        engine.close()
        gc.collect()
        assert not place.memory.live
        assert (place.state.contexts, place.state.engines) == (0, 0)
    assert place.memory.made > 0
    assert place.memory.closed


FAILURES: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "no context": ({"context_fails": True}, ENGINE_OPEN, "OutOfMemory"),
    "no run": ({"execute_fails": "Error Code 1: Myelin"}, ENGINE_OPEN, "Error Code 1: Myelin"),
    "a type that numpy has not": ({"output_dtype": DataType["BF16"]}, ENGINE_OPEN, "'scores' is BF16"),
    "a tensor that is not on the GPU": ({"host_tensors": True}, ENGINE_OPEN, "expected a tensor of numbers on the GPU"),
    "an output of unknown size": ({"output_shape": (-1, -1)}, ENGINE_OPEN, "depends on the values"),
}


@pytest.mark.parametrize(("broken", "reason", "words"), FAILURES.values(), ids=FAILURES)
def test_an_opening_that_fails_frees_everything(made: Made, broken: dict[str, Any], reason: Reason, words: str) -> None:
    place = made("10.3")
    place.prepare()
    for name, value in broken.items():
        setattr(place.state, name, value)
    assert words in place.refused(place.open, reason)
    gc.collect()
    assert not place.memory.live
    assert (place.state.contexts, place.state.engines) == (0, 0)
    assert place.memory.closed


def test_a_gpu_too_full_for_the_buffers_is_told_as_that(made: Made) -> None:
    place = made("10.3")
    place.prepare()
    with closing(place.memory.allocate(place.memory.room().free_bytes)):
        assert "not enough free memory" in place.refused(place.open, ENGINE_OPEN)
    assert not place.memory.live


def test_a_gpu_that_is_lost_in_the_middle_is_told_as_that_and_closing_still_works(
    place: Place, engine: TensorRtEngine
) -> None:
    engine.infer({"image": image()})
    place.memory.lost = True
    for batch in (1, 1, 2):
        said = place.refused(lambda size=batch: engine.infer({"image": image(size)}), ENGINE_RUN)  # type: ignore[misc]
        assert "the GPU was lost in the middle, it does not answer any more" in said
    engine.close()
    assert not place.memory.live


def test_a_gpu_that_was_away_for_a_run_answers_right_again_and_from_a_new_graph(
    place: Place, engine: TensorRtEngine
) -> None:
    place.memory.lost = True
    place.refused(lambda: engine.infer({"image": image()}), ENGINE_RUN)
    place.memory.lost = False
    for captured in (1, 2, 2):
        fed = image(seed=captured)
        np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)
        assert place.memory.captured == captured


def test_a_run_that_fails_is_told_in_tensorrts_words(place: Place, engine: TensorRtEngine) -> None:
    place.state.execute_fails = "IExecutionContext::enqueueV3: Error Code 1: Cask"
    said = place.refused(lambda: engine.infer({"image": image(2)}), ENGINE_RUN)
    assert (
        said == f"Running {engine.facts.name} {engine.facts.version}: IExecutionContext::enqueueV3: Error Code 1: Cask."
    )
    place.state.execute_fails = ""
    np.testing.assert_allclose(engine.infer({"image": image(2)})["scores"], truth(image(2)), atol=1e-4)


def test_importing_it_imports_neither_tensorrt_nor_cuda() -> None:
    script = "import sys, edge.engines.tensorrt; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert not {"tensorrt", "tensorrt_rtx_bindings", "cuda", "pycuda", "onnxruntime"} & set(ran.stdout.split())
