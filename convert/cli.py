"""The command `edgerun-convert`: from a trained model to a pack."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

import typer

from edge.errors import EdgerunError, UsageError
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


MODEL_HELP = "An ONNX or TorchScript file, package.module:Class, the folder of a MONAI bundle, or a recipe."


@app.command("init")
def init(
    model: str = typer.Argument(..., help=MODEL_HELP),
    weights: Optional[Path] = typer.Option(None, help="Weights for a module or a recipe: safetensors or a state dict."),
    name: str = typer.Option("my-pack", help="What the pack will be called."),
    shape: Optional[list[str]] = typer.Option(
        None,
        metavar="INPUT=SIZES",
        help="Sizes of an input, as image=1x3x224x224; TorchScript and modules need it.",
    ),
) -> None:
    """Print a commented description of a pack for this model, to be filled in."""
    from convert.draft import draft
    from convert.sources import load_source
    from convert.sources.bundle import bundle_hints

    hints = bundle_hints(Path(model)) if Path(model).is_dir() else None
    source = load_source(model, weights=weights, example_shapes=_shapes(shape or []))
    print(draft(source.onnx, name, hints), end="")


@app.command("build")
def build(
    model: str = typer.Argument(..., help=MODEL_HELP),
    describe: Path = typer.Option(..., help="The pack's description: see init."),
    calibrate: Path = typer.Option(..., help="Scans that show INT8 the range of values; not those of the tables."),
    evaluate: Path = typer.Option(..., help="A CSV table: path, a column of 0 and 1 for each label."),
    out: Path = typer.Option(..., help="The pack and conversion.json go below this folder."),
    tune: Optional[Path] = typer.Option(None, help="A table for thresholds; without it --evaluate is cut in halves."),
    weights: Optional[Path] = typer.Option(None, help="Weights for a module or a recipe: safetensors or a state dict."),
    method: str = typer.Option("minmax", help="How INT8 ranges are chosen: minmax, percentile or entropy."),
    json: bool = typer.Option(False, "--json", help="Print the conversion report on stdout."),
) -> None:
    """Make FP32 and INT8 candidates, judge each on labelled scans on every engine here, and write the pack."""
    from json import dumps

    from convert.build import verdict_lines
    from convert.quantise import CALIBRATORS
    from convert.road import Road, travel

    known = [each for each in CALIBRATORS if each == method]
    if not known:
        raise UsageError(f"Reading --method {method!r}: expected one of {', '.join(CALIBRATORS)}.")
    road = Road(
        model=model,
        weights=weights,
        describe=describe,
        calibrate=(calibrate,),
        evaluate=evaluate,
        tune=tune,
        out=out,
        method=known[0],
    )
    document, built = travel(road, _say)
    for line in verdict_lines(built):
        _say(line)
    if json:
        print(dumps(document, ensure_ascii=False))


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


def _shapes(pairs: list[str]) -> dict[str, tuple[int, ...]] | None:
    shapes = {}
    for pair in pairs:
        name, equals, sizes = pair.partition("=")
        numbers = sizes.split("x")
        if not (name and equals and all(number.isascii() and number.isdigit() for number in numbers)):
            raise UsageError(f"Reading --shape {pair!r}: expected INPUT=SIZES, such as image=1x3x224x224.")
        shapes[name] = tuple(int(number) for number in numbers)
    return shapes or None


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
