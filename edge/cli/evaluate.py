"""`edgerun evaluate`: how well a pack does on the labelled scans of this site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

from edge.cli.pairs import confirmed_in

OUT = Path("edgerun-evaluation")


def evaluate(
    pack: str = typer.Argument(..., metavar="PACK", help="An installed pack's name, or a folder or .edgepack file."),
    labels: Path = typer.Argument(..., metavar="LABELS.CSV", help="A table of scans with what is true of each."),
    out: Path = typer.Option(OUT, help="Folder for the page and for the results of the scans; these are used again."),
    engine: Optional[str] = typer.Option(None, help="What runs the model; by default as `edgerun infer` chooses."),
    precision: str = typer.Option("auto", help="auto, fp32, fp16 or int8."),
    confirm: Optional[list[str]] = typer.Option(
        None, metavar="NAME=VALUE", help="Vouch for what no file tells, as for `edgerun infer`; of all scans."
    ),
    json: bool = typer.Option(False, "--json", help="Print the evaluation on stdout, as one JSON document."),
) -> None:
    """Compare what a pack says with what is true: figures with intervals, curves and groups, on one page."""
    from edge.site.packages import need_statistics

    need_statistics("Evaluating")
    from edge.errors import ExitCode
    from edge.options import Options
    from edge.site.evaluate import evaluated
    from edge.site.evaluation import to_json
    from edge.site.files import write_evaluation
    from edge.site.words import terminal

    options = Options(engine=engine, precision=precision, confirmed=confirmed_in(confirm or []))
    found = evaluated(pack, labels, out, options)
    place = write_evaluation(out, found)
    print("\n".join((*terminal(found), str(place))), file=sys.stderr)
    if json:
        print(to_json(found))
    if found.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)
