"""Files and packs to measure with, small enough for a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from edge.bench.bench import Asked
from edge.bench.measured import Limits
from edge.bench.warm import Target
from edge.pack.manifest import Accepts, Input, Manifest
from edge.testing import tiny_input, tiny_manifest, write_tiny_pack

FEW = Limits(most=3, seconds=60.0)


def picture(path: Path, level: int = 200) -> Path:
    """A grey PNG that is not blank."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((8, 8), level, dtype=np.uint8)
    pixels[0, 0] = 0
    cv2.imwrite(str(path), pixels)
    return path


def asked(pack: Path | str, *paths: Path, **changes: Any) -> Asked:
    """A request for a few queries of every scenario."""
    return replace(Asked(target=Target(pack=str(pack)), paths=paths, limits=FEW, a_query=2), **changes)


def of_two() -> Manifest:
    """A pack of two pictures of a patient, which are two channels of its one tensor."""
    one = tiny_input()
    return tiny_manifest(inputs=(replace(one, name="first"), replace(one, name="second")))


def model_of_two() -> bytes:
    """A model for `of_two`: scores = 20 * (mean of both - 0.5)."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", kind, ["N", 2, 4, 4])
    scores = helper.make_tensor_value_info("scores", kind, ["N", 1])
    constants = [helper.make_tensor("half", kind, [], [0.5]), helper.make_tensor("gain", kind, [], [20.0])]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "gain"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "two", [image], [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())


def write_pack_of_two(folder: Path) -> Path:
    """A pack that needs two scans of a patient, named one by one."""
    return write_tiny_pack(folder, of_two(), model_of_two())


def input_that_accepts(**changes: Any) -> Input:
    """A tiny input that takes other scans."""
    return replace(tiny_input(), accepts=replace(Accepts(stack="picture", colour="grey"), **changes))
