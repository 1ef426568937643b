"""The tables of speeds in README.md and docs/benchmarks.md, from what is committed; ``python -m benchmarks.tables``.

Each lies between two marks and is replaced whole. What was not measured stays empty, beside the command that fills it:
files of ``--out`` (`benchmarks.figures`) anywhere below ``benchmarks/results``, and for whole machines the bench.json
of `edgerun bench` in a folder named for the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import RESULTS, ROOT, SCHEMA, Figure, Results, aim_of, published, read, words_of
from edge.bench.report import BenchReport, from_json

BEGIN, END = "<!-- benchmarks.tables: begin -->", "<!-- benchmarks.tables: end -->"
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")

BENCHMARKS: Mapping[str, str] = {
    "cold_start": "one DICOM file in a new process, beside plain scripts",
    "warm": "scan after scan with everything loaded",
    "folder": "a folder of radiographs, and whether a scan costs the same after a thousand others",
    "jpeg2000": "a folder of JPEG 2000 at reduced resolution",
    "engines": "INT8 and loops written by hand, on every engine",
    "engines_3d": "the same in 3-D",
    "prepared": "the choice of `edgerun prepare` beside every candidate",
    "systems_windows": "a volume in windows, beside MONAI",
    "volumes": "from scores to labels in a file, beside scipy and MONAI",
}
"""By the name of the file that holds its results: what it measures."""

COMMANDS: Mapping[str, str] = {
    name: f"python -m benchmarks.{name} --out benchmarks/results/{name}.json" for name in BENCHMARKS
} | {
    "engines": "python -m benchmarks.engines --nets skin-resnet50 chest-densenet121 unet2d"
    " --out benchmarks/results/engines.json",
    "engines_3d": "python -m benchmarks.engines --nets unet3d --rounds 8 --out benchmarks/results/engines_3d.json",
}

MACHINES: Mapping[str, str] = {
    "cpu-2-cores": "AMD EPYC, 2 cores",
    "jetson-orin-nano-15w": "Jetson Orin Nano, 15 W",
    "jetson-agx-orin-maxn": "Jetson AGX Orin, MAXN",
    "laptop-rtx-mains": "Laptop with an RTX GPU, on mains",
    "laptop-rtx-battery": "The same laptop, on its battery",
}
"""By the folder below ``benchmarks/results`` that holds its bench.json."""


def results_in(folder: Path) -> dict[str, tuple[Results, ...]]:
    """Return what was measured, by the names of `BENCHMARKS`, from one machine or several."""
    return {name: tuple(read(path) for path in sorted(folder.rglob(f"{name}.json"))) for name in BENCHMARKS}


def benches_in(folder: Path) -> dict[str, BenchReport]:
    """Return the reports of `edgerun bench` by the names of `MACHINES`, of those machines that were there."""
    paths = {name: folder / name / "bench.json" for name in MACHINES}
    return {name: from_json(path.read_bytes(), str(path)) for name, path in paths.items() if path.is_file()}


def summary(results: Mapping[str, Sequence[Results]], benches: Mapping[str, BenchReport]) -> str:
    """Return the tables of README.md: every aim but those that are details, then every machine."""
    rows = ["| what | found (95%) | aim | | where, when |", "|---|---|---|---|---|"]
    for name, measured in results.items():
        told = [(each, fig) for each in measured for fig in each.figures if fig.outcome() and not fig.detail]
        rows += [_aimed(figure, each) for each, figure in told]
        if not told:
            rows.append(f"| {BENCHMARKS[name]} | not measured yet | | | `{COMMANDS[name]}` |")
    return "\n".join((*rows, "", *machines(benches)))


def details(results: Mapping[str, Sequence[Results]], benches: Mapping[str, BenchReport]) -> str:
    """Return the tables of docs/benchmarks.md: everything that was found, with how it was measured."""
    lines: list[str] = []
    for name, measured in results.items():
        lines += [f"### {BENCHMARKS[name][0].upper()}{BENCHMARKS[name][1:]}", ""]
        if not measured:
            lines += [f"Not measured yet: `{COMMANDS[name]}`.", ""]
        for each in measured:
            lines += [*_measured(each), ""]
    return "\n".join((*lines, "### Whole machines", "", *machines(benches)))


def machines(benches: Mapping[str, BenchReport]) -> list[str]:
    """Return a row for each machine, empty where nobody had it."""
    head = ["machine", "engine", "cold start, p50", "single stream, p90", "scans an hour, folder", "joules a scan"]
    rows = [f"| {' | '.join((*head, 'command'))} |", "|---" * (len(head) + 1) + "|"]
    for name, machine in MACHINES.items():
        command = f"edgerun bench chest-pneumonia --soak 30 --out benchmarks/results/{name}"
        cells = _machine(benches[name]) if name in benches else [""] * (len(head) - 1)
        rows.append(f"| {' | '.join((machine, *cells, f'`{command}`'))} |")
    return rows


def _aimed(figure: Figure, results: Results) -> str:
    why = f"; {figure.why}" if figure.why and figure.outcome() != "met" else ""
    where = f"{results.machine}, {results.measured_utc[:10]}, load {max(results.load):g}"
    return f"| {figure.what}{why} | {words_of(figure)} | {aim_of(figure)} | {figure.outcome()} | {where} |"


def _measured(results: Results) -> list[str]:
    named = ("python", "onnxruntime", "openvino", "torch", "monai")
    software = ", ".join(f"{name} {results.versions[name]}" for name in named if name in results.versions)
    before, after = results.load
    where = f"{results.machine}, {results.measured_utc}, commit {results.commit}"
    lines = [
        f"{where}, load {before:g} to {after:g}; {software}.",
        f"`{results.command}`",
        "",
        "| what | n | found (95%) | aim | |",
        "|---|---|---|---|---|",
    ]
    for figure in results.figures:
        what = f"{figure.what}; {figure.why}" if figure.why else figure.what
        lines.append(f"| {what} | {figure.n:,} | {words_of(figure)} | {aim_of(figure)} | {figure.outcome() or ''} |")
    return [*lines, *(["", *(f"- {note}" for note in results.notes)] if results.notes else [])]


def _machine(report: BenchReport) -> list[str]:
    """The cells of a machine that was measured; empty, as for others, where a scenario was left out."""
    found = {scenario.name: scenario for scenario in report.scenarios}
    cold, stream, folder = (found.get(name) for name in ("cold-start", "single-stream", "folder"))
    cells = [f"{report.engine.precision} on {report.engine.name}"]
    for scenario, percent in ((cold, 50.0), (stream, 90.0)):
        values = [] if scenario is None else [each.found_ms for each in scenario.quantiles if each.percent == percent]
        cells.append(f"{values[0]:.3g} ms" if values else "")
    cells.append(f"{folder.scans_an_hour:,.0f}" if folder else "")
    energy = [] if stream is None else [f"{each.joules_a_scan:.2g} ({each.name})" for each in stream.energy]
    return [*cells, ", ".join(energy) if stream is None or energy else "not measured"]


def replaced(page: str, table: str) -> str:
    """Return a page with a table between its marks.

    Raises
    ------
    ValueError
        The marks are not there, once each.
    """
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise ValueError(f"Writing a table: found no marks, expected {BEGIN} and then {END}.")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def pages() -> dict[Path, str]:
    """Return every generated page as it is to be: `PAGES`, and the schema of the results."""
    results, benches = results_in(RESULTS), benches_in(RESULTS)
    tables = (summary(results, benches), details(results, benches))
    text = {path: replaced(path.read_text(encoding="utf-8"), table) for path, table in zip(PAGES, tables, strict=True)}
    return text | {SCHEMA: json.dumps(published(), indent=1, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
