"""What a benchmark found, as a committed file: how figures stand to their aims, and the way to the disk and back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from benchmarks import figures
from benchmarks.figures import Figure, Outcome, judge, keep, published, read, times
from edge.bench.paired import Ratio
from edge.errors import UsageError

FAST = Figure(what="the fast beside the slow", unit="times", n=40, found=2.8, low=2.6, high=2.9, at_least=2.5)


@pytest.mark.parametrize(
    ("middle", "low", "high", "outcome"),
    [
        (3.0, 2.9, 3.1, "met"),
        (2.8, 2.8, 2.8, "met"),
        (2.9, 2.7, 3.1, "met by the median, not by its interval"),
        (2.7, 2.6, 2.9, "missed by the median, not by its interval"),
        (2.7, 2.6, 2.75, "missed"),
    ],
)
def test_an_aim_is_met_only_if_the_whole_interval_is_above_it(
    middle: float, low: float, high: float, outcome: Outcome
) -> None:
    assert judge(2.8, middle, low, high) == outcome


@pytest.mark.parametrize(
    ("found", "low", "high", "outcome"),
    [
        (1.0, 0.5, 1.5, "met"),
        (1.9, 1.5, 2.5, "met by the median, not by its interval"),
        (2.1, 1.5, 2.5, "missed by the median, not by its interval"),
        (3.0, 2.5, 3.5, "missed"),
        (2.0, None, None, "met"),
        (2.1, None, None, "missed"),
    ],
)
def test_what_may_be_no_more_is_met_only_if_the_whole_interval_is_below_it(
    found: float, low: float | None, high: float | None, outcome: Outcome
) -> None:
    assert Figure(what="more", unit="%", n=9, found=found, low=low, high=high, at_most=2.0).outcome() == outcome


def test_a_figure_without_an_aim_neither_meets_nor_misses() -> None:
    assert Figure(what="size", unit="MB", n=1, found=3.0).outcome() is None


def test_a_ratio_becomes_a_figure_with_its_interval() -> None:
    assert times("a / b", Ratio(middle=2.0, low=1.5, high=2.5), 7) == times("a / b", (2.0, 1.5, 2.5), 7)


def test_what_is_kept_is_read_again_and_says_where_it_was_measured(tmp_path: Path) -> None:
    keep(tmp_path / "new" / "engines.json", [FAST], before=0.5, notes=["one was left out"])
    found = read(tmp_path / "new" / "engines.json")
    assert (found.figures, found.notes, found.load[0]) == ((FAST,), ("one was left out",), 0.5)
    assert found.command.startswith("python ")
    assert found.machine
    assert found.versions["onnxruntime"]


def test_what_is_kept_fulfils_the_published_schema(tmp_path: Path) -> None:
    keep(tmp_path / "engines.json", [FAST], before=0.0)
    jsonschema.validate(json.loads((tmp_path / "engines.json").read_text(encoding="utf-8")), published())


def test_nothing_is_kept_where_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep(None, [FAST], before=0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"format": "edgerun-bench"}', "\ud800".encode("utf-16", "surrogatepass")])
def test_what_is_no_such_file_is_refused_with_its_name(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "engines.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError, match=r"engines\.json.*--out"):
        read(path)


def test_code_with_changes_is_not_called_by_its_commit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"rev-parse": "abc1234\n", "status": " M edge/cli/app.py\n"}
    monkeypatch.setattr("shutil.which", lambda _: "git")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, stdout=told[command[1]])
    )
    assert figures.commit() == "abc1234+"
    told["status"] = ""
    assert figures.commit() == "abc1234"
    told["rev-parse"] = ""
    assert figures.commit() == "unknown"
