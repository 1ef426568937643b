"""`edgerun-convert build`: the whole road in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from convert.cli import console
from edge.cli.pairs import confirmed_in


def build(
    model: str = typer.Argument(..., help=console.MODEL),
    out: Path = typer.Option(..., help="The pack, the conversion report and the model card go below this folder."),
    describe: Optional[Path] = typer.Option(None, help=console.DESCRIBE),
    calibrate: Optional[Path] = typer.Option(None, help=console.CALIBRATE),
    learnt: Optional[Path] = typer.Option(
        None, help="Scans such as the model learnt from, which show what is usual; without it, those of --calibrate."
    ),
    evaluate: Optional[Path] = typer.Option(None, help=console.EVALUATE),
    tune: Optional[Path] = typer.Option(None, help=console.TUNE),
    tune_name: str = typer.Option("", help="What --tune is called in evidence; else its file's name."),
    evaluate_name: str = typer.Option("", help="What --evaluate is called in evidence."),
    golden: Optional[list[Path]] = typer.Option(
        None, help="A scan that may travel with the pack, as a known answer; for several inputs a CSV."
    ),
    confirm: Optional[list[str]] = typer.Option(None, metavar="NAME=VALUE", help=console.CONFIRM),
    weights: Optional[Path] = typer.Option(None, help=console.WEIGHTS),
    method: str = typer.Option("minmax", help=console.METHOD),
    precision: Optional[list[str]] = typer.Option(None, help="fp16 or int8; without it, both."),
    max_steps: int = typer.Option(
        6, min=1, help="INT8 models to try, each with more layers in float; 1 tries no other."
    ),
    insert_map: bool = typer.Option(True, "--map/--no-map", help="Add the class activation map where the net has one."),
    json: bool = typer.Option(False, "--json", help=console.JSON),
) -> None:
    """Make FP16 and INT8 candidates, judge each on labelled scans on every engine here, and write the pack.

    What was done when it was interrupted is not done again.
    """
    from convert.lock import locked
    from convert.road import Road, Sets, Ways, travel
    from convert.verdicts import verdict_lines
    from edge.typed import dump

    say = console.Console()
    road = Road(
        model=model,
        weights=weights,
        description=console.description_of(describe, model),
        sets=Sets(
            calibrate=calibrate,
            learnt=learnt,
            evaluate=evaluate,
            tune=tune,
            evaluate_words=evaluate_name,
            tune_words=tune_name,
            golden=tuple(golden or ()),
            confirmed=confirmed_in(confirm or []),
        ),
        out=out,
        ways=Ways(
            method=console.method_of(method),
            precisions=console.precisions_of(precision or []),
            max_steps=max_steps,
            insert_map=insert_map,
        ),
    )
    with locked(out, f"building {Path(model).name}"):
        conversion = travel(road, say)
    for line in verdict_lines(conversion):
        say(line)
    if json:
        from json import dumps

        print(dumps(dump(conversion), ensure_ascii=False))
