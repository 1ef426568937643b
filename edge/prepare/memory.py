"""How much memory an examination may take, and the plan that a volume in windows follows within it."""

from __future__ import annotations

import os

from edge.geometry import Shape
from edge.pack.manifest import SegmentationTask
from edge.read.process import default_limit_bytes
from edge.volume.plan import MemoryPlan, Volume, plan
from edge.volume.source import Decision
from edge.volume.tiles import Tiles


def budget_bytes() -> int:
    """Return the memory that one examination may take: half of the machine's, or EDGERUN_SCAN_BYTES where it is more.

    Raises
    ------
    UsageError
        EDGERUN_SCAN_BYTES is not a positive whole number.
    """
    scan = default_limit_bytes()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 2 * scan
    return max(scan, memory // 2)


def plan_windows(
    tiles: Tiles, source: Shape, task: SegmentationTask, *, channels: int, held_bytes: int, budget: int
) -> MemoryPlan:
    """Return how the windows of a volume are blended and decided within a budget.

    Steps keep the axes of the scan, so that what was prepared never lies obliquely to it.

    Parameters
    ----------
    source : tuple of int
        Of the scan whose voxels are labelled.
    channels : int
        Of what was prepared.
    held_bytes : int
        Of the scans that were read.
    budget : int
        In bytes.

    Raises
    ------
    ReadError
        ``C728``: it does not fit.
    """
    softmax = task.activation == "softmax"
    classes = len(task.labels) + softmax
    # Which limits they are makes no difference to the memory.
    decision = Decision(classes=classes, limits=None if softmax else (0.5,) * classes)
    volume = Volume(tiles=tiles, source=source, decision=decision, channels=channels, held_bytes=held_bytes)
    return plan(volume, budget)
