"""Engines: what runs a model. An engine knows tensors and nothing of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from edge.errors import EngineError
from edge.reasons import ENGINE_RUN, NO_ENGINE
from edge.table import Entry, lookup

ENGINES: Mapping[str, Entry] = {
    "onnxruntime": Entry("edge.engines.onnxruntime:OnnxRuntimeEngine", needs=("onnxruntime",)),
    "openvino": Entry("edge.engines.openvino:OpenVinoEngine", needs=("openvino",), extra="openvino"),
}
"""The preferred one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output of a model: `dtype` as numpy calls it; in `shape`, -1 stands for an axis of any size."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether a tensor of this shape can be it.

        Examples
        --------
        >>> spec = TensorSpec(name="image", dtype="float32", shape=(-1, 1, 28, 28))
        >>> spec.fits((3, 1, 28, 28)), spec.fits((1, 3, 28, 28)), spec.fits((1, 28, 28))
        (True, False, False)
        """
        return len(shape) == len(self.shape) and all(
            own in (-1, size) for own, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What really runs, read back from the engine.

    Parameters
    ----------
    name : str
        As in `ENGINES`.
    version : str
    provider : str
        The engine's own word for the device and library that it runs on.
    precision : str
        Of the model that was loaded.
    threads : int
    """

    name: str
    version: str
    provider: str
    precision: str
    threads: int


class Engine(Protocol):
    """A loaded model."""

    facts: EngineFacts
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name; the arrays belong to the caller and are never written to again.

        Raises
        ------
        EngineError
            ``E502``.
        """

    def close(self) -> None:
        """Give the model's memory back; a second call does nothing."""


def check_feeds(feeds: Mapping[str, NDArray[Any]], inputs: Sequence[TensorSpec], engine: str) -> None:
    """Refuse what engines themselves would cast, cut, misread, or replace by what they were fed before.

    Parameters
    ----------
    feeds : mapping
        As given to `Engine.infer`.
    inputs : sequence of TensorSpec
        What the model takes. A dtype of another byte order is another dtype.
    engine : str
        What to call it in messages.

    Raises
    ------
    EngineError
        ``E502``.
    """
    if set(feeds) != {item.name for item in inputs}:
        names = ", ".join(sorted(feeds)) or "nothing"
        expected = ", ".join(sorted(item.name for item in inputs)) or "nothing"
        raise EngineError(f"Running {engine}: found {names}; expected {expected}.", ENGINE_RUN)
    for item in inputs:
        feed = feeds[item.name]
        if str(feed.dtype) != item.dtype or not item.fits(feed.shape):
            found = f"{item.name!r} is {feed.dtype} of shape {feed.shape}, expected {item.dtype} of shape {item.shape}"
            raise EngineError(f"Running {engine}: {found}.", ENGINE_RUN)


def available_engines() -> tuple[str, ...]:
    """Return the names of the engines whose packages are installed, in the table's order; imports none of them."""
    return tuple(name for name, entry in ENGINES.items() if not entry.missing())


def open_engine(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """Load a model whose bytes have been checked.

    Parameters
    ----------
    name : str
        As in `ENGINES`.
    model : bytes
        ONNX.
    precision : str
        Of the model; for the report.
    threads : int
        As many as the engine may use.

    Raises
    ------
    EngineError
        ``E500`` the engine's packages are not installed; ``E501`` it cannot load the model.
    UsageError
        There is no engine by that name.
    """
    entry = lookup(ENGINES, name, "engine")
    if missing := entry.missing():
        hint = f" It comes with edgerun[{entry.extra}]." if entry.extra else ""
        raise EngineError(f"Opening {name}: the package {missing[0]} is not installed.{hint}", NO_ENGINE)
    engine: Engine = entry.load()(model, precision=precision, threads=threads)
    return engine
