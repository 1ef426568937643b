"""`edgerun bench`: how long a scan waits on this machine, and for what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

PACK = typer.Argument(..., metavar="PACK", help="An installed pack's name, or a folder or .edgepack file.")
SCANS = typer.Argument(None, metavar="SCANS", help="Files or folders; by default golden cases, else phantoms.")
SCAN = typer.Option(
    None, metavar="ROLE=PATH", help="A scan of the one patient for a pack that needs several, such as t1=a.nii.gz."
)
SCENARIO = typer.Option(None, help="cold-start, folder, offline, single-stream, multi-stream, ceiling; all by default.")
QUERIES = typer.Option(700, min=3, help="Most queries of a scenario; 662 give MLPerf's p99.")
SECONDS = typer.Option(30.0, min=0.1, help="Most seconds of a scenario, but for 3 queries anyway.")
PER_QUERY = typer.Option(8, min=1, help="Scans of a multi-stream query; 8 are MLPerf's.")
SOAK = typer.Option(0.0, min=0.0, metavar="MINUTES", help="Scan after scan for so long at the end.")
ENGINE = typer.Option(None, help="What runs the model; by default as `edgerun infer` chooses.")
CONFIRM = typer.Option(
    None, metavar="NAME=VALUE", help="Vouch for what the file does not tell, as for `edgerun infer`."
)
COMPARE = typer.Option(None, metavar="EARLIER.json", help="The bench.json of an earlier run.")
OUT = typer.Option(
    None, metavar="DIR", help="A new folder for bench.json and bench.html; by default one in edgerun-bench."
)


def bench(
    pack: str = PACK,
    scans: Optional[list[Path]] = SCANS,
    scan: Optional[list[str]] = SCAN,
    scenario: Optional[list[str]] = SCENARIO,
    queries: int = QUERIES,
    seconds: float = SECONDS,
    per_query: int = PER_QUERY,
    soak: float = SOAK,
    engine: Optional[str] = ENGINE,
    precision: str = typer.Option("auto", help="auto, fp32, fp16 or int8."),
    confirm: Optional[list[str]] = CONFIRM,
    compare: Optional[Path] = COMPARE,
    out: Optional[Path] = OUT,
    json: bool = typer.Option(False, "--json", help="Print the report on stdout, as one JSON document."),
) -> None:
    """Measure how long a scan waits on this machine, from the file to the report, and for what."""
    from edge.bench.asking import earlier_in, names_in
    from edge.bench.bench import Asked
    from edge.bench.command import bench_to
    from edge.bench.files import PAGE
    from edge.bench.measured import Limits
    from edge.bench.report import to_json
    from edge.bench.warm import Target
    from edge.bench.words import terminal
    from edge.cli.pairs import confirmed_in, scans_in
    from edge.roles import absolute

    asked = Asked(
        target=Target(pack=pack, engine=engine, precision=precision, confirmed=confirmed_in(confirm or [])),
        paths=tuple(scans or ()),
        roles=absolute(scans_in(scan or [])),
        names=names_in(scenario or []),
        limits=Limits(most=queries, seconds=seconds),
        a_query=per_query,
        soak_minutes=soak,
        earlier=earlier_in(compare),
    )
    report, place = bench_to(asked, out)
    print("\n".join((*terminal(report), str(place / PAGE))), file=sys.stderr)
    if json:
        print(to_json(report))
