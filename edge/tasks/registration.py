"""Registration: how the moving scan lies on the fixed one, in millimetres, and where that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Registration
from edge.geometry import Grid, resample
from edge.pack.manifest import Manifest, Model, RegistrationTask
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.register.folds import folded_share
from edge.register.labels import labels_of, warped
from edge.register.warp import field_mm, warp
from edge.scan import Scan
from edge.tasks import Outputs, finite_output


def register(
    results: Iterable[tuple[Feed, Outputs]],
    scans: Mapping[str, Scan],
    manifest: Manifest,
    model: Model,  # noqa: ARG001 - every task is given it
) -> Registration:
    """Return displacement, warped scan and folds on the grid that the model saw. See `edge.tasks.conclude`.

    The scans were brought together by their headers before the model saw them, which aligns them as far as an affine
    map of the scanner's coordinates can; the field tells what is left.
    """
    task = manifest.task
    if not isinstance(task, RegistrationTask):
        raise TypeError(f"registering with a task of kind {task.kind}")
    found = list(results)
    if len(found) != 1:
        raise EngineError(f"Registering: the model ran {len(found)} times, expected once.", BAD_OUTPUT)
    feed, outputs = found[0]
    fixed, moving, grid = scans[task.fixed], scans[task.moving], feed.grid
    voxels = finite_output(outputs, task.output, (1, 3, *grid.shape))[0]
    field = field_mm(voxels, grid)
    lengths = np.linalg.norm(field, axis=0)
    labels = scans.get(labels_of(task.moving))
    told = fixed.lengths_told and moving.lengths_told
    return Registration(
        displacement_mm=field,
        warped=warp(moving.voxels, moving.grid, field, grid),
        fixed=_on(fixed, grid),
        before=_on(moving, grid),
        mean_mm=float(lengths.mean(dtype=np.float64)),
        largest_mm=float(lengths.max()),
        folded_share=folded_share(field, grid),
        grid=grid,
        labels=None if labels is None else warped(labels, field, grid, told=told),
    )


def _on(scan: Scan, grid: Grid) -> NDArray[np.float32]:
    return resample(scan.voxels.astype(np.float32), scan.grid, grid, fill=np.nan)
