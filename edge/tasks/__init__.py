"""Tasks: from what the model gave to findings in the place of the scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Findings
from edge.pack.manifest import Manifest, Model
from edge.prepare import Feed
from edge.reasons import BAD_OUTPUT
from edge.scan import Scan
from edge.table import Entry, lookup

Outputs = Mapping[str, NDArray[Any]]
Task = Callable[[Iterable[tuple[Feed, Outputs]], Mapping[str, Scan], Manifest, Model], Findings]

TASKS: Mapping[str, Entry] = {
    "classification": Entry("edge.tasks.classification:classify"),
    "segmentation": Entry("edge.tasks.segmentation:segment"),
    "detection": Entry("edge.tasks.detection:detect"),
    "registration": Entry("edge.tasks.registration:register"),
    "translation": Entry("edge.tasks.translation:translate"),
}


def conclude(
    results: Iterable[tuple[Feed, Outputs]], scans: Mapping[str, Scan], manifest: Manifest, model: Model
) -> Findings:
    """Return the findings of the manifest's task, consuming feeds and outputs as they come.

    Raises
    ------
    EngineError
        ``E503``: an output is missing, is not finite, or has another shape or range than the manifest says.
    """
    return load_task(manifest)(results, scans, manifest, model)


def load_task(manifest: Manifest) -> Task:
    """Return the function of the manifest's task."""
    task: Task = lookup(TASKS, manifest.task.kind, "task").load()
    return task


def finite_output(outputs: Outputs, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """Return an output as float32 once its shape (None: any size) and its numbers are what they should be.

    Raises
    ------
    EngineError
        ``E503``.
    """
    if name not in outputs:
        raise EngineError(f"Reading the output {name!r}: found {', '.join(sorted(outputs))}.", BAD_OUTPUT)
    values = np.asarray(outputs[name])
    if values.dtype.kind not in "fiub":
        raise EngineError(f"Reading the output {name!r}: found {values.dtype}, expected numbers.", BAD_OUTPUT)
    fits = values.ndim == len(shape) and all(
        size > 0 and want in (None, size) for size, want in zip(values.shape, shape, strict=True)
    )
    if not fits:
        raise EngineError(f"Reading the output {name!r}: found shape {values.shape}, expected {shape}.", BAD_OUTPUT)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        count = int(finite.size - finite.sum())
        raise EngineError(f"Reading the output {name!r}: found {count} values that are no numbers.", BAD_OUTPUT)
    return values


def activate(values: NDArray[np.float32], activation: str, name: str, axis: int) -> NDArray[np.float64]:
    """Return scores from 0 to 1, in float64.

    Raises
    ------
    EngineError
        ``E503``: `activation` is ``none`` and the values are not scores already.

    Examples
    --------
    >>> import numpy as np
    >>> activate(np.array([[0.0, 0.0]], np.float32), "softmax", "logits", 1).tolist()
    [[0.5, 0.5]]
    """
    exact = values.astype(np.float64)
    if activation == "sigmoid":
        # tanh neither overflows nor rounds to more than 1.
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * exact)))
    if activation == "softmax":
        raised = np.exp(exact - exact.max(axis=axis, keepdims=True))
        return np.asarray(raised / raised.sum(axis=axis, keepdims=True))
    if exact.min() < -1e-6 or exact.max() > 1.0 + 1e-6:
        found = f"{exact.min():.3g} to {exact.max():.3g}"
        raise EngineError(f"Reading the output {name!r}: found {found}, expected scores from 0 to 1.", BAD_OUTPUT)
    return np.clip(exact, 0.0, 1.0)


def shares(values: NDArray[np.float32], activation: Literal["sigmoid", "softmax"], axis: int) -> NDArray[np.float32]:
    """Return a copy of logits as scores from 0 to 1, in float32: a volume of them is large.

    Examples
    --------
    >>> import numpy as np
    >>> shares(np.array([0.0, 100.0, -100.0], np.float32), "sigmoid", 0).tolist()
    [0.5, 1.0, 0.0]
    """
    scores: NDArray[np.float32] = values.copy()
    if activation == "sigmoid":
        scores *= 0.5
        np.tanh(scores, out=scores)
        scores += 1.0
        scores *= 0.5
        return scores
    with np.errstate(over="ignore"):  # beyond the range of a float32 lies a score of 0
        scores -= scores.max(axis=axis, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=axis, keepdims=True)
    return scores
