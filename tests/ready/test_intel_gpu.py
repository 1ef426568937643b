"""An Intel GPU, made up: found by what Linux shows, told, measured beside the others, chosen only if it is right."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from edge.device import intel_gpu
from edge.errors import EngineError
from edge.pack.store import Pack
from edge.ready import here
from edge.ready.candidates import candidates
from edge.ready.here import EngineHere, describe_engines, engines_here
from edge.ready.machine import this_machine
from edge.ready.prepare import prepare_pack
from edge.ready.record import Record, write_record
from edge.ready.rule import Wish, plan
from edge.reasons import GPU_LOST, PROVEN_HERE_ONLY
from tests.ready.found import MadeUpTrial, model, pack_with, right, visit

ENGINE = "openvino-gpu"
ON_GPU = f"fp32 on {ENGINE}"
needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")


def shown(drm: Path, name: str, vendor: str, kind: str) -> None:
    """What Linux shows of a GPU."""
    (drm / name / "device").mkdir(parents=True)
    (drm / name / "device" / "vendor").write_text(f"0x{vendor}\n", encoding="ascii")
    (drm / name / "device" / "device").write_text(f"0x{kind}\n", encoding="ascii")


@pytest.fixture
def with_intel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop with one, and OpenVINO."""
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: False, "Intel GPU": lambda: True})
    monkeypatch.setattr(here, "intel_gpu", lambda: "8086:9a49")
    monkeypatch.setattr("edge.ready.machine.intel_gpu", lambda: "8086:9a49")
    monkeypatch.setattr("edge.ready.rule.available_engines", lambda: ("onnxruntime", ENGINE))


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return pack_with(tmp_path, model("fp32", "onnxruntime"))


def told() -> EngineHere:
    (found,) = [item for item in engines_here() if item.name == ENGINE]
    return found


def prepared(pack: Pack, difference: float) -> Record:
    """The GPU is ten times as fast, and so far from the known answer, of which 0.01 is allowed."""
    trial = MadeUpTrial({"fp32 on onnxruntime": visit(0.5, 0.5), ON_GPU: visit(0.1, 0.05)}, {ON_GPU: right(difference)})
    items = candidates(pack.manifest, ("onnxruntime", ENGINE))
    record = prepare_pack(pack, items, trial, say=lambda _: None, rounds=1)
    write_record(record)
    return record


def test_a_gpu_is_intels_by_its_maker_and_has_a_name(tmp_path: Path) -> None:
    drm, nodes = tmp_path / "drm", tmp_path / "dri"
    assert intel_gpu(drm, nodes) is None
    shown(drm, "renderD128", "10de", "2684")
    shown(drm, "renderD129", "8086", "9a49")
    assert intel_gpu(drm, nodes) is None, "a container that was given none"
    nodes.mkdir()
    (nodes / "renderD128").touch()
    assert intel_gpu(drm, nodes) is None
    (nodes / "renderD129").touch()
    assert intel_gpu(drm, nodes) == "8086:9a49"


def test_a_screen_alone_computes_nothing_and_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    shown(tmp_path, "card0", "8086", "9a49")
    (tmp_path / "renderD128" / "device").mkdir(parents=True)
    assert intel_gpu(tmp_path, tmp_path) is None


@needs_openvino
def test_without_one_the_engine_lacks_it_and_says_what_it_needs() -> None:
    found = told()
    assert (found.missing, found.device) == (("Intel GPU",), "no Intel GPU shows itself")
    assert found.get == ()
    lines = describe_engines(engines_here())
    assert "apt install intel-opencl-icd" in lines[lines.index(f"To get {ENGINE}:") + 1]


@pytest.mark.usefixtures("with_intel")
@needs_openvino
def test_with_one_the_engine_is_here_and_needs_nothing() -> None:
    assert told() == EngineHere(name=ENGINE, version=told().version, device="Intel GPU 8086:9a49", missing=())


@pytest.mark.usefixtures("with_intel")
def test_the_fastest_that_gives_the_known_answers_is_taken_and_every_result_says_who_spoke_for_it(pack: Pack) -> None:
    record = prepared(pack, 0.004)
    assert (record.one.engine, record.one.judged) == (ENGINE, False)
    chosen = plan(pack, Wish(), 1, lambda _: None)
    assert chosen.engine == ENGINE
    assert [notice.reason for notice in chosen.notices] == [PROVEN_HERE_ONLY]


@pytest.mark.usefixtures("with_intel")
def test_one_that_is_farther_off_than_half_of_what_is_allowed_is_never_taken(pack: Pack) -> None:
    record = prepared(pack, 0.006)
    assert {record.one.engine, record.many.engine} == {"onnxruntime"}
    assert record.tried[1].problem.startswith("P408")


@pytest.mark.usefixtures("with_intel")
def test_a_record_holds_for_one_gpu(pack: Pack) -> None:
    record = prepared(pack, 0.0)
    assert this_machine().intel_gpu == "8086:9a49"
    assert record.differs() == ""
    other = replace(record, machine=replace(record.machine, intel_gpu="8086:56a0"))
    assert "another machine, GPU" in other.differs()


@pytest.mark.usefixtures("with_intel")
def test_an_nvidia_gpu_beside_it_that_falls_silent_takes_nothing_from_it(pack: Pack) -> None:
    record = prepared(pack, 0.004)
    write_record(replace(record, machine=replace(record.machine, gpu="NVIDIA RTX", gpu_uuid="GPU-1")))
    assert plan(pack, Wish(), 1, lambda _: None).engine == "onnxruntime"  # another machine: prepared anew, not lost


@pytest.mark.usefixtures("with_intel")
def test_one_that_is_gone_is_named_and_not_the_other(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    record = prepared(pack, 0.004)
    write_record(replace(record, machine=replace(record.machine, gpu="NVIDIA RTX", gpu_uuid="GPU-1")))
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: True, "Intel GPU": lambda: False})
    with pytest.raises(EngineError, match="Intel GPU is not there") as caught:
        plan(pack, Wish(), 1, lambda _: None)
    assert caught.value.reason is GPU_LOST
