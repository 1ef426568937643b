"""Translation: an image made from an image. It is synthetic, and everything that shows it must say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edge.errors import EngineError
from edge.findings import Translation
from edge.pack.manifest import Manifest, Model, TranslationTask
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.tasks import Outputs, finite_output


def translate(
    results: Iterable[tuple[Feed, Outputs]],
    scans: Mapping[str, Scan],  # noqa: ARG001 - every task is given them
    manifest: Manifest,
    model: Model,  # noqa: ARG001
) -> Translation:
    """Return the image that the model made, on the grid that it saw. See `edge.tasks.conclude`.

    Values outside the manifest's range are clipped to it. Whatever the model does not see, it makes up.
    """
    task = manifest.task
    if not isinstance(task, TranslationTask):
        raise TypeError(f"translating with a task of kind {task.kind}")
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Translating: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    feed, outputs = found[0]
    flat = next(iter(feed.tensors.values())).ndim == 4
    shape = feed.grid.shape[1:] if flat else feed.grid.shape
    raw = finite_output(outputs, task.output, (1, None, *shape))[0]
    if len(raw) not in ((1, 3) if flat else (1,)):
        wanted = "1 or 3 channels" if flat else "1 channel"
        raise EngineError(
            f"Reading the output {task.output!r}: found shape {raw.shape}, expected {wanted}.", BAD_OUTPUT
        )
    low, high = task.range
    values = np.moveaxis(raw.clip(low, high), 0, -1)
    values = values[np.newaxis] if flat else values
    return Translation(
        values=np.ascontiguousarray(values if values.shape[-1] == 3 else values[..., 0], dtype=np.float32),
        range=task.range,
        unit=task.unit,
        makes=task.makes,
        grid=feed.grid,
    )
