"""`edgerun-convert reduced`: whether JPEG 2000 may be decoded smaller for a pack."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Optional

import typer

from convert.cli import console
from edge.cli.pairs import confirmed_in
from edge.errors import ExitCode


def reduced(
    pack: Path = typer.Argument(..., help="A trained pack that classifies pictures."),
    scans: Path = typer.Argument(
        ..., help="Scans at the size in which they were taken; at least 100 are needed. The pack will tell its name."
    ),
    out: Path = typer.Option(..., help="The pack to write, with the permission and what it rests on."),
    confirm: Optional[list[str]] = typer.Option(None, metavar="NAME=VALUE", help=console.CONFIRM),
    tolerance: Optional[float] = typer.Option(
        None, min=0.0, max=0.02, help="By how much a score may differ; by default as the pack's known answers may."
    ),
    json: bool = typer.Option(False, "--json", help=console.JSON),
) -> None:
    """Measure whether JPEG 2000 may be decoded smaller for a pack, and write the pack that says so.

    No truth is needed: every scan is compared with itself. Ends with 7, and writes nothing, where it may not.
    """
    from convert.assemble import write_pack
    from convert.cases import read_cases
    from convert.reading import examinations_of
    from convert.reduced import measure_reduced, with_reduced
    from edge.pack.store import open_pack
    from edge.typed import dump

    say = console.Console()
    opened = open_pack(pack)
    inputs = opened.manifest.inputs
    cases = read_cases(scans, inputs)
    name = inputs[0].name
    read = (of_inputs[name] for _, of_inputs in examinations_of(cases, inputs, confirmed_in(confirm or [])))
    verdict = measure_reduced(opened, read, f"{len(cases)} scans of {scans.resolve().name}", say, tolerance=tolerance)
    for line in verdict.words:
        say(line)
    if json:
        print(dumps({"words": verdict.words, "reduced": dump(verdict.reduced)}, ensure_ascii=False))
    if verdict.reduced is None:
        say("JPEG 2000 is decoded whole for this pack.")
        raise typer.Exit(ExitCode.REFUSED)
    write_pack(out, *with_reduced(opened, verdict.reduced))
    say(f"{out}: neither side of what is decoded is shorter than {verdict.reduced.least_side} pixels")
