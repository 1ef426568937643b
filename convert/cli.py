"""The command `edgerun-convert`: from a trained model to a pack."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

import typer

from edge.errors import EdgerunError
from edge.table import Entry, lookup

app = typer.Typer(
    help="Turn trained models into packs. Needs edgerun[convert].",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

TRAINERS: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia:train_to", needs=("torch", "safetensors")),
}
BUILDERS: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia_pack:build_pack", needs=("torch", "onnx", "onnxscript")),
}


@app.command("train")
def train(
    recipe: str = typer.Argument(..., help=f"One of: {', '.join(TRAINERS)}."),
    data: Path = typer.Option(..., help="The recipe's data set."),
    out: Path = typer.Option(..., help="Where the weights go (safetensors)."),
) -> None:
    """Train a recipe's network from its fixed seed."""
    _entry(TRAINERS, recipe)(data, out, _say)


@app.command("pack")
def pack(
    recipe: str = typer.Argument(..., help=f"One of: {', '.join(BUILDERS)}."),
    data: Path = typer.Option(..., help="The recipe's data set, for threshold and evidence."),
    out: Path = typer.Option(..., help="Folder of the pack."),
    examples: Path = typer.Option(..., help="Folder for example scans."),
    weights: Optional[Path] = typer.Option(None, help="Weights (safetensors); by default those of the recipe."),
) -> None:
    """Export a recipe's trained network and measure it: a pack with its evidence."""
    _entry(BUILDERS, recipe)(data, out, examples, weights, _say)


def _entry(table: dict[str, Entry], name: str) -> Any:
    entry = lookup(table, name, "recipe")
    if missing := entry.missing():
        raise EdgerunError(f"Running the recipe {name}: {', '.join(missing)} is missing. Install edgerun[convert].")
    return entry.load()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except EdgerunError as error:
        print(f"edgerun-convert: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
