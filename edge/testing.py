"""For tests against edgerun, ours and others': seeded phantoms, an engine without a model, tiny packs.

Nothing here is used by the runtime. Building a model needs the package ``onnx`` (``edgerun[test]``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import EngineFacts, TensorSpec
from edge.geometry import Grid
from edge.pack.manifest import (
    Accepts,
    ClassificationTask,
    Expected,
    Golden,
    Input,
    Label,
    Licence,
    Manifest,
    Model,
    SegmentationTask,
    Threshold,
)
from edge.pack.store import MANIFEST
from edge.scan import Acquisition, Identity, Scan, Source
from edge.typed import dump

MODEL_FILE = "model.onnx"


def phantom(shape: tuple[int, int, int], *, seed: int = 0) -> NDArray[np.int16]:
    """Return voxels without any symmetry: a ramp along each axis, a bright corner, seeded noise. Shape (z, y, x).

    Examples
    --------
    >>> bool((phantom((3, 4, 5)) == phantom((3, 4, 5))[::-1]).all())
    False
    """
    generator = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    voxels = 7 * z + 31 * y + 113 * x + generator.integers(0, 5, size=shape)
    voxels[: max(1, shape[0] // 3), : max(1, shape[1] // 3), : max(1, shape[2] // 3)] += 1000
    return np.asarray(voxels, dtype=np.int16)


def phantom_scan(
    shape: tuple[int, int, int],
    *,
    values: Sequence[float] | None = None,
    spacing_mm: tuple[float, float] | None = None,
    acquisition: Acquisition | None = None,
    seed: int = 0,
) -> Scan:
    """Return a scan of a phantom, or of given values in C order; a picture where there is one z, else frames."""
    voxels: NDArray[Any] = phantom(shape, seed=seed)
    if values is not None:
        voxels = np.array(values, dtype=np.float32).reshape(shape)
    grid = Grid.of_picture(shape[1], shape[2], spacing_mm).cropped((0, 0, 0), shape)
    return Scan(
        voxels=voxels,
        grid=grid,
        stack="picture" if shape[0] == 1 else "frames",
        unit="stored value",
        value_range=(-32768.0, 32767.0),
        identity=Identity(),
        acquisition=acquisition or Acquisition(modality="DX", body_part="CHEST", photometric="MONOCHROME2"),
        sources=(Source(path="phantom", sha256="0" * 64),),
        places=tuple((0, z) for z in range(shape[0])),
    )


class FakeEngine:
    """An engine that computes its outputs with a function; fulfils `edge.engines.Engine`.

    Parameters
    ----------
    answer : callable
        Maps feeds to outputs, both by name. What it raises, `infer` raises.
    inputs, outputs : sequence of str
        Names of the tensors.
    """

    def __init__(
        self,
        answer: Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]],
        *,
        inputs: Sequence[str] = ("image",),
        outputs: Sequence[str] = ("scores",),
    ) -> None:
        self._answer = answer
        self.closed = False
        self.facts = EngineFacts(name="fake", version="0", provider="fake", precision="fp32", threads=1)
        self.inputs = tuple(TensorSpec(name=name, dtype="float32", shape=(-1,)) for name in inputs)
        self.outputs = tuple(TensorSpec(name=name, dtype="float32", shape=(-1,)) for name in outputs)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what the function returns."""
        return self._answer(feeds)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def tiny_manifest(**changes: Any) -> Manifest:
    """Return the manifest of a tiny pack, with some fields changed.

    It takes a grey picture of any modality, resizes it to 4 x 4 in 0 to 1 and has one label, ``bright``, whose score
    is the sigmoid of the tensor ``scores``; threshold 0.5.
    """
    manifest = Manifest(
        format="edgerun-pack",
        format_version=1,
        name="tiny",
        version="1.0.0",
        title="Tiny",
        status="trained",
        intended_use="Tests.",
        limits="Knows nothing.",
        licence=Licence(spdx="Apache-2.0", credits=()),
        inputs=(tiny_input(),),
        task=ClassificationTask(
            kind="classification",
            mode="binary",
            output="scores",
            activation="sigmoid",
            labels=(Label(name="bright", title="Bright", finding=True, urgency="soon"),),
        ),
        models=(
            Model(
                precision="fp32",
                file=MODEL_FILE,
                sha256="0" * 64,
                engines=("onnxruntime",),
                verdict="reference",
                thresholds={"bright": tiny_threshold(0.5)},
            ),
        ),
    )
    return replace(manifest, **changes)


def tiny_input(*, channels: int = 1, size: int = 4, steps: Sequence[Mapping[str, object]] | None = None) -> Input:
    """Return the input of a tiny pack: `channels` x `size` x `size`, by default resized and scaled to 0 to 1."""
    usual: list[Mapping[str, object]] = [
        {"step": "monochrome2"},
        {"step": "voi_window"},
        {"step": "resize", "height": size, "width": size, "interpolation": "area"},
    ]
    return Input(
        name="image",
        tensor="image",
        accepts=Accepts(stack="picture", colour="grey" if channels == 1 else "rgb"),
        axes="NCHW",
        shape=(channels, size, size),
        steps=tuple(usual if steps is None else steps),
    )


def tiny_threshold(value: float) -> Threshold:
    """Return a threshold that nobody measured."""
    return Threshold(value=value, rule="none", chosen_on="nothing", n=1)


def tiny_segmentation(*, activation: str = "sigmoid", names: Sequence[str] = ("bright",)) -> SegmentationTask:
    """Return a segmentation task with the tensor ``scores``, whose labels are all findings."""
    labels = tuple(Label(name=name, title=name.title(), finding=True) for name in names)
    return SegmentationTask(kind="segmentation", output="scores", activation=activation, labels=labels)  # type: ignore[arg-type]


def tiny_model(*, opset: int = 18, ir_version: int = 10) -> bytes:
    """Return an ONNX model for `tiny_manifest`: scores = 20 * (mean of image - 0.5), shape (N, 1)."""
    from onnx import TensorProto, checker, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 4, 4])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 1])
    constants = [
        helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("gain", TensorProto.FLOAT, [], [20.0]),
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "gain"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [image], [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def write_tiny_pack(folder: Path, manifest: Manifest | None = None, model: bytes | None = None) -> Path:
    """Write a pack that works to `folder` and return it; every model of the manifest gets the bytes of `model`."""
    data = tiny_model() if model is None else model
    digest = hashlib.sha256(data).hexdigest()
    written = manifest or tiny_manifest()
    written = replace(written, models=tuple(replace(item, sha256=digest) for item in written.models))
    folder.mkdir(parents=True, exist_ok=True)
    for item in written.models:
        (folder / item.file).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps(dump(written), indent=1), encoding="utf-8")
    return folder


def golden_case(file: str, data: bytes, *, score: float, tolerance: float = 0.001) -> Golden:
    """Return the golden case of a tiny pack whose scan is in `file`, with the bytes `data`."""
    digest = hashlib.sha256(data).hexdigest()
    expected = Expected(scores={"bright": score}, tolerance=tolerance)
    return Golden(name="case", scans={"image": file}, sha256={"image": digest}, expect={"fp32": expected})
