"""`edgerun engines`."""

from __future__ import annotations

from typing import Any

import pytest

from edge.engines import ENGINES
from tests.conftest import Edgerun


def test_a_technician_reads_a_line_for_each_engine(edgerun: Edgerun) -> None:
    ran = edgerun("engines")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()[: len(ENGINES)]
    assert [line.split()[1] for line in lines] == list(ENGINES)
    assert lines[0].startswith("here     onnxruntime ")


def test_a_program_reads_one_document(edgerun: Edgerun) -> None:
    document: Any = edgerun("engines", "--json").reports[0]
    assert [item["name"] for item in document] == list(ENGINES)
    assert all(item["get"] == [] for item in document if not item["missing"])


def test_what_lacks_is_told_with_how_to_get_it(edgerun: Edgerun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.table._is_installed", lambda *_: False)
    ran = edgerun("engines")
    assert "needs onnxruntime-gpu" in ran.out
    assert 'pip install --no-index --find-links wheels "onnxruntime-gpu[cuda,cudnn]"' in ran.out
