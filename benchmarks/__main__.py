"""Run every benchmark of the tables, each in its own process: ``python -m benchmarks [NAME ...] [--out FOLDER]``.

With ``--out benchmarks/results`` what is committed is measured anew; then ``python -m benchmarks.tables`` writes it
into the pages. One that fails ends no other, and its exit code is that of the whole.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import COMMANDS


def command_of(name: str, folder: Path | None) -> list[str]:
    """Return what runs a benchmark, and keeps what it finds in a folder."""
    _, *words = shlex.split(COMMANDS[name].partition(" --out ")[0])
    return [sys.executable, *words, *(["--out", str(folder / f"{name}.json")] if folder else [])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them in turn; returns the first exit code that is not 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the figures here")
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of them alone")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in COMMANDS]:
        parser.error(f"found {unknown[0]!r}, expected some of {', '.join(COMMANDS)}")
    codes = []
    for name in asked.names or COMMANDS:
        print(f"\n{name}", flush=True)
        codes.append(subprocess.run(command_of(name, asked.out), check=False).returncode)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
