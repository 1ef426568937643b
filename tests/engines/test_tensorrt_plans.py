"""Preparing and keeping plans, with TensorRT and the GPU replaced below the memory's interface."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines.cache import ENTRY, open_store
from edge.engines.tensorrt import engine as engine_module
from edge.engines.tensorrt import plans
from edge.errors import EngineError, OutputError
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN, GPU_LOST
from tests.engines.fake_gpu import GPU, FakeMemory
from tests.engines.fake_machine import CLASSES, Made, Place, machines
from tests.engines.fake_tensorrt import STEPS


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    return machines(monkeypatch, tmp_path)


@pytest.fixture(params=CLASSES)
def place(made: Made, request: pytest.FixtureRequest) -> Place:
    return made(request.param)


def test_opening_never_builds(place: Place) -> None:
    assert "nothing was prepared" in place.refused(place.open, ENGINE_NOT_PREPARED)
    assert place.state.builds == 0


def test_what_was_prepared_opens_without_a_build(place: Place) -> None:
    place.prepare()
    place.open().close()
    assert place.state.builds == 1


def test_what_was_prepared_is_not_built_again(place: Place) -> None:
    assert not place.prepared()
    place.prepare()
    place.prepare()
    assert place.prepared()
    assert place.state.builds == 1


def test_tensors_keep_the_types_of_the_file_and_floats_their_bits(place: Place) -> None:
    place.prepare()
    assert "TF32" not in place.state.flags
    assert "FP16" not in place.state.flags
    assert ("STRICT_NANS" in place.state.flags) == (place.make != "10.3")
    assert place.state.network_flags == (0 if place.make == "11.4" else 1 << 1)


@pytest.mark.parametrize(("integrated", "limit"), [(True, 1 << 29), (False, None)])
def test_a_board_with_shared_memory_keeps_half_of_it(made: Made, integrated: bool, limit: int | None) -> None:
    place = made(integrated=integrated)
    place.prepare()
    assert place.state.workspace_bytes == limit


def test_progress_is_told(place: Place) -> None:
    told: list[tuple[str, int, int]] = []

    def progress(phase: str, step: int, steps: int) -> bool:
        told.append((phase, step, steps))
        return True

    place.prepare(progress=progress)
    assert told == [("Building", step, STEPS) for step in range(1, STEPS + 1)]


def entries(place: Place) -> list[Path]:
    return list(place.folder.glob(f"*{ENTRY}"))


def test_a_build_that_is_stopped_leaves_nothing(place: Place) -> None:
    said = place.refused(lambda: place.prepare(progress=lambda *_: False), ENGINE_NOT_PREPARED)
    assert "it was stopped before the end" in said
    assert entries(place) == []
    assert not place.prepared()
    assert place.memory.closed


def test_a_plan_that_is_larger_than_all_that_may_be_kept_is_told_and_not_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGERUN_CACHE_BYTES", "1")
    with pytest.raises(OutputError, match=r"expected no more than EDGERUN_CACHE_BYTES, 1\. Raise it"):
        place.prepare()
    assert not place.prepared()


def test_a_model_that_is_refused_leaves_nothing(place: Place) -> None:
    said = place.refused(lambda: place.prepare(b"no model"), ENGINE_OPEN)
    assert said == f"Preparing {place.library.name}: ModelImporter: no model."
    assert entries(place) == []


def test_what_was_learnt_of_kernels_serves_the_next_model(made: Made) -> None:
    place = made("10.3")
    place.prepare()
    place.prepare(b"another with scores")
    assert place.state.timing_given == [b"", b"+"]


def test_what_was_learnt_on_another_gpu_is_begun_anew(made: Made) -> None:
    place = made("10.3")
    place.prepare()
    place.state.stale_timing = True
    place.prepare(b"another with scores")
    assert place.state.timing_given == [b"", b"+", b""]


def test_tensorrt_for_rtx_learns_nothing(made: Made) -> None:
    place = made("rtx")
    place.prepare()
    assert place.state.timing_given == []
    assert len(entries(place)) == 1


def test_a_plan_serves_one_model_in_one_precision(place: Place) -> None:
    place.prepare()
    assert not place.prepared(model=b"another with scores")
    assert not place.prepared(precision="fp16")


@pytest.mark.parametrize("change", [{"uuid": "GPU-2"}, {"driver": "550"}, {"capability": "8.9"}, {"name": "Other"}])
def test_a_plan_serves_one_gpu_with_one_driver(place: Place, change: dict[str, str]) -> None:
    place.prepare()
    place.memory.reached = replace(place.memory.reached, gpu=replace(GPU, **change))
    assert not place.prepared()
    place.refused(place.open, ENGINE_NOT_PREPARED)


def test_a_plan_serves_one_version(place: Place) -> None:
    place.prepare()
    place.library.trt.__version__ = "99"
    assert not place.prepared()


@pytest.mark.parametrize("what", ["power_mode", "gpu_id"])
def test_a_plan_serves_one_power_mode_and_one_board(place: Place, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(plans, what, lambda: "MAXN (0)")
    place.prepare()
    monkeypatch.setattr(plans, what, lambda: "15W (2)")
    assert not place.prepared()


def test_a_plan_that_was_tampered_with_is_never_loaded(place: Place) -> None:
    place.prepare()
    for path in entries(place):
        path.write_bytes(path.read_bytes()[:-40] + b"evil" + path.read_bytes()[-36:])
    assert "not to be trusted" in place.refused(place.open, ENGINE_NOT_PREPARED)
    assert place.state.engines == 0


def test_a_plan_that_does_not_load_is_removed_so_that_it_can_be_built_anew(place: Place) -> None:
    place.prepare()
    place.state.load_fails = "Error Code 6: version mismatch"
    assert "version mismatch" in place.refused(place.open, ENGINE_NOT_PREPARED)
    place.state.load_fails = ""
    place.prepare()
    assert place.state.builds == 2


def test_a_plan_that_the_gpu_is_not_served_with_is_told_when_it_is_prepared_and_not_kept(place: Place) -> None:
    place.state.load_fails = "Error Code 6: The engine cannot run on this GPU"
    assert "does not load here" in place.refused(place.prepare, ENGINE_OPEN)
    assert not place.prepared()
    assert place.state.engines == 0


def test_a_plan_that_finds_no_memory_stays(place: Place) -> None:
    place.prepare()
    place.state.load_fails = "Error Code 2: OutOfMemory"
    place.refused(place.open, ENGINE_OPEN)
    assert place.prepared()


def test_a_gpu_that_is_not_there_is_told_by_whoever_needs_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> FakeMemory:
        raise EngineError("Opening the GPU: found none that answers.", GPU_LOST)

    for user in (plans, engine_module):
        monkeypatch.setattr(user, "open_memory", nothing)
    for action in (place.prepare, place.prepared, place.open):
        place.refused(action, GPU_LOST)


def test_plans_of_both_makes_lie_side_by_side(made: Made) -> None:
    for make in ("10.3", "rtx"):
        made(make).prepare()
    kinds = sorted((item.conditions.engine, item.conditions.kind) for item in open_store().entries() if item.conditions)
    assert kinds == [
        ("tensorrt", "tensorrt-plan"),
        ("tensorrt", "tensorrt-timing"),
        ("tensorrt-rtx", "tensorrt-plan"),
    ]
