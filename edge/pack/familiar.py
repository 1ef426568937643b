"""How a pack tells whether a scan is like those that its model learnt from: the limits of one model, as types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edge.pack.tasks import ClassificationTask, Task, outputs_of
from edge.pack.words import Text
from edge.typed import Between, TypedError

LARGEST = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceLimits:
    """How far a scan's features may lie from those of the scans that the model learnt from.

    Parameters
    ----------
    warn : float
        Beyond it the result stands and says so.
    refuse : float, optional
        Beyond it the scan is not analysed. None where too few scans were at hand to refuse any other by them.
    rule, chosen_on : str
        How the limits were chosen, and on which scans.
    n : int
        So many scans.
    """

    warn: Annotated[float, Between(0.0, LARGEST)]
    refuse: Annotated[float, Between(0.0, LARGEST)] | None = None
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyLimit:
    """Up to which energy the logits of a classification are as sure as on the scans that the model learnt from.

    Beyond it the result stands and says so. See `edge.check.familiar.energy_of`, and `DistanceLimits` for the rest.
    """

    warn: Annotated[float, Between(-LARGEST, LARGEST)]
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiar:
    """What one model of a pack, in its precision, takes for a scan that is like those that it learnt from.

    Parameters
    ----------
    output : str
        Tensor of shape (N, 1): the distance of the scan's features from those that the model learnt from, 0 or more, in
        float32 whatever the precision. Of a scan that is seen in windows, each window has one, and their mean counts.
    distance : DistanceLimits
    energy : EnergyLimit, optional
        Of a classification whose graph gives logits.
    """

    output: Text
    distance: DistanceLimits
    energy: EnergyLimit | None = None


def check_familiar(familiar: Familiar, task: Task, path: str) -> None:
    """Refuse limits that contradict each other, or that would never be compared with anything.

    Raises
    ------
    TypedError
        With the path of the key.
    """
    if familiar.output in outputs_of(task):
        raise TypedError(f"{path}.output", f"found {familiar.output!r}, which the task reads for its answer")
    limits = familiar.distance
    if limits.refuse is not None and limits.refuse < limits.warn:
        wanted = f"expected at least {limits.warn:g}, from which on it warns"
        raise TypedError(f"{path}.distance.refuse", f"found {limits.refuse:g}, {wanted}")
    if familiar.energy is not None and (problem := energy_problem(task)):
        raise TypedError(f"{path}.energy", f"found a limit, expected none: {problem}")


def energy_problem(task: Task) -> str:
    """Return why a task has no energy, in words; empty if it has one."""
    if not isinstance(task, ClassificationTask):
        return "only a classification has one"
    if task.activation == "none":
        return "the graph gives scores, not logits"
    return "it is not taken of windows" if task.windows is not None else ""
