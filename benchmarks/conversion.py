"""What the conversion itself costs: export, INT8 and FP16 of each network, each step in a process of its own.

``python -m benchmarks.conversion [--rounds N] [--nets NAME ...] [--json FILE]``. Needs ``edgerun[convert]`` and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROUNDS = 3
NETS = ("skin-resnet50", "chest-densenet121", "unet2d", "retinopathy-cnn", "unet3d")
"""As in `benchmarks.nets`, which is not imported: a child's peak begins with what its parent holds."""
STEPS: Mapping[str, str] = {"export": "fp32", "int8": "int8", "fp16": "fp16"}
"""In their order, and what they write."""
KILOBYTE = 1024
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One step of one run.

    Parameters
    ----------
    process_seconds : float
        What a user waits: imports and all.
    step_seconds : float
        The step alone.
    peak_bytes : int
        The most that its process has held.
    file_bytes : int
        Size of what it wrote.
    """

    net: str
    step: str
    process_seconds: float
    step_seconds: float
    peak_bytes: int
    file_bytes: int


def measure(net: str, step: str, folder: Path) -> Cost:
    """Return what one step costs; the steps of a network are run in the order of `STEPS`.

    Raises
    ------
    subprocess.CalledProcessError
        The step failed.
    """
    command = [sys.executable, "-m", "benchmarks.conversion_step", net, step, str(folder)]
    started = time.perf_counter()
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    waited = time.perf_counter() - started
    seconds, kilobytes = ran.stdout.split()[-2:]
    return Cost(
        net=net,
        step=step,
        process_seconds=waited,
        step_seconds=float(seconds),
        peak_bytes=int(kilobytes) * KILOBYTE,
        file_bytes=(folder / f"{net}.{STEPS[step]}.onnx").stat().st_size,
    )


def lines_of(costs: Sequence[Cost]) -> list[str]:
    """Return a table: for each step of each network the medians of its seconds and the largest of its peaks."""
    lines = [f"{'':28}{'s, whole':>9} {'s, step':>9} {'peak MB':>9} {'file MB':>9} {'smaller':>8}"]
    plain = {cost.net: cost.file_bytes for cost in costs if cost.step == "export"}
    for net, step in dict.fromkeys((cost.net, cost.step) for cost in costs):
        runs = [cost for cost in costs if (cost.net, cost.step) == (net, step)]
        whole, alone = (
            statistics.median(values)
            for values in ([cost.process_seconds for cost in runs], [cost.step_seconds for cost in runs])
        )
        peak, size = max(cost.peak_bytes for cost in runs), runs[0].file_bytes
        lines.append(
            f"{net + ' ' + step:28}{whole:9.1f} {alone:9.1f} {peak / MEGABYTE:9.0f} {size / MEGABYTE:9.1f}"
            f" {plain[net] / size:8.2f}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each network is converted")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), help="recipes")
    parser.add_argument("--json", type=Path, help="a file to write the numbers to")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        costs = [measure(net, step, Path(folder)) for _ in range(asked.rounds) for net in asked.nets for step in STEPS]
    print(f"{asked.rounds} rounds in turn, medians; INT8 calibrated on phantoms; load {os.getloadavg()[0]:.2f}")
    print("\n".join(lines_of(costs)))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
