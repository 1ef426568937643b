"""From a scan to what the model is fed: the steps that the manifest names, in its order, and nothing else.

The same code serves inference, golden cases and calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import Grid
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Input,
    Manifest,
    RegistrationTask,
    SegmentationTask,
    tensor_shapes,
)
from edge.prepare.image import Image
from edge.prepare.seen import seen_share
from edge.prepare.stored import as_stored
from edge.prepare.together import brought_to, is_same
from edge.reasons import (
    BAD_MANIFEST,
    INVERTED,
    MODEL_MISMATCH,
    NEEDS_WINDOWS,
    NO_COMMON_PLACE,
    NOT_NUMBERS,
    UNSUPPORTED_INPUT,
)
from edge.scan import Scan
from edge.table import Entry, lookup
from edge.typed import TypedError, bind
from edge.volume.tiles import Flips, Start, Tiles

if TYPE_CHECKING:
    from edge.volume.plan import MemoryPlan

Step = Callable[[Image], Image]

STEPS: Mapping[str, Entry] = {
    "select_frame": Entry("edge.prepare.place:select_frame"),
    "orient": Entry("edge.prepare.place:orient"),
    "center_square": Entry("edge.prepare.place:center_square"),
    "center_crop_or_pad": Entry("edge.prepare.place:center_crop_or_pad"),
    "resize": Entry("edge.prepare.place:resize"),
    "letterbox": Entry("edge.prepare.place:letterbox"),
    "resample": Entry("edge.prepare.volume:resample_spacing"),
    "resize_volume": Entry("edge.prepare.volume:resize_volume"),
    "pad_or_crop_volume": Entry("edge.prepare.volume:pad_or_crop_volume"),
    "fundus_field": Entry("edge.prepare.field:fundus_field"),
    "ultrasound_sector": Entry("edge.prepare.field:ultrasound_sector"),
    "require_unit": Entry("edge.prepare.unit:require_unit"),
    "monochrome2": Entry("edge.prepare.values:monochrome2"),
    "voi_window": Entry("edge.prepare.values:voi_window"),
    "window": Entry("edge.prepare.values:window"),
    "rescale": Entry("edge.prepare.values:rescale"),
    "percentile_clip": Entry("edge.prepare.values:percentile_clip"),
    "min_max": Entry("edge.prepare.values:min_max"),
    "z_score": Entry("edge.prepare.values:z_score"),
    "foreground_z_score": Entry("edge.prepare.foreground:foreground_z_score"),
    "foreground_percentile": Entry("edge.prepare.foreground:foreground_percentile"),
    "channels": Entry("edge.prepare.values:channels"),
    "normalise": Entry("edge.prepare.values:normalise"),
}


FIELDS = ("fundus_field", "ultrasound_sector")
"""Steps that cut away what shows nothing of the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which piece of a volume or picture the model is fed.

    A picture's rows stand for z, so that it passes from top to bottom as a volume does slice by slice: its axes are
    (row, 1, column).

    Parameters
    ----------
    start : tuple of int
        First index (z, y, x) on the prepared grid; below 0 where it begins with padding.
    flips : tuple of bool
        Along which of (z, y, x) it is mirrored.
    tiles : Tiles
        All windows, in the order in which they come.
    memory : MemoryPlan, optional
        How their answers are to be kept; None where they are scores alone.
    bare : frozenset of Start
        The windows that are not fed, as they show glass alone.
    """

    start: Start
    flips: Flips
    tiles: Tiles
    memory: MemoryPlan | None = None
    bare: frozenset[Start] = frozenset()

    @property
    def runs(self) -> int:
        """How often the model is run for all windows that are fed."""
        return self.tiles.runs - len(self.bare) * len(self.tiles.mirrors)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """What the model is fed once.

    Parameters
    ----------
    tensors : mapping
        By name of the graph's input: float32, with batch 1 in front.
    grid : Grid
        Where the first input's picture or volume, as prepared, lies in its scan's space: the whole of it, whatever
        part of it is fed.
    window : Window, optional
        Where a part of it is fed.
    seen : mapping
        By name of input, of all feeds together: the share, 0 to 1, of the first input's scan that the steps kept and
        that this input's scan reaches. What `FIELDS` cut away is not missed.
    """

    tensors: Mapping[str, NDArray[np.float32]]
    grid: Grid
    window: Window | None = None
    seen: Mapping[str, float] = field(default_factory=dict)


def bind_steps(item: Input, path: str) -> tuple[Step, ...]:
    """Return the steps of an input with their options, checked against the steps' own parameters.

    Raises
    ------
    PackError
        ``P401`` with the path of the key.
    """
    bound: list[Step] = []
    for index, step in enumerate(item.steps):
        here = f"{path}.steps[{index}]"
        name = step.get("step")
        if not isinstance(name, str) or name not in STEPS:
            names = ", ".join(sorted(STEPS))
            raise PackError(
                f"Reading the manifest: {here}.step: found {name!r}, expected one of {names}.", BAD_MANIFEST
            )
        function = lookup(STEPS, name, "step").load()
        options = {key: value for key, value in step.items() if key != "step"}
        try:
            bound.append(partial(function, **bind(function, options, here)))
        except TypedError as error:
            raise PackError(f"Reading the manifest: {error}.", BAD_MANIFEST) from error
    return tuple(bound)


def prepare(scans: Mapping[str, Scan], manifest: Manifest) -> Iterator[Feed]:
    """Yield what the model is fed, one `Feed` after the other; a model that sees the whole scan is fed once.

    Several scans are brought to the grid of the first input's scan before any step, by what their headers say of
    their place in the patient. Inputs that name the same tensor are its channels.

    Parameters
    ----------
    scans : mapping
        By name of input.

    Raises
    ------
    PackError
        ``P401`` a step's options are wrong; ``P407`` the steps do not end in the shape that the manifest declares;
        ``P409`` the pack asks for what cannot be prepared.
    ReadError
        ``C717``: values that are no numbers (NaN) would reach the model; ``C722``: scans that have no place in common;
        ``C728``: a volume that does not fit in memory, window by window; ``C730``: a picture that would be seen
        inverted; ``C731``: a slide, for a model that sees its picture at once.
    """
    task = manifest.task
    windows = task.windows if isinstance(task, (ClassificationTask, SegmentationTask, DetectionTask)) else None
    if windows is not None and manifest.inputs[0].axes == "NCHW":
        from edge.prepare.slide import windows_of  # noqa: PLC0415 - as below

        yield from windows_of(scans[manifest.inputs[0].name], manifest, windows)
        return
    if any(scan.slide for scan in scans.values()):
        raise ReadError(f"Preparing a slide for {manifest.name}: expected a task with windows.", NEEDS_WINDOWS)
    whole, grid, seen = _whole(scans, manifest)
    if not isinstance(task, SegmentationTask) or windows is None:
        _check_shapes(whole, manifest)
        yield Feed(tensors=whole, grid=grid, seen=seen)
        return
    from edge.prepare.memory import budget_bytes, plan_windows  # noqa: PLC0415 - a picture waits for none of it

    item = manifest.inputs[0]
    if len(whole) != 1 or item.axes != "NCDHW":
        what = f"{len(whole)} tensors, axes {item.axes}"
        raise PackError(f"Preparing windows for {manifest.name}: found {what}, expected one, NCDHW.", UNSUPPORTED_INPUT)
    volume = whole[item.tensor]
    _check_channels(volume, manifest)
    mirrored = tuple("zyx".index(axis) for axis in windows.mirror)
    tiles = Tiles.of(grid.shape, item.shape[1:], windows.overlap, mirrored)
    held = sum(scan.voxels.nbytes for scan in scans.values())
    source, channels = scans[item.name].grid.shape, volume.shape[1]
    memory = plan_windows(tiles, source, task, channels=channels, held_bytes=held, budget=budget_bytes())
    for start, flips, part in tiles.cut(volume, fill=windows.fill):
        window = Window(start=start, flips=flips, tiles=tiles, memory=memory)
        yield Feed(tensors={item.tensor: part}, grid=grid, window=window, seen=seen)


def _whole(
    scans: Mapping[str, Scan], manifest: Manifest
) -> tuple[dict[str, NDArray[np.float32]], Grid, dict[str, float]]:
    """Each tensor of everything that was prepared, where the first input's lies, and how much of each scan is seen."""
    first = scans[manifest.inputs[0].name]
    registered = isinstance(manifest.task, RegistrationTask)
    if registered and any(scan.grid.space != "patient" for scan in scans.values()):
        found = ", ".join(sorted({scan.grid.space for scan in scans.values()}))
        detail = f"Registering: found scans in {found} space, expected places in the patient."
        raise ReadError(detail, NO_COMMON_PLACE)
    tensors: dict[str, list[NDArray[np.float32]]] = {}
    grids: list[Grid] = []
    seen: dict[str, float] = {}
    for index, item in enumerate(manifest.inputs):
        scan = brought_to(scans[item.name], first, any_frame=registered)
        reached = 1.0 if scan is scans[item.name] else seen_share(scans[item.name].grid, first.grid)
        image, kept = _stepped(as_stored(scan), item, f"$.inputs[{index}]")
        seen[item.name] = reached * kept
        tensors.setdefault(item.tensor, []).append(tensor_of(image, item))
        grids.append(image.grid)
    _check_together(grids, manifest)
    axis = {item.tensor: item.axes.index("C") for item in manifest.inputs}
    whole = {
        name: np.concatenate(parts, axis=axis[name]) if len(parts) > 1 else parts[0] for name, parts in tensors.items()
    }
    return whole, grids[0], seen


def _stepped(image: Image, item: Input, path: str) -> tuple[Image, float]:
    """What an input's steps make of an image, and the share of it that they kept."""
    kept = 1.0
    for step, named in zip(bind_steps(item, path), item.steps, strict=True):
        before, image = image.grid, step(image)
        if named["step"] not in FIELDS:
            kept *= seen_share(image.grid, before)
    _check_turned(image, item)
    return image, kept


def _check_turned(image: Image, item: Input) -> None:
    """Refuse a picture whose bright is dark: a model would see its negative without a word (PS3.3 C.7.6.3.1.2)."""
    scan = image.scan
    if scan.acquisition.photometric == "MONOCHROME1" and scan.stack != "volume" and not image.inverted:
        raise ReadError(f"Preparing the scan {item.name!r}: found MONOCHROME1, expected MONOCHROME2.", INVERTED)


def _check_together(grids: Sequence[Grid], manifest: Manifest) -> None:
    """Refuse inputs whose steps led them to different places."""
    for item, grid in zip(manifest.inputs, grids, strict=True):
        if not is_same(grid, grids[0]):
            raise PackError(
                f"Preparing the scan {item.name!r}: its steps end on a grid of {grid.shape}, those of "
                f"{manifest.inputs[0].name!r} on another of {grids[0].shape}; expected one grid for all inputs.",
                MODEL_MISMATCH,
            )


def _check_shapes(whole: Mapping[str, NDArray[np.float32]], manifest: Manifest) -> None:
    for tensor, shape in tensor_shapes(manifest.inputs).items():
        if whole[tensor].shape != (1, *shape):
            names = ", ".join(repr(item.name) for item in manifest.inputs if item.tensor == tensor)
            found = f"the steps end in shape {whole[tensor].shape}, the manifest declares {(1, *shape)}"
            raise PackError(f"Preparing the scan {names}: {found}.", MODEL_MISMATCH)


def _check_channels(volume: NDArray[np.float32], manifest: Manifest) -> None:
    wanted = sum(item.shape[0] for item in manifest.inputs)
    if volume.shape[1] != wanted:
        raise PackError(
            f"Preparing windows for {manifest.name}: found {volume.shape[1]} channels, expected {wanted}.",
            MODEL_MISMATCH,
        )


def tensor_of(image: Image, item: Input) -> NDArray[np.float32]:
    """Return the picture as the graph wants it: batch, then the manifest's axes.

    Raises
    ------
    PackError
        ``P407``: the steps end in several slices where the graph wants a picture.
    ReadError
        ``C717``: values are no numbers.
    """
    voxels: NDArray[Any] = image.voxels if image.voxels.ndim == 4 else image.voxels[..., np.newaxis]
    volume = len(item.axes) == 5
    if not volume and voxels.shape[0] != 1:
        raise PackError(
            f"Preparing the scan {item.name!r}: the steps end in {voxels.shape[0]} slices, the manifest declares a "
            "picture. Add the step select_frame.",
            MODEL_MISMATCH,
        )
    found = voxels[np.newaxis] if volume else voxels
    if item.axes.endswith("HW"):
        found = np.moveaxis(found, -1, 1)
    with np.errstate(over="ignore"):
        tensor = np.ascontiguousarray(found, dtype=np.float32)
    finite = np.isfinite(tensor)
    if not finite.all():
        # A network may well turn them into ordinary scores: max(0, NaN) is 0 on some engines.
        count = int(finite.size - finite.sum())
        raise ReadError(f"Preparing the scan {item.name!r}: found {count} values that are no numbers.", NOT_NUMBERS)
    return tensor
