"""`edgerun-convert demo`: a phantom and a pack for a task, and what edgerun says of it."""

from __future__ import annotations

from pathlib import Path

import typer

from convert.cli import console
from convert.lock import locked
from edge.errors import EdgerunError, UsageError
from edge.table import Entry

DEMONSTRATIONS = Entry("convert.demo:write_demonstration", needs=("onnx",))
NAMES = ("detection", "segmentation", "volumes", "registration", "translation")


def demo(
    task: str = typer.Argument(..., help=f"One of: {', '.join(NAMES)}."),
    out: Path = typer.Option(..., help="Pack, scans and results go below this folder."),
) -> None:
    """Write a phantom and a demonstration pack for a task, and examine the one with the other.

    The pack's weights are set by hand: it finds what was planted in the phantom, and refuses scans of patients.
    """
    from edge.cli.console import Console
    from edge.pipeline import Request, run

    if task not in NAMES:
        words = "classification has a trained pack: edgerun infer examples/chest-pneumonia-0000.dcm"
        raise UsageError(f"Demonstrating {task!r}: expected one of {', '.join(NAMES)}; {words}.")
    if missing := DEMONSTRATIONS.missing():
        raise EdgerunError(f"Demonstrating {task}: the package {missing[0]} is missing. pip install {missing[0]}.")
    with locked(out, "building the demonstration"):
        written, say = DEMONSTRATIONS.load()(task, out), console.Console()
    say(f"What was planted: {written.truth}")
    say(f"edgerun infer {written.scans} --pack {written.pack} --out {written.results}")
    with Console(json=False, out=written.results) as shown:
        request = Request(paths=(written.scans,), out=written.results, pack=str(written.pack))
        for report in run(request, shown):
            shown.show(report)
    raise typer.Exit(shown.tally.exit_code)
