"""How much memory an examination may take, and the plan that a volume in windows follows within it."""

from __future__ import annotations

from edge.geometry import Shape
from edge.pack.manifest import SegmentationTask
from edge.read.memory import memory_bytes
from edge.read.process import default_limit_bytes
from edge.volume.plan import MemoryPlan, Volume, plan
from edge.volume.source import Decision
from edge.volume.tiles import Tiles


def budget_bytes() -> int:
    """Return the memory that one examination may take: half of the machine's, or EDGERUN_SCAN_BYTES where it is more.

    In a container the memory is the container's; see `edge.read.memory`.

    Raises
    ------
    UsageError
        EDGERUN_SCAN_BYTES is not a positive whole number.
    """
    scan = default_limit_bytes()
    memory = memory_bytes()
    return 2 * scan if memory is None else max(scan, memory // 2)


def plan_windows(
    tiles: Tiles,
    source: Shape,
    task: SegmentationTask,
    *,
    channels: int,
    held_bytes: int,
    budget: int,
    streamed: bool = False,
) -> MemoryPlan:
    """Return how the windows of a volume or picture are blended and decided within a budget.

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
    streamed : bool
        Whether each window is read when its turn comes, so that what was prepared never lies in memory whole.

    Raises
    ------
    ReadError
        ``C728``: it does not fit.
    """
    softmax = task.activation == "softmax"
    classes = len(task.labels) + softmax
    # Which limits they are makes no difference to the memory.
    decision = Decision(classes=classes, limits=None if softmax else (0.5,) * classes)
    volume = Volume(
        tiles=tiles, source=source, decision=decision, channels=channels, held_bytes=held_bytes, streamed=streamed
    )
    return plan(volume, budget)
