"""`edgerun-convert init`: a description to be filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from convert.cli import console


def init(
    model: str = typer.Argument(..., help=console.MODEL),
    weights: Optional[Path] = typer.Option(None, help=console.WEIGHTS),
    name: str = typer.Option("my-pack", help="What the pack will be called."),
    shape: Optional[list[str]] = typer.Option(
        None,
        metavar="INPUT=SIZES",
        help="Sizes of an input, as image=1x3x224x224; TorchScript and modules need it.",
    ),
) -> None:
    """Print a commented description of a pack for this model, to be filled in; of a recipe, its own."""
    from convert.draft import draft
    from convert.recipes.contract import recipe_description
    from convert.sources import RECIPES, load_source, recipe_name
    from convert.sources.bundle import bundle_hints

    if recipe_name(model) in RECIPES:
        print(recipe_description(model), end="")
        return
    hints = bundle_hints(Path(model)) if Path(model).is_dir() else None
    source = load_source(model, weights=weights, example_shapes=console.shapes_of(shape or []))
    print(draft(source.onnx, name, hints), end="")
