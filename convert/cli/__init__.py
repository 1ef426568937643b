"""The command `edgerun-convert`: from a trained model to a pack."""

from __future__ import annotations

import sys

import typer

from convert.cli import recipes, steps
from convert.cli.build import build
from convert.cli.demo import demo
from convert.cli.init import init
from convert.cli.reduced import reduced
from edge.errors import EdgerunError, ExitCode

app = typer.Typer(
    help="Turn trained models into packs. Needs edgerun[convert].",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(init)
app.command("build")(build)
app.command("demo")(demo)
app.command("export")(steps.export)
app.command("optimise")(steps.optimise)
app.command("quantise")(steps.quantise)
app.command("gate")(steps.gate)
app.command("assemble")(steps.assemble)
app.command("reduced")(reduced)
app.command("scans")(recipes.scans)
app.command("train")(recipes.train)
app.command("pack")(recipes.pack)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except EdgerunError as error:
        print(f"edgerun-convert: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as left:
        if left.code == ExitCode.INTERRUPTED:  # Typer says no word of it
            words = "interrupted. What is done is kept where the result goes; the same command does the rest."
            print(f"edgerun-convert: {words}", file=sys.stderr)
        raise
