"""From the start of the process to the report on the disk, for one DICOM file: edgerun beside plain scripts.

``python -m benchmarks.cold_start [--rounds N] [--out FILE]``. Needs torch for one of the peers (``edgerun[convert]``).
The scripts read the file, run the model and write its score; edgerun checks the file as well, and draws a picture.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import figures
from benchmarks.figures import ROOT, Figure
from benchmarks.paired import Command, Paired, run_in_turn
from edge.device import machine_name

PEERS = ROOT / "benchmarks" / "peers"
SCAN = str(ROOT / "examples" / "chest-pneumonia-0000.dcm")
MODEL = str(ROOT / "edge" / "packs" / "chest-pneumonia" / "model.fp32.onnx")
ROUNDS = 15
INFER, FOUND = "edgerun infer", "edgerun infer, pack found by itself"
PLAIN, TORCH = "pydicom + onnxruntime", "pydicom + torch"
HELP, BARE = "edgerun --help", "bare typer --help"
AIMS = (
    (INFER, PLAIN, None, 1.0),
    (FOUND, PLAIN, None, 1.0),
    (TORCH, INFER, 4.0, None),
    (HELP, BARE, None, 1.5),
)
"""How many times the time of the second the first is to take, at least and at most."""


def commands(folder: Path) -> Mapping[str, Command]:
    """Return what is timed, by name; every run writes to a place of its own below `folder`."""
    python = sys.executable
    timed: dict[str, Command] = {
        INFER: lambda n: [
            python, "-m", "edge.cli", "infer", SCAN, "--pack", "chest-pneumonia", "--out", str(folder / f"edgerun{n}"),
        ],
        FOUND: lambda n: [python, "-m", "edge.cli", "infer", SCAN, "--out", str(folder / f"found{n}")],
        PLAIN: lambda n: [python, str(PEERS / "plain_onnxruntime.py"), SCAN, MODEL, str(folder / f"plain{n}.json")],
        HELP: lambda _: [python, "-m", "edge.cli", "--help"],
        BARE: lambda _: [python, str(PEERS / "bare_typer.py"), "--help"],
    }  # fmt: skip
    if importlib.util.find_spec("torch"):
        timed[TORCH] = lambda n: [
            python, "-m", "benchmarks.peers.plain_torch", SCAN, str(folder / f"torch{n}.json"),
        ]  # fmt: skip
    return timed


def figures_of(measured: Paired) -> Iterator[Figure]:
    """Yield the median of every command, and the ratios that the project aims at."""
    for name, seconds in measured.seconds.items():
        yield Figure(what=name, unit="ms", n=len(seconds), found=1000 * measured.median(name))
    for name, base, at_least, at_most in AIMS:
        if {name, base} <= measured.seconds.keys():
            found, low, high = measured.ratio(name, base)
            n = len(measured.seconds[name])
            yield Figure(
                what=f"cold start: time of {name}, beside {base}",
                unit="times", n=n, found=found, low=low, high=high, at_least=at_least, at_most=at_most,
            )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all commands in turn")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    before = figures.load()
    print(f"{machine_name()}; {asked.rounds} rounds in turn, medians")
    with tempfile.TemporaryDirectory() as folder:
        measured = run_in_turn(commands(Path(folder)), rounds=asked.rounds)
    found = list(figures_of(measured))
    print("\n".join(map(figures.line_of, found)))
    figures.keep(asked.out, found, before=before)


if __name__ == "__main__":
    main()
