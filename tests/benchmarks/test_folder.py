"""The benchmark of folders: its films are real to edgerun, its peer is edgerun one at a time, its figures add up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.folder import AHEAD, ALONE, Bound, bound_of, commands, lines_of, make_folder
from benchmarks.paired import Paired
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder") / "films"
    make_folder(folder, scans=3, side=96)
    return folder


def findings(results: Path) -> list[str]:
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*/report.json"))]
    return sorted(json.dumps(document["results"][0]["findings"], sort_keys=True) for document in documents)


def test_both_contenders_find_the_same_in_every_film(films: Path, tmp_path: Path) -> None:
    for command in commands(films, tmp_path).values():
        subprocess.run(command(0), check=True, capture_output=True, cwd=ROOT)
    assert findings(tmp_path / "a0") == findings(tmp_path / "b0")
    assert len(findings(tmp_path / "a0")) == 3


def test_the_peer_begins_nothing_ahead(films: Path, tmp_path: Path) -> None:
    told = "import edge.pipeline as p, runpy; runpy.run_path(r'{}'); assert p.AHEAD_BYTES == 0"
    peer = commands(films, tmp_path)[ALONE](1)[1]
    program = f"import sys; sys.argv[1:] = [r'{films}', r'{tmp_path / 'b1'}']; {told.format(peer)}"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT)


@pytest.mark.skipif(sys.platform != "linux", reason="a process's time is read from /proc")
def test_the_bound_counts_decoding_and_the_model(films: Path) -> None:
    bound = bound_of(films)
    assert bound.decode_cpu_s >= 0.0
    assert bound.engine_cpu_s > 0.0


def test_the_figures_are_those_of_the_medians() -> None:
    measured = Paired(seconds={AHEAD: [2.0, 2.0, 2.0], ALONE: [4.0, 4.0, 4.0]})
    lines = lines_of(measured, Bound(decode_cpu_s=0.15, engine_cpu_s=0.05), scans=10, cores=2)
    assert "5.0 scans a second, 18000 an hour" in lines[0]
    assert "2.00 (95%: 2.00 to 2.00)" in lines[2]
    assert "with these alone: 0.50" in lines[4]
