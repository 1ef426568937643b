"""What is missing is told with the command that brings it, with a network and without."""

from __future__ import annotations

import importlib.util

import pytest

from edge.errors import UsageError
from edge.site.packages import need_statistics


def test_where_all_is_there_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(name: str) -> str:
        asked.append(name)
        return name

    monkeypatch.setattr(importlib.util, "find_spec", find)
    need_statistics("Evaluating")
    assert asked == ["scipy", "sklearn"]


def test_what_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else name)
    with pytest.raises(UsageError) as caught:
        need_statistics("Evaluating")
    message = str(caught.value)
    assert message.startswith("Evaluating: scikit-learn not installed.")
    assert "pip install 'edgerun[evaluate]'" in message
    assert "pip install --no-index --find-links wheels" in message
