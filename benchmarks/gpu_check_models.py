"""The models that a GPU is checked with: ONNX files by their names, and what they are fed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import TensorSpec
from edge.errors import UsageError

PRECISIONS = ("fp32", "fp16", "int8")
EMBEDDED = Path(__file__).parent.parent / "edge" / "packs" / "chest-pneumonia"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One model in one precision or more; the FP32 one tells what the others should say.

    Parameters
    ----------
    name : str
    files : mapping
        ONNX by precision; FP32 is among them.
    """

    name: str
    files: Mapping[str, bytes]

    def sha256(self) -> dict[str, str]:
        """Return the SHA-256 of each file, by precision."""
        return {precision: hashlib.sha256(data).hexdigest() for precision, data in self.files.items()}


def subjects_in(paths: Sequence[Path]) -> tuple[Subject, ...]:
    """Return the models in ONNX files and in the folders that hold some.

    ``NAME.fp32.onnx``, ``NAME.fp16.onnx`` and ``NAME.int8.onnx`` are one model; ``NAME.onnx`` is one in FP32.

    Raises
    ------
    UsageError
        There is none, or one without FP32, with which the others would be compared.
    """
    found: dict[str, dict[str, bytes]] = {}
    for path in _files(paths):
        stem, _, suffix = path.stem.rpartition(".")
        name, precision = (stem, suffix) if stem and suffix in PRECISIONS else (path.stem, "fp32")
        called = path.parent.name if name == "model" else name
        found.setdefault(called, {})[precision] = path.read_bytes()
    if not found:
        raise UsageError(f"Looking for models in {', '.join(map(str, paths))}: found no .onnx file.")
    for name, files in found.items():
        if "fp32" not in files:
            raise UsageError(f"Looking for models: found {name} in {', '.join(files)}, expected it in fp32 too.")
    return tuple(Subject(name=name, files=files) for name, files in found.items())


def subjects_of(recipes: Iterable[str]) -> tuple[Subject, ...]:
    """Return recipes, exported, halved and quantised here; needs ``edgerun[convert]``."""
    from benchmarks.nets import convert  # noqa: PLC0415 -- imports torch, which a machine in the field has not

    nets = [convert(name) for name in recipes]
    return tuple(Subject(name=net.name, files={"fp32": net.fp32, "fp16": net.fp16, "int8": net.signed}) for net in nets)


def feeds_for(inputs: Sequence[TensorSpec], *, batch: int, seed: int = 0) -> dict[str, NDArray[Any]] | None:
    """Return seeded feeds; None where an axis beyond the first may have any size, which nobody told.

    Floats are normal; whole numbers 0 or 1, which are both in the range of any index.
    """
    generator = np.random.default_rng(seed)
    feeds = {}
    for item in inputs:
        shape = tuple(batch if size == -1 and axis == 0 else size for axis, size in enumerate(item.shape))
        if -1 in shape:
            return None
        floats = np.dtype(item.dtype).kind == "f"
        values = generator.standard_normal(shape) if floats else generator.integers(0, 2, shape)
        feeds[item.name] = values.astype(item.dtype)
    return feeds


def takes_batches(inputs: Sequence[TensorSpec]) -> bool:
    """Return whether the first axis of every input may have any size."""
    return all(item.shape[:1] == (-1,) for item in inputs)


def error_of(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> float:
    """Return |found - expected| / |expected| (L2), of the output for which it is largest; infinite where unlike.

    Examples
    --------
    >>> error_of({"y": np.array([3.0, 4.5])}, {"y": np.array([3.0, 4.0])})
    0.1
    >>> error_of({"y": np.array([np.nan])}, {"y": np.array([1.0])})
    inf
    """
    if set(found) != set(expected):
        return math.inf
    return max((_error(found[name], expected[name]) for name in expected), default=math.inf)


def _error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape:
        return math.inf
    wanted, got = expected.astype(np.float64), found.astype(np.float64)
    error = float(np.linalg.norm(got - wanted)) / max(float(np.linalg.norm(wanted)), np.finfo(np.float64).tiny)
    return error if math.isfinite(error) else math.inf


def _files(paths: Sequence[Path]) -> list[Path]:
    listed = [sorted(path.glob("*.onnx")) if path.is_dir() else [path] for path in paths]
    return [file for files in listed for file in files]
