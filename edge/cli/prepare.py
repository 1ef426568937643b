"""`edgerun prepare`: find the fastest engine for each pack on this machine."""

from __future__ import annotations

import sys
from functools import partial
from typing import Optional

import typer


def prepare(
    packs: Optional[list[str]] = typer.Argument(
        None, metavar="PACK", help="Installed packs' names, or folders or .edgepack files; by default all."
    ),
    engine: Optional[str] = typer.Option(None, help="Prepare for this engine alone."),
    json: bool = typer.Option(False, "--json", help="Print each record on stdout, one JSON document a line."),
) -> None:
    """Measure every engine that may run a pack here, prove the fastest by the pack's known answers, and record it."""
    from edge.errors import EdgerunError, ExitCode
    from edge.pack.store import find_pack, usable_packs
    from edge.ready.prepare import describe_record, prepare_here
    from edge.typed import dump

    chosen = tuple(find_pack(name) for name in packs) if packs else usable_packs()
    failed: list[EdgerunError] = []
    for pack in chosen:
        name = pack.manifest.name
        try:
            record = prepare_here(pack, engine, partial(_say, name))
        except EdgerunError as error:
            if len(chosen) == 1:
                raise
            _say(name, error)
            failed.append(error)
            continue
        if json:
            from json import dumps

            print(dumps(dump(record), ensure_ascii=False), flush=True)
        else:
            print("\n".join(describe_record(record)), flush=True)
    if failed:
        raise typer.Exit(failed[0].exit_code if len(failed) == len(chosen) else ExitCode.SOME_FAILED)


def _say(pack: str, words: object) -> None:
    print(f"{pack}: {words}", file=sys.stderr, flush=True)
