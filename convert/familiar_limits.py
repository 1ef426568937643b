"""From the distances and energies of scans that a model did not learn from to the limits of what is familiar.

A limit is a rank of the values of n scans: of scans like them, those beyond the k-th smallest value are at most
1 - k / (n + 1) (Vovk et al. 2005, "Algorithmic learning in a random world"; Bates et al. 2023, "Testing for outliers
with conformal p-values"). So n scans can promise no share of false alarms below 1 / (n + 1), and it is a promise for
scans like them alone: those of another hospital may be refused more often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.familiar import OUTPUT
from convert.familiar_rule import FamiliarRule
from convert.measured import Candidate, Measured
from edge.check.familiar import Likeness
from edge.pack.familiar import LARGEST, DistanceLimits, EnergyLimit, Familiar, energy_problem
from edge.pack.manifest import Evidence, Task
from edge.pack.words import ALL

DISTANCE, ENERGY = "distance", "energy"
MOST_WARNED, MOST_REFUSED = 0.05, 0.01
"""Shares of false alarms beyond which a limit would do more harm than good, so that there is none."""
METHOD = "Clopper-Pearson"
NONE_YET = "none yet"


def conformal_limit(values: NDArray[Any], share: float) -> tuple[float, float]:
    """Return the limit beyond which at most `share` of such scans lie, and the share that n scans can promise.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        At least one.
    share : float
        Where n is too small for it, the limit is the largest value, and the promise 1 / (n + 1).

    Examples
    --------
    >>> conformal_limit(np.arange(1.0, 100.0), 0.05)
    (95.0, 0.05)
    >>> conformal_limit(np.arange(1.0, 100.0), 0.001)
    (99.0, 0.01)
    """
    n = len(values)
    rank = min(n, math.ceil(round((n + 1) * (1 - share), 9)))
    return float(np.sort(values)[rank - 1]), 1 - rank / (n + 1)


def unlimited(task: Task, rule: FamiliarRule) -> Familiar:
    """Return limits that nothing is beyond, with which distances and energies are measured."""
    wanted = len(task.labels) > 1 if rule.energy is None else rule.energy
    energy = EnergyLimit(warn=LARGEST, rule=NONE_YET, chosen_on=NONE_YET, n=1)
    return Familiar(
        output=OUTPUT,
        distance=DistanceLimits(warn=LARGEST, rule=NONE_YET, chosen_on=NONE_YET, n=1),
        energy=energy if wanted and not energy_problem(task) else None,
    )


def limits_of(rule: FamiliarRule, measured: Measured, chosen_on: str) -> Familiar | None:
    """Return the limits of one candidate, from what it said of the scans that tune; None where they are too few.

    Parameters
    ----------
    chosen_on : str
        What to call these scans.
    """
    far, energies = (measured.likeness.get(name, np.zeros(0)) for name in (DISTANCE, ENERGY))
    if 1 / (len(far) + 1) > MOST_WARNED:
        return None
    warn, warned = conformal_limit(far, rule.warn)
    beyond, refused = conformal_limit(far, rule.refuse)
    refuses = refused <= MOST_REFUSED
    words = f"{_words(warned, 'warned of')}{', ' + _words(refused, 'refused') if refuses else ', none refused'}"
    distance = DistanceLimits(
        warn=_up(warn),
        refuse=_up(beyond) if refuses else None,
        rule=f"of scans like these {words}",
        chosen_on=chosen_on,
        n=len(far),
    )
    return Familiar(
        output=OUTPUT, distance=distance, energy=_energy(rule, energies, chosen_on) if len(energies) else None
    )


def alarms_of(item: Candidate, familiar: Familiar | None, measured: Measured, data: str) -> tuple[Evidence, ...]:
    """Return the shares of the scans that judge that would be refused and warned of, with their 95% intervals."""
    far = measured.likeness.get(DISTANCE, np.zeros(0))
    if familiar is None or not len(far):
        return ()
    limits = familiar.distance
    counts = {"unfamiliar-warned": int((far > limits.warn).sum())}
    if limits.refuse is not None:
        counts["unfamiliar-refused"] = refused = int((far > limits.refuse).sum())
        counts["unfamiliar-warned"] -= refused
    return tuple(
        Evidence(
            precision=item.precision,
            engine=item.engine,
            label=ALL,
            data=data,
            metric=metric,
            value=round(count / len(far), 6),
            interval=interval_of(count, len(far)),
            method=METHOD,
            n=len(far),
        )
        for metric, count in counts.items()
    )


def interval_of(count: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Clopper and Pearson 1934).

    Examples
    --------
    >>> interval_of(0, 100)
    (0.0, 0.036217)
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - heavy

    found = binomtest(count, n).proportion_ci(confidence_level=0.95, method="exact")
    return round(float(found.low), 6), round(float(found.high), 6)


def of_one(likeness: Likeness) -> dict[str, float]:
    """Return what was measured of a scan, by name."""
    far = {DISTANCE: likeness.distance}
    return far if likeness.energy is None else {**far, ENERGY: likeness.energy}


def of_likeness(rows: list[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Return what was measured of each scan as arrays by name, each of shape (n,)."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _energy(rule: FamiliarRule, energies: NDArray[np.float64], chosen_on: str) -> EnergyLimit:
    warn, warned = conformal_limit(energies, rule.warn)
    words = f"of scans like these {_words(warned, 'warned of')}"
    return EnergyLimit(warn=_up(warn), rule=words, chosen_on=chosen_on, n=len(energies))


def _words(share: float, what: str) -> str:
    return f"at most {share:.2%} {what}"


def _up(value: float) -> float:
    """A limit in few digits that no scan that made it lies beyond."""
    return math.ceil(value * 1e4) / 1e4
