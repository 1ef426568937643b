"""From words on the command line to a request."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge.bench.asking import earlier_in, names_in
from edge.bench.bench import NAMES
from edge.bench.report import to_json
from edge.errors import UsageError
from tests.bench.reports import report


def test_scenarios_come_in_the_order_in_which_they_are_measured() -> None:
    assert names_in(["single-stream", "cold-start", "cold-start"]) == ("cold-start", "single-stream")
    assert names_in([]) == NAMES


def test_an_earlier_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(to_json(report()), encoding="utf-8")
    assert earlier_in(path) == report()
    assert earlier_in(None) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", json.dumps({"format": "edgerun-report"}), "[" * 100_000, "\udcff"],
    ids=["empty", "array", "cut", "other", "deep", "bytes"],
)
def test_what_is_no_report_of_a_bench_is_told_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=f"Reading .*{os.path.basename(path)} to compare with"):  # noqa: PTH119
        earlier_in(path)
