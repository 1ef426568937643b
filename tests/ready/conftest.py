"""These tests know what the machine has: no GPU, unless they say that there is one."""

from __future__ import annotations

import pytest

from tests.ready import found


@pytest.fixture(autouse=True)
def _machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found.no_gpu(monkeypatch)
