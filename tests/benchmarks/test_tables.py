"""The tables of speeds are what the committed results give; what was not measured is empty, with its command."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from benchmarks import tables
from benchmarks.__main__ import command_of, main
from benchmarks.figures import RESULTS, Figure, Results, published
from benchmarks.tables import (
    BEGIN,
    BENCHMARKS,
    COMMANDS,
    END,
    MACHINES,
    benches_in,
    details,
    machines,
    pages,
    replaced,
    results_in,
    summary,
)
from edge.bench.report import to_json
from tests.bench.reports import report

MET = Figure(what="INT8 beside FP32", unit="times", n=40, found=3.14, low=3.0, high=3.25, at_least=2.5, why="it is")
MISSED = Figure(what="the overhead", unit="%", n=200, found=5432.1, at_most=2.0, why="pictures are written")
PLAIN = Figure(what="FP16 beside FP32", unit="times", n=40, found=1.0, low=0.9, high=1.1)
ENGINES = Results(
    command="python -m benchmarks.engines",
    machine="A board",
    measured_utc="2026-11-23T14:05+00:00",
    commit="abc1234",
    versions={"python": "3.11.7", "onnxruntime": "1.32.0", "numpy": "2"},
    load=(0.5, 3.25),
    figures=(MET, MISSED, PLAIN),
    notes=("One was left out.",),
)


def measured(*engines: Results) -> dict[str, tuple[Results, ...]]:
    return dict.fromkeys(BENCHMARKS, ()) | {"engines": engines}


def line_with(text: str, part: str) -> str:
    (line,) = [line for line in text.splitlines() if part in line]
    return line


def test_every_generated_page_is_what_the_committed_results_give() -> None:
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python -m benchmarks.tables"


@pytest.mark.parametrize("path", sorted(path for name in BENCHMARKS for path in RESULTS.rglob(f"{name}.json")))
def test_every_committed_result_fulfils_the_published_schema(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), published())


def test_every_command_is_that_of_a_module_that_there_is() -> None:
    for name, command in COMMANDS.items():
        module = command.split()[2]
        assert importlib.util.find_spec(module), command
        assert command.endswith(f"--out benchmarks/results/{name}.json")


def test_an_aim_stands_with_what_was_found_where_and_under_which_load() -> None:
    line = line_with(summary(measured(ENGINES), {}), MET.what)
    where = "A board, 2026-11-23, load 3.25"
    assert line == f"| INT8 beside FP32 | 3.14 times (3.00 to 3.25) | at least 2.5 | met | {where} |"


def test_an_aim_that_is_missed_says_why() -> None:
    line = line_with(summary(measured(ENGINES), {}), MISSED.what)
    assert line.startswith("| the overhead; pictures are written | 5,432 % | at most 2 | missed |")


def test_what_has_no_aim_stands_in_the_details_alone() -> None:
    assert PLAIN.what not in summary(measured(ENGINES), {})
    assert line_with(details(measured(ENGINES), {}), PLAIN.what).endswith("| 40 | 1.00 times (0.90 to 1.10) |  |  |")


def test_the_details_tell_how_to_measure_it_again_and_who_was_left_out() -> None:
    text = details(measured(ENGINES), {})
    assert (
        "A board, 2026-11-23T14:05+00:00, commit abc1234, load 0.5 to 3.25; python 3.11.7, onnxruntime 1.32.0." in text
    )
    assert "`python -m benchmarks.engines`" in text
    assert "- One was left out." in text


def test_a_detail_stands_in_the_details_alone() -> None:
    detail = replace(ENGINES, figures=(replace(MET, detail=True),))
    assert MET.what not in summary(measured(detail), {})
    assert MET.what in details(measured(detail), {})


@pytest.mark.parametrize("table", [summary, details])
def test_two_machines_stand_one_after_the_other(table: object) -> None:
    text = (summary if table is summary else details)(measured(ENGINES, replace(ENGINES, machine="A laptop")), {})
    assert text.index("A board") < text.index("A laptop")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_was_not_measured_is_empty_with_the_command_that_fills_it(name: str) -> None:
    nothing = dict.fromkeys(BENCHMARKS, ())
    for text in (summary(nothing, {}), details(nothing, {})):
        assert "not measured yet" in line_with(text, f"`{COMMANDS[name]}`").lower()


def test_a_machine_that_nobody_had_has_an_empty_row_with_its_command() -> None:
    row = line_with("\n".join(machines({})), "Jetson Orin Nano")
    command = "`edgerun bench chest-pneumonia --soak 30 --out benchmarks/results/jetson-orin-nano-15w`"
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["Jetson Orin Nano, 15 W", "", "", "", "", "", command]


def test_a_machine_that_was_measured_has_what_its_report_says(tmp_path: Path) -> None:
    (tmp_path / "cpu-2-cores").mkdir()
    (tmp_path / "cpu-2-cores" / "bench.json").write_text(to_json(report()), encoding="utf-8")
    found = benches_in(tmp_path)
    cells: Sequence[str] = line_with("\n".join(machines(found)), MACHINES["cpu-2-cores"]).split("|")
    assert list(found) == ["cpu-2-cores"]
    assert cells[2].strip() == f"{report().engine.precision} on {report().engine.name}"
    assert all("0.0 ms" not in cell for cell in cells)


def test_results_are_found_in_folders_of_other_machines_too(tmp_path: Path) -> None:
    keep = RESULTS / "figures.schema.json"
    assert keep.is_file()
    tables_of = {name: len(found) for name, found in results_in(tmp_path).items()}
    assert tables_of == dict.fromkeys(BENCHMARKS, 0)


def test_a_table_is_replaced_between_its_marks_and_nothing_else() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replaced(page, "| new |") == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
    assert replaced(replaced(page, "x"), "x") == replaced(page, "x")


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}{BEGIN}"])
def test_a_page_without_its_marks_is_told_of(page: str) -> None:
    with pytest.raises(ValueError, match="expected <!-- benchmarks"):
        replaced(page, "x")


def test_every_machine_and_every_benchmark_has_words() -> None:
    assert all(tables.BENCHMARKS.values())
    assert len(set(MACHINES.values())) == len(MACHINES)


def test_every_benchmark_is_run_by_its_command_and_keeps_what_it_finds_where_it_is_told() -> None:
    python, *words = command_of("engines_3d", None)
    assert (python, words) == (sys.executable, ["-m", "benchmarks.engines", "--nets", "unet3d", "--rounds", "8"])
    assert command_of("warm", Path("here"))[1:] == ["-m", "benchmarks.warm", "--out", str(Path("here") / "warm.json")]


def test_one_benchmark_that_fails_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 3 if "benchmarks.warm" in command else 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert main([]) == 3
    assert len(ran) == len(BENCHMARKS)
    assert main(["folder"]) == 0
    assert "benchmarks.folder" in ran[-1]
