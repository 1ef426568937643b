"""`edgerun prepare`: find the fastest engine for each pack on this machine."""

from __future__ import annotations

import sys
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
    from edge.errors import EdgerunError, ExitCode, StoppedError
    from edge.pack.store import find_pack, usable_packs
    from edge.ready.prepare import describe_record, prepare_here
    from edge.ready.progress import Progress
    from edge.typed import dump

    chosen = tuple(find_pack(name) for name in packs) if packs else usable_packs()
    failed: list[EdgerunError] = []
    for pack in chosen:
        name = pack.manifest.name
        progress = Progress(name)
        try:
            record = prepare_here(pack, engine, progress, progress.step)
        except KeyboardInterrupt:
            raise StoppedError(
                f"Preparing {name}: it was interrupted ({progress.doing}). Nothing half-made stays, and a record of an"
                " earlier preparation still holds. Give the command again for this pack."
            ) from None
        except EdgerunError as error:
            if len(chosen) == 1:
                raise
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed.append(error)
            continue
        finally:
            progress.end()
        if json:
            from json import dumps

            print(dumps(dump(record), ensure_ascii=False), flush=True)
        else:
            print("\n".join(describe_record(record)), flush=True)
    if failed:
        raise typer.Exit(failed[0].exit_code if len(failed) == len(chosen) else ExitCode.SOME_FAILED)
