"""One inference on every engine and in every precision, against ONNX Runtime in FP32, measured in turn in one run.

``python -m benchmarks.engines [--rounds N] [--nets NAME ...] [--out FILE]``. Each contender has a process of its own
and all threads; a round asks each of them once, in an order drawn anew, so that a machine whose speed drifts slows all
alike. Loops written by hand for the same engines are among them. What answers wrongly is not timed: a wrong answer is
never fast. Needs ``edgerun[convert]``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import figures
from benchmarks.figures import SLOWER, Figure, Outcome, judge, times
from benchmarks.nets import NETS, Feed, Net, convert, relative_error
from benchmarks.paired import Paired
from edge.bench.words import time_words
from edge.device import machine_name, usable_cores, versions
from edge.engines import ENGINES, available_engines
from edge.engines.apart import OPENER, EngineApart
from edge.errors import EngineError

ROUNDS = 40
BASE = "FP32 on onnxruntime"
PREPARER = "edge.engines:open_prepared"
"""What compiles first where an engine opens nothing else (TensorRT)."""
TORCH = "benchmarks.peers.eager_torch:open_recipe"
BY_HAND = "benchmarks.peers.by_hand:open_by_hand"
HANDS = ("onnxruntime", "openvino")
"""Engines for which a loop is written by hand beside edgerun's."""
LARGEST_ERROR = 0.1
"""Relative; what is farther from the base is wrong. INT8 that is right was found at 0.03 to 0.08 on these networks."""
SETTLE_SECONDS = 0.005
"""In which the threads of the contender before go to sleep."""
MEGABYTE = 1e6

FASTER: Mapping[str, float] = {"skin-resnet50": 2.8, "chest-densenet121": 2.5, "unet2d": 3.5, "unet3d": 5.0}
"""How many times as fast as the base the INT8 of a pack is to be, on the better engine."""
SMALLER = 3.5
"""How many times as small as FP32 the file in INT8 is to be; 4 is what the bits allow."""
REMARKS: Mapping[str, str] = {
    "onnxruntime": "the loop's idle threads spin (ONNX Runtime's default); edgerun's sleep, faster on a busy machine"
}
"""By engine: what is to be known of the loop by hand."""
OVERHEAD_PERCENT = 2.0
"""How much longer than a loop written by hand edgerun's engine may take."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """A model and what runs it.

    Parameters
    ----------
    model : bytes
        ONNX, or what `opener` takes in its place.
    file_bytes : int or None
        Size of the file; None for a peer without one.
    packed : bool
        Whether packs hold such a file.
    """

    name: str
    engine: str
    precision: str
    model: bytes
    file_bytes: int | None
    packed: bool = True
    opener: str = OPENER


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one contender came to.

    Parameters
    ----------
    median_ms : float
    faster, low, high : float
        Median of the paired ratios base / contender, and its 95% bootstrap interval.
    file_bytes, smaller : int, float or None
        Size of the file, and the base's size over it.
    error : float
        Against the base; see `benchmarks.nets.relative_error`.
    peak_bytes : int or None
        Of the contender's process; None where the system does not tell.
    """

    name: str
    precision: str
    packed: bool
    median_ms: float
    faster: float
    low: float
    high: float
    file_bytes: int | None
    smaller: float | None
    error: float
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An aim, what was found, and whether that meets it."""

    what: str
    aim: float
    found: float
    by: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One network.

    Parameters
    ----------
    overheads : mapping
        By engine: ratios of edgerun's FP32 to the loop by hand, with the interval.
    notes : tuple of str
        Who was not timed, and why.
    load : tuple of float
        The machine's load over the last minute, before and after.
    """

    net: str
    rounds: int
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    overheads: Mapping[str, tuple[float, float, float]]
    notes: tuple[str, ...]
    load: tuple[float, float]


def contenders(net: Net) -> Iterator[Contender]:
    """Yield the base, then all that is set against it."""
    for engine in available_engines():
        files = {"FP32": net.fp32, "INT8": net.lowered.get(engine), "INT8 signed": net.signed, "FP16": net.fp16}
        for words, file in files.items():
            if file is None or (engine, words) == ("onnxruntime", "INT8 signed"):
                continue  # the CPU's kernels for signed activations are slower than FP32
            yield Contender(
                name=f"{words} on {engine}",
                engine=engine,
                precision=words.partition(" ")[0].lower(),
                model=file,
                file_bytes=len(file),
                packed=file is not net.signed,
                opener=PREPARER if ENGINES[engine].device else OPENER,
            )
    for engine in HANDS:
        if engine in available_engines():
            yield Contender(
                name=_by_hand(engine),
                engine=engine,
                precision="fp32",
                model=net.fp32,
                file_bytes=len(net.fp32),
                packed=False,
                opener=BY_HAND,
            )
    if importlib.util.find_spec("torch"):
        yield Contender(
            name="FP32 on torch, eager",
            engine="torch",
            precision="fp32",
            model=net.name.encode(),
            file_bytes=None,
            packed=False,
            opener=TORCH,
        )


def _by_hand(engine: str) -> str:
    return f"FP32 on {engine}, by hand"


def measure(net: Net, *, rounds: int) -> Report:
    """Return what one network costs on each engine.

    Raises
    ------
    EngineError
        The base cannot be run.
    """
    before = figures.load()
    with _opened(net) as (items, engines, notes):
        expected = _answers(engines[BASE], net.feeds)
        errors = {name: _error(name, engine, net.feeds, expected, notes) for name, engine in engines.items()}
        right = [item for item in items if errors.get(item.name, LARGEST_ERROR) < LARGEST_ERROR]
        timed = _in_turn({item.name: engines[item.name] for item in right}, net.feeds, rounds)
        rows = rows_of(right, timed, errors, {item.name: engines[item.name].peak_bytes() for item in right})
    return Report(
        net=net.name,
        rounds=rounds,
        rows=rows,
        verdicts=verdicts_of(net.name, rows),
        overheads=overheads_of(timed),
        notes=tuple(notes),
        load=(before, figures.load()),
    )


@contextmanager
def _opened(net: Net) -> Iterator[tuple[list[Contender], dict[str, EngineApart], list[str]]]:
    items, engines, notes = list(contenders(net)), {}, []
    with ExitStack() as stack:
        for item in items:
            try:
                engine = EngineApart(
                    item.engine, item.model, precision=item.precision, threads=usable_cores(), opener=item.opener
                )
            except EngineError as error:
                if item.name == BASE:
                    raise
                notes.append(f"{item.name} could not be opened. {error.message}")
                continue
            engines[item.name] = stack.enter_context(closing(engine))
        yield items, engines, notes


def _answers(engine: EngineApart, feeds: Sequence[Feed]) -> list[dict[str, NDArray[Any]]]:
    return [engine.infer(feed) for feed in feeds]


def _error(
    name: str, engine: EngineApart, feeds: Sequence[Feed], expected: list[dict[str, NDArray[Any]]], notes: list[str]
) -> float:
    """How wrong it is, which also warms it up; one that fails or is too wrong is noted."""
    try:
        error = relative_error(_answers(engine, feeds), expected)
    except EngineError as failed:
        notes.append(f"{name} could not be run. {failed.message}")
        return float("inf")
    if not error < LARGEST_ERROR:
        notes.append(f"{name} is not timed: its error of {error:.3f} against {BASE} is not below {LARGEST_ERROR:g}.")
    return error


def _in_turn(engines: Mapping[str, EngineApart], feeds: Sequence[Feed], rounds: int) -> Paired:
    """Seconds inside each child, without the way there and back."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    generator = np.random.default_rng(0)
    for index in range(rounds):
        for name in generator.permutation(list(engines)):
            time.sleep(SETTLE_SECONDS)
            engines[name].infer(feeds[index % len(feeds)])
            seconds[name].append(engines[name].last_seconds)
    return Paired(seconds=seconds)


def rows_of(
    items: Sequence[Contender], timed: Paired, errors: Mapping[str, float], peaks: Mapping[str, int | None]
) -> tuple[Row, ...]:
    """Return what the contenders came to, in their order; the base is among them."""
    base = next(item.file_bytes for item in items if item.name == BASE)
    rows = []
    for item in items:
        faster, low, high = timed.ratio(BASE, item.name)
        smaller = base / item.file_bytes if base and item.file_bytes else None
        rows.append(
            Row(
                name=item.name,
                precision=item.precision,
                packed=item.packed,
                median_ms=timed.median(item.name) * 1000,
                faster=faster,
                low=low,
                high=high,
                file_bytes=item.file_bytes,
                smaller=smaller,
                error=errors[item.name],
                peak_bytes=peaks[item.name],
            )
        )
    return tuple(rows)


def verdicts_of(net: str, rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Return how the fastest INT8 that packs hold stands to the aims; nothing where none was timed."""
    int8 = [row for row in rows if row.precision == "int8" and row.packed]
    if not int8:
        return ()
    best = max(int8, key=lambda row: row.faster)
    found = []
    if net in FASTER:
        outcome = judge(FASTER[net], best.faster, best.low, best.high)
        found.append(Verdict(what="times as fast", aim=FASTER[net], found=best.faster, by=best.name, outcome=outcome))
    if best.smaller is not None:
        outcome = judge(SMALLER, best.smaller, best.smaller, best.smaller)
        found.append(Verdict(what="times as small", aim=SMALLER, found=best.smaller, by=best.name, outcome=outcome))
    return tuple(found)


def overheads_of(timed: Paired) -> dict[str, tuple[float, float, float]]:
    """Return, by engine, how many times as long edgerun's FP32 takes as the loop by hand, where both were timed."""
    pairs = {engine: (f"FP32 on {engine}", _by_hand(engine)) for engine in HANDS}
    return {engine: timed.ratio(*pair) for engine, pair in pairs.items() if set(pair) <= set(timed.seconds)}


def figures_of(report: Report) -> list[Figure]:
    """Return what is worth keeping: each precision's speed, of which the fastest INT8 has an aim, and the overheads."""
    aims = {item.by: item.aim for item in report.verdicts if item.what == "times as fast"}
    net = NETS[report.net]
    found = [
        times(
            f"{net}: {row.name} ({time_words(row.median_ms)}) beside {BASE}",
            (row.faster, row.low, row.high),
            report.rounds,
            at_least=aims.get(row.name),
        )
        for row in report.rows
        if row.name != BASE and "by hand" not in row.name
    ]
    for engine, ratio in report.overheads.items():
        middle, low, high = (100 * (value - 1) for value in ratio)
        what = f"{net}: edgerun's {engine} beside a loop written by hand"
        found.append(
            Figure(
                what=what,
                unit=SLOWER,
                n=report.rounds,
                found=middle,
                low=low,
                high=high,
                at_most=OVERHEAD_PERCENT,
                why=REMARKS.get(engine, ""),
                detail=True,
            )
        )
    return found


def lines_of(report: Report) -> list[str]:
    """Return a report as text."""
    head = f"{NETS[report.net]} ({report.net}), {report.rounds} rounds, load {report.load[0]:g} to {report.load[1]:g}"
    lines = [
        head,
        f"{'':28}{'ms':>8} {'times as fast (95%)':>22} {'file MB':>9} {'smaller':>8} {'error':>8} {'peak MB':>8}",
    ]
    for row in report.rows:
        ratio = f"{row.faster:.2f} ({row.low:.2f} to {row.high:.2f})"
        size = "-" if row.file_bytes is None else f"{row.file_bytes / MEGABYTE:.1f}"
        smaller = "-" if row.smaller is None else f"{row.smaller:.2f}"
        peak = "-" if row.peak_bytes is None else f"{row.peak_bytes / MEGABYTE:.0f}"
        lines.append(f"{row.name:28}{row.median_ms:8.2f} {ratio:>22} {size:>9} {smaller:>8} {row.error:8.4f} {peak:>8}")
    lines += [
        f"aim {item.aim:g} {item.what}: {item.outcome}, {item.found:.2f} by {item.by}" for item in report.verdicts
    ]
    lines += [
        f"{engine} takes {ratio[0]:.3f} (95%: {ratio[1]:.3f} to {ratio[2]:.3f}) of the time of a loop by hand"
        for engine, ratio in report.overheads.items()
    ]
    return [*lines, *report.notes]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender is asked")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), help="recipes")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    found, before = versions(), figures.load()
    print(f"{machine_name()}, onnxruntime {found['onnxruntime']}, openvino {found['openvino']}; medians, in turn")
    print("Random weights, calibrated and fed by phantoms: the error shows a wrong engine, not a model's accuracy.")
    reports = []
    for name in asked.nets:
        reports.append(measure(convert(name), rounds=asked.rounds))
        print("\n" + "\n".join(lines_of(reports[-1])), flush=True)
    notes = [f"{NETS[report.net]}: {note}" for report in reports for note in report.notes]
    figures.keep(asked.out, [figure for each in reports for figure in figures_of(each)], before=before, notes=notes)


if __name__ == "__main__":
    main()
