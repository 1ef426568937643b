"""Phantom slides of histology as tiled TIFF files, and tiny packs that see pictures in windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from edge.pack.manifest import Accepts, ClassificationTask, Input, SegmentationTask, Task, Windows
from edge.testing import tiny_input
from tests.prepare.images import step
from tests.read.tiled_files import DEFLATE, JPEG, Page, page, tiff
from tests.systems import pack
from tests.tasks.models import label
from tests.tasks.nets import GAIN, model_bytes

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
GLASS, TISSUE, BLOB = (240, 240, 240), (150, 90, 150), (40, 220, 60)
SIZE = (900, 1300)
WINDOW = 64
SMALL_BYTES = 1 << 20
"""Less than the slide takes, more than its picture in small."""


def tissue(size: tuple[int, int] = SIZE, blobs: Sequence[Box] = (), seed: int = 5) -> Pixels:
    """Glass with a disc of tissue on it, a little uneven, and green boxes: first row and column, last ones."""
    rows, columns = size
    generator = np.random.default_rng(seed)
    pixels = np.full((rows, columns, 3), GLASS, dtype=np.uint8)
    y, x = np.mgrid[:rows, :columns]
    inside = np.hypot((y - rows / 2) / (0.4 * rows), (x - columns / 2) / (0.4 * columns)) < 1
    pixels[inside] = TISSUE
    for top, left, bottom, right in blobs:
        pixels[top : bottom + 1, left : right + 1] = BLOB
    noise = generator.integers(-5, 6, size=(rows, columns, 1))
    return np.asarray(np.clip(pixels + noise, 0, 255), dtype=np.uint8)


def write_slide(path: Path, pixels: Pixels, *, lossy: bool = False, levels: int = 3, um: float | None = 0.5) -> Path:
    """A pyramid whose levels are each half as large; micrometres from pixel to pixel in its resolution."""
    path.write_bytes(tiff(slide_pages(pixels, lossy=lossy, levels=levels, um=um), big=True))
    return path


def slide_pages(pixels: Pixels, *, lossy: bool = False, levels: int = 3, um: float | None = 0.5) -> list[Page]:
    """The directories of such a file."""
    pages = []
    for level in range(levels):
        made = page(halved(pixels, level), tile=(128, 128), compression=JPEG if lossy else DEFLATE)
        if level:
            made = made.tagged(t254=("I", (1,)))
        elif um is not None:
            made = made.tagged(**resolution(um))
        pages.append(made)
    return pages


def resolution(um: float) -> Mapping[str, Any]:
    """Tags 282, 283 and 296: pixels per centimetre."""
    per_centimetre = ("R", (round(10_000 / um * 100), 100))
    return {"t282": per_centimetre, "t283": per_centimetre, "t296": ("H", (3,))}


def halved(pixels: Pixels, times: int) -> Pixels:
    """The means of squares of 2 x 2 pixels, again and again."""
    for _ in range(times):
        rows, columns = (size // 2 for size in pixels.shape[:2])
        squares = pixels[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3)
        pixels = np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)
    return pixels


def slide_input(*, size: int = WINDOW, steps: Sequence[Mapping[str, object]] = ()) -> Input:
    """Colour windows from 0 to 1."""
    scaled = step("rescale", low=0.0, high=255.0)
    item = tiny_input(channels=3, size=size, steps=(*steps, scaled, step("channels", order="rgb")))
    return replace(item, accepts=Accepts(modality=("SM",), stack="picture", colour="rgb"))


def green_net(*, pooled: bool) -> bytes:
    """A logit above 0 where a pixel is green; of the greenest pixel alone where it is pooled."""
    return colour_net((-0.5, 1.0, -0.5), 0.33, pooled=pooled)


def colour_net(weights: Sequence[float], limit: float, *, pooled: bool) -> bytes:
    """A logit above 0 where the weighted channels are above a limit, of every pixel as ``scores``.

    Where it is pooled, ``scores`` has that of the highest pixel, and ``map`` those of all.
    """
    mapped = "map" if pooled else "scores"
    nodes = [helper.make_node("Conv", ["image", "weights", "bias"], [mapped])]
    shapes: dict[str, list[Any]] = {"image": ["n", len(weights), "h", "w"], mapped: ["n", 1, "h", "w"]}
    if pooled:
        nodes += [
            helper.make_node("GlobalMaxPool", ["map"], ["highest"]),
            helper.make_node("Flatten", ["highest"], ["scores"]),
        ]
        shapes["scores"] = ["n", 1]
    kernel = np.array(weights, np.float32).reshape(1, len(weights), 1, 1) * GAIN
    return model_bytes(nodes, shapes, {"weights": kernel, "bias": np.array([-limit * GAIN], np.float32)})


def slide_pack(
    folder: Path,
    kind: Literal["classification", "segmentation"],
    *,
    overlap: float = 0.0,
    steps: Sequence[Mapping[str, object]] = (),
    skip_glass: bool = False,
) -> Path:
    """A pack that finds what is green, window by window."""
    windows = Windows(overlap=overlap, skip_glass=skip_glass)
    task: Task
    if kind == "classification":
        task = ClassificationTask(
            kind="classification",
            mode="binary",
            output="scores",
            activation="sigmoid",
            labels=(label("green"),),
            windows=windows,
        )
    else:
        task = SegmentationTask(
            kind="segmentation", output="scores", activation="sigmoid", labels=(label("green"),), windows=windows
        )
    net = green_net(pooled=kind == "classification")
    return pack(folder, task, [slide_input(steps=steps)], net, {"green": 0.5})
