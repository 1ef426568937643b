"""Runs of a model on made-up inputs, the same each time: whether two models answer alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from convert.sources.contract import first_line
from edge.errors import UsageError

Arrays = Mapping[str, NDArray[Any]]

SEED = 2026
GUESSES = (64, 224, 512, 16, 1)
"""Sizes tried in turn for an axis that a model leaves open."""
_SILENT = 4


class CannotRun(Exception):  # noqa: N818 - it is an answer, and never leaves this package
    """A model does not load, or does not take what it was fed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input of a graph: its numpy type, and its axes, of which an open one has a name or None."""

    dtype: np.dtype[Any]
    axes: tuple[int | str | None, ...]


class Runner:
    """A model in ONNX Runtime, on one thread and without a word on stderr.

    Raises
    ------
    CannotRun
        It does not load.
    """

    def __init__(self, model: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _SILENT
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common base but Exception
            raise CannotRun(first_line(error)) from error
        self.outputs = tuple(item.name for item in self._session.get_outputs())

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """Return the outputs by name.

        Raises
        ------
        CannotRun
            The model does not take these inputs.
        """
        try:
            values = self._session.run(list(self.outputs), dict(feeds))
        except Exception as error:  # its errors have no common base but Exception
            raise CannotRun(first_line(error)) from error
        return {name: np.asarray(value) for name, value in zip(self.outputs, values, strict=True)}


def seeded_feeds(shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, NDArray[Any]]:
    """Return inputs of these shapes: normal numbers, and 0 to 9 where whole numbers are asked; seeded.

    Every one can also be said in float32 without loss, except halves of a float16.
    """
    generator = np.random.default_rng(SEED)
    feeds: dict[str, NDArray[Any]] = {}
    for name, shape in shapes.items():
        dtype = dtypes[name]
        if dtype.kind in "iu":
            feeds[name] = generator.integers(0, 10, shape).astype(dtype)
        elif dtype.kind == "b":
            feeds[name] = generator.integers(0, 2, shape).astype(dtype)
        else:
            feeds[name] = generator.standard_normal(shape, dtype=np.float32).astype(dtype)
    return feeds


def shapes_to_try(
    inputs: Mapping[str, Tensor], given: Mapping[str, tuple[int, ...]] | None, what: str
) -> Iterator[dict[str, tuple[int, ...]]]:
    """Yield shapes with a batch of 1 for the inputs of a graph: the given ones, else guesses at what it leaves open.

    Raises
    ------
    UsageError
        The given names or shapes are not those of the graph.
    """
    check_given(inputs, given, what)
    open_axes = False
    for guess in GUESSES:
        shapes = {}
        for name, tensor in inputs.items():
            if given and name in given:
                shapes[name] = tuple(
                    size if isinstance(size, int) else chosen
                    for size, chosen in zip(tensor.axes, (1, *given[name][1:]), strict=True)
                )
                continue
            open_axes |= any(not isinstance(size, int) for size in tensor.axes[1:])
            axes = (tensor.axes[0] if isinstance(tensor.axes[0], int) else 1, *tensor.axes[1:]) if tensor.axes else ()
            shapes[name] = tuple(size if isinstance(size, int) else guess for size in axes)
        yield shapes
        if not open_axes:
            return


def check_given(inputs: Mapping[str, Tensor], given: Mapping[str, tuple[int, ...]] | None, what: str) -> None:
    """Raise `UsageError` where given shapes are not of inputs that there are."""
    for name, shape in (given or {}).items():
        if name not in inputs:
            raise UsageError(
                f"Trying {what}: found a shape for the input {name!r}, expected one of {', '.join(inputs)}."
            )
        axes = inputs[name].axes
        fits = len(shape) == len(axes) and all(
            at == 0 or not isinstance(size, int) or size == shape[at] for at, size in enumerate(axes)
        )
        if not fits:
            raise UsageError(f"Trying {what}: found the shape {_shown(shape)} for {name!r}, expected {_shown(axes)}.")


def _shown(axes: Sequence[int | str | None]) -> str:
    return " x ".join("?" if size is None else str(size) for size in axes)


def largest_difference(expected: Arrays, found: Arrays) -> float:
    """Return the largest difference between two answers, relative to the largest value of each output, at least 1.

    Different names, shapes, or places of what is no number are infinitely far apart.

    Examples
    --------
    >>> largest_difference({"a": np.array([0.0, 200.0])}, {"a": np.array([1.0, 200.0])})
    0.005
    >>> largest_difference({"a": np.array([1.0])}, {"a": np.array([[1.0]])})
    inf
    """
    if set(expected) != set(found):
        return float("inf")
    return max((_difference(value, found[name]) for name, value in expected.items()), default=0.0)


def _difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    if expected.shape != found.shape:
        return float("inf")
    if expected.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    one, other = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return float("inf")
    scale = max(1.0, float(np.abs(one[finite]).max(initial=0.0)))
    return float(np.abs(one[finite] - other[finite]).max(initial=0.0)) / scale
