"""What every training of ours has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible() -> Iterator[None]:
    """Train on one thread with deterministic algorithms; PyTorch's own random numbers and settings go on as before."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    # The order of float32 sums, and so the trained bits, depends on the number of threads.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.use_deterministic_algorithms(mode=strict)
        torch.set_num_threads(threads)
