"""What a model is fed while it is measured: a golden case's scan as it is prepared, else noise of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.pack.golden import golden_scans
from edge.pack.manifest import tensor_shapes
from edge.pack.store import Pack
from edge.prepare import prepare

FEEDS = 2
"""How many windows of a scan are enough: they are all of one shape."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One scan's feeds.

    Parameters
    ----------
    feeds : tuple of mappings
        The first of them: float32 by name of the graph's input.
    runs : int
        How often the model is run for the whole scan.
    """

    feeds: tuple[Mapping[str, NDArray[np.float32]], ...]
    runs: int


def sample_of(pack: Pack) -> Sample:
    """Return what the pack's models are fed for one scan.

    Raises
    ------
    PackError
        ``P403``, ``P404``, ``P408``: a golden case's scan is not there or cannot be read.
    """
    if pack.manifest.golden:
        try:
            feeds = tuple(islice(prepare(golden_scans(pack.manifest.golden[0], pack), pack.manifest), FEEDS))
        except ReadError:  # the model's own windows may need more memory than there is: its speed is told by noise
            feeds = ()
        if feeds:
            window = feeds[0].window
            return Sample(feeds=tuple(feed.tensors for feed in feeds), runs=window.tiles.runs if window else 1)
    generator = np.random.default_rng(0)
    shapes = tensor_shapes(pack.manifest.inputs)
    noise = {name: generator.random((1, *shape), dtype=np.float32) for name, shape in shapes.items()}
    return Sample(feeds=(noise,), runs=1)
