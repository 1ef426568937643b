"""`edgerun replay`: make a result again from its report, and compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer


def replay(
    report: Path = typer.Argument(..., help="A report.json, or the folder in which it lies."),
    pack: Optional[str] = typer.Option(None, help="The report's pack, a folder or .edgepack, if it is not installed."),
    scans: Optional[Path] = typer.Option(None, help="Folder to look for the scans in, if they were moved."),
    engine: Optional[str] = typer.Option(None, help="Another engine than the one that ran."),
    precision: Optional[str] = typer.Option(None, help="Another precision than the one that ran."),
    json: bool = typer.Option(False, "--json", help="Print the comparison on stdout as JSON."),
) -> None:
    """Ask again what a report answers, from the same files with the same pack, and compare the answers."""
    from edge.errors import EngineError
    from edge.reasons import NOT_REPLAYED
    from edge.replay.again import replay as again
    from edge.replay.given import given, read_report
    from edge.replay.words import told
    from edge.typed import dump

    kept = read_report(report)
    comparison = again(given(kept, pack=pack, scans=scans), engine=engine, precision=precision)
    if json:
        from json import dumps

        print(dumps(dump(comparison) | {"same": comparison.same}, ensure_ascii=False))
    for line in told(comparison):
        print(line, file=sys.stderr)
    if not comparison.same:
        raise EngineError(f"Replaying {report}: {len(comparison.differences)} differences.", NOT_REPLAYED)
