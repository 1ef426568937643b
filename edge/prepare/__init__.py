"""From a scan to what the model is fed: the steps that the manifest names, in its order, and nothing else.

The same code serves inference, golden cases and calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import Grid
from edge.pack.manifest import Input, Manifest
from edge.prepare.image import Image
from edge.reasons import BAD_MANIFEST, MODEL_MISMATCH, NOT_NUMBERS, UNSUPPORTED_INPUT
from edge.scan import Scan
from edge.table import Entry, lookup
from edge.typed import TypedError, bind

Step = Callable[[Image], Image]

STEPS: Mapping[str, Entry] = {
    "select_frame": Entry("edge.prepare.place:select_frame"),
    "orient": Entry("edge.prepare.place:orient"),
    "center_square": Entry("edge.prepare.place:center_square"),
    "center_crop_or_pad": Entry("edge.prepare.place:center_crop_or_pad"),
    "resize": Entry("edge.prepare.place:resize"),
    "letterbox": Entry("edge.prepare.place:letterbox"),
    "monochrome2": Entry("edge.prepare.values:monochrome2"),
    "voi_window": Entry("edge.prepare.values:voi_window"),
    "window": Entry("edge.prepare.values:window"),
    "rescale": Entry("edge.prepare.values:rescale"),
    "percentile_clip": Entry("edge.prepare.values:percentile_clip"),
    "min_max": Entry("edge.prepare.values:min_max"),
    "z_score": Entry("edge.prepare.values:z_score"),
    "channels": Entry("edge.prepare.values:channels"),
    "normalise": Entry("edge.prepare.values:normalise"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """What the model is fed once.

    Parameters
    ----------
    tensors : mapping
        By name of the graph's input: float32, with batch 1 in front.
    grid : Grid
        Where the first input's picture, as fed, lies in its scan's space.
    """

    tensors: Mapping[str, NDArray[np.float32]]
    grid: Grid


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
    """Yield what the model is fed, one `Feed` after the other; a 2-D model is fed once.

    Parameters
    ----------
    scans : mapping
        By name of input.

    Raises
    ------
    PackError
        ``P401`` a step's options are wrong; ``P407`` the steps do not end in the shape that the manifest declares;
        ``P409`` the pack is for volumes or for several scans at once.
    ReadError
        ``C717``: values that are no numbers (NaN) would reach the model.
    """
    if len(manifest.inputs) != 1 or len(manifest.inputs[0].shape) != 3:
        what = f"{len(manifest.inputs)} inputs, axes {manifest.inputs[0].axes}"
        raise PackError(
            f"Preparing scans for {manifest.name}: found {what}, expected one 2-D input.", UNSUPPORTED_INPUT
        )
    item = manifest.inputs[0]
    image = Image.of(scans[item.name])
    for step in bind_steps(item, "$.inputs[0]"):
        image = step(image)
    yield Feed(tensors={item.tensor: _tensor(image, item)}, grid=image.grid)


def _tensor(image: Image, item: Input) -> NDArray[np.float32]:
    """The picture as the graph wants it: batch, then the manifest's axes."""
    voxels: NDArray[Any] = image.voxels if image.voxels.ndim == 4 else image.voxels[..., np.newaxis]
    found = voxels if item.axes == "NHWC" else voxels.transpose(0, 3, 1, 2)
    wanted = (1, *item.shape)
    if found.shape != wanted:
        raise PackError(
            f"Preparing the scan {item.name!r}: the steps end in shape {found.shape}, the manifest declares {wanted}.",
            MODEL_MISMATCH,
        )
    with np.errstate(over="ignore"):
        tensor = np.ascontiguousarray(found, dtype=np.float32)
    finite = np.isfinite(tensor)
    if not finite.all():
        # A network may well turn them into ordinary scores: max(0, NaN) is 0 on some engines.
        count = int(finite.size - finite.sum())
        raise ReadError(f"Preparing the scan {item.name!r}: found {count} values that are no numbers.", NOT_NUMBERS)
    return tensor
