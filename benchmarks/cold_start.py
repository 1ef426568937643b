"""From the start of the process to the report on the disk, for one DICOM file: edgerun beside plain scripts.

``python -m benchmarks.cold_start``. Needs torch for one of the peers (``edgerun[convert]``).
"""

from __future__ import annotations

import importlib.util
import platform
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.paired import Command, Paired, run_in_turn
from edge.device import usable_cores, versions

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "benchmarks" / "peers"
SCAN = str(ROOT / "examples" / "chest-pneumonia-0000.dcm")
MODEL = str(ROOT / "edge" / "packs" / "chest-pneumonia" / "model.fp32.onnx")
ROUNDS = 15


def commands(folder: Path) -> Mapping[str, Command]:
    """Return what is timed, by name; every run writes to a place of its own below `folder`."""
    python = sys.executable
    timed: dict[str, Command] = {
        "edgerun infer": lambda n: [
            python, "-m", "edge.cli", "infer", SCAN, "--pack", "chest-pneumonia", "--out", str(folder / f"edgerun{n}"),
        ],
        "edgerun infer, pack found by itself": lambda n: [
            python, "-m", "edge.cli", "infer", SCAN, "--out", str(folder / f"found{n}"),
        ],
        "pydicom + onnxruntime": lambda n: [
            python, str(PEERS / "plain_onnxruntime.py"), SCAN, MODEL, str(folder / f"plain{n}.json"),
        ],
        "edgerun --help": lambda _: [python, "-m", "edge.cli", "--help"],
        "bare typer --help": lambda _: [python, str(PEERS / "bare_typer.py"), "--help"],
    }  # fmt: skip
    if importlib.util.find_spec("torch"):
        timed["pydicom + torch"] = lambda n: [
            python, "-m", "benchmarks.peers.plain_torch", SCAN, str(folder / f"torch{n}.json"),
        ]  # fmt: skip
    return timed


def report(measured: Paired) -> list[str]:
    """Return the medians and the ratios that the project aims at."""
    lines = [f"{name:38} {measured.median(name) * 1000:7.0f} ms" for name in measured.seconds]
    aims = [
        ("edgerun infer", "pydicom + onnxruntime", "aim at most 1.2"),
        ("edgerun infer, pack found by itself", "pydicom + onnxruntime", "aim at most 1.2"),
        ("pydicom + torch", "edgerun infer", "aim at least 4"),
        ("edgerun --help", "bare typer --help", "aim at most 1.5"),
    ]
    for name, base, aim in aims:
        if name in measured.seconds and base in measured.seconds:
            middle, low, high = measured.ratio(name, base)
            lines.append(f"{name} / {base}: {middle:.2f} (95%: {low:.2f} to {high:.2f}), {aim}")
    return lines


def main() -> None:
    """Measure and print."""
    found = versions()
    print(f"{platform.processor() or platform.machine()}, {usable_cores()} cores, python {found['python']}, ", end="")
    print(f"onnxruntime {found['onnxruntime']}; {ROUNDS} rounds in turn, medians")
    with tempfile.TemporaryDirectory() as folder:
        measured = run_in_turn(commands(Path(folder)), rounds=ROUNDS)
    print("\n".join(report(measured)))


if __name__ == "__main__":
    main()
