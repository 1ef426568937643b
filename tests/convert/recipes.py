"""Networks of recipes with made-up weights, and these as the world publishes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from convert.recipes.contract import Recipe
from convert.sources import RECIPES


def recipe_of(name: str) -> Recipe:
    return cast("Recipe", RECIPES[name].load())


def shaken(network: Any) -> Any:
    """The network with normalisations and biases that do something, so that one in the wrong place is seen."""
    import torch  # noqa: PLC0415 - tests import this module before they know whether torch is there

    generator = torch.Generator().manual_seed(11)
    for name, value in network.state_dict().items():
        noise = torch.rand(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(0.5 + noise)
        elif name.endswith(("running_mean", "bias")):
            value.copy_((noise - 0.5) / 2)
        elif value.dim() == 1:
            value.mul_(0.7 + 0.6 * noise)
    return network


def published(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under the names of those who publish them, without what old versions of PyTorch did not save."""
    return {_published(name, key): value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def _published(name: str, key: str) -> str:
    if name == "chest-densenet121":
        old = re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key)
        return "module.densenet121." + old.replace("classifier.", "classifier.0.")
    return key if name == "chest-pneumonia" else f"module.{key}"
