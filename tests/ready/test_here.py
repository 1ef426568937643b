"""Which engines are here: each is told, none is imported, and what lacks can be had with and without internet."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from edge.engines import ENGINES
from edge.ready import here
from edge.ready.here import SOURCES, EngineHere, describe_engines, engines_here
from tests.ready.found import CUDA, GPU


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but Python."""
    lacking = {name: replace(entry, needs=("no_such_package",), build=None) for name, entry in ENGINES.items()}
    monkeypatch.setattr(here, "ENGINES", lacking)
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: False, "Intel GPU": lambda: False})


def one(name: str) -> EngineHere:
    (found,) = [item for item in engines_here() if item.name == name]
    return found


def test_every_engine_has_a_source() -> None:
    assert set(SOURCES) == set(ENGINES)
    assert all(source.wheels and source.distributions for source in SOURCES.values())


def test_every_engine_is_told_in_the_order_of_the_table() -> None:
    assert [item.name for item in engines_here()] == list(ENGINES)


def test_what_is_here_has_a_version_and_a_device_and_nothing_to_get() -> None:
    found = one("onnxruntime")
    assert found.version is not None
    assert found.version[0].isdigit()
    assert "cores" in found.device
    assert (found.missing, found.get, found.offline) == ((), (), ())


@pytest.mark.usefixtures("bare")
def test_what_lacks_can_be_had_by_a_command_and_without_internet_by_wheels() -> None:
    found = one("openvino")
    assert (found.version, found.missing) == (None, ("no_such_package",))
    assert found.get == ("pip install openvino",)
    assert found.offline == (
        "pip download --dest wheels openvino",
        "pip install --no-index --find-links wheels openvino",
    )


@pytest.mark.usefixtures("bare")
def test_the_build_for_cuda_comes_in_the_place_of_the_other_one() -> None:
    found = one(CUDA)
    assert found.get == ("pip uninstall --yes onnxruntime", 'pip install "onnxruntime-gpu[cuda,cudnn]"')
    assert found.offline[1:] == (
        "pip uninstall --yes onnxruntime",
        'pip install --no-index --find-links wheels "onnxruntime-gpu[cuda,cudnn]"',
    )


@pytest.mark.usefixtures("bare")
def test_a_jetson_has_tensorrt_from_its_system() -> None:
    assert "apt install python3-libnvinfer" in one("tensorrt").system


def test_an_engine_that_lacks_a_gpu_alone_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.table._is_installed", lambda *_: True)
    monkeypatch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: False, "Intel GPU": lambda: False})
    found = one(CUDA)
    assert (found.missing, found.get) == (("NVIDIA GPU",), ())


def test_a_gpu_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "find_gpu", lambda: GPU)
    assert one(CUDA).device == "NVIDIA H100, driver 580.1, CUDA 13.0"
    monkeypatch.setattr(here, "find_gpu", lambda: None)
    assert one(CUDA).device == "no NVIDIA GPU answers"


@pytest.mark.usefixtures("bare")
def test_the_table_says_first_what_is_here_and_then_how_to_get_the_rest() -> None:
    lines = describe_engines(engines_here())
    assert all(line.startswith("missing  ") for line in lines[: len(ENGINES)])
    assert "To get openvino:" in lines
    assert lines[lines.index("To get openvino:") + 1] == "  pip install openvino"


def test_asking_imports_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {package for entry in ENGINES.values() for package in entry.needs}
    for package in packages:
        monkeypatch.delitem(sys.modules, package, raising=False)
    assert len(engines_here()) == len(ENGINES)
    assert packages & set(sys.modules) == set()
