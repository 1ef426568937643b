"""What the machine is."""

from __future__ import annotations

from importlib import metadata

import pytest

from edge.device import PACKAGES, usable_cores, versions


@pytest.mark.parametrize("package", PACKAGES)
def test_versions_are_those_of_the_packages_metadata(package: str) -> None:
    assert versions()[package] == metadata.version(package)


def test_at_least_one_core_is_usable() -> None:
    assert usable_cores() >= 1
