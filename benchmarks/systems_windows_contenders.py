"""Whole volumes in windows, edgerun's way and MONAI's, each behind the Protocol of an engine to have its own process.

What is fed is a prepared volume, (z, y, x) float32; what comes out are labels, (z, y, x) uint8, or the blended scores,
(class, z, y, x) float32. In place of a model stands a `Whole` as JSON, and the ONNX file behind it for edgerun.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.nets import manifest_of
from convert.recipes.contract import Recipe
from convert.sources import RECIPES
from edge.engines import EngineFacts, TensorSpec, open_engine
from edge.errors import EngineError, UsageError
from edge.findings import Segmentation
from edge.geometry import Grid
from edge.pack.manifest import Accepts, Manifest, SegmentationTask, Windows
from edge.pipeline import examine
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.table import lookup
from edge.tasks import shares
from edge.testing import phantom_scan, tiny_manifest
from edge.typed import dump, parse
from edge.volume.blend import blend
from edge.volume.tiles import Flips, Start, Tiles

VOLUME, LABELS, SCORES = "volume", "labels", "scores"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What a contender is to do.

    Parameters
    ----------
    recipe : str
        A segmentation of one tensor in windows, labels excluding each other.
    scores : bool
        Whether the blended scores are asked for, each window's made into shares first; else labels.
    at_a_time : int
        Windows that MONAI's network sees at once.
    """

    recipe: str
    scores: bool = False
    at_a_time: int = 1

    def packed(self, onnx: bytes = b"") -> bytes:
        """Return it as bytes, with a model behind it."""
        return json.dumps(dump(self)).encode() + b"\n" + onnx


def unpacked(model: bytes) -> tuple[Whole, bytes]:
    """Return what `Whole.packed` has joined."""
    head, _, onnx = model.partition(b"\n")
    told: Whole = parse(Whole, json.loads(head))
    return told, onnx


def windows_of(manifest: Manifest) -> tuple[SegmentationTask, Windows]:
    """Return the task of a manifest, and how its windows lie.

    Raises
    ------
    UsageError
        It segments without windows, or its labels may overlap.
    """
    task = manifest.task
    if not isinstance(task, SegmentationTask) or task.windows is None or task.activation != "softmax":
        found = f"found a {task.kind}, expected labels that exclude each other, seen in windows"
        raise UsageError(f"Measuring {manifest.name} in windows: {found}.")
    return task, task.windows


def prepared_scan(volume: Floats) -> Scan:
    """Return a prepared volume as a scan, 1 mm apart."""
    steps = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    places = tuple((0, z) for z in range(len(volume)))
    grid = Grid.of(volume.shape, steps, "patient")
    return replace(phantom_scan((1, 1, 1)), voxels=volume, grid=grid, stack="volume", places=places)


class _Contender:
    """What every contender says of itself."""

    def __init__(self, name: str, version: str, precision: str, threads: int) -> None:
        self.facts = EngineFacts(name=name, version=version, provider="CPU", precision=precision, threads=threads)
        self.inputs = (TensorSpec(name=VOLUME, dtype="float32", shape=(-1, -1, -1)),)
        self.outputs = (TensorSpec(name=LABELS, dtype="uint8", shape=()),)


class WithEdgerun(_Contender):
    """`edge.pipeline.examine`, as a scan goes through it: checks, windows, engine, blend, labels, measurements."""

    def __init__(self, name: str, model: bytes, *, precision: str, threads: int) -> None:
        self._told, onnx = unpacked(model)
        manifest = manifest_of(self._told.recipe)
        self._task, self._windows = windows_of(manifest)
        taken = replace(manifest.inputs[0], steps=(), accepts=Accepts(stack="volume", colour="grey"))
        self._manifest = replace(manifest, inputs=(taken,), status="trained")  # to be given the labels of any weights
        self._engine = open_engine(name, onnx, precision=precision, threads=threads)
        super().__init__(name, self._engine.facts.version, precision, threads)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Segment one volume."""
        if self._told.scores:
            return {SCORES: self._scores(feeds[VOLUME])}
        scans = {self._manifest.inputs[0].name: prepared_scan(feeds[VOLUME])}
        model = replace(tiny_manifest().models[0], thresholds={})
        found = examine(scans, self._manifest, model, self._engine).findings
        if not isinstance(found, Segmentation):
            raise EngineError(f"Segmenting {self._told.recipe}: found a {type(found).__name__}.", BAD_OUTPUT)
        return {LABELS: found.codes.astype(np.uint8)}

    def _scores(self, volume: Floats) -> Floats:
        tiles = Tiles.of(volume.shape, self._manifest.inputs[0].shape[1:], self._windows.overlap)
        classes = len(self._task.labels) + 1
        return np.concatenate([slab.scores for slab in blend(self._answers(volume, tiles), tiles, classes)], axis=1)

    def _answers(self, volume: Floats, tiles: Tiles) -> Iterator[tuple[Start, Flips, Floats]]:
        tensor = self._manifest.inputs[0].tensor
        for start, flips, window in tiles.cut(volume[np.newaxis]):
            found = self._engine.infer({tensor: window[np.newaxis]})
            yield start, flips, shares(found[self._task.output][0], "softmax", axis=0)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


class WithMonai(_Contender):
    """MONAI's ``sliding_window_inference`` of the recipe's own network in torch, then the highest class."""

    def __init__(self, _name: str, model: bytes, *, precision: str, threads: int) -> None:
        self._told, _ = unpacked(model)
        self._torch: Any = importlib.import_module("torch")
        monai: Any = importlib.import_module("monai")
        self._slide: Any = importlib.import_module("monai.inferers").sliding_window_inference
        self._torch.set_num_threads(threads)
        recipe: Recipe = lookup(RECIPES, self._told.recipe, "recipe").load()  # type: ignore[assignment]
        self._network = recipe.build()
        manifest = manifest_of(self._told.recipe)
        self._patch, (_, self._windows) = manifest.inputs[0].shape[1:], windows_of(manifest)
        super().__init__("monai", monai.__version__, precision, threads)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Segment one volume."""
        with self._torch.inference_mode():
            scores = self._slide(
                self._torch.from_numpy(feeds[VOLUME][np.newaxis, np.newaxis]),
                self._patch,
                self._told.at_a_time,
                self._shares if self._told.scores else self._network,
                overlap=self._windows.overlap,
                mode="gaussian",
            )[0]
            if self._told.scores:
                return {SCORES: scores.numpy()}
            return {LABELS: scores.argmax(dim=0).numpy().astype(np.uint8)}

    def _shares(self, windows: Any) -> Any:
        return self._torch.softmax(self._network(windows), dim=1)

    def close(self) -> None:
        """Drop the network."""
        self._network = None
