"""What every training of ours has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(threads: int = 1, *, strict: bool = True) -> Iterator[None]:
    """Train with deterministic algorithms; PyTorch's own random numbers and settings go on as before.

    Parameters
    ----------
    threads : int
        The order of float32 sums, and so the trained bits, depends on their number.
    strict : bool
        False for a GPU, on which some of our operations have no deterministic algorithm.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=strict)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(mode=before[1])
