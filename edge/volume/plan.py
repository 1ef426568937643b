"""What a volume takes in memory, known before the model is run: a plan that fits, or a refusal in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.errors import ReadError
from edge.geometry import Shape
from edge.reasons import NOT_ENOUGH_MEMORY
from edge.volume.blend import THICKNESS
from edge.volume.source import CHUNK, Decision
from edge.volume.tiles import Tiles

FLOAT = 4
"""Bytes of a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What is to be examined, and by what.

    Parameters
    ----------
    tiles : Tiles
        Of the fed grid.
    source : tuple of int
        Shape of the scan, (z, y, x).
    decision : Decision
    channels : int
        Of the prepared volume, float32.
    oblique : bool
        Whether the fed grid is oblique to the source, so that every score has to be kept.
    held_bytes : int
        What is held all the while besides: the scan's own voxels, the engine with its working memory.
    streamed : bool
        Whether each window is read and prepared by itself.
    """

    tiles: Tiles
    source: Shape
    decision: Decision
    channels: int = 1
    oblique: bool = False
    held_bytes: int = 0
    streamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """How a volume is to be examined, and what it takes at its peak.

    Parameters
    ----------
    block_classes : int, optional
        Classes whose sums are in memory at a time, the rest being on the disk; None where all are in memory.
    labels_on_disk : bool
    held_bytes, prepared_bytes, window_bytes, sums_bytes, weights_bytes, slices_bytes, labels_bytes : int
        In memory: what was there before; the prepared volume; one window's input and output, each twice; the sums of
        scores; their weights; slabs and slices on their way to the source; the labels. 0 for what is on the disk.
    disk_bytes : int
        Of temporary files.
    """

    block_classes: int | None
    labels_on_disk: bool
    held_bytes: int
    prepared_bytes: int
    window_bytes: int
    sums_bytes: int
    weights_bytes: int
    slices_bytes: int
    labels_bytes: int
    disk_bytes: int

    @property
    def peak_bytes(self) -> int:
        """The most memory that is used at any time."""
        passing = self.window_bytes + self.weights_bytes + self.slices_bytes
        return self.held_bytes + self.prepared_bytes + passing + self.sums_bytes + self.labels_bytes


def plan(volume: Volume, budget_bytes: int) -> MemoryPlan:
    """Return the fastest way to examine a volume within a budget.

    The steps down, in this order: everything in memory; the labels in a temporary file (they are written once, so it
    costs next to nothing); the sums of scores in a temporary file too, in the largest blocks of classes that fit
    (each window is then added to a file).

    Parameters
    ----------
    volume : Volume
    budget_bytes : int
        Memory that may be used, what is held already included.

    Raises
    ------
    ReadError
        ``C728``: not even one class at a time fits.

    Examples
    --------
    >>> tiles = Tiles.of((200, 240, 240), (128, 128, 128), 0.5)
    >>> volume = Volume(tiles=tiles, source=(600, 512, 512), decision=Decision(classes=14))
    >>> plan(volume, 2_000_000_000).labels_on_disk, plan(volume, 900_000_000).labels_on_disk
    (False, True)
    >>> plan(volume, 500_000_000).block_classes
    3
    """
    whole = _laid_out(volume, block=None, labels_on_disk=False)
    if whole.peak_bytes <= budget_bytes:
        return whole
    spilt = _laid_out(volume, block=None, labels_on_disk=True)
    if spilt.peak_bytes <= budget_bytes:
        return spilt
    room = budget_bytes - (spilt.peak_bytes - spilt.sums_bytes)
    block = room // (spilt.sums_bytes // volume.decision.classes)
    if block < 1:
        raise ReadError(_refusal(volume, budget_bytes), NOT_ENOUGH_MEMORY)
    return _laid_out(volume, block=block, labels_on_disk=True)


def _laid_out(volume: Volume, *, block: int | None, labels_on_disk: bool) -> MemoryPlan:
    """The bytes of everything, as `blend` and `source` allocate them."""
    tiles, classes, label = volume.tiles, volume.decision.classes, volume.decision.dtype.itemsize
    patch, plane = math.prod(tiles.patch), tiles.shape[1] * tiles.shape[2]
    sums = FLOAT * classes * tiles.depth * plane
    labels = label * math.prod(volume.source)
    return MemoryPlan(
        block_classes=block,
        labels_on_disk=labels_on_disk,
        held_bytes=volume.held_bytes,
        prepared_bytes=0 if volume.streamed else FLOAT * volume.channels * math.prod(tiles.shape),
        window_bytes=2 * FLOAT * (volume.channels + classes) * patch,
        sums_bytes=sums if block is None else sums // classes * block,
        weights_bytes=FLOAT * (patch + tiles.patch[0] * plane + 2 * THICKNESS * plane),
        slices_bytes=_slices_bytes(volume),
        labels_bytes=0 if labels_on_disk else labels,
        disk_bytes=(labels if labels_on_disk else 0) + (0 if block is None else sums),
    )


def _slices_bytes(volume: Volume) -> int:
    """Slabs and slices between the sums and the labels."""
    tiles, classes = volume.tiles, volume.decision.classes
    fed, shape = tiles.shape[1] * tiles.shape[2], volume.source
    # Any two axes of the source can lie in the fed plane.
    pixels = math.prod(shape) // min(shape)
    slab = 2 * FLOAT * THICKNESS * classes * fed
    if volume.oblique:
        plane = shape[1] * shape[2]
        return slab + FLOAT * classes * (math.prod(tiles.shape) + 6 * plane) + 150 * plane
    return slab + (3 * FLOAT * classes + 16) * fed + 24 * pixels + 8 * FLOAT * CHUNK


def _refusal(volume: Volume, budget_bytes: int) -> str:
    least = _laid_out(volume, block=1, labels_on_disk=True)
    size = " x ".join(map(str, reversed(volume.source)))
    return (
        f"Planning memory for a scan of {size} voxels and {volume.decision.classes} classes: at least "
        f"{least.peak_bytes / 1e9:.2f} GB are needed ({least.prepared_bytes / 1e9:.2f} GB for the prepared scan, "
        f"{least.window_bytes / 1e9:.2f} GB for one window, {least.held_bytes / 1e9:.2f} GB held already), with "
        f"temporary files of {least.disk_bytes / 1e9:.2f} GB; {budget_bytes / 1e9:.2f} GB may be used."
    )
