"""NVML, by a library that answers as it was told to."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edge.bench.nvidia import Nvml, open_nvml


class AnswerError(Exception):
    """As NVML's own error."""


class Library:
    """One GPU that answers what it has an answer for."""

    NVMLError = AnswerError

    def __init__(self, **answers: Any) -> None:
        self.answers = {
            "nvmlDeviceGetName": b"Orin",
            "nvmlDeviceGetTemperature": 50,
            "nvmlDeviceGetTotalEnergyConsumption": 12_500,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=900),
            "nvmlDeviceGetComputeRunningProcesses": [
                SimpleNamespace(pid=7, usedGpuMemory=300),
                SimpleNamespace(pid=8, usedGpuMemory=200),
            ],
            **answers,
        }

    def nvmlInit(self) -> None:  # noqa: N802 - its name there
        if self.answers.get("nvmlInit") is AnswerError:
            raise AnswerError("no driver")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - its name there
        return 1

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:  # noqa: N802 - its name there
        return number

    def __getattr__(self, name: str) -> Any:
        answer = self.answers[name]
        if answer is AttributeError:
            raise AttributeError(name)

        def ask(*_: object) -> Any:
            if answer is AnswerError:
                raise AnswerError(name)
            return answer

        return ask


def test_a_look_tells_memory_of_these_processes_heat_and_energy() -> None:
    seen = Nvml(Library()).look({7, 99})
    assert (seen.bytes, seen.used_bytes) == (300, 900)
    assert (seen.celsius, seen.joules, seen.slowed) == ({"GPU 0 Orin": 50.0}, {"GPU 0 Orin": 12.5}, {"GPU 0 Orin": 0})


@pytest.mark.parametrize("answer", [AnswerError, AttributeError])
def test_what_the_driver_does_not_answer_is_left_out(answer: type[Exception]) -> None:
    names = (
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetComputeRunningProcesses",
    )
    seen = Nvml(Library(**dict.fromkeys(names, answer))).look({7})
    assert (seen.bytes, seen.celsius, seen.joules, seen.slowed) == (None, {}, {}, {})
    assert seen.used_bytes == 900


def test_a_driver_that_hides_the_memory_of_processes_does_not_say_nothing_is_held() -> None:
    hidden = [SimpleNamespace(pid=7, usedGpuMemory=None)]
    assert Nvml(Library(nvmlDeviceGetComputeRunningProcesses=hidden)).look({7}).bytes is None


@pytest.mark.parametrize(("reasons", "slowed"), [(0x1, 0), (0x4, 1), (0x20, 1), (0x40, 1), (0x2, 0)])
def test_idle_and_set_clocks_are_no_throttling_and_heat_and_the_power_cap_are(reasons: int, slowed: int) -> None:
    library = Library(nvmlDeviceGetCurrentClocksThrottleReasons=reasons)
    assert Nvml(library).look(()).slowed == {"GPU 0 Orin": slowed}


def test_without_the_package_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert open_nvml() == "the package pynvml is not installed"


def test_a_driver_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "pynvml", Library(nvmlInit=AnswerError))
    assert open_nvml() == "NVIDIA's driver gives no answer: no driver"


def test_a_driver_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "pynvml", Library())
    opened = open_nvml()
    assert isinstance(opened, Nvml)
    assert opened.names == ("GPU 0 Orin",)
