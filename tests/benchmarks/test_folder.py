"""The benchmark of folders: its films are real to edgerun, its peer is edgerun one at a time, its figures add up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.folder import (
    AHEAD,
    ALONE,
    PACK,
    Bound,
    bound_of,
    commands,
    cpu_per_scan,
    figures_of,
    growth_figures,
    make_folder,
)
from benchmarks.folder_growth import Mark, grown_mb, marks_in, marks_of, words_of
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
    bound = Bound(decode_cpu_s=0.15, engine_cpu_s=0.05)
    rate, faster, share, *_, whole = figures_of(measured, bound, 0.32, scans=10, cores=2)
    assert (rate.found, faster.found, share.found) == (5.0, 2.0, 0.5)
    assert (faster.outcome(), share.outcome()) == ("met", "missed")
    assert share.why == "of 320 ms of a core that a scan takes, decoding and the model are 200 ms"
    assert whole.found == 320.0


def marks(*told: tuple[int, float, int]) -> list[Mark]:
    return [Mark(scans=scans, cpu_s=cpu_s, resident_bytes=resident) for scans, cpu_s, resident in told]


@pytest.mark.parametrize(
    ("last", "resident", "outcomes"),
    [(21.0, 90, ["met", "met"]), (21.5, 120, ["missed", "met"]), (21.0, 121, ["met", "missed"])],
)
def test_what_becomes_slower_or_larger_misses_its_aim(last: float, resident: int, outcomes: list[str]) -> None:
    seen = marks((10, 1.0, 100_000_000), (510, 11.0, 100_000_000), (1010, last, resident * 1_000_000))
    assert [figure.outcome() for figure in growth_figures(seen)] == outcomes


def test_marks_survive_the_way_from_one_process_to_the_other() -> None:
    seen = marks((10, 1.25, 100), (100, 3.5, 200))
    assert marks_in(words_of(seen).encode()) == tuple(seen)


def test_memory_that_was_given_back_has_grown_all_the_same() -> None:
    assert grown_mb(marks((10, 0.0, 50_000_000), (20, 0.0, 80_000_000), (30, 0.0, 40_000_000))) == 30.0


@pytest.mark.skipif(sys.platform != "linux", reason="processes are seen below /proc")
def test_a_run_is_seen_with_all_its_processes(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.folder_growth.FIRST", 1)
    monkeypatch.setattr("benchmarks.folder_growth.EVERY", 3)
    first, last = marks_of(films, tmp_path, PACK)
    assert (first.scans, last.scans) == (1, 3)
    assert last.cpu_s >= first.cpu_s > 0.0
    assert last.resident_bytes > 10_000_000


def test_the_time_of_a_command_is_that_of_its_children_too() -> None:
    busy = "sum(i * i for i in range(2_000_000))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    assert cpu_per_scan([sys.executable, "-c", parent], 1) > 0.05
