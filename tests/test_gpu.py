"""The GPU by the word of its driver: what it says, and every way in which it says nothing."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from edge import gpu
from edge.gpu import Gpu, find_gpu


class Driver:
    """Answers as NVIDIA's driver does; `fails` names the function that gives an error."""

    def __init__(self, fails: str = "") -> None:
        self._fails = fails
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any) -> int:
            self.called.append(name)
            if name == self._fails:
                return 100
            if answer := vars(Driver).get(f"_{name}"):
                answer(*arguments)
            return 0

        return function

    @staticmethod
    def _cuDeviceGetName(name: Any, size: int, _: Any) -> None:  # noqa: N802 -- CUDA's own spelling
        name.value = b"NVIDIA H100 80GB HBM3"[: size - 1]

    @staticmethod
    def _cuDeviceGetUuid(own: Any, _: Any) -> None:  # noqa: N802
        ctypes.memmove(own, bytes(range(16)), 16)

    @staticmethod
    def _cuDriverGetVersion(number: Any) -> None:  # noqa: N802
        number._obj.value = 13010

    @staticmethod
    def _cuDeviceGetAttribute(number: Any, which: int, _: Any) -> None:  # noqa: N802
        number._obj.value = {75: 9, 76: 0}[which]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that shows a GPU, and where it tells its driver's version."""
    monkeypatch.setattr(gpu, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(gpu, "DRIVER_FILES", (str(tmp_path / "none"), str(tmp_path / "version")))
    (tmp_path / "version").write_text("580.65.06\n", encoding="utf-8")
    return tmp_path


def found(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Gpu | None:
    monkeypatch.setattr(gpu, "_library", lambda: driver)
    return find_gpu()


def test_the_driver_is_asked_for_name_number_and_versions(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.is_dir()
    assert found(monkeypatch, Driver()) == Gpu(
        name="NVIDIA H100 80GB HBM3",
        uuid="GPU-00010203-0405-0607-0809-0a0b0c0d0e0f",
        capability="9.0",
        driver="580.65.06, CUDA 13.1",
    )


def test_a_system_that_does_not_tell_the_drivers_version_leaves_that_of_cuda(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "version").unlink()
    told = found(monkeypatch, Driver())
    assert told is not None
    assert told.driver == "CUDA 13.1"


@pytest.mark.parametrize("function", ["cuInit", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetUuid"])
def test_a_driver_that_gives_an_error_has_no_gpu(files: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    driver = Driver(function)
    assert files.is_dir()
    assert found(monkeypatch, driver) is None
    assert driver.called[-1] == function


def test_a_machine_without_the_drivers_library_has_no_gpu(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise OSError("libcuda.so.1: cannot open shared object file")

    assert files.is_dir()
    monkeypatch.setattr(gpu, "_library", none)
    assert find_gpu() is None


def test_a_driver_that_lacks_a_function_has_no_gpu(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.is_dir()
    monkeypatch.setattr(gpu, "_library", object)
    assert find_gpu() is None


def test_no_library_is_loaded_where_the_system_shows_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(gpu, "has_nvidia_gpu", lambda: False)
    assert found(monkeypatch, driver) is None
    assert driver.called == []
