"""Labels of the moving scan: are they its own, and where do they lie on the fixed one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import Findings, Notice, Registration, WarpedLabel, WarpedLabels
from edge.geometry import Grid
from edge.pack.manifest import Manifest, RegistrationTask
from edge.reasons import LABEL_LOST, LABELS_ELSEWHERE, NOT_LABELS, ROLE_AMBIGUOUS, ROLE_MISSING
from edge.register.warp import warp_labels
from edge.roles import Roles, role_of
from edge.scan import Scan, Series

PREFIX = "labels of "

SAME = 0.05
"""Voxels: labels whose outermost voxels lie as close as this to those of their scan lie on its grid."""

MOST = 1024
"""Different values. Atlases of the brain have some hundreds, a scan that was given by mistake has thousands."""

EXACT = 1 << 24
"""Whole numbers up to here are exact in float32, in which volumes of floats are read."""


def labels_of(name: str) -> str:
    """Return the role of a file of labels of the scan that is this input."""
    return f"{PREFIX}{name}"


def is_labels(role: str) -> bool:
    """Return whether a role is that of labels."""
    return role.startswith(PREFIX)


def label_roles(manifest: Manifest) -> tuple[str, ...]:
    """Return the roles of the labels that can be given to this pack: those of the moving scan of a registration."""
    return (labels_of(manifest.task.moving),) if isinstance(manifest.task, RegistrationTask) else ()


def told_lengths(scans: Iterable[tuple[str, bool]]) -> bool:
    """Return whether all scans, by role, tell the unit of their lengths; that of labels is that of their scan."""
    return all(told for role, told in scans if not is_labels(role))


def assign_labels(
    series: Sequence[Series], manifest: Manifest, roles: Roles
) -> tuple[dict[str, Series], tuple[Notice, ...]]:
    """Return the series that a person named as labels, by role, or why there is none.

    Parameters
    ----------
    series : sequence of Series
        Of one study. Where a person named none of it, labels are expected with another study.
    """
    found: dict[str, Series] = {}
    if not any(role_of(one, roles) for one in series):
        return found, ()
    for role in set(label_roles(manifest)) & set(roles.values()):
        named = [one for one in series if role_of(one, roles) == role]
        if len(named) != 1:
            reason = ROLE_AMBIGUOUS if named else ROLE_MISSING
            detail = f"Found {len(named)} series that are {role!r}, expected one."
            return found, (Notice(reason=reason, severity="refuse", detail=detail),)
        found[role] = named[0]
    return found, ()


def said_of_labels(scans: Mapping[str, Scan], manifest: Manifest) -> tuple[Notice, ...]:
    """Return why the labels among `scans` are not to be used: before the model is run.

    Returns
    -------
    tuple of Notice
        ``C760``: they do not lie on the grid of the moving scan, in whatever order of its axes. ``C761``: they are no
        labels: no whole numbers from 0 on, colours, or more than `MOST` different values.
    """
    task = manifest.task
    if not isinstance(task, RegistrationTask) or labels_of(task.moving) not in scans:
        return ()
    labels, moving = scans[labels_of(task.moving)], scans[task.moving]
    if not lies_on(labels.grid, moving.grid):
        detail = f"Found {labels.grid.shape} voxels, or another place, expected those of the scan: {moving.grid.shape}."
        return (Notice(reason=LABELS_ELSEWHERE, severity="refuse", detail=detail),)
    wrong = _no_labels(labels.voxels)
    return (Notice(reason=NOT_LABELS, severity="refuse", detail=wrong),) if wrong else ()


def said_of_lost(findings: Findings) -> tuple[Notice, ...]:
    """Return a warning (``C762``) where a label of the moving scan has no voxel left on the fixed one."""
    labels = findings.labels if isinstance(findings, Registration) else None
    lost = [str(each.value) for each in labels.counts if not each.warped_voxels] if labels else []
    if not lost:
        return ()
    shown = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
    return (Notice(reason=LABEL_LOST, severity="warn", detail=f"Labels {shown}."),)


def lies_on(labels: Grid, scan: Grid) -> bool:
    """Return whether two grids have the same voxels, though they may be stored in another order.

    Programs that turn DICOM to NIfTI store the axes in an order of their own.

    Examples
    --------
    >>> grid = Grid.of((2, 3, 4), np.diag([2.0, 1.0, 1.0, 1.0]), "patient")
    >>> turned = Grid.of((4, 3, 2), grid.matrix[:, [2, 1, 0, 3]], "patient")
    >>> lies_on(turned, grid), lies_on(grid.cropped((0, 0, 1), grid.shape), grid)
    (True, False)
    """
    if labels.space != scan.space:
        return False
    to_scan = np.linalg.solve(scan.matrix, labels.matrix)
    turn = np.abs(np.rint(to_scan[:3, :3]))
    if (turn.sum(axis=0) != 1).any() or (turn.sum(axis=1) != 1).any():
        return False
    last = np.array(scan.shape) - 1
    if (turn @ (np.array(labels.shape) - 1) != last).any():
        return False
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1)]) * (np.array(labels.shape) - 1)
    found = to_scan[:3, :3] @ corners.T + to_scan[:3, 3:]
    ends = np.where(found > last[:, np.newaxis] / 2, last[:, np.newaxis], 0)
    return bool(np.abs(found - ends).max() < SAME)


def _no_labels(voxels: NDArray[Any]) -> str:
    """What speaks against their being labels; empty where nothing does."""
    if voxels.ndim != 3:
        return "Found colours, expected whole numbers."
    if voxels.dtype.kind == "f" and not _is_whole(voxels):
        return f"Found values that are no whole numbers below {EXACT}."
    if voxels.min() < 0:
        return f"Found {voxels.min()}, expected 0 for none and whole numbers above it."
    different = len(np.unique(voxels))
    return f"Found {different} different values, expected at most {MOST}." if different > MOST else ""


def _is_whole(voxels: NDArray[Any]) -> bool:
    return bool(np.isfinite(voxels).all() and (voxels == np.rint(voxels)).all() and np.abs(voxels).max() < EXACT)


def warped(labels: Scan, field: NDArray[np.float32], grid: Grid, *, told: bool) -> WarpedLabels:
    """Return labels brought onto `grid` by a displacement field: each voxel has the label nearest to its place.

    Parameters
    ----------
    labels : Scan
        Of whole numbers; see `said_of_labels`.
    field : ndarray of float32, shape (3, z, y, x)
        See `edge.register.warp.warp`.
    told : bool
        Whether the unit of lengths is known, and so volumes are.
    """
    voxels = labels.voxels
    if voxels.dtype.kind == "f":
        voxels = voxels.astype(np.min_scalar_type(int(voxels.max())))
    codes = warp_labels(voxels, labels.grid, field, grid)
    before, after = _counts(voxels), _counts(codes)
    own_ml, ml = (_voxel_ml(each, told=told) for each in (labels.grid, grid))
    counts = tuple(
        WarpedLabel(
            value=value,
            moving_voxels=count,
            warped_voxels=after.get(value, 0),
            moving_ml=None if own_ml is None else count * own_ml,
            warped_ml=None if ml is None else after.get(value, 0) * ml,
        )
        for value, count in before.items()
    )
    return WarpedLabels(codes=codes, counts=counts)


def _counts(voxels: NDArray[Any]) -> dict[int, int]:
    """Voxels by label, without 0, which is none."""
    values, counts = np.unique(voxels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True) if value}


def _voxel_ml(grid: Grid, *, told: bool) -> float | None:
    size = grid.voxel_volume_mm3
    return size / 1000.0 if told and size is not None else None
