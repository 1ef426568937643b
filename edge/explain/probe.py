"""What the model says when a part of what it is fed is hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.engines import Engine
from edge.errors import PackError
from edge.pack.manifest import ClassificationTask, Input, Manifest
from edge.prepare import Feed, prepare
from edge.reasons import BAD_MANIFEST
from edge.scan import Scan
from edge.tasks.classification import scores_of

Where = NDArray[np.bool_]
Odds = NDArray[np.float64]

SUREST = 1e-15
"""Nearer to 0 or 1 a score has no log-odds that float64 could tell."""


@dataclass(slots=True, kw_only=True, eq=False)
class Probe:
    """Runs the model on one feed with parts hidden; counts its runs.

    What is hidden takes the mean of its channel, over all that was prepared: for a model fed with normalised values
    the picture that says least.

    Parameters
    ----------
    feed : Feed
    manifest : Manifest
        Of a classification that sees the whole scan at once.
    engine : Engine
    ran : callable, optional
        Told how many of all runs are done.
    """

    feed: Feed
    manifest: Manifest
    engine: Engine
    ran: Callable[[int, int], None] | None = None
    _total: int = 0
    _done: int = 0
    _seen: Odds | None = None
    _plain: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scans: Mapping[str, Scan],
        manifest: Manifest,
        engine: Engine,
        ran: Callable[[int, int], None] | None = None,
    ) -> Probe:
        """Return a probe of what is prepared of some scans."""
        (feed,) = prepare(scans, manifest)
        probe = cls(feed=feed, manifest=manifest, engine=engine, ran=ran)
        for item in manifest.inputs:
            tensor = feed.tensors[item.tensor]
            mean = tensor.mean(axis=_places(item), keepdims=True, dtype=np.float64)
            probe._plain[item.tensor] = mean.astype(np.float32)
        return probe

    def expect(self, runs: int) -> None:
        """Hear how many runs there will be."""
        self._total = runs

    @property
    def whole(self) -> Odds:
        """The log-odds of each label with nothing hidden."""
        if self._seen is None:
            self._seen = self._run(self.feed.tensors)
        return self._seen

    def without(self, hidden: Where) -> Odds:
        """Return the log-odds of each label, shape (label,), with the voxels hidden that are true.

        Parameters
        ----------
        hidden : ndarray of bool, shape (z, y, x)
            On the prepared grid; z = 1 for a picture.
        """
        fed = dict(self.feed.tensors)
        for item in self.manifest.inputs:
            tensor = self.feed.tensors[item.tensor]
            fed[item.tensor] = np.where(_laid_out(hidden, item), self._plain[item.tensor], tensor)
        return self._run(fed)

    def _run(self, tensors: Mapping[str, NDArray[np.float32]]) -> Odds:
        task = self.manifest.task
        if not isinstance(task, ClassificationTask):
            raise PackError(f"Explaining {self.manifest.name}: found the task {task.kind}.", BAD_MANIFEST)
        scores = scores_of(self.engine.infer(tensors), task).clip(SUREST, 1.0 - SUREST)
        self._done += 1
        if self.ran is not None:
            self.ran(self._done, max(self._total, self._done))
        return np.asarray(np.log(scores) - np.log1p(-scores))

    def indices(self, names: Sequence[str]) -> list[int]:
        """Return where labels stand among all of the task."""
        every = [label.name for label in self.manifest.task.labels]
        return [every.index(name) for name in names]


def _places(item: Input) -> tuple[int, ...]:
    """The axes of a tensor along which its voxels lie."""
    return tuple(index for index, axis in enumerate(item.axes) if axis in "DHW")


def _laid_out(hidden: Where, item: Input) -> Where:
    """A mask as the tensor's axes have it."""
    flat = hidden if "D" in item.axes else hidden[0]
    return np.expand_dims(flat, tuple(index for index, axis in enumerate(item.axes) if axis in "NC"))
