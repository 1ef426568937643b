"""The benchmark of cold starts: the script beside edgerun finds what edgerun finds; figures are held to their aims."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.cold_start import FOUND, HELP, INFER, PLAIN, TORCH, commands, figures_of
from benchmarks.paired import Paired
from tests.conftest import ROOT


def test_the_script_finds_what_edgerun_finds(tmp_path: Path) -> None:
    timed = commands(tmp_path)
    for name in (INFER, PLAIN):
        subprocess.run(timed[name](0), check=True, capture_output=True, cwd=ROOT)
    (report,) = (tmp_path / "edgerun0").glob("*/report.json")
    (label,) = json.loads(report.read_text(encoding="utf-8"))["results"][0]["findings"]["labels"]
    plain = json.loads((tmp_path / "plain0.json").read_text(encoding="utf-8"))
    assert plain["pneumonia"] == pytest.approx(label["score"], abs=1e-4)


def test_every_command_is_told_and_held_to_its_aim() -> None:
    took = {INFER: 0.2, PLAIN: 0.25, TORCH: 1.0}
    found = {item.what: item for item in figures_of(Paired(seconds={name: [s] * 5 for name, s in took.items()}))}
    assert [(found[name].unit, found[name].found) for name in took] == [("ms", 200.0), ("ms", 250.0), ("ms", 1000.0)]
    ratios = {name: item.outcome() for name, item in found.items() if item.unit == "times"}
    assert ratios == {
        f"cold start: time of {INFER}, beside {PLAIN}": "met",
        f"cold start: time of {TORCH}, beside {INFER}": "met",
    }


def test_a_slower_start_than_the_script_misses_the_aim() -> None:
    measured = Paired(seconds={FOUND: [0.3] * 5, PLAIN: [0.2] * 5, HELP: [0.1] * 5})
    (ratio,) = [item for item in figures_of(measured) if item.unit == "times"]
    assert ratio.found == pytest.approx(1.5)
    assert ratio.outcome() == "missed"
