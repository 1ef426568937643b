"""Conformance: what every engine in the table must do, and the fake one too."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge import engines
from edge.engines import ENGINES, Engine, available_engines, open_engine
from edge.errors import EngineError, UsageError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, NO_ENGINE
from edge.testing import FakeEngine, tiny_model
from tests.conftest import ROOT
from tests.engines.here import open_here, why_not

Array = NDArray[Any]
Open = Callable[[], Engine]


def truth(image: Array) -> Array:
    """What the tiny model computes, in numpy."""
    scores: Array = 20 * (image.mean(axis=(1, 2, 3), dtype=np.float64)[:, np.newaxis] - 0.5)
    return scores


def image(batch: int = 1, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    return generator.random((batch, 1, 4, 4), dtype=np.float32)


def fake() -> Engine:
    def answer(feeds: Mapping[str, Array]) -> dict[str, Array]:
        if set(feeds) != {"image"} or feeds["image"].shape[1:] != (1, 4, 4) or feeds["image"].dtype != np.float32:
            raise EngineError("Running fake: found other feeds.", ENGINE_RUN)
        return {"scores": truth(feeds["image"]).astype(np.float32)}

    return FakeEngine(answer)


def opened(name: str, model: bytes | None = None, threads: int = 1) -> Engine:
    if lacks := why_not(name):
        pytest.skip(lacks)
    return open_here(name, tiny_model() if model is None else model, precision="fp32", threads=threads)


@pytest.fixture(params=[*ENGINES, "fake"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    found = fake() if request.param == "fake" else opened(request.param)
    yield found
    found.close()


real = pytest.mark.parametrize("name", ENGINES)


def refused(engine: Engine, feeds: Mapping[str, Any]) -> str:
    with pytest.raises(EngineError) as caught:
        engine.infer(feeds)
    assert caught.value.reason is ENGINE_RUN
    return caught.value.message


@pytest.mark.parametrize("batch", [1, 5])
def test_the_outputs_are_what_numpy_computes(engine: Engine, batch: int) -> None:
    found = engine.infer({"image": image(batch)})
    assert set(found) == {"scores"}
    assert found["scores"].dtype == np.float32
    np.testing.assert_allclose(found["scores"], truth(image(batch)), atol=1e-4)


def test_the_batch_may_change_from_one_run_to_the_next(engine: Engine) -> None:
    for batch in (1, 5, 2, 1, 5):
        fed = image(batch, seed=batch)
        np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)


def test_the_names_of_inputs_and_outputs_are_read_back(engine: Engine) -> None:
    assert [(item.name, item.dtype) for item in engine.inputs] == [("image", "float32")]
    assert [(item.name, item.dtype) for item in engine.outputs] == [("scores", "float32")]


def test_what_was_given_out_is_never_written_to_again(engine: Engine) -> None:
    first = engine.infer({"image": image(seed=1)})["scores"]
    kept = first.copy()
    for seed in range(2, 10):
        engine.infer({"image": image(seed=seed)})
    np.testing.assert_array_equal(first, kept)


def test_what_was_given_out_belongs_to_the_caller(engine: Engine) -> None:
    found = engine.infer({"image": image()})["scores"]
    found += 100
    np.testing.assert_allclose(engine.infer({"image": image()})["scores"], truth(image()), atol=1e-4)


def test_what_was_given_out_outlives_the_engine(engine: Engine) -> None:
    found = engine.infer({"image": image()})["scores"]
    engine.close()
    np.testing.assert_allclose(found, truth(image()), atol=1e-4)


def test_what_is_fed_is_not_written_to(engine: Engine) -> None:
    fed = image()
    engine.infer({"image": fed})
    np.testing.assert_array_equal(fed, image())


def test_a_picture_that_lies_in_memory_in_another_order_is_read_right(engine: Engine) -> None:
    turned = image().transpose(0, 1, 3, 2)
    assert not turned.flags.c_contiguous
    flipped = image()[..., ::-1]
    for fed in (turned, flipped):
        np.testing.assert_allclose(engine.infer({"image": fed})["scores"], truth(fed), atol=1e-4)


def test_the_same_feed_gives_the_same_bytes(engine: Engine) -> None:
    answers = {engine.infer({"image": image()})["scores"].tobytes() for _ in range(5)}
    assert len(answers) == 1


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"picture": image()},
        {"image": image(), "more": image()},
        {"image": image()[0]},
        {"image": image()[..., :3]},
        {"image": image().astype(np.float64)},
        {"image": image().astype(np.uint8)},
    ],
    ids=["nothing", "another name", "one more", "no batch", "another size", "float64", "uint8"],
)
def test_a_feed_that_the_model_does_not_take_is_an_error_of_running(engine: Engine, feeds: dict[str, Any]) -> None:
    assert refused(engine, feeds).startswith("Running ")
    np.testing.assert_allclose(engine.infer({"image": image()})["scores"], truth(image()), atol=1e-4)


@real
def test_a_feed_in_another_byte_order_is_refused_and_not_misread(name: str) -> None:
    assert ">f4" in refused(opened(name), {"image": image().astype(">f4")})


def test_an_engine_can_be_closed_twice(engine: Engine) -> None:
    engine.close()
    engine.close()


@real
def test_a_closed_engine_says_that_it_cannot_run(name: str) -> None:
    engine = opened(name)
    engine.close()
    refused(engine, {"image": image()})


@real
@pytest.mark.parametrize("threads", [1, 2])
def test_the_facts_are_read_back(name: str, threads: int) -> None:
    facts = opened(name, threads=threads).facts
    assert (facts.name, facts.precision) == (name, "fp32")
    assert 1 <= facts.threads <= threads  # as many as were granted
    assert facts.version[0].isdigit()
    assert facts.provider


@real
def test_the_free_axis_of_the_model_is_told(name: str) -> None:
    engine = opened(name)
    assert [item.shape for item in engine.inputs] == [(-1, 1, 4, 4)]
    assert [item.shape for item in engine.outputs] == [(-1, 1)]


@real
def test_two_engines_do_not_disturb_each_other(name: str) -> None:
    first, second = opened(name), opened(name, with_gain(10.0))
    fed = {"image": image()}
    np.testing.assert_allclose(first.infer(fed)["scores"], 2 * second.infer(fed)["scores"], atol=1e-4)
    first.close()
    np.testing.assert_allclose(2 * second.infer(fed)["scores"], truth(image()), atol=1e-4)


def with_gain(gain: float) -> bytes:
    model = onnx.load_from_string(tiny_model())
    model.graph.initializer[1].float_data[0] = gain
    return bytes(model.SerializeToString())


@real
@pytest.mark.parametrize("data", [b"", b"\x00", b"no model", b"\xff" * 100, tiny_model()[:-20]])
def test_bytes_that_are_no_model_are_an_error_of_opening(name: str, data: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        opened(name, data)
    assert caught.value.reason is ENGINE_OPEN
    assert caught.value.message.startswith(f"Opening {name}")
    assert "\n" not in caught.value.message


@real
def test_a_graph_that_gives_anything_but_tensors_of_numbers_is_not_opened(name: str) -> None:
    """Parts of unequal size, as a sequence: numpy would not know what to make of them."""
    x = helper.make_tensor_value_info("image", TensorProto.FLOAT, [5])
    parts = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    node = helper.make_node("SplitToSequence", ["image", "size"], ["parts"])
    size = helper.make_tensor("size", TensorProto.INT64, [], [2])
    graph = helper.make_graph([node], "sequence", [x], [parts], [size])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(EngineError) as caught:
        opened(name, bytes(model.SerializeToString()))
    assert caught.value.reason is ENGINE_OPEN


@real
@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_that_fails_halfway_is_an_error_of_running_and_can_be_run_again(name: str, threads: int) -> None:
    """It adds two numbers to as many as it is fed."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m"])
    two = helper.make_tensor("two", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph([helper.make_node("Add", ["x", "two"], ["y"])], "add", [x], [y], [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    engine = opened(name, bytes(model.SerializeToString()), threads)
    for start in range(3):
        assert refused(engine, {"x": np.zeros(3, dtype=np.float32)}).startswith(f"Running {name}")
        fed = np.array([start, start + 1], dtype=np.float32)
        assert engine.infer({"x": fed})["y"].tolist() == [start + 1, start + 3]


@real
def test_an_engine_says_nothing_but_what_it_returns(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    engine = opened(name)
    engine.infer({"image": image()})
    refused(engine, {})
    engine.close()
    with pytest.raises(EngineError):
        opened(name, b"no model")
    assert capfd.readouterr() == ("", "")


@real
def test_an_engine_opens_no_connection(name: str, tmp_path: Path) -> None:
    """Any use of a socket ends the process at once; so does loading what could open one."""
    if lacks := why_not(name):
        pytest.skip(lacks)
    (tmp_path / "tiny.onnx").write_bytes(tiny_model())
    program = textwrap.dedent(f"""
        import os, sys
        sys.addaudithook(lambda event, _: os._exit(99) if event.startswith("socket.") else None)
        from pathlib import Path
        import numpy as np
        from tests.engines.here import open_here
        model = Path({str(tmp_path / "tiny.onnx")!r}).read_bytes()
        engine = open_here({name!r}, model, precision="fp32", threads=1)
        engine.infer({{"image": np.zeros((1, 1, 4, 4), dtype=np.float32)}})
        engine.close()
        print(*({{"ssl", "http.client", "requests", "openvino_telemetry"}} & set(sys.modules)))
    """)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "\n", "")


# The table ------------------------------------------------------------------------------------------------


def test_an_engine_that_there_is_not_is_an_error_of_usage_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"the engine 'onxruntime'.*did you mean 'onnxruntime'"):
        open_engine("onxruntime", tiny_model(), precision="fp32", threads=1)


@pytest.mark.parametrize(("extra", "hint"), [("", ""), ("openvino", " It comes with edgerun[openvino].")])
def test_a_missing_package_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch, extra: str, hint: str) -> None:
    lacking = replace(ENGINES["onnxruntime"], needs=("no_such_package",), extra=extra)
    monkeypatch.setattr(engines, "ENGINES", {"onnxruntime": lacking})
    assert available_engines() == ()
    with pytest.raises(EngineError) as caught:
        open_engine("onnxruntime", tiny_model(), precision="fp32", threads=1)
    assert caught.value.reason is NO_ENGINE
    assert caught.value.message == f"Opening onnxruntime: the package no_such_package is not installed.{hint}"


def test_asking_which_engines_there_are_imports_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in ENGINES.values():
        for package in entry.needs:
            monkeypatch.delitem(sys.modules, package, raising=False)
    names = available_engines()
    assert set(names) <= set(ENGINES)
    assert not any(package in sys.modules for entry in ENGINES.values() for package in entry.needs)


def test_every_engine_says_what_it_needs() -> None:
    assert all(entry.needs for entry in ENGINES.values())


def test_an_engine_for_a_device_that_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = replace(ENGINES["onnxruntime"], device="NVIDIA GPU")
    monkeypatch.setattr(engines, "ENGINES", {"onnxruntime": lacking})
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: False})
    with pytest.raises(EngineError, match="Opening onnxruntime: this machine shows no NVIDIA GPU") as caught:
        open_engine("onnxruntime", tiny_model(), precision="fp32", threads=1)
    assert caught.value.reason is NO_ENGINE
