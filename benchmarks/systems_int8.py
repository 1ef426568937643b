"""INT8 beside FP32 for every recipe, on every engine here: how far its answers are off, and how fast it is.

``python -m benchmarks.systems_int8 [--rounds N] [--nets NAME ...] [--results FILE]``. Needs ``edgerun[convert]``. The
weights of most recipes are random: it shows which systems have an INT8 model, that it computes what FP32 computes, and
what it costs, never how accurate a model is. Each recipe is measured at the size that its pack declares; every
contender has a process of its own, and all are asked in turn. Results are kept after each recipe, so that what is left
out can be measured another day; ``python -m benchmarks.systems_page`` makes the page of them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.nets import LOWERING, Feed, export, manifest_of, relative_error, to_int8
from benchmarks.paired import Paired
from convert.phantoms import phantom_of
from convert.sources import RECIPES
from edge.device import machine_name, usable_cores, versions
from edge.engines import available_engines
from edge.engines.apart import EngineApart
from edge.errors import EdgerunError, EngineError, UsageError
from edge.pack.manifest import DetectionTask, Manifest, Task
from edge.pack.tasks import outputs_of
from edge.prepare import prepare
from edge.typed import dump, parse
from edge.write.files import make_folder, write_whole

RESULTS = Path(__file__).parent / "results" / "int8.json"
BASE_ENGINE = "onnxruntime"
ROUNDS = 7
FEEDS = 3
UNSEEN = 1000
"""First seed of the phantoms that are asked about: those that calibrate have seeds below 100."""
TOLD = ("python", "machine", "numpy", "onnxruntime", "openvino")
"""Versions that answers and times depend on."""
SETTLE_SECONDS = 0.005
"""In which the threads of the contender before go to sleep."""

BOXES, SCORES = "boxes", "scores"
Precision = Literal["fp32", "int8"]
Key = tuple[str, Precision]
Answers = list[dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """How many times as fast INT8 is as FP32 on the same engine: median of paired ratios, 95% bootstrap interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEngine:
    """One recipe on one engine; what is None was not to be had, and `notes` say why.

    Parameters
    ----------
    fp32_ms, int8_ms : float, optional
        Medians of one inference.
    speedup : Speedup, optional
    fp32_error : float, optional
        Relative, of FP32 against FP32 on ONNX Runtime; see `benchmarks.nets.relative_error`.
    int8_error : float, optional
        Relative, of INT8 against FP32 on the same engine.
    """

    engine: str
    fp32_ms: float | None = None
    int8_ms: float | None = None
    speedup: Speedup | None = None
    fp32_error: float | None = None
    int8_error: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One recipe.

    Parameters
    ----------
    date : str
        UTC, ISO 8601.
    load : tuple of float
        The machine's load over the last minute, before and after.
    fp32_bytes, int8_bytes : int, optional
        Of the files; that of INT8 on the first engine.
    no_int8 : str
        Why there is no INT8 model; empty where there is one.
    """

    recipe: str
    date: str
    rounds: int
    load: tuple[float, float]
    fp32_bytes: int
    int8_bytes: int | None
    engines: tuple[OnEngine, ...]
    no_int8: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What every contender is asked: these feeds, the answers of this task, so many times."""

    feeds: tuple[Feed, ...]
    task: Task
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All recipes that were measured on one machine with one set of versions."""

    machine: str
    versions: Mapping[str, str]
    systems: tuple[System, ...]

    def with_system(self, system: System) -> Results:
        """Return the same with one recipe measured anew, in the order of the recipes."""
        kept = {item.recipe: item for item in self.systems} | {system.recipe: system}
        return replace(self, systems=tuple(kept[name] for name in RECIPES if name in kept))


def read_results(path: Path = RESULTS) -> Results:
    """Return the results in a file.

    Raises
    ------
    OSError
        It cannot be read.
    edge.typed.TypedError
        It holds something else.
    """
    found: Results = parse(Results, json.loads(path.read_text(encoding="utf-8")))
    return found


def unseen_feeds(manifest: Manifest, count: int = FEEDS) -> Iterator[Feed]:
    """Yield what the model is fed for phantoms that did not calibrate it; of a volume, its first window."""
    for seed in range(UNSEEN, UNSEEN + count):
        first = seed * len(manifest.inputs)
        scans = {item.name: phantom_of(item, first + number) for number, item in enumerate(manifest.inputs)}
        yield from (feed.tensors for feed in islice(prepare(scans, manifest), 1))


def files_of(onnx: bytes, manifest: Manifest, engines: Sequence[str]) -> tuple[dict[Key, bytes], str]:
    """Return the files of a network by engine and precision, and why those of INT8 are missing."""
    files: dict[Key, bytes] = {(engine, "fp32"): onnx for engine in engines}
    try:
        signed = to_int8(onnx, manifest)
        files |= {(engine, "int8"): LOWERING.get(engine, bytes)(signed) for engine in engines}
    except EdgerunError as error:
        return files, error.message
    return files, ""


def compared(outputs: Mapping[str, NDArray[Any]], task: Task) -> dict[str, NDArray[Any]]:
    """Return the values that are compared, by name: what the task reads, large and small numbers apart.

    Boxes and scores that share a tensor are told apart, as edges in pixels would hide the error of a score. Where the
    graph itself chooses and orders boxes it is the scores alone, which fall from row to row: two boxes of nearly the
    same score change places, and to compare those row by row would say nothing.
    """
    if not isinstance(task, DetectionTask):
        return {name: outputs[name] for name in outputs_of(task)}
    if task.scores_output is not None:
        return {SCORES: outputs[task.scores_output]}
    rows = outputs[task.output]
    rows = rows.swapaxes(1, 2) if task.layout == "anchor-free" else rows
    scores = slice(0, 1) if task.layout == "one-per-label" else slice(4, None)
    boxes = slice(1, None) if task.layout == "one-per-label" else slice(0, 4)
    return {BOXES: rows[..., boxes], SCORES: rows[..., scores]}


def measure(recipe: str, *, rounds: int) -> System:
    """Return what one recipe comes to on every engine here."""
    load = os.getloadavg()[0]
    onnx, manifest, engines = export(recipe), manifest_of(recipe), available_engines()
    files, no_int8 = files_of(onnx, manifest, engines)
    asked = Asked(feeds=tuple(unseen_feeds(manifest)), task=manifest.task, rounds=rounds)
    rows = _on_engines(files, asked, engines)
    smaller = files.get((engines[0], "int8"))
    return System(
        recipe=recipe,
        date=datetime.now(timezone.utc).isoformat(timespec="minutes"),
        rounds=rounds,
        load=(round(load, 2), round(os.getloadavg()[0], 2)),
        fp32_bytes=len(onnx),
        int8_bytes=None if smaller is None else len(smaller),
        engines=rows,
        no_int8=no_int8,
    )


def _on_engines(files: Mapping[Key, bytes], asked: Asked, engines: Sequence[str]) -> tuple[OnEngine, ...]:
    notes: dict[str, list[str]] = {engine: [] for engine in engines}
    opened: dict[Key, EngineApart] = {}
    answers: dict[Key, Answers] = {}
    with ExitStack() as stack:
        for key, model in files.items():
            if (found := _answered(key, model, asked, notes[key[0]], stack)) is not None:
                opened[key], answers[key] = found
        timed = _in_turn(opened, asked.feeds, asked.rounds)
    return tuple(row_of(engine, answers, timed, notes[engine]) for engine in engines)


def _answered(
    key: Key, model: bytes, asked: Asked, notes: list[str], stack: ExitStack
) -> tuple[EngineApart, Answers] | None:
    """An engine, which is warm then, and its answers; None and a note where it does not run."""
    try:
        engine = EngineApart(key[0], model, precision=key[1], threads=usable_cores())
        stack.enter_context(closing(engine))
        return engine, [compared(engine.infer(feed), asked.task) for feed in asked.feeds]
    except EngineError as error:
        notes.append(f"{key[1].upper()} did not run: {error.message}")
        return None


def _in_turn(opened: Mapping[Key, EngineApart], feeds: Sequence[Feed], rounds: int) -> Paired:
    """Seconds inside each child, in an order drawn anew for every round."""
    names = {_name(key): engine for key, engine in opened.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    generator = np.random.default_rng(0)
    for index in range(rounds):
        for name in generator.permutation(list(names)):
            time.sleep(SETTLE_SECONDS)
            names[name].infer(feeds[index % len(feeds)])
            seconds[name].append(names[name].last_seconds)
    return Paired(seconds=seconds)


def _name(key: Key) -> str:
    return f"{key[1]} on {key[0]}"


def row_of(engine: str, answers: Mapping[Key, Answers], timed: Paired, notes: Sequence[str]) -> OnEngine:
    """Return what one engine came to.

    Parameters
    ----------
    answers : mapping
        By engine and precision, of all engines; what could not be run is not in it.
    timed : Paired
        By the words ``fp32 on onnxruntime`` and so on.
    """
    plain, small, said = f"fp32 on {engine}", f"int8 on {engine}", list(notes)
    speedup = None
    if {plain, small} <= set(timed.seconds):
        median, low, high = timed.ratio(plain, small)
        speedup = Speedup(median=round(median, 3), low=round(low, 3), high=round(high, 3))
    return OnEngine(
        engine=engine,
        fp32_ms=_median_ms(timed, plain),
        int8_ms=_median_ms(timed, small),
        speedup=speedup,
        fp32_error=_error(answers.get((engine, "fp32")), answers.get((BASE_ENGINE, "fp32")), "FP32", said),
        int8_error=_error(answers.get((engine, "int8")), answers.get((engine, "fp32")), "INT8", said),
        notes=tuple(said),
    )


def _median_ms(timed: Paired, name: str) -> float | None:
    return round(timed.median(name) * 1000, 3) if name in timed.seconds else None


def _error(found: Answers | None, expected: Answers | None, words: str, notes: list[str]) -> float | None:
    """The relative error, or None and a note where there is nothing to compare."""
    if not found or not expected:
        return None
    shapes = [[{name: value.shape for name, value in one.items()} for one in each] for each in (found, expected)]
    if shapes[0] != shapes[1]:
        rows = [sum(len(next(iter(one.values()))) for one in each) for each in (found, expected)]
        notes.append(f"{words} gives {rows[0]} rows in all and FP32 {rows[1]}: there is no error value by value.")
        return None
    if all(not value.any() for one in expected for value in one.values()):
        notes.append("FP32 gives nothing but zeros or no rows for these phantoms: there is nothing to compare.")
        return None
    error = relative_error(found, expected)
    if not math.isfinite(error):
        notes.append(f"{words} gives what is no number, or an output of FP32 is all zeros.")
        return None
    return float(f"{error:.3g}")


def write_results(results: Results, path: Path) -> None:
    """Write results to a file, whole or not at all."""
    make_folder(path.parent)
    write_whole(path, (json.dumps(dump(results), indent=1) + "\n").encode())


def begun(path: Path) -> Results:
    """Return what was measured before on this machine with these versions, or nothing yet.

    Raises
    ------
    UsageError
        The file holds results of another machine or of other versions, which would be lost.
    """
    found = versions()
    fresh = Results(machine=machine_name(), versions={name: found[name] for name in TOLD}, systems=())
    if not path.exists():
        return fresh
    kept = read_results(path)
    if (kept.machine, dict(kept.versions)) != (fresh.machine, dict(fresh.versions)):
        what = f"found results of {kept.machine} with {dict(kept.versions)}, expected those of {fresh.machine} with"
        raise UsageError(f"Keeping results in {path}: {what} {dict(fresh.versions)}. Name another file with --results.")
    return kept


def line_of(system: System) -> str:
    """Return a recipe in one line, for whoever waits."""
    parts = [f"{system.recipe} (load {system.load[0]:g} to {system.load[1]:g})"]
    for row in system.engines:
        faster = "-" if row.speedup is None else f"{row.speedup.median:.2f} times"
        error = "-" if row.int8_error is None else f"{row.int8_error:g}"
        parts.append(f"{row.engine}: error {error}, {faster}")
    return "; ".join(parts) + (f"; no INT8: {system.no_int8}" if system.no_int8 else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.systems_int8", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender is asked")
    parser.add_argument("--nets", nargs="+", choices=RECIPES, default=list(RECIPES), help="recipes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    asked = parser.parse_args(arguments)
    results = begun(asked.results)
    for recipe in asked.nets:
        results = results.with_system(measure(recipe, rounds=asked.rounds))
        write_results(results, asked.results)
        print(line_of(next(item for item in results.systems if item.recipe == recipe)), flush=True)


if __name__ == "__main__":
    main()
