"""What a recipe is: a network, the names and shapes of its tensors, its weights' spellings, and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.sources import RECIPES, recipe_name
from edge.table import lookup


def unchanged(name: str) -> str:
    """Return `name`: the published weights are spelt as the recipe's own."""
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network that is known by name.

    Parameters
    ----------
    name : str
        As in `convert.sources.RECIPES`: lower-case words joined by hyphens.
    build : callable
        Without arguments; returns the ``torch.nn.Module`` in evaluation mode, on the CPU, with the same weights every
        time.
    inputs : mapping
        By name, in the order of the arguments of `forward`: the shape with the batch in front; float32.
    outputs : tuple of str
        Names of the tensors that `forward` returns, in its order.
    rename : callable
        From a weight's name in a published file to the recipe's own; a name that it does not know stays.
    trained : bool
        Whether `build` gives trained weights; random ones otherwise.
    """

    name: str
    build: Callable[[], Any]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    rename: Callable[[str], str] = unchanged
    trained: bool = False

    @property
    def description(self) -> str:
        """Name of the file beside this module that is the recipe's ``pack.toml``."""
        return description_file(self.name)


def description_file(name: str) -> str:
    """Return the name of the file that describes a recipe.

    Examples
    --------
    >>> description_file("skin-resnet50")
    'skin_resnet50.toml'
    """
    return f"{name.replace('-', '_')}.toml"


def recipe_description(spec: str) -> str:
    """Return the text of a recipe's ``pack.toml``, complete, without loading the network or PyTorch.

    Parameters
    ----------
    spec : str
        A name in `convert.sources.RECIPES`, with hyphens or underscores.

    Raises
    ------
    UsageError
        There is no such recipe.
    """
    name = recipe_name(spec)
    lookup(RECIPES, name, "recipe")
    return Path(__file__).with_name(description_file(name)).read_text(encoding="utf-8")
