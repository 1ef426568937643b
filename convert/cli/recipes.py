"""`edgerun-convert train` and `pack`: models that edgerun trains itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import typer

from convert.cli import console
from edge.errors import EdgerunError
from edge.table import Entry, lookup

TRAINERS: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia:train_to", needs=("torch", "safetensors")),
    "brain-tissue": Entry("convert.recipes.brain_tissue:train_to", needs=("torch", "safetensors", "scipy")),
}
BUILDERS: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia_pack:build_pack", needs=("torch", "onnx", "onnxscript")),
    "brain-tissue": Entry(
        "convert.recipes.brain_tissue_pack:build_pack", needs=("torch", "onnx", "onnxscript", "scipy")
    ),
}
WRITERS: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia_pack:write_scans", needs=("torch", "safetensors")),
    "brain-tissue": Entry("convert.recipes.brain_tissue_pack:write_scans", needs=("torch", "safetensors", "scipy")),
}


def scans(
    recipe: str = typer.Argument(..., help=f"One of: {', '.join(WRITERS)}."),
    data: Path = typer.Option(..., help="The recipe's data set."),
    out: Path = typer.Option(..., help="An empty folder."),
) -> None:
    """Write a recipe's data set as DICOM files, some to calibrate with, and the tables for build."""
    _entry(WRITERS, recipe)(data, out, console.Console())


def train(
    recipe: str = typer.Argument(..., help=f"One of: {', '.join(TRAINERS)}."),
    data: Path = typer.Option(..., help="The recipe's data set."),
    out: Path = typer.Option(..., help="Where the weights go (safetensors)."),
    device: str = typer.Option("cpu", help="Of PyTorch, such as cuda, where the recipe can be trained there."),
) -> None:
    """Train a recipe's network from its fixed seed."""
    _entry(TRAINERS, recipe)(data, out, console.Console(), device)


def pack(
    recipe: str = typer.Argument(..., help=f"One of: {', '.join(BUILDERS)}."),
    data: Path = typer.Option(..., help="The recipe's data set, for threshold and evidence."),
    out: Path = typer.Option(..., help="Folder of the pack."),
    examples: Path = typer.Option(..., help="Folder for example scans."),
    weights: Optional[Path] = typer.Option(None, help="Weights (safetensors); by default those of the recipe."),
) -> None:
    """Export a recipe's trained network and measure it: a pack with its evidence."""
    _entry(BUILDERS, recipe)(data, out, examples, weights, console.Console())


def _entry(table: dict[str, Entry], name: str) -> Any:
    entry = lookup(table, name, "recipe")
    if missing := entry.missing():
        raise EdgerunError(f"Running the recipe {name}: {', '.join(missing)} is missing. Install edgerun[convert].")
    return entry.load()
