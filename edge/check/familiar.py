"""Is the scan like those that the model learnt from? What the model itself gives away, against the pack's limits.

The graph computes the distance of the scan's features (`convert.familiar`), so that it is there on every engine. A scan
that is far away is refused before its score is believed: a model scores a picture of anything (Nguyen et al. 2015,
"Deep neural networks are easily fooled"). What the features do not see, this check does not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.findings import Notice
from edge.pack.familiar import Familiar
from edge.pack.manifest import ClassificationTask, Manifest, Model
from edge.prepare import Feed
from edge.reasons import FAR_FROM_LEARNT, LESS_FAMILIAR, UNUSUALLY_UNSURE
from edge.tasks import Outputs, finite_output

Result = tuple[Feed, Outputs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How like a scan is to those that the model learnt from; about 1 is the distance of those themselves.

    Parameters
    ----------
    distance : float
        Of the scan's features; of a scan that was seen in windows, the mean over them.
    warn : float
        Beyond it there is a warning.
    refuse : float, optional
        Beyond it the scan is not analysed; None where the pack refuses none.
    energy, energy_warn : float, optional
        See `energy_of`; beyond the latter there is a warning. None where the pack has no limit of it.
    """

    distance: float
    warn: float
    refuse: float | None
    energy: float | None = None
    energy_warn: float | None = None


def measuring(results: Iterable[Result], manifest: Manifest, model: Model, seen: list[Likeness]) -> Iterator[Result]:
    """Pass on feeds and outputs; once all have come, put how like the scan is into `seen`, if the model can tell.

    Raises
    ------
    edge.errors.EngineError
        ``E503``: the distance is missing, no number, or has another shape than (1, 1).
    """
    distances: list[float] = []
    energy: float | None = None
    for feed, outputs in results:
        if model.familiar is not None:
            distances.append(float(finite_output(outputs, model.familiar.output, (1, 1))[0, 0]))
            energy = _energy(outputs, manifest, model.familiar)
        yield feed, outputs
    if model.familiar is not None and distances:
        seen.append(_likeness(distances, energy, model.familiar))


def said_of_likeness(seen: Likeness | None, severity: Literal["refuse", "warn"]) -> tuple[Notice, ...]:
    """Return what is to be said, of one severity, of a scan that is not like those that the model learnt from."""
    said = () if seen is None else _of_distance(seen) + _of_energy(seen)
    return tuple(note for note in said if note.severity == severity)


def energy_of(logits: NDArray[np.float32], activation: str) -> float:
    """Return the energy of a scan's logits: the higher, the less sure the model is of any answer.

    With ``softmax`` it is -log sum exp of the logits (Liu et al. 2020, "Energy-based out-of-distribution detection",
    eq. 4). Each logit l of a ``sigmoid`` stands for two classes, of which l / 2 and -l / 2 are the logits: the mean of
    their energies. (The joint energy of Wang et al. 2021 counts but the labels that are there, and so would take each
    normal scan for a strange one.)

    Parameters
    ----------
    logits : ndarray of float32, shape (values,)
    activation : {"softmax", "sigmoid"}

    Examples
    --------
    >>> import numpy as np
    >>> energy_of(np.array([8.0], np.float32), "sigmoid") < energy_of(np.array([0.0], np.float32), "sigmoid")
    True
    """
    exact = logits.astype(np.float64)
    if activation == "softmax":
        return float(-np.logaddexp.reduce(exact))
    return float(-np.logaddexp(exact / 2, -exact / 2).mean())


def _energy(outputs: Outputs, manifest: Manifest, familiar: Familiar) -> float | None:
    task = manifest.task
    if familiar.energy is None or not isinstance(task, ClassificationTask):
        return None
    return energy_of(finite_output(outputs, task.output, (1, None))[0], task.activation)


def _likeness(distances: list[float], energy: float | None, familiar: Familiar) -> Likeness:
    return Likeness(
        distance=float(np.mean(distances)),
        warn=familiar.distance.warn,
        refuse=familiar.distance.refuse,
        energy=energy,
        energy_warn=None if familiar.energy is None else familiar.energy.warn,
    )


def _of_distance(seen: Likeness) -> tuple[Notice, ...]:
    if seen.refuse is not None and seen.distance > seen.refuse:
        detail = f"Its features lie at {seen.distance:.3g}, beyond {seen.refuse:.3g}."
        return (Notice(reason=FAR_FROM_LEARNT, severity="refuse", detail=detail),)
    if seen.distance > seen.warn:
        detail = f"Its features lie at {seen.distance:.3g}, beyond {seen.warn:.3g}."
        return (Notice(reason=LESS_FAMILIAR, severity="warn", detail=detail),)
    return ()


def _of_energy(seen: Likeness) -> tuple[Notice, ...]:
    if seen.energy is None or seen.energy_warn is None or seen.energy <= seen.energy_warn:
        return ()
    detail = f"The energy of its scores is {seen.energy:.3g}, beyond {seen.energy_warn:.3g}."
    return (Notice(reason=UNUSUALLY_UNSURE, severity="warn", detail=detail),)
