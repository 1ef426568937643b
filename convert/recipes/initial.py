"""Weights to begin with: random, the same every time, and of a size at which activations neither vanish nor grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

SEED = 2026
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Conv3d, nn.ConvTranspose3d)

CALM = 0.1

Network = TypeVar("Network", bound=nn.Module)


def untrained(make: Callable[[], Network]) -> Network:
    """Build a network with seeded random weights; PyTorch's own random numbers go on as if nothing had been drawn.

    Convolutions are drawn as by He et al., "Delving Deep into Rectifiers", 2015; all else begins as PyTorch makes it.

    Parameters
    ----------
    make : callable
        The network's class, or a function without arguments.

    Returns
    -------
    nn.Module
        In evaluation mode, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed would also seed the GPUs
        network = make()
        for module in network.modules():
            if isinstance(module, CONVOLUTIONS):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    network.eval()
    return network


def calm(*layers: nn.Module) -> None:
    """Scale down the weights of the last layers of a detector or a registration to a tenth, in place.

    Boxes then begin near the sizes that they are counted from, displacements with a few voxels, and scores with doubt.

    Parameters
    ----------
    *layers : nn.Module
        Each with a ``weight``.
    """
    for layer in layers:
        layer.get_parameter("weight").data *= CALM
