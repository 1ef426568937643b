"""The networks that are measured: their files in every precision, and what they are fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.describe import parse_description, to_manifest
from convert.half import to_fp16
from convert.lower import lower_for_onnxruntime, lower_for_openvino
from convert.phantoms import phantom_feeds
from convert.quantise import calibrate, head_nodes, quantise
from convert.recipes.contract import recipe_description
from convert.sources import load_source
from edge.pack.manifest import Manifest
from edge.pack.tasks import outputs_of

Feed = Mapping[str, NDArray[np.float32]]

NETS: Mapping[str, str] = {
    "skin-resnet50": "ResNet-50",
    "chest-densenet121": "DenseNet-121",
    "unet2d": "U-Net 2-D",
    "retinopathy-cnn": "DR CNN",
    "unet3d": "U-Net 3-D",
}
"""Recipes, and what their networks are called. The weights are random: structure and speed, never accuracy."""


LOWERING: Mapping[str, Callable[[bytes], bytes]] = {
    "onnxruntime": lower_for_onnxruntime,
    "openvino": lower_for_openvino,
}
"""By engine, as `convert.candidates.find_int8` does it: what the INT8 of a pack is made from.

An NVIDIA GPU has none: TensorRT takes the signed graph as it is, and ONNX Runtime's CUDA has no kernels for INT8.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Net:
    """One network.

    Parameters
    ----------
    fp32, fp16, signed : bytes
        ONNX: as exported; halved; INT8 as TensorRT takes it.
    lowered : mapping
        INT8 by the name of the engine that it is for.
    feeds : tuple of mappings
        Seeded phantoms, prepared as scans are; those that calibrated too.
    """

    name: str
    fp32: bytes
    fp16: bytes
    signed: bytes
    lowered: Mapping[str, bytes]
    feeds: tuple[Feed, ...]


def manifest_of(name: str) -> Manifest:
    """Return the manifest that the recipe's own description leads to."""
    return to_manifest(parse_description(recipe_description(name).encode(), name), ())


def export(name: str) -> bytes:
    """Return a recipe's network as FP32 ONNX."""
    return load_source(name).onnx


def to_int8(onnx: bytes, manifest: Manifest) -> bytes:
    """Return the INT8 model, signed, calibrated on phantoms, its head kept in float."""
    calibration = calibrate(onnx, phantom_feeds(manifest), method="minmax")
    return quantise(calibration, keep_float=head_nodes(onnx, outputs_of(manifest.task)))


def convert(name: str) -> Net:
    """Return a network in every precision."""
    onnx, manifest = export(name), manifest_of(name)
    signed = to_int8(onnx, manifest)
    lowered = {engine: lower(signed) for engine, lower in LOWERING.items()}
    feeds = tuple(phantom_feeds(manifest))
    return Net(name=name, fp32=onnx, fp16=to_fp16(onnx), signed=signed, lowered=lowered, feeds=feeds)


def relative_error(found: list[dict[str, NDArray[Any]]], expected: list[dict[str, NDArray[Any]]]) -> float:
    """Return |found - expected| / |expected|, of the output for which it is largest.

    Parameters
    ----------
    found, expected : list of dict
        By name of output, one for each feed; the norm (L2) is that of all feeds together.

    Examples
    --------
    >>> relative_error([{"y": np.array([3.0, 4.5])}], [{"y": np.array([3.0, 4.0])}])
    0.1
    """
    errors = []
    for name in expected[0]:
        wanted = np.concatenate([outputs[name].ravel() for outputs in expected]).astype(np.float64)
        got = np.concatenate([outputs[name].ravel() for outputs in found]).astype(np.float64)
        errors.append(float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)))
    return max(errors, key=lambda error: np.inf if np.isnan(error) else error)
