"""What an engine keeps of a model: opened faster, it gives the same answers; and nothing depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from edge.engines import ENGINES, PREPARERS, Engine, open_engine, open_prepared
from edge.engines import kept as module
from edge.engines.cache import cache_folder, open_store
from edge.engines.kept import TRIES, Artefact, keep_if_faster, kept
from edge.errors import EngineError
from edge.pack.store import EMBEDDED
from edge.reasons import ENGINE_OPEN
from edge.testing import tiny_model

CHEST = (EMBEDDED / "chest-pneumonia" / "model.fp32.onnx").read_bytes()
ARTEFACT = Artefact(
    kind="k", engine="onnxruntime", version="1", model=b"m", precision="fp32", settings={"threads": "1"}
)


@pytest.fixture(params=[name for name in PREPARERS if not ENGINES[name].device])
def name(request: pytest.FixtureRequest) -> str:
    """Every engine of the CPU that keeps something."""
    if missing := ENGINES[request.param].missing():
        pytest.skip(f"{request.param} needs {missing}")
    return str(request.param)


class Nothing:
    def close(self) -> None:
        pass


def clock_of(*seconds: float) -> Callable[[], float]:
    """Each opening takes what it is told."""

    def ticks() -> Iterator[float]:
        now = 0.0
        for each in seconds:
            yield now
            now += each
            yield now

    return ticks().__next__


def keep_made() -> None:
    """Something is kept for `ARTEFACT`."""
    assert keep_if_faster(ARTEFACT, lambda: b"made", Nothing, clock_of(*[1.0] * TRIES, *[0.1] * TRIES))


def opened(name: str, model: bytes = CHEST) -> Engine:
    return open_engine(name, model, precision="fp32", threads=1)


def prepared(name: str, monkeypatch: pytest.MonkeyPatch, model: bytes = CHEST) -> Engine:
    """Prepared, with openings that are so much faster afterwards that it pays."""
    monkeypatch.setattr(module, "GAIN", -1e9)
    return open_prepared(name, model, precision="fp32", threads=1)


def entries() -> int:
    return len(open_store().entries())


def answers(engine: Engine) -> list[Any]:
    fed = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    return [(name, values.tobytes()) for name, values in engine.infer({"image": fed}).items()]


# The engines ----------------------------------------------------------------------------------------------


def test_what_was_kept_gives_the_same_bytes_names_shapes_and_facts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = opened(name)
    found = prepared(name, monkeypatch)
    assert entries() == 1
    assert answers(found) == answers(plain)
    assert (found.inputs, found.outputs, found.facts) == (plain.inputs, plain.outputs, plain.facts)


def test_it_is_what_is_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does OpenVINO compile, nor ONNX Runtime optimise."""
    prepared(name, monkeypatch)
    seen: list[Any] = []
    session = ort.InferenceSession

    def spy(model: bytes, options: Any, **others: Any) -> Any:
        seen.append(options.graph_optimization_level)
        return session(model, options, **others)

    monkeypatch.setattr(ort, "InferenceSession", spy)
    if name == "openvino":
        monkeypatch.setattr("edge.engines.openvino._compile", None)
    assert opened(name).facts.name == name
    assert seen == ([ort.GraphOptimizationLevel.ORT_DISABLE_ALL] if name == "onnxruntime" else [])


def test_another_model_another_number_of_threads_or_precision_is_not_what_was_kept(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(name, monkeypatch)
    found = open_engine(name, tiny_model(), precision="fp32", threads=1)
    assert [item.shape for item in found.inputs] == [(-1, 1, 4, 4)]
    for precision, threads in (("fp16", 1), ("fp32", 2)):
        open_prepared(name, CHEST, precision=precision, threads=threads)
    assert entries() == 3


def test_what_somebody_changed_is_not_opened_and_the_model_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answers(opened(name))
    prepared(name, monkeypatch)
    (path,) = [path for path in cache_folder().iterdir() if path.suffix == ".compiled"]
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    assert answers(opened(name)) == expected
    assert not path.exists()


def test_what_the_engine_does_not_take_any_more_is_no_reason_to_fail(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and authentic, but no model: as after a change of the engine that its version does not tell."""
    expected = answers(opened(name))
    monkeypatch.setattr(f"edge.engines.{name}.kept", lambda _: b"no model")
    assert answers(opened(name)) == expected


def test_opening_makes_no_store(name: str) -> None:
    opened(name)
    assert not cache_folder().exists()


def test_preparing_twice_makes_it_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(name, monkeypatch)
    (before,) = open_store().entries()
    prepared(name, monkeypatch)
    (after,) = open_store().entries()
    assert (before.key, before.bytes) == (after.key, after.bytes)


def test_a_model_that_cannot_be_opened_cannot_be_prepared(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        open_prepared(name, b"no model", precision="fp32", threads=1)
    assert caught.value.reason is ENGINE_OPEN


def test_an_engine_that_keeps_nothing_is_just_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.engines.PREPARERS", {})
    assert open_prepared("onnxruntime", CHEST, precision="fp32", threads=1).facts.name == "onnxruntime"
    assert not cache_folder().exists()


# Only if it pays ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "pays"), [(0.5, True), (0.9, True), (0.95, False), (2.0, False)])
def test_it_is_kept_only_where_opening_is_faster_with_it(after: float, pays: bool) -> None:
    clock = clock_of(*[1.0] * TRIES, *[after] * TRIES)
    assert keep_if_faster(ARTEFACT, lambda: b"made", Nothing, clock) is pays
    assert (kept(ARTEFACT) == b"made") is pays
    assert entries() == int(pays)


def test_the_quickest_of_some_openings_counts() -> None:
    clock = clock_of(1.0, 9.0, 9.0, 9.0, 0.5, 9.0)
    assert keep_if_faster(ARTEFACT, lambda: b"made", Nothing, clock)


def test_where_making_it_fails_nothing_is_kept() -> None:
    def fail() -> bytes:
        raise RuntimeError("cannot be saved")

    assert not keep_if_faster(ARTEFACT, fail, Nothing)
    assert kept(ARTEFACT) is None


@pytest.mark.parametrize(
    "changes",
    [{"kind": "other"}, {"version": "2"}, {"model": b"n"}, {"precision": "int8"}, {"settings": {"threads": "2"}}],
    ids=lambda changes: next(iter(changes)),
)
def test_under_other_conditions_there_is_nothing(changes: dict[str, Any]) -> None:
    keep_made()
    assert kept(ARTEFACT) == b"made"
    assert kept(replace(ARTEFACT, **changes)) is None


def test_a_model_is_not_hashed_where_nothing_was_kept_for_one_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_made()
    monkeypatch.setattr(Artefact, "conditions", None)
    assert kept(replace(ARTEFACT, model=b"of another size")) is None


def test_what_did_not_pay_leaves_no_sign() -> None:
    assert not keep_if_faster(ARTEFACT, lambda: b"made", Nothing, clock_of(*[1.0] * 2 * TRIES))
    assert [path.name for path in cache_folder().iterdir()] == ["key"]


def test_another_processor_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_made()
    monkeypatch.setattr(module, "_features", lambda: "another")
    assert kept(ARTEFACT) is None


def test_a_folder_that_others_may_write_to_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path / "cache"))
    keep_made()
    (tmp_path / "cache").chmod(0o777)
    assert kept(ARTEFACT) is None
    clock = clock_of(*[1.0] * TRIES)
    assert not keep_if_faster(ARTEFACT, lambda: b"made", Nothing, clock)
