"""What the machine is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import edge.device
from edge.device import ACCELERATORS, PACKAGES, machine_name, usable_cores, versions


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions that is the only one."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    edge.device._installed.cache_clear()
    yield tmp_path
    edge.device._installed.cache_clear()


@pytest.mark.parametrize("package", PACKAGES)
def test_versions_are_those_of_the_packages_metadata(package: str) -> None:
    assert versions()[package] == metadata.version(package)


def test_what_is_missing_is_said_of_the_core_and_not_of_accelerators(site: Path) -> None:
    (site / "numpy-2.2.6.dist-info").mkdir()
    found = versions()
    assert found["numpy"] == "2.2.6"
    assert found["onnxruntime"] == "not installed"
    assert list(found) == ["python", "machine", *PACKAGES]


@pytest.mark.parametrize("package", ACCELERATORS)
def test_an_accelerator_that_is_installed_is_told(site: Path, package: str) -> None:
    (site / f"{package.replace('-', '_')}-10.3.0.dist-info").mkdir()
    assert list(versions().items())[-1] == (package, "10.3.0")


def test_at_least_one_core_is_usable() -> None:
    assert usable_cores() >= 1


def test_the_machines_name_ends_with_its_cores() -> None:
    assert machine_name().endswith(f", {usable_cores()} cores")
