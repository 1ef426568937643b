"""A whole volume segmented in windows: edgerun beside MONAI's ``sliding_window_inference`` with the same weights.

``python -m benchmarks.systems_windows [--recipe NAME] [--size Z Y X] [--rounds N] [--json FILE] [--out FILE]``. Needs
``edgerun[convert]`` and, for the peer, ``pip install monai`` in the same environment; without it the peer is left out
and the report says so. Both are given the same prepared volume, windows, overlap and Gaussian weights, all cores, and
a process of their own; a round asks each of them once, in an order drawn anew. edgerun is timed with its checks and
measurements (`edge.pipeline.examine`), MONAI from the volume to the labels, with windows one by one and four at a time.

By default it is the trained recipe ``brain-tissue`` on the template in ``examples/``; another recipe, or ``--size``,
takes a seeded phantom, which shows speed and equality alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import figures
from benchmarks.figures import Figure, Outcome, judge, times
from benchmarks.nets import LOWERING, export, manifest_of, to_int8
from benchmarks.paired import Paired
from benchmarks.systems_int8 import TOLD
from benchmarks.systems_windows_contenders import LABELS, SCORES, VOLUME, Whole, windows_of
from edge.bench.words import time_words
from edge.check import confirm_scan
from edge.device import machine_name, usable_cores, versions
from edge.engines import available_engines
from edge.engines.apart import EngineApart
from edge.pack.manifest import Manifest
from edge.prepare import prepare
from edge.read import read_study
from edge.typed import dump
from edge.volume.tiles import Tiles

ROUNDS = 9
RECIPE = "brain-tissue"
EXAMPLE = Path(__file__).parent.parent / "examples" / "brain-t1-icbm152.nii.gz"
PEERS = {"MONAI, FP32 on torch, windows one by one": 1, "MONAI, FP32 on torch, windows 4 at a time": 4}
EDGERUN_OPENER = "benchmarks.systems_windows_contenders:WithEdgerun"
MONAI_OPENER = "benchmarks.systems_windows_contenders:WithMonai"
FASTER = 1.5
"""How many times as fast as the faster peer edgerun in FP32 is to be, on its better engine."""
LARGEST_DIFFERENCE = 1e-4
"""Between the blended scores of edgerun in FP32 and those of the peer."""
SETTLE_SECONDS = 0.05
LONGEST_SECONDS = 600.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """Who segments the volume."""

    name: str
    engine: str
    precision: str
    whole: Whole
    onnx: bytes = b""

    @property
    def peer(self) -> bool:
        """Whether it is not edgerun."""
        return not self.onnx

    def opened(self, *, scores: bool = False) -> EngineApart:
        """Return it in a process of its own."""
        return EngineApart(
            self.engine,
            replace(self.whole, scores=scores).packed(self.onnx),
            precision=self.precision,
            threads=usable_cores(),
            seconds=LONGEST_SECONDS,
            opener=MONAI_OPENER if self.peer else EDGERUN_OPENER,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one contender came to.

    Parameters
    ----------
    seconds : float
        Median for the whole volume.
    faster, low, high : float or None
        Median of the paired ratios fastest peer / contender, and its 95% bootstrap interval; None without a peer.
    difference : float or None
        Largest, between its blended scores and the peer's; None where they were not compared.
    same_labels : float or None
        Share of the voxels that are labelled as the peer labels them.
    peak_bytes : int or None
        Of its process.
    """

    name: str
    seconds: float
    faster: float | None
    low: float | None
    high: float | None
    difference: float | None
    same_labels: float | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One recipe on one volume.

    Parameters
    ----------
    shape : tuple of int
        Of the prepared volume, (z, y, x).
    windows : int
        How many the model is run on.
    speed, equality : {"met", ...} or None
        Whether edgerun's better engine in FP32 reaches `FASTER`, and `LARGEST_DIFFERENCE`; None without a peer.
    load : tuple of float
        The machine's load over the last minute, before and after.
    """

    recipe: str
    volume: str
    shape: tuple[int, int, int]
    patch: tuple[int, ...]
    overlap: float
    windows: int
    rounds: int
    rows: tuple[Row, ...]
    speed: Outcome | None
    equality: Outcome | None
    notes: tuple[str, ...]
    load: tuple[float, float]


def has_monai() -> bool:
    """Return whether the peer can be measured here."""
    return all(importlib.util.find_spec(name) for name in ("torch", "monai"))


def all_versions() -> dict[str, str]:
    """Return the versions that answers and times depend on, the peer's too where it is installed."""
    found = versions()
    peer = {name: metadata.version(name) for name in ("torch", "monai") if importlib.util.find_spec(name)}
    return {name: found[name] for name in TOLD} | peer


def contenders(recipe: str, onnx: bytes, signed: bytes) -> Iterator[Contender]:
    """Yield the peers, where they are installed, then edgerun on every engine in FP32 and INT8."""
    if has_monai():
        for name, count in PEERS.items():
            yield Contender(name=name, engine="monai", precision="fp32", whole=Whole(recipe=recipe, at_a_time=count))
    for engine in available_engines():
        files = {"fp32": onnx, "int8": LOWERING.get(engine, bytes)(signed)}
        for precision, file in files.items():
            name = f"edgerun, {precision.upper()} on {engine}"
            yield Contender(name=name, engine=engine, precision=precision, whole=Whole(recipe=recipe), onnx=file)


def example_volume(manifest: Manifest) -> Floats:
    """Return the template of ``examples/`` as the manifest's steps prepare it, put together from its windows."""
    item = manifest.inputs[0]
    (scan,) = read_study(EXAMPLE).scans
    told, _ = confirm_scan(scan, {"modality": item.accepts.modality[0], "body-part": item.accepts.body_part[0]})
    volume: Floats | None = None
    for feed in prepare({item.name: told}, manifest):
        if feed.window is None:
            continue
        volume = np.zeros(feed.grid.shape, dtype=np.float32) if volume is None else volume
        in_volume, in_window = feed.window.tiles.inside(feed.window.start)
        volume[in_volume] = feed.tensors[item.tensor][0, 0][in_window]
    if volume is None:
        raise ValueError(f"Preparing {EXAMPLE.name} for {manifest.name}: found no window.")
    return volume


def phantom_volume(shape: Sequence[int]) -> Floats:
    """Return seeded waves and noise, mean 0 and deviation 1."""
    generator = np.random.default_rng(0)
    z, y, x = (np.linspace(0, generator.uniform(8, 12), size) for size in shape)
    waves = np.sin(z)[:, None, None] + np.sin(1.3 * y)[:, None] * np.cos(0.7 * x)
    values = waves + generator.normal(scale=0.3, size=waves.shape)
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float32)


def measure(recipe: str, volume: Floats, words: str, *, rounds: int) -> Report:
    """Return what the contenders come to on one prepared volume."""
    before = figures.load()
    manifest = manifest_of(recipe)
    _, windows = windows_of(manifest)
    onnx = export(recipe)
    items = tuple(contenders(recipe, onnx, to_int8(onnx, manifest)))
    differences = differences_of(items, volume)
    timed, labels, peaks = _in_turn(items, volume, rounds)
    rows = rows_of(items, timed, labels, differences, peaks)
    patch = manifest.inputs[0].shape[1:]
    return Report(
        recipe=recipe,
        volume=words,
        shape=(volume.shape[0], volume.shape[1], volume.shape[2]),
        patch=patch,
        overlap=windows.overlap,
        windows=Tiles.of(volume.shape, patch, windows.overlap).runs,
        rounds=rounds,
        rows=rows,
        speed=speed_of(items, rows),
        equality=equality_of(rows),
        notes=() if has_monai() else ("MONAI is not installed: pip install monai. edgerun is measured alone.",),
        load=(before, figures.load()),
    )


def differences_of(items: Sequence[Contender], volume: Floats) -> dict[str, float]:
    """Return, by name, how far the blended scores of edgerun in FP32 are at most from those of the first peer."""
    peers = [item for item in items if item.peer]
    if not peers:
        return {}
    expected = _once(peers[0], volume)
    compared = [item for item in items if not item.peer and item.precision == "fp32"]
    return {item.name: float(np.abs(_once(item, volume) - expected).max()) for item in compared}


def _once(item: Contender, volume: Floats) -> NDArray[Any]:
    with closing(item.opened(scores=True)) as engine:
        return engine.infer({VOLUME: volume})[SCORES]


def _in_turn(
    items: Sequence[Contender], volume: Floats, rounds: int
) -> tuple[Paired, dict[str, NDArray[Any]], dict[str, int | None]]:
    """Seconds inside each child after one run that warms it up, its labels, and the most memory that it held."""
    seconds: dict[str, list[float]] = {item.name: [] for item in items}
    generator = np.random.default_rng(0)
    with ExitStack() as stack:
        engines = {item.name: stack.enter_context(closing(item.opened())) for item in items}
        labels = {name: engine.infer({VOLUME: volume})[LABELS] for name, engine in engines.items()}
        for _ in range(rounds):
            for name in generator.permutation(list(engines)):
                time.sleep(SETTLE_SECONDS)
                engines[name].infer({VOLUME: volume})
                seconds[name].append(engines[name].last_seconds)
        peaks = {name: engine.peak_bytes() for name, engine in engines.items()}
    return Paired(seconds=seconds), labels, peaks


def rows_of(
    items: Sequence[Contender],
    timed: Paired,
    labels: Mapping[str, NDArray[Any]],
    differences: Mapping[str, float],
    peaks: Mapping[str, int | None],
) -> tuple[Row, ...]:
    """Return what the contenders came to, in their order; ratios are taken against the peer with the least median."""
    base = min((item.name for item in items if item.peer), key=timed.median, default=None)
    rows = []
    for item in items:
        faster, low, high = (None, None, None) if base is None else timed.ratio(base, item.name)
        rows.append(
            Row(
                name=item.name,
                seconds=timed.median(item.name),
                faster=faster,
                low=low,
                high=high,
                difference=differences.get(item.name),
                same_labels=None if base is None else float(np.mean(labels[item.name] == labels[base])),
                peak_bytes=peaks[item.name],
            )
        )
    return tuple(rows)


def speed_of(items: Sequence[Contender], rows: Sequence[Row]) -> Outcome | None:
    """Return how edgerun's better engine in FP32 stands to `FASTER`; None where there is no peer."""
    own = {item.name for item in items if not item.peer and item.precision == "fp32"}
    found = [(row.faster, row.low, row.high) for row in rows if row.name in own]
    told = [(middle, low, high) for middle, low, high in found if None not in (middle, low, high)]
    if not told:
        return None
    middle, low, high = max(told, key=lambda each: each[0] or 0.0)
    return judge(FASTER, middle or 0.0, low or 0.0, high or 0.0)


def equality_of(rows: Sequence[Row]) -> Outcome | None:
    """Return whether all scores that were compared are as near as `LARGEST_DIFFERENCE`; None where none was."""
    found = [row.difference for row in rows if row.difference is not None]
    if not found:
        return None
    return "met" if max(found) <= LARGEST_DIFFERENCE else "missed"


def lines_of(report: Report) -> list[str]:
    """Return a report as text."""
    size, patch = (" x ".join(map(str, sides)) for sides in (report.shape, report.patch))
    told = f"{report.windows} windows of {patch}, overlap {report.overlap:g}, {report.rounds} rounds"
    lines = [
        f"{report.recipe}, {report.volume}, {size} voxels, {told}, load {report.load[0]:g} to {report.load[1]:g}",
        f"{'':42}{'s':>8} {'times as fast (95%)':>22} {'difference':>11} {'same labels':>12} {'peak MB':>8}",
    ]
    for row in report.rows:
        ratio = "-" if row.faster is None else f"{row.faster:.2f} ({row.low:.2f} to {row.high:.2f})"
        difference = "-" if row.difference is None else f"{row.difference:.1e}"
        same = "-" if row.same_labels is None else f"{row.same_labels:.3%}"
        peak = "-" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f}"
        lines.append(f"{row.name:42}{row.seconds:8.2f} {ratio:>22} {difference:>11} {same:>12} {peak:>8}")
    if report.speed is not None:
        lines.append(f"aim {FASTER:g} times as fast in FP32: {report.speed}")
    if report.equality is not None:
        lines.append(f"aim scores within {LARGEST_DIFFERENCE:g}: {report.equality}")
    return [*lines, *report.notes]


def figures_of(report: Report) -> list[Figure]:
    """Return what is worth keeping: edgerun beside the faster peer; of the engines in FP32, the better has the aim."""
    own = {row.name: row for row in report.rows if row.low is not None and row.high is not None and row.faster != 1.0}
    told = f"{report.volume}, {report.windows} windows"
    best = max((name for name in own if "FP32 on" in name and "MONAI" not in name), key=lambda n: own[n].faster or 0.0)
    return [
        times(
            f"{told}: {name} ({time_words(1e3 * row.seconds)}) beside MONAI at its faster",
            (row.faster or 0.0, row.low or 0.0, row.high or 0.0),
            report.rounds,
            at_least=FASTER if name == best else None,
        )
        for name, row in own.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.systems_windows", description=__doc__)
    parser.add_argument("--recipe", default=RECIPE, help="a segmentation of one scan in windows")
    parser.add_argument("--size", nargs=3, type=int, metavar=("Z", "Y", "X"), help="take a phantom of this size")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender is asked")
    parser.add_argument("--json", type=Path, help="a file to write all numbers to")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    if asked.size is None and asked.recipe != RECIPE:
        parser.error(f"--size: there is no example scan for {asked.recipe}; give the size of a phantom")
    volume = phantom_volume(asked.size) if asked.size else example_volume(manifest_of(asked.recipe))
    words = "phantom" if asked.size else EXAMPLE.name
    print(machine_name())
    before = figures.load()
    report = measure(asked.recipe, volume, words, rounds=asked.rounds)
    print("\n".join(lines_of(report)), flush=True)
    if asked.json:
        told = {"machine": machine_name(), "versions": all_versions(), "report": dump(report)}
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if has_monai():
        figures.keep(asked.out, figures_of(report), before=before)


if __name__ == "__main__":
    main()
