"""A recipe's network in PyTorch as it is, FP32, behind the Protocol of an engine: opened in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from convert.recipes.contract import Recipe
from convert.sources import RECIPES
from edge.engines import EngineFacts, TensorSpec
from edge.table import lookup


class EagerTorch:
    """Fulfils `edge.engines.Engine`."""

    def __init__(self, recipe: Recipe, threads: int) -> None:
        torch.set_num_threads(threads)
        self._network = recipe.build()
        self._names = recipe.outputs
        self.facts = EngineFacts(
            name="torch", version=torch.__version__, provider="CPU", precision="fp32", threads=torch.get_num_threads()
        )
        self.inputs = tuple(
            TensorSpec(name=name, dtype="float32", shape=(-1, *shape[1:])) for name, shape in recipe.inputs.items()
        )
        self.outputs = tuple(TensorSpec(name=name, dtype="float32", shape=()) for name in recipe.outputs)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the network once."""
        with torch.inference_mode():
            found = self._network(*(torch.from_numpy(feeds[item.name]) for item in self.inputs))
        tensors = found if isinstance(found, tuple) else (found,)
        return {name: tensor.numpy() for name, tensor in zip(self._names, tensors, strict=True)}

    def close(self) -> None:
        """Drop the network."""
        self._network = None


def open_recipe(_name: str, model: bytes, *, precision: str, threads: int) -> EagerTorch:  # noqa: ARG001
    """Open the network of the recipe whose name is given in place of a model."""
    recipe: Any = lookup(RECIPES, model.decode(), "recipe").load()
    return EagerTorch(recipe, threads)
