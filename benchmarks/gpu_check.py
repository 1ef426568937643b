"""One command for a machine with a GPU: does everything that uses it do so rightly, and how fast.

``python -m benchmarks.gpu_check [--models FILE_OR_FOLDER ...] [--recipes NAME ...] [--out FOLDER] [--rounds N]``.

Checks the way to the GPU's memory, then every engine for it against ONNX Runtime on the CPU in FP32, each in a process
of its own, and writes ``gpu-check.json`` and ``gpu-check.md``. What is not here is "not run" with the reason, never
passed. It needs neither torch nor onnx unless recipes are asked for. Exit code 1: a check failed; 2: none ran.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.gpu_check_engines import GPU_ENGINES, Ran, Trial, check_engine, why_not
from benchmarks.gpu_check_memory import Check, Verdict, check_memory
from benchmarks.gpu_check_models import EMBEDDED, Subject, subjects_in, subjects_of
from edge.device import has_nvidia_gpu, machine_name, usable_cores, versions
from edge.engines.tensorrt.memory import ADAPTERS, Reached, missing
from edge.errors import EngineError
from edge.typed import dump

JSON, MARKDOWN = "gpu-check.json", "gpu-check.md"
RAN = ("passed", "failed", "measured", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One way to the GPU's memory.

    Parameters
    ----------
    name : str
    reached : Reached or None
        What it found; None where it was not opened.
    checks : tuple of Check
    """

    name: str
    reached: Reached | None
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found.

    Parameters
    ----------
    machine, python : str
    versions : mapping
        Of what takes part in a result.
    subjects : mapping
        SHA-256 of each file, by model and precision.
    adapters : tuple of Adapter
    engines : tuple of Ran
    """

    machine: str
    python: str
    versions: dict[str, str]
    subjects: dict[str, dict[str, str]]
    adapters: tuple[Adapter, ...]
    engines: tuple[Ran, ...]

    def verdicts(self) -> list[str]:
        """Return the verdict of every check."""
        parts = [part.checks for part in self.adapters] + [part.checks for part in self.engines]
        return [check.verdict for checks in parts for check in checks]


def check_adapters() -> tuple[Adapter, ...]:
    """Return the checks of every adapter, each opened by its name; the table's order does not matter here."""
    return tuple(_check_adapter(name) for name in ADAPTERS)


def _check_adapter(name: str) -> Adapter:
    if missing(ADAPTERS[name]):
        lacks = Check(name="opening", verdict="not run", words=f"{ADAPTERS[name].needs[0]} is not installed")
        return Adapter(name=name, reached=None, checks=(lacks,))
    try:
        memory = ADAPTERS[name].load()()
    except EngineError as error:
        verdict: Verdict = "failed" if has_nvidia_gpu() else "not run"
        return Adapter(name=name, reached=None, checks=(Check(name="opening", verdict=verdict, words=error.message),))
    checks = check_memory(memory)
    memory.close()
    return Adapter(name=name, reached=memory.reached, checks=checks)


def check_engines(subjects: Sequence[Subject], engines: Sequence[str], trial: Trial) -> tuple[Ran, ...]:
    """Return the checks of every engine with every file; leaks are looked for with each engine's first one only."""
    found: list[Ran] = []
    for engine in engines:
        for subject in subjects:
            for precision in subject.files:
                first = not any(item.engine == engine and item.provider for item in found)
                asked = replace(trial, wear=trial.wear and first)
                print(f"{engine}: {subject.name} in {precision} ...", file=sys.stderr, flush=True)
                found.append(check_engine(engine, subject, precision, asked))
            if why_not(engine):
                break
    return tuple(found)


def report_of(subjects: Sequence[Subject], adapters: tuple[Adapter, ...], engines: tuple[Ran, ...]) -> Report:
    """Return what was found, with what it was found on."""
    return Report(
        machine=machine_name(),
        python=platform.python_version(),
        versions=versions(),
        subjects={subject.name: subject.sha256() for subject in subjects},
        adapters=adapters,
        engines=engines,
    )


def page_of(report: Report) -> str:
    """Return the report in Markdown."""
    lines = ["# GPU check", "", f"{report.machine}; Python {report.python}.", ""]
    lines += [f"- {name} {version}" for name, version in report.versions.items()]
    for adapter in report.adapters:
        reached = adapter.reached
        lines += ["", f"## Memory by way of {adapter.name}", ""]
        if reached:
            gpu = reached.gpu
            lines += [f"{gpu.name}, SM {gpu.capability}, {gpu.uuid}, driver {gpu.driver}; {reached.adapter}.", ""]
        lines += _table(adapter.checks)
    for ran in report.engines:
        lines += ["", f"## {ran.engine}: {ran.subject} in {ran.precision}", ""]
        lines += [f"{ran.version}, {ran.provider}".strip(", "), "", f"SHA-256 {ran.sha256}", "", *_table(ran.checks)]
    return "\n".join(lines) + "\n"


def _table(checks: Sequence[Check]) -> list[str]:
    rows = ["| check | verdict | numbers | |", "|---|---|---|---|"]
    for check in checks:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in check.numbers.items())
        rows.append(f"| {check.name} | {check.verdict} | {numbers} | {check.words.replace('|', '/')} |")
    return rows


def exit_code(report: Report) -> int:
    """Return 1 where a check failed, 2 where there was nothing to run, else 0."""
    verdicts = report.verdicts()
    if "failed" in verdicts:
        return 1
    return 0 if any(verdict in RAN for verdict in verdicts) else 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and write; the page goes to stdout too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--models", nargs="+", type=Path, help="ONNX files, or folders of them")
    parser.add_argument("--recipes", nargs="+", default=[], help="recipes to export; needs edgerun[convert]")
    parser.add_argument("--engines", nargs="+", choices=GPU_ENGINES, default=list(GPU_ENGINES))
    parser.add_argument("--out", type=Path, default=Path(), help="the folder to write to")
    parser.add_argument("--rounds", type=int, default=Trial(threads=1).rounds, help="how often each is timed")
    parser.add_argument("--no-wear", action="store_true", help="do not look for leaks of engines")
    asked = parser.parse_args(arguments)
    paths = asked.models or ([] if asked.recipes else [EMBEDDED])
    subjects = (*(subjects_in(paths) if paths else ()), *(subjects_of(asked.recipes) if asked.recipes else ()))
    trial = Trial(threads=usable_cores(), rounds=asked.rounds, wear=not asked.no_wear)
    report = report_of(subjects, check_adapters(), check_engines(subjects, asked.engines, trial))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / JSON).write_text(json.dumps(dump(report), indent=2) + "\n", encoding="utf-8")
    (asked.out / MARKDOWN).write_text(page_of(report), encoding="utf-8")
    print(page_of(report))
    return exit_code(report)


if __name__ == "__main__":
    sys.exit(main())
